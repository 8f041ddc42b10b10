"""Sums of powers of a number greater than 1, as exponentials in another base."""

from __future__ import annotations

from typing import Any

from graphc.passes.stable.table import Sides, row, rule, shift
from graphc.passes.unify import Match

__all__: list[str] = []


def above_one(m: Match) -> bool:
    """Whether z is a number greater than 1."""
    return bool((m.wild("z").expr - 1).is_positive)


@rule(x="n d", when=above_one)
def log_sum_of_powers(gc: Any, x: Any, z: Any) -> Sides:
    """log Σ z^x = m log z + log Σ z^(x - m), with m = max x held constant, for a number z > 1: x log z would be rounded before it is an exponent"""
    m = shift(x, (1,))
    total = gc.sum(gc.power(z[:, None], row("excess", x, m)), 1)
    return gc.log(gc.sum(gc.power(z[:, None], x), "d")), m[:, 0] * gc.log(z) + gc.log(row("grouped", total))


@rule(x="n d", w="n", when=above_one)
def log_multiple_of_sum_of_powers(gc: Any, x: Any, z: Any, w: Any) -> Sides:
    """log(w Σ z^x) = m log z + log(w Σ z^(x - m)), with m = max x held constant, for a number z > 1"""
    m = shift(x, (1,))
    total = gc.sum(gc.power(z[:, None], row("excess", x, m)), 1)
    return gc.log(gc.sum(gc.power(z[:, None], x), "d") * w), m[:, 0] * gc.log(z) + gc.log(row("grouped", total) * w)


@rule(x="n d", z=("n", 1), when=above_one)
def softmax_of_powers(gc: Any, x: Any, z: Any) -> Sides:
    """z^x / Σ z^x = z^(x - m) / Σ z^(x - m), with m = max x held constant, for a number z > 1"""
    e = gc.power(z, row("excess", x, shift(x, (1,)))).named("e")
    return gc.power(z, x) / gc.sum(gc.power(z, x), "d", keepdims=True), e / row("grouped", gc.sum(e, 1, keepdims=True))


@rule(when=above_one)
def log_one_plus_power(gc: Any, x: Any, z: Any) -> Sides:
    """log(1 + z^x) = x log z + log(1 + z^-x), for a number z > 1 and x > 0"""
    small = (gc.log1p(row("grouped", gc.power(z, sign * x))) for sign in (-1, 1))
    return gc.log(1 + gc.power(z, x)), gc.where(x > 0, x * gc.log(z) + next(small), next(small))
