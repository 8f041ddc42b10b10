"""Witnesses: data of the box at which a node really overflows, is NaN, underflows or loses its digits, when the interpreter computes it.

A point is an array for each input. Tried are the ends of the intervals and numbers of every magnitude between, alone and mixed, and
numbers that nearly cancel; the loss of digits is measured against the same formula in more digits.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphc.analysis.ranges.cone import body_of, stripped
from graphc.analysis.ranges.intervals import Format
from graphc.analysis.ranges.masks import kept
from graphc.errors import GraphcError
from graphc.ir.bind import Binder
from graphc.ir.interpret import interpret, size_of
from graphc.ir.nodes import Input, Node, Operation, Read
from graphc.ir.walk import inputs_of, operands, topological

__all__ = ["Witness", "Search", "Point", "KINDS", "HALF"]

KINDS = ("overflow", "nan", "underflow", "digits")
HALF = 0.5                                   # a value has lost its digits when more than half of them are wrong
Point = dict[Input, np.ndarray]
_SMALL = 400                                 # elements of a graph that is evaluated in many digits; a larger one in the next format
_LARGE = 2**18                               # elements of a node, where a sum of many terms is tried
_MAGNITUDES = (1e-300, 1e-150, 1e-40, 1e-30, 1e-23, 1e-16, 1e-10, 1e-5, 1e-3, 0.1, 0.5, 1.0, 2.0, 10.0, 50.0, 100.0, 800.0,
               1e4, 1e6, 1e10, 1e20, 1e38, 1e155, 1e200)


@dataclass(frozen=True)
class Witness:
    """A point, how many decimal digits are lost at it, and whether it begins at this node: what the node reads is still good."""

    point: Point
    digits: float = 0.0
    source: bool = True


@dataclass
class Search:
    """The witnesses of every node and kind that a search of the box finds; the same ones every time."""

    roots: Sequence[Node]
    box: Mapping[Input, tuple[float, float]]
    sizes: Mapping[str, tuple[int, int]]
    machine: Format
    found: dict[tuple[Node, str], Witness] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.dtype = np.dtype(self.machine.name)
        self.inputs = inputs_of(self.roots)
        self.order = topological(self.roots)
        self.binder = Binder(self.inputs, list(self.roots))
        self.extents = self.small_extents()

    def run(self) -> None:
        if self.extents is None:
            return
        for point in self.points(self.extents):
            self.examine(point, self.extents)
        large = self.large_extents()
        if large and large != self.extents:
            for point in itertools.islice(self.points(large), 12):
                self.examine(point, large, exact=False)

    # --- extents
    def small_extents(self) -> dict[str, int] | None:
        """Distinct small primes within the sizes that are allowed, such that subscripts stay inside."""
        primes = (2, 3, 5, 7, 11, 13, 17, 19, 23)
        for start in range(len(primes)):
            chosen = {n: min(max(primes[(start + k) % len(primes)], low), high) for k, (n, (low, high)) in enumerate(self.sizes.items())}
            if self.suits(chosen):
                return chosen
        return None

    def large_extents(self) -> dict[str, int] | None:
        for size in (2**k for k in range(18, 3, -1)):
            chosen = {n: min(max(size, low), high) for n, (low, high) in self.sizes.items()}
            if max(self.elements(n, chosen) for n in self.order) <= _LARGE:
                return chosen if self.suits(chosen) else None
        return None

    def suits(self, extents: Mapping[str, int]) -> bool:
        try:
            for requirement in self.binder.requirements:
                requirement.check(extents)
        except GraphcError:
            return False
        return True

    @staticmethod
    def elements(node: Node, extents: Mapping[str, int]) -> int:
        return int(np.prod([float(size_of(s, extents)) for s in (*node.dims, *getattr(node, "over", ()))]))

    # --- points
    def levels(self, i: Input) -> list[float]:
        """Numbers of every magnitude in the interval of an input, its ends and 0."""
        low, high = self.box[i]
        sizes = [float(self.machine.quantum), *(m for m in _MAGNITUDES if self.machine.tiny <= m <= self.machine.largest)]
        every = [low, high, 0.0, *(s * m for m in sizes for s in (1, -1)), low / 2 + high / 2]
        return sorted({float(self.dtype.type(x)) for x in every if low <= self.dtype.type(x) <= high} or {low})

    def calm(self, i: Input) -> float:
        """The number of an interval that does least: 1, or what is nearest."""
        low, high = self.box[i]
        return float(min(max(1.0, low), high))

    def points(self, extents: Mapping[str, int]) -> Iterator[Point]:
        floats = [i for i in self.inputs if i.dtype == "float"]
        levels = {i: self.levels(i) for i in floats}
        for ends in itertools.islice(itertools.product(*(self.box[i] for i in floats)), 32):
            yield self.filled(dict(zip(floats, ends, strict=True)), extents)
        for k in range(12):
            yield self.filled({i: self.rng.choice(levels[i], size=self.shape(i, extents)) for i in floats}, extents)
            yield self.filled({i: self.rng.uniform(self.box[i][0] / 2, self.box[i][1] / 2, size=self.shape(i, extents)) * 2 for i in floats}, extents)
            yield self.filled({i: self.nearby(i, k, extents) for i in floats}, extents)
        for i in floats:
            for x in levels[i]:
                yield self.filled({j: x if j is i else self.calm(j) for j in floats}, extents)
                yield self.filled({j: x if j is i else self.rng.choice(levels[j], size=self.shape(j, extents)) for j in floats}, extents)

    def nearby(self, i: Input, k: int, extents: Mapping[str, int]) -> np.ndarray:
        low, high = self.box[i]
        levels = self.levels(i)
        centre = levels[(k * 5 + 1) % len(levels)]
        return np.clip(centre * (1 + 1e-3 * self.rng.uniform(-1, 1, size=self.shape(i, extents))), low, high)

    @staticmethod
    def shape(i: Input, extents: Mapping[str, int]) -> tuple[int, ...]:
        return tuple(size_of(s, extents) for s in i.dims)

    def filled(self, values: Mapping[Input, Any], extents: Mapping[str, int]) -> Point:
        """Arrays for all inputs: numbers spread over their shapes, integers and truth values drawn."""
        point = {}
        for i in self.inputs:
            shape = self.shape(i, extents)
            if i.dtype == "float":
                point[i] = np.clip(np.broadcast_to(np.asarray(values[i], dtype=self.dtype), shape), *(self.dtype.type(e) for e in self.box[i]))
            else:
                low, high = (int(e) for e in self.box[i])
                below = i.below if i.below is not None else _subscripted(self.order, i)
                if below is not None:
                    low, high = max(low, 0), min(high, size_of(below, extents) - 1)
                drawn = self.rng.integers(low, max(high, low), size=shape, endpoint=True)
                point[i] = drawn.astype(bool) if i.dtype == "bool" else drawn
        return point

    # --- what happens at a point
    def examine(self, point: Point, extents: Mapping[str, int], exact: bool = True) -> None:
        for node, kind, witness in self.events(self.roots, point, extents, exact):
            known = self.found.get((node, kind))
            if known is None or (witness.source, witness.digits) > (known.source, known.digits):
                self.found[node, kind] = witness

    def events(self, roots: Sequence[Node], point: Point, extents: Mapping[str, int], exact: bool = True) -> Iterator[tuple[Node, str, Witness]]:
        try:
            computed = interpret(roots, point, extents, self.dtype)
        except GraphcError:
            return
        bad = {n: _bad(v) for n, v in computed.items()}
        for node in computed:
            below = [bad[o] for o in operands(node)]
            for kind, here in (("overflow", bad[node][0]), ("nan", bad[node][1])):
                if here and not isinstance(node, Input) and not (kind == "overflow" and kept(node)):
                    yield node, kind, Witness(point, source=not any(b[1] or kind == "overflow" and b[0] for b in below))
        if exact and not any(any(b) for n, b in bad.items() if not kept(n)):
            yield from self.losses(roots, point, extents, computed)

    def losses(self, roots: Sequence[Node], point: Point, extents: Mapping[str, int],
               computed: Mapping[Node, np.ndarray]) -> Iterator[tuple[Node, str, Witness]]:
        small = sum(self.elements(n, extents) for n in computed) <= _SMALL * 4
        if not small and self.dtype != np.float32:
            return
        truth = interpret(roots, point, extents, digits=40) if small else interpret(roots, point, extents, np.float64)
        vanished = {n: self.vanished(computed[n], truth[n]) for n in computed}
        error = {n: self.error(computed[n], truth[n]) for n in computed}
        lost = float(self.machine.unit)**HALF
        for node in self.comparable(computed, truth):
            below = operands(node)
            if vanished[node]:
                yield node, "underflow", Witness(point, source=not any(vanished[o] for o in below))
            if error[node] > lost and node.dtype == "float":
                digits = float(np.log10(min(error[node], 1.0) / self.machine.unit))
                yield node, "digits", Witness(point, digits, not any(error[o] > lost or vanished[o] and not isinstance(o, Input) for o in below))

    @staticmethod
    def comparable(computed: Mapping[Node, np.ndarray], truth: Mapping[Node, np.ndarray]) -> Iterator[Node]:
        """The nodes but for those below which a scale, that cancels, was clamped on the machine alone."""
        clamped: set[Node] = set()
        for node, values in computed.items():
            own = isinstance(node, Operation) and stripped(body_of(node)).op == "binade" and bool(np.any(values != truth[node]))
            if own or not clamped.isdisjoint(operands(node)):
                clamped.add(node)
            else:
                yield node

    def vanished(self, computed: np.ndarray, truth: np.ndarray) -> bool:
        """Whether a number that is not 0 is below the least normal number."""
        if computed.dtype.kind != "f":
            return False
        tiny = self.machine.tiny
        return any(x != 0 and abs(x) < tiny for x in truth.flat[:_SMALL])

    def error(self, computed: np.ndarray, truth: np.ndarray) -> float:
        """The greatest relative error, of numbers that do not underflow."""
        if computed.dtype.kind != "f":
            return 0.0 if bool(np.all(computed == truth)) else 1.0
        tiny = self.machine.tiny
        pairs = zip(computed.flat[:_SMALL], truth.flat[:_SMALL], strict=True)
        return max((float(abs((float(c) - t) / t)) if abs(t) >= tiny else float(c != t and abs(c) >= tiny) for c, t in pairs if c != t), default=0.0)


def _bad(v: np.ndarray) -> tuple[bool, bool]:
    """Whether an array holds an infinity, and a NaN."""
    return (bool(np.isinf(v).any()), bool(np.isnan(v).any())) if v.dtype.kind == "f" else (False, False)


def _subscripted(order: Sequence[Node], i: Input) -> Any:
    """The dim that an integer input subscripts."""
    for node in order:
        for read in node.reads:
            for e, size in zip(read.index, read.operand.dims, strict=True):
                if isinstance(e, Read) and e.operand is i:
                    return size
    return None
