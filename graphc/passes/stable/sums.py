"""Sums of exponentials.

The last tensors of a rule are the forms that users who know write themselves: shifted by a maximum already.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from graphc.ir.access import symbols_of
from graphc.passes.stable.table import Sides, differentiated_as, positive, row, rule
from graphc.passes.subject import symbols
from graphc.passes.unify import Match

__all__: list[str] = []


def shift(x: Any, axes: tuple[int, ...]) -> Any:
    """max x, held constant; loaded with the language, which stands above."""
    return importlib.import_module("graphc.frontend.reduce").shift(x, axes)


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


def beside_maximum(gc: Any, *x: Any) -> list[Any]:
    """m = max x, held constant, and every x - m: differences first, so that sums of large exponents keep their digits."""
    m = gc.stop_gradient(functools.reduce(gc.maximum, x)).named("m")
    return [m, *(row("excess", v, m) for v in x)]


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


def above_one(m: Match) -> bool:
    """Whether z is a number greater than 1."""
    (z,) = (s.expr for w, s in m.wilds.items() if w.name == "z")
    return bool((z - 1).is_positive)


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


@rule(x="n d", m=("n", 1))
def log_sum_exp(gc: Any, x: Any, m: Any) -> Sides:
    """log Σ exp(x) = m + log Σ exp(x - m), with m = max x held constant: its derivative is 0"""
    return (gc.log(gc.sum(gc.exp(x), "d")), gc.logsumexp(x, "d"),
            gc.log(gc.sum(gc.exp(x - gc.stop_gradient(m)), "d")),
            gc.log(gc.sum(gc.exp(x - gc.max(x, "d", keepdims=True)), "d")))


def no_wider(m: Match) -> bool:
    """Whether y depends on nothing that x does not depend on: brought into the sum, it makes it no larger."""
    x, y = (next(s for w, s in m.wilds.items() if w.name == name) for name in "xy")
    return symbols(y) <= symbols(x)


@rule(x="n d", y="n", when=no_wider)
def sum_exp_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """exp(y) Σ exp(x) = Σ exp(x + y): infinity / infinity where both are large"""
    return gc.sum(gc.exp(x), "d") * gc.exp(y), gc.sum(row("exp_sum", x, y[:, None]), "d")


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


@rule(x="n d", w="n d", varies="w")
def log_weighted_sum_exp(gc: Any, x: Any, w: Any) -> Sides:
    """log Σ w exp(x) = m + log Σ w exp(x - m), with m = max x held constant"""
    m = shift(x, (1,))
    return gc.log(gc.sum(w * gc.exp(x), "d")), m[:, 0] + gc.log(gc.sum(w * gc.exp(x - m), "d")), gc.log(gc.sum(w * gc.exp(x - m), "d"))


@rule(x="n d", w="n d")
def log_sum_of_squares_exp(gc: Any, x: Any, w: Any) -> Sides:
    """log Σ (w exp(x))^2 = 2 m + log Σ (w exp(x - m))^2, with m = max x held constant: a sum of w^2 exp(2 x)"""
    m = shift(x, (1,))
    return gc.log(gc.sum(row("grouped", w * gc.exp(x))**2, "d")), 2 * m[:, 0] + gc.log(gc.sum(row("grouped", w * gc.exp(x - m))**2, "d")), \
        gc.log(gc.sum(row("grouped", w * gc.exp(x - m))**2, "d"))


@rule(x="n d")
def log_one_plus_sum_exp(gc: Any, x: Any) -> Sides:
    """log(1 + Σ exp(x)) = softplus(log Σ exp(x))"""
    return gc.log(1 + gc.sum(gc.exp(x), "d")), gc.softplus(gc.logsumexp(x, "d"))


@rule(x="n d")
def log1p_sum_exp(gc: Any, x: Any) -> Sides:
    """log1p(Σ exp(x)) = softplus(log Σ exp(x))"""
    return gc.log1p(gc.sum(gc.exp(x), "d")), gc.softplus(gc.logsumexp(x, "d"))


@rule(x="n d", when=positive)
def log_one_plus_multiple_of_sum_exp(gc: Any, x: Any, z: Any) -> Sides:
    """log(1 + z Σ exp(x)) = softplus(log Σ exp(x) + log z), for a number z > 0"""
    return gc.log(1 + z * gc.sum(gc.exp(x), "d")), gc.softplus(gc.logsumexp(x, "d") + gc.log(z))


@rule(x="n d", y="n c")
def log_one_plus_product_of_sums(gc: Any, x: Any, y: Any) -> Sides:
    """log(1 + Σ exp(x) Σ exp(y)) = softplus(log Σ exp(x) + log Σ exp(y)): circle loss"""
    return gc.log(1 + gc.sum(gc.exp(x), "d") * gc.sum(gc.exp(y), "c")), gc.softplus(gc.logsumexp(x, "d") + gc.logsumexp(y, "c"))


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
    return gc.sum(gc.exp(x), "d")**q, gc.exp(q * m[:, 0]) * row("grouped", gc.sum(gc.exp(row("excess", x, m)), 1))**q


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


@rule()
def log_one_plus_exp(gc: Any, x: Any) -> Sides:
    """log(1 + exp(x)) = softplus(x)"""
    return gc.log(1 + gc.exp(x)), gc.softplus(x)


@rule()
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


@rule()
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
