"""A difference that has a stable form, written in parts: summed up, or multiplied by a weight, one term at a time."""

from __future__ import annotations

from typing import Any

from graphc.ir.access import rewrite
from graphc.passes.rewrite import fires
from graphc.passes.stable.table import STABLE, Sides, row, rule
from graphc.passes.subject import Subject, combined
from graphc.passes.unify import FIRST, Match
from graphc.scalar.symbols import axis_index

__all__: list[str] = []


def difference_has_form(m: Match) -> bool:
    """Whether x - y has a stable form."""
    x, y = (m.value(name) for name in "xy")
    assert x is not None and y is not None
    outside = {s: axis_index(FIRST + k) for k, s in enumerate(m.ranges)}
    difference = combined(lambda a, b: a - b, [x, y])
    return fires(STABLE, Subject(difference.expr.xreplace(outside), tuple(rewrite(r, outside) for r in difference.reads)))


@rule(x="n d", y="n d", when=difference_has_form)
def difference_of_sums(gc: Any, x: Any, y: Any) -> Sides:
    """Σ x - Σ y = Σ (x - y), where x - y has a stable form: a loss whose parts are added up one by one"""
    return gc.sum(x, "d") - gc.sum(y, "d"), gc.sum(x - y, "d")


@rule(x="n d", y="n d", when=difference_has_form)
def difference_of_means(gc: Any, x: Any, y: Any) -> Sides:
    """Σ x / n - Σ y / n = Σ (x - y) / n, where x - y has a stable form"""
    return gc.mean(x, "d") - gc.mean(y, "d"), gc.mean(x - y, "d")


@rule(varies="w", when=difference_has_form)
def difference_of_multiples(gc: Any, x: Any, y: Any, w: Any) -> Sides:
    """w x - w y = w (x - y), where x - y has a stable form: weights that were multiplied in"""
    return w * x - w * y, w * (x - y)


@rule(varies="w", when=difference_has_form)
def difference_of_weighted(gc: Any, x: Any, y: Any, w: Any) -> Sides:
    """times_log(w, x) - w y = times_log(w, x - y), where x - y has a stable form"""
    return row("times_log", w, x) - w * y, row("times_log", w, x - y)
