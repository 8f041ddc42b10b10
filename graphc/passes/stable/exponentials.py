"""Hyperbolic functions, one plus or minus something small."""

from __future__ import annotations

from typing import Any

from graphc.passes.stable.few import log_mean
from graphc.passes.stable.table import Sides, differentiated_as, row, rule

__all__: list[str] = []

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
def one_plus_sinh_squared(gc: Any, x: Any) -> Sides:
    """1 + sinh(x)^2 = cosh(x)^2"""
    return 1 + gc.sinh(x)**2, gc.cosh(x)**2


@rule()
def tanh_by_sinh(gc: Any, x: Any) -> Sides:
    """sinh(x) / cosh(x) = tanh(x)"""
    return gc.sinh(x) / gc.cosh(x), gc.tanh(x)


@rule()
def tanh_by_sinh_and_exponentials(gc: Any, x: Any) -> Sides:
    """sinh(x) / (exp(x) + exp(-x)) = tanh(x) / 2"""
    return gc.sinh(x) / (gc.exp(x) + gc.exp(-x)), gc.tanh(x) / 2


@rule()
def cosh_times_sech_squared(gc: Any, x: Any) -> Sides:
    """cosh(x) / cosh(x)^2 = 1 / cosh(x)"""
    return gc.cosh(x) * gc.sech(x)**2, gc.sech(x)


@rule()
def sinh_times_sech(gc: Any, x: Any) -> Sides:
    """sinh(x) / cosh(x) = tanh(x), where the inverse was taken first"""
    return gc.sinh(x) * gc.sech(x), gc.tanh(x)


@rule()
def coth(gc: Any, x: Any) -> Sides:
    """cosh(x) / sinh(x) = 1 / tanh(x)"""
    return gc.cosh(x) / gc.sinh(x), 1 / gc.tanh(x)


@rule()
def coth_by_exponentials(gc: Any, x: Any) -> Sides:
    """(exp(x) + exp(-x)) / sinh(x) = 2 / tanh(x)"""
    return (gc.exp(x) + gc.exp(-x)) / gc.sinh(x), 2 / gc.tanh(x)


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
def square_times_exp_over_expm1_squared(gc: Any, x: Any, y: Any) -> Sides:
    """x^2 exp(y) / (exp(y) - 1)^2 = (x / (2 sinh(y / 2)))^2: a heat capacity"""
    return row("grouped", x * gc.exp(y / 2))**2 / gc.expm1(y)**2, row("grouped", x / (2 * gc.sinh(y / 2)))**2


@rule()
def fourth_power_times_exp_over_expm1_squared(gc: Any, x: Any, y: Any) -> Sides:
    """x^4 exp(y) / (exp(y) - 1)^2 = (x^2 / (2 sinh(y / 2)))^2"""
    return row("grouped", x * gc.exp(y / 4))**4 / gc.expm1(y)**2, row("grouped", x**2 / (2 * gc.sinh(y / 2)))**2


@rule()
def sinh_by_exponentials(gc: Any, x: Any) -> Sides:
    """exp(x) - exp(-x) = 2 sinh(x)"""
    return gc.exp(x) - gc.exp(-x), 2 * gc.sinh(x)


@rule()
def artanh_of_tanh(gc: Any, x: Any) -> Sides:
    """artanh(tanh(x)) = x"""
    return gc.arctanh(gc.tanh(x)), x


@rule()
def arsinh_of_sinh(gc: Any, x: Any) -> Sides:
    """arsinh(sinh(x)) = x"""
    return gc.arcsinh(gc.sinh(x)), x


@rule()
def log_cosh(gc: Any, x: Any) -> Sides:
    """log(cosh(x)) = log((exp(x) + exp(-x)) / 2)"""
    return gc.log(gc.cosh(x)), gc.logcosh(x)


@rule()
def log_sech(gc: Any, x: Any) -> Sides:
    """log(1 / cosh(x)) = -log(cosh(x))"""
    return gc.log(gc.sech(x)), -gc.logcosh(x)


@rule()
def log_sinh(gc: Any, x: Any) -> Sides:
    """log(sinh(x)) = x + log(1 - exp(-2 x)) - log(2): x - log(2) where exp(-2 x) is nothing beside 1"""
    value = gc.where(x > 20, x - gc.log(2), gc.log(row("grouped", gc.sinh(x))))
    return gc.log(gc.sinh(x)), differentiated_as(x + row("log1mexp", 2 * x), value)


@rule()
def log_add_exp_of_opposites(gc: Any, x: Any) -> Sides:
    """log(exp(x) + exp(-x)) - log 2 = log(cosh(x))"""
    return gc.logaddexp(x, -x) - gc.log(2), gc.logcosh(x)


@rule()
def log_half_sum_of_opposites(gc: Any, x: Any) -> Sides:
    """log((exp(x) + exp(-x)) / 2) = log(cosh(x))"""
    return gc.log((gc.exp(x) + gc.exp(-x)) / 2), gc.logcosh(x)


@rule()
def log_half_of_sum_of_two(gc: Any, x: Any, y: Any) -> Sides:
    """log((exp(x) + exp(y)) / 2) = max(x, y) + log(1 + (exp(-|x - y|) - 1) / 2): 0 where x = y = 0"""
    return gc.log((gc.exp(x) + gc.exp(y)) / 2), log_mean(gc, x, y)


# --- one plus or minus something small --------------------------------------------------------------------------------

@rule()
def exp_minus_one(gc: Any, x: Any) -> Sides:
    """exp(x) - 1 = expm1(x)"""
    return gc.exp(x) - 1, gc.expm1(x)


@rule()
def cosh_minus_one(gc: Any, x: Any) -> Sides:
    """cosh(x) - 1 = 2 sinh(x / 2)^2"""
    return gc.cosh(x) - 1, 2 * gc.sinh(x / 2)**2


@rule()
def cosh_plus_one(gc: Any, x: Any) -> Sides:
    """cosh(x) + 1 = 2 cosh(x / 2)^2"""
    return gc.cosh(x) + 1, 2 * gc.cosh(x / 2)**2


@rule()
def absolute_value_of_sinh(gc: Any, x: Any) -> Sides:
    """|sinh(x)| = sinh(|x|)"""
    return gc.abs(gc.sinh(x)), gc.sinh(gc.abs(x))


@rule(varies="y")
def multiple_of_exp_minus_one(gc: Any, x: Any, y: Any) -> Sides:
    """y exp(x) - y = y (exp(x) - 1)"""
    return y * gc.exp(x) - y, y * gc.expm1(x)


@rule()
def exp_sum_minus_exp(gc: Any, x: Any, y: Any) -> Sides:
    """exp(x + y) - exp(x) = exp(x) (exp(y) - 1), where y is small beside x"""
    near = gc.exp(x) * gc.expm1(gc.clip(y, -1.0, 1.0))
    return row("exp_sum", x, y) - gc.exp(x), gc.where(gc.abs(y) < 1, near, row("exp_difference", x + y, x))


@rule()
def exp_sum_minus_the_other(gc: Any, x: Any, y: Any) -> Sides:
    """exp(y + x) - exp(x) = exp(x) (exp(y) - 1), where y is small beside x"""
    near = gc.exp(x) * gc.expm1(gc.clip(y, -1.0, 1.0))
    return row("exp_sum", y, x) - gc.exp(x), gc.where(gc.abs(y) < 1, near, row("exp_difference", x + y, x))


@rule(x="n d")
def one_minus_product_of_sigmoids(gc: Any, x: Any) -> Sides:
    """1 - Π σ(x) = 1 - exp(-Σ softplus(-x)): noisy or"""
    return 1 - gc.prod(gc.sigmoid(x), "d"), -gc.expm1(-gc.sum(gc.softplus(-x), "d"))


@rule(varies="x y")
def exp_minus_exp(gc: Any, x: Any, y: Any) -> Sides:
    """exp(x) - exp(y) = exp(y) (exp(x - y) - 1), from the greater of the two"""
    return gc.exp(x) - gc.exp(y), row("exp_difference", x, y)
