"""Logarithms of differences: the probability of an interval, and what is nearly one exponential far out."""

from __future__ import annotations

from typing import Any

from graphc.passes.pattern import is_number
from graphc.passes.stable.table import Sides, row, rule
from graphc.passes.unify import Match

__all__: list[str] = []


@rule(varies="x y")
def log_difference_of_sigmoids(gc: Any, x: Any, y: Any) -> Sides:
    """log(σ(x) - σ(y)) = log σ(x) + log σ(-y) + log(1 - exp(y - x)): a class of an ordinal model, a bin of a logistic distribution"""
    return gc.log(gc.sigmoid(x) - gc.sigmoid(y)), gc.logsigmoid(x) + gc.logsigmoid(-y) + row("log1mexp", x - y)


def log_normal_interval(gc: Any, x: Any, y: Any) -> Any:
    """log((erf(x) - erf(y)) / 2): where 0 is between, by the tails outside if they are less; where it is not, by the tail on which both lie"""
    around = (x > 0) & (y < 0)
    outside = gc.erfc(gc.where(around, x, 1.0)) + gc.erfc(gc.where(around, -y, 1.0))
    low, high = gc.where(x > 0, y, -x), gc.where(x > 0, x, -y)
    tail = row("logerfc", low) + row("log1mexp", row("logerfc", low) - row("logerfc", high)) - gc.log(2)
    inside = gc.where(outside < 1, gc.log1p(row("grouped", -outside / 2)), gc.log(row("grouped", (gc.erf(x) - gc.erf(y)) / 2)))
    return gc.where(around, inside, tail)


@rule(varies="x y")
def log_half_difference_of_erf(gc: Any, x: Any, y: Any) -> Sides:
    """log((erf(x) - erf(y)) / 2) = log(erfc(y) / 2) + log(1 - erfc(x) / erfc(y)): an interval of a normal distribution"""
    return gc.log((gc.erf(x) - gc.erf(y)) / 2), log_normal_interval(gc, x, y)


@rule(varies="x y")
def log_difference_of_erf(gc: Any, x: Any, y: Any) -> Sides:
    """log(erf(x) - erf(y)) = log((erf(x) - erf(y)) / 2) + log(2)"""
    return gc.log(gc.erf(x) - gc.erf(y)), log_normal_interval(gc, x, y) + gc.log(2)


@rule(varies="x y")
def log_half_difference_of_erfc(gc: Any, x: Any, y: Any) -> Sides:
    """log(erfc(x) / 2 - erfc(y) / 2) = log((erf(y) - erf(x)) / 2)"""
    return gc.log(gc.erfc(x) / 2 - gc.erfc(y) / 2), log_normal_interval(gc, y, x)


# --- what sinh and expm1 are far out ----------------------------------------------------------------------------------

FAR = 40.0          # exp(-FAR) is nothing beside 1


def no_negative_number(m: Match) -> bool:
    """Whether z is an expression, or a positive number: -(exp(x) - 1) is small far out."""
    z = m.wild("z").expr
    return not is_number(z) or bool(z.is_positive)


@rule(when=no_negative_number)
def log_multiple_of_sinh(gc: Any, x: Any, z: Any) -> Sides:
    """log(z sinh(x)) = |x| + log(|z| / 2) far out"""
    return gc.log(gc.sinh(x) * z), gc.where(gc.abs(x) > FAR, gc.abs(x) + gc.log(z * gc.sign(x) / 2), row("log_product", gc.sinh(x), z))


@rule(varies="z")
def log_over_sinh(gc: Any, x: Any, z: Any) -> Sides:
    """log(z / sinh(x)) = log(2 |z|) - |x| far out"""
    return gc.log(z / gc.sinh(x)), gc.where(gc.abs(x) > FAR, gc.log(2 * z * gc.sign(x)) - gc.abs(x), row("log_ratio", z, gc.sinh(x)))


@rule(when=no_negative_number)
def log_multiple_of_expm1(gc: Any, x: Any, z: Any) -> Sides:
    """log(z (exp(x) - 1)) = x + log(z) far out"""
    return gc.log(gc.expm1(x) * z), gc.where(x > FAR, x + gc.log(z), row("log_product", gc.expm1(x), z))


@rule(varies="z")
def log_over_expm1(gc: Any, x: Any, z: Any) -> Sides:
    """log(z / (exp(x) - 1)) = log(z) - x far out: Planck's law"""
    return gc.log(z / gc.expm1(x)), gc.where(x > FAR, gc.log(z) - x, row("log_ratio", z, gc.expm1(x)))
