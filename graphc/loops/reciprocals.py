r"""Reciprocals: a loop multiplies by 1/n where the formula divides by extents.

    for i: x_bar[i] = 2*diff[i]/n         becomes         inv_n = 1/n;  for i: x_bar[i] = 2*diff[i]*inv_n

A division takes ten times as long as a product, and n is the same at every point. An extent is an integer, so its inverse neither overflows nor
is subnormal; the product rounds once more. A quotient by a power of two that a norm is scaled by is `scaled`, a product with the inverse, which is
exact. What else a loop changes, or the user gives, is divided by as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import fields, replace
from typing import Any

from graphc.loops.statements import Assign, For, Statement, var
from graphc.scalar.term import Term, walk

__all__ = ["reciprocals", "is_reciprocal"]

ONE = Term("const", (), 1, "float")
_INTEGER = frozenset("const var cast add sub mul neg powi".split())


def reciprocals(body: Sequence[Statement], sizes: Collection[str], scales: Collection[str], own: Callable[[Term], str]) -> tuple[Statement, ...]:
    """A kernel's statements, those first that compute the reciprocals. `sizes` are the variables of extents, `scales` the variables and arrays of
    powers of two; `own` names a divisor's."""
    found: dict[Term, str] = {}

    def visit(t: Term) -> Term:
        t = replace(t, args=tuple(map(visit, t.args)))
        if t.op == "div" and t.args[1].op in ("var", "load") and t.args[1].value in scales:
            return replace(t, op="scaled")
        if t.op != "div" or not _is_of_extents(t.args[1], sizes):
            return t
        above, below = t.args
        inverse = var(found.setdefault(below, own(below)), "float")
        return inverse if above.is_const and above.value == 1 else Term("mul", (above, inverse), None, "float")

    def inside(s: Any) -> Any:
        if isinstance(s, For):
            return replace(s, body=tuple(map(inside, s.body)))
        return replace(s, **{f.name: visit(v) for f in fields(s) if isinstance(v := getattr(s, f.name), Term)})
    loops = tuple(inside(s) if isinstance(s, For) else s for s in body)
    return (*(Assign(name, Term("div", (ONE, below), None, "float")) for below, name in found.items()), *loops)


def is_reciprocal(s: Statement) -> bool:
    """Whether a statement before a kernel's loops computes a reciprocal."""
    return isinstance(s, Assign) and s.value.op == "div"


def _is_of_extents(t: Term, sizes: Collection[str]) -> bool:
    """Whether a divisor is an integer made of extents."""
    parts = list(walk(t))
    return all(p.op in _INTEGER and (p.op != "var" or p.value in sizes) and (p.op != "const" or p.value == int(p.value)) for p in parts) \
        and any(p.op == "var" for p in parts)
