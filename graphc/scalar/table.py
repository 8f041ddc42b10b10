r"""THE table of pointwise functions: one row holds all that graphc knows of a function.

A row is  name, derivative with respect to each argument, and how NumPy, Numba, mpmath and LaTeX say it.
A derivative is written over the arguments and the value `y`, so that exp, tanh and sigmoid read their value again.
At a kink the derivative takes the value that the column `kink` states: the chosen subgradient.

`numpy` is a dotted name, resolved when first used. `jit` is what generated code calls: a name of `math`, or of
`graphc.codegen.mathlib`. `mpmath` is a name in mpmath, or a function of (mpmath, arguments).
`result` is the kind of the value: "float" (integers are promoted), "same" (as the arguments), "bool".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp

__all__ = ["ROWS", "Row", "Op", "op", "where"]

Derivative = Callable[..., Any]


@dataclass(frozen=True)
class Row:
    name: str
    derivatives: tuple[Derivative | None, ...]
    numpy: str
    jit: str
    mpmath: str | Callable[..., Any]
    latex: str
    result: str = "float"
    kink: str = ""
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


def _row(name: str, *derivatives: Derivative | None, numpy: str = "", jit: str = "",
         mpmath: str | Callable[..., Any] = "", latex: str = "", base: type[Op] = Op, **more: str) -> None:
    row = Row(name, derivatives, numpy or f"numpy.{name}", jit or f"math.{name}", mpmath or name,
              latex or rf"\mathrm{{{name}}}", **more)
    ROWS[name] = row
    _CLASSES[name] = type(name, (base,), {"nargs": len(derivatives), "row": row})


def _(name: str, *arguments: Any) -> sp.Expr:
    return _CLASSES[name](*arguments)


def _compare(name: str, sign: str, numpy: str, mp: Callable[..., Any], latex: str) -> None:
    _row(name, None, None, numpy=numpy, jit=sign, mpmath=mp, latex=latex, result="bool", infix=sign)


half = sp.Rational(1, 2)

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

_row("stop_gradient", None, numpy="numpy.positive", jit="", mpmath=lambda mp, x: x, result="same",
     kink="everywhere: 0, by definition")

# --- integer arithmetic of indices and labels -------------------------------------------------------------------------
_row("floordiv", None, None, numpy="numpy.floor_divide", jit="//", mpmath=lambda mp, a, b: mp.floor(a / b),
     latex=r"\mathrm{div}", result="same", infix="//")
_row("mod", lambda x, m, y: 1, lambda x, m, y: -_("floordiv", x, m), numpy="numpy.mod", jit="%", mpmath=lambda mp, a, b: a % b,
     latex=r"\bmod", result="same", infix="%", kink="multiples of the second argument: 1, as between them")

# --- exponentials and logarithms --------------------------------------------------------------------------------------
_row("exp", lambda x, y: y, jit="exp")
_row("expm1", lambda x, y: _("exp", x), jit="expm1")
_row("log", lambda x, y: 1 / x, jit="log", latex=r"\ln", domain="x > 0")
_row("log1p", lambda x, y: 1 / (1 + x), jit="log1p", mpmath=lambda mp, x: mp.log1p(x) if x > -1 else mp.log(1 + x),
     latex=r"\mathrm{log1p}", domain="x > -1")
_row("log2", lambda x, y: 1 / (x * _("log", sp.Integer(2))), jit="log2", mpmath=lambda mp, x: mp.log(x, 2), latex=r"\log_2",
     domain="x > 0")
_row("log10", lambda x, y: 1 / (x * _("log", sp.Integer(10))), jit="log10", mpmath="log10", latex=r"\log_{10}", domain="x > 0")
_row("log1mexp", lambda x, y: 1 / _("expm1", x), numpy="graphc.scalar.oracle.log1mexp", jit="log1mexp", latex=r"\mathrm{log1mexp}",
     mpmath=lambda mp, x: mp.log(-mp.expm1(-x)) if x < 1 else mp.log1p(-mp.exp(-x)), domain="x > 0")
_row("sigmoid", lambda x, y: y * _("sigmoid", -x), numpy="graphc.scalar.oracle.sigmoid", jit="sigmoid", latex=r"\sigma",
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
     kink="x = 0: value 0 for every y that is not NaN; (0, 0): derivative 0 in y")

# --- powers -----------------------------------------------------------------------------------------------------------
_row("sqrt", lambda x, y: 1 / (2 * y), domain="x >= 0", latex=r"\sqrt")
_row("cbrt", lambda x, y: 1 / (3 * y**2), jit="cbrt", latex=r"\sqrt[3]",
     mpmath=lambda mp, x: mp.cbrt(x) if x >= 0 else -mp.cbrt(-x))
_row("power", lambda x, p, y: where(_("and_", _("eq", x, sp.Integer(0)), _("eq", p, sp.Integer(0))), 0, p * _("power", x, p - 1)),
     lambda x, p, y: where(_("and_", _("eq", x, sp.Integer(0)), _("gt", p, sp.Integer(0))), 0, y * _("log", x)),
     jit="power", mpmath=lambda mp, x, p: mp.mpf(1) if p == 0 or x == 1 else mp.power(x, p) if x >= 0 or p == mp.floor(p)
     else mp.nan, result="same", domain="x >= 0, or an integer exponent",
     kink="x = 0: derivative 0 in an exponent > 0, and 0 in x where the exponent is 0")
_row("hypot", lambda a, b, y: where(_("eq", y, sp.Integer(0)), 0, a / y),
     lambda a, b, y: where(_("eq", y, sp.Integer(0)), 0, b / y), jit="hypot", kink="(0, 0): 0")

# --- trigonometric and hyperbolic -------------------------------------------------------------------------------------
_row("sin", lambda x, y: _("cos", x), jit="sin", latex=r"\sin")
_row("cos", lambda x, y: -_("sin", x), jit="cos", latex=r"\cos")
_row("tan", lambda x, y: 1 + y**2, jit="tan", latex=r"\tan")
_row("arcsin", lambda x, y: 1 / _("sqrt", (1 - x) * (1 + x)), jit="math.asin", mpmath="asin", latex=r"\arcsin",
     domain="-1 <= x <= 1")
_row("arccos", lambda x, y: -1 / _("sqrt", (1 - x) * (1 + x)), jit="math.acos", mpmath="acos", latex=r"\arccos",
     domain="-1 <= x <= 1")
_row("arctan", lambda x, y: 1 / (1 + x**2), jit="arctan", mpmath="atan", latex=r"\arctan")
_row("arctan2", lambda a, b, y: _over_square(b, a, b), lambda a, b, y: -_over_square(a, a, b), jit="arctan2",
     mpmath="atan2", latex=r"\mathrm{atan2}", kink="(0, 0): 0")
_row("sinh", lambda x, y: _("cosh", x), latex=r"\sinh", jit="sinh")
_row("cosh", lambda x, y: _("sinh", x), latex=r"\cosh", jit="cosh")
_row("tanh", lambda x, y: (1 - y) * (1 + y), jit="tanh", latex=r"\tanh")
_row("arcsinh", lambda x, y: 1 / _("hypot", x, sp.Integer(1)), jit="arcsinh", mpmath="asinh",
     latex=r"\mathrm{arsinh}")
_row("arccosh", lambda x, y: 1 / _("sqrt", (x - 1) * (x + 1)), jit="math.acosh", mpmath="acosh",
     latex=r"\mathrm{arcosh}", domain="x >= 1")
_row("arctanh", lambda x, y: 1 / ((1 - x) * (1 + x)), jit="arctanh", mpmath="atanh", latex=r"\mathrm{artanh}",
     domain="-1 <= x <= 1")

# --- special functions ------------------------------------------------------------------------------------------------
_row("erf", lambda x, y: 2 * _("exp", -x**2) / _("sqrt", sp.pi), numpy="scipy.special.erf", jit="erf")
_row("erfc", lambda x, y: -2 * _("exp", -x**2) / _("sqrt", sp.pi), numpy="graphc.scalar.oracle.erfc", jit="erfc")
_row("erfcx", lambda x, y: 2 * x * y - 2 / _("sqrt", sp.pi), numpy="scipy.special.erfcx", jit="erfcx", mpmath=lambda mp, x: _scaled_erfc(mp, x))
_row("logerfc", lambda x, y: -2 / (_("sqrt", sp.pi) * _("erfcx", x)), numpy="graphc.scalar.oracle.logerfc", jit="logerfc",
     latex=r"\ln\mathrm{erfc}", mpmath=lambda mp, x: mp.log1p(-mp.erf(x)) if x < 1 else mp.log(_scaled_erfc(mp, x)) - x * x)
_row("lgamma", lambda x, y: _("digamma", x), numpy="scipy.special.gammaln", latex=r"\ln\Gamma",
     jit="lgamma",
     mpmath=lambda mp, x: mp.inf if x <= 0 and x == mp.floor(x) else mp.log(abs(mp.gamma(x))) if x < 3 else mp.loggamma(x))
_row("digamma", lambda x, y: _("polygamma", sp.Integer(1), x), numpy="scipy.special.digamma", jit="digamma",
     latex=r"\psi")
_row("polygamma", None, lambda k, x, y: _("polygamma", k + 1, x), numpy="graphc.scalar.oracle.polygamma", jit="polygamma",
     mpmath=lambda mp, k, x: (mp.inf if k % 2 else mp.nan) if x <= 0 and x == mp.floor(x) else mp.psi(int(k), x), latex=r"\psi")

# --- kinks and steps --------------------------------------------------------------------------------------------------
_row("abs", lambda x, y: _("sign", x), jit="abs", mpmath=lambda mp, x: abs(x), result="same", kink="x = 0: 0")
_row("sign", lambda x, y: 0, jit="sign", mpmath=lambda mp, x: mp.sign(x), latex=r"\mathrm{sign}", result="same",
     kink="x = 0: 0")
_row("floor", lambda x, y: 0, jit="floor", result="same", kink="integers: 0")
_row("ceil", lambda x, y: 0, jit="ceil", result="same", kink="integers: 0")
_row("round", lambda x, y: 0, numpy="numpy.rint", jit="rint", mpmath="nint", result="same",
     kink="halfway points: 0 (halves go to even)")
_row("relu", lambda x, y: where(_("gt", x, sp.Integer(0)), 1, 0), numpy="graphc.scalar.oracle.relu", jit="relu",
     mpmath=lambda mp, x: x if x > 0 or mp.isnan(x) else mp.mpf(0), result="same", kink="x = 0: 0")
_row("maximum", lambda a, b, y: _share("gt", a, b), lambda a, b, y: _share("gt", b, a), jit="maximum",
     mpmath=lambda mp, a, b: a if a >= b or mp.isnan(a) else b, latex=r"\max", result="same",
     kink="a = b: 1/2 each")
_row("minimum", lambda a, b, y: _share("lt", a, b), lambda a, b, y: _share("lt", b, a), jit="minimum",
     mpmath=lambda mp, a, b: a if a <= b or mp.isnan(a) else b, latex=r"\min", result="same",
     kink="a = b: 1/2 each")


def _share(comparison: str, a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """Derivative of max or min with respect to `a`: ties share equally."""
    return where(_(comparison, a, b), 1, where(_("eq", a, b), half, 0))


def _over_square(numerator: sp.Expr, a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """numerator / (a^2 + b^2) without overflow of the squares; 0 at the origin."""
    radius = _("hypot", a, b)
    return where(_("eq", radius, sp.Integer(0)), 0, numerator / radius / radius)


def _scaled_erfc(mp: Any, x: Any) -> Any:
    """exp(x^2) erfc(x); by the asymptotic series where its 12 terms give 50 digits and exp(x^2) would have too many."""
    if x < 1e4:
        return mp.exp(x * x) * mp.erfc(x)
    series = sum((mp.fac2(2 * k - 1) * (-2 * x * x)**-k for k in range(1, 12)), mp.mpf(1))
    return series / (x * mp.sqrt(mp.pi))
