"""The pointwise functions that users call, one for each row of the table, and those composed of rows.

A composed function is one node: its body is an expression over rows, and sympy differentiates it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from graphc.errors import FormulaError
from graphc.frontend.elementwise import as_tensor, clip, elementwise, located, power, scalar_function, square, subgradient, to_float, where
from graphc.frontend.tensor import Tensor
from graphc.scalar.choice import chosen_at_zero
from graphc.scalar.symbols import literal
from graphc.scalar.table import op

__all__ = """exp expm1 log log1p log1mexp log2 log10 sqrt cbrt square abs sign floor ceil round sin cos tan arcsin arccos arctan sinh cosh tanh erf
    erfc erfcx logerfc lgamma digamma arcsinh arccosh arctanh sigmoid logsigmoid softplus relu leaky_relu elu selu gelu silu maximum minimum where
    clip power xlogy logaddexp arctan2 hypot polygamma sech logcosh""".split()

exp, expm1, log, log1p, log1mexp = (scalar_function(n) for n in ("exp", "expm1", "log", "log1p", "log1mexp"))
log2, log10, sqrt, cbrt = (scalar_function(n) for n in ("log2", "log10", "sqrt", "cbrt"))
abs, sign, floor, ceil, round = (scalar_function(n) for n in ("abs", "sign", "floor", "ceil", "round"))
sin, cos, tan = (scalar_function(n) for n in ("sin", "cos", "tan"))
arcsin, arccos, arctan, arctan2 = (scalar_function(n) for n in ("arcsin", "arccos", "arctan", "arctan2"))
sinh, cosh, tanh, sech, logcosh = (scalar_function(n) for n in ("sinh", "cosh", "tanh", "sech", "logcosh"))
arcsinh, arccosh, arctanh = (scalar_function(n) for n in ("arcsinh", "arccosh", "arctanh"))
erf, erfc, erfcx, logerfc = (scalar_function(n) for n in ("erf", "erfc", "erfcx", "logerfc"))
lgamma, digamma = (scalar_function(n) for n in ("lgamma", "digamma"))
sigmoid, logsigmoid, relu = (scalar_function(n) for n in ("sigmoid", "logsigmoid", "relu"))
maximum, minimum, hypot = (scalar_function(n) for n in ("maximum", "minimum", "hypot"))
xlogy, logaddexp = (scalar_function(n) for n in ("xlogy", "logaddexp"))


def polygamma(order: int, x: Any) -> Tensor:
    """The derivative of digamma of an order >= 0 (0: digamma itself)."""
    if not isinstance(order, int) or order < 0:
        raise located(FormulaError(f"polygamma's order is a whole number >= 0, not {order!r}"))
    if order == 0:
        return digamma(x)
    return elementwise(lambda x: op("polygamma")(sp.Integer(order), x), [x], "polygamma")


def softplus(x: Any, beta: float = 1.0) -> Tensor:
    """log(1 + exp(beta*x)) / beta, exact for every x (torch switches to x above a threshold; that is an approximation).

    Dugas et al., Incorporating second-order functional knowledge for better option pricing, NIPS 2000.
    """
    b = literal(beta)
    return elementwise(lambda x: op("softplus")(b * x) / b, [to_float(as_tensor(x))], "softplus")


def _rectifier(what: str, x: Any, above: sp.Expr, below: sp.Expr, shape: Callable[[sp.Expr], sp.Expr], at_zero: float | None) -> Tensor:
    """above*x where x > 0, else below*shape(x), whose slope at 0 is 1; the derivative there is `below`, or what the user chooses in between."""
    c = None if at_zero is None else subgradient(what, "at_zero", at_zero, sp.Min(above, below), sp.Max(above, below))

    def body(x: sp.Expr) -> sp.Expr:
        return chosen_at_zero(x, c, op("where")(op("gt")(x, sp.Integer(0)), above * x, below * shape(x)))
    return elementwise(body, [to_float(as_tensor(x))], what)


def leaky_relu(x: Any, negative_slope: float = 0.01, at_zero: float | None = None) -> Tensor:
    """x where x > 0, else negative_slope*x; the derivative at 0 is the slope, or `at_zero` between it and 1. Maas et al., ICML 2013."""
    return _rectifier("leaky_relu", x, sp.Integer(1), literal(negative_slope), lambda x: x, at_zero)


def elu(x: Any, alpha: float = 1.0, at_zero: float | None = None) -> Tensor:
    """x where x > 0, else alpha*(exp(x) - 1); the derivative at 0 is alpha, or `at_zero` between it and 1. Clevert et al., ICLR 2016."""
    return _rectifier("elu", x, sp.Integer(1), literal(alpha), op("expm1"), at_zero)


def selu(x: Any, at_zero: float | None = None) -> Tensor:
    """scale * elu(x, alpha) with the two constants of Klambauer et al., Self-normalizing neural networks, NIPS 2017; the derivative at 0
    is scale*alpha, or `at_zero` between it and scale.
    """
    alpha, scale = sp.Float("1.6732632423543772848170429916717"), sp.Float("1.0507009873554804934193349852946")
    return _rectifier("selu", x, scale, scale * alpha, op("expm1"), at_zero)


def gelu(x: Any, approximate: str = "none") -> Tensor:
    """x * Phi(x), Phi the normal distribution function, by erfc so that its left tail keeps its digits; with approximate="tanh"
    x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))). Hendrycks and Gimpel, 2016.
    """
    x = to_float(as_tensor(x))
    if approximate == "tanh":
        root = op("sqrt")(2 / sp.pi)
        return elementwise(lambda x: x * op("sigmoid")(2 * root * (x + sp.Rational(44715, 1000000) * x**3)), [x], "gelu")
    if approximate != "none":
        raise located(FormulaError(f"gelu: approximate is 'none' or 'tanh', not {approximate!r}"))
    return elementwise(lambda x: x * op("erfc")(-x / op("sqrt")(sp.Integer(2))) / 2, [x], "gelu")


def silu(x: Any) -> Tensor:
    """x * sigmoid(x)"""
    return elementwise(lambda x: x * op("sigmoid")(x), [to_float(as_tensor(x))], "silu")
