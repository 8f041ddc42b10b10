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

from graphc.scalar.symbols import INF

__all__ = ["ROWS", "Row", "Kink", "Choice", "Op", "op", "register", "where", "at_kink"]

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
    note: str = ""                  # a convention that is neither a kink nor a choice
    plain: Callable[..., Any] | None = None      # what it is in plain mathematics, as formulas are printed
    definition: Any = None          # an Analytic: the function is an expression of other rows, one for each precision

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


def register(row: Row, base: type[Op] = Op) -> type[Op]:
    """A row of the table, and the sympy class of the function."""
    ROWS[row.name] = row
    _CLASSES[row.name] = type(row.name, (base,), {"nargs": row.arity, "row": row})
    return _CLASSES[row.name]


def _row(name: str, *derivatives: Derivative | None, numpy: str = "", jit: str = "",
         mpmath: str | Callable[..., Any] = "", latex: str = "", base: type[Op] = Op, **more: Any) -> None:
    register(Row(name, derivatives, numpy or f"numpy.{name}", jit or f"math.{name}", mpmath or name,
                 latex or rf"\mathrm{{{name}}}", **more), base)


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
_row("logaddexp", lambda a, b, y: _("sigmoid", a - b), lambda a, b, y: _("sigmoid", b - a),
     numpy="graphc.scalar.oracle.logaddexp", jit="logaddexp",
     mpmath=lambda mp, a, b: max(a, b) if a == b and mp.isinf(a) else max(a, b) + mp.log1p(mp.exp(-abs(a - b))))
_row("xlogy", lambda x, z, y: _("log", z),
     lambda x, z, y: where(_("and_", _("eq", x, sp.Integer(0)), _("eq", z, sp.Integer(0))), 0, x / z), numpy="scipy.special.xlogy", jit="xlogy",
     mpmath=lambda mp, x, z: z if mp.isnan(z) else mp.mpf(0) if x == 0 else x * mp.log(z),
     kinks=(Kink(lambda x, z: _zero(x), "convention", "value 0 for every z that is not NaN"),
            Kink(_origin, "singular", "log(0) in x, 0 in z")))

# --- what stable forms are made of ------------------------------------------------------------------------------------
# m = max x, k = how many x attain it, r = sum of exp(x - m) over the others: log sum exp(x) = m + log(k + r). m and k are held constant.
_row("excess", lambda x, m, y: 1, lambda x, m, y: -1, plain=lambda x, m: x - m, numpy="graphc.scalar.oracle.excess", jit="excess", result="same",
     mpmath=lambda mp, x, m: mp.mpf(0) if x == m else x - m, latex=r"\mathrm{excess}",
     note="x = m infinite: value 0, so that an infinite maximum exceeds itself by nothing")
_row("apart", lambda e, c, y: 1, None, jit="apart", plain=lambda e, c: where(c, 0, e), numpy="graphc.scalar.oracle.apart",
     mpmath=lambda mp, e, c: mp.mpf(0) if c else e, result="same",
     note="everywhere: that of the first argument, which is counted elsewhere where the condition holds")
_row("log_total", None, lambda m, r, k, y: _("inverse_total", r, k), None, plain=lambda m, r, k: m + _("log", r + k),
     numpy="graphc.scalar.oracle.log_total", jit="log_total",
     mpmath=lambda mp, m, r, k: -mp.inf if r + k == 0 else m + mp.log1p(r + (k - 1)), note="an empty sum, k + r = 0: value -inf, derivative 0")
_row("inverse_total", lambda r, k, y: -y**2, None, plain=lambda r, k: 1 / (r + k),
     numpy="graphc.scalar.oracle.inverse_total", jit="inverse_total",
     mpmath=lambda mp, r, k: mp.mpf(0) if r + k == 0 else 1 / (r + k), note="an empty sum, k + r = 0: value and derivative 0")
_row("times_log", lambda x, l, y: l, lambda x, l, y: where(_("and_", _("eq", x, sp.Integer(0)), _("eq", _("abs", l), INF)), 0, x),
     plain=lambda x, l: x * l,
     numpy="graphc.scalar.oracle.times_log", jit="times_log", mpmath=lambda mp, x, l: l if mp.isnan(l) else mp.mpf(0) if x == 0 else x * l,
     note="x = 0: value 0 for every l that is not NaN; derivative 0 in an infinite l")
_row("times_exp", lambda x, u, y: _("exp", u), lambda x, u, y: y, plain=lambda x, u: x * _("exp", u),
     numpy="graphc.scalar.oracle.times_exp", jit="times_exp", mpmath=lambda mp, x, u: u if mp.isnan(u) else mp.mpf(0) if x == 0 else x * mp.exp(u),
     note="x = 0: value, and derivative in u, 0 for every u that is not NaN")
# in grouped(x*e)**2 the product comes first: sympy would distribute the power
_row("grouped", lambda x, y: 1, plain=lambda x: x, numpy="numpy.positive", jit="", mpmath=lambda mp, x: x, result="same")
_row("scaled", lambda x, b, y: 1 / b, None, plain=lambda x, b: x / b,
     numpy="numpy.divide", jit="scaled", mpmath=lambda mp, x, b: x / b, note="everywhere: 0 in b, which is held constant")
_row("exp_sum", lambda a, b, y: y, lambda a, b, y: y, plain=lambda a, b: _("exp", a + b),
     numpy="graphc.scalar.oracle.exp_sum", jit="exp_sum", mpmath=lambda mp, a, b: mp.exp(a + b))
_row("exp_affine", lambda a, b, c, y: y, lambda a, b, c, y: c * y, lambda a, b, c, y: b * y, plain=lambda a, b, c: _("exp", a + b * c),
     numpy="graphc.scalar.oracle.exp_affine", jit="exp_affine", mpmath=lambda mp, a, b, c: mp.exp(a + b * c))
_row("exp_difference", lambda a, b, y: _("exp", a), lambda a, b, y: -_("exp", b), plain=lambda a, b: _("exp", a) - _("exp", b),
     numpy="graphc.scalar.oracle.exp_difference", jit="exp_difference",
     mpmath=lambda mp, a, b: mp.exp(b) * mp.expm1(a - b) if mp.isfinite(a) and mp.isfinite(b) else mp.exp(a) - mp.exp(b))
_row("log_ratio", lambda a, b, y: 1 / a, lambda a, b, y: -1 / b, plain=lambda a, b: _("log", a / b),
     numpy="graphc.scalar.oracle.log_ratio", jit="log_ratio", domain="a/b > 0",
     mpmath=lambda mp, a, b: mp.nan if b == 0 and (a == 0 or mp.isnan(a)) else mp.log(a / b) if b else mp.inf if a > 0 else mp.nan)
_row("log_product", lambda a, b, y: 1 / a, lambda a, b, y: 1 / b, plain=lambda a, b: _("log", a * b),
     numpy="graphc.scalar.oracle.log_product", jit="log_product", domain="a*b > 0",
     mpmath=lambda mp, a, b: mp.log(a * b))
_row("log_product3", lambda a, b, c, y: 1 / a, lambda a, b, c, y: 1 / b, lambda a, b, c, y: 1 / c, plain=lambda a, b, c: _("log", a * b * c),
     numpy="graphc.scalar.oracle.log_product3", jit="log_product3", domain="a*b*c > 0", mpmath=lambda mp, a, b, c: mp.log(a * b * c))
_row("log1p_square", lambda x, y: 2 * _("over_squares", x, sp.Integer(1)), plain=lambda x: _("log1p", x**2),
     numpy="graphc.scalar.oracle.log1p_square", jit="log1p_square", mpmath=lambda mp, x: mp.log1p(x * x))
_row("binade", lambda x, y: 0, numpy="graphc.scalar.oracle.binade", jit="binade", note="everywhere: 0, a scale that cancels",
     mpmath=lambda mp, x: mp.mpf(1) if x == 0 or not mp.isfinite(x) else mp.mpf(2)**mp.floor(mp.log(abs(x), 2)))

# --- powers -----------------------------------------------------------------------------------------------------------
_row("sqrt", lambda x, y: 1 / (2 * y), domain="x >= 0", latex=r"\sqrt", kinks=(Kink(_zero, "singular", "inf"),))
_row("cbrt", lambda x, y: 1 / (3 * y**2), jit="cbrt", latex=r"\sqrt[3]", kinks=(Kink(_zero, "singular", "inf"),),
     mpmath=lambda mp, x: mp.cbrt(x) if x >= 0 else -mp.cbrt(-x))
_row("power", lambda x, p, y: where(_("and_", _("eq", x, sp.Integer(0)), _("eq", p, sp.Integer(0))), 0, p * _("power", x, p - 1)),
     lambda x, p, y: where(_("and_", _("eq", x, sp.Integer(0)), _("gt", p, sp.Integer(0))), 0, y * _("log", x)),
     jit="power", mpmath=lambda mp, x, p: mp.mpf(1) if p == 0 or x == 1 else mp.power(x, p) if x >= 0 or p == mp.floor(p)
     else mp.nan, result="same", domain="x >= 0, or an integer exponent",
     kinks=(Kink(lambda x, p: _zero(x), "singular", "0 in an exponent > 0, and 0 in x where the exponent is 0"),))
_row("hypot", lambda a, b, y: _("over_hypot", a, b), lambda a, b, y: _("over_hypot", b, a), jit="hypot", kinks=(Kink(_origin, "kink", "0"),))
_row("over_hypot", lambda a, b, y: _("over_hypot", b, a)**2 * _inverse(_("hypot", a, b)),
     lambda a, b, y: -y * _("over_hypot", b, a) * _inverse(_("hypot", a, b)),
     plain=lambda a, b: a / _("hypot", a, b), numpy="graphc.scalar.oracle.over_hypot", jit="over_hypot",
     mpmath=lambda mp, a, b: mp.mpf(0) if a == b == 0 else a / mp.hypot(a, b),
     note="(0, 0): value and derivatives 0")
_row("over_squares", lambda a, b, y: (_("over_hypot", b, a) - _("over_hypot", a, b)) * (_("over_hypot", b, a) + _("over_hypot", a, b))
     * _inverse(_("hypot", a, b))**2, lambda a, b, y: -2 * y * _("over_squares", b, a),
     plain=lambda a, b: a / (a**2 + b**2), numpy="graphc.scalar.oracle.over_squares", jit="over_squares",
     mpmath=lambda mp, a, b: mp.nan if mp.isnan(a) or mp.isnan(b) else a / (a * a + b * b) if mp.isfinite(a) and (a or b) else mp.mpf(0),
     note="(0, 0): value and derivatives 0")

# --- trigonometric and hyperbolic -------------------------------------------------------------------------------------
_row("sin", lambda x, y: _("cos", x), jit="sin", latex=r"\sin")
_row("cos", lambda x, y: -_("sin", x), numpy="graphc.scalar.oracle.cos", jit="cos", latex=r"\cos")
_row("tan", lambda x, y: 1 + y**2, jit="tan", latex=r"\tan")
_row("arcsin", lambda x, y: 1 / _("sqrt", (1 - x) * (1 + x)), jit="arcsin", mpmath="asin", latex=r"\arcsin",
     domain="-1 <= x <= 1", kinks=(Kink(lambda x: _tie(_("abs", x), one), "singular", "inf"),))
_row("arccos", lambda x, y: -1 / _("sqrt", (1 - x) * (1 + x)), jit="arccos", mpmath="acos", latex=r"\arccos",
     domain="-1 <= x <= 1", kinks=(Kink(lambda x: _tie(_("abs", x), one), "singular", "-inf"),))
_row("arctan", lambda x, y: 1 / (1 + x**2), jit="arctan", mpmath="atan", latex=r"\arctan")
_row("arctan2", lambda a, b, y: _("over_squares", b, a), lambda a, b, y: -_("over_squares", a, b), jit="arctan2",
     mpmath="atan2", latex=r"\mathrm{atan2}",
     kinks=(Kink(_origin, "singular", "0"), Kink(lambda a, b: _("and_", _zero(a), _("lt", b, zero)), "jump", "as on both sides")))
_row("sinh", lambda x, y: _("cosh", x), latex=r"\sinh", jit="sinh")
_row("cosh", lambda x, y: _("sinh", x), latex=r"\cosh", jit="cosh")
_row("tanh", lambda x, y: _("sech", x)**2, jit="tanh", latex=r"\tanh")
_row("sech", lambda x, y: -y * _("tanh", x), numpy="graphc.scalar.oracle.sech", jit="sech", latex=r"\mathrm{sech}")
_row("logcosh", lambda x, y: _("tanh", x), numpy="graphc.scalar.oracle.logcosh", jit="logcosh", latex=r"\ln\cosh",
     mpmath=lambda mp, x: mp.log1p(2 * mp.sinh(x / 2)**2))
_row("arcsinh", lambda x, y: 1 / _("hypot", x, sp.Integer(1)), jit="arcsinh", mpmath="asinh",
     latex=r"\mathrm{arsinh}")
_row("arccosh", lambda x, y: 1 / _("sqrt", (x - 1) * (x + 1)), jit="arccosh", mpmath="acosh",
     latex=r"\mathrm{arcosh}", domain="x >= 1", kinks=(Kink(lambda x: _tie(x, one), "singular", "inf"),))
_row("arctanh", lambda x, y: 1 / ((1 - x) * (1 + x)), jit="arctanh", mpmath="atanh", latex=r"\mathrm{artanh}",
     domain="-1 <= x <= 1")

# --- special functions ------------------------------------------------------------------------------------------------
_row("erf", lambda x, y: 2 * _("exp", -x**2) / _("sqrt", sp.pi), numpy="graphc.scalar.oracle.erf", jit="erf")
_row("erfc", lambda x, y: -2 * _("exp", -x**2) / _("sqrt", sp.pi), numpy="graphc.scalar.oracle.erfc", jit="erfc",
     mpmath=lambda mp, x: mp.erfc(x) if x < mp.mpf(10)**100 else mp.exp(-x * x) / (x * mp.sqrt(mp.pi)))      # mpmath's own overflows
_row("erfcx", lambda x, y: 2 * x * y - 2 / _("sqrt", sp.pi), numpy="graphc.scalar.oracle.erfcx", jit="erfcx",
     mpmath=lambda mp, x: _scaled_erfc(mp, x))
# differentiated as -2 exp(-x^2 - y)/sqrt(pi), so that erfcx = inf, for x far to the left, does not meet its own derivative
_row("logerfc", lambda x, y: at_kink(one, -2 * _("exp", -x**2 - y) / _("sqrt", sp.pi), -2 / (_("sqrt", sp.pi) * _("erfcx", x))),
     numpy="graphc.scalar.oracle.logerfc", jit="logerfc",
     latex=r"\ln\mathrm{erfc}", mpmath=lambda mp, x: mp.log1p(-mp.erf(x)) if x < 1 else mp.log(_scaled_erfc(mp, x)) - x * x)
_row("lgamma", lambda x, y: _("digamma", x), numpy="graphc.scalar.oracle.lgamma", latex=r"\ln\Gamma",
     jit="lgamma",
     mpmath=lambda mp, x: mp.inf if x <= 0 and x == mp.floor(x) else mp.log(abs(mp.gamma(x))) if x < 3 else mp.loggamma(x))
_row("digamma", lambda x, y: _("polygamma", sp.Integer(1), x), numpy="scipy.special.digamma", jit="digamma",
     latex=r"\psi")
_row("polygamma", None, lambda k, x, y: _("polygamma", k + 1, x), numpy="graphc.scalar.oracle.polygamma", jit="polygamma",
     mpmath=lambda mp, k, x: (mp.inf if k % 2 else mp.nan) if x <= 0 and x == mp.floor(x) else mp.psi(int(k), x), latex=r"\psi")

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


def _inverse(x: sp.Expr) -> sp.Expr:
    """1 / x, and 0 at 0: the chosen derivative where a direction is undefined."""
    return _("inverse_total", x, sp.Integer(0))


def _scaled_erfc(mp: Any, x: Any) -> Any:
    """exp(x^2) erfc(x); by the asymptotic series where its 12 terms give 50 digits and exp(x^2) would have too many."""
    if x < 1e4:
        return mp.exp(x * x) * mp.erfc(x)
    series = sum((mp.fac2(2 * k - 1) * (-2 * x * x)**-k for k in range(1, 12)), mp.mpf(1))
    return series / (x * mp.sqrt(mp.pi))
