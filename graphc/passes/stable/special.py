"""erf and its complement, the gamma function, and 1 - cos."""

from __future__ import annotations

from typing import Any

from graphc.passes.stable.table import Sides, row, rule

__all__: list[str] = []


@rule()
def one_plus_erf(gc: Any, x: Any) -> Sides:
    """1 + erf(x) = erfc(-x): the normal distribution function's left tail"""
    return 1 + gc.erf(x), gc.erfc(-x)


@rule()
def one_minus_erf(gc: Any, x: Any) -> Sides:
    """1 - erf(x) = erfc(x)"""
    return 1 - gc.erf(x), gc.erfc(x)


@rule()
def half_and_half_of_erf(gc: Any, x: Any) -> Sides:
    """1/2 + erf(x) / 2 = erfc(-x) / 2"""
    return 0.5 + gc.erf(x) / 2, gc.erfc(-x) / 2


@rule()
def half_minus_half_of_erf(gc: Any, x: Any) -> Sides:
    """1/2 - erf(x) / 2 = erfc(x) / 2"""
    return 0.5 - gc.erf(x) / 2, gc.erfc(x) / 2


@rule()
def one_minus_erfc(gc: Any, x: Any) -> Sides:
    """1 - erfc(x) = erf(x)"""
    return 1 - gc.erfc(x), gc.erf(x)


@rule()
def two_minus_erfc(gc: Any, x: Any) -> Sides:
    """2 - erfc(x) = erfc(-x)"""
    return 2 - gc.erfc(x), gc.erfc(-x)


@rule()
def one_minus_half_of_erfc(gc: Any, x: Any) -> Sides:
    """1 - erfc(x) / 2 = erfc(-x) / 2"""
    return 1 - gc.erfc(x) / 2, gc.erfc(-x) / 2


@rule()
def exp_over_erfc(gc: Any, x: Any, y: Any) -> Sides:
    """exp(y) / erfc(x) = exp(y + x^2) / erfcx(x) where erfc underflows: the inverse of Mills' ratio"""
    far = gc.exp(y + x**2) / gc.erfcx(gc.maximum(x, 0.0))
    return gc.exp(y) / gc.erfc(x), gc.where(x > 8, far, gc.exp(y) / row("grouped", gc.erfc(x)))


@rule()
def log_half_erfc(gc: Any, x: Any) -> Sides:
    """log(erfc(x) / 2) = log(1 - erfc(-x) / 2), which for x < 0 is small: the logarithm of a normal distribution function"""
    near_zero = gc.log1p(-gc.erfc(-gc.where(x < 0, x, 0.0)) / 2)
    return gc.log(gc.erfc(x) / 2), gc.where(x < 0, near_zero, gc.logerfc(x) - gc.log(2))


@rule()
def log_erfc(gc: Any, x: Any) -> Sides:
    """log(erfc(x)) = log(exp(x^2) erfc(x)) - x^2"""
    return gc.log(gc.erfc(x)), gc.logerfc(x)


@rule()
def one_minus_cos(gc: Any, x: Any) -> Sides:
    """1 - cos(x) = 2 sin(x / 2)^2"""
    return 1 - gc.cos(x), 2 * gc.sin(x / 2)**2


@rule()
def lgamma_recurrence(gc: Any, x: Any) -> Sides:
    """lgamma(x + 1) - lgamma(x) = log|x|"""
    return gc.lgamma(x + 1) - gc.lgamma(x), gc.log(gc.abs(x))


@rule()
def lgamma_recurrence_twice(gc: Any, x: Any) -> Sides:
    """lgamma(x + 2) - lgamma(x) = log|x| + log|x + 1|"""
    return gc.lgamma(x + 2) - gc.lgamma(x), gc.log(gc.abs(x)) + gc.log(gc.abs(x + 1))


@rule()
def lgamma_recurrence_thrice(gc: Any, x: Any) -> Sides:
    """lgamma(x + 3) - lgamma(x) = log|x| + log|x + 1| + log|x + 2|"""
    return gc.lgamma(x + 3) - gc.lgamma(x), gc.log(gc.abs(x)) + gc.log(gc.abs(x + 1)) + gc.log(gc.abs(x + 2))
