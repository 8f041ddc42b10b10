r"""Sums over pairs i, j whose terms fade from j to i, as running values.

    out[i] = sum over j <= i of  v(i) d(j, i) u(j)                s = d(i - 1, i) s + u(i);  out[i] = v(i) s
             d(j, i) = exp(q (m[j] - m[i])),  m[i] = max over j <= i of f(j): it never grows, and d(j, i) = d(j, k) d(k, i)

    exp(f(j) - m[i])             = d(j, i) exp(f(j) - m[j])                          of a log-sum-exp
    exp(f(i) - m[j]), j >= i     = exp(f(i) - m[i]) d(i, j)                          of its derivative: the scan runs back, and fades after each point
    where(f(j) == m[i], 1, 0)    = where(f(j) == m[j], 1, 0) where(m[j] == m[i], 1, 0)

No factor exceeds 1, so nothing overflows that the sum itself does not, and what underflows is nothing beside exp(m[i] - m[i]) = 1.

    r[i] = sum over j <= i of  apart(exp(f(j) - m[i]), f(j) == m[i])

is the sum without the elements that attain the maximum, which are counted. As the maximum grows, those that attained the last one, K[i], come to it:

    s = d(i - 1, i) s + where(m[i - 1] == m[i], 0, d(i - 1, i) K[i]) + apart(exp(f(i) - m[i]), f(i) == m[i])

A running value of 0 stays 0 where m is NaN, as if it were not multiplied: what was selected away meets no NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import sympy as sp

from graphc.ir.access import rewrite, symbols_of
from graphc.ir.build import X0, comprehension, plain, prune
from graphc.ir.nodes import Comprehension, Node, Origin, Read
from graphc.passes.subject import Subject, compose
from graphc.scalar.symbols import INF, over_index, placeholder
from graphc.scalar.table import op, where
from graphc.schedule.between import Between, Part, between
from graphc.schedule.scan import Scan, along_symbol
from graphc.schedule.terms import Mixed, Pair, Term, Terms, floored, reached

__all__ = ["Fading"]

J, ZERO, ONE = over_index(0), sp.Integer(0), sp.Integer(1)


class Fading:
    """The scans of a graph. What several scans of one running maximum need is made once."""

    def __init__(self, find: Callable[[Node], Node | None]) -> None:
        self.find = find
        self.known: dict[tuple[Any, ...], Comprehension] = {}

    def scans(self, pair: Pair) -> Node | None:
        """The node that a pair is the body of, by scans; None where its terms are of no such form."""
        body, reads, node = pair.s.expr, pair.s.reads, pair.node
        if pair.i not in reached(body, reads):
            as_written = not any({pair.i, J} <= symbols_of(r) for r in node.reads)
            return self.scan(pair, [body], node if as_written else self.meaning(pair, body, reads), origin=node.origin)
        if node.reduce != "sum" or node.dtype != "float":
            return None
        pair = self.opened(pair)
        try:
            terms = Terms(pair).all()
        except Mixed:
            return None
        parts = [self.term(pair, t) for t in terms]
        if len(parts) == 1 and parts[0].expr == X0:
            return replace(parts[0].reads[0].operand, origin=node.origin)                                       # type: ignore[type-var]
        whole = compose(sp.Add(*(placeholder(k) for k in range(len(parts)))), parts, share=True)
        return comprehension(node.axes, (), None, whole.expr, whole.reads, node.origin, "float")

    def opened(self, pair: Pair) -> Pair:
        """A pair whose products of what is before one index, or after it, are scans."""
        reads = list(pair.s.reads)
        for k, read in enumerate(reads):
            if {pair.i, J} <= symbols_of(read) and isinstance(part := between(read, *pair.ends, pair.i), Part):
                scan = self.find(part.node)
                if scan is not None:
                    reads[k] = Read(scan, part.index)
        return replace(pair, s=pair.s._replace(reads=tuple(reads)))

    def term(self, pair: Pair, t: Term) -> Subject:
        """v(i) s(i); 0 where nothing of the sum was chosen, whatever v(i)"""
        back = t.peak is not None and t.peak.index[t.peak.scan.along] == J
        reads = list(pair.s.reads)
        other = list(t.other)
        if back:
            other.append(self.read(reads, self.height(t), self.at(pair, t)))
        running = (self.back if back else self.forth)(pair, t)
        total = self.read(reads, running, plain(running).index)
        if not other:
            return Subject(X0, (reads[-1],))
        value = sp.Mul(*other, total)
        return Subject(where(op("eq")(total, ZERO), ZERO, value) if t.selected else value, tuple(reads))

    @staticmethod
    def read(reads: list[Read], node: Node, index: Sequence[Any]) -> sp.Expr:
        reads.append(Read(node, tuple(index)))
        return placeholder(len(reads) - 1)

    @staticmethod
    def at(pair: Pair, t: Term) -> tuple[Any, ...]:
        """Where the running maximum is read in a scan's own terms."""
        assert t.peak is not None
        return tuple(rewrite(e, {J: pair.i}) for e in t.peak.index)

    def back(self, pair: Pair, t: Term) -> Scan:
        """The sum over what is beyond: it fades after each point."""
        assert t.peak is not None
        here, reads = self.at(pair, t), list(pair.s.reads)
        a, b = (self.read(reads, t.peak.scan, x) for x in (here, t.peak.index))
        meaning = self.meaning(pair, sp.Mul(op("exp")(t.power * op("excess")(a, b)), *t.own), reads)
        return self.scan(pair, t.own, meaning, self.step(t), here, after=True)

    def forth(self, pair: Pair, t: Term) -> Scan:
        """The sum over what came before: it fades before a point is added."""
        meaning = self.meaning(pair, sp.Mul(*t.fades, *t.own), pair.s.reads)
        if t.between is not None:
            after = t.between.greater == pair.reverse
            return self.scan(pair, t.own, meaning, partial(self.through, t.between), after=after)
        if t.peak is None:
            return self.scan(pair, t.own, meaning)
        here = self.at(pair, t)
        add = partial(self.scan, pair, meaning=meaning, fade=self.step(t), here=here)
        reads = list(pair.s.reads)
        m = self.read(reads, t.peak.scan, here)
        attains = op("eq")(t.value, floored(m))
        if t.kind == "counts":
            return add([*t.own, where(attains, ONE, ZERO)], reads=reads)
        height = self.read(reads, self.height(t), here)
        if t.kind != "apart":
            return add([*t.own, height], reads=reads)
        counted = self.scan(pair, [*t.own, where(attains, ONE, ZERO)], self.attained(pair, t), self.step(replace(t, kind="counts")), here,
                            reads=reads, steps=("keep", "fade", "add"))
        before, rise = self.read(reads, self.before(t), here), self.read(reads, self.rise(t), here)
        came = where(op("eq")(before, m), ZERO, rise * self.read(reads, counted, plain(counted).index))
        return add([sp.Mul(*t.own, op("apart")(height, attains)) + came], reads=reads)

    def attained(self, pair: Pair, t: Term) -> Comprehension:
        """How many came before that attained the maximum before."""
        reads = list(pair.s.reads)
        last = self.read(reads, self.before(t), self.at(pair, t))
        body = sp.Mul(*t.own, where(op("eq")(t.value, floored(last)), ONE, ZERO))
        return self.meaning(replace(pair, inclusive=False), body, reads)

    # --- what belongs to a running maximum, over its dims
    def before(self, t: Term) -> Comprehension:
        """The maximum of what came before each point."""
        assert t.peak is not None
        m = t.peak.scan
        i = along_symbol(m)
        to: dict[sp.Symbol, sp.Expr] = {i: J}
        body = where(op("gt" if m.reverse else "lt")(J, i), m.body.xreplace(to), -INF)
        meaning = comprehension(m.axes, [m.axes[m.along]], "max", body, [rewrite(r, to) for r in m.reads], m.origin, m.dtype)
        return self.once(("before", m), lambda: replace(m, steps=("keep", "add"), meaning=meaning))

    def rise(self, t: Term) -> Comprehension:
        """exp(q (m[i - 1] - m[i]))"""
        assert t.peak is not None
        m, q = t.peak.scan, t.power
        return self.once(("rise", m, q), lambda: comprehension(m.dims, (), None, op("exp")(q * op("excess")(X0, placeholder(1))),
                                                               [plain(self.before(t)), plain(m)], self.origin(m, "rise"), "float"))

    def height(self, t: Term) -> Comprehension:
        """exp(q (f - m)) at each point"""
        assert t.peak is not None
        m, q = t.peak.scan, t.power
        reads = [*m.reads, plain(m)]
        body = op("exp")(q * op("excess")(m.body, floored(placeholder(len(m.reads)))))
        return self.once(("height", m, q), lambda: comprehension(m.dims, (), None, body, reads, self.origin(m, "height"), "float"))

    def step(self, t: Term) -> Callable[[list[Read], Sequence[Any]], sp.Expr]:
        """What a running value is multiplied by from one point to the next."""
        def fade(reads: list[Read], here: Sequence[Any]) -> sp.Expr:
            assert t.peak is not None
            if t.kind == "counts":
                return where(op("eq")(self.read(reads, self.before(t), here), self.read(reads, t.peak.scan, here)), ONE, ZERO)
            return self.read(reads, self.rise(t), here)
        return fade

    @staticmethod
    def through(b: Between, reads: list[Read], here: Sequence[Any]) -> sp.Expr:
        """The value at a point of a product between two indices."""
        whole = compose(X0, [b.value])
        reads += whole.reads
        return whole.expr.xreplace({placeholder(k): placeholder(len(reads) - len(whole.reads) + k) for k in range(len(whole.reads))})

    def once(self, key: tuple[Any, ...], make: Callable[[], Comprehension]) -> Comprehension:
        if key not in self.known:
            self.known[key] = make()
        return self.known[key]

    @staticmethod
    def origin(like: Node, hint: str) -> Origin:
        return Origin("", like.origin.file, like.origin.line, hint)

    # --- nodes
    @staticmethod
    def meaning(pair: Pair, body: sp.Expr, reads: Sequence[Read]) -> Comprehension:
        """A reduction as it is written."""
        neutral = {"sum": ZERO, "prod": ONE, "max": -INF, "min": INF}[pair.node.reduce or "sum"]
        node = pair.node
        whole = where(op(pair.comparison)(J, pair.i), body, neutral)
        return comprehension(node.axes, node.over, node.reduce, whole, reads, node.origin, node.dtype)

    def scan(self, pair: Pair, factors: Sequence[sp.Expr], meaning: Comprehension, fade: Any = None, here: Sequence[Any] = (), after: bool = False,
             reads: Sequence[Read] | None = None, steps: tuple[str, ...] = (), origin: Origin | None = None) -> Scan:
        """A scan along the axis of a pair, of a product of factors at each point."""
        to = {J: pair.i}
        found = [rewrite(r, to) for r in (pair.s.reads if reads is None else reads)]
        body = sp.Mul(*factors).xreplace(to)
        step = fade(found, here) if fade else ZERO
        order = ("add", "keep") if pair.inclusive else ("keep", "add")
        steps = steps or (((*order, "fade") if after else ("fade", *order)) if fade else order)
        both, kept = prune(sp.Tuple(body, step), found)
        node = pair.node
        return Scan(node.axes, (), None, both.args[0], kept, node.dtype, origin or self.origin(node, ""), along=int(pair.i.name[1:]),
                    accumulate=node.reduce or "sum", steps=steps, reverse=pair.reverse, fade=both.args[1] if fade else None, meaning=meaning)
