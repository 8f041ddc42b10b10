r"""Matching a pattern with a graph.

Matching looks through maps, so it does not matter how the user cut a formula into operations; through gathers; and modulo
the order of terms and factors. A reduction on the way brings indices of its own, and a wild value that occurs inside and
outside of it must be one value up to them, which unification decides (`passes.unify`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations

import sympy as sp

from graphc.ir.nodes import Comprehension
from graphc.passes.pattern import Apply, Number, Pattern, Reduced, Wild, split
from graphc.passes.subject import Subject, located, place_of, product, signed, symbols, unfold
from graphc.passes.unify import FIRST, Match, unify
from graphc.scalar.symbols import Placeholder, over_index
from graphc.scalar.term import freeze

__all__ = ["matches"]

WIDTH = 12              # terms or factors beyond which a commutative match is not tried


def matches(p: Apply, s: Subject) -> Iterator[tuple[Match, Subject | None]]:
    """The ways to match the root of a pattern, and what is left of a product that has more factors than the pattern."""
    yield from _apply(p, s, Match(), root=True)


def match(p: Pattern, s: Subject, m: Match) -> Iterator[Match]:
    """The ways to match a whole subject."""
    if isinstance(p, Wild):
        bound = _bind(p, s, m)
        if bound is not None:
            yield bound
    elif isinstance(p, Number):
        if unfold(s).expr == p.value:
            yield m
    elif isinstance(p, Reduced):
        yield from _reduced(p, unfold(s), m)
    elif p.head is sp.Mul and p.constant == -1 and isinstance(p.args[0], Wild) and len(p.args) == 1:
        positive = signed(s)
        yield from match(p.args[0], positive._replace(expr=-positive.expr), m)
    else:
        yield from (found for found, _ in _apply(p, unfold(s), m))


def _apply(p: Apply, s: Subject, m: Match, root: bool = False) -> Iterator[tuple[Match, Subject | None]]:
    if type(s.expr) is not p.head:
        return
    if p.constant is not None:
        yield from _commutative(p, s, m, root)
    elif len(s.expr.args) == len(p.args):
        yield from ((found, None) for found in _sequence(p.args, [s._replace(expr=a) for a in s.expr.args], m))


def _sequence(patterns: Sequence[Pattern], subjects: Sequence[Subject], m: Match) -> Iterator[Match]:
    if not patterns:
        yield m
        return
    for found in match(patterns[0], subjects[0], m):
        yield from _sequence(patterns[1:], subjects[1:], found)


def _reduced(p: Reduced, s: Subject, m: Match) -> Iterator[Match]:
    if not isinstance(s.expr, Placeholder):
        return
    read = located(s)
    node = read.operand
    if not isinstance(node, Comprehension) or node.reduce != p.kind:
        return
    fresh = tuple(over_index(FIRST + len(m.ranges) + k) for k in range(len(node.over)))
    place = place_of(node, (*read.index, *fresh))
    if place is None or len(m.over.get(p.dim, fresh)) != len(fresh):
        return
    inside = replace(m, over={p.dim: fresh} | m.over, ranges=m.ranges | dict(zip(fresh, node.over, strict=True)))
    yield from match(p.body, Subject(node.body, node.reads, place), inside)


def _factors(s: Subject) -> tuple[sp.Expr, list[Subject]]:
    """The number and the factors of a product, those of products that it reads included."""
    constant, parts = split(s.expr)
    found = []
    for part in parts:
        inner = unfold(s._replace(expr=part))
        if isinstance(inner.expr, sp.Mul):
            c, nested = split(inner.expr)
            constant = constant * c
            found += [inner._replace(expr=e) for e in nested]
        else:
            found.append(s._replace(expr=part))
    return constant, found


def _commutative(p: Apply, s: Subject, m: Match, root: bool) -> Iterator[tuple[Match, Subject | None]]:
    if p.head is sp.Add:
        constant, terms = split(s.expr)
        if constant != p.constant:
            return
        parts, ratio = [s._replace(expr=e) for e in terms], sp.Integer(1)
    else:
        constant, parts = _factors(s)
        ratio = constant / p.constant
    if not len(p.args) <= len(parts) <= WIDTH:
        return
    for found, rest in _choose([a for a in p.args if not isinstance(a, Wild)], parts, m):
        yield from _rest(p, [a for a in p.args if isinstance(a, Wild)], rest, ratio, found, s, root)


def _choose(patterns: Sequence[Pattern], parts: list[Subject], m: Match) -> Iterator[tuple[Match, list[Subject]]]:
    """Match each pattern with a part of its own."""
    if not patterns:
        yield m, parts
        return
    for k, part in enumerate(parts):
        for found in match(patterns[0], part, m):
            yield from _choose(patterns[1:], parts[:k] + parts[k + 1:], found)


def _rest(p: Apply, wilds: list[Wild], parts: list[Subject], ratio: sp.Expr, m: Match, s: Subject,
          root: bool) -> Iterator[tuple[Match, Subject | None]]:
    """What the other patterns left: one wild takes it all, several take a part each."""
    if len(wilds) == 1 and parts and not any(w.name == wilds[0].name for w in m.wilds):
        whole = s._replace(expr=sp.Add(*(t.expr for t in parts))) if p.head is sp.Add else \
            parts[0] if ratio == 1 and len(parts) == 1 else product(ratio, parts)
        yield from ((found, None) for found in match(wilds[0], whole, m))
        return
    for chosen in permutations(range(len(parts)), len(wilds)):
        left = [t for k, t in enumerate(parts) if k not in chosen]
        if ratio == 1 and not left:
            remainder = None
        elif root and p.head is sp.Mul:
            remainder = product(ratio, left)
        else:
            continue
        yield from ((found, remainder) for found in _sequence(wilds, [parts[k] for k in chosen], m))


def _bind(p: Wild, s: Subject, m: Match) -> Match | None:
    s = signed(s)
    kinds = tuple(r.operand.dtype for r in s.reads)
    if (kinds[int(s.expr.name[1:])] if isinstance(s.expr, Placeholder) else freeze(s.expr, kinds).kind) != "float":
        return None
    if not p.under and m.ranges and symbols(s) & set(m.ranges):
        return None
    for known, value in m.wilds.items():
        if known.name == p.name:
            unified = unify(value, s, m)
            return None if unified is None else replace(unified, wilds={p: s} | unified.wilds)
    return replace(m, wilds=m.wilds | {p: s})
