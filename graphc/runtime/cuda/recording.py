"""What a captured program has recorded, and the calls that repeat it.

A recording holds addresses: of the arrays that it was made with, or of memory of its own, into which inputs are copied before, and out of which
results are copied after. So a later call repeats it if each array that the recording uses in place is where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.runtime.cuda.arena import ALIGNMENT

if TYPE_CHECKING:
    from graphc.runtime.cuda.device import Lane
    from graphc.runtime.cuda.plan import DevicePlan

__all__ = ["Recording", "repeated", "bundled"]


SMALL = 4096                # bytes of results that share a copy, and a block of memory


@dataclass
class Recording:
    """`replay` repeats what was recorded with arrays at `addresses`, inputs first. Those in `own` are the recording's; numbers are not, which the
    device shares among programs. Arrays of `moving` places have come at several addresses, and are copied. It is `warm` when a call ran launch by
    launch, so that kernels are loaded and the arena holds all."""

    warm: bool = False
    replay: Callable[[], None] | None = None
    addresses: list[int] = field(default_factory=list)
    own: dict[int, Any] = field(default_factory=dict)
    moving: set[int] = field(default_factory=set)
    outside: tuple[int, ...] = ()                           # results that are written into the user's arrays
    bundle: tuple[Any, list[int]] | None = None             # small results: the bytes that they share, and where each begins

    def keep(self, replay: Callable[[], None], arrays: Sequence[Any], addresses: Sequence[int], count: int, others: Collection[int]) -> None:
        """Results are behind `count` inputs; `others` are the addresses of what is not the recording's."""
        self.replay, self.addresses = replay, list(addresses)
        self.own = {k: a for k, (a, at) in enumerate(zip(arrays, addresses, strict=True)) if at not in others}
        self.outside = tuple(k for k in range(len(arrays) - count) if count + k not in self.own)

    def moved(self, addresses: Sequence[int]) -> None:
        """Arrays are elsewhere: it is to be recorded once more, with memory of its own for them."""
        self.moving |= {k for k, (a, b) in enumerate(zip(self.addresses, addresses, strict=True)) if a != b}
        self.warm, self.replay, self.own, self.bundle = False, None, {}, None


def repeated(plan: DevicePlan, lane: Lane, values: Sequence[Any], given: dict[int, Any]) -> list[Any] | None:
    """The results of a call by its recording; None where there is none for these arrays."""
    recording, device = lane.recording, plan.device
    addresses, own, count = recording.addresses, recording.own, len(values)
    if recording.replay is None:
        return None
    moves = []
    for k, (take, v, at) in enumerate(zip(plan.takes, values, addresses, strict=False)):
        array = take.source(v)
        if not take.on_device or device.address(array) != at:
            if k not in own:
                return None
            moves.append((array, own[k]))
    theirs = {k: plan.checked(k, b) for k, b in given.items() if b is not None}
    for k in recording.outside:
        if k not in theirs or not device.is_array(theirs[k]) or device.address(theirs[k]) != addresses[count + k]:
            return None
    if theirs and moves:
        plan.keep_apart(theirs, values)
    for array, inside in moves:
        device.copy(array, inside)
    recording.replay()
    plan.raise_refused(lane)
    if recording.bundle is not None and not theirs:
        return _unbundled(plan, *recording.bundle)
    return plan.hand_back([own.get(k) for k in range(count, len(addresses))], given)


def bundled(plan: DevicePlan, lane: Lane, buffers: Sequence[Any]) -> tuple[Any, list[int]] | None:
    """Results that lie behind one another in scratch memory, as bytes; None if they are large, go to the host, or change their dtype."""
    sizes = [-(-b.nbytes // ALIGNMENT) * ALIGNMENT for b in buffers]
    places = [sum(sizes[:k]) for k in range(len(sizes))]
    if plan.to_host or not 0 < sum(sizes) <= SMALL or any(made != handed for _, made, handed in plan.results):
        return None
    device, block = plan.device, lane.arena.block
    at = [device.address(b) for b in buffers]
    if [a - at[0] for a in at] != places or not 0 <= (start := at[0] - device.address(block)) <= block.nbytes - sum(sizes):
        return None
    return device.view(block, start, (sum(sizes),), np.dtype(np.uint8)), places


def _unbundled(plan: DevicePlan, source: Any, places: Sequence[int]) -> list[Any]:
    device = plan.device
    block = device.new(source.shape, source.dtype)
    device.copy(source, block)
    return [device.handed(device.view(block, at, shape or (1,), kind), shape) for at, (shape, kind, _) in zip(places, plan.results, strict=True)]
