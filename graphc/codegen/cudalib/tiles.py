r"""Tiles in shared memory, which all threads of a block load, and its groups read.

    tile[r, k] = source[first + r*size + k]        r*step + k, with an odd step: the lanes of a warp, each at a row, are in different banks

Numbers of places are unsigned where they index: Numba asks of others whether they are below 0.
"""

from __future__ import annotations

from graphc.codegen.cudalib.names import cuda, inlined, int64, uint64

__all__ = ["neighbour", "odd", "fitting", "load_tile", "load_column"]


@inlined
def neighbour(threads):                                                    # the number of a thread's group in its block
    return int64(cuda.threadIdx.x) // threads


@inlined
def odd(size):                                                             # places from row to row, so that a column is in different banks
    return size | 1


@inlined
def fitting(tile, step, threads):                                          # rows of a tile; each thread of a group has the same ones in every tile
    return tile // step // threads * threads


@inlined
def load_tile(tile, source, first, rows, size, step):                      # rows of `size` neighbours
    cuda.syncthreads()                                                     # who still reads what was there before
    if size > 0:
        threads = int64(cuda.blockDim.x)
        r, k = int64(cuda.threadIdx.x) // size, int64(cuda.threadIdx.x) % size
        down, right = threads // size, threads % size
        while r < rows:
            tile[uint64(r * step + k)] = source[first + r * size + k]
            r, k = r + down, k + right
            if k >= size:
                r, k = r + 1, k - size
    cuda.syncthreads()


@inlined
def load_column(tile, source, first, rows, size):                          # one element of each of so many rows
    cuda.syncthreads()
    r = int64(cuda.threadIdx.x)
    while r < rows:
        tile[uint64(r)] = source[first + r * size]
        r += int64(cuda.blockDim.x)
    cuda.syncthreads()
