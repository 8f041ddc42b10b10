"""maximum and minimum that keep NaN and vectorise: LLVM's own, where Python's `max` is a branch an element (2.1 against 0.24 ns)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

__all__ = ["extremum"]


def extremum(real: Any, name: str) -> Callable[..., Any]:
    """llvm.maximum or llvm.minimum in the precision `real`: NaN if either argument is, and -0 < +0."""

    @intrinsic
    def function(context, a, b):                                           # type: ignore[no-untyped-def]
        def generate(ctx, builder, signature, arguments):                  # type: ignore[no-untyped-def]
            kind = ctx.get_value_type(real)
            values = [ctx.cast(builder, v, t, real) for v, t in zip(arguments, signature.args, strict=True)]
            called = builder.module.declare_intrinsic(name, [kind], ir.FunctionType(kind, [kind, kind]))
            return builder.call(called, values)
        return real(a, b), generate

    return function
