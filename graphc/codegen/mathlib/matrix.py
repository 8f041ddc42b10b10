r"""Matrix products, and the height of the tiles in which a loss runs over rows.

    out = a @ b     or     out += a @ b

Large products are BLAS calls (gemm), which take transposes and add to their result without a copy. Products of at most 8 x 8 x 8 are loops:
there a call costs more than the work.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import boolean, types
from numba.core import cgutils
from numba.extending import intrinsic

from graphc.codegen.mathlib.blas import GEMM
from graphc.codegen.mathlib.compiled import compiled
from graphc.codegen.mathlib.formats import reordered

__all__ = ["matmul", "tile_rows"]

plus = reordered("fadd")

SMALL = 512                    # multiplications; up to here loops are faster than a call of BLAS
CACHED = 2**16                 # elements of a tile and of the inputs' rows beside it that stay in a processor's own cache
HELD = 2**17                   # matrices with more elements than this are read from farther away at each tile, so tiles are high
LOW, HIGH = 16, 128            # rows of a tile: at least; and where large matrices are read again for each
MOST = 2**22                   # elements of a tile, whatever the rows' width: 16 MB in single precision


@intrinsic
def gemm(context, a, b, out, add):                                         # type: ignore[no-untyped-def]
    """out = a @ b + add*out by BLAS. The last or the first axis of a and b is contiguous, the last of out."""
    def generate(ctx, builder, signature, arguments):                      # type: ignore[no-untyped-def]
        # BLAS counts columns first: it is given out' = b' a'
        left, right, result = (_Matrix(ctx, builder, t, v) for t, v in zip(signature.args[:3], arguments[:3], strict=True))
        real = ctx.get_value_type(out.dtype)
        beta = builder.uitofp(ctx.cast(builder, arguments[3], signature.args[3], boolean), real)
        values = [right.transposed, left.transposed, *(_slot(builder, size) for size in (right.columns, left.rows, left.columns)),
                  _slot(builder, ir.Constant(real, 1.0)), right.data, right.leading, left.data, left.leading, _slot(builder, beta),
                  result.data, result.leading]
        kind = ir.FunctionType(ir.VoidType(), [v.type for v in values])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, f"graphc_{GEMM[out.dtype.name]}"), values)
        return ctx.get_dummy_value()
    return types.void(a, b, out, add), generate


class _Matrix:
    """What BLAS asks of an array: its data, its sizes, whether it is transposed, and the distance between its rows (or columns)."""

    def __init__(self, context: Any, builder: Any, kind: types.Array, value: Any):
        array = context.make_array(kind)(context, builder, value)
        first_contiguous = kind.layout == "F"
        number, self.data = ir.IntType(32), array.data
        sizes, strides = (cgutils.unpack_tuple(builder, part, 2) for part in (array.shape, array.strides))
        self.rows, self.columns = (builder.trunc(size, number) for size in sizes)
        item = ir.Constant(strides[0].type, kind.dtype.bitwidth // 8)        # type: ignore[attr-defined]
        leading = builder.trunc(builder.sdiv(strides[1 if first_contiguous else 0], item), number)
        least = self.rows if first_contiguous else self.columns
        for low in (least, ir.Constant(number, 1)):                        # BLAS refuses less, NumPy has any stride where a size is 1
            leading = builder.select(builder.icmp_signed("<", leading, low), low, leading)
        self.leading = _slot(builder, leading)
        self.transposed = _slot(builder, ir.Constant(ir.IntType(8), ord("T" if first_contiguous else "N")))


def _slot(builder: Any, value: Any) -> Any:
    """The address of a value: BLAS takes all arguments by address."""
    return cgutils.alloca_once_value(builder, value)


@compiled(fastmath={"contract"})
def matmul(a, b, out, add=False):                                         # type: ignore[no-untyped-def]
    """out = a @ b, or out += a @ b where `add` is true."""
    rows, inner = a.shape
    columns = b.shape[1]
    if rows * inner * columns > SMALL:
        gemm(a, b, out, add)
        return
    for i in range(rows):
        for j in range(columns):
            total = out[i, j] if add else out.dtype.type(0)
            for k in range(inner):
                total = plus(total, a[i, k] * b[k, j])
            out[i, j] = total


@compiled()
def tile_rows(n, scratch, streamed, held):                                 # type: ignore[no-untyped-def]
    """How many of n rows a tile has: `scratch` elements a row are made in it, `streamed` come from inputs, matrices of `held` elements
    are read for each tile. It depends on sizes alone, so that results do not depend on the machine. Tiles are of nearly equal height.
    """
    rows = max(LOW, CACHED // (scratch + streamed))
    if held > HELD:
        rows = max(rows, HIGH)
    rows = max(LOW, min(rows, MOST // max(1, scratch)))
    tiles = max(1, (n + rows - 1) // rows)
    rows = (n + tiles - 1) // tiles
    return max(LOW, (rows + LOW - 1) // LOW * LOW)
