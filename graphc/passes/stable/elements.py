"""One element against the others: cross-entropy, the softmax of a label."""

from __future__ import annotations

from typing import Any

from graphc.ir.access import symbols_of
from graphc.passes.stable.table import Sides, row, rule, shift
from graphc.passes.subject import symbols
from graphc.passes.unify import Match

__all__: list[str] = []


def one_element(m: Match) -> bool:
    """Whether the element that is read is one for each sum: not log-softmax, which reads them all."""
    (j, *more), equal = m.over["d"], m.equal
    if more or j not in equal:
        return False
    inside = next(s for w, s in m.wilds.items() if w.under)
    return symbols_of(equal[j]) <= symbols(inside) - {j}


def others(gc: Any, x: Any, at: Any) -> Any:
    """u = log Σ_{j ≠ at} exp(x_j) - x_at"""
    s, j = gc.indices("s j")
    left = gc.array(gc.where(j != at[s], x[s, j], -float("inf")), (s, j)).named("others")
    m = shift(left, (1,))
    z = gc.sum(gc.exp(row("excess", left, m)).named("e"), 1).named("z")
    return (row("grouped", m[:, 0] - gc.array(x[s, at[s]], (s,))) + row("log_total", 0.0, z, 0.0)).named("u")


@rule(x="n d", at="at d", when=one_element)
def log_sum_exp_minus_element(gc: Any, x: Any, at: Any) -> Sides:
    """log Σ_j exp(x_j) - x_t = softplus(log Σ_{j ≠ t} exp(x_j) - x_t): cross-entropy. The term of t is exp(0) = 1 and stays apart"""
    s, = gc.indices("s")
    return gc.logsumexp(x, "d") - gc.array(x[s, at[s]], (s,)), gc.softplus(others(gc, x, at))


@rule(x="n d", at="at d", when=one_element)
def log_sum_exp_of_differences(gc: Any, x: Any, at: Any) -> Sides:
    """log Σ_j exp(x_j - x_t) = softplus(log Σ_{j ≠ t} exp(x_j) - x_t): cross-entropy by margins"""
    s, j = gc.indices("s j")
    return gc.log(gc.sum(gc.exp(gc.array(x[s, j] - x[s, at[s]], (s, j))), "d")), gc.softplus(others(gc, x, at))


@rule(x="n d", at="at d", when=one_element)
def log_softmax_of_element(gc: Any, x: Any, at: Any) -> Sides:
    """log softmax(x)_t = -softplus(log Σ_{j ≠ t} exp(x_j) - x_t)"""
    s, = gc.indices("s")
    return gc.array(gc.log_softmax(x, "d")[s, at[s]], (s,)), -gc.softplus(others(gc, x, at))


@rule(x="n d", at="at d", when=one_element)
def one_minus_softmax_of_element(gc: Any, x: Any, at: Any) -> Sides:
    """1 - softmax(x)_t = σ(log Σ_{j ≠ t} exp(x_j) - x_t)"""
    s, = gc.indices("s")
    return 1 - gc.array(gc.softmax(x, "d")[s, at[s]], (s,)), gc.sigmoid(others(gc, x, at))


@rule(x="n d", at="at d", q="n", when=one_element)
def power_of_softmax_of_element(gc: Any, x: Any, at: Any, q: Any) -> Sides:
    """softmax(x)_t^q = exp(-q softplus(log Σ_{j ≠ t} exp(x_j) - x_t)): its derivative is not 0 * infinity where softmax underflows"""
    s, = gc.indices("s")
    return gc.array(gc.softmax(x, "d")[s, at[s]], (s,))**q, gc.exp(row("times_log", q, -gc.softplus(others(gc, x, at))))


@rule(x="n d", at="at d", when=one_element)
def root_of_softmax_of_element(gc: Any, x: Any, at: Any) -> Sides:
    """sqrt(softmax(x)_t) = exp(-softplus(log Σ_{j ≠ t} exp(x_j) - x_t) / 2)"""
    s, = gc.indices("s")
    return gc.sqrt(gc.array(gc.softmax(x, "d")[s, at[s]], (s,))), gc.exp(-gc.softplus(others(gc, x, at)) / 2)


def of_the_others(gc: Any, x: Any, greatest: Any, other: Any) -> Any:
    """A function of 1 - softmax(x)_i: of log Σ_{j ≠ i} exp(x_j) - x_i for the greatest element, of softmax, at most 1/2, for others and equal ones"""
    m = gc.max(x, "d", keepdims=True)
    attained = x == gc.stop_gradient(m)
    alone = attained & (gc.sum(gc.where(attained, 1.0, 0.0), "d", keepdims=True) == 1)
    u = (gc.logsumexp(gc.where(attained, -float("inf"), x), "d", keepdims=True) - m).named("u")
    return gc.where(alone, greatest(u), other(row("grouped", gc.softmax(x, "d"))))


@rule(x="n d")
def one_minus_softmax(gc: Any, x: Any) -> Sides:
    """1 - softmax(x)_i = σ(log Σ_{j ≠ i} exp(x_j) - x_i), of every element"""
    return 1 - gc.softmax(x, "d"), of_the_others(gc, x, gc.sigmoid, lambda p: 1 - p)


@rule(x="n d")
def log1p_of_minus_softmax(gc: Any, x: Any) -> Sides:
    """log1p(-softmax(x)_i) = log σ(log Σ_{j ≠ i} exp(x_j) - x_i), of every element"""
    return gc.log1p(-gc.softmax(x, "d")), of_the_others(gc, x, gc.logsigmoid, lambda p: gc.log1p(-p))


@rule(x="n d")
def one_minus_squares_of_softmax(gc: Any, x: Any) -> Sides:
    """1 - Σ softmax(x)^2 = Σ softmax(x) (1 - softmax(x)): Gini's impurity"""
    p = gc.softmax(x, "d")
    return 1 - gc.sum(p**2, "d"), gc.sum(row("grouped", p) * (1 - p), "d")
