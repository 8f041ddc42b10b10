r"""Groups of threads: who is who, and what they load and save together.

    group       `threads` neighbours, a power of two: a thread, a part of a warp, a warp, or a whole block

Functions take the number of threads as a constant of the kernel: what it decides is decided when a kernel is compiled.
"""

from __future__ import annotations

from graphc.codegen.cudalib.names import cuda, inlined, int64, uint32, uint64
from graphc.codegen.cudalib.vectors import load2, load4, load8, store2, store4, store8

__all__ = ["lane", "group", "groups", "block", "blocks", "quotient", "at", "mask", "barrier", "load_row", "save_row", "load_part",
           "save_part", "WARP"]

WARP = 32


@inlined
def lane(threads):                                                         # of a thread, in its group
    return int64(cuda.threadIdx.x & uint32(threads - 1))


@inlined
def group(threads):                                                        # the number of a thread's group
    return (int64(cuda.blockIdx.x) * cuda.blockDim.x + cuda.threadIdx.x) // threads


@inlined
def groups(threads):
    return int64(cuda.gridDim.x) * cuda.blockDim.x // threads


@inlined
def block():
    return int64(cuda.blockIdx.x)


@inlined
def blocks():
    return int64(cuda.gridDim.x)


@inlined
def quotient(number, size):                                                # of numbers that are not negative, without Python's rounding down
    return int64(uint64(number) // uint64(size))


@inlined
def at(e, here, threads, vector):                                          # the place in a row of a thread's e-th element
    return ((e // vector) * threads + here) * vector + e % vector


@inlined
def mask(threads):                                                        # a group's threads in their warp
    if threads >= WARP:
        return uint32(0xFFFFFFFF)
    return uint32(((int64(1) << threads) - 1) << (cuda.threadIdx.x & uint32(WARP - threads)))


@inlined
def barrier(threads):
    if threads > WARP:
        cuda.syncthreads()
    elif threads > 1:
        cuda.syncwarp(mask(threads))


# --- rows in registers ------------------------------------------------------------------------------------------------

@inlined
def load(row, k, source, j, vector):                                       # row[k:k + vector] = source[j:j + vector]
    if vector == 8:
        row[k], row[k + 1], row[k + 2], row[k + 3], row[k + 4], row[k + 5], row[k + 6], row[k + 7] = load8(source, j)
    elif vector == 4:
        row[k], row[k + 1], row[k + 2], row[k + 3] = load4(source, j)
    elif vector == 2:
        row[k], row[k + 1] = load2(source, j)
    else:
        row[k] = source[j]


@inlined
def store(row, k, target, j, vector):
    if vector == 8:
        store8(target, j, row[k], row[k + 1], row[k + 2], row[k + 3], row[k + 4], row[k + 5], row[k + 6], row[k + 7])
    elif vector == 4:
        store4(target, j, row[k], row[k + 1], row[k + 2], row[k + 3])
    elif vector == 2:
        store2(target, j, row[k], row[k + 1])
    else:
        target[j] = row[k]


@inlined
def load_row(row, source, first, size, here, threads, width, vector):      # row = source[first:first + size]
    for k in range(width // vector):
        j = (k * threads + here) * vector
        if j < size:
            load(row, k * vector, source, first + j, vector)


@inlined
def save_row(row, target, first, size, here, threads, width, vector):
    for k in range(width // vector):
        j = (k * threads + here) * vector
        if j < size:
            store(row, k * vector, target, first + j, vector)


@inlined
def load_part(row, source, first, size, vector):                           # row = source[first:first + vector], as far as there is one
    if first + vector <= size:
        load(row, 0, source, first, vector)
    else:
        for k in range(vector):
            if first + k < size:
                row[k] = source[first + k]


@inlined
def save_part(row, target, first, size, vector):
    if first + vector <= size:
        store(row, 0, target, first, vector)
    else:
        for k in range(vector):
            if first + k < size:
                target[first + k] = row[k]
