"""Square roots: of sums of squares, in differences, and ratios to them."""

from __future__ import annotations

from typing import Any

from graphc.passes.parts import exponent
from graphc.passes.pattern import is_number
from graphc.passes.stable.facts import shrinks
from graphc.passes.stable.table import Sides, differentiated_as, positive, root_of, row, rule
from graphc.passes.unify import Match

__all__: list[str] = []


def beyond_one(gc: Any, x: Any) -> Any:
    """sqrt(1 + x^2) - 1; its derivatives are those of sqrt(1 + x^2), which has nothing to cancel."""
    h = gc.hypot(x, 1)
    return differentiated_as(h, gc.where(gc.abs(x) < 8, x * row("grouped", x / (h + 1)), row("excess", h, 1.0)))


def no_exponential(m: Match) -> bool:
    """Whether x is neither a number nor an exponential, which has better forms."""
    x = m.value("x")
    return x is not None and not is_number(x.expr) and exponent(x, True) is None


def is_shifted(m: Match) -> bool:
    """Whether z is a positive number, and x no exponential."""
    return positive(m) and no_exponential(m)


# --- sums of squares --------------------------------------------------------------------------------------------------

@rule()
def sqrt_of_square(gc: Any, x: Any) -> Sides:
    """sqrt(x^2) = |x|"""
    return gc.sqrt(x**2), gc.abs(x)


@rule()
def hypotenuse(gc: Any, x: Any, y: Any) -> Sides:
    """sqrt(x^2 + y^2), without the overflow of the squares"""
    return gc.sqrt(x**2 + y**2), gc.hypot(x, y)


@rule()
def hypotenuse_of_one(gc: Any, x: Any) -> Sides:
    """sqrt(1 + x^2), without the overflow of the square"""
    return gc.sqrt(1 + x**2), gc.hypot(x, 1)


@rule(when=positive)
def hypotenuse_of_number(gc: Any, x: Any, z: Any) -> Sides:
    """sqrt(z + x^2) = hypot(x, sqrt(z)), for a number z > 0"""
    return gc.sqrt(z + x**2), gc.hypot(x, root_of(z))


@rule(when=positive)
def hypotenuse_of_multiple(gc: Any, x: Any, z: Any, w: Any) -> Sides:
    """sqrt(z + w x^2) = hypot(sqrt(w) x, sqrt(z)), for numbers z > 0 and w > 0"""
    return gc.sqrt(z + w * x**2), gc.hypot(root_of(w) * x, root_of(z))


@rule()
def hypotenuse_of_three(gc: Any, x: Any, y: Any, z: Any) -> Sides:
    """sqrt(x^2 + y^2 + z^2), without the overflow of the squares"""
    return gc.sqrt(x**2 + y**2 + z**2), gc.hypot(gc.hypot(x, y), z)


@rule(when=positive)
def hypotenuse_of_two_and_number(gc: Any, x: Any, y: Any, z: Any) -> Sides:
    """sqrt(z + x^2 + y^2), without the overflow of the squares, for a number z > 0"""
    return gc.sqrt(z + x**2 + y**2), gc.hypot(gc.hypot(x, y), root_of(z))


@rule()
def sign_by_size(gc: Any, x: Any) -> Sides:
    """x / |x| = sign(x), and 0 for 0, which has no sign"""
    return x / gc.abs(x), gc.sign(x)


@rule()
def sign_by_inverse(gc: Any, x: Any) -> Sides:
    """|x| / x = sign(x), and 0 for 0, which has no sign"""
    return gc.abs(x) / x, gc.sign(x)


@rule()
def side_over_hypotenuse(gc: Any, x: Any, y: Any) -> Sides:
    """x / sqrt(x^2 + y^2) = over_hypot(x, y), whose derivative y^2 / (x^2 + y^2)^(3/2) is no difference"""
    return x / gc.hypot(x, y), row("over_hypot", x, y)


@rule()
def other_side_over_hypotenuse(gc: Any, x: Any, y: Any) -> Sides:
    """y / sqrt(x^2 + y^2) = over_hypot(y, x)"""
    return y / gc.hypot(x, y), row("over_hypot", y, x)


@rule(when=no_exponential)
def one_minus_inverse_of_square(gc: Any, x: Any) -> Sides:
    """1 - 1 / (1 + x^2) = (x / sqrt(1 + x^2))^2"""
    return 1 - 1 / (1 + x**2), row("over_hypot", x, 1.0)**2


@rule(when=no_exponential)
def bounded_square(gc: Any, x: Any) -> Sides:
    """x^2 / (1 + x^2) = (x / sqrt(1 + x^2))^2"""
    return x**2 / (1 + x**2), row("over_hypot", x, 1.0)**2


@rule(when=is_shifted)
def bounded_square_of_scale(gc: Any, x: Any, z: Any) -> Sides:
    """x^2 / (z + x^2) = (x / sqrt(z + x^2))^2, for a number z > 0"""
    return x**2 / (z + x**2), row("over_hypot", x, gc.sqrt(z))**2


@rule(when=is_shifted)
def saturating_ratio(gc: Any, x: Any, z: Any) -> Sides:
    """x / (z + x) = 1 - z / (z + x), whose derivative z / (z + x)^2 is no difference"""
    return x / (z + x), differentiated_as(1 - z / row("grouped", z + x), x / row("grouped", z + x))


@rule(varies="x y")
def complement_of_share(gc: Any, x: Any, y: Any) -> Sides:
    """1 - x / (x + y) = y / (x + y)"""
    return 1 - x / (x + y), y / (x + y)


@rule(when=is_shifted)
def softsign(gc: Any, x: Any, z: Any) -> Sides:
    """x / (z + |x|) = ±(1 - z / (z ± x)), whose derivative z / (z + |x|)^2 is no difference"""
    by_side = gc.where(x < 0, z / row("grouped", z - x) - 1, gc.where(x > 0, 1 - z / row("grouped", z + x), x / z))
    return x / (z + gc.abs(x)), differentiated_as(by_side, x / row("grouped", z + gc.abs(x)))


@rule(when=is_shifted)
def ratio_to_square(gc: Any, x: Any, z: Any) -> Sides:
    """x / (z + x^2) = (x / h) / h with h = sqrt(z + x^2), for a number z > 0"""
    return x / (z + x**2), row("over_hypot", x, root_of(z)) / gc.hypot(x, root_of(z))


# --- powers of 3/2 and their kin --------------------------------------------------------------------------------------

@rule()
def x_times_its_root(gc: Any, x: Any) -> Sides:
    """x sqrt(x) = x^(3/2), whose derivative at 0 is 0"""
    return x * gc.sqrt(x), x**1.5


@rule()
def root_of_cube(gc: Any, x: Any) -> Sides:
    """sqrt(x^3) = x^(3/2)"""
    return gc.sqrt(x**3), x**1.5


@rule()
def square_of_root(gc: Any, x: Any) -> Sides:
    """sqrt(x)^2 = x for x >= 0"""
    return gc.sqrt(x)**2, gc.where(x < 0, float("nan"), x)


@rule()
def cube_of_root(gc: Any, x: Any) -> Sides:
    """sqrt(x)^3 = x^(3/2)"""
    return gc.sqrt(x)**3, x**1.5


# --- differences of roots, where what is under them differs by less than they do ----------------------------------------

@rule(expand=True, when=lambda m: shrinks(m, "x", "y", 1))
def difference_of_roots(gc: Any, x: Any, y: Any) -> Sides:
    """sqrt(x) - sqrt(y) = (x - y) / (sqrt(x) + sqrt(y))"""
    return gc.sqrt(x) - gc.sqrt(y), (x - y) / (gc.sqrt(x) + gc.sqrt(y))


@rule(varies="y", expand=True, when=lambda m: shrinks(m, "x", "y", 2))
def root_minus_its_main_term(gc: Any, x: Any, y: Any) -> Sides:
    """sqrt(x) - y = (x - y^2) / (sqrt(x) + y) where y > 0: the small root of a quadratic"""
    return gc.sqrt(x) - y, gc.where(y > 0, (x - y**2) / row("excess", gc.sqrt(x), -y), row("excess", gc.sqrt(x), y))


@rule()
def root_of_one_and_square_minus_one(gc: Any, x: Any) -> Sides:
    """sqrt(1 + x^2) - 1 = x (x / (sqrt(1 + x^2) + 1)): the pseudo-Huber loss"""
    return gc.sqrt(1 + x**2) - 1, beyond_one(gc, x)


@rule(expand=True, when=lambda m: shrinks(m, "x", None, 2))
def root_minus_one(gc: Any, x: Any) -> Sides:
    """sqrt(1 + x) - 1 = x / (sqrt(1 + x) + 1), whose derivative is that of sqrt(1 + x)"""
    return gc.sqrt(x) - 1, differentiated_as(gc.sqrt(x), (x - 1) / (gc.sqrt(x) + 1))


@rule()
def hypotenuse_minus_one(gc: Any, x: Any) -> Sides:
    """hypot(x, 1) - 1 = x (x / (hypot(x, 1) + 1))"""
    return gc.hypot(x, 1) - 1, beyond_one(gc, x)


@rule()
def inverse_hypotenuse_minus_one(gc: Any, x: Any) -> Sides:
    """1 / sqrt(1 + x^2) - 1 = -(x / sqrt(1 + x^2)) (x / (sqrt(1 + x^2) + 1)), whose derivative is that of 1 / sqrt(1 + x^2)"""
    h = row("grouped", gc.hypot(x, 1))
    return 1 / gc.hypot(x, 1) - 1, differentiated_as(1 / h, -row("over_hypot", x, 1.0) * (x / (h + 1)))


@rule()
def hypotenuse_minus_side(gc: Any, x: Any, y: Any) -> Sides:
    """sqrt(x^2 + y^2) - x = y^2 / (sqrt(x^2 + y^2) + x) where x > 0"""
    h = gc.hypot(x, y)
    return h - x, gc.where(x > 0, y * row("grouped", y / row("excess", h, -x)), row("excess", h, x))


@rule()
def hypotenuse_minus_size_of_side(gc: Any, x: Any, y: Any) -> Sides:
    """sqrt(x^2 + y^2) - |x| = y^2 / (sqrt(x^2 + y^2) + |x|)"""
    h = gc.hypot(x, y)
    return h - gc.abs(x), y * row("grouped", y / (h + gc.abs(x)))


@rule(expand=True, when=lambda m: shrinks(m, "y", "x", 1))
def difference_of_reciprocals(gc: Any, x: Any, y: Any) -> Sides:
    """1 / x - 1 / y = (y - x) / x / y"""
    return 1 / x - 1 / y, row("grouped", (y - x) / x) / y


@rule()
def quotient_of_squares(gc: Any, x: Any, y: Any) -> Sides:
    """x^2 / y^2 = (x / y)^2: squares may leave the format where the quotient does not"""
    return x**2 / y**2, row("grouped", x / y)**2
