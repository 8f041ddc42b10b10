r"""How far a float is from the truth, in units in the last place; and how far it may be.

    ulp(y)   = 2^(e - p)  for 2^(e-1) <= |y| < 2^e  of p binary digits, and never less than the smallest subnormal
    right    iff  |found - y| <= max(4, 2 cond) * sqrt(n) ulp(y)
    cond     = 2 * the most that y moves, in ulps, when each input moves by half of its own last place, up or down at random
    n        = the terms of the longest sum or product

No algorithm that reads rounded inputs can promise less than cond: Higham, Accuracy and Stability of Numerical Algorithms, 2002, 1.6. The
rounding of n terms grows like sqrt(n): Higham and Mary, A new approach to probabilistic rounding error analysis, 2019.

A subnormal result is often a subnormal intermediate times an input, so the bound is then as many times larger as the largest input.
A result that is not finite is right iff the truth is past the largest float, or infinite. At a kink any number between the slopes is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from graphc.analysis.certificate.reference import UNKNOWN, Answer

__all__ = ["Format", "FORMATS", "distance", "half_ulp_away", "TOLERANCE"]

TOLERANCE = 4.0        # ulps, of a well-conditioned number


@dataclass(frozen=True)
class Format:
    """Binary floats of p digits."""

    name: str
    digits: int
    lowest: int            # exponent of the smallest subnormal

    @property
    def largest(self) -> Any:
        return mpmath.mpf(float(np.finfo(self.name).max))

    @property
    def least_normal(self) -> Any:
        return mpmath.mpf(2)**(self.lowest + self.digits - 1)

    @property
    def smallest(self) -> float:
        return 2.0**self.lowest

    def ulp(self, y: Any) -> Any:
        exponent = int(mpmath.mag(y)) - self.digits if y else self.lowest
        return mpmath.mpf(2)**max(exponent, self.lowest)


FORMATS = {f.name: f for f in (Format("float32", 24, -149), Format("float64", 53, -1074))}


def distance(found: Any, answer: Answer, format: Format, scale: Any = None) -> float | None:
    """Ulps (of `scale`, where given) between a result and an answer; infinite where one alone is finite; None where mathematics does not say."""
    if answer.kind in UNKNOWN:
        return None
    low, high, y = answer.low, answer.high, found if isinstance(found, mpmath.mpf) else mpmath.mpf(float(found))
    if not mpmath.isfinite(low):
        return 0.0 if not mpmath.isfinite(y) and (mpmath.isnan(low) or not y == -low) else np.inf
    if not mpmath.isfinite(y):
        return 0.0 if _overflows(y, low, high, format) else np.inf
    end = low if y < low else high
    off = low - y if y < low else y - high
    return max(0.0, float(off / format.ulp(end if scale is None else scale)))


def _overflows(y: Any, low: Any, high: Any, format: Format) -> bool:
    """Whether infinity (of the right sign, where it has one) is what rounding a number this large gives."""
    edge = format.largest * (1 - mpmath.mpf(2)**(3 - format.digits))
    return bool(high >= edge and not y == -mpmath.inf or low <= -edge and not y == mpmath.inf)


def half_ulp_away(a: np.ndarray, format: Format, rng: np.random.Generator) -> np.ndarray:
    """Each number moved by half of its last place, up or down at random."""
    signs = rng.choice([-1, 1], a.shape)

    def move(x: Any, s: Any) -> Any:
        y = mpmath.mpf(float(x))
        return y + int(s) * format.ulp(y) / 2 if y and mpmath.isfinite(y) else y

    with mpmath.workprec(2 * format.digits):
        return np.asarray(np.frompyfunc(move, 2, 1)(a, signs), dtype=object)
