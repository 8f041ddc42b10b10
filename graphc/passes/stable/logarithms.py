"""Logarithms of exponentials and of selections; logarithms to other bases."""

from __future__ import annotations

from typing import Any

from graphc.passes.stable.facts import has_better_logarithm, side_has_better_logarithm
from graphc.passes.stable.table import Sides, differentiated_as, row, rule
from graphc.passes.unify import Match
from graphc.scalar.table import op

__all__: list[str] = []


# --- other bases ------------------------------------------------------------------------------------------------------

@rule(when=has_better_logarithm)
def log2_of_what_has_a_logarithm(gc: Any, z: Any) -> Sides:
    """log2(z) = log(z) / log(2), where log(z) has a stable form"""
    return gc.log2(z), gc.log(z) / gc.log(2)


@rule(when=has_better_logarithm)
def log10_of_what_has_a_logarithm(gc: Any, z: Any) -> Sides:
    """log10(z) = log(z) / log(10), where log(z) has a stable form"""
    return gc.log10(z), gc.log(z) / gc.log(10)


@rule(when=side_has_better_logarithm)
def log_of_selection(gc: Any, x: Any, y: Any, z: Any) -> Sides:
    """log(where(z, x, y)) = where(z, log(x), log(y)), where one of them has a stable form"""
    return gc.log(row("where", z, x, y)), row("where", z, gc.log(x), gc.log(y))


# --- logarithms of exponentials ---------------------------------------------------------------------------------------

def is_an_exponential(m: Match) -> bool:
    """Whether what is taken for exp(x) is one, and no sum whose logarithm x would be."""
    return not isinstance(m.wild("x").expr, op("log"))


@rule(when=is_an_exponential)
def log_exp(gc: Any, x: Any) -> Sides:
    """log(exp(x)) = x"""
    return gc.log(gc.exp(x)), x


@rule()
def log_over_sum_of_two_exp(gc: Any, x: Any, y: Any, z: Any) -> Sides:
    """log(z / (exp(x) + exp(y))) = log(z) - logaddexp(x, y): a share of a mixture"""
    return gc.log(z / (gc.exp(x) + gc.exp(y))), gc.log(z) - gc.logaddexp(x, y)


@rule()
def log_exp_product(gc: Any, x: Any, z: Any) -> Sides:
    """log(z * exp(x)) = x + log(z): a density with its normalisation, a softmax with its sum"""
    return gc.log(gc.exp(x) * z), x + gc.log(z)


@rule()
def log_exp_product_in_two_forms(gc: Any, x: Any, y: Any, z: Any, w: Any) -> Sides:
    """log(z y) = log(z exp(x) w), where exp(x) w is the value of y: what was found for the sake of derivatives hides no logarithm"""
    return gc.log(differentiated_as(y, gc.exp(x) * w) * z), x + gc.log(w * z)


@rule(x="n d")
def log_product_of_sigmoids_product(gc: Any, x: Any, z: Any) -> Sides:
    """log(z Π σ(x)) = Σ log σ(x) + log(z): the odds of what several gates let through"""
    return gc.log(gc.prod(gc.sigmoid(x), "d") * z), gc.sum(gc.logsigmoid(x), "d") + gc.log(z)


@rule()
def log_cosh_product(gc: Any, x: Any, z: Any) -> Sides:
    """log(z cosh(x)) = log(cosh(x)) + log(z)"""
    return gc.log(gc.cosh(x) * z), gc.logcosh(x) + gc.log(z)


@rule()
def log_one_minus_exp(gc: Any, x: Any) -> Sides:
    """log(-expm1(x)) = log(1 - exp(x)): by log(-expm1(x)) near 0 and log1p(-exp(x)) far from it (Mächler, 2012)"""
    return gc.log(-gc.expm1(x)), gc.log1mexp(-x)


@rule()
def log1p_minus_exp(gc: Any, x: Any) -> Sides:
    """log1p(-exp(x)) = log(1 - exp(x))"""
    return gc.log1p(-gc.exp(x)), gc.log1mexp(-x)


@rule()
def log_expm1(gc: Any, x: Any) -> Sides:
    """log(exp(x) - 1) = x + log(1 - exp(-x)): the inverse of softplus"""
    return gc.log(gc.expm1(x)), x + gc.log1mexp(x)


@rule()
def log_exp_minus_exp(gc: Any, x: Any, y: Any) -> Sides:
    """log(exp(x) - exp(y)) = x + log(1 - exp(y - x))"""
    return gc.log(row("exp_difference", x, y)), x + gc.log1mexp(x - y)
