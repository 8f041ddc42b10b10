"""Sums of exponentials over a dim.

The last tensors of a rule are the forms that users who know write themselves: shifted by a maximum already.
"""

from __future__ import annotations

from typing import Any

from graphc.passes.stable.table import Sides, row, rule, shift
from graphc.passes.subject import symbols
from graphc.passes.unify import Match
from graphc.scalar.table import op

__all__ = ["no_wider"]


@rule(x="n d", m=("n", 1))
def log_sum_exp(gc: Any, x: Any, m: Any) -> Sides:
    """log Σ exp(x) = m + log Σ exp(x - m), with m = max x held constant: its derivative is 0"""
    return (gc.log(gc.sum(gc.exp(x), "d")), gc.logsumexp(x, "d"),
            gc.log(gc.sum(gc.exp(x - gc.stop_gradient(m)), "d")),
            gc.log(gc.sum(gc.exp(x - gc.max(x, "d", keepdims=True)), "d")))


def no_wider(m: Match) -> bool:
    """Whether y depends on nothing that x does not depend on: brought into the sum, it makes it no larger."""
    return symbols(m.wild("y")) <= symbols(m.wild("x"))


@rule(x="n d", y="n", when=no_wider)
def sum_exp_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """exp(y) Σ exp(x) = Σ exp(x + y): infinity / infinity where both are large"""
    return gc.sum(gc.exp(x), "d") * gc.exp(y), gc.sum(row("exp_sum", x, y[:, None]), "d")


def is_wider(m: Match) -> bool:
    """Whether y depends on more than x, whose exponentials are not scaled yet."""
    return not no_wider(m) and not m.wild("x").expr.has(op("excess"))


@rule(x="n d", y="n", when=is_wider)
def sum_exp_times_wider_exp(gc: Any, x: Any, y: Any) -> Sides:
    """exp(y) Σ exp(x) = exp(y + m) Σ exp(x - m), with m = max x held constant"""
    m = shift(x, (1,))
    return gc.sum(gc.exp(x), "d") * gc.exp(y), row("exp_sum", m[:, 0], y) * row("grouped", gc.sum(gc.exp(row("excess", x, m)), 1))


def are_unscaled(m: Match) -> bool:
    """Whether neither exponential is scaled yet."""
    return not any(m.wild(name).expr.has(op("excess")) for name in "xy")


@rule(x="n d", y="n c", when=are_unscaled)
def product_of_sums_of_exp(gc: Any, x: Any, y: Any) -> Sides:
    """Σ exp(x) Σ exp(y) = exp(m + l) Σ exp(x - m) Σ exp(y - l), with m = max x and l = max y held constant"""
    m, l_ = shift(x, (1,)), shift(y, (1,))
    of_x, of_y = (row("grouped", gc.sum(gc.exp(row("excess", v, top)), 1)) for v, top in ((x, m), (y, l_)))
    return gc.sum(gc.exp(x), "d") * gc.sum(gc.exp(y), "c"), row("exp_sum", m[:, 0], l_[:, 0]) * (of_x * of_y)


@rule(x="n d", y="n", varies="y")
def one_plus_sum_exp_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """exp(y) (1 + Σ exp(x)) = exp(y) + exp(y) Σ exp(x)"""
    return gc.exp(y) * (1 + gc.sum(gc.exp(x), "d")), gc.exp(y) + gc.exp(y) * gc.sum(gc.exp(x), "d")


@rule(x="n d")
def log_softmax(gc: Any, x: Any) -> Sides:
    """log softmax(x) = x - log Σ exp(x)"""
    return gc.log(gc.softmax(x, "d")), gc.log_softmax(x, "d")


@rule(x="n d", q="n d")
def power_of_softmax(gc: Any, x: Any, q: Any) -> Sides:
    """softmax(x)^q = exp(q log softmax(x)): its second derivative is not infinity * 0 where softmax underflows"""
    return gc.softmax(x, "d")**q, gc.exp(q * gc.log_softmax(x, "d"))


@rule(x="n d")
def root_of_softmax(gc: Any, x: Any) -> Sides:
    """sqrt(softmax(x)) = exp(log softmax(x) / 2)"""
    return gc.sqrt(gc.softmax(x, "d")), gc.exp(gc.log_softmax(x, "d") / 2)


@rule(x="n d", m=("n", 1))
def softmax(gc: Any, x: Any, m: Any) -> Sides:
    """exp(x) / Σ exp(x) = exp(x - m) / Σ exp(x - m), with m = max x held constant"""
    shifted, by_user = gc.exp(x - gc.stop_gradient(m)), gc.exp(x - gc.max(x, "d", keepdims=True))
    return (gc.exp(x) / gc.sum(gc.exp(x), "d", keepdims=True), gc.softmax(x, "d"),
            shifted / gc.sum(shifted, "d", keepdims=True), by_user / gc.sum(by_user, "d", keepdims=True))


@rule(x="n d", w="n d")
def softmax_weighted_sum(gc: Any, x: Any, w: Any) -> Sides:
    """Σ w exp(x) / Σ exp(x) = Σ w softmax(x): a mean weighted by exponentials, attention"""
    return gc.sum(w * gc.exp(x), "d") / gc.sum(gc.exp(x), "d"), gc.sum(w * gc.softmax(x, "d"), "d")


@rule(x="n d", w="n d")
def log_sum_of_squares_exp(gc: Any, x: Any, w: Any) -> Sides:
    """log Σ (w exp(x))^2 = 2 m + log Σ (w exp(x - m))^2, with m = max x held constant: a sum of w^2 exp(2 x)"""
    m = shift(x, (1,))
    return gc.log(gc.sum(row("grouped", w * gc.exp(x))**2, "d")), 2 * m[:, 0] + gc.log(gc.sum(row("grouped", w * gc.exp(x - m))**2, "d")), \
        gc.log(gc.sum(row("grouped", w * gc.exp(x - m))**2, "d"))


@rule(x="n d")
def share_of_sum_exp(gc: Any, x: Any) -> Sides:
    """Σ exp(x) / (1 + Σ exp(x)) = σ(log Σ exp(x))"""
    return gc.sum(gc.exp(x), "d") / (1 + gc.sum(gc.exp(x), "d")), gc.sigmoid(gc.logsumexp(x, "d"))


@rule(x="n d", y="n c")
def share_of_two_sums(gc: Any, x: Any, y: Any) -> Sides:
    """Σ exp(x) / (Σ exp(x) + Σ exp(y)) = σ(log Σ exp(x) - log Σ exp(y))"""
    return (gc.sum(gc.exp(x), "d") / (gc.sum(gc.exp(x), "d") + gc.sum(gc.exp(y), "c")),
            gc.sigmoid(gc.logsumexp(x, "d") - gc.logsumexp(y, "c")))


@rule(x="n d")
def one_over_one_plus_sum_exp(gc: Any, x: Any) -> Sides:
    """1 / (1 + Σ exp(x)) = exp(-m) / (exp(-m) + Σ exp(x - m)), with m = max(0, max x) held constant"""
    m = gc.maximum(shift(x, (1,)), 0.0)
    one = gc.exp(-m[:, 0])
    return 1 / (1 + gc.sum(gc.exp(x), "d")), one / row("grouped", one + gc.sum(gc.exp(row("excess", x, m)), 1))


@rule(x="n d")
def one_over_sum_exp(gc: Any, x: Any) -> Sides:
    """1 / Σ exp(x) = exp(-m) / Σ exp(x - m), with m = max x held constant"""
    m = shift(x, (1,))
    total = row("grouped", gc.sum(gc.exp(row("excess", x, m)), 1))
    return 1 / gc.sum(gc.exp(x), "d"), gc.exp(-m[:, 0]) / total, 1 / gc.sum(gc.exp(row("excess", x, m)), "d")


@rule(x="n d", q="n")
def power_of_sum_exp(gc: Any, x: Any, q: Any) -> Sides:
    """(Σ exp(x))^q = exp(q m) (Σ exp(x - m))^q, with m = max x held constant"""
    m = shift(x, (1,))
    return gc.sum(gc.exp(x), "d")**q, row("exp_affine", 0.0, m[:, 0], q) * row("grouped", gc.sum(gc.exp(row("excess", x, m)), 1))**q


@rule(x="n d")
def root_of_sum_exp(gc: Any, x: Any) -> Sides:
    """sqrt(Σ exp(x)) = exp(m / 2) sqrt(Σ exp(x - m)), with m = max x held constant"""
    m = shift(x, (1,))
    return gc.sqrt(gc.sum(gc.exp(x), "d")), gc.exp(m[:, 0] / 2) * gc.sqrt(row("grouped", gc.sum(gc.exp(row("excess", x, m)), 1)))


@rule(x="n d", varies="z")
def log_sum_exp_and_exp(gc: Any, x: Any, z: Any) -> Sides:
    """log(exp(z) + Σ exp(x)) = logaddexp(z, log Σ exp(x))"""
    return gc.log(gc.exp(z) + gc.sum(gc.exp(x), "d")), gc.logaddexp(z, gc.logsumexp(x, "d"))


@rule(x="n d", y="n")
def exp_over_sum_and_exp(gc: Any, x: Any, y: Any) -> Sides:
    """exp(y) / (exp(y) + Σ exp(x)) = σ(y - log Σ exp(x)): one term against the others"""
    return gc.exp(y) / (gc.exp(y) + gc.sum(gc.exp(x), "d")), gc.sigmoid(y - gc.logsumexp(x, "d"))
