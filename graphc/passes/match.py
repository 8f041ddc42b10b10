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
from itertools import permutations

import sympy as sp

from graphc.ir.nodes import Comprehension
from graphc.passes.pattern import Apply, At, Number, Pattern, Reduced, Wild, head_of, is_number, split
from graphc.passes.subject import Subject, combined, located, place_of, raised, signed, symbols, unfold
from graphc.passes.unify import FIRST, Match, unify
from graphc.scalar.symbols import INF, Extent, Placeholder, over_index
from graphc.scalar.table import op, where
from graphc.scalar.term import freeze

__all__ = ["matches", "Remainder"]

WIDTH = 12              # terms or factors beyond which a commutative match is not tried
ZERO, ONE = sp.Integer(0), sp.Integer(1)

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


def exponent(s: Subject, loose: bool) -> Subject | None:
    """x where the subject is exp(x); None where it is no exponential."""
    s = unfold(s)
    e = s.expr
    if isinstance(e, op("exp")):
        return s._replace(expr=e.args[0])
    if isinstance(e, op("exp_sum")):
        return s._replace(expr=sp.Add(*e.args))
    if isinstance(e, sp.Pow) and e.exp.is_number and (loose or e.exp == -1):
        inner = exponent(s._replace(expr=e.base), loose)
        return None if inner is None else inner._replace(expr=e.exp * inner.expr)
    if not loose:
        return None
    if isinstance(e, op("sigmoid") | op("erfc")):
        return s._replace(expr=op(f"log{e.row.name}")(*e.args))
    if isinstance(e, op("where")) and ZERO in e.args[1:]:
        sides = [Subject(-INF) if a == 0 else exponent(s._replace(expr=a), loose) for a in e.args[1:]]
        return None if None in sides else combined(lambda c, *x: where(c, *x), [s._replace(expr=e.args[0]), *sides])    # type: ignore[list-item]
    if isinstance(e, sp.Mul):
        coefficient, factors = parts_of(sp.Mul, s)
        powers = [exponent(f, loose) for f in factors]
        if coefficient.is_number and coefficient.is_positive and None not in powers:
            scale = [] if coefficient == 1 else [Subject(op("log")(coefficient))]
            return combined(sp.Add, [*scale, *powers])                                          # type: ignore[list-item]
    return None


def _apply(p: Apply, s: Subject, m: Match, root: bool = False) -> Iterator[tuple[Match, Remainder]]:
    if p.head is sp.Mul and isinstance(s.expr, sp.Pow) and not root:
        yield from _commutative(p, s, m, root)
    elif head_of(s.expr) is not p.head:
        return
    elif p.constant is not None:
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


# --- sums and products ------------------------------------------------------------------------------------------------

def parts_of(head: type, s: Subject) -> tuple[sp.Expr, list[Subject]]:
    """The coefficient and the parts of a sum or product, those of sums or products that it reads included, up to WIDTH of them."""
    return _terms(s, ONE, WIDTH) if head is sp.Add else _factors(s, ONE, WIDTH)


def _terms(s: Subject, scale: sp.Expr, room: int) -> tuple[sp.Expr, list[Subject]]:
    """The terms of a multiple of a sum. What has no room is left as one term, so a chain of sums is entered to a depth of `room` only."""
    constant, terms = split(s.expr)
    constant, found = scale * constant, list[Subject]()
    for k, term in enumerate(terms):
        number, core = term.as_coeff_Mul()
        inner = unfold(s._replace(expr=core)) if isinstance(core, Placeholder) else s._replace(expr=core)
        left = room - len(found) - (len(terms) - 1 - k)
        if isinstance(inner.expr, sp.Add) and left > 1:
            c, nested = _terms(inner, scale * number, left)
            constant, found = constant + c, found + nested
        else:
            found.append(s._replace(expr=scale * term))
    return constant, found


def _factors(s: Subject, power: sp.Expr, room: int) -> tuple[sp.Expr, list[Subject]]:
    """The factors of a subject raised to an integer power."""
    e = s.expr
    if room < 1:
        return ONE, [raised(s, power)]
    if isinstance(e, sp.Mul):
        constant, parts = split(e)
        constant, found = constant**power, list[Subject]()
        for k, part in enumerate(parts):
            c, nested = _factors(s._replace(expr=part), power, room - len(found) - (len(parts) - 1 - k))
            constant, found = constant * c, found + nested
        return constant, found
    if isinstance(e, sp.Pow) and e.exp.is_Integer:
        return _factors(s._replace(expr=e.base), power * e.exp, room - 1)
    inner = unfold(s)
    if inner is not s and isinstance(inner.expr, sp.Mul | sp.Pow):
        c, nested = _factors(inner, power, room - 1)
        if len(nested) > 1 or c != 1 or isinstance(inner.expr, sp.Pow) and inner.expr.exp.is_Integer:
            return c, nested
    return ONE, [raised(s, power)]


def _commutative(p: Apply, s: Subject, m: Match, root: bool) -> Iterator[tuple[Match, Remainder]]:
    constant, parts = parts_of(p.head, s)
    for sign in (ONE, -ONE) if root and p.head is sp.Add else (ONE,):
        number, mine = constant, parts
        if sign == -1:
            number, mine = -constant, [t._replace(expr=-t.expr) for t in parts]
        if m.loose and p.head is sp.Add and p.constant == 0 and number.is_positive:
            number, mine = ZERO, [*mine, Subject(number)]
        fixed = [a for a in p.args if not isinstance(a, Wild)]
        if len(fixed) <= len(mine) <= WIDTH:
            for found, rest in _choose(fixed, mine, m):
                yield from _rest(p, rest, number, found, root, sign)


def _choose(patterns: Sequence[Pattern], parts: list[Subject], m: Match) -> Iterator[tuple[Match, list[Subject]]]:
    """Match each pattern with a part of its own."""
    if not patterns:
        yield m, parts
        return
    for k, part in enumerate(parts):
        for found in _part(patterns[0], part, m):
            yield from _choose(patterns[1:], parts[:k] + parts[k + 1:], found)


def _part(p: Pattern, s: Subject, m: Match) -> Iterator[Match]:
    """Match one part of a sum or product; a positive number is the exponential of its logarithm."""
    if s.expr.is_number and isinstance(p, Apply) and p.head is op("exp"):
        yield from match(p.args[0], Subject(op("log")(s.expr)), m)
    else:
        yield from match(p, s, m)


def _rest(p: Apply, parts: list[Subject], constant: sp.Expr, m: Match, root: bool, sign: sp.Expr) -> Iterator[tuple[Match, Remainder]]:
    """What the other patterns left: one wild takes it all, several take a part each."""
    wilds = [a for a in p.args if isinstance(a, Wild)]
    wanted = _sized(p.constant, m)
    if wanted is None:
        return
    over = constant - wanted if p.head is sp.Add else constant / wanted
    neutral = ZERO if p.head is sp.Add else ONE
    if p.head is sp.Add and wanted != 0 and over != 0:
        return                                                  # 1 - f is no part of 3 - f
    number = [] if over == neutral else [Subject(over)]
    if len(wilds) == 1 and (parts or number) and not any(w.name == wilds[0].name for w in m.wilds) and not (root and not parts):
        whole = parts[0] if len(parts) == 1 and not number else combined(p.head, [*number, *parts])
        yield from ((found, None) for found in match(wilds[0], whole, m))
        return
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
    if not is_number(s.expr) and (kinds[int(s.expr.name[1:])] if isinstance(s.expr, Placeholder) else freeze(s.expr, kinds).kind) != "float":
        return None
    if not p.under and m.ranges and symbols(s) & set(m.ranges):
        return None
    for known, value in m.wilds.items():
        if known.name == p.name:
            unified = unify(value, s, m)
            return None if unified is None else replace(unified, wilds={p: s} | unified.wilds)
    return replace(m, wilds=m.wilds | {p: s})
