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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import sympy as sp

from graphc.ir.access import rewrite, symbols_of
from graphc.ir.build import X0, comprehension, plain, prune
from graphc.ir.nodes import Comprehension, Node, Origin, Read
from graphc.passes.subject import Subject, compose, place_of
from graphc.scalar.derivative import is_where
from graphc.scalar.symbols import INF, AxisIndex, Placeholder, axis_index, over_index, placeholder
from graphc.scalar.table import op, where
from graphc.schedule.between import Between, Part, between
from graphc.schedule.scan import Scan

__all__ = ["Fading", "Pair", "Peak", "peak_of", "reached"]

J, ZERO, ONE = over_index(0), sp.Integer(0), sp.Integer(1)
MAX_TERMS = 12


def floored(m: sp.Expr) -> sp.Expr:
    """m, and 0 where all of what it is the maximum of is -inf (see graphc.frontend.reduce.shift)."""
    return where(op("gt")(m, -INF), m, ZERO)


def reached(e: sp.Expr, reads: Sequence[Read]) -> set[sp.Symbol]:
    """The indices that an expression depends on, by itself or by what it reads."""
    own = {s for s in e.free_symbols if not isinstance(s, Placeholder)}
    return own.union(*(symbols_of(reads[int(s.name[1:])]) for s in e.free_symbols if isinstance(s, Placeholder)))


@dataclass(frozen=True)
class Peak:
    """A running maximum, read at one point."""

    scan: Scan
    index: tuple[Any, ...]
    floored: bool


def peak_of(s: Subject, e: sp.Expr) -> Peak | None:
    """What an expression reads, if that is a running maximum."""
    if not isinstance(e, Placeholder):
        return None
    read = s.reads[int(e.name[1:])]
    node, low = read.operand, False
    if isinstance(node, Comprehension) and node.is_map and node.body == floored(X0):
        place = place_of(node, read.index)
        if place is None:
            return None
        read, low = rewrite(node.reads[0], place), True
        node = read.operand
    is_maximum = isinstance(node, Scan) and node.accumulate == "max" and node.steps == ("add", "keep")
    return Peak(node, read.index, low) if is_maximum else None                                                    # type: ignore[arg-type]


@dataclass(frozen=True)
class Pair:
    """The body of a triangular sum on the side of the diagonal where it is not neutral."""

    node: Comprehension
    i: AxisIndex
    s: Subject
    reverse: bool
    inclusive: bool

    @property
    def comparison(self) -> str:
        """Of j with i."""
        return ("g" if self.reverse else "l") + ("e" if self.inclusive else "t")

    @property
    def ends(self) -> tuple[sp.Symbol, sp.Symbol]:
        """The lesser index and the greater one."""
        return (self.i, J) if self.reverse else (J, self.i)

    def side(self, e: sp.Expr) -> set[sp.Symbol]:
        return reached(e, self.s.reads) & {self.i, J}


@dataclass
class Term:
    """u(j) v(i), and what fades: exp(power (f - m)), or 1 where f == m (`counts`), or the first without the second (`apart`)."""

    own: list[sp.Expr] = field(default_factory=list)            # u
    other: list[sp.Expr] = field(default_factory=list)          # v
    power: sp.Expr = ZERO
    kind: str = ""
    peak: Peak | None = None
    value: sp.Expr = ZERO                                       # f
    fades: list[sp.Expr] = field(default_factory=list)          # as they are written
    between: Between | None = None


class _Mixed(Exception):
    """A term that is no product of factors of these kinds."""


class _Terms:
    """The terms of a pair."""

    def __init__(self, pair: Pair):
        self.pair = pair

    def all(self) -> list[Term]:
        products = list(self.products(self.pair.s.expr))
        if len(products) > MAX_TERMS:
            raise _Mixed
        terms = []
        for factors in products:
            term = Term()
            for e, power in factors:
                self.factor(e, power, term)
            terms.append(term)
        return terms

    def products(self, e: sp.Expr) -> Iterator[list[tuple[sp.Expr, sp.Expr]]]:
        """The terms of a sum, with sums among their factors multiplied out."""
        if len(self.pair.side(e)) < 2 or not isinstance(e, sp.Add | sp.Mul):
            yield [(e, ONE)]
        elif isinstance(e, sp.Add):
            for a in e.args:
                yield from self.products(a)
        else:
            mixed = [a for a in e.args if isinstance(a, sp.Add) and len(self.pair.side(a)) == 2]
            if not mixed:
                yield [(a, ONE) for a in e.args]
                return
            rest = [a for a in e.args if a is not mixed[0]]
            for a in mixed[0].args:
                yield from self.products(sp.Mul(*rest, a))

    def factor(self, e: sp.Expr, power: sp.Expr, term: Term) -> None:
        """One factor of a term."""
        side = self.pair.side(e)
        if len(side) < 2:
            (term.own if J in side else term.other).append(e**power)
        elif isinstance(e, sp.Mul):
            for a in e.args:
                self.factor(a, power, term)
        elif isinstance(e, sp.Pow) and e.exp.is_Integer:
            self.factor(e.base, power * e.exp, term)
        elif isinstance(e, op("grouped")):
            self.factor(e.args[0], power, term)
        elif isinstance(e, op("exp")):
            number, rest = e.args[0].as_coeff_Mul()
            self.fall(rest, number * power, "", term, e**power)
        elif isinstance(e, op("apart")) and power == 1 and isinstance(e.args[0], op("exp")):
            f = self.fall(e.args[0].args[0], ONE, "apart", term, e)
            if e.args[1] not in (op("eq")(*f), op("eq")(*f[::-1])):
                raise _Mixed
        elif is_where(e) and e.args[2] == 0 and power == 1:
            self.selection(e, term)
        elif power == 1 and not term.fades and (found := self.between(e)) is not None:
            term.between, term.fades = found, [e]
        else:
            raise _Mixed

    def between(self, e: sp.Expr) -> Between | None:
        """A product over what lies between the indices, or the power of a number to their distance."""
        low, high = self.pair.ends
        if isinstance(e, Placeholder):
            found = between(self.pair.s.reads[int(e.name[1:])], low, high, self.pair.i)
            return found if isinstance(found, Between) else None
        if isinstance(e, op("power")) and not self.pair.side(e.args[0]) and sp.expand(e.args[1] - (high - low)) == 0:
            return Between(self.pair.s._replace(expr=e.args[0]), True)
        return None

    def selection(self, e: sp.Expr, term: Term) -> None:
        condition, taken, _ = e.args
        side = self.pair.side(condition)
        if len(side) == 2 and isinstance(condition, op("eq")) and taken == 1:
            a, b = condition.args if peak_of(self.pair.s, condition.args[1]) else condition.args[::-1]
            self.fall(op("excess")(a, b), ZERO, "counts", term, e)
            return
        if len(side) == 2 or term.own and J in side or term.other and J not in side:
            raise _Mixed                                                    # a factor before it would have to be selected, too
        inner = Term()
        for factors in self.products(taken):
            if inner.own or inner.other or inner.fades:
                raise _Mixed
            for a, power in factors:
                self.factor(a, power, inner)
        chosen = inner.own if J in side else inner.other
        chosen[:] = [where(condition, sp.Mul(*chosen), ZERO)]
        term.own += inner.own
        term.other += inner.other
        if inner.fades:
            self.fall_again(inner, term)

    def fall_again(self, inner: Term, term: Term) -> None:
        if term.fades:
            raise _Mixed
        term.power, term.kind, term.peak, term.value, term.fades = inner.power, inner.kind, inner.peak, inner.value, inner.fades
        term.between = inner.between

    def fall(self, e: sp.Expr, power: sp.Expr, kind: str, term: Term, whole: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
        """A factor exp(power (f - m)), or one of its kin."""
        if not isinstance(e, op("excess")) or not (power.is_number and power >= 0) or kind != "counts" and power == 0:
            raise _Mixed
        f, m = e.args
        peak = peak_of(self.pair.s, m)
        if peak is None or not self.is_of(f, peak) or term.fades and (term.kind or kind or (term.peak, term.value) != (peak, f)):
            raise _Mixed
        term.power, term.kind, term.peak, term.value = term.power + power, kind, peak, f
        term.fades.append(whole)
        return f, m

    def is_of(self, f: sp.Expr, peak: Peak) -> bool:
        """Whether f is what a running maximum is of, at the other index, and this runs the way of the pair."""
        along = peak.index[peak.scan.along]
        others = [e for k, e in enumerate(peak.index) if k != peak.scan.along]
        i, s = self.pair.i, self.pair.s
        if along not in (i, J) or any(symbols_of(e) & {i, J} for e in others) or (along == J) == (peak.scan.reverse == self.pair.reverse):
            return False
        other = i if along == J else J
        place = place_of(peak.scan, [other if k == peak.scan.along else e for k, e in enumerate(peak.index)])
        both = compose(sp.Tuple(X0, placeholder(1)), [s._replace(expr=f), Subject(peak.scan.body, peak.scan.reads, place or {})], share=True)
        return place is not None and bool(both.expr.args[0] == both.expr.args[1])


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
            terms = _Terms(pair).all()
        except _Mixed:
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
        """v(i) s(i)"""
        back = t.peak is not None and t.peak.index[t.peak.scan.along] == J
        reads = list(pair.s.reads)
        other = list(t.other)
        if back:
            other.append(self.read(reads, self.height(t), self.at(pair, t)))
        running = (self.back if back else self.forth)(pair, t)
        other.append(self.read(reads, running, plain(running).index))
        return Subject(sp.Mul(*other), tuple(reads)) if len(other) > 1 else Subject(X0, (reads[-1],))

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
        index = t.peak.index
        here = tuple(rewrite(e, {J: pair.i}) for e in index)
        reads = list(pair.s.reads)
        a, b = (self.read(reads, t.peak.scan, x) for x in (here, index))
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
        meaning = m.meaning
        assert meaning is not None
        strict = meaning.body.xreplace({c: op({"le": "lt", "ge": "gt"}[type(c).__name__])(*c.args) for c in meaning.body.atoms(op("le"), op("ge"))})
        return self.once(("before", m), lambda: replace(m, steps=("keep", "add"), meaning=replace(meaning, body=strict)))

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
