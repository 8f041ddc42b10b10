"""Sums of exponentials with weights and masks, of which some are 0: what they leave out may be greater than all that counts.

    weighted            w exp(x)                    m = max x where w is not 0      w exp(x - m), 0 where w is 0
    masked              where(w, exp(x), 0)         m = max x where w holds         exp(x - m) there
    masked_weighted     v where(w, exp(x), 0)       m = max x where w holds         v exp(x - m) there

A cumulative sum is masked by its indices: its m is a running maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from graphc.ir.nodes import Input
from graphc.passes.parts import is_masked
from graphc.passes.stable.sums import no_wider
from graphc.passes.stable.table import Sides, row, rule, shift
from graphc.passes.subject import located, symbols, unfold
from graphc.passes.unify import Match
from graphc.scalar.symbols import Placeholder

__all__: list[str] = []


def scale(x: Any, chosen: Any) -> Any:
    """max x over the elements that are chosen, held constant"""
    return shift(row("where", chosen, x, -float("inf")), (1,))


def masked_exp(gc: Any, x: Any, w: Any) -> Any:
    """exp(x - m) where w holds, else 0"""
    return gc.exp(row("excess", row("where", w, x, -float("inf")), scale(x, w))).named("e")


class Terms(NamedTuple):
    """How the terms of a sum are written, of exp(x) or of another exponential; max x of those that count; the terms of x - m; when that is meant."""

    written: Callable[..., Any]
    scale: Callable[..., Any]
    shifted: Callable[..., Any]
    when: Callable[[Match], bool] | None = None


def of_elements(m: Match) -> bool:
    """Whether w has a number for each exponential, or is given: of a computed w, exp(x) @ w is a product with a matrix, which others may share."""
    w = unfold(m.wild("w"))
    each = symbols(m.wild("x")) <= symbols(w) or isinstance(w.expr, Placeholder) and isinstance(located(w).operand, Input)
    return each and not is_masked(w.expr)


TERMS = {
    "weighted": Terms(lambda gc, e, w, v: w * e, lambda x, w: scale(x, w != 0),
                      lambda gc, x, w, v: row("times_exp", w, row("excess", x, scale(x, w != 0))).named("e"), of_elements),
    "masked": Terms(lambda gc, e, w, v: row("where", w, e, 0.0), scale, lambda gc, x, w, v: masked_exp(gc, x, w)),
    "masked_weighted": Terms(lambda gc, e, w, v: v * row("where", w, e, 0.0), scale, lambda gc, x, w, v: v * masked_exp(gc, x, w)),
}


class Parts(NamedTuple):
    """What a rule is written in: the terms of exp(x) and their sum; those of exp(x - m), their sum held together, and m; and other values."""

    terms: Any
    sum: Any
    shifted: Any
    total: Any
    m: Any
    x: Any
    u: Any
    y: Any
    written: Callable[[Any], Any]


def _rules(kind: str, terms: Terms) -> None:
    """What holds of sums of all three kinds."""

    def add(name: str, identity: str, when: Callable[[Match], bool] | None = terms.when) -> Callable[[Callable[[Any, Parts], Sides]], None]:
        def register(sides: Callable[[Any, Parts], Sides]) -> None:
            def program(gc: Any, x: Any, w: Any, v: Any, u: Any, y: Any) -> Sides:
                def written(e: Any) -> Any:
                    return terms.written(gc, e, w, v)
                plain, e = written(gc.exp(x)), terms.shifted(gc, x, w, v)
                total = row("grouped", gc.sum(e, "d", keepdims=True))
                return sides(gc, Parts(plain, gc.sum(plain, "d"), e, total[:, 0], terms.scale(x, w)[:, 0], x, u, y, written))
            program.__name__, program.__doc__ = name.format(kind), f"{identity}, {kind.replace('_', ' and ')}"
            rule(x="n d", w="n d", v="n d", u="n d", when=when)(program)
        return register

    @add("{}_softmax", "exp(x) / Σ exp(x) = exp(x - m) / Σ exp(x - m)")
    def softmax(gc: Any, p: Parts) -> Sides:
        return p.terms / p.sum[:, None], p.shifted / p.total[:, None]

    @add("mean_with_{}_softmax", "Σ u exp(x) / Σ exp(x) = Σ u exp(x - m) / Σ exp(x - m)")
    def mean(gc: Any, p: Parts) -> Sides:
        return gc.sum(p.u * p.terms, "d") / p.sum, gc.sum(p.u * p.shifted, "d") / p.total

    @add("exp_over_{}_sum_exp", "exp(y) / Σ exp(x) = exp(y - m) / Σ exp(x - m), held together, so that a running maximum stays one")
    def exp_over(gc: Any, p: Parts) -> Sides:
        return gc.exp(p.y) / p.sum, row("grouped", row("exp_sum", p.y, -p.m)) / p.total

    @add("one_over_{}_sum_exp", "1 / Σ exp(x) = exp(-m) / Σ exp(x - m)")
    def one_over(gc: Any, p: Parts) -> Sides:
        return 1 / p.sum, gc.exp(-p.m) / p.total, 1 / gc.sum(p.written(gc.exp(row("excess", p.x, p.m[:, None]))), "d")

    @add("{}_sum_exp_times_exp", "exp(y) Σ exp(x) = Σ exp(x + y)", lambda m: no_wider(m) and (terms.when is None or terms.when(m)))
    def times(gc: Any, p: Parts) -> Sides:
        return p.sum * gc.exp(p.y), gc.sum(p.written(row("exp_sum", p.x, p.y[:, None])), "d")


LARGE = 80.0         # exp(LARGE) = 6e34 fits every format


def log_one_plus(gc: Any, x: Any, w: Any) -> Any:
    """log1p(Σ w exp(x)), or m + log(exp(-m) + Σ w exp(x - m)) where that may overflow"""
    greatest = scale(x, w != 0)
    m = gc.where(greatest > LARGE, greatest, 0.0)
    total = row("grouped", gc.sum(row("times_exp", w, row("excess", x, m)).named("e"), "d"))
    return gc.where(m[:, 0] > 0, m[:, 0] + gc.log(gc.exp(-m[:, 0]) + total), gc.log1p(total))


@rule(x="n d", w="n d", when=of_elements)
def log_one_plus_weighted_sum_exp(gc: Any, x: Any, w: Any) -> Sides:
    """log(1 + Σ w exp(x)) = m + log(exp(-m) + Σ w exp(x - m)), with m = max x where w is not 0, held constant, if that is large"""
    return gc.log(1 + gc.sum(w * gc.exp(x), "d")), log_one_plus(gc, x, w)


@rule(x="n d", w="n d", when=of_elements)
def log1p_weighted_sum_exp(gc: Any, x: Any, w: Any) -> Sides:
    """log1p(Σ w exp(x)) = m + log(exp(-m) + Σ w exp(x - m)), with m = max x where w is not 0, held constant, if that is large"""
    return gc.log1p(gc.sum(w * gc.exp(x), "d")), log_one_plus(gc, x, w)


@rule(x="n d", w="n d", when=of_elements)
def log_weighted_sum_exp(gc: Any, x: Any, w: Any) -> Sides:
    """log Σ w exp(x) = m + log Σ w exp(x - m), with m = max x where w is not 0, held constant"""
    m = scale(x, w != 0)
    total = row("grouped", gc.sum(TERMS["weighted"].shifted(gc, x, w, None), "d"))
    return gc.log(gc.sum(w * gc.exp(x), "d")), m[:, 0] + gc.log(total), gc.log(gc.sum(w * gc.exp(x - m), "d"))


@rule(x="n d", w="n d", varies="w")
def log_other_weighted_sum_exp(gc: Any, x: Any, w: Any) -> Sides:
    """log Σ w exp(x) = m + log Σ w exp(x - m), with m = max x held constant: of a product with a matrix, of a cumulative sum"""
    m = shift(x, (1,))
    total = gc.log(gc.sum(w * gc.exp(row("excess", x, m)), "d"))
    return gc.log(gc.sum(w * gc.exp(x), "d")), m[:, 0] + total, total, gc.log(gc.sum(w * gc.exp(x - m), "d"))


for _kind, _terms in TERMS.items():
    _rules(_kind, _terms)


@rule(x="n d", u="n d", w="n d")
def mean_with_masked_softmax_of_selected(gc: Any, x: Any, u: Any, w: Any) -> Sides:
    """Σ u exp(x) / Σ exp(x) where w holds = Σ u exp(x - m) / Σ exp(x - m) there, with u selected as well"""
    e = masked_exp(gc, x, w)
    mean = gc.sum(row("where", w, u, 0.0) * e, "d") / row("grouped", gc.sum(e, "d"))
    return gc.sum(row("where", w, u * gc.exp(x), 0.0), "d") / gc.sum(row("where", w, gc.exp(x), 0.0), "d"), mean
