"""Loads and stores of several neighbours at once, in instructions of 128 bits: four float32, two float64, eight halves.

    a, b, c, d = load4(x, i)        x[i], x[i+1], x[i+2], x[i+3]
    store4(x, i, a, b, c, d)

The address of x[i] must be a multiple of what is moved at once: a card faults on others, and so does the emulator. Without an intrinsic, NVVM
does not join loads, because it does not know the alignment. `x` is a pointer, as kernels have them; `i` any integer. Eight float32 are moved in two
instructions; halves are converted (see `halves`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from llvmlite import ir

from graphc.codegen.cudalib import halves
from graphc.codegen.cudalib.toolkit import tool

__all__ = ["load2", "load4", "load8", "store2", "store4", "store8"]

types, intrinsic = tool("types"), tool("extending").intrinsic
MOST = 16                       # bytes of one instruction


def _pieces(ctx: Any, builder: Any, signature: Any, arguments: Any, count: int) -> Iterator[tuple[Any, int, int]]:
    """What one instruction moves, one after another: the address of a vector, how many elements it has, its alignment. Halves go by words."""
    pointer, index = signature.args[:2]
    place = builder.gep(arguments[0], [ctx.cast(builder, arguments[1], index, types.intp)])
    element, size = ctx.get_data_type(pointer.dtype), pointer.dtype.bitwidth // 8
    if isinstance(pointer, halves.Halves):
        element, size, count = halves.WORD, 4, count // 2
    place = builder.bitcast(place, element.as_pointer())
    step = min(count, MOST // size)
    for k in range(0, count, step):
        at = builder.gep(place, [ir.Constant(ir.IntType(64), k)]) if k else place
        yield builder.bitcast(at, ir.VectorType(element, step).as_pointer()), step, step * size


def _load(count: int) -> Callable[..., Any]:
    @intrinsic
    def load(context, x, i):                                               # type: ignore[no-untyped-def]
        def generate(ctx, builder, signature, arguments):                  # type: ignore[no-untyped-def]
            found = []
            for address, size, align in _pieces(ctx, builder, signature, arguments, count):
                value = builder.load(address, align=align)
                found += [builder.extract_element(value, ir.Constant(ir.IntType(32), k)) for k in range(size)]
            if isinstance(x, halves.Halves):
                found = [part for word in found for part in halves.parts(builder, x, word)]
            return ctx.make_tuple(builder, signature.return_type, found)
        return types.UniTuple(x.dtype, count)(x, i), generate
    return load                                                            # type: ignore[no-any-return]


def _stored(count: int, x: Any, i: Any) -> tuple[Any, Callable[..., Any]]:
    def generate(ctx, builder, signature, arguments):                      # type: ignore[no-untyped-def]
        values = list(arguments[2:])
        if isinstance(x, halves.Halves):
            values = halves.words(builder, x, values)
        for address, size, align in _pieces(ctx, builder, signature, arguments, count):
            value = ir.Constant(address.type.pointee, ir.Undefined)
            for k in range(size):
                value = builder.insert_element(value, values.pop(0), ir.Constant(ir.IntType(32), k))
            builder.store(value, address, align=align)
        return ctx.get_dummy_value()
    return types.void(x, i, *[x.dtype] * count), generate


load2, load4, load8 = _load(2), _load(4), _load(8)
store2 = intrinsic(lambda context, x, i, a, b: _stored(2, x, i))
store4 = intrinsic(lambda context, x, i, a, b, c, d: _stored(4, x, i))
store8 = intrinsic(lambda context, x, i, a, b, c, d, e, f, g, h: _stored(8, x, i))
