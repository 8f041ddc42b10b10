r"""exp without branches and calls, so that loops over it vectorise.

    x = n ln 2 + r, |r| <= ln(2)/2;   exp(x) = 2^n exp(r)

n by rounding with a large constant, r in two steps (Cody and Waite, 1980), exp(r) by its Taylor polynomial, 2^n in two factors
through the exponent's bits, so that subnormal results round once. At most 1.03 ULP; overflow, underflow and NaN as IEEE has them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numba import float32, float64, int32, int64, njit
from numba.extending import intrinsic

__all__ = ["exponential"]


@dataclass(frozen=True)
class Format:
    """A float format: its integer twin, mantissa bits, exponent bias; ln 2 in two parts; the range of exp; the degree that suffices."""

    integer: Any
    mantissa: int
    bias: int
    ln2_high: float
    ln2_low: float
    least: float
    greatest: float
    degree: int


FORMATS = {
    float32: Format(int32, 23, 127, 0.693359375, -2.12194440e-4, -104.0, 88.8, 7),
    float64: Format(int64, 52, 1023, 6.93147180369123816490e-01, 1.90821492927058770002e-10, -745.2, 709.79, 13),
}


def exponential(real: Any) -> Callable[..., Any]:
    """exp in the precision `real`."""
    f = FORMATS[real]
    integer = f.integer
    one, log2_e, high, low = real(1), real(1 / math.log(2)), real(f.ln2_high), real(f.ln2_low)
    least, greatest, rounder = real(f.least), real(f.greatest), real(1.5 * 2.0**f.mantissa)
    bias, shift = integer(f.bias), integer(f.mantissa)
    coefficients = tuple(real(1 / math.factorial(k)) for k in range(f.degree, 1, -1))

    @intrinsic
    def as_real(context, bits):                                            # type: ignore[no-untyped-def]
        def generate(ctx, builder, signature, arguments):                  # type: ignore[no-untyped-def]
            return builder.bitcast(ctx.cast(builder, arguments[0], signature.args[0], integer), ctx.get_value_type(real))
        return real(bits), generate

    @njit(error_model="numpy", fastmath={"contract"})
    def tail(r):                                                           # type: ignore[no-untyped-def]
        p = coefficients[0]
        for k in range(1, len(coefficients)):
            p = p * r + coefficients[k]
        return p

    @njit(error_model="numpy")
    def exp(x):                                                            # type: ignore[no-untyped-def]
        y = min(max(x, least), greatest)
        n = (y * log2_e + rounder) - rounder
        r = (y - n * high) - n * low
        e = one + (r + r * r * tail(r))
        k = integer(n)
        half = k >> integer(1)
        return e * as_real((half + bias) << shift) * as_real((k - half + bias) << shift) if x == x else x

    return exp
