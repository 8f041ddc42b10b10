"""The value of one element: a node's body, walked with the bounds of what it reads, some of them narrowed.

A scale is kept by products, and by sums of one scale; elsewhere, and where something overflows, it is multiplied in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import sympy as sp

from graphc.analysis.ranges import roundoff
from graphc.analysis.ranges.apply import apply
from graphc.analysis.ranges.composed import COMPOSED
from graphc.analysis.ranges.cone import Cone, body_of
from graphc.analysis.ranges.intervals import EMPTY, MP, Interval, interval
from graphc.analysis.ranges.relate import Relations
from graphc.analysis.ranges.roundoff import EXACTLY
from graphc.analysis.ranges.value import ONE, Value, meet, merged
from graphc.ir.nodes import Read, Size
from graphc.scalar.symbols import extent
from graphc.scalar.table import ROWS
from graphc.scalar.term import Term, divides_twice

if TYPE_CHECKING:
    from graphc.analysis.ranges.bounds import Bounds

__all__ = ["Walk"]

_KEEPS_SCALE = frozenset("neg cast stop_gradient abs relu".split())
_VANISHING = frozenset("""mul div powi power exp sigmoid softplus logsigmoid erfc erfcx sech logcosh log1mexp log1p_square over_hypot xlogy
                          logaddexp polygamma""".split())
_NEEDS_ONE_SCALE = frozenset("add sub where maximum minimum".split())


class Walk:
    """The value of a node's body at one element, where `env` narrows some instances and a maximum may be `tie`d to an element."""

    def __init__(self, bounds: Bounds, cone: Cone, env: Mapping[Read, Value] | None = None, tie: tuple[Read, Read] | None = None):
        self.bounds, self.cone, self.env, self.tie = bounds, cone, dict(env or {}), tie
        self.machine = bounds.machine
        self.memo: dict[Read, Value] = {}
        self.narrow: dict[Read, bool] = dict.fromkeys(tie or (), True)
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
        if t.op in COMPOSED:
            return self.relations.improved(t, reads, self.term(COMPOSED[t.op](*t.args), reads))
        if (divisor := divides_twice(t)) is not None:
            return self.term(Term("div", (Term("div", (t.args[0], divisor)), divisor)), reads)
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
        defined = t.op in ROWS and ROWS[t.op].definition is not None
        if not defined and t.op not in _VANISHING or t.kind != "float" or exact.empty or exact.low == exact.high == 0:
            return False
        if t.op == "mul" and any(a.exact.least >= 1 and a.scale == ONE for a in args):
            return False
        if t.op == "div" and args[1].exact.greatest <= 1 and args[1].scale == ONE:
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
                found.append((Walk(self.bounds, self.cone, {**self.env, **env}, self.tie) if env else self).term(branch, reads))
        if len({v.scale for v in found}) != 1:
            found = [self.bounds.flat(v) for v in found]
        if not found:
            return Value(EMPTY, EMPTY)
        value = merged(found)
        if len(found) > 1 and condition.error != EXACTLY:                                        # a rounded condition may choose the other side
            value = replace(value, error=(value.error[0], value.error[1] + float(value.exact.high - value.exact.low)))
        return value
