"""Weights: 0 * log 0 = 0, the limit of x log x, and the convention of entropies and likelihoods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from graphc.passes.pattern import is_number
from graphc.passes.stable.table import Sides, row, rule
from graphc.passes.unify import Match

__all__: list[str] = []


def may_vanish(m: Match) -> bool:
    """Whether the weight is more than an inverse, which is never 0."""
    return not is_number(sp.fraction(m.wild("x").expr)[0])


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


for _name in ("log", "log2", "log10", "log1p", "logsigmoid", "softplus", "log1mexp", "logerfc"):
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


@rule()
def exp_times_weighted(gc: Any, x: Any, y: Any, z: Any) -> Sides:
    """exp(y) times_log(exp(x), z) = times_log(exp(x + y), z)"""
    return gc.exp(y) * row("times_log", gc.exp(x), z), row("times_log", row("exp_sum", x, y), z)
