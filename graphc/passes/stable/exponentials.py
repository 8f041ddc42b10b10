"""The logistic function, hyperbolic functions, one plus or minus something small, products of exponentials."""

from __future__ import annotations

from typing import Any

from graphc.passes.stable.table import Sides, row, rule
from graphc.passes.subject import symbols
from graphc.passes.unify import Match
from graphc.scalar.symbols import OverIndex

__all__: list[str] = []

# --- the logistic function --------------------------------------------------------------------------------------------

@rule()
def logistic_density(gc: Any, x: Any) -> Sides:
    """exp(x) / (1 + exp(x))^2 = σ(x) σ(-x)"""
    return gc.exp(x) / (1 + gc.exp(x))**2, gc.sigmoid(x) * gc.sigmoid(-x)


@rule()
def exp_over_one_plus_exp(gc: Any, x: Any) -> Sides:
    """exp(x) / (1 + exp(x)) = σ(x)"""
    return gc.exp(x) / (1 + gc.exp(x)), gc.sigmoid(x)


@rule()
def tanh_by_two_exponentials(gc: Any, x: Any, y: Any) -> Sides:
    """(exp(x) - exp(y)) / (exp(x) + exp(y)) = tanh((x - y) / 2)"""
    return (gc.exp(x) - gc.exp(y)) / (gc.exp(x) + gc.exp(y)), gc.tanh((x - y) / 2)


@rule()
def tanh_by_difference_and_sum(gc: Any, x: Any, y: Any) -> Sides:
    """exp_difference(x, y) / (exp(x) + exp(y)) = tanh((x - y) / 2)"""
    return row("exp_difference", x, y) / (gc.exp(x) + gc.exp(y)), gc.tanh((x - y) / 2)


@rule()
def tanh_by_expm1(gc: Any, x: Any) -> Sides:
    """(exp(x) - 1) / (exp(x) + 1) = tanh(x / 2)"""
    return gc.expm1(x) / (1 + gc.exp(x)), gc.tanh(x / 2)


@rule()
def exp_over_sum_of_two(gc: Any, x: Any, y: Any) -> Sides:
    """exp(x) / (exp(x) + exp(y)) = σ(x - y): a softmax of two"""
    return gc.exp(x) / (gc.exp(x) + gc.exp(y)), gc.sigmoid(x - y)


@rule()
def one_over_one_plus_exp(gc: Any, x: Any) -> Sides:
    """1 / (1 + exp(x)) = σ(-x)"""
    return 1 / (1 + gc.exp(x)), gc.sigmoid(-x)


@rule()
def exp_times_sigmoid(gc: Any, x: Any) -> Sides:
    """exp(x) σ(-x) = σ(x)"""
    return gc.exp(x) * gc.sigmoid(-x), gc.sigmoid(x)


@rule()
def one_minus_sigmoid(gc: Any, x: Any) -> Sides:
    """1 - σ(x) = σ(-x)"""
    return 1 - gc.sigmoid(x), gc.sigmoid(-x)


@rule()
def power_of_sigmoid(gc: Any, x: Any, q: Any) -> Sides:
    """σ(x)^q = exp(-q softplus(-x)): its derivative is not 0 * infinity where σ underflows"""
    return gc.sigmoid(x)**q, gc.exp(row("times_log", q, gc.logsigmoid(x)))


@rule()
def root_of_sigmoid(gc: Any, x: Any) -> Sides:
    """sqrt(σ(x)) = exp(-softplus(-x) / 2)"""
    return gc.sqrt(gc.sigmoid(x)), gc.exp(gc.logsigmoid(x) / 2)


@rule()
def log_sigmoid(gc: Any, x: Any) -> Sides:
    """log(σ(x)) = -softplus(-x)"""
    return gc.log(gc.sigmoid(x)), gc.logsigmoid(x)


@rule()
def log1p_minus_sigmoid(gc: Any, x: Any) -> Sides:
    """log1p(-σ(x)) = log(σ(-x))"""
    return gc.log1p(-gc.sigmoid(x)), gc.logsigmoid(-x)


# --- hyperbolic functions ---------------------------------------------------------------------------------------------

@rule()
def tanh_by_sigmoid(gc: Any, x: Any) -> Sides:
    """2 σ(x) - 1 = tanh(x / 2)"""
    return 2 * gc.sigmoid(x) - 1, gc.tanh(x / 2)


@rule()
def one_plus_tanh(gc: Any, x: Any) -> Sides:
    """1 + tanh(x) = 2 σ(2 x)"""
    return 1 + gc.tanh(x), 2 * gc.sigmoid(2 * x)


@rule()
def one_minus_tanh(gc: Any, x: Any) -> Sides:
    """1 - tanh(x) = 2 σ(-2 x)"""
    return 1 - gc.tanh(x), 2 * gc.sigmoid(-2 * x)


@rule()
def half_and_half_of_tanh(gc: Any, x: Any) -> Sides:
    """1/2 + tanh(x) / 2 = σ(2 x)"""
    return 0.5 + gc.tanh(x) / 2, gc.sigmoid(2 * x)


@rule()
def half_minus_half_of_tanh(gc: Any, x: Any) -> Sides:
    """1/2 - tanh(x) / 2 = σ(-2 x)"""
    return 0.5 - gc.tanh(x) / 2, gc.sigmoid(-2 * x)


@rule()
def one_minus_tanh_squared(gc: Any, x: Any) -> Sides:
    """1 - tanh(x)^2 = 1 / cosh(x)^2"""
    return 1 - gc.tanh(x)**2, gc.sech(x)**2


@rule()
def tanh_by_sinh(gc: Any, x: Any) -> Sides:
    """sinh(x) / cosh(x) = tanh(x)"""
    return gc.sinh(x) / gc.cosh(x), gc.tanh(x)


@rule()
def tanh_by_sinh_and_exponentials(gc: Any, x: Any) -> Sides:
    """sinh(x) / (exp(x) + exp(-x)) = tanh(x) / 2"""
    return gc.sinh(x) / (gc.exp(x) + gc.exp(-x)), gc.tanh(x) / 2


@rule()
def coth(gc: Any, x: Any) -> Sides:
    """cosh(x) / sinh(x) = 1 / tanh(x)"""
    return gc.cosh(x) / gc.sinh(x), 1 / gc.tanh(x)


@rule()
def one_over_cosh(gc: Any, x: Any) -> Sides:
    """1 / cosh(x) = 2 exp(-|x|) / (1 + exp(-2 |x|))"""
    return 1 / gc.cosh(x), gc.sech(x)


@rule()
def one_over_two_cosh(gc: Any, x: Any) -> Sides:
    """1 / (exp(x) + exp(-x)) = 1 / (2 cosh(x))"""
    return 1 / (gc.exp(x) + gc.exp(-x)), gc.sech(x) / 2


@rule()
def one_over_sum_of_two(gc: Any, x: Any, y: Any) -> Sides:
    """1 / (exp(x) + exp(y)) = exp(-log(exp(x) + exp(y)))"""
    return 1 / (gc.exp(x) + gc.exp(y)), gc.exp(-gc.logaddexp(x, y))


@rule()
def exp_over_expm1_squared(gc: Any, x: Any) -> Sides:
    """exp(x) / (exp(x) - 1)^2 = (1 / (2 sinh(x / 2)))^2"""
    return gc.exp(x) / gc.expm1(x)**2, row("grouped", 1 / (2 * gc.sinh(x / 2)))**2


@rule()
def exp_over_expm1(gc: Any, x: Any) -> Sides:
    """exp(x) / (exp(x) - 1) = -1 / (exp(-x) - 1)"""
    return gc.exp(x) / gc.expm1(x), -1 / gc.expm1(-x)


@rule()
def sinh_by_exponentials(gc: Any, x: Any) -> Sides:
    """exp(x) - exp(-x) = 2 sinh(x)"""
    return gc.exp(x) - gc.exp(-x), 2 * gc.sinh(x)


@rule()
def log_cosh(gc: Any, x: Any) -> Sides:
    """log(cosh(x)) = log((exp(x) + exp(-x)) / 2)"""
    return gc.log(gc.cosh(x)), gc.logcosh(x)


@rule()
def log_add_exp_of_opposites(gc: Any, x: Any) -> Sides:
    """log(exp(x) + exp(-x)) - log 2 = log(cosh(x))"""
    return gc.logaddexp(x, -x) - gc.log(2), gc.logcosh(x)


@rule()
def log_half_sum_of_opposites(gc: Any, x: Any) -> Sides:
    """log((exp(x) + exp(-x)) / 2) = log(cosh(x))"""
    return gc.log((gc.exp(x) + gc.exp(-x)) / 2), gc.logcosh(x)


# --- one plus or minus something small --------------------------------------------------------------------------------

@rule()
def exp_minus_one(gc: Any, x: Any) -> Sides:
    """exp(x) - 1 = expm1(x)"""
    return gc.exp(x) - 1, gc.expm1(x)


@rule()
def cosh_minus_one(gc: Any, x: Any) -> Sides:
    """cosh(x) - 1 = 2 sinh(x / 2)^2"""
    return gc.cosh(x) - 1, 2 * gc.sinh(x / 2)**2


@rule(varies="x y")
def exp_minus_exp(gc: Any, x: Any, y: Any) -> Sides:
    """exp(x) - exp(y) = exp(y) (exp(x - y) - 1), from the greater of the two"""
    return gc.exp(x) - gc.exp(y), row("exp_difference", x, y)


# --- products of exponentials -----------------------------------------------------------------------------------------

def no_matrix_product(m: Match) -> bool:
    """Whether exp(x + y) is no exponential for each term of a product of matrices, which takes one for each of their elements."""
    x, y = (symbols(next(s for w, s in m.wilds.items() if w.name == name)) for name in "xy")
    return x <= y or y <= x or not any(isinstance(s, OverIndex) for s in x & y)


@rule(varies="x y", when=no_matrix_product)
def exp_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """exp(x) exp(y) = exp(x + y), the sum in twice the precision"""
    return gc.exp(x) * gc.exp(y), row("exp_sum", x, y)


@rule()
def square_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """x^2 exp(y) = (x exp(y / 2))^2: neither factor alone has to fit the format"""
    return x**2 * gc.exp(y), row("grouped", x * gc.exp(y / 2))**2


@rule()
def cube_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """x^3 exp(y) = x (x exp(y / 2))^2"""
    return x**3 * gc.exp(y), x * row("grouped", x * gc.exp(y / 2))**2


@rule()
def fourth_power_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """x^4 exp(y) = (x exp(y / 4))^4"""
    return x**4 * gc.exp(y), row("grouped", x * gc.exp(y / 4))**4


@rule()
def power_of_exp(gc: Any, x: Any, y: Any) -> Sides:
    """exp(x)^y = exp(x y)"""
    return gc.exp(x)**y, gc.exp(x * y)


@rule()
def root_of_exp(gc: Any, x: Any) -> Sides:
    """sqrt(exp(x)) = exp(x / 2)"""
    return gc.sqrt(gc.exp(x)), gc.exp(x / 2)
