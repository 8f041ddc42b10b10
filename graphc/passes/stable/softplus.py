"""Softplus where it is exp(x) and underflows: under a logarithm, a root, a power, a fraction."""

from __future__ import annotations

from typing import Any

from graphc.passes.stable.facts import are_opposed
from graphc.passes.stable.table import Sides, limit, positive, row, rule
from graphc.scalar.symbols import placeholder
from graphc.scalar.table import op

__all__: list[str] = []

U = placeholder(0)


def over_exp(gc: Any, x: Any) -> Any:
    """softplus(x) / exp(x) = log(1 + u) / u for x < 0, with u = exp(x): it is 1 - u/2 + ..., and never underflows"""
    return limit(op("log1p")(U) / U, gc.exp(gc.where(x < 0, x, 0.0)))


def not_small(gc: Any, x: Any) -> Any:
    """softplus(x) for x >= 0"""
    return row("grouped", gc.softplus(gc.where(x < 0, 0.0, x)))


@rule()
def log_softplus(gc: Any, x: Any) -> Sides:
    """log(softplus(x)) = x + log(softplus(x) / exp(x))"""
    return gc.log(gc.softplus(x)), gc.where(x < 0, x + gc.log(over_exp(gc, x)), gc.log(not_small(gc, x)))


def times_exp(gc: Any, x: Any, y: Any) -> Any:
    """softplus(x) exp(y), where exp(y) is large as softplus(x) is small"""
    return gc.where(x < 0, over_exp(gc, x) * row("exp_sum", x, y), not_small(gc, x) * gc.exp(y))


@rule(when=are_opposed)
def softplus_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """softplus(x) exp(y) = log(1 + exp(x)) / exp(x) exp(x + y)"""
    return gc.softplus(x) * gc.exp(y), times_exp(gc, x, y)


@rule(when=are_opposed)
def exp_weighted_softplus(gc: Any, x: Any, y: Any) -> Sides:
    """times_log(exp(y), softplus(x)) = softplus(x) exp(y)"""
    return row("times_log", gc.exp(y), gc.softplus(x)), times_exp(gc, x, y)


@rule(when=are_opposed)
def log_sigmoid_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """log σ(-x) exp(y) = -softplus(x) exp(y)"""
    return gc.logsigmoid(-x) * gc.exp(y), -times_exp(gc, x, y)


@rule(when=are_opposed)
def exp_weighted_log_sigmoid(gc: Any, x: Any, y: Any) -> Sides:
    """times_log(exp(y), log σ(-x)) = -softplus(x) exp(y)"""
    return row("times_log", gc.exp(y), gc.logsigmoid(-x)), -times_exp(gc, x, y)


@rule()
def root_of_softplus(gc: Any, x: Any) -> Sides:
    """sqrt(softplus(x)) = exp(x / 2) sqrt(softplus(x) / exp(x))"""
    return gc.sqrt(gc.softplus(x)), gc.where(x < 0, gc.exp(x / 2) * gc.sqrt(over_exp(gc, x)), gc.sqrt(not_small(gc, x)))


@rule()
def power_of_softplus(gc: Any, x: Any, q: Any) -> Sides:
    """softplus(x)^q = exp(q x) (softplus(x) / exp(x))^q"""
    return gc.softplus(x)**q, gc.where(x < 0, gc.exp(q * x) * over_exp(gc, x)**q, not_small(gc, x)**q)


@rule(x="n d")
def log_sum_of_softplus(gc: Any, x: Any) -> Sides:
    """log Σ softplus(x) = log Σ exp(log softplus(x))"""
    return gc.log(gc.sum(gc.softplus(x), "d")), gc.logsumexp(gc.log(gc.softplus(x)), "d")


@rule(when=positive)
def log_multiple_of_softplus(gc: Any, x: Any, z: Any) -> Sides:
    """log(z softplus(x)) = x + log(z softplus(x) / exp(x)), for a number z > 0"""
    return gc.log(gc.softplus(x) * z), gc.where(x < 0, x + gc.log(over_exp(gc, x) * z), row("log_product", not_small(gc, x), z))


@rule(x="n d", z="n")
def log_multiple_of_sum_of_softplus(gc: Any, x: Any, z: Any) -> Sides:
    """log(z Σ softplus(x)) = log Σ softplus(x) + log(z)"""
    return gc.log(gc.sum(gc.softplus(x), "d") * z), gc.log(gc.sum(gc.softplus(x), "d")) + gc.log(z)
