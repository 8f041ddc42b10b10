"""A value between bounds, on a machine and without one.

    exact      holds f(x) for all x in the box, in real arithmetic
    computed   holds what the format may give, infinities and NaN included
    error      |computed - exact| <= rel |exact| + abs, see `roundoff`
    vanishes   whether the node's own operations may make a number too small to hold

A value is these times `scale`, a product of extents, so that a mean, (n [0, 1]) / n, is [0, 1] for every n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy as sp

from graphc.analysis.ranges.intervals import Interval, hull
from graphc.analysis.ranges.roundoff import EXACTLY, Error, total

__all__ = ["Value", "ONE", "merged", "meet"]

ONE = sp.Integer(1)


@dataclass(frozen=True)
class Value:
    exact: Interval
    computed: Interval
    error: Error = EXACTLY
    scale: sp.Expr = ONE
    vanishes: bool = False

    @property
    def possible(self) -> bool:
        return not (self.exact.empty and self.computed.empty and not self.computed.nan)


def merged(values: Sequence[Value]) -> Value:
    """The hull of values of one scale."""
    return Value(hull([v.exact for v in values]), hull([v.computed for v in values]),
                 (max(v.error[0] for v in values), max(v.error[1] for v in values)), values[0].scale,
                 any(v.vanishes for v in values))


def meet(a: Value, b: Value) -> Value:
    """What both bounds of one value allow."""
    if a.scale != b.scale:
        return a
    return Value(a.exact & b.exact, a.computed & b.computed, min(a.error, b.error, key=lambda e: total(e, a.exact)), a.scale,
                 a.vanishes and b.vanishes)
