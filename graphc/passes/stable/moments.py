"""Moments about a mean, whose cancellation is that of a difference of squares."""

from __future__ import annotations

from typing import Any

from graphc.passes.stable.table import Sides, rule
from graphc.passes.subject import symbols
from graphc.passes.unify import Match

__all__: list[str] = []

@rule(x="n d")
def variance(gc: Any, x: Any) -> Sides:
    """Σ x^2 / n - (Σ x / n)^2 = Σ (x - Σ x / n)^2 / n"""
    return gc.mean(x**2, "d") - gc.mean(x, "d")**2, gc.var(x, "d")


@rule(x="n d")
def sum_of_squared_deviations(gc: Any, x: Any) -> Sides:
    """Σ x^2 - (Σ x)^2 / n = Σ (x - Σ x / n)^2"""
    return gc.sum(x**2, "d") - gc.sum(x, "d")**2 / gc.size("d"), gc.sum((x - gc.mean(x, "d", keepdims=True))**2, "d")


@rule(x="n d", y="n d")
def covariance(gc: Any, x: Any, y: Any) -> Sides:
    """Σ x y / n - (Σ x / n) (Σ y / n) = Σ (x - Σ x / n) (y - Σ y / n) / n"""
    left, right = x - gc.mean(x, "d", keepdims=True), y - gc.mean(y, "d", keepdims=True)
    return gc.mean(x * y, "d") - gc.mean(x, "d") * gc.mean(y, "d"), gc.mean(left * right, "d")


@rule(x="n d")
def third_moment(gc: Any, x: Any) -> Sides:
    """Σ x^3 / n - 3 (Σ x / n) (Σ x^2 / n) + 2 (Σ x / n)^3 = Σ (x - Σ x / n)^3 / n"""
    mean = gc.mean(x, "d")
    return (gc.mean(x**3, "d") - 3 * mean * gc.mean(x**2, "d") + 2 * mean**3, gc.mean((x - gc.mean(x, "d", keepdims=True))**3, "d"))


def side_by_side(m: Match) -> bool:
    """Whether x and y depend on the same indices: distances of all pairs are a product of matrices, as they are written."""
    return symbols(m.wild("x")) == symbols(m.wild("y"))


@rule(x="n d", y="n d", when=side_by_side)
def square_of_distance(gc: Any, x: Any, y: Any) -> Sides:
    """Σ x^2 - 2 Σ x y + Σ y^2 = Σ (x - y)^2, for points side by side"""
    return gc.sum(x**2, "d") - 2 * gc.sum(x * y, "d") + gc.sum(y**2, "d"), gc.sum((x - y)**2, "d")
