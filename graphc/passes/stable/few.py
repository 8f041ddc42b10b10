"""Sums of two, three or four exponentials, written out: log-add-exp and softplus."""

from __future__ import annotations

import functools
from typing import Any

from graphc.passes.parts import ONE
from graphc.passes.stable.table import Sides, differentiated_as, row, rule
from graphc.passes.unify import Match
from graphc.scalar.table import op

__all__ = ["log_mean"]


def is_no_sigmoid(m: Match) -> bool:
    """Whether what is taken for exp(x) is no logistic function beside 1, which loses nothing in the sum."""
    others = [w.expr for w in m.wilds.values() if w.expr not in (0, op("log")(ONE))]
    return len(others) != 1 or not isinstance(others[0], op("logsigmoid"))


def beside_maximum(gc: Any, *x: Any) -> list[Any]:
    """m = max x, held constant, and every x - m: differences first, so that sums of large exponents keep their digits."""
    m = gc.stop_gradient(functools.reduce(gc.maximum, x)).named("m")
    return [m, *(row("excess", v, m) for v in x)]


@rule()
def log_of_three_exp(gc: Any, x: Any, y: Any, z: Any) -> Sides:
    """log(exp(x) + exp(y) + exp(z)) = m + log(exp(x - m) + exp(y - m) + exp(z - m)), with m = max(x, y, z) held constant"""
    m, x_, y_, z_ = beside_maximum(gc, x, y, z)
    return gc.log(gc.exp(x) + gc.exp(y) + gc.exp(z)), m + gc.logaddexp(gc.logaddexp(x_, y_), z_)


@rule()
def log_of_four_exp(gc: Any, x: Any, y: Any, z: Any, w: Any) -> Sides:
    """log(exp(x) + exp(y) + exp(z) + exp(w)) = m + the same of x - m, y - m, z - m, w - m, with m their maximum held constant"""
    m, x_, y_, z_, w_ = beside_maximum(gc, x, y, z, w)
    return gc.log(gc.exp(x) + gc.exp(y) + gc.exp(z) + gc.exp(w)), m + gc.logaddexp(gc.logaddexp(x_, y_), gc.logaddexp(z_, w_))


@rule()
def softmax_of_three(gc: Any, x: Any, y: Any, z: Any) -> Sides:
    """exp(x) / (exp(x) + exp(y) + exp(z)) = σ(-logaddexp(y - x, z - x))"""
    return gc.exp(x) / (gc.exp(x) + gc.exp(y) + gc.exp(z)), gc.sigmoid(-gc.logaddexp(y - x, z - x))


@rule()
def softmax_of_two_and_one(gc: Any, x: Any, y: Any) -> Sides:
    """exp(x) / (1 + exp(x) + exp(y)) = σ(x - softplus(y))"""
    return gc.exp(x) / (1 + gc.exp(x) + gc.exp(y)), gc.sigmoid(x - gc.softplus(y))


@rule(when=is_no_sigmoid)
def log_one_plus_exp(gc: Any, x: Any) -> Sides:
    """log(1 + exp(x)) = softplus(x)"""
    return gc.log(1 + gc.exp(x)), gc.softplus(x)


@rule(when=is_no_sigmoid)
def log1p_exp(gc: Any, x: Any) -> Sides:
    """log1p(exp(x)) = softplus(x)"""
    return gc.log1p(gc.exp(x)), gc.softplus(x)


def log_mean(gc: Any, x: Any, y: Any) -> Any:
    """log((exp(x) + exp(y)) / 2), with its digits near 0; its derivatives are those of a log-add-exp"""
    value = gc.maximum(x, y) + gc.log1p(gc.expm1(-gc.abs(row("excess", x, y))) / 2)
    return differentiated_as(gc.logaddexp(x, y), value)


@rule()
def log_half_and_half_of_opposites(gc: Any, x: Any) -> Sides:
    """log(exp(x) / 2 + exp(-x) / 2) = log(cosh(x))"""
    return gc.log(gc.exp(x) / 2 + gc.exp(-x) / 2), gc.logcosh(x)


@rule()
def log_half_and_half(gc: Any, x: Any, y: Any) -> Sides:
    """log(exp(x) / 2 + exp(y) / 2) = max(x, y) + log(1 + (exp(-|x - y|) - 1) / 2)"""
    return gc.log(gc.exp(x) / 2 + gc.exp(y) / 2), log_mean(gc, x, y)


@rule(when=is_no_sigmoid)
def log_add_exp(gc: Any, x: Any, y: Any) -> Sides:
    """log(exp(x) + exp(y)) = max(x, y) + log1p(exp(-|x - y|))"""
    return gc.log(gc.exp(x) + gc.exp(y)), gc.logaddexp(x, y)


@rule()
def exponent_plus_softplus(gc: Any, x: Any, y: Any) -> Sides:
    """x + log(1 + exp(y - x)) = log(exp(x) + exp(y)), whose derivative in x is σ(x - y) and not 1 - σ(y - x)"""
    return x + gc.softplus(y - x), gc.logaddexp(x, y)


@rule()
def log_add_exp_minus_one_of_them(gc: Any, x: Any, y: Any) -> Sides:
    """log(exp(x) + exp(y)) - x = softplus(y - x): cross-entropy of two classes"""
    return gc.logaddexp(x, y) - x, gc.softplus(y - x)


@rule()
def log_add_exp_minus_the_other(gc: Any, x: Any, y: Any) -> Sides:
    """log(exp(x) + exp(y)) - y = softplus(x - y)"""
    return gc.logaddexp(x, y) - y, gc.softplus(x - y)


@rule()
def softplus_by_hand(gc: Any, x: Any) -> Sides:
    """max(x, 0) + log(1 + exp(-|x|)) = log(1 + exp(x))"""
    return gc.maximum(x, 0) + gc.softplus(-gc.abs(x)), gc.softplus(x)


@rule()
def softplus_by_relu(gc: Any, x: Any) -> Sides:
    """relu(x) + log(1 + exp(-|x|)) = log(1 + exp(x))"""
    return gc.relu(x) + gc.softplus(-gc.abs(x)), gc.softplus(x)


@rule()
def softplus_minus_its_argument(gc: Any, x: Any) -> Sides:
    """log(1 + exp(x)) - x = log(1 + exp(-x))"""
    return gc.softplus(x) - x, gc.softplus(-x)


@rule(varies="y")
def softplus_minus_product(gc: Any, x: Any, y: Any) -> Sides:
    """log(1 + exp(x)) - x y = (1 - y) log(1 + exp(x)) + y log(1 + exp(-x)): cross-entropy of a logit x with a probability y"""
    return gc.softplus(x) - x * y, (1 - y) * gc.softplus(x) + y * gc.softplus(-x)
