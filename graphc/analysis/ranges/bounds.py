r"""Bounds of every node of a graph: what mathematics gives, what a machine may give, and how far apart the two can be (see `value`).

Intervals forget that two values come from one: x - max(x) would have either sign. What is remembered (see `relate`): elements are
followed down to atoms, sums of them collected, and a maximum covers what it is taken of. Where an element depends on a
value twice, the interval of that value is halved where the bound is worst, and the parts are joined (branch and bound).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy as sp

from graphc.analysis.ranges import roundoff
from graphc.analysis.ranges.apply import apply
from graphc.analysis.ranges.cone import Cone, body_of, covers
from graphc.analysis.ranges.element import Walk
from graphc.analysis.ranges.intervals import MP, Format, Interval, hull, interval
from graphc.analysis.ranges.masks import dims_left_out, kept, kept_of_extremum
from graphc.analysis.ranges.roundoff import EXACTLY
from graphc.analysis.ranges.value import ONE, Value, meet, merged
from graphc.ir.bind import known_labels
from graphc.ir.nodes import Comprehension, Input, Node, Operation, Read, Scatter, Size
from graphc.ir.walk import topological
from graphc.scalar.symbols import OverIndex
from graphc.scalar.term import Term, freeze
from graphc.scalar.term import walk as terms

__all__ = ["Bounds"]

PARTS = 32              # of a box that is halved where its bound is worst
PATIENCE = 7            # halvings without a gain
NEAR = MP.mpf(2)**-40   # intervals around 0 are halved down to this, by magnitude


class Bounds:
    """The bounds of all nodes below the roots, for inputs in a box and extents between two sizes each."""

    def __init__(self, roots: Iterable[Node], box: Mapping[Input, Value], sizes: Mapping[str, tuple[int, int]], machine: Format):
        self.sizes, self.machine = sizes, machine
        self.known_sizes: dict[Size, Interval] = {}
        self.values: dict[Node, Value] = {}
        roots = list(roots)
        self.labels = known_labels(roots)
        order = topological(roots)
        split = [n for n in dims_left_out(order) if sizes[n][0] == 1 < sizes[n][1]]
        if split:
            self.values = self.joined(order, split[0], box)
            return
        for node in order:
            self.values[node] = self.given(node, box[node]) if isinstance(node, Input) else self.node(node)

    def joined(self, order: Sequence[Node], dim: str, box: Mapping[Input, Value]) -> dict[Node, Value]:
        """A dim of which one element is left out is looked at with one element, and with more."""
        sides = [Bounds(order, box, {**self.sizes, dim: size}, self.machine) for size in ((1, 1), (2, self.sizes[dim][1]))]
        alike = {n: len({s.values[n].scale for s in sides}) == 1 for n in order}
        return {n: merged([s.values[n] if alike[n] else s.flat(s.values[n]) for s in sides]) for n in order}

    def given(self, i: Input, v: Value) -> Value:
        """An input's interval; labels are below their bound, or one of the values that they may have besides."""
        if i.below is None:
            return v
        most = max(self.size(i.below).high - 1, *map(MP.mpf, (*i.ignore, *self.labels.get(i, ()), 0)))
        return replace(v, exact=v.exact & Interval(-MP.inf, most, True), computed=v.computed & Interval(-MP.inf, most, True))

    # --- extents
    def size(self, size: Size) -> Interval:
        """The sizes that an extent, or a product and quotient of extents, may have."""
        if size not in self.known_sizes:
            self.known_sizes[size] = self._size(freeze(size, ()))
        return self.known_sizes[size]

    def _size(self, t: Term) -> Interval:
        if t.op == "extent":
            return interval(*self.sizes[t.value.name])
        return interval(t.value) if t.is_const else apply(t.op, [self._size(a) for a in t.args], "float", t.value or 1)

    def flat(self, v: Value) -> Value:
        """A value without its scale."""
        if v.scale == ONE:
            return v
        size = self.size(v.scale)
        times = float(size.high)
        return Value(apply("mul", [v.exact, size]), apply("mul", [v.computed, size], machine=self.machine), (v.error[0], v.error[1] * times),
                     vanishes=v.vanishes)

    def settled(self, v: Value) -> Value:
        """Scales are kept while nothing overflows."""
        flat = self.flat(v)
        return flat if flat.computed.infinite or flat.computed.nan else v

    # --- nodes
    def node(self, node: Operation) -> Value:
        cone = Cone(node)
        body = Walk(self, cone).body()
        body = self.halved(cone, body)
        if not node.over:
            return body
        result = self.flat(self.scattered(node, body)) if isinstance(node, Scatter) else self.reduced(node, body)
        attained = self.attained(cone)
        if attained is not None and isinstance(node, Comprehension) and body.exact.low >= 0 and body.computed.low >= 0:
            flat = self.flat(result)
            result = replace(flat, exact=flat.exact & Interval(attained.exact.low, MP.inf, True),
                             computed=flat.computed & Interval(attained.computed.low, MP.inf, True))
        return result

    def attained(self, cone: Cone) -> Value | None:
        """The body at the element where a maximum is attained that the body subtracts: some element of a sum over x - max x is 0."""
        reads = list(cone.instances())
        if not isinstance(cone.node, Comprehension) or cone.node.reduce not in ("sum", "max"):
            return None
        for p, q in ((p, q) for q in reads for p in reads if isinstance(q.operand, Comprehension) and q.operand.over):
            for way in ("max", "min"):
                ties = covers(q, p, way)
                if ties and len(set(ties)) == len(ties) and all(isinstance(s, OverIndex) for s in ties):
                    return self.flat(Walk(self, cone, tie=(p, q)).body())
        return None

    def reduced(self, node: Comprehension, body: Value) -> Value:
        if node.reduce in ("max", "min"):
            others = self.others(node)
            return self.flat(body if others is None else meet(body, others))
        if node.reduce in ("argmax", "argmin"):
            last = self.size(sp.Mul(*node.over)).high - 1
            return Value(interval(0, last), interval(0, last), EXACTLY if body.error == EXACTLY else (0.0, float(last)))
        return self.product(node, self.flat(body)) if node.reduce == "prod" else self.summed(node, body)

    def others(self, node: Comprehension) -> Value | None:
        """The elements that a maximum is one of, where one of two or more is left out as -inf."""
        found = kept_of_extremum(node)
        if found is None or self.size(found[2]).low < 2:
            return None
        cone = Cone(found[1])
        return Walk(self, cone).term(found[0], cone.top)

    def but_for_masks(self, node: Node) -> Value:
        """The value of a node without the infinity that it writes itself."""
        selection = kept(node)
        if selection is None:
            return self.flat(self.values[node])
        cone = Cone(node)                                                                        # type: ignore[arg-type]
        return self.flat(Walk(self, cone).term(selection[0], cone.top))

    def summed(self, node: Comprehension, body: Value) -> Value:
        """The sum of n elements is n times their mean; a sum of one sign is no less than its terms, also rounded."""
        scale = sp.Mul(*node.over)
        terms = self.size(scale).high
        if node.dtype != "float":
            return self.flat(replace(body, scale=body.scale * scale))
        value = Value(body.exact, self.machine.rounded(_spread(body.computed, terms, MP.mpf(self.machine.unit))),
                      roundoff.of_sum(body.exact, body.error, float(terms), self.machine), body.scale * scale, body.vanishes)
        flat = self.flat(value)
        both = flat.computed.low == -MP.inf and flat.computed.high == MP.inf           # partial sums of either sign overflow: inf - inf
        return replace(flat, computed=replace(flat.computed, nan=True)) if both else self.settled(value)

    def product(self, node: Comprehension, body: Value) -> Value:
        terms = self.size(sp.Mul(*node.over))
        exact = _to_power(body.exact, terms)
        if node.dtype != "float":
            return Value(exact, exact)
        units, many = float(terms.high) * self.machine.unit, float(terms.high)
        rounding = interval(1 - min(units, 1), (1 + MP.mpf(self.machine.unit))**terms.high)
        grown = apply("mul", [_to_power(body.computed, terms), rounding], machine=self.machine)
        relative = (1 + body.error[0])**many * (1 + 2 * units) - 1 if body.error[0] * many < 0.1 and units < 0.1 else math.inf
        least = _to_power(Interval(body.exact.least, body.exact.least), terms).low
        return Value(exact, grown, (relative, 0.0 if body.error[1] == 0 else math.inf), vanishes=bool(least < self.machine.tiny))

    def scattered(self, node: Scatter, body: Value) -> Value:
        """An element receives the points that `at` maps to it: none, or all of those whose indices it does not fix."""
        fixed = {e for e in node.at if not isinstance(e, Read) and e in node.ranges}
        over = tuple(size for s, size in node.ranges.items() if s not in fixed)
        zero = interval(0)
        body = replace(body, exact=hull([body.exact, zero]), computed=hull([body.computed, zero]))
        some = Comprehension(node.dims, over or (ONE,), "sum", node.body, node.reads, node.dtype, node.origin)
        return self.summed(some, body)

    # --- branch and bound
    def halved(self, cone: Cone, whole: Value) -> Value:
        """The value, with what it reads twice cut in parts; what stands deepest first."""
        if sum(t.op == "read" for t in terms(body_of(cone.node))) < 2:
            return whole
        walk = Walk(self, cone)
        atoms = [r for r in reversed(list(cone.instances())) if cone.times[r] > 1 and r.operand.dtype == "float"][:2]
        start = {r: walk.instance(r) for r in atoms}
        if not atoms or whole.scale != ONE or all(_cut(v) is None for v in start.values()):
            return whole
        parts = [(start, whole)]
        for k in range(min(PARTS, 160 // (1 + len(cone.children)))):
            worst = _worst(parts, k)
            box, _ = parts.pop(worst)
            halves = [{**box, r: h} for r in [max(atoms, key=lambda r: _width(box[r]))] for h in _halves(box[r])]
            if len(halves) < 2:
                parts.append((box, _))
                continue
            parts += [(b, self.flat(Walk(self, cone, b).body())) for b in halves]
            if k == PATIENCE and merged([v for _, v in parts]) == whole:
                break
        return meet(whole, merged([v for _, v in parts]))


def _spread(x: Interval, terms: Any, unit: Any) -> Interval:
    """The mean of so many rounded sums of an interval. Terms of one sign err relatively, and their sum is not nearer to 0 than one of them."""
    if x.empty:
        return x
    by = (terms - 1) * unit
    spread = MP.fmul(x.greatest, by, rounding="c") if by else MP.mpf(0)
    less = max(1 - by, 1 / terms)
    low = MP.fmul(x.low, less, rounding="f") if x.low >= 0 else x.low - spread
    high = MP.fmul(x.high, less, rounding="c") if x.high <= 0 else x.high + spread
    return Interval(low, high, x.nan or x.low == -MP.inf and x.high == MP.inf)


def _to_power(x: Interval, times: Interval) -> Interval:
    """The products of so many factors of an interval."""
    if x.empty:
        return x
    top = apply("power", [interval(0 if x.low < 0 else x.low, x.greatest), times])
    return Interval(-top.high if x.low < 0 else top.low, top.high, x.nan or x.infinite)


def _cut(v: Value) -> Any:
    """Where an interval is halved: at 0, else in the geometric middle, so that small numbers get their part."""
    low, high = v.computed.low, v.computed.high
    if v.exact.empty or v.computed.empty or high - low <= abs(high + low) * MP.mpf(2)**-20:
        return None
    if low < 0 < high:
        return MP.mpf(0)
    near, far = sorted((abs(low), abs(high)))
    far = min(far, MP.mpf(2)**1100)
    if far <= NEAR:
        return None
    middle = (near + far) / 2 if near * 4 > far else MP.sqrt(max(near, NEAR) * far) if far > 4 else far / 2
    return MP.mpf(middle if high > 0 else -middle, prec=20)


def _width(v: Value) -> Any:
    if _cut(v) is None:
        return MP.mpf(-1)
    low, high = v.computed.low, v.computed.high
    return MP.mpf(10)**6 if low < 0 < high else MP.log(max(abs(low), abs(high)) / max(min(abs(low), abs(high)), NEAR))


def _halves(v: Value) -> list[Value]:
    at = _cut(v)
    if at is None:
        return []
    sides = Interval(-MP.inf, at, True), Interval(at, MP.inf, True)
    return [replace(v, exact=v.exact & s, computed=v.computed & s) for s in sides]


def _worst(parts: Sequence[tuple[Any, Value]], k: int) -> int:
    """The part with the highest bound, or the lowest, or one that may be no number, in turn."""
    keys = (lambda v: v.computed.high, lambda v: -v.computed.low, lambda v: int(v.computed.nan), lambda v: v.exact.high, lambda v: -v.exact.low)
    return max(range(len(parts)), key=lambda i: (keys[k % 5](parts[i][1]), -i))
