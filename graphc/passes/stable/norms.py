"""Norms of any order, what is divided by them, and differences of norms where the vectors differ by less than they are long."""

from __future__ import annotations

from typing import Any

from graphc.passes.stable.facts import shrinks
from graphc.passes.stable.table import Sides, differentiated_as, row, rule

__all__: list[str] = []


@rule(x="n d")
def norm(gc: Any, x: Any) -> Sides:
    """sqrt(Σ x^2) = b sqrt(Σ (x / b)^2), b a power of two near max|x|; its derivative at 0 is 0"""
    return gc.sqrt(gc.sum(x**2, "d")), gc.norm(x, "d")


def binade_of(gc: Any, x: Any) -> Any:
    """The power of two below the largest |x|, held constant: scaling by it rounds nothing"""
    return gc.stop_gradient(row("binade", gc.max(gc.abs(x), 1, keepdims=True))).named("b")


def scaled_power(gc: Any, b: Any, total: Any, p: Any, q: Any) -> Any:
    """(b^q)^p total^q, and 0 with slope 0 where all are 0: 1/3 is rounded, and so would 3 (1/3) be"""
    return gc.where(total > 0, gc.power(b[:, 0], q)**p * gc.power(row("grouped", total), q), 0.0 * total)


@rule(x="n d", q="n")
def norm_of_order_three(gc: Any, x: Any, q: Any) -> Sides:
    """(Σ |x|^3)^q = b^(3 q) (Σ |x / b|^3)^q, b a power of two near max|x|"""
    b = binade_of(gc, x)
    return gc.sum(gc.abs(x)**3, "d")**q, scaled_power(gc, b, gc.sum(gc.abs(row("scaled", x, b))**3, 1), 3, q)


@rule(x="n d", q="n")
def norm_of_order_four(gc: Any, x: Any, q: Any) -> Sides:
    """(Σ x^4)^q = b^(4 q) (Σ (x / b)^4)^q, b a power of two near max|x|"""
    b = binade_of(gc, x)
    return gc.sum(x**4, "d")**q, scaled_power(gc, b, gc.sum(row("scaled", x, b)**4, 1), 4, q)


@rule(x="n d", p=("n", 1), q="n")
def norm_of_order(gc: Any, x: Any, p: Any, q: Any) -> Sides:
    """(Σ |x|^p)^q = b^(p q) (Σ |x / b|^p)^q, b a power of two near max|x|"""
    b = binade_of(gc, x)
    return gc.sum(gc.abs(x)**p, "d")**q, scaled_power(gc, b, gc.sum(gc.abs(row("scaled", x, b))**p, 1), p[:, 0], q)


@rule(x="n d", y="n c")
def product_of_norms(gc: Any, x: Any, y: Any) -> Sides:
    """sqrt(Σ x^2 Σ y^2) = |x| |y|"""
    return gc.sqrt(gc.sum(x**2, "d") * gc.sum(y**2, "c")), gc.norm(x, "d") * gc.norm(y, "c")


@rule(x="n d", z="n")
def norm_of_multiple(gc: Any, x: Any, z: Any) -> Sides:
    """sqrt(z Σ x^2) = sqrt(z) |x|: the root of a mean square"""
    return gc.sqrt(gc.sum(x**2, "d") * z), gc.norm(x, "d") * gc.sqrt(z)


@rule(a="n d", b="n d")
def cosine_similarity(gc: Any, a: Any, b: Any) -> Sides:
    """Σ a b / (|a| |b|), and 0 where a vector is 0, which has no direction"""
    x, y = (row("inverse_total", gc.norm(v, "d"), 0.0) for v in (a, b))
    return gc.sum(a * b, "d") / (gc.norm(a, "d") * gc.norm(b, "d")), gc.sum(a * b, "d") * x * y


@rule(x="n d")
def direction(gc: Any, x: Any) -> Sides:
    """x / |x|, and 0 for the vector 0"""
    length = gc.norm(x, "d", keepdims=True)
    return x / length, x * row("inverse_total", length, 0.0)


@rule(x="n d", y="n d", expand=True, when=lambda m: shrinks(m, "x", "y", 1))
def difference_of_norms(gc: Any, x: Any, y: Any) -> Sides:
    """|x| - |y| = Σ (x - y) (x + y) / (|x| + |y|), where x - y has fewer terms than both: triplet losses far from the origin. The derivatives are the
    two directions as they stand, each with its own digits"""
    length, other = gc.norm(x, "d"), gc.norm(y, "d")
    inverse = row("inverse_total", gc.norm(x, "d", keepdims=True) + gc.norm(y, "d", keepdims=True), 0.0)
    value = gc.sum((x - y) * row("grouped", (x + y) * inverse), "d")
    return length - other, differentiated_as(row("excess", length, other), value)
