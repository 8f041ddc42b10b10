r"""Matching a pattern with a graph.

Matching looks through maps, so it does not matter how the user cut a formula into operations; through gathers; and modulo
the order and grouping of terms and factors. A reduction on the way brings indices of its own, and a wild value that occurs inside
and outside of it must be one value up to them, which unification decides (`passes.unify`).

The exponential of a pattern is any exponential: 1/exp(x) is exp(-x); and inside a logarithm, where only the absolute error of an
exponent matters, 3*exp(x) is exp(x + log 3) and exp(x)*exp(y) is exp(x + y).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import permutations

import sympy as sp

from graphc.ir.nodes import Comprehension
from graphc.passes.parts import ONE, WIDTH, ZERO, exponent, is_masked, nth_root, parts_of
from graphc.passes.pattern import Apply, At, Number, Pattern, Reduced, Wild, head_of, is_inverse, is_number
from graphc.passes.subject import Subject, combined, located, place_of, signed, symbols, unfold
from graphc.passes.unify import FIRST, Match, unify
from graphc.scalar.symbols import Extent, Placeholder, over_index
from graphc.scalar.table import op
from graphc.scalar.term import freeze

__all__ = ["matches", "Remainder"]

INVERSE = Number(-ONE)

Remainder = tuple[type, Subject, sp.Expr] | None       # what is left of a sum or a product, and the number that multiplies the match


def matches(p: Apply, s: Subject) -> Iterator[tuple[Match, Remainder]]:
    """The ways to match the root of a pattern, and what is left of a sum or product that has more parts than the pattern."""
    loose = p.head in (op("log"), op("log1p"))
    yield from _apply(p, s, Match(loose=loose), root=True)


def match(p: Pattern, s: Subject, m: Match) -> Iterator[Match]:
    """The ways to match a whole subject."""
    if isinstance(p, Wild):
        bound = _bind(p, s, m)
        if bound is not None:
            yield bound
    elif isinstance(p, Number):
        if unfold(s).expr == p.value:
            yield m
    elif isinstance(p, At):
        return                                                  # an index is no value
    elif isinstance(p, Reduced):
        yield from _reduced(p, unfold(s), m)
    elif p.head is op("exp"):
        power = exponent(s, m.loose)
        if power is not None:
            yield from match(p.args[0], power, m)
    elif p.head is sp.Mul and p.constant == -1 and isinstance(p.args[0], Wild) and len(p.args) == 1:
        positive = signed(s)
        yield from match(p.args[0], positive._replace(expr=-positive.expr), m)
    else:
        yield from (found for found, _ in _apply(p, unfold(s), m))


def _apply(p: Apply, s: Subject, m: Match, root: bool = False) -> Iterator[tuple[Match, Remainder]]:
    if p.head is sp.Mul and (isinstance(s.expr, sp.Pow) and (not root or is_inverse(s.expr)) or not root and is_masked(s.expr)):
        yield from _commutative(p, s, m, root)
    elif p.head is sp.Pow and isinstance(s.expr, sp.Mul) and isinstance(p.args[1], Number):
        base = nth_root(s, p.args[1].value)
        if base is not None:
            yield from ((found, None) for found in match(p.args[0], base, m))
    elif head_of(s.expr) is not p.head:
        return
    elif root and (inverse := _one_of(p, s)) is not None:
        one, others = inverse
        yield from ((found, (sp.Mul, others, ONE)) for found in match(p, one, m))
    elif p.constant is not None:
        yield from _commutative(p, s, m, root)
    elif len(s.expr.args) == len(p.args):
        yield from ((found, None) for found in _sequence(p.args, [s._replace(expr=a) for a in s.expr.args], m))


def _one_of(p: Pattern, s: Subject) -> tuple[Subject, Subject] | None:
    """1/x^n as 1/x and 1/x^(n - 1), for a pattern of the first."""
    if not (isinstance(p, Apply) and p.head is sp.Pow and p.args[1] == INVERSE and isinstance(s.expr, sp.Pow)):
        return None
    base, n = s.expr.args
    inner = unfold(s._replace(expr=base))
    if isinstance(inner.expr, sp.Pow) and inner.expr.exp.is_Integer:
        s, base, n = inner, inner.expr.base, n * inner.expr.exp
    return (s._replace(expr=1 / base), s._replace(expr=base**(n + 1))) if n.is_Integer and n < -1 else None


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
    sizes = dict(zip(fresh, node.over, strict=True))
    first = m.over.get(p.dim, fresh)
    if place is None or [m.ranges.get(i, sizes.get(i)) for i in first] != list(node.over):
        return
    inside = replace(m, over={p.dim: fresh} | m.over, ranges=m.ranges | sizes, again=m.again | dict(zip(fresh, first, strict=True)))
    yield from match(p.body, Subject(node.body, node.reads, place), inside)


# --- sums and products ------------------------------------------------------------------------------------------------

def _commutative(p: Apply, s: Subject, m: Match, root: bool) -> Iterator[tuple[Match, Remainder]]:
    constant, parts = parts_of(p.head, s)
    for sign in (ONE, -ONE) if root and p.head is sp.Add else (ONE,):
        number, mine = constant, parts
        if sign == -1:
            number, mine = -constant, [t._replace(expr=-t.expr) for t in parts]
        if m.loose and p.head is sp.Add and p.constant == 0 and number.is_positive:
            number, mine = ZERO, [*mine, Subject(number)]
        if number != p.constant and _is_exact(p, root):
            continue
        if len(p.args) - len(free_wilds(p)) <= len(mine) <= WIDTH:
            taken = frozenset[int | None]() if root and p.constant == over(p.head, ONE, ONE) and not free_wilds(p) else None
            for found, rest, spent in _choose(_known(p), mine, m, p.head, taken):
                yield from _rest(p, rest, over(p.head, number, spent), found, root, sign)


@cache
def free_wilds(p: Apply) -> tuple[Wild, ...]:
    """The values of a sum or product that stand nowhere else in it: they take what the other patterns leave."""
    return tuple(a for a in p.args if isinstance(a, Wild) and not any(a.name in names_in(b) for b in p.args if b is not a))


@cache
def _known(p: Apply) -> tuple[Pattern, ...]:
    """The other patterns, a value after what it stands in: it is known then."""
    others = [a for a in p.args if a not in free_wilds(p)]
    return tuple(sorted(others, key=lambda a: _signed_wild(a) is not None))


@cache
def _is_exact(p: Apply, root: bool) -> bool:
    """Whether a pattern's number is the subject's own: no value takes a number with it, and none is left over. 1 - f is no part of 3 - f."""
    if any(_signed_wild(a) is not None for a in _known(p)) or not p.constant.is_number:                     # type: ignore[union-attr]
        return False
    takers = len(free_wilds(p))
    return p.head is sp.Add and p.constant != 0 or not root and (not takers or takers > 1 and p.head is sp.Mul)


@cache
def names_in(p: Pattern) -> frozenset[str]:
    """The values that a pattern asks for."""
    if isinstance(p, Wild):
        return frozenset((p.name,))
    below = (p.body,) if isinstance(p, Reduced) else p.args if isinstance(p, Apply) else ()
    return frozenset[str]().union(*map(names_in, below))


def over(head: type, a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """What is left of a coefficient when another is taken away."""
    return a - b if head is sp.Add else a / b


def _choose(patterns: Sequence[Pattern], parts: list[Subject], m: Match, head: type,
            taken: frozenset[int | None] | None = None) -> Iterator[tuple[Match, list[Subject], sp.Expr]]:
    """Match each pattern with parts of its own: (match, the parts left, the coefficient that went with them). `taken` says in which terms of a
    root the parts before were: what matches within one of its terms was looked for where that was visited."""
    neutral = ZERO if head is sp.Add else ONE
    if not patterns:
        yield m, parts, neutral
        return
    for k, part in enumerate(parts):
        within = None if taken is None else taken | {part.within}
        if len(patterns) == 1 and within is not None and len(within) == 1 and None not in within:
            continue
        inverse = _one_of(patterns[0], part)
        one, others = (part, []) if inverse is None else (inverse[0], [inverse[1]])
        for found in _part(patterns[0], one, m):
            yield from _choose(patterns[1:], [*parts[:k], *others, *parts[k + 1:]], found, head, within)
    for found, left, spent in _spread(patterns[0], parts, m, head):
        for last, rest, more in _choose(patterns[1:], left, found, head):
            yield last, rest, head(spent, more)


def _spread(p: Pattern, parts: list[Subject], m: Match, head: type) -> Iterator[tuple[Match, list[Subject], sp.Expr]]:
    """A value known to be a sum, met as its terms: log Σ exp(a + b) - a - b; or a product, as its factors."""
    signed_wild = _signed_wild(p)
    known = next((v for w, v in m.wilds.items() if signed_wild and w.name == signed_wild[0].name), None)
    if signed_wild is None or known is None or len(parts) < 2:
        return
    wild, sign = signed_wild
    whole = unfold(known)
    if head is sp.Add and not isinstance(whole.expr, sp.Add) or head is sp.Mul and (sign != 1 or not isinstance(whole.expr, sp.Mul)):
        return
    number, wanted = parts_of(head, whole)
    if len(wanted) < 2 or len(wanted) > len(parts):
        return
    for found, left, taken in _terms_among(wanted, [t._replace(expr=sign * t.expr) for t in parts], m, ()):
        value = combined(head, [Subject(number), *taken])
        yield replace(found, wilds={wild: value} | found.wilds), [t._replace(expr=sign * t.expr) for t in left], sign * number


def _terms_among(wanted: Sequence[Subject], parts: list[Subject], m: Match,
                 taken: tuple[Subject, ...]) -> Iterator[tuple[Match, list[Subject], tuple[Subject, ...]]]:
    """Find the terms of one value among parts, each once."""
    if not wanted:
        yield m, parts, taken
        return
    for k, part in enumerate(parts):
        found = unify(wanted[0], part, m)
        if found is not None:
            yield from _terms_among(wanted[1:], parts[:k] + parts[k + 1:], found, (*taken, part))


def _signed_wild(p: Pattern) -> tuple[Wild, sp.Expr] | None:
    """x or -x"""
    if isinstance(p, Wild):
        return p, ONE
    if isinstance(p, Apply) and p.head is sp.Mul and p.constant == -1 and len(p.args) == 1 and isinstance(p.args[0], Wild):
        return p.args[0], -ONE
    return None


def _part(p: Pattern, s: Subject, m: Match) -> Iterator[Match]:
    """Match one part of a sum or product; a positive number is the exponential of its logarithm."""
    if s.expr.is_number and isinstance(p, Apply) and p.head is op("exp"):
        yield from match(p.args[0], Subject(op("log")(s.expr)), m)
    else:
        yield from match(p, s, m)


def _rest(p: Apply, parts: list[Subject], constant: sp.Expr, m: Match, root: bool, sign: sp.Expr) -> Iterator[tuple[Match, Remainder]]:
    """What the other patterns left: one wild takes it all, several take a part each."""
    wilds = free_wilds(p)
    wanted = _sized(p.constant, m)
    if wanted is None:
        return
    neutral, more = ZERO if p.head is sp.Add else ONE, over(p.head, constant, wanted)
    if p.head is sp.Add and wanted != 0 and more != 0:
        return                                                  # 1 - f is no part of 3 - f
    number = [] if more == neutral else [Subject(more)]
    if len(wilds) == 1 and (parts or number) and not any(w.name == wilds[0].name for w in m.wilds) and not (root and not parts):
        whole = parts[0] if len(parts) == 1 and not number else combined(p.head, [*number, *parts])
        yield from ((found, None) for found in match(wilds[0], whole, m))
        return
    if p.head is sp.Add and not root:
        number, parts = [], [*parts, *number]                   # z + x may be 1 + x
    for chosen in permutations(range(len(parts)), len(wilds)):
        left = [*number, *(t for k, t in enumerate(parts) if k not in chosen)]
        if left and not root:
            continue
        rest = None if not left and sign == 1 else (p.head, combined(p.head, left or [Subject(neutral)]), sign)
        yield from ((found, rest) for found in _sequence(wilds, [parts[k] for k in chosen], m))


def _sized(constant: sp.Expr, m: Match) -> sp.Expr | None:
    """A pattern's coefficient, the sizes of its dims being those of the axes that they stand for."""
    dims = [s for s in constant.free_symbols if isinstance(s, Extent)]
    if any(s.name not in m.over for s in dims):
        return None
    return constant.xreplace({s: sp.Mul(*(m.ranges[i] for i in m.over[s.name])) for s in dims})


def _bind(p: Wild, s: Subject, m: Match) -> Match | None:
    s = signed(s)
    kinds = tuple(r.operand.dtype for r in s.reads)
    if not is_number(s.expr) and (kinds[int(s.expr.name[1:])] if isinstance(s.expr, Placeholder) else freeze(s.expr, kinds).kind) != p.kind:
        return None
    if not p.under and m.ranges and symbols(s) & set(m.ranges):
        return None
    for known, value in m.wilds.items():
        if known.name == p.name:
            unified = unify(value, s, m)
            return None if unified is None else replace(unified, wilds={p: s} | unified.wilds)
    return replace(m, wilds=m.wilds | {p: s})
