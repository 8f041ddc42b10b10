r"""Conditions on indices that hold everywhere, or nowhere.

    i == i     i < i + 1     i >= 0     j < n        for j over n                 hold
    i != i     i == i + 1    i < 0      n <= j                                    fail
    c | c = c                c | true = true                                      and so on; a == b | a != b holds, and 2 < 3

A comparison a ? b is decided by the least and the greatest value of a - b. Extents of the loops around are at least 1, others may be 0:
where(n > 0, total / n, 0) keeps its condition.
Comparisons of values are left alone: x == x is false where x is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import sympy as sp

from graphc.ir.access import bounds, nonnegative
from graphc.ir.nodes import Size
from graphc.scalar.derivative import is_where
from graphc.scalar.symbols import AxisIndex, Extent, OverIndex, Placeholder
from graphc.scalar.table import op, where

__all__ = ["truth", "decided"]

ONE, ZERO = sp.Integer(1), sp.Integer(0)

# A comparison of a with b holds, or fails, where (sign, m) is a limit of a - b: sign * (a - b) >= m everywhere.
_LIMITS: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "lt": ((-1, 1), (1, 0)), "le": ((-1, 0), (1, 1)), "gt": ((1, 1), (-1, 0)), "ge": ((1, 0), (-1, 1)),
}


# what a - b is where a comparison of two numbers holds
_OF_NUMBERS = {"lt": "is_negative", "le": "is_nonpositive", "gt": "is_positive", "ge": "is_nonnegative", "eq": "is_zero", "ne": "is_nonzero"}


def truth(condition: sp.Expr, ranges: Mapping[sp.Symbol, Size]) -> sp.Expr:
    """1 or 0 where a condition certainly holds or fails; else what is left of it."""
    if isinstance(condition, op("and_")):
        return _joined(condition, ONE, ranges)
    if isinstance(condition, op("or_")):
        return _joined(condition, ZERO, ranges)
    if isinstance(condition, op("not_")):
        inner = truth(condition.args[0], ranges)
        return ONE - inner if inner in (ONE, ZERO) else op("not_")(inner)
    name = type(condition).__name__
    if name in _OF_NUMBERS and all(a.is_Number for a in condition.args):
        return sp.Integer(bool(getattr(sp.Add(condition.args[0], -condition.args[1]), _OF_NUMBERS[name])))
    if name in ("eq", "ne"):
        equal = _equal(condition, ranges)
        return condition if equal is None else sp.Integer(equal == (name == "eq"))
    if name in _LIMITS:
        holds, fails = (_is_limit(condition, *limit, ranges) for limit in _LIMITS[name])
        return ONE if holds else ZERO if fails else condition
    return condition


def _joined(condition: sp.Expr, neutral: sp.Expr, ranges: Mapping[sp.Symbol, Size]) -> sp.Expr:
    """a & b, where 1 is neutral and 0 decides; a | b the other way round. a == b | a != b holds even for a NaN."""
    head = condition.func
    parts = [p for c in condition.args for p in _parts(truth(c, ranges), head)]
    kept = [p for p in dict.fromkeys(parts) if p != neutral]
    equal, unequal = ({frozenset(p.args) for p in kept if isinstance(p, op(name))} for name in ("eq", "ne"))
    if ONE - neutral in kept or equal & unequal:
        return ONE - neutral
    if len(kept) == len(parts):
        return head(*(truth(c, ranges) for c in condition.args))
    return reduce(lambda b, a: head(a, b), reversed(kept)) if kept else neutral


def _parts(condition: sp.Expr, head: type[sp.Expr]) -> list[sp.Expr]:
    return [p for a in condition.args for p in _parts(a, head)] if isinstance(condition, head) else [condition]


def _equal(condition: sp.Expr, ranges: Mapping[sp.Symbol, Size]) -> bool | None:
    """Whether the two sides of a comparison are equal everywhere, or nowhere."""
    if any(_is_limit(condition, sign, 1, ranges) for sign in (1, -1)):
        return False
    return True if all(_is_limit(condition, sign, 0, ranges) for sign in (1, -1)) else None


def _is_limit(condition: sp.Expr, sign: int, m: int, ranges: Mapping[sp.Symbol, Size]) -> bool:
    """Whether sign * (a - b) >= m for the two sides of a comparison, whatever the indices."""
    a, b = condition.args
    if not all(isinstance(s, AxisIndex | OverIndex | Extent) for s in a.free_symbols | b.free_symbols):
        return False
    found = bounds(sp.expand(sign * (a - b)), ranges)
    if found is None:
        return False
    looped = set().union(*(size.free_symbols for size in ranges.values() if not size.is_Add))
    perhaps_zero = {s: s - 1 for s in found[0].free_symbols if isinstance(s, Extent) and s not in looped}      # nonnegative adds the 1 again
    return nonnegative(sp.expand(found[0].xreplace(perhaps_zero) - m), ranges)


def decided(e: sp.Expr, ranges: Mapping[sp.Symbol, Size]) -> sp.Expr:
    """An expression without selections whose condition holds everywhere, or nowhere."""
    if e.is_Atom or not e.has(op("where")):
        return e
    if is_where(e):
        condition = truth(e.args[0], ranges)
        if condition in (ONE, ZERO):
            return decided(e.args[1] if condition == 1 else e.args[2], ranges)
        return where(condition, decided(e.args[1], ranges), decided(e.args[2], ranges))
    args = [decided(a, ranges) for a in e.args]
    if all(a is b for a, b in zip(args, e.args, strict=True)):
        return e
    new = e.func(*args)
    return new if sum(map(_values, args)) == _values(new) else e        # x * (1/x) would be 1, and 0 * x 0


def _values(e: sp.Expr) -> int:
    return sum(isinstance(s, Placeholder) for s in e.free_symbols)
