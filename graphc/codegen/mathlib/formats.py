r"""What branch-free functions are made of: the two float formats, casts between bits and values, polynomials.

    x = (-1)^sign 2^(exponent - bias) (1 + fraction / 2^mantissa)

Adding 1.5 2^mantissa rounds a real to an integer and leaves that integer in the low bits. So reals become integers and integers reals by
an addition and a cast of bits: the processor's own conversion of 64 bits is not a vector instruction everywhere.

Functions are inlined, since a call would keep the loop around it from being vectorised. One that says nothing of fastmath inherits what its
caller allows: `strict` allows nothing, `contracted` that a product and a sum become one instruction.
`select` is LLVM's instruction; Python's `a if c else b` is a branch, which LLVM does not always turn into it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba import boolean, float32, float64, int32, int64

from graphc.codegen.mathlib.compiled import compiled
from graphc.codegen.mathlib.targets import intrinsic

__all__ = ["Format", "FORMATS", "strict", "contracted", "select", "reordered", "casts", "polynomial"]


strict = compiled(forceinline=True, fastmath=False)
contracted = compiled(forceinline=True, fastmath={"contract"})


@dataclass(frozen=True)
class Format:
    """A float format: its integer twin, its bits; ln 2 in two parts, of which the first times an exponent is exact."""

    integer: Any
    scalar: type[np.floating]
    mantissa: int
    bias: int
    ln2_high: float
    ln2_low: float

    @property
    def rounder(self) -> float:
        return 1.5 * 2.0**self.mantissa

    def bits(self, value: float) -> int:
        """The bits of a value, as an integer."""
        return int.from_bytes(self.scalar(value).tobytes(), "little" if np.little_endian else "big")

    def pair(self, value: Any) -> tuple[float, float]:
        """A number of mpmath as the sum of two of this format."""
        high = float(self.scalar(float(value)))
        return high, float(self.scalar(float(value - high)))


FORMATS = {
    float32: Format(int32, np.float32, 23, 127, 0.693359375, -2.12194440e-4),
    float64: Format(int64, np.float64, 52, 1023, 6.93147180369123816490e-01, 1.90821492927058770002e-10),
}


@intrinsic
def select(context, condition, yes, no):                                   # type: ignore[no-untyped-def]
    """yes if condition else no; both are computed."""
    result = context.unify_types(yes, no)

    def generate(ctx, builder, signature, arguments):                      # type: ignore[no-untyped-def]
        return builder.select(*(ctx.cast(builder, v, t, w) for v, t, w in zip(arguments, signature.args, (boolean, result, result), strict=True)))
    return result(condition, yes, no), generate


def reordered(instruction: str) -> Callable[..., Any]:
    """a + b or a * b in a loop that accumulates: the one operation whose order LLVM may change, so that it vectorises."""

    @intrinsic
    def accumulate(context, total, value):                                 # type: ignore[no-untyped-def]
        result = context.unify_types(total, value)

        def generate(ctx, builder, signature, arguments):                  # type: ignore[no-untyped-def]
            values = [ctx.cast(builder, v, t, result) for v, t in zip(arguments, signature.args, strict=True)]
            return getattr(builder, instruction)(*values, flags=("reassoc", "contract"))
        return result(total, value), generate

    return accumulate


def casts(real: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """as_real(bits) and as_integer(value): the same bits, read as the other type."""
    integer = FORMATS[real].integer

    def cast(source: Any, target: Any) -> Callable[..., Any]:
        @intrinsic
        def read_as(context, value):                                       # type: ignore[no-untyped-def]
            def generate(ctx, builder, signature, arguments):              # type: ignore[no-untyped-def]
                return builder.bitcast(ctx.cast(builder, arguments[0], signature.args[0], source), ctx.get_value_type(target))
            return target(value), generate
        return read_as

    return cast(integer, real), cast(real, integer)


def polynomial(real: Any, coefficients: Sequence[float]) -> Callable[..., Any]:
    """c[0] + c[1]*x + c[2]*x**2 + ... by Horner's rule, with fused multiply-adds where the processor has them.

    Written out in LLVM's language: a loop over the coefficients costs Numba more time, and is not unrolled when it is long.
    """
    @intrinsic
    def horner(context, x):                                                # type: ignore[no-untyped-def]
        def generate(ctx, builder, signature, arguments):                  # type: ignore[no-untyped-def]
            kind, at = ctx.get_value_type(real), ctx.cast(builder, arguments[0], signature.args[0], real)
            first, *rest = (ir.Constant(kind, float(FORMATS[real].scalar(c))) for c in reversed(coefficients))
            for c in rest:
                first = builder.fadd(builder.fmul(first, at, flags=["contract"]), c, flags=["contract"])
            return first
        return real(x), generate

    return horner
