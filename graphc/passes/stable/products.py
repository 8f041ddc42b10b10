"""Products and powers of exponentials."""

from __future__ import annotations

from typing import Any

from graphc.passes.stable.table import Sides, row, rule
from graphc.passes.subject import symbols
from graphc.passes.unify import Match
from graphc.scalar.symbols import OverIndex

__all__: list[str] = []


def no_matrix_product(m: Match) -> bool:
    """Whether exp(x + y) is no exponential for each term of a product of matrices, which takes one for each of their elements."""
    x, y = symbols(m.wild("x")), symbols(m.wild("y"))
    return x <= y or y <= x or not any(isinstance(s, OverIndex) for s in x & y)


@rule(varies="x y", when=no_matrix_product)
def exp_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """exp(x) exp(y) = exp(x + y), the sum in twice the precision"""
    return gc.exp(x) * gc.exp(y), row("exp_sum", x, y)


@rule()
def square_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """x^2 exp(y) = (x exp(y / 2))^2: neither factor alone has to fit the format"""
    return x**2 * gc.exp(y), row("grouped", x * gc.exp(y / 2))**2


@rule()
def cube_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """x^3 exp(y) = x (x exp(y / 2))^2"""
    return x**3 * gc.exp(y), x * row("grouped", x * gc.exp(y / 2))**2


@rule()
def fourth_power_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """x^4 exp(y) = (x exp(y / 4))^4"""
    return x**4 * gc.exp(y), row("grouped", x * gc.exp(y / 4))**4


@rule()
def power_of_exp(gc: Any, x: Any, y: Any) -> Sides:
    """exp(x)^y = exp(x y)"""
    return gc.exp(x)**y, gc.exp(x * y)


@rule()
def root_of_exp(gc: Any, x: Any) -> Sides:
    """sqrt(exp(x)) = exp(x / 2)"""
    return gc.sqrt(gc.exp(x)), gc.exp(x / 2)
