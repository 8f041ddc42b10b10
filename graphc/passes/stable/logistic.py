"""The logistic function, by its exponentials, in products and powers."""

from __future__ import annotations

from typing import Any

from graphc.passes.stable.table import Sides, row, rule

__all__: list[str] = []

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
def coth_by_expm1(gc: Any, x: Any) -> Sides:
    """(1 + exp(x)) / (exp(x) - 1) = 1 / tanh(x / 2)"""
    return (1 + gc.exp(x)) / gc.expm1(x), 1 / gc.tanh(x / 2)


@rule()
def exp_over_sum_of_two(gc: Any, x: Any, y: Any) -> Sides:
    """exp(x) / (exp(x) + exp(y)) = σ(x - y): a softmax of two"""
    return gc.exp(x) / (gc.exp(x) + gc.exp(y)), gc.sigmoid(x - y)


@rule()
def one_over_one_plus_exp(gc: Any, x: Any) -> Sides:
    """1 / (1 + exp(x)) = σ(-x)"""
    return 1 / (1 + gc.exp(x)), gc.sigmoid(-x)


@rule()
def one_over_sigmoid(gc: Any, x: Any) -> Sides:
    """1 / σ(x) = 1 + exp(-x)"""
    return 1 / gc.sigmoid(x), 1 + gc.exp(-x)


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
    """σ(x)^q = (1 + exp(-x))^-q: its derivative is not 0 * infinity where σ underflows"""
    return gc.sigmoid(x)**q, (1 + gc.exp(-x))**-q


@rule()
def root_of_sigmoid(gc: Any, x: Any) -> Sides:
    """sqrt(σ(x)) = 1 / sqrt(1 + exp(-x))"""
    return gc.sqrt(gc.sigmoid(x)), 1 / gc.sqrt(1 + gc.exp(-x))


@rule()
def log_sigmoid(gc: Any, x: Any) -> Sides:
    """log(σ(x)) = -softplus(-x)"""
    return gc.log(gc.sigmoid(x)), gc.logsigmoid(x)


@rule()
def difference_of_log_sigmoids(gc: Any, x: Any) -> Sides:
    """log σ(x) - log σ(-x) = x"""
    return gc.logsigmoid(x) - gc.logsigmoid(-x), x


@rule()
def log1p_minus_sigmoid(gc: Any, x: Any) -> Sides:
    """log1p(-σ(x)) = log(σ(-x))"""
    return gc.log1p(-gc.sigmoid(x)), gc.logsigmoid(-x)


def _power(n: int) -> None:
    def of_softplus(gc: Any, x: Any) -> Sides:
        return gc.exp(-n * gc.softplus(x)), gc.sigmoid(-x)**n
    of_softplus.__name__ = f"exp_of_minus_{n}_softplus"
    of_softplus.__doc__ = f"exp(-{n} log(1 + exp(x))) = σ(-x)^{n}: the logarithm's rounding is not magnified"
    rule()(of_softplus)

    def of_logarithm(gc: Any, x: Any) -> Sides:
        return gc.exp(n * gc.logsigmoid(x)), gc.sigmoid(x)**n
    of_logarithm.__name__ = f"exp_of_{n}_log_sigmoid"
    of_logarithm.__doc__ = f"exp({n} log(σ(x))) = σ(x)^{n}"
    rule()(of_logarithm)


for _n in (1, 2, 3):
    _power(_n)
