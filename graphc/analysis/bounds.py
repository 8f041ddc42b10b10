r"""Bounds of every node of a graph: what mathematics gives, what a machine may give, and how far apart the two can be.

    exact      holds f(x) for all x in the box, in real arithmetic
    computed   holds what the format may give, infinities and NaN included
    error      |computed - exact| <= rel |exact| + abs, see `roundoff`
    vanishes   whether the node's own operations may make a number too small to hold

A value is these times `scale`, a product of extents, so that a mean, (n [0, 1]) / n, is [0, 1] for every n.

Intervals forget that two values come from one: x - max(x) would have either sign. What is remembered (see `relate`): elements are
followed down to atoms, sums of them collected, and a maximum covers what it is taken of. Where an element depends on an
atom twice, its interval is halved where the bound is worst, and the parts are joined (branch and bound).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from graphc.analysis import roundoff
from graphc.analysis.cone import Cone, body_of, covers
from graphc.analysis.intervals import EMPTY, MP, Format, Interval, apply, hull, interval
from graphc.analysis.roundoff import EXACTLY, Error
from graphc.ir.nodes import Comprehension, Input, Node, Operation, Read, Scatter, Size
from graphc.ir.walk import topological
from graphc.scalar.symbols import OverIndex, extent
from graphc.scalar.term import Term, freeze
from graphc.scalar.term import walk as terms

__all__ = ["Value", "Bounds", "merged", "meet"]

ONE = sp.Integer(1)
PARTS = 32              # of a box that is halved where its bound is worst
PATIENCE = 3            # halvings without a gain
NEAR = MP.mpf(2)**-40   # intervals around 0 are halved down to this, by magnitude
_KEEPS_SCALE = frozenset("neg cast stop_gradient abs relu".split())
_VANISHING = frozenset("mul div powi power exp sigmoid softplus logsigmoid erfc xlogy logaddexp polygamma".split())
_NEEDS_ONE_SCALE = frozenset("add sub where maximum minimum".split())


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
    return Value(a.exact & b.exact, a.computed & b.computed, min(a.error, b.error, key=lambda e: roundoff.total(e, a.exact)), a.scale,
                 a.vanishes and b.vanishes)


class Bounds:
    """The bounds of all nodes below the roots, for inputs in a box and extents between two sizes each."""

    def __init__(self, roots: Iterable[Node], box: Mapping[Input, Value], sizes: Mapping[str, tuple[int, int]], machine: Format):
        self.sizes, self.machine = sizes, machine
        self.known_sizes: dict[Size, Interval] = {}
        self.values: dict[Node, Value] = {}
        for node in topological(roots):
            self.values[node] = box[node] if isinstance(node, Input) else self.node(node)

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
            return self.flat(body)
        if node.reduce in ("argmax", "argmin"):
            last = self.size(sp.Mul(*node.over)).high - 1
            return Value(interval(0, last), interval(0, last), EXACTLY if body.error == EXACTLY else (0.0, float(last)))
        return self.product(node, self.flat(body)) if node.reduce == "prod" else self.summed(node, body)

    def summed(self, node: Comprehension, body: Value) -> Value:
        """The sum of n elements is n times their mean; a sum of one sign is no less than its terms, also rounded."""
        scale = sp.Mul(*node.over)
        terms = self.size(scale).high
        if node.dtype != "float":
            return self.flat(replace(body, scale=body.scale * scale))
        spread = MP.fmul(body.computed.greatest, (terms - 1) * MP.mpf(self.machine.unit), rounding="c") if terms > 1 and not body.computed.empty else MP.mpf(0)
        low = MP.mpf(0) if body.computed.low >= 0 and MP.isinf(spread) else body.computed.low - spread
        high = MP.mpf(0) if body.computed.high <= 0 and MP.isinf(spread) else body.computed.high + spread
        low, high = (max(low, MP.mpf(0)) if body.computed.low >= 0 else low), (min(high, MP.mpf(0)) if body.computed.high <= 0 else high)
        nan = body.computed.nan or body.computed.low == -MP.inf and body.computed.high == MP.inf
        value = Value(body.exact, self.machine.rounded(Interval(low, high, bool(nan))),
                      roundoff.of_sum(body.exact, body.error, float(terms), self.machine), body.scale * scale, body.vanishes)
        flat = self.flat(value)
        both = flat.computed.low == -MP.inf and flat.computed.high == MP.inf           # partial sums of either sign overflow: inf - inf
        return replace(flat, computed=replace(flat.computed, nan=True)) if both else self.settled(value)

    def product(self, node: Comprehension, body: Value) -> Value:
        terms = self.size(sp.Mul(*node.over))

        def power(x: Interval) -> Interval:
            if x.empty:
                return x
            top = apply("power", [interval(0 if x.low < 0 else x.low, x.greatest), terms])
            return Interval(-top.high if x.low < 0 else top.low, top.high, x.nan or x.infinite)
        units = float(terms.high) * self.machine.unit
        grown = apply("mul", [power(body.computed), interval(1 - min(units, 1), (1 + MP.mpf(self.machine.unit))**terms.high)], machine=self.machine)
        error = ((1 + body.error[0])**float(terms.high) * (1 + units) - 1 if body.error[0] < 1e-3 and units < 1 and body.error[0] * float(terms.high) < 100 else MP.inf, 0.0)
        if node.dtype != "float":
            return Value(power(body.exact), power(body.exact))
        least = power(Interval(body.exact.least, body.exact.least)).low
        return Value(power(body.exact), grown, (float(error[0]), 0.0 if body.error[1] == 0 else float("inf")), vanishes=bool(least < self.machine.tiny))

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


# --- one element ------------------------------------------------------------------------------------------------------------

class Walk:
    """The value of a node's body at one element, where `env` narrows some instances and a maximum may be `tie`d to an element."""

    def __init__(self, bounds: Bounds, cone: Cone, env: Mapping[Read, Value] | None = None, tie: tuple[Read, Read] | None = None):
        self.bounds, self.cone, self.env, self.tie = bounds, cone, dict(env or {}), tie
        self.machine = bounds.machine
        self.memo: dict[Read, Value] = {}
        self.narrow: dict[Read, bool] = dict.fromkeys(tie or (), True)
        from graphc.analysis.relate import Relations
        self.relations = Relations(self)

    def body(self) -> Value:
        node = self.cone.node
        value = self.term(body_of(node), self.cone.top)
        return value if value.possible or value.computed.nan else replace(value, exact=EMPTY, computed=EMPTY)

    def instance(self, read: Read) -> Value:
        if read not in self.memo:
            stored = replace(self.env.get(read) or self.bounds.values[read.operand], vanishes=False)
            children = self.cone.children.get(read)
            if children is not None and read not in self.env and self.is_narrowed(read):
                found = self.term(body_of(read.operand), children)                               # type: ignore[arg-type]
                stored = meet(stored, replace(found, vanishes=False))
            self.memo[read] = stored
        return self.memo[read]

    def is_narrowed(self, read: Read) -> bool:
        """Whether an instance depends on one that is narrowed here."""
        if read not in self.narrow:
            self.narrow[read] = read in self.env or any(self.is_narrowed(c) for c in self.cone.children.get(read, ()))
        return self.narrow[read]

    def term(self, t: Term, reads: Sequence[Read]) -> Value:
        match t.op:
            case "const":
                return self.constant(t)
            case "read":
                return self.instance(reads[t.value])
            case "index":
                last = max(self.bounds.size(self.extent_of(t.value, reads)).high - 1, MP.mpf(0))
                return Value(interval(0, last), interval(0, last))
            case "extent":
                return Value(interval(1), interval(1), EXACTLY, extent(t.value.name))
            case "where":
                return self.where(t, reads)
        return self.relations.improved(t, reads, self.operation(t, [self.term(a, reads) for a in t.args]))

    def extent_of(self, symbol: sp.Symbol, reads: Sequence[Read]) -> Size:
        """The extent of an index, which is the node's own or that of a map below whose body is being walked."""
        owners = [self.cone.node, *(r.operand for r, c in self.cone.children.items() if c is reads)]
        return owners[-1].ranges[symbol]                                                         # type: ignore[union-attr]

    def constant(self, t: Term) -> Value:
        exact = Interval(MP.mpf(t.value, rounding="f"), MP.mpf(t.value, rounding="c"))
        if t.kind != "float" or self.machine.holds(exact.low):
            return Value(exact, exact)
        return Value(exact, self.machine.rounded(exact), (self.machine.unit, 0.0))

    def operation(self, t: Term, args: list[Value]) -> Value:
        scale = ONE
        if t.op in ("mul", "div"):
            scale = args[0].scale * args[1].scale if t.op == "mul" else args[0].scale / args[1].scale
        elif t.op in _KEEPS_SCALE or t.op in _NEEDS_ONE_SCALE and len({a.scale for a in args}) == 1:
            scale = args[0].scale
        else:
            args = [self.bounds.flat(a) for a in args]
        power = t.value if t.op == "powi" else 1
        exact = apply(t.op, [a.exact for a in args], t.kind, power)
        computed = apply(t.op, [a.computed for a in args], t.kind, power, self.machine)
        error = roundoff.of_operation(t.op, [a.exact for a in args], [a.error for a in args], exact, self.machine, t.kind, power)
        value = Value(exact, computed, error, scale, any(a.vanishes for a in args) or self.vanishing(t, args, exact, scale))
        return value if scale == ONE else self.bounds.settled(value)

    def vanishing(self, t: Term, args: list[Value], exact: Interval, scale: sp.Expr) -> bool:
        """Whether an operation may give a number below the least normal one, of arguments that are above it."""
        if t.op not in _VANISHING or t.kind != "float" or exact.empty or exact.low == exact.high == 0:
            return False
        if t.op == "mul" and any(a.exact.least >= 1 and a.scale == ONE for a in args) or t.op == "div" and args[1].exact.greatest <= 1 and args[1].scale == ONE:
            return False
        least = exact.least if scale == ONE else apply("mul", [exact, self.bounds.size(scale)]).least
        return bool(least < self.machine.tiny)

    # --- selections
    def where(self, t: Term, reads: Sequence[Read]) -> Value:
        condition = self.term(t.args[0], reads)
        found = []
        for branch, holds in ((t.args[1], True), (t.args[2], False)):
            possible = max(condition.exact.high, condition.computed.high) > 0 if holds else min(condition.exact.low, condition.computed.low) <= 0
            env = self.relations.narrowed(t.args[0], reads, holds) if possible else None
            if env is not None:
                found.append((Walk(self.bounds, self.cone, self.env | env, self.tie) if env else self).term(branch, reads))
        if len({v.scale for v in found}) != 1:
            found = [self.bounds.flat(v) for v in found]
        if not found:
            return Value(EMPTY, EMPTY)
        value = merged(found)
        if len(found) > 1 and condition.error != EXACTLY:                                        # a rounded condition may choose the other side
            value = replace(value, error=(value.error[0], value.error[1] + float(value.exact.high - value.exact.low)))
        return value
