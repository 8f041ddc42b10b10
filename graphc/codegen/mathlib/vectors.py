r"""A matrix times a vector, eight rows at once.

    out[i] = sum over k of a[i, k] x[k]       each row adds up in the lanes of one vector, which are added at the end
    out[k] = sum over i of a[i, k] x[i]       eight rows join a vector of out between one load and one store

A loop over one row has a rest that fills no vector, and reads x (or out) anew for each row. So these are written in LLVM's language, with vectors of
64 bytes, which LLVM cuts to what the processor has. The vector that ends a row overlaps the one before: the lanes that this had are masked.
The rows after the last eight take plain loops, and so do rows shorter than a vector, but for the second product of many of them, where BLAS is
faster. The order of additions depends on sizes alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import int64, types
from numba.core import cgutils
from numba.extending import intrinsic

from graphc.codegen.mathlib.compiled import compiled
from graphc.codegen.mathlib.formats import reordered
from graphc.codegen.mathlib.matrix import SMALL, gemm

__all__ = ["matvec", "vecmat"]

ROWS, BYTES = 8, 64
INDEX = ir.IntType(64)
plus = reordered("fadd")


class _Rows:
    """ROWS rows of a contiguous matrix, from a first one on, as vectors; `full` numbers of a row fill vectors, and one at `last` ends the row."""

    def __init__(self, context: Any, builder: Any, kind: types.Array, matrix: Any, first: Any):
        self.context, self.builder = context, builder
        self.item = kind.dtype.bitwidth // 8                               # type: ignore[attr-defined]
        self.lanes = BYTES // self.item
        self.kind = ir.VectorType(context.get_value_type(kind.dtype), self.lanes)
        array = context.make_array(kind)(context, builder, matrix)
        self.width = cgutils.unpack_tuple(builder, array.shape, 2)[1]
        self.numbers = [builder.add(first, ir.Constant(INDEX, r)) for r in range(ROWS)]
        self.rows = [builder.gep(array.data, [builder.mul(i, self.width)]) for i in self.numbers]
        self.full = builder.mul(builder.sdiv(self.width, ir.Constant(INDEX, self.lanes)), ir.Constant(INDEX, self.lanes))
        self.last = builder.sub(self.width, ir.Constant(INDEX, self.lanes))

    def data(self, kind: types.Array, array: Any) -> Any:
        return self.context.make_array(kind)(self.context, self.builder, array).data

    def vector(self, data: Any, k: Any) -> Any:
        """The address of the vector that begins at data[k]."""
        return self.builder.bitcast(self.builder.gep(data, [k]), self.kind.as_pointer())

    def load(self, data: Any, k: Any) -> Any:
        return self.builder.load(self.vector(data, k), align=self.item)

    def plus_product(self, total: Any, a: Any, b: Any) -> Any:
        return self.builder.fadd(total, self.builder.fmul(a, b, flags=["contract"]), flags=["contract"])

    def splat(self, number: Any) -> Any:
        """A vector of one number."""
        none = ir.Constant(ir.VectorType(number.type, self.lanes), ir.Undefined)
        first = self.builder.insert_element(none, number, ir.Constant(INDEX, 0))
        return self.builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes))

    def total(self, vector: Any) -> Any:
        """The sum of the lanes, by halves."""
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            half = ir.VectorType(ir.IntType(32), lanes)
            low, high = (ir.Constant(half, list(range(k, k + lanes))) for k in (0, lanes))
            vector = self.builder.fadd(*(self.builder.shuffle_vector(vector, vector, part) for part in (low, high)))
        return self.builder.extract_element(vector, ir.Constant(INDEX, 0))

    def along(self, step: Callable[[Any, Callable[[Any], Any]], None]) -> None:
        """step(k, masked) for each vector of a row; `masked` makes 0 of what the vector before had."""
        with cgutils.for_range_slice(self.builder, ir.Constant(INDEX, 0), self.full, ir.Constant(INDEX, self.lanes)) as (k, _):
            step(k, lambda vector: vector)
        with self.builder.if_then(self.builder.icmp_signed("<", self.full, self.width)):
            places = ir.Constant(ir.VectorType(INDEX, self.lanes), list(range(self.lanes)))
            new = self.builder.icmp_signed(">=", places, self.splat(self.builder.sub(self.full, self.last)))
            step(self.last, lambda vector: self.builder.select(new, vector, ir.Constant(self.kind, [0.0] * self.lanes)))


@intrinsic
def dots(context, a, x, out, first):                                       # type: ignore[no-untyped-def]
    """out[i] = a[i] @ x for ROWS rows from `first` on."""
    def generate(ctx, builder, signature, arguments):                      # type: ignore[no-untyped-def]
        rows = _Rows(ctx, builder, a, arguments[0], arguments[3])
        vector, result = rows.data(x, arguments[1]), rows.data(out, arguments[2])
        totals = [cgutils.alloca_once_value(builder, ir.Constant(rows.kind, [0.0] * rows.lanes)) for _ in rows.rows]
        for total in totals:
            builder.store(ir.Constant(rows.kind, [0.0] * rows.lanes), total)

        def step(k: Any, masked: Callable[[Any], Any]) -> None:
            b = masked(rows.load(vector, k))
            for row, total in zip(rows.rows, totals, strict=True):
                builder.store(rows.plus_product(builder.load(total), masked(rows.load(row, k)), b), total)
        rows.along(step)
        for i, total in zip(rows.numbers, totals, strict=True):
            builder.store(rows.total(builder.load(total)), builder.gep(result, [i]))
        return ctx.get_dummy_value()
    return types.void(a, x, out, int64), generate


@intrinsic
def join(context, a, x, out, first):                                       # type: ignore[no-untyped-def]
    """out += x[i]*a[i] for ROWS rows from `first` on."""
    def generate(ctx, builder, signature, arguments):                      # type: ignore[no-untyped-def]
        rows = _Rows(ctx, builder, a, arguments[0], arguments[3])
        vector, result = rows.data(x, arguments[1]), rows.data(out, arguments[2])
        factors = [rows.splat(builder.load(builder.gep(vector, [i]))) for i in rows.numbers]

        def step(k: Any, masked: Callable[[Any], Any]) -> None:
            sums = [ir.Constant(rows.kind, [0.0] * rows.lanes)] * 2        # two, so that one need not wait for the other
            for r, (row, factor) in enumerate(zip(rows.rows, factors, strict=True)):
                sums[r % 2] = rows.plus_product(sums[r % 2], rows.load(row, k), factor)
            total = builder.fadd(rows.load(result, k), masked(builder.fadd(*sums)))
            builder.store(total, rows.vector(result, k), align=rows.item)
        rows.along(step)
        return ctx.get_dummy_value()
    return types.void(a, x, out, int64), generate


def _blocks(block: Callable[..., None]) -> Callable[..., int]:
    """How many rows are done in blocks of ROWS: none where rows are shorter than a vector."""
    @compiled()
    def run(a, x, out):                                                    # type: ignore[no-untyped-def]
        n = a.shape[0] // ROWS * ROWS if a.shape[1] * a.itemsize >= BYTES else 0
        for i in range(0, n, ROWS):
            block(a, x, out, i)
        return n

    return run


in_dots, joined = _blocks(dots), _blocks(join)


@compiled(fastmath={"contract"})
def matvec(a, x, out):                                                     # type: ignore[no-untyped-def]
    """out = a @ x"""
    for i in range(in_dots(a, x, out), a.shape[0]):
        total = out.dtype.type(0)
        for k in range(a.shape[1]):
            total = plus(total, a[i, k] * x[k])
        out[i] = total


@compiled(fastmath={"contract"})
def vecmat(x, a, out, add=False):                                          # type: ignore[no-untyped-def]
    """out = x @ a, or out += x @ a where `add` is true."""
    if a.size > SMALL and a.shape[1] * a.itemsize < BYTES:
        gemm(a.T, x.reshape((x.size, 1)), out.reshape((out.size, 1)), add)
        return
    if not add:
        out[:] = 0
    for i in range(joined(a, x, out), a.shape[0]):
        for k in range(a.shape[1]):
            out[k] += a[i, k] * x[i]
