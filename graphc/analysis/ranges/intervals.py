r"""Interval arithmetic: [a, b] + [c, d] = [a + c, b + d], every end rounded outward, so that no value is left out.

    Interval   the numbers between two ends of 100 bits, ends included, and whether the value may be no number at all
    Format     what a machine can hold, and what a rounding may give

Functions of the table are in `functions`, and `apply` computes any operation, as a machine does or exactly.

Source: Moore, Kearfott and Cloud, Introduction to Interval Analysis (2009), chapters 2 and 5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import mpmath

__all__ = ["Interval", "Format", "FORMATS", "EMPTY", "LINE", "INF", "ZERO", "BITS", "MP", "hull", "interval", "bounded", "add", "neg", "mul", "div",
           "exact_div", "powi"]

BITS = 100
MP: Any = mpmath.mp.clone()
MP.prec = BITS
INF, ZERO = MP.inf, MP.mpf(0)
LARGEST = MP.mpf(2)**60000                           # beyond it a number is infinite


@dataclass(frozen=True)
class Interval:
    low: Any
    high: Any
    nan: bool = False

    @property
    def empty(self) -> bool:
        return self.low > self.high

    @property
    def infinite(self) -> bool:
        return bool(self.high == INF or self.low == -INF)

    @property
    def least(self) -> Any:
        """The least magnitude."""
        return ZERO if self.low <= 0 <= self.high else min(abs(self.low), abs(self.high))

    @property
    def greatest(self) -> Any:
        """The greatest magnitude."""
        return max(abs(self.low), abs(self.high))

    def __contains__(self, x: Any) -> bool:
        return bool(self.low <= x <= self.high)

    def __and__(self, other: Interval) -> Interval:
        return Interval(max(self.low, other.low), min(self.high, other.high), self.nan and other.nan)


EMPTY = Interval(INF, -INF)
LINE = Interval(-INF, INF)


def interval(low: Any, high: Any = None, nan: bool = False) -> Interval:
    return Interval(MP.mpf(low), MP.mpf(low if high is None else high), nan)


def hull(parts: Sequence[Interval]) -> Interval:
    nan = any(p.nan for p in parts)
    return Interval(min((p.low for p in parts), default=INF), max((p.high for p in parts), default=-INF), nan)


# --- what a machine can hold --------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Format:
    """A binary floating-point format: `bits` of the significand, exponents up to `top`."""

    name: str
    bits: int
    top: int

    @cached_property
    def unit(self) -> float:
        """Half the distance from 1 to the next number: the relative error of one rounding."""
        return float(2.0**-self.bits)

    @cached_property
    def tiny(self) -> Any:
        """The least normal number."""
        return MP.mpf(2)**(2 - self.top)

    @cached_property
    def quantum(self) -> Any:
        """The least number above 0."""
        return self.tiny * MP.mpf(2)**(1 - self.bits)

    @cached_property
    def span(self) -> Any:
        """The least scale that a norm divides by, see `graphc.scalar.oracle.binade`."""
        bias = self.top - 1
        return MP.mpf(2)**(bias // 16 - bias)

    @cached_property
    def largest(self) -> Any:
        return (2 - MP.mpf(2)**(1 - self.bits)) * MP.mpf(2)**(self.top - 1)

    def rounded(self, x: Interval, ulps: int = 0) -> Interval:
        """All that rounding a value of `x` may give, where the operation errs by so many units in the last place besides."""
        if x.empty:
            return x
        units = ulps * 2 * MP.mpf(self.unit)
        spread = [MP.fmul(abs(e), units, rounding="c") + self.quantum if ulps and not self.holds(e) else ZERO for e in (x.low, x.high)]
        return Interval(-self.up(spread[0] - x.low), self.up(x.high + spread[1]), x.nan)

    def holds(self, x: Any) -> bool:
        return bool(MP.isinf(x) or x == MP.mpf(x, prec=self.bits) and (abs(x) >= self.tiny or x == 0) and abs(x) <= self.largest)

    def up(self, x: Any) -> Any:
        """The least number of the format that is not below x."""
        if MP.isinf(x) or x > self.largest:
            return x if x < 0 else INF
        if x < -self.largest:
            return -self.largest
        if abs(x) >= self.tiny:
            return MP.mpf(x, prec=self.bits, rounding="c")
        return MP.ceil(x / self.quantum) * self.quantum


FORMATS = {"float32": Format("float32", 24, 128), "float64": Format("float64", 53, 1024)}


# --- arithmetic -----------------------------------------------------------------------------------------------------------

def bounded(low: Any, high: Any, nan: bool) -> Interval:
    """Finite ends beyond LARGEST are infinite outward, and LARGEST inward; an end that is no number bounds nothing."""
    low, high = (-INF if MP.isnan(low) else low), (INF if MP.isnan(high) else high)
    if abs(low) > LARGEST and not MP.isinf(low):
        low = LARGEST if low > 0 else -INF
    if abs(high) > LARGEST and not MP.isinf(high):
        high = -LARGEST if high < 0 else INF
    return Interval(low, high, nan)


def add(a: Interval, b: Interval) -> Interval:
    opposite = a.high == INF and b.low == -INF or a.low == -INF and b.high == INF
    return bounded(MP.fadd(a.low, b.low, rounding="f"), MP.fadd(a.high, b.high, rounding="c"), a.nan or b.nan or bool(opposite))


def neg(a: Interval) -> Interval:
    return Interval(-a.high, -a.low, a.nan)


def _ends(rule: Callable[..., Any], a: Interval, b: Interval) -> tuple[Any, Any]:
    """Extremes over the four corners; 0 * inf and inf / inf, limits that no pair of numbers reaches, are 0."""
    low: list[Any] = []
    high: list[Any] = []
    for x in (a.low, a.high):
        for y in (b.low, b.high):
            for found, way in ((low, "f"), (high, "c")):
                value = rule(x, y, rounding=way)
                found.append(ZERO if MP.isnan(value) else value)
    return min(low), max(high)


def mul(a: Interval, b: Interval) -> Interval:
    lost = a.infinite and 0 in b or b.infinite and 0 in a
    return bounded(*_ends(MP.fmul, a, b), a.nan or b.nan or lost)


def div(a: Interval, b: Interval) -> Interval:
    nan = a.nan or b.nan or 0 in a and 0 in b or a.infinite and b.infinite
    if 0 not in b:
        return bounded(*_ends(MP.fdiv, a, b), nan)
    return replace(LINE, nan=nan)


def exact_div(a: Interval, b: Interval) -> Interval:
    """Where 0 has no sign: a divisor that only touches 0 keeps the sign of the quotient."""
    if b.low == 0 < b.high and a.low >= 0:
        return Interval(ZERO if MP.isinf(b.high) else MP.fdiv(a.low, b.high, rounding="f"), INF, a.nan or b.nan)
    if b.low == 0 < b.high and a.high <= 0:
        return neg(exact_div(neg(a), b))
    return neg(exact_div(a, neg(b))) if b.high == 0 > b.low else div(a, b)


def powi(a: Interval, n: int) -> Interval:
    ends = [a.low, a.high] + [ZERO] * (n % 2 == 0 and 0 in a)
    exact = [(_power(e, n, "f"), _power(e, n, "c")) for e in ends]
    return bounded(min(x for x, _ in exact), max(x for _, x in exact), a.nan)


def _power(x: Any, n: int, way: str) -> Any:
    """x**n rounded one way, by repeated products of the magnitude."""
    sign = x < 0 and n % 2
    way = {"f": "c", "c": "f"}[way] if sign else way
    result = MP.mpf(1)
    for _ in range(n):
        result = MP.fmul(result, abs(x), rounding=way)
    return -result if sign else result
