r"""Folds of what the threads of a group have found, and of what blocks have.

    fold        x_0 + x_1 + ... over a group, the same bits in each thread: shuffles inside warps, then the warps' parts in order
    gathered    a thread's share, in order, of what blocks have found; the group folds them

    scan        (what the threads before have found with the carry, that and a thread's own, that of all): what a loop adds up as it goes

Folds and scans have shared memory of their own, so that a kernel calls them, and no function that it calls besides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.codegen.cudalib.blocks import WARP, mask
from graphc.codegen.cudalib.names import cuda, inlined, int64, uint32

__all__ = ["fold_sum", "fold_prod", "fold_max", "fold_min", "fold_argmax", "fold_argmin", "gathered_sum", "gathered_prod", "gathered_max",
           "gathered_min", "gathered_argmax", "gathered_argmin", "scan_sum", "scan_prod", "scan_max", "scan_min", "scan_fade"]


def _fold(combine: Callable[..., Any]) -> Callable[..., Any]:
    @inlined
    def fold(x, kind, threads):
        offset = min(threads, WARP) // 2
        while offset > 0:
            x = combine(x, cuda.shfl_xor_sync(mask(threads), x, offset))
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
    def gathered(parts, first, step, number, neutral, here, threads):      # a thread's share of what blocks have found
        x = neutral
        k = here
        while k < number:
            x = combine(x, parts[first + k * step])
            k += threads
        return x
    return gathered


@inlined
def total(a, b):
    return a + b


@inlined
def product(a, b):
    return a * b


@inlined
def greatest(a, b):                                                            # NaN is kept
    return a if a >= b or a != a else b


@inlined
def least(a, b):
    return a if a <= b or a != a else b


def _scan(combine: Callable[..., Any]) -> Callable[..., Any]:
    @inlined
    def scan(x, carry, neutral, kind, threads):
        mine = int64(cuda.threadIdx.x) & (min(threads, WARP) - 1)          # in the warp's part of a group, which begins at `first`
        first = (int64(cuda.threadIdx.x) & (WARP - 1)) - mine
        offset = 1
        while offset < min(threads, WARP):
            other = cuda.shfl_sync(mask(threads), x, first + max(mine - offset, 0))
            if mine >= offset:
                x = combine(other, x)
            offset *= 2
        before = cuda.shfl_sync(mask(threads), x, first + max(mine - 1, 0))
        total = cuda.shfl_sync(mask(threads), x, first + min(threads, WARP) - 1)
        if mine == 0:
            before = neutral
        start = carry
        if threads > WARP:
            parts = cuda.shared.array(WARP, kind)
            cuda.syncthreads()                                             # who still reads the parts of a scan before
            if mine == WARP - 1:
                parts[cuda.threadIdx.x // uint32(WARP)] = x
            cuda.syncthreads()
            total = neutral
            for w in range(threads // WARP):
                if w == cuda.threadIdx.x // uint32(WARP):
                    start = combine(carry, total)
                total = combine(total, parts[w])
        return combine(start, before), combine(start, x), combine(carry, total)
    return scan


@inlined
def _after(s, d, v):                                                       # d s + v; of no s, v: it meets no NaN
    return v if s == 0 else d * s + v


@inlined
def scan_fade(d, v, carry, kind, threads):
    """(what s is before the thread's own point, what it is after all), where s becomes d s + v at each point and begins as `carry`."""
    mine = int64(cuda.threadIdx.x) & (min(threads, WARP) - 1)
    first = (int64(cuda.threadIdx.x) & (WARP - 1)) - mine
    offset = 1
    while offset < min(threads, WARP):
        from_lane = first + max(mine - offset, 0)
        other_d, other_v = cuda.shfl_sync(mask(threads), d, from_lane), cuda.shfl_sync(mask(threads), v, from_lane)
        if mine >= offset:
            d, v = d * other_d, _after(other_v, d, v)
        offset *= 2
    from_lane, last = first + max(mine - 1, 0), first + min(threads, WARP) - 1
    before_d, before_v = cuda.shfl_sync(mask(threads), d, from_lane), cuda.shfl_sync(mask(threads), v, from_lane)
    start, total = carry, _after(carry, cuda.shfl_sync(mask(threads), d, last), cuda.shfl_sync(mask(threads), v, last))
    if threads > WARP:
        parts_d, parts_v = cuda.shared.array(WARP, kind), cuda.shared.array(WARP, kind)
        cuda.syncthreads()
        if mine == WARP - 1:
            parts_d[cuda.threadIdx.x // uint32(WARP)] = d
            parts_v[cuda.threadIdx.x // uint32(WARP)] = v
        cuda.syncthreads()
        total = carry
        for w in range(threads // WARP):
            if w == cuda.threadIdx.x // uint32(WARP):
                start = total
            total = _after(total, parts_d[w], parts_v[w])
    return start if mine == 0 else _after(start, before_d, before_v), total


fold_sum, fold_prod, fold_max, fold_min = map(_fold, (total, product, greatest, least))
scan_sum, scan_prod, scan_max, scan_min = map(_scan, (total, product, greatest, least))
gathered_sum, gathered_prod, gathered_max, gathered_min = map(_gathered, (total, product, greatest, least))


def _fold_best(better: Callable[..., Any]) -> Callable[..., Any]:
    @inlined
    def fold(best, place, kind, threads):                                  # the first place of the best; the first NaN is best of all
        offset = min(threads, WARP) // 2
        while offset > 0:
            x = cuda.shfl_xor_sync(mask(threads), best, offset)
            k = cuda.shfl_xor_sync(mask(threads), place, offset)
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
def above(x, k, best, place):
    if x != x or best != best:
        return x != x and (best == best or k < place)
    return x > best or x == best and k < place


@inlined
def below(x, k, best, place):
    if x != x or best != best:
        return x != x and (best == best or k < place)
    return x < best or x == best and k < place


fold_argmax, fold_argmin = _fold_best(above), _fold_best(below)


def _gathered_best(better: Callable[..., Any]) -> Callable[..., Any]:
    @inlined
    def gathered(bests, places, first, step, number, neutral, here, threads):
        best, place = neutral, int64(0)
        k = here
        while k < number:
            at = first + k * step
            if better(bests[at], places[at], best, place):
                best, place = bests[at], places[at]
            k += threads
        return best, place
    return gathered


gathered_argmax, gathered_argmin = _gathered_best(above), _gathered_best(below)
