r"""THE table of pointwise functions: one row holds all that graphc knows of a function.

A row is  name, derivative with respect to each argument, and how NumPy, Numba, mpmath and LaTeX say it.
A derivative is written over the arguments and the value `y`, so that exp, tanh and sigmoid read their value again.
Where there is none, `kinks` has the set, what happens there, and what is chosen; `choice`, what a user may choose instead.

`numpy` is a dotted name, resolved when first used. `jit` is what generated code calls: a name of `math`, or of
`graphc.codegen.mathlib`. `mpmath` is a name in mpmath, or a function of (mpmath, arguments).
`result` is the kind of the value: "float" (integers are promoted), "same" (as the arguments), "bool".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp

__all__ = ["ROWS", "Row", "Kink", "Choice", "Op", "op", "where", "at_kink"]

Derivative = Callable[..., Any]


@dataclass(frozen=True)
class Kink:
    """A set where a function is not smooth, as a condition on its arguments, and the derivative chosen there.

    kind    kink: the derivative jumps    jump: the value jumps    singular: the derivative is infinite
            convention: the value or derivative is one by definition, and no limit
    """

    on: Callable[..., sp.Expr]
    kind: str
    chosen: str


@dataclass(frozen=True)
class Choice:
    """A subgradient that the user may choose at the first kink: a number c in [low, high], differentiated as `line(*arguments, c)`."""

    keyword: str
    low: sp.Expr
    high: sp.Expr
    line: Callable[..., sp.Expr]


@dataclass(frozen=True)
class Row:
    name: str
    derivatives: tuple[Derivative | None, ...]
    numpy: str
    jit: str
    mpmath: str | Callable[..., Any]
    latex: str
    result: str = "float"
    kinks: tuple[Kink, ...] = ()
    choice: Choice | None = None
    domain: str = ""
    infix: str = ""

    @property
    def arity(self) -> int:
        return len(self.derivatives)


class Op(sp.Function):
    """A function of the table, applied. Never evaluates itself away: sympy's own `Max` or `sign` would."""

    row: Row

    @classmethod
    def eval(cls, *args: Any) -> None:
        return None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        rule = self.row.derivatives[argindex - 1]
        return sp.Integer(0) if rule is None else sp.sympify(rule(*self.args, self))


class _Where(Op):
    """where(c, a, b) differentiates by selection: the derivative of the side not taken is not multiplied in."""

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        condition, yes, no = self.args
        return where(condition, yes.diff(s), no.diff(s))


ROWS: dict[str, Row] = {}
_CLASSES: dict[str, type[Op]] = {}


def op(name: str) -> type[Op]:
    """The sympy class of a row."""
    return _CLASSES[name]


def where(condition: Any, yes: Any, no: Any) -> sp.Expr:
    """where(c, a, b) as an expression; equal branches and constant conditions fold."""
    yes, no = sp.sympify(yes), sp.sympify(no)
    if yes == no or condition == 1:
        return yes
    if condition == 0:
        return no
    if isinstance(yes, _Where) and yes.args[0] == condition:
        yes = yes.args[1]
    return _CLASSES["where"](condition, yes, no)


def at_kink(condition: sp.Expr, line: sp.Expr, value: sp.Expr) -> sp.Expr:
    """`value`, differentiated as `line` where the condition holds. The two are equal there: the value costs no selection."""
    return _CLASSES["at_kink"](condition, line, value)


def _row(name: str, *derivatives: Derivative | None, numpy: str = "", jit: str = "",
         mpmath: str | Callable[..., Any] = "", latex: str = "", base: type[Op] = Op, **more: Any) -> None:
    row = Row(name, derivatives, numpy or f"numpy.{name}", jit or f"math.{name}", mpmath or name,
              latex or rf"\mathrm{{{name}}}", **more)
    ROWS[name] = row
    _CLASSES[name] = type(name, (base,), {"nargs": len(derivatives), "row": row})


def _(name: str, *arguments: Any) -> sp.Expr:
    return _CLASSES[name](*arguments)


def _compare(name: str, sign: str, numpy: str, mp: Callable[..., Any], latex: str) -> None:
    _row(name, None, None, numpy=numpy, jit=sign, mpmath=mp, latex=latex, result="bool", infix=sign)


half, one, zero = sp.Rational(1, 2), sp.Integer(1), sp.Integer(0)


def _zero(x: sp.Expr) -> sp.Expr:
    return _("eq", x, zero)


def _origin(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    return _("and_", _zero(a), _zero(b))


def _tie(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    return _("eq", a, b)


def _at_zero(low: sp.Expr) -> Choice:
    return Choice("at_zero", low, one, lambda x, c: c * x)


_STEP = "0, as between the steps"
_AT_TIE = Choice("at_tie", zero, one, lambda a, b, share: share * a + (1 - share) * b)

# --- selection, comparison, logic -------------------------------------------------------------------------------------
_row("where", None, None, None, jit="where", mpmath=lambda mp, c, a, b: a if c else b, base=_Where, result="same")
_compare("lt", "<", "numpy.less", lambda mp, a, b: a < b, "<")
_compare("le", "<=", "numpy.less_equal", lambda mp, a, b: a <= b, r"\le")
_compare("gt", ">", "numpy.greater", lambda mp, a, b: a > b, ">")
_compare("ge", ">=", "numpy.greater_equal", lambda mp, a, b: a >= b, r"\ge")
_compare("eq", "==", "numpy.equal", lambda mp, a, b: a == b, "=")
_compare("ne", "!=", "numpy.not_equal", lambda mp, a, b: a != b, r"\ne")
_compare("and_", "and", "numpy.logical_and", lambda mp, a, b: bool(a) and bool(b), r"\wedge")
_compare("or_", "or", "numpy.logical_or", lambda mp, a, b: bool(a) or bool(b), r"\vee")
_row("not_", None, numpy="numpy.logical_not", jit="not", mpmath=lambda mp, a: not a, latex=r"\neg", result="bool")

_row("stop_gradient", lambda x, y: 0, numpy="numpy.positive", jit="", mpmath=lambda mp, x: x, result="same")
_row("at_kink", None, None, None, numpy="graphc.scalar.oracle.at_kink", jit="", mpmath=lambda mp, c, line, value: value, base=_Where, result="same")

# --- integer arithmetic of indices and labels -------------------------------------------------------------------------
_row("floordiv", None, None, numpy="numpy.floor_divide", jit="//", mpmath=lambda mp, a, b: mp.floor(a / b),
     latex=r"\mathrm{div}", result="same", infix="//", kinks=(Kink(lambda a, b: _zero(_("mod", a, b)), "jump", _STEP),))
_row("mod", lambda x, m, y: 1, lambda x, m, y: -_("floordiv", x, m), numpy="numpy.mod", jit="%", mpmath=lambda mp, a, b: a % b,
     latex=r"\bmod", result="same", infix="%",
     kinks=(Kink(lambda x, m: _zero(_("mod", x, m)), "jump", "1, as between the steps"),))

# --- exponentials and logarithms --------------------------------------------------------------------------------------
_row("exp", lambda x, y: y, jit="exp")
_row("expm1", lambda x, y: _("exp", x), jit="expm1")
_row("log", lambda x, y: 1 / x, jit="log", latex=r"\ln", domain="x > 0")
_row("log1p", lambda x, y: 1 / (1 + x), jit="log1p", mpmath=lambda mp, x: mp.log1p(x) if x > -1 else mp.log(1 + x),
     latex=r"\mathrm{log1p}", domain="x > -1")
_row("log2", lambda x, y: 1 / (x * _("log", sp.Integer(2))), mpmath=lambda mp, x: mp.log(x, 2), latex=r"\log_2",
     domain="x > 0")
_row("log10", lambda x, y: 1 / (x * _("log", sp.Integer(10))), mpmath="log10", latex=r"\log_{10}", domain="x > 0")
_row("sigmoid", lambda x, y: y * _("sigmoid", -x), numpy="scipy.special.expit", jit="sigmoid", latex=r"\sigma",
     mpmath=lambda mp, x: 1 / (1 + mp.exp(-x)) if x >= 0 else mp.exp(x) / (1 + mp.exp(x)))
_row("logsigmoid", lambda x, y: _("sigmoid", -x), numpy="scipy.special.log_expit", jit="logsigmoid",
     latex=r"\ln\sigma", mpmath=lambda mp, x: -mp.log1p(mp.exp(-x)) if x >= 0 else x - mp.log1p(mp.exp(x)))
_row("softplus", lambda x, y: _("sigmoid", x), numpy="graphc.scalar.oracle.softplus", jit="softplus",
     mpmath=lambda mp, x: x + mp.log1p(mp.exp(-x)) if x >= 0 else mp.log1p(mp.exp(x)))
_row("logaddexp", lambda a, b, y: _("sigmoid", a - b), lambda a, b, y: _("sigmoid", b - a), jit="logaddexp",
     mpmath=lambda mp, a, b: max(a, b) if a == b and mp.isinf(a) else max(a, b) + mp.log1p(mp.exp(-abs(a - b))))
_row("xlogy", lambda x, z, y: _("log", z),
     lambda x, z, y: where(_("and_", _("eq", x, sp.Integer(0)), _("eq", z, sp.Integer(0))), 0, x / z), numpy="scipy.special.xlogy", jit="xlogy",
     mpmath=lambda mp, x, z: z if mp.isnan(z) else mp.mpf(0) if x == 0 else x * mp.log(z),
     kinks=(Kink(lambda x, z: _zero(x), "convention", "value 0 for every z that is not NaN"),
            Kink(_origin, "singular", "log(0) in x, 0 in z")))

# --- powers -----------------------------------------------------------------------------------------------------------
_row("sqrt", lambda x, y: 1 / (2 * y), domain="x >= 0", latex=r"\sqrt", kinks=(Kink(_zero, "singular", "inf"),))
_row("cbrt", lambda x, y: 1 / (3 * y**2), jit="cbrt", latex=r"\sqrt[3]", kinks=(Kink(_zero, "singular", "inf"),),
     mpmath=lambda mp, x: mp.cbrt(x) if x >= 0 else -mp.cbrt(-x))
_row("power", lambda x, p, y: where(_("and_", _("eq", x, sp.Integer(0)), _("eq", p, sp.Integer(0))), 0, p * _("power", x, p - 1)),
     lambda x, p, y: where(_("and_", _("eq", x, sp.Integer(0)), _("gt", p, sp.Integer(0))), 0, y * _("log", x)),
     jit="power", mpmath=lambda mp, x, p: mp.mpf(1) if p == 0 else mp.power(x, p) if x >= 0 or p == mp.floor(p)
     else mp.nan, result="same", domain="x >= 0, or an integer exponent",
     kinks=(Kink(lambda x, p: _zero(x), "singular", "0 in an exponent > 0, and 0 in x where the exponent is 0"),))
_row("hypot", lambda a, b, y: where(_("eq", y, sp.Integer(0)), 0, a / y),
     lambda a, b, y: where(_("eq", y, sp.Integer(0)), 0, b / y), jit="math.hypot",
     kinks=(Kink(_origin, "kink", "0"),))

# --- trigonometric and hyperbolic -------------------------------------------------------------------------------------
_row("sin", lambda x, y: _("cos", x), latex=r"\sin")
_row("cos", lambda x, y: -_("sin", x), latex=r"\cos")
_row("tan", lambda x, y: 1 + y**2, latex=r"\tan")
_row("arcsin", lambda x, y: 1 / _("sqrt", (1 - x) * (1 + x)), jit="math.asin", mpmath="asin", latex=r"\arcsin",
     domain="-1 <= x <= 1", kinks=(Kink(lambda x: _tie(_("abs", x), one), "singular", "inf"),))
_row("arccos", lambda x, y: -1 / _("sqrt", (1 - x) * (1 + x)), jit="math.acos", mpmath="acos", latex=r"\arccos",
     domain="-1 <= x <= 1", kinks=(Kink(lambda x: _tie(_("abs", x), one), "singular", "-inf"),))
_row("arctan", lambda x, y: 1 / (1 + x**2), jit="math.atan", mpmath="atan", latex=r"\arctan")
_row("arctan2", lambda a, b, y: _over_square(b, a, b), lambda a, b, y: -_over_square(a, a, b), jit="math.atan2",
     mpmath="atan2", latex=r"\mathrm{atan2}",
     kinks=(Kink(_origin, "singular", "0"), Kink(lambda a, b: _("and_", _zero(a), _("lt", b, zero)), "jump", "as on both sides")))
_row("sinh", lambda x, y: _("cosh", x), latex=r"\sinh")
_row("cosh", lambda x, y: _("sinh", x), latex=r"\cosh")
_row("tanh", lambda x, y: (1 - y) * (1 + y), jit="tanh", latex=r"\tanh")
_row("arcsinh", lambda x, y: 1 / _("hypot", x, sp.Integer(1)), jit="math.asinh", mpmath="asinh",
     latex=r"\mathrm{arsinh}")
_row("arccosh", lambda x, y: 1 / _("sqrt", (x - 1) * (x + 1)), jit="math.acosh", mpmath="acosh",
     latex=r"\mathrm{arcosh}", domain="x >= 1", kinks=(Kink(lambda x: _tie(x, one), "singular", "inf"),))
_row("arctanh", lambda x, y: 1 / ((1 - x) * (1 + x)), jit="math.atanh", mpmath="atanh", latex=r"\mathrm{artanh}",
     domain="-1 <= x <= 1")

# --- special functions ------------------------------------------------------------------------------------------------
_row("erf", lambda x, y: 2 * _("exp", -x**2) / _("sqrt", sp.pi), numpy="scipy.special.erf", jit="erf")
_row("erfc", lambda x, y: -2 * _("exp", -x**2) / _("sqrt", sp.pi), numpy="scipy.special.erfc")
_row("lgamma", lambda x, y: _("digamma", x), numpy="scipy.special.gammaln", latex=r"\ln\Gamma",
     mpmath=lambda mp, x: mp.log(abs(mp.gamma(x))))
_row("digamma", lambda x, y: _("polygamma", sp.Integer(1), x), numpy="scipy.special.digamma", jit="digamma",
     latex=r"\psi")
_row("polygamma", None, lambda k, x, y: _("polygamma", k + 1, x), numpy="scipy.special.polygamma", jit="polygamma",
     mpmath=lambda mp, k, x: mp.psi(int(k), x), latex=r"\psi")

# --- kinks and steps --------------------------------------------------------------------------------------------------
_row("abs", lambda x, y: _("sign", x), jit="abs", mpmath=lambda mp, x: abs(x), result="same",
     kinks=(Kink(_zero, "kink", "0"),), choice=_at_zero(-one))
_row("sign", lambda x, y: 0, jit="sign", mpmath=lambda mp, x: mp.sign(x), latex=r"\mathrm{sign}", result="same",
     kinks=(Kink(_zero, "jump", _STEP),))
_row("floor", lambda x, y: 0, jit="floor", result="same", kinks=(Kink(lambda x: _tie(x, _("floor", x)), "jump", _STEP),))
_row("ceil", lambda x, y: 0, jit="ceil", result="same", kinks=(Kink(lambda x: _tie(x, _("ceil", x)), "jump", _STEP),))
_row("round", lambda x, y: 0, numpy="numpy.rint", jit="rint", mpmath="nint", result="same",
     kinks=(Kink(lambda x: _tie(x - _("floor", x), half), "jump", _STEP),))
_row("relu", lambda x, y: where(_("gt", x, sp.Integer(0)), 1, 0), numpy="graphc.scalar.oracle.relu", jit="relu",
     mpmath=lambda mp, x: x if x > 0 or mp.isnan(x) else mp.mpf(0), result="same",
     kinks=(Kink(_zero, "kink", "0"),), choice=_at_zero(zero))
_row("maximum", lambda a, b, y: _share("gt", a, b), lambda a, b, y: _share("gt", b, a), jit="maximum",
     mpmath=lambda mp, a, b: a if a >= b or mp.isnan(a) else b, latex=r"\max", result="same",
     kinks=(Kink(_tie, "kink", "1/2 each"),), choice=_AT_TIE)
_row("minimum", lambda a, b, y: _share("lt", a, b), lambda a, b, y: _share("lt", b, a), jit="minimum",
     mpmath=lambda mp, a, b: a if a <= b or mp.isnan(a) else b, latex=r"\min", result="same",
     kinks=(Kink(_tie, "kink", "1/2 each"),), choice=_AT_TIE)


def _share(comparison: str, a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """Derivative of max or min with respect to `a`: ties share equally."""
    return where(_(comparison, a, b), 1, where(_("eq", a, b), half, 0))


def _over_square(numerator: sp.Expr, a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """numerator / (a^2 + b^2) without overflow of the squares; 0 at the origin."""
    radius = _("hypot", a, b)
    return where(_("eq", radius, sp.Integer(0)), 0, numerator / radius / radius)
