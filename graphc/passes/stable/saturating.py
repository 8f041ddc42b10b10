"""Functions of an exponential that reach their limit long before it overflows, and one minus the exponential of what underflows."""

from __future__ import annotations

from typing import Any

from graphc.passes.stable.facts import underflows
from graphc.passes.stable.table import Sides, differentiated_as, limit, row, rule
from graphc.scalar.symbols import placeholder
from graphc.scalar.table import op

__all__: list[str] = []

U = placeholder(0)


def bounded(gc: Any, x: Any) -> Any:
    """exp(min(x, 9)), about 8000: exp(-u), tanh(u), erf(u), σ(u) have reached their limits there, in every format"""
    return gc.exp(gc.minimum(x, 9.0))


@rule()
def exp_of_minus_exp(gc: Any, x: Any) -> Sides:
    """exp(-exp(x)) = exp(-exp(min(x, 9))), both 0 from 7 on: in derivatives infinity is not multiplied by that 0"""
    return gc.exp(-gc.exp(x)), differentiated_as(gc.exp(-row("grouped", bounded(gc, x))), gc.exp(-row("grouped", gc.exp(x))))


@rule()
def one_minus_exp_of_minus_exp(gc: Any, x: Any) -> Sides:
    """1 - exp(-exp(x)) = -expm1(-exp(x)): the complementary log-log link, Weibull's distribution function"""
    return 1 - differentiated_as(gc.exp(-row("grouped", bounded(gc, x))), gc.exp(-row("grouped", gc.exp(x)))), -gc.expm1(-gc.exp(x))


@rule()
def expm1_of_minus_exp(gc: Any, x: Any) -> Sides:
    """exp(-exp(x)) - 1 = exp(-exp(min(x, 9))) - 1, both -1 from 7 on"""
    return gc.expm1(-gc.exp(x)), gc.expm1(-bounded(gc, x)), gc.expm1(-bounded(gc, x))


def _saturating(name: str) -> None:
    def program(gc: Any, x: Any) -> Sides:
        return row(name, gc.exp(x)), differentiated_as(row(name, row("grouped", bounded(gc, x))), row(name, row("grouped", gc.exp(x))))
    program.__name__ = f"{name}_of_exp"
    program.__doc__ = f"{name}(exp(x)) = {name}(exp(min(x, 9))), at its limit from there on: in derivatives infinity is not multiplied by 0"
    rule()(program)


for _name in ("tanh", "erf", "erfc", "sigmoid", "logsigmoid"):
    _saturating(_name)


@rule()
def arctan_of_exp(gc: Any, x: Any) -> Sides:
    """arctan(exp(x)) = π/4 + arctan(tanh(x / 2)), whose derivative is 1 / (2 cosh(x))"""
    return gc.arctan(gc.exp(x)), differentiated_as(gc.arctan(gc.tanh(x / 2)), gc.arctan(row("grouped", gc.exp(x))))


@rule()
def arctan_of_sinh(gc: Any, x: Any) -> Sides:
    """arctan(sinh(x)) = 2 arctan(tanh(x / 2)): the Gudermannian"""
    return gc.arctan(gc.sinh(x)), 2 * gc.arctan(gc.tanh(x / 2))


# --- one minus the exponential of what may underflow -------------------------------------------------------------------

def by_logarithm(gc: Any, z: Any, log_z: Any) -> Any:
    """log(1 - exp(-z)) = log(z) + log((1 - exp(-z)) / z) where z is small, by a log(z) that does not underflow with z"""
    u = gc.where(z < 1, z, 0.0)
    return gc.where(z < 1, log_z + gc.log(limit(-op("expm1")(-U) / U, u)), gc.log1p(row("grouped", -gc.exp(-z))))


@rule(x="n d")
def log_one_minus_exp_of_sum_of_softplus(gc: Any, x: Any) -> Sides:
    """log(1 - exp(-Σ softplus(x))) = log Σ softplus(x) + log((1 - exp(-z)) / z) where z = Σ softplus(x) is small: noisy or"""
    z = gc.sum(gc.softplus(x), "d")
    return row("log1mexp", z), by_logarithm(gc, z, gc.logsumexp(gc.log(gc.softplus(x)), "d").named("log_z"))


@rule(when=underflows)
def log_one_minus_exp_of_small(gc: Any, z: Any) -> Sides:
    """log(1 - exp(-z)) = log(z) + log((1 - exp(-z)) / z) where z is small: the complementary log-log link, 1 - σ(x)^q"""
    return row("log1mexp", z), by_logarithm(gc, z, gc.log(z))


@rule()
def log_one_minus_exp_of_grouped(gc: Any, x: Any) -> Sides:
    """log(1 - exp(-(x))) = log(1 - exp(-x)): what held x together is of no use here"""
    return row("log1mexp", row("grouped", x)), row("log1mexp", x)


@rule()
def log_one_minus_power_of_sigmoid(gc: Any, x: Any, z: Any) -> Sides:
    """log(1 - σ(x)^z) = log(1 - exp(-z softplus(-x)))"""
    return row("log1mexp", z * gc.logsigmoid(x)), row("log1mexp", -z * gc.softplus(-x))


@rule(x="n d")
def log_one_minus_product_of_sigmoids(gc: Any, x: Any) -> Sides:
    """log(1 - Π σ(x)) = log(1 - exp(-Σ softplus(-x))): noisy or"""
    return row("log1mexp", -gc.sum(gc.logsigmoid(x), "d")), row("log1mexp", gc.sum(gc.softplus(-x), "d"))
