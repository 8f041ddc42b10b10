"""Chunks of a loop, in which wide sums are narrow (see graphc.loops.chunks)."""

from __future__ import annotations

from llvmlite import ir
from numba import int64

from graphc.codegen.mathlib.formats import strict
from graphc.codegen.mathlib.pairs import two_sum
from graphc.codegen.mathlib.targets import intrinsic

__all__ = ["CHUNK", "at", "add_part", "settled"]

CHUNK = 256


@strict
def add_part(total, rest, part):                                           # type: ignore[no-untyped-def]
    """total + part, and the rest with what that rounds away."""
    total, error = two_sum(total, part)
    return total, rest + error


@strict
def settled(total, rest):                                                  # type: ignore[no-untyped-def]
    """total + rest; where the total is infinite, the rest means nothing."""
    return total + rest if rest - rest == 0 else total


@intrinsic
def at(context, first, step):                                              # type: ignore[no-untyped-def]
    """first + step, of numbers that are not negative. LLVM is told so: it cannot vectorise a loop with the test for indices that count from
    the end, and does not see that the sum never overflows."""
    def generate(ctx, builder, signature, arguments):                      # type: ignore[no-untyped-def]
        a, b = (ctx.cast(builder, v, t, int64) for v, t in zip(arguments, signature.args, strict=True))
        assume = builder.module.declare_intrinsic("llvm.assume", [], ir.FunctionType(ir.VoidType(), [ir.IntType(1)]))
        builder.call(assume, [builder.icmp_signed(">=", a, ir.Constant(a.type, 0))])
        return builder.add(a, b, flags=("nsw", "nuw"))
    return int64(first, step), generate
