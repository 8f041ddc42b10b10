"""The atoms of a body.

    body ::= sympy expression over
             Placeholder x0, x1, ...   the values that the node reads, in order
             AxisIndex   i0, i1, ...   the node's output indices
             OverIndex   j0, j1, ...   the indices that the node reduces over
             Extent      n, d, ...     sizes of dims, bound when a program is called
             Nonfinite   inf, nan      kept apart from sympy's own, which absorb what they meet

Each kind is a class of its own, so that a dim called `x0` is not the placeholder `x0`. Indices are named by
position: two nodes that differ in the names of their bound indices only are the same node.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import sympy as sp


class Placeholder(sp.Symbol):
    """The k-th value that a node reads."""

    __slots__ = ()


class AxisIndex(sp.Symbol):
    """The k-th output index of a node."""

    __slots__ = ()


class OverIndex(sp.Symbol):
    """The k-th index that a node reduces over."""

    __slots__ = ()


class Extent(sp.Symbol):
    """The size of a named dim."""

    __slots__ = ()


class Nonfinite(sp.Symbol):
    """A literal infinity or NaN."""

    __slots__ = ()


@cache
def placeholder(k: int) -> Placeholder:
    return Placeholder(f"x{k}")


@cache
def axis_index(k: int) -> AxisIndex:
    return AxisIndex(f"i{k}")


@cache
def over_index(k: int) -> OverIndex:
    return OverIndex(f"j{k}")


@cache
def extent(name: str) -> Extent:
    return Extent(name, integer=True)


INF = Nonfinite("inf")
NAN = Nonfinite("nan")
VALUE = Placeholder("y")  # the node's own value, in a derivative that repeats it


def literal(value: Any) -> sp.Expr:
    """A Python or NumPy number as an exact sympy number: 0.5 is 1/2, 0.1 stays the float it is."""
    if isinstance(value, sp.Expr):
        return value
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return sp.Integer(int(value))
    if isinstance(value, int) or hasattr(value, "__index__"):
        return sp.Integer(int(value))
    number = float(value)
    if math.isnan(number):
        return NAN
    if math.isinf(number):
        return INF if number > 0 else -INF
    numerator, denominator = number.as_integer_ratio()
    if denominator <= 1024 and abs(numerator) < 2**53:
        return sp.Rational(numerator, denominator)
    return sp.Float(number, precision=53)
