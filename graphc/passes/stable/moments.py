"""Moments about a mean, whose cancellation is that of a difference of squares."""

from __future__ import annotations

from typing import Any

from graphc.passes.stable.table import Sides, rule

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
