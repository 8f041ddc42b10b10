r"""sin, cos and tan without branches and calls, so that loops over them vectorise, and right for every argument.

    |x| = m 2^e, 1 <= m < 2;   |x| 2/pi = m T[e] modulo 4 = q + f,  q an integer, |f| <= 1/2;   r = f pi/2

T[e] is 2^e 2/pi without the bits that become multiples of 4, as four numbers from a table (Payne and Hanek, SIGNUM 18, 1983; by exponents, as in
Shibata's SLEEF): so an argument of 10^300 costs what 10 costs. The closest that a float64 comes to a multiple of pi/2 is 2^-61: f and r are
pairs with all their digits there, too. float32 needs no pairs where it is computed in float64. |x| < pi/4 is its own r. Then, with z = r^2,

    sin(r) = r + r^3 S(z),   cos(r) = 1 - z/2 + z^2 C(z),   tan = sin/cos or -cos/sin;   S and C from the Taylor series.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import mpmath
from numba import float32, float64, int32, int64

from graphc.codegen.mathlib.formats import FORMATS, casts, polynomial, select, strict
from graphc.codegen.mathlib.intrinsics import llvm, lookup
from graphc.codegen.mathlib.pairs import fast_two_sum, fused, two_sum

__all__ = ["sine_cosine_tangent"]

FIRST = -2                      # the exponent of the table's first row: smaller arguments are below pi/4


@cache
def _table(real: Any, digits: tuple[int, ...]) -> list[list[float]]:
    """The columns of T, each with so many bits: 2^e 2/pi modulo 2^(mantissa + 2), since m is a multiple of 2^-mantissa."""
    form, rows = FORMATS[real], []
    with mpmath.workprec(form.bias + 6 * form.mantissa):
        for e in range(FIRST, form.bias + 1):
            rest, parts = mpmath.fmod(mpmath.ldexp(2 / mpmath.pi, e), 2**(form.mantissa + 2)), []
            for bits in digits:
                with mpmath.workprec(bits):
                    parts.append(+rest)
                rest -= parts[-1]
            rows.append([float(part) for part in parts])
    return [list(column) for column in zip(*rows, strict=True)]


def _column(real: Any, digits: tuple[int, ...], k: int) -> list[float]:
    return _table(real, digits)[k]


def _parts(real: Any) -> Callable[..., Any]:
    """parts(y) = m, the row of T, whether |x| < 1, for y >= 0."""
    form = FORMATS[real]
    integer = form.integer
    shift, first, none, bias = integer(form.mantissa), integer(FIRST), integer(0), integer(form.bias)
    bits_of_one, fraction = integer(form.bits(1.0)), integer(2**form.mantissa - 1)
    as_real, as_integer = casts(real)

    @strict
    def parts(y):                                                          # type: ignore[no-untyped-def]
        bits = as_integer(y)
        e = integer((bits >> shift) - bias)
        at = integer(select(e < first, first, select(e > bias, bias, e)) - first)
        return as_real((bits & fraction) | bits_of_one), at, e < none

    return parts


def _reduction(real: Any) -> Callable[..., Any]:
    """reduced(y) = q modulo 4, r, r_low for y >= 0."""
    form = FORMATS[real]
    integer = form.integer
    three, none, zero_bits, rounder, zero = integer(3), integer(0), integer(form.bits(form.rounder)), real(form.rounder), real(0)
    quarter, quarter_low = map(real, _half_pi(form))
    t0, t1, t2, t3 = (lookup(real, integer, partial(_column, real, (form.mantissa + 1,) * 4, k)) for k in range(4))
    fma, rint, four, inverse, parts = fused(real), llvm(real, "rint", 1), real(4), real(0.25), _parts(real)
    _, as_integer = casts(real)

    @strict
    def reduced(y):                                                        # type: ignore[no-untyped-def]
        m, at, small = parts(y)
        a, b, c, d = t0(at), t1(at), t2(at), t3(at)
        p0, p1, p2 = m * a, m * b, m * c
        e0, e1, e2 = fma(m, a, -p0), fma(m, b, -p1), fma(m, c, -p2)
        s, low0 = two_sum(p0 - four * rint(p0 * inverse), e0)
        s, low1 = two_sum(s, p1)
        rounded = s + rounder
        low, tiny0 = two_sum(low0, low1)
        more, tiny1 = two_sum(e1, p2)
        low, tiny2 = two_sum(low, more)
        f, tiny3 = two_sum(s - (rounded - rounder), low)
        f, low = fast_two_sum(f, tiny3 + (tiny2 + (tiny0 + tiny1) + (e2 + m * d)))
        r = f * quarter
        q = integer(as_integer(rounded) - zero_bits) & three
        own = small & (q == none)
        return q, select(own, y, r), select(own, zero, fma(f, quarter, -r) + (f * quarter_low + low * quarter))

    return reduced


def _reduction32() -> Callable[..., Any]:
    """The same for float32, in float64: a product with 29 bits of T is exact, and the rest need not be."""
    t0, t1 = (lookup(float64, int32, partial(_column, float32, (29, 53), k)) for k in range(2))
    rint, parts, three, none, half_pi = llvm(float64, "rint", 1), _parts(float32), int64(3), int64(0), math.pi / 2
    rounder, zero_bits = FORMATS[float64].rounder, int64(FORMATS[float64].bits(FORMATS[float64].rounder))
    _, as_integer = casts(float64)

    @strict
    def reduced(y):                                                        # type: ignore[no-untyped-def]
        m, at, small = parts(y)
        p, rest = m * t0(at), m * t1(at)
        p = p - 4.0 * rint(p * 0.25)
        rounded = (p + rest) + rounder
        q = (as_integer(rounded) - zero_bits) & three
        return q, select(small & (q == none), float64(y), ((p - (rounded - rounder)) + rest) * half_pi), 0.0

    return reduced


def _half_pi(form: Any) -> tuple[float, float]:
    with mpmath.workprec(200):
        return form.pair(mpmath.pi / 2)                                    # type: ignore[no-any-return]


def sine_cosine_tangent(real: Any, alone: bool = False) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """sin, cos and tan in the precision `real`; float32 in float64, unless it is `alone`."""
    narrow = real is float32
    work = real if alone else float64
    integer = FORMATS[work].integer
    inf, unit, sign = real(math.inf), real(1), llvm(real, "copysign", 2)
    none, one_bit, two_bit = map(integer, (0, 1, 2))
    reduced, fma, terms, half, one = _reduction32() if narrow and not alone else _reduction(real), fused(work), 5 if narrow else 8, work(0.5), work(1)
    sine = polynomial(work, [(-1)**(k + 1) / math.factorial(2 * k + 3) for k in range(terms)])
    cosine = polynomial(work, [(-1)**k / math.factorial(2 * k + 4) for k in range(terms)])

    @strict
    def pairs(y):                                                          # q; sin(r) and cos(r) as pairs
        q, r, r_low = reduced(y)
        z = r * r
        h = half * z
        s, s_low = fast_two_sum(r, r * (z * sine(z)) + r_low * (one - h))
        c, c_low = fast_two_sum(one, -h)
        c, c_low = fast_two_sum(c, c_low + (z * (z * cosine(z)) - r * r_low - half * fma(r, r, -z)))
        return q, s, s_low, c, c_low

    @strict
    def sin(given):                                                        # type: ignore[no-untyped-def]
        x = real(given)
        y = abs(x)
        q, s, _, c, _ = pairs(y)
        value = select((q & one_bit) == none, s, c)
        value = select((q & two_bit) == none, value, -value)
        return select(y < inf, real(value) * sign(unit, x), x - x)

    @strict
    def cos(given):                                                        # type: ignore[no-untyped-def]
        x = real(given)
        y = abs(x)
        q, s, _, c, _ = pairs(y)
        value = select((q & one_bit) == none, c, s)
        value = select(((q + one_bit) & two_bit) == none, value, -value)
        return select(y < inf, real(value), x - x)

    @strict
    def tan(given):                                                        # type: ignore[no-untyped-def]
        x = real(given)
        y = abs(x)
        q, s, s_low, c, c_low = pairs(y)
        even = (q & one_bit) == none
        n, n_low = select(even, s, -c), select(even, s_low, -c_low)
        d, d_low = select(even, c, s), select(even, c_low, s_low)
        t = n / d
        t = t + (fma(-t, d, n) + (n_low - t * d_low)) / d
        return select(y < inf, real(t) * sign(unit, x), x - x)

    return sin, cos, tan
