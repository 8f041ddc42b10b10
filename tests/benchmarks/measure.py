"""Agreement first, then interleaved rounds, so that a slow moment of the machine meets all.

A clock is time.perf_counter, or time.process_time where others use the machine: time that others have does not count in it, and one
thread alone is meant.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

__all__ = ["agree", "best", "bounded", "clock", "interleaved", "leaves", "median"]

Clock = Callable[[], float]
Times = dict[str, list[float]]
ROUND = 0.001                    # seconds of one step in a round, at least one call: shorter than a time slice, so that some go undisturbed
ENOUGH = 4.0                     # seconds after which a step has had its rounds, if it has had LEAST
LEAST = 3


def leaves(result: Any) -> list[np.ndarray]:
    """The arrays of a result, dicts by sorted keys, as NumPy arrays of their own."""
    if isinstance(result, dict):
        result = [result[k] for k in sorted(result)]
    if isinstance(result, list | tuple):
        return [a for x in result for a in leaves(x)]
    return [np.asarray(result).copy()]


def agree(ours: list[np.ndarray], theirs: list[np.ndarray], where: str) -> None:
    """Up to float32's rounding: a value to 2e-4, an array's elements to 2e-3, or to 2e-4 of its greatest."""
    assert len(ours) == len(theirs), f"{where}: {len(ours)} results and {len(theirs)}"
    for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        np.testing.assert_allclose(a, b, rtol=2e-3 if b.ndim else 2e-4, atol=2e-4 * np.abs(b).max(), err_msg=f"{where}: result {k}")


@contextlib.contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """TimeoutError in what takes longer; a call into machine code ends first."""
    def stop(*_: Any) -> None:
        raise TimeoutError(f"more than {seconds:g} s")
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def interleaved(steps: dict[str, Callable[[], Any]], rounds: int, clock: Clock = time.perf_counter, least: float = ROUND) -> Times:
    """Microseconds of a call of each step, in each round; a round begins with a call that is not counted where there is time for more."""
    calls = {name: min(_seconds(step, 1, clock) for _ in range(2)) for name, step in steps.items()}           # the first may compile
    repeats = {name: max(1, int(least / max(seconds, 1e-7))) for name, seconds in calls.items()}
    times: Times = {name: [] for name in steps}
    with _without_collection():
        for _ in range(rounds):
            for name, step in steps.items():
                if len(times[name]) < LEAST or sum(times[name]) * repeats[name] < ENOUGH * 1e6:
                    if repeats[name] > 1:
                        step()
                    times[name].append(_seconds(step, repeats[name], clock) / repeats[name] * 1e6)
    return times


def clock(busy: bool) -> Clock:
    return time.process_time if busy else time.perf_counter


def _seconds(step: Callable[[], Any], repeats: int, clock: Clock) -> float:
    start = clock()
    for _ in range(repeats):
        step()
    return clock() - start


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def best(times: Times) -> dict[str, float]:
    return {name: min(t) for name, t in times.items()}


def median(times: Times) -> dict[str, float]:
    return {name: statistics.median(t) for name, t in times.items()}
