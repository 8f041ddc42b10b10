"""Work in parts on a small pool of Python threads. Kernels release the lock of the interpreter, so their parts run at the same time.

How work is cut depends on extents alone, and results combine in a fixed tree,

    (r0 op r1) op (r2 op r3) ...

so that they are the same bits on any number of threads. The calling thread takes part: a pool that is busy costs time, never progress.
Where others use the processors, a helper that is put to sleep holds up its caller for milliseconds: `Helpers` watches the clock.
"""

from __future__ import annotations

import functools
import operator
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np

__all__ = ["Helpers", "in_parts", "combined"]

_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {"sum": operator.add, "prod": operator.mul, "max": np.maximum, "min": np.minimum}


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="graphc")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)                  # a forked child has none of its parent's threads


def in_parts(work: Callable[[int], Any], parts: int, threads: int) -> list[Any]:
    """[work(0), ..., work(parts - 1)]"""
    results: list[Any] = [None] * parts
    waiting = iter(range(parts))

    def take() -> None:
        for k in waiting:                                                  # each thread takes the next part that nobody has
            results[k] = work(k)
    helpers = min(threads, parts) - 1
    futures = [_pool(threads - 1).submit(take) for _ in range(helpers)]
    try:
        take()
    finally:
        wait([f for f in futures if not f.cancel()])
    for f in futures:
        if not f.cancelled():
            f.result()
    return results


class Helpers:
    """Whether helpers make a piece of work faster, by the time that it took with and without them. The slower way is tried again now and then,
    so seldom that it costs about a twentieth, and judged by what it took then. The first call, which touches new memory and starts threads,
    is not judged."""

    def __init__(self) -> None:
        self.cold = True
        self.mean: dict[bool, float] = {}
        self.wait = 0.0

    def wanted(self) -> bool:
        for way in (True, False):
            if way not in self.mean:
                return way
        faster = self.mean[True] <= self.mean[False]
        self.wait -= 1
        return faster if self.wait > 0 else not faster

    def note(self, way: bool, seconds: float) -> None:
        if self.cold:
            self.cold = False
            return
        tried = self.wait <= 0
        self.mean[way] = seconds if tried else 0.7 * self.mean[way] + 0.3 * seconds
        if tried and len(self.mean) == 2:
            self.wait = 20 * max(self.mean.values()) / min(self.mean.values())


def combined(operation: str, values: Sequence[Any]) -> Any:
    """The values of all parts as one, in neighbouring pairs again and again."""
    combine = _OPERATIONS[operation]
    while len(values) > 1:
        pairs = [combine(a, b) for a, b in zip(values[::2], values[1::2], strict=False)]
        values = [*pairs, values[-1]] if len(values) % 2 else pairs
    return values[0]
