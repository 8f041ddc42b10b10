r"""Functions of the table that are computed from others, step by step, as the terms of these.

    excess(x, m) = x - m, and 0 where x = m            log_total(m, r, k) = m + log1p(r + (k - 1))
    inverse_total(r, k) = 1/(r + k), and 0 where that is 1/0
    over_squares(a, b) = over_hypot(a, b)/hypot(a, b)

Their intervals, rounding errors and relations are those of the steps. What is computed with more care than its steps have (hypot,
log_product) has a rule of its own in `intervals`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.scalar.term import Term

__all__ = ["COMPOSED", "composed"]


def _number(value: int, kind: str) -> Term:
    return Term("const", (), value, kind)


def _(name: str, *args: Term) -> Term:
    return Term(name, args, None, args[0].kind)


def _unless(a: Term, b: Term, value: Term) -> Term:
    """0 where a = b, else the value."""
    return Term("where", (Term("eq", (a, b), None, "bool"), _number(0, value.kind), value), None, value.kind)


def _times_log(x: Term, l: Term) -> Term:
    """0*l is 0 but for NaN: of NaN, l != l holds."""
    product, zero = _("mul", x, l), _number(0, "float")
    own = Term("where", (Term("eq", (l, l), None, "bool"), zero, l), None, "float")
    return Term("where", (Term("eq", (x, zero), None, "bool"), own, product), None, "float")


def _inverse_total(r: Term, k: Term) -> Term:
    total = _("add", r, k)
    return _unless(total, _number(0, "float"), Term("div", (_number(1, "float"), total)))


COMPOSED: dict[str, Callable[..., Term]] = {
    "excess": lambda x, m: _unless(x, m, _("sub", x, m)),
    "apart": lambda e, c: Term("where", (c, _number(0, e.kind), e), None, e.kind),
    "log_total": lambda m, r, k: _("add", m, _("log1p", _("add", r, _("sub", k, _number(1, "float"))))),
    "inverse_total": _inverse_total,
    "times_log": _times_log,
    "times_exp": lambda x, u: _times_log(x, _("exp", u)),
    "scaled": lambda x, b: _("div", x, b),
    "over_squares": lambda a, b: _("mul", _("over_hypot", a, b), _inverse_total(_("hypot", a, b), _number(0, "float"))),
    "grouped": lambda x: x,
    "at_kink": lambda condition, line, value: value,
    "exp_sum": lambda a, b: _("exp", _("add", a, b)),
    "exp_affine": lambda a, b, c: _("exp", _("add", a, _("mul", b, c))),
    "exp_difference": lambda a, b: _("sub", _("exp", a), _("exp", b)),
}


def composed(name: str, args: Sequence[Any], value: Callable[[Term, Sequence[Any]], Any]) -> Any:
    """The value of such a function: `value` is that of a term over reads."""
    kinds = ["bool" if (name, k) in (("apart", 1), ("at_kink", 0)) else "float" for k in range(len(args))]
    return value(COMPOSED[name](*(Term("read", (), k, kind) for k, kind in enumerate(kinds))), args)
