"""Softplus where it is exp(x) and underflows: under a logarithm, a root, a power, a fraction."""

from __future__ import annotations

from typing import Any

from graphc.passes.stable.table import Sides, limit, row, rule
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


@rule()
def softplus_times_exp(gc: Any, x: Any) -> Sides:
    """softplus(x) exp(-x) = log(1 + exp(x)) / exp(x)"""
    return gc.softplus(x) * gc.exp(-x), gc.where(x < 0, over_exp(gc, x), not_small(gc, x) * gc.exp(-x))


@rule()
def root_of_softplus(gc: Any, x: Any) -> Sides:
    """sqrt(softplus(x)) = exp(x / 2) sqrt(softplus(x) / exp(x))"""
    return gc.sqrt(gc.softplus(x)), gc.where(x < 0, gc.exp(x / 2) * gc.sqrt(over_exp(gc, x)), gc.sqrt(not_small(gc, x)))


@rule()
def power_of_softplus(gc: Any, x: Any, q: Any) -> Sides:
    """softplus(x)^q = exp(q x) (softplus(x) / exp(x))^q"""
    return gc.softplus(x)**q, gc.where(x < 0, gc.exp(q * x) * over_exp(gc, x)**q, not_small(gc, x)**q)


@rule()
def log1mexp_of_exp(gc: Any, x: Any) -> Sides:
    """log(1 - exp(-exp(x))) = x + log((1 - exp(-u)) / u) where u = exp(x) is small: the complementary log-log link"""
    u = gc.exp(gc.where(x < 0, x, 0.0))
    far = gc.log1p(row("grouped", -gc.exp(-gc.exp(gc.where(x < 0, 0.0, x)))))
    return gc.log1mexp(gc.exp(x)), gc.where(x < 0, x + gc.log(limit(-op("expm1")(-U) / U, u)), far)
