"""Simpler witnesses: the inputs that do not matter are left out, and where one is left, the threshold is found by bisection."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.analysis.ranges.witness import Point, Search, Witness
from graphc.ir.nodes import Input, Node
from graphc.ir.walk import inputs_of

__all__ = ["Simpler"]


@dataclass
class Simpler:
    search: Search

    def holds(self, node: Node, kind: str, values: Mapping[Input, Any], like: Point) -> Witness | None:
        """The witness that a point of uniform inputs is, if it is one; integers stay as they were."""
        extents = self.extents_of(like)
        point = {i: np.full_like(a, values[i]) if i in values else a for i, a in like.items()}
        return next((w for n, k, w in self.search.events([node], point, extents) if n is node and k == kind and w.source), None)

    def extents_of(self, point: Point) -> Mapping[str, int]:
        shapes = {s.name: n for i, a in point.items() for s, n in zip(i.dims, a.shape, strict=True) if s.is_Symbol}
        return {**(self.search.extents or {}), **shapes}

    def simplified(self, node: Node, kind: str, witness: Witness) -> tuple[dict[Input, float], Witness] | None:
        """The inputs that matter, each with one number, and the witness that this is; None where it takes arrays of different numbers."""
        floats = [i for i in inputs_of([node]) if i.dtype == "float"]
        choices = [sorted({float(a.min()), float(a.max())}, key=abs, reverse=True) for a in (witness.point[i] for i in floats) if a.size]
        for numbers in itertools.islice(itertools.product(*choices), 8):
            values = dict(zip(floats, numbers, strict=True))
            found = self.holds(node, kind, values, witness.point)
            if found is not None:
                break
        else:
            return None
        needed = dict(values)
        for i in floats:
            calmer = {**values, i: self.search.calm(i)}
            other = self.holds(node, kind, calmer, witness.point)
            if other is not None:
                found, values = other, calmer
                del needed[i]
        return needed, found

    def thresholds(self, node: Node, kind: str, i: Input, witness: Witness) -> tuple[float | None, float | None]:
        """Up to where, and from where on, it happens between a calm number of an input and the ends of its interval."""
        others = {j: float(a.flat[0]) for j, a in witness.point.items() if j.dtype == "float" and a.size}

        def happens(x: float) -> bool:
            return self.holds(node, kind, {**others, i: self.search.dtype.type(x)}, witness.point) is not None
        calm = self.search.calm(i)
        if happens(calm):
            return None, None
        low, high = (self.bisected(happens, calm, end) for end in self.search.box[i])
        return low, high

    def bisected(self, happens: Callable[[float], bool], good: float, end: float) -> float | None:
        """The first number on the way to an end from which on it happens, as far as is tried; None where it does not at the end."""
        bad = end
        if not happens(end):
            return None
        while (middle := float(self.search.dtype.type(good / 2 + bad / 2))) not in (good, bad):
            good, bad = (good, middle) if happens(middle) else (middle, bad)
        return bad if all(happens(bad + (end - bad) * f) for f in (0.01, 0.1, 0.3, 0.7)) else None
