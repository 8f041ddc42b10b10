"""What rules ask of the values that they match, beyond their form."""

from __future__ import annotations

import sympy as sp

from graphc.passes.parts import is_growth
from graphc.passes.quotients import opposed
from graphc.passes.rewrite import fires
from graphc.passes.stable.table import STABLE
from graphc.passes.subject import Subject, combined, expanded
from graphc.passes.unify import Match
from graphc.scalar.table import op

__all__ = ["are_opposed", "has_better_logarithm", "is_positive", "shrinks", "side_has_better_logarithm", "square_has_better_logarithm", "underflows"]


def has_better_logarithm(m: Match) -> bool:
    """Whether log(z) has a stable form of its own."""
    (z,) = m.wilds.values()
    return _has_better_logarithm(z)


def _has_better_logarithm(s: Subject) -> bool:
    return fires(STABLE, s._replace(expr=op("log")(s.expr)))


def is_positive(m: Match) -> bool:
    """Whether x is made of exponentials and their kin and of positive numbers, by sums, products, powers and selections."""
    return all(s.expr.is_number or is_growth(s) for s in m.wilds.values())


def side_has_better_logarithm(m: Match) -> bool:
    """Whether log(x) or log(y) has a stable form of its own."""
    return any(_has_better_logarithm(m.wild(name)) for name in "xy")


def square_has_better_logarithm(m: Match) -> bool:
    """Whether log(x), in log(z x^2), has a stable form of its own, and z is a number > 0."""
    return bool(m.wild("z").expr.is_positive) and _has_better_logarithm(m.wild("x"))


def underflows(m: Match) -> bool:
    """Whether the value is made of exponentials and their kin, and its logarithm does not underflow with it."""
    (s,) = m.wilds.values()
    return is_growth(s) and _has_better_logarithm(s)


def are_opposed(m: Match) -> bool:
    """Whether x and y have a term of different signs: one may be large where the other is small."""
    pair = combined(lambda a, b: sp.Tuple(a, b), [expanded(m.wild(name)) for name in "xy"]).expr
    return opposed(*pair)


def shrinks(m: Match, x: str, y: str | None, power: int) -> bool:
    """Whether x - y^power has fewer terms than both together: what cancels by algebra need not cancel by rounding."""
    left, right = m.value(x), m.value(y) if y else Subject(sp.Integer(1))
    assert left is not None and right is not None
    pair = combined(lambda a, b: sp.Tuple(a, b**power), [left, right]).expr
    terms = sum(len(sp.Add.make_args(e)) for e in pair)
    return len(sp.Add.make_args(pair[0] - pair[1])) < terms
