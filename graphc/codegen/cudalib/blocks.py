r"""Groups of threads: who is who, what they load and save together, and how they fold what each has found.

    group       `threads` neighbours, a power of two: a thread, a part of a warp, a warp, or a whole block
    fold        x_0 + x_1 + ... over a group, the same bits in each thread: shuffles inside warps, then the warps' parts in order
    gathered    a thread's share, in order, of what blocks have found; the group folds them

Functions take the number of threads as a constant of the kernel: what it decides is decided when a kernel is compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.codegen.cudalib.names import cuda, inlined, int64, uint32
from graphc.codegen.cudalib.vectors import load2, load4, store2, store4

__all__ = ["lane", "group", "groups", "block", "at", "barrier", "load_row", "save_row", "load_part", "save_part", "fold_sum", "fold_prod",
           "fold_max", "fold_min", "fold_argmax", "fold_argmin", "gathered_sum", "gathered_prod", "gathered_max", "gathered_min",
           "gathered_argmax", "gathered_argmin"]

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
def at(e, here, threads, vector):                                          # the place in a row of a thread's e-th element
    return ((e // vector) * threads + here) * vector + e % vector


@inlined
def _mask(threads):                                                        # a group's threads in their warp
    if threads >= WARP:
        return uint32(0xFFFFFFFF)
    return uint32(((int64(1) << threads) - 1) << (cuda.threadIdx.x & uint32(WARP - threads)))


@inlined
def barrier(threads):
    if threads > WARP:
        cuda.syncthreads()
    elif threads > 1:
        cuda.syncwarp(_mask(threads))


# --- rows in registers ------------------------------------------------------------------------------------------------

@inlined
def load(row, k, source, j, vector):                                       # row[k:k + vector] = source[j:j + vector]
    if vector == 4:
        row[k], row[k + 1], row[k + 2], row[k + 3] = load4(source, j)
    elif vector == 2:
        row[k], row[k + 1] = load2(source, j)
    else:
        row[k] = source[j]


@inlined
def store(row, k, target, j, vector):
    if vector == 4:
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


# --- folds ------------------------------------------------------------------------------------------------------------

def _fold(combine: Callable[..., Any]) -> Callable[..., Any]:
    @inlined
    def fold(x, kind, threads):
        offset = min(threads, WARP) // 2
        while offset > 0:
            x = combine(x, cuda.shfl_xor_sync(_mask(threads), x, offset))
            offset //= 2
        if threads > WARP:
            parts = cuda.shared.array(WARP, kind)
            cuda.syncthreads()                                             # who still reads the parts of a fold before
            if cuda.threadIdx.x & uint32(WARP - 1) == 0:
                parts[cuda.threadIdx.x // uint32(WARP)] = x
            cuda.syncthreads()
            x = parts[0]
            for k in range(1, threads // WARP):
                x = combine(x, parts[k])
        return x
    return fold


def _gathered(combine: Callable[..., Any]) -> Callable[..., Any]:
    @inlined
    def gathered(parts, first, number, neutral, threads):                  # a thread's share of what blocks have found
        x = neutral
        k = int64(cuda.threadIdx.x)
        while k < number:
            x = combine(x, parts[first + k])
            k += threads
        return x
    return gathered


@inlined
def _sum(a, b):
    return a + b


@inlined
def _prod(a, b):
    return a * b


@inlined
def _max(a, b):                                                            # NaN is kept
    return a if a >= b or a != a else b


@inlined
def _min(a, b):
    return a if a <= b or a != a else b


fold_sum, fold_prod, fold_max, fold_min = map(_fold, (_sum, _prod, _max, _min))
gathered_sum, gathered_prod, gathered_max, gathered_min = map(_gathered, (_sum, _prod, _max, _min))


def _fold_best(better: Callable[..., Any]) -> Callable[..., Any]:
    @inlined
    def fold(best, place, kind, threads):                                  # the first place of the best; the first NaN is best of all
        offset = min(threads, WARP) // 2
        while offset > 0:
            x = cuda.shfl_xor_sync(_mask(threads), best, offset)
            k = cuda.shfl_xor_sync(_mask(threads), place, offset)
            if better(x, k, best, place):
                best, place = x, k
            offset //= 2
        if threads > WARP:
            bests, places = cuda.shared.array(WARP, kind), cuda.shared.array(WARP, int64)
            cuda.syncthreads()
            if cuda.threadIdx.x & uint32(WARP - 1) == 0:
                bests[cuda.threadIdx.x // uint32(WARP)] = best
                places[cuda.threadIdx.x // uint32(WARP)] = place
            cuda.syncthreads()
            best, place = bests[0], places[0]
            for w in range(1, threads // WARP):
                if better(bests[w], places[w], best, place):
                    best, place = bests[w], places[w]
        return best, place
    return fold


@inlined
def _above(x, k, best, place):
    if x != x or best != best:
        return x != x and (best == best or k < place)
    return x > best or x == best and k < place


@inlined
def _below(x, k, best, place):
    if x != x or best != best:
        return x != x and (best == best or k < place)
    return x < best or x == best and k < place


fold_argmax, fold_argmin = _fold_best(_above), _fold_best(_below)


def _gathered_best(better: Callable[..., Any]) -> Callable[..., Any]:
    @inlined
    def gathered(bests, places, first, number, neutral, threads):
        best, place = neutral, int64(0)
        k = int64(cuda.threadIdx.x)
        while k < number:
            if better(bests[first + k], places[first + k], best, place):
                best, place = bests[first + k], places[first + k]
            k += threads
        return best, place
    return gathered


gathered_argmax, gathered_argmin = _gathered_best(_above), _gathered_best(_below)
