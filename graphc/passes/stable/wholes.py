"""Formulas known as a whole, whose parts other rules would rewrite: they are looked for first, in the graph as the user wrote it."""

from __future__ import annotations

from typing import Any

import sympy as sp

from graphc.passes.stable.facts import shrinks
from graphc.passes.stable.roots import beyond_one
from graphc.passes.stable.table import Sides, positive, root_of, row, whole
from graphc.passes.subject import combined
from graphc.passes.unify import Match

__all__: list[str] = []

# --- inverse hyperbolic functions -------------------------------------------------------------------------------------

@whole()
def arcosh_by_logarithm(gc: Any, x: Any) -> Sides:
    """log(x + sqrt(x^2 - 1)) = arcosh(x)"""
    return gc.log(x + gc.sqrt(x**2 - 1)), gc.arccosh(x)


@whole()
def arcosh_by_the_small_root(gc: Any, x: Any) -> Sides:
    """log(x - sqrt(x^2 - 1)) = -arcosh(x)"""
    return gc.log(x - gc.sqrt(x**2 - 1)), -gc.arccosh(x)


@whole()
def arcosh_by_factors(gc: Any, x: Any) -> Sides:
    """log(x + sqrt((x - 1) (x + 1))) = arcosh(x)"""
    return gc.log(x + gc.sqrt((x - 1) * (x + 1))), gc.arccosh(x)


@whole()
def arcosh_by_two_roots(gc: Any, x: Any) -> Sides:
    """log(x + sqrt(x - 1) sqrt(x + 1)) = arcosh(x)"""
    return gc.log(x + gc.sqrt(x - 1) * gc.sqrt(x + 1)), gc.arccosh(x)


@whole()
def arsinh_by_logarithm(gc: Any, x: Any) -> Sides:
    """log(x + sqrt(1 + x^2)) = arsinh(x)"""
    return gc.log(x + gc.sqrt(1 + x**2)), gc.arcsinh(x)


@whole()
def arsinh_by_the_small_root(gc: Any, x: Any) -> Sides:
    """log(sqrt(1 + x^2) - x) = -arsinh(x)"""
    return gc.log(gc.sqrt(1 + x**2) - x), -gc.arcsinh(x)


@whole(when=positive)
def arsinh_of_scale(gc: Any, x: Any, z: Any) -> Sides:
    """log(x + sqrt(z + x^2)) = arsinh(x / sqrt(z)) + log(sqrt(z)), for a number z > 0"""
    return gc.log(x + gc.sqrt(z + x**2)), gc.arcsinh(x / root_of(z)) + gc.log(root_of(z))


@whole(when=positive)
def arsinh_of_scale_and_multiple(gc: Any, x: Any, z: Any, w: Any) -> Sides:
    """log(w (x + sqrt(z + x^2))) = arsinh(x / sqrt(z)) + log(w sqrt(z)), for numbers z > 0 and w > 0"""
    return gc.log(w * (x + gc.sqrt(z + x**2))), gc.arcsinh(x / root_of(z)) + gc.log(w * root_of(z))


# --- quotients and differences with the root of a multiple of a square --------------------------------------------------

@whole(when=positive)
def over_root_of_multiple(gc: Any, x: Any, z: Any, w: Any) -> Sides:
    """x / sqrt(z + w x^2) = over_hypot(sqrt(w) x, sqrt(z)) / sqrt(w), for numbers z > 0 and w > 0"""
    return x / gc.sqrt(z + w * x**2), row("over_hypot", root_of(w) * x, root_of(z)) / root_of(w)


@whole(when=positive)
def root_of_one_and_multiple_minus_one(gc: Any, x: Any, w: Any) -> Sides:
    """sqrt(1 + w x^2) - 1 = sqrt(1 + y^2) - 1 with y = sqrt(w) x, for a number w > 0"""
    return gc.sqrt(1 + w * x**2) - 1, beyond_one(gc, root_of(w) * x)


# --- roots of quadratics ----------------------------------------------------------------------------------------------

def cancels(m: Match) -> bool:
    """Whether x - y^2 has fewer terms than both together, and z for a factor."""
    if not shrinks(m, "x", "y", 2):
        return False
    return not sp.fraction(combined(lambda a, b, c: (a - b**2) / c, [m.wild(name) for name in "xyz"]).expr)[1].free_symbols


@whole(varies="y z", expand=True, when=cancels)
def small_root_of_quadratic(gc: Any, x: Any, y: Any, z: Any) -> Sides:
    """(sqrt(x) - y) / z = ((x - y^2) / z) / (sqrt(x) + y) where y > 0: z is cancelled, in a = b^2 - 4 a c minus b^2, over 2 a"""
    return (gc.sqrt(x) - y) / z, gc.where(y > 0, ((x - y**2) / z) / row("excess", gc.sqrt(x), -y), row("excess", gc.sqrt(x), y) / z)
