r"""Strips: neighbouring columns of a block, whose threads go down them side by side.

    thread (k, l):  k DEEP in a column, l of COLUMNS that are neighbours; both are powers of two, and a warp at least together

    deep        x_0 + x_1 + ... over the threads of a column, the same bits in each: shuffles where a warp has several of them, then the warps'
                parts in order

A thread that has no column, because the last strip has fewer, is deeper than any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.codegen.cudalib.blocks import quotient
from graphc.codegen.cudalib.folds import above, below, greatest, least, product, total
from graphc.codegen.cudalib.names import cuda, inlined, int64, uint32

__all__ = ["strips", "across", "down", "deep_sum", "deep_prod", "deep_max", "deep_min", "deep_argmax", "deep_argmin"]

WARP, BLOCK, ALL = 32, 256, 0xFFFFFFFF
DEEPEST = 1 << 60


@inlined
def strips(size, columns):                                                 # of so many columns
    return quotient(size + (columns - 1), columns)


@inlined
def across(strip, columns):                                                # the column of a thread
    return strip * columns + int64(cuda.threadIdx.x & uint32(columns - 1))


@inlined
def down(column, size, columns):                                           # how deep a thread is in its column
    return int64(cuda.threadIdx.x // uint32(columns)) if column < size else int64(DEEPEST)


def _deep(combine: Callable[..., Any]) -> Callable[..., Any]:
    @inlined
    def deep(x, kind, columns, depth):
        offset = WARP // 2
        while offset >= columns:
            x = combine(x, cuda.shfl_xor_sync(uint32(ALL), x, offset))
            offset //= 2
        if columns * depth > max(columns, WARP):
            parts = cuda.shared.array(BLOCK, kind)
            cuda.syncthreads()                                             # who still reads the parts of a fold before
            if cuda.threadIdx.x & uint32(WARP - 1) < min(columns, WARP):
                parts[place(columns)] = x
            cuda.syncthreads()
            x = parts[cuda.threadIdx.x & uint32(columns - 1)]
            for k in range(1, columns * depth // max(columns, WARP)):
                x = combine(x, parts[int64(cuda.threadIdx.x & uint32(columns - 1)) + k * columns])
        return x
    return deep


@inlined
def place(columns):                                                        # of a thread's part: a warp has one for each column
    return int64(cuda.threadIdx.x // uint32(WARP)) * min(columns, WARP) + int64(cuda.threadIdx.x & uint32(WARP - 1))


deep_sum, deep_prod, deep_max, deep_min = map(_deep, (total, product, greatest, least))


def _deep_best(better: Callable[..., Any]) -> Callable[..., Any]:
    @inlined
    def deep(best, position, kind, columns, depth):
        offset = WARP // 2
        while offset >= columns:
            x = cuda.shfl_xor_sync(uint32(ALL), best, offset)
            k = cuda.shfl_xor_sync(uint32(ALL), position, offset)
            if better(x, k, best, position):
                best, position = x, k
            offset //= 2
        if columns * depth > max(columns, WARP):
            bests, positions = cuda.shared.array(BLOCK, kind), cuda.shared.array(BLOCK, int64)
            cuda.syncthreads()
            if cuda.threadIdx.x & uint32(WARP - 1) < min(columns, WARP):
                bests[place(columns)], positions[place(columns)] = best, position
            cuda.syncthreads()
            first = int64(cuda.threadIdx.x & uint32(columns - 1))
            best, position = bests[first], positions[first]
            for k in range(1, columns * depth // max(columns, WARP)):
                if better(bests[first + k * columns], positions[first + k * columns], best, position):
                    best, position = bests[first + k * columns], positions[first + k * columns]
        return best, position
    return deep


deep_argmax, deep_argmin = _deep_best(above), _deep_best(below)
