r"""The terms of a triangular sum, as products of what depends on one index and of a factor that fades (see graphc.schedule.fading).

    term ::= u(j) v(i)                 and at most one of
          |  exp(q (f - m))            f at one index, m, the running maximum of f, at the other
          |  where(f == m, 1, 0)       how many attain it
          |  apart(exp(f - m), f == m) the first without those
          |  a product over what lies between the indices (graphc.schedule.between)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from graphc.ir.access import rewrite, symbols_of
from graphc.ir.build import X0
from graphc.ir.nodes import Comprehension, Read
from graphc.passes.subject import Subject, compose, place_of
from graphc.scalar.derivative import is_where
from graphc.scalar.symbols import INF, AxisIndex, Placeholder, over_index, placeholder
from graphc.scalar.table import op, where
from graphc.schedule.between import Between, between
from graphc.schedule.scan import Scan

__all__ = ["Pair", "Peak", "Term", "Terms", "Mixed", "floored", "peak_of", "reached"]

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
    selected: bool = False                                      # whether its factors are chosen by a condition


class Mixed(Exception):
    """A term that is no product of factors of these kinds."""


class Terms:
    """The terms of a pair."""

    def __init__(self, pair: Pair):
        self.pair = pair

    def all(self) -> list[Term]:
        products = list(self.products(self.pair.s.expr))
        if len(products) > MAX_TERMS:
            raise Mixed
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
                raise Mixed
        elif is_where(e) and e.args[2] == 0 and power == 1:
            self.selection(e, term)
        elif power == 1 and not term.fades and (found := self.between(e)) is not None:
            term.between, term.fades = found, [e]
        else:
            raise Mixed

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
            raise Mixed                                                    # a factor before it would have to be selected, too
        inner = Term()
        for factors in self.products(taken):
            if inner.own or inner.other or inner.fades:
                raise Mixed
            for a, power in factors:
                self.factor(a, power, inner)
        term.selected = True
        chosen = inner.own if J in side else inner.other
        chosen[:] = [where(condition, sp.Mul(*chosen), ZERO)]
        term.own += inner.own
        term.other += inner.other
        if inner.fades:
            self.fall_again(inner, term)

    def fall_again(self, inner: Term, term: Term) -> None:
        if term.fades:
            raise Mixed
        term.power, term.kind, term.peak, term.value, term.fades = inner.power, inner.kind, inner.peak, inner.value, inner.fades
        term.between = inner.between

    def fall(self, e: sp.Expr, power: sp.Expr, kind: str, term: Term, whole: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
        """A factor exp(power (f - m)), or one of its kin."""
        if not isinstance(e, op("excess")) or not (power.is_number and power >= 0) or kind != "counts" and power == 0:
            raise Mixed
        f, m = e.args
        peak = peak_of(self.pair.s, m)
        if peak is None or not peak.floored or not self.is_of(f, peak):
            raise Mixed
        if kind and (peak.index[peak.scan.along] == J or not self.pair.inclusive):
            raise Mixed
        if term.fades and (term.kind or kind or (term.peak, term.value) != (peak, f)):
            raise Mixed
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
