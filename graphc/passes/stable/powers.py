"""Logarithms of powers, products and quotients."""

from __future__ import annotations

from typing import Any

from graphc.passes.stable.facts import is_positive, square_has_better_logarithm, underflows
from graphc.passes.stable.table import Sides, positive, root_of, row, rule
from graphc.passes.unify import Match

__all__: list[str] = []


@rule()
def log_one_plus_square(gc: Any, x: Any) -> Sides:
    """log(1 + x^2), without the overflow of the square"""
    return gc.log(1 + x**2), row("log1p_square", x)


@rule()
def log1p_of_square(gc: Any, x: Any) -> Sides:
    """log1p(x^2) = log(1 + x^2)"""
    return gc.log1p(x**2), row("log1p_square", x)


@rule()
def log1p_of_cube(gc: Any, x: Any) -> Sides:
    """log1p(x^3) = 3 log(x) where 1 is nothing beside x^3"""
    return gc.log1p(x**3), gc.where(x > 1e6, 3 * gc.log(x), gc.log1p(row("grouped", x**3)))


@rule(varies="x")
def log1p_of_power(gc: Any, x: Any, q: Any) -> Sides:
    """log1p(x^q) = q log(x) where 1 is nothing beside x^q"""
    return gc.log1p(x**q), gc.where(x**q > 1e18, q * gc.log(x), gc.log1p(row("grouped", x**q)))


@rule(when=positive)
def log_one_plus_multiple_of_square(gc: Any, x: Any, z: Any) -> Sides:
    """log(1 + z x^2) = log(1 + (sqrt(z) x)^2), for a number z > 0"""
    return gc.log(1 + z * x**2), row("log1p_square", gc.sqrt(z) * x)


@rule(when=positive)
def log1p_of_multiple_of_square(gc: Any, x: Any, z: Any) -> Sides:
    """log1p(z x^2) = log(1 + z x^2)"""
    return gc.log1p(z * x**2), row("log1p_square", gc.sqrt(z) * x)


@rule()
def log_hypotenuse_of_one(gc: Any, x: Any) -> Sides:
    """log(sqrt(1 + x^2)) = log(1 + x^2) / 2"""
    return gc.log(gc.hypot(x, 1)), row("log1p_square", x) / 2


@rule(when=positive)
def log_number_plus_square(gc: Any, x: Any, z: Any) -> Sides:
    """log(z + x^2) = 2 log(sqrt(z + x^2)) without the overflow of the square, for a number z > 0"""
    return gc.log(z + x**2), 2 * gc.log(gc.hypot(x, root_of(z)))


@rule(varies="x y")
def log_sum_of_two_squares(gc: Any, x: Any, y: Any) -> Sides:
    """log(x^2 + y^2) = 2 log(sqrt(x^2 + y^2)), without the overflow of the squares"""
    return gc.log(x**2 + y**2), 2 * gc.log(gc.hypot(x, y))


@rule()
def artanh_by_logarithm(gc: Any, x: Any) -> Sides:
    """log((1 + x) / (1 - x)) = 2 artanh(x)"""
    return gc.log((1 + x) / (1 - x)), 2 * gc.arctanh(x)


@rule()
def difference_of_log1p(gc: Any, x: Any) -> Sides:
    """log1p(x) - log1p(-x) = 2 artanh(x)"""
    return gc.log1p(x) - gc.log1p(-x), 2 * gc.arctanh(x)


@rule()
def log_one_plus(gc: Any, x: Any) -> Sides:
    """log(1 + x) = log1p(x): 1 + x rounds x away where it is small"""
    return gc.log(1 + x), gc.log1p(x)


@rule(x="n d", when=underflows)
def log_product_of_exponentials(gc: Any, x: Any) -> Sides:
    """log Π x = Σ log(x), where x is positive by its form and log(x) has a stable one: survival by hazards"""
    return gc.log(gc.prod(x, "d")), gc.sum(gc.log(x), "d")


@rule(x="n d")
def log_product_of_all(gc: Any, x: Any) -> Sides:
    """log Π x = Σ log|x| where the product of the signs is positive; corrected by log Π x itself where that fits the format"""
    total = gc.sum(gc.log(gc.abs(x)), "d")
    product, signs = gc.prod(x, "d"), row("log_product", gc.prod(gc.sign(x), "d"), 1.0)
    near = (product > 1e-30) & (product < 1e30)
    fits = gc.where(near, row("log_product", product, 1.0) - total, signs)
    return gc.log(gc.prod(x, "d")), total + gc.stop_gradient(gc.where(gc.abs(fits) < 1e-4, fits, signs))


@rule(when=is_positive)
def absolute_value_of_exponentials(gc: Any, x: Any) -> Sides:
    """|x| = x where x is positive by its form: 1 + exp(y)"""
    return gc.abs(x), x


@rule()
def absolute_value_of_square(gc: Any, x: Any) -> Sides:
    """|x^2| = x^2"""
    return gc.abs(x**2), x**2


@rule()
def sign_of_square(gc: Any, x: Any) -> Sides:
    """sign(x^2) = |sign(x)|, though the square underflow"""
    return gc.sign(x**2), gc.abs(gc.sign(x))


@rule(when=is_positive)
def sign_of_exponentials(gc: Any, x: Any) -> Sides:
    """sign(x) = 1 where x is positive by its form, though it underflow"""
    return gc.sign(x), gc.where(x < 0, -1.0, 1.0)


@rule()
def log_square_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """log((x exp(y))^2) = 2 log|x| + 2 y"""
    return gc.log(row("grouped", x * gc.exp(y))**2), 2 * gc.log(gc.abs(x)) + 2 * y


@rule()
def log_multiple_of_square_times_exp(gc: Any, x: Any, y: Any, z: Any) -> Sides:
    """log(z (x exp(y))^2) = 2 log|x| + 2 y + log(z)"""
    return gc.log(row("grouped", x * gc.exp(y))**2 * z), 2 * gc.log(gc.abs(x)) + 2 * y + gc.log(z)


@rule()
def log_fourth_power_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """log((x exp(y))^4) = 4 log|x| + 4 y"""
    return gc.log(row("grouped", x * gc.exp(y))**4), 4 * gc.log(gc.abs(x)) + 4 * y


def is_broken(m: Match) -> bool:
    """Whether q is a number between whole ones, so that x^q is a number for x >= 0 alone."""
    q = m.wild("q").expr
    return q.is_number and not bool(q.is_integer)


@rule(when=is_broken)
def log_power(gc: Any, x: Any, q: Any) -> Sides:
    """log(x^q) = q log(x), for a broken number q"""
    return gc.log(x**q), q * gc.log(x)


@rule()
def log_square(gc: Any, x: Any) -> Sides:
    """log(x^2) = 2 log|x|"""
    return gc.log(x**2), 2 * gc.log(gc.abs(x))


@rule(when=square_has_better_logarithm)
def log_multiple_of_square_of_what_has_a_logarithm(gc: Any, x: Any, z: Any) -> Sides:
    """log(z x^2) = 2 log|x| + log(z), for a number z > 0, where log|x| has a stable form: cosh(x) + 1 = 2 cosh(x / 2)^2"""
    return gc.log(z * x**2), 2 * gc.log(gc.abs(x)) + gc.log(z)


@rule(when=positive)
def log_multiple_of_square(gc: Any, x: Any, z: Any) -> Sides:
    """log(z x^2) = log(z x x), for a number z > 0: without the overflow of the square, and with its digits near 0"""
    return gc.log(z * x**2), row("log_product3", x, x, z)


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


@rule(x="n d")
def log_sum_of_squares(gc: Any, x: Any) -> Sides:
    """log Σ x^2 = 2 log |x|"""
    return gc.log(gc.sum(x**2, "d")), 2 * gc.log(gc.norm(x, "d"))


@rule(x="n d", z="n")
def log_multiple_of_sum_of_squares(gc: Any, x: Any, z: Any) -> Sides:
    """log(z Σ x^2) = 2 log |x| + log z: of a variance"""
    return gc.log(gc.sum(x**2, "d") * z), 2 * gc.log(gc.norm(x, "d")) + gc.log(z)


@rule()
def log_of_sum_over_its_term(gc: Any, x: Any, y: Any) -> Sides:
    """log((x + y) / x) = log1p(y / x) where y is no greater than x"""
    return gc.log((x + y) / x), gc.where(gc.abs(y) < gc.abs(x), gc.log1p(row("grouped", y / x)), row("log_ratio", x + y, x))


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
