"""Logarithms of exponentials, products, quotients and powers; a logarithm times a weight that may be 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from graphc.passes.pattern import is_number
from graphc.passes.stable.table import Sides, positive, row, rule
from graphc.passes.unify import Match

__all__: list[str] = []


# --- weights: 0 * log 0 = 0, the limit of x log x, and the convention of entropies and likelihoods ---------------------

def may_vanish(m: Match) -> bool:
    """Whether the weight is more than an inverse, which is never 0."""
    (weight,) = (s.expr for w, s in m.wilds.items() if w.name == "x")
    return not is_number(sp.fraction(weight)[0])


def _weighted(name: str, arity: int = 1) -> None:
    def program(gc: Any, x: Any, z: Any, w: Any) -> Sides:
        value = row(name, *(z, w)[:arity])
        return x * value, row("times_log", x, value)
    program.__name__ = f"weight_times_{name}"
    of = f"{name}({'z, w'[:3 * arity - 2]})"
    program.__doc__ = f"x {of} = times_log(x, {of}): 0 where x = 0, though the logarithm be infinite"
    rule(varies="x z", when=may_vanish)(program if arity == 2 else _without_w(program))


def _without_w(program: Callable[..., Sides]) -> Callable[..., Sides]:
    def unary(gc: Any, x: Any, z: Any) -> Sides:
        return program(gc, x, z, None)
    unary.__name__, unary.__doc__ = program.__name__, program.__doc__
    return unary


for _name in ("log", "log1p", "logsigmoid", "softplus", "log1mexp", "logerfc"):
    _weighted(_name)
for _name in ("log_ratio", "log_product", "logaddexp"):
    _weighted(_name, 2)


@rule(varies="x z w", when=may_vanish)
def weight_times_log_and_more(gc: Any, x: Any, z: Any, w: Any) -> Sides:
    """x (log(z) + w), and 0 where x = 0 and log(z) + w = -∞"""
    return x * (gc.log(z) + w), row("times_log", x, gc.log(z) + w)


@rule(x="n d", w="n d")
def weight_times_log_softmax(gc: Any, x: Any, w: Any) -> Sides:
    """w log(softmax(x)), and 0 where w = 0 and x = -∞: a masked class without weight"""
    return w * gc.log_softmax(x, "d"), row("times_log", w, gc.log_softmax(x, "d"))


@rule()
def xlogy(gc: Any, x: Any, z: Any) -> Sides:
    """xlogy(x, z) = x log(z), and 0 where x = 0"""
    return gc.xlogy(x, z), row("times_log", x, gc.log(z))


# --- logarithms of exponentials ---------------------------------------------------------------------------------------

@rule()
def log_exp(gc: Any, x: Any) -> Sides:
    """log(exp(x)) = x"""
    return gc.log(gc.exp(x)), x


@rule()
def log_exp_product(gc: Any, x: Any, z: Any) -> Sides:
    """log(z * exp(x)) = x + log(z): a density with its normalisation, a softmax with its sum"""
    return gc.log(gc.exp(x) * z), x + gc.log(z)


@rule()
def log_sum_of_two_exp_product(gc: Any, x: Any, y: Any, z: Any) -> Sides:
    """log(z (exp(x) + exp(y))) = logaddexp(x, y) + log(z)"""
    return gc.log((gc.exp(x) + gc.exp(y)) * z), gc.logaddexp(x, y) + gc.log(z)


@rule(x="n d")
def log_sum_exp_product(gc: Any, x: Any, z: Any) -> Sides:
    """log(z Σ exp(x)) = log Σ exp(x) + log(z): a mean of exponentials"""
    return gc.log(gc.sum(gc.exp(x), "d") * z), gc.logsumexp(x, "d") + gc.log(z)


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


# --- logarithms of powers, products and quotients ---------------------------------------------------------------------

@rule()
def log_one_plus_square(gc: Any, x: Any) -> Sides:
    """log(1 + x^2), without the overflow of the square"""
    return gc.log(1 + x**2), row("log1p_square", x)


@rule()
def log1p_of_square(gc: Any, x: Any) -> Sides:
    """log1p(x^2) = log(1 + x^2)"""
    return gc.log1p(x**2), row("log1p_square", x)


@rule(when=positive)
def log_one_plus_multiple_of_square(gc: Any, x: Any, z: Any) -> Sides:
    """log(1 + z x^2) = log(1 + (sqrt(z) x)^2), for a number z > 0"""
    return gc.log(1 + z * x**2), row("log1p_square", gc.sqrt(z) * x)


@rule(when=positive)
def log1p_of_multiple_of_square(gc: Any, x: Any, z: Any) -> Sides:
    """log1p(z x^2) = log(1 + z x^2)"""
    return gc.log1p(z * x**2), row("log1p_square", gc.sqrt(z) * x)


@rule()
def arcosh_by_logarithm(gc: Any, x: Any) -> Sides:
    """log(x + sqrt(x^2 - 1)) = arcosh(x)"""
    return gc.log(x + gc.sqrt(x**2 - 1)), gc.arccosh(x)


@rule()
def artanh_by_logarithm(gc: Any, x: Any) -> Sides:
    """log((1 + x) / (1 - x)) = 2 artanh(x)"""
    return gc.log((1 + x) / (1 - x)), 2 * gc.arctanh(x)


@rule()
def difference_of_log1p(gc: Any, x: Any) -> Sides:
    """log1p(x) - log1p(-x) = 2 artanh(x)"""
    return gc.log1p(x) - gc.log1p(-x), 2 * gc.arctanh(x)


@rule()
def arsinh_by_logarithm(gc: Any, x: Any) -> Sides:
    """log(x + sqrt(1 + x^2)) = arsinh(x)"""
    return gc.log(x + gc.hypot(x, 1)), gc.arcsinh(x)


@rule()
def log_one_plus(gc: Any, x: Any) -> Sides:
    """log(1 + x) = log1p(x): 1 + x rounds x away where it is small"""
    return gc.log(1 + x), gc.log1p(x)


@rule(x="n d")
def log_product_of_all(gc: Any, x: Any) -> Sides:
    """log Π x = Σ log|x| where the product of the signs is positive; corrected by log Π x itself where that fits the format"""
    total = gc.sum(gc.log(gc.abs(x)), "d")
    product, signs = gc.prod(x, "d"), row("log_product", gc.prod(gc.sign(x), "d"), 1.0)
    near = (product > 1e-30) & (product < 1e30)
    fits = gc.where(near, row("log_product", product, 1.0) - total, signs)
    return gc.log(gc.prod(x, "d")), total + gc.stop_gradient(gc.where(gc.abs(fits) < 1e-4, fits, signs))


@rule()
def log_square(gc: Any, x: Any) -> Sides:
    """log(x^2) = 2 log|x|"""
    return gc.log(x**2), 2 * gc.log(gc.abs(x))


@rule()
def log_cube(gc: Any, x: Any) -> Sides:
    """log(x^3) = 3 log(x)"""
    return gc.log(x**3), 3 * gc.log(x)


@rule()
def log_fourth_power(gc: Any, x: Any) -> Sides:
    """log(x^4) = 4 log|x|"""
    return gc.log(x**4), 4 * gc.log(gc.abs(x))


@rule()
def log_sqrt(gc: Any, x: Any) -> Sides:
    """log(sqrt(x)) = log(x) / 2"""
    return gc.log(gc.sqrt(x)), gc.log(x) / 2


@rule()
def log_reciprocal(gc: Any, x: Any) -> Sides:
    """log(1 / x) = -log(x)"""
    return gc.log(1 / x), -gc.log(x)


@rule(varies="x y")
def log_quotient(gc: Any, x: Any, y: Any) -> Sides:
    """log(x / y) = log|x| - log|y| where x / y leaves the format and is positive"""
    return gc.log(x / y), row("log_ratio", x, y)


@rule(varies="x y z")
def log_product_of_three(gc: Any, x: Any, y: Any, z: Any) -> Sides:
    """log(x y z) = log|x y| + log|z| where x y z leaves the format and is positive"""
    return gc.log(x * y * z), row("log_product3", x, y, z)


@rule(varies="x y")
def log_product(gc: Any, x: Any, y: Any) -> Sides:
    """log(x y) = log|x| + log|y| where x y leaves the format and is positive"""
    return gc.log(x * y), row("log_product", x, y)
