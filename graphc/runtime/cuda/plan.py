"""Plans: what a call with one signature comes to on a device. A signature is the library, dtype and shape of each array, and the type of each number.

    take        each input as an array of the device: as it is; converted or sent from the host, into scratch memory; a number sent once
    buffers     each result's array: the user's, a new one, or scratch memory, if it is then converted, or goes to the host
    perform     the launches of `run`; captured, their recording
    hand back   arrays of the device, or of NumPy if all that was given was

A captured program runs launch by launch in the first call, is recorded in the second, and repeated from then on. A recording holds addresses. An
array that comes at another address in a later call is from then on copied, into or out of scratch memory of the program's own; one that
stays where it is (a parameter updated in place, a buffer of out=) is used in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from graphc.errors import BindingError, BindingTypeError
from graphc.ir.nodes import Input
from graphc.loops.device.stored import Types
from graphc.runtime.cuda.arena import VECTOR
from graphc.runtime.cuda.device import Device, Lane
from graphc.runtime.cuda.recording import bundled, repeated
from graphc.runtime.load import Source
from graphc.runtime.plan import keep_blocks_apart

__all__ = ["DevicePlan", "DeviceSource", "Take"]


@dataclass(frozen=True)
class DeviceSource(Source):
    """`halves`: the half precision in which kernels make each output, and that in which it is handed back; None for that of computing."""

    halves: tuple[tuple[str | None, str | None], ...] = ()


@dataclass
class DevicePlan:
    """`results` are the shape of each output, the dtype that kernels make, and the dtype that is handed back. With `to_host` results go to NumPy."""

    device: Device
    run: Callable[..., Any]
    dtype: Types
    takes: tuple[Take, ...]
    results: tuple[tuple[tuple[int, ...], np.dtype, np.dtype], ...]
    extra: tuple[int, ...]
    to_host: bool
    capture: bool
    lanes: dict[int, Lane] = field(default_factory=dict)         # one for each stream, where a recording needs them

    def execute(self, values: Sequence[Any], given: dict[int, Any]) -> list[Any]:
        """Run on the current stream."""
        if not self.capture:
            lane = self.device.lane()
        elif (found := self.lanes.get(self.device.stream())) is None:
            lane = self.lanes[self.device.stream()] = self.device.lane_apart()
        elif (results := repeated(self, found, values, given)) is not None:
            return results
        else:
            lane = found
        arrays = self.arrays(lane, values, given)
        if lane.recording.replay is not None and lane.recording.addresses != self.addresses(arrays):
            lane.recording.moved(self.addresses(arrays))
            arrays = self.arrays(lane, values, given)
        self.perform(lane, arrays, theirs=(*values, *given.values()))
        return self.hand_back(arrays[len(values):], given)

    def arrays(self, lane: Lane, values: Sequence[Any], given: dict[int, Any]) -> list[Any]:
        """What `run` is called with: inputs and buffers."""
        lane.arena.open()
        arrays = [take(lane, v) for take, v in zip(self.takes, values, strict=True)]
        theirs = {k: self.checked(k, b) for k, b in given.items() if b is not None}
        if theirs:
            self.keep_apart(theirs, [*arrays, *(v for v in values if isinstance(v, np.ndarray))])
        arrays += [self.buffer(lane, k, theirs.get(k)) for k in range(len(self.results))]
        for k in sorted(lane.recording.moving):
            inside = lane.empty(arrays[k].shape, arrays[k].dtype)
            if k < len(values):
                self.device.copy(arrays[k], inside)
            arrays[k] = inside
        return arrays

    def keep_apart(self, theirs: dict[int, Any], arrays: Sequence[Any]) -> None:
        """BindingError if a buffer of out= shares memory with an input or another, on the device or in NumPy: their addresses are never the same."""
        def block(a: Any) -> tuple[int, int]:
            if isinstance(a, np.ndarray):
                return byte_bounds(a)
            return self.device.address(a), self.device.address(a) + a.nbytes
        inputs = [a for a in arrays if isinstance(a, np.ndarray) or self.device.is_array(a)]
        keep_blocks_apart([block(b) for b in theirs.values() if b.size], [block(a) for a in inputs if a.size])

    def buffer(self, lane: Lane, k: int, theirs: Any) -> Any:
        """The array that kernels write a result into; a number's has one element."""
        shape, made, handed = self.results[k]
        if theirs is not None and made == handed and self.device.is_array(theirs) and self.device.address(theirs) % VECTOR == 0:
            return theirs if shape else theirs.reshape(1)
        if self.to_host or made != handed or self.capture:
            return lane.empty(shape or (1,), made)
        return self.device.new(shape or (1,), made)

    def checked(self, k: int, buffer: Any) -> Any:
        """A buffer of out=."""
        shape, _, handed = self.results[k]
        if type(buffer) not in self.device.plain:
            buffer = self.device.adopt(buffer)
        try:
            ours = self.device.is_array(buffer)
        except BindingError as error:
            raise BindingError(f"a buffer of out=: {error}") from None
        ours = ours or self.to_host and isinstance(buffer, np.ndarray) and buffer.flags.writeable
        if not ours or buffer.shape != shape or buffer.dtype != handed or not buffer.flags.c_contiguous:
            kind = f"{buffer.dtype} {buffer.shape}" if hasattr(buffer, "dtype") and hasattr(buffer, "shape") else type(buffer).__name__
            where = "of NumPy or the device" if self.to_host else "of the device"
            raise BindingTypeError(f"a buffer of out= must be a writable C-contiguous {handed} array {where} of shape {shape}, given {kind}")
        return buffer

    def addresses(self, arrays: Sequence[Any]) -> list[int]:
        return [self.device.address(a) for a in arrays]

    def perform(self, lane: Lane, arrays: Sequence[Any], then: Callable[[], None] = lambda: None, theirs: Sequence[Any] = ()) -> None:
        """Run the kernels, and `then` what else is to be done, or repeat their recording. `theirs` are the user's arrays."""
        recording = lane.recording

        def work() -> None:
            self.run(lane, *arrays, *self.extra)
            then()
        if self.capture and recording.warm and recording.replay is None:
            others = [*(a for a in map(self.device.adopt, theirs) if self.device.is_array(a)),
                      *(a for k, (a, take) in enumerate(zip(arrays, self.takes, strict=False)) if take.number and k not in recording.moving)]
            recording.keep(self.device.record(work), arrays, self.addresses(arrays), len(self.takes), set(self.addresses(others)))
            recording.bundle = bundled(self, lane, arrays[len(self.takes):])
        if recording.replay is not None:
            recording.replay()
        else:
            lane.checks = False
            work()
            lane.arena.close()
            recording.warm = True
        self.raise_refused(lane)

    @staticmethod
    def raise_refused(lane: Lane) -> None:
        """IndexError if a label was outside its bound."""
        if lane.refused():
            raise IndexError("a label or an index is outside its bound")

    def targets(self, buffers: Sequence[Any], given: dict[int, Any]) -> list[Any]:
        """Where results are to be found that are written again and again: where kernels write them, unless that is of another dtype, or not the
        user's array."""
        found = []
        for k, (made, (shape, _, handed)) in enumerate(zip(buffers, self.results, strict=True)):
            theirs = None if given.get(k) is None else self.device.adopt(given[k]).reshape(shape or (1,))
            if theirs is None:
                theirs = made if made.dtype == handed else self.device.new(shape or (1,), handed)
            found.append(made if self.device.address(theirs) == self.device.address(made) else theirs)
        return found

    def hand_back(self, buffers: Sequence[Any], given: dict[int, Any]) -> list[Any]:
        """The results: the user's buffers, arrays of the device, or arrays and numbers of NumPy."""
        return [self.result(k, b, given.get(k)) for k, b in enumerate(buffers)]

    def result(self, k: int, made: Any, theirs: Any) -> Any:
        shape, _, handed = self.results[k]
        if theirs is not None and self.device.is_array(ours := self.device.adopt(theirs)):
            if made is not None and self.device.address(ours) != self.device.address(made):            # else written where it is
                self.rounded(made, ours)
            return theirs
        if self.to_host:
            found = self.device.download(made).astype(handed, copy=False).reshape(shape)
            if theirs is None:
                return found[()]
            np.copyto(theirs, found)
            return theirs
        if made.dtype != handed or self.capture:
            fresh = self.device.new(shape or (1,), handed)
            self.rounded(made, fresh)
            return self.device.handed(fresh, shape)
        return self.device.handed(made, shape)

    def rounded(self, made: Any, theirs: Any) -> None:
        """A result into an array of ours of the dtype that is handed back: between float32 and halves, by the kernel that products use."""
        if made.dtype == np.float32 and theirs.dtype.itemsize == 2:
            self.device.lane().convert(made, theirs)
        else:
            self.device.copy(made, theirs)


class Take:
    """How values like this become an array of a kind that kernels read. A number is sent once; an array is read where it is (`in_place`) or
    converted. Labels that are `checked` may be of any width: kernels read what the check makes."""

    __slots__ = ("device", "kind", "dims", "number", "in_place", "on_device")

    def __init__(self, device: Device, i: Input, value: Any, kind: np.dtype, checked: bool):
        self.device, self.kind, self.dims = device, kind, bool(i.dims)
        ours = device.is_array(value)
        self.number = not self.dims and not ours
        self.in_place = ours and value.flags.c_contiguous and (value.dtype == kind or checked and value.dtype.isnative)
        self.on_device = ours or self.number

    def __call__(self, lane: Lane, v: Any) -> Any:
        source = self.source(v)
        if self.number or self.in_place and self.device.address(v) % VECTOR == 0:
            return source if self.dims or self.number else source.reshape(1)
        inside = lane.empty(source.shape or (1,), self.kind)
        self.device.copy(source, inside)
        return inside

    def source(self, v: Any) -> Any:
        """What is read, or copied: an array of the device, or of NumPy."""
        return self.device.number(v, self.kind) if self.number else v if self.on_device else np.asarray(v)
