"""Loads and stores of several neighbours in one instruction: 128 bits are four float32 or two float64.

    a, b, c, d = load4(x, i)        x[i], x[i+1], x[i+2], x[i+3]
    store4(x, i, a, b, c, d)

The address of x[i] must be a multiple of what is moved at once: a card faults on others, and so does the emulator. Without an intrinsic, NVVM
does not join loads, because it does not know the alignment. `x` is a pointer, as kernels have them; `i` any integer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from graphc.codegen.cudalib.toolkit import tool

__all__ = ["load2", "load4", "store2", "store4"]

types, intrinsic = tool("types"), tool("extending").intrinsic


def _address(ctx: Any, builder: Any, signature: Any, arguments: Any, count: int) -> tuple[Any, Any, int]:
    """The address of x[i] as that of a vector, the vector's type, its alignment in bytes."""
    pointer, index = signature.args[:2]
    element = ctx.get_data_type(pointer.dtype)
    place = builder.gep(arguments[0], [ctx.cast(builder, arguments[1], index, types.intp)])
    vector = ir.VectorType(element, count)
    return builder.bitcast(place, vector.as_pointer()), vector, count * pointer.dtype.bitwidth // 8


def _load(count: int) -> Callable[..., Any]:
    @intrinsic
    def load(context, x, i):                                               # type: ignore[no-untyped-def]
        def generate(ctx, builder, signature, arguments):                  # type: ignore[no-untyped-def]
            address, _, align = _address(ctx, builder, signature, arguments, count)
            value = builder.load(address, align=align)
            parts = [builder.extract_element(value, ir.Constant(ir.IntType(32), k)) for k in range(count)]
            return ctx.make_tuple(builder, signature.return_type, parts)
        return types.UniTuple(x.dtype, count)(x, i), generate
    return load                                                            # type: ignore[no-any-return]


def _stored(count: int, x: Any, i: Any) -> tuple[Any, Callable[..., Any]]:
    def generate(ctx, builder, signature, arguments):                      # type: ignore[no-untyped-def]
        address, vector, align = _address(ctx, builder, signature, arguments, count)
        value = ir.Constant(vector, ir.Undefined)
        for k, part in enumerate(arguments[2:]):
            value = builder.insert_element(value, part, ir.Constant(ir.IntType(32), k))
        builder.store(value, address, align=align)
        return ctx.get_dummy_value()
    return types.void(x, i, *[x.dtype] * count), generate


load2, load4 = _load(2), _load(4)
store2 = intrinsic(lambda context, x, i, a, b: _stored(2, x, i))
store4 = intrinsic(lambda context, x, i, a, b, c, d: _stored(4, x, i))
