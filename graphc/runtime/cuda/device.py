"""Devices, and `d`, what a generated host program computes with.

    Device    a card or the emulator: its arrays, copies, kernels, matrix products, streams and recordings
    Lane      one stream of a device with its scratch memory: `run(d, inputs..., outputs..., extents...)` is called with a Lane

        d.empty(shape, dtype)                            scratch, valid until the call ends
        d.launch(kernel, blocks, threads, *args, NAME=)  a kernel of the module; NAME are its constants
        d.matmul(a, b, out, add=False)                   out = a @ b, or out += a @ b
        d.processors                                     multiprocessors of the device
        d.check_labels(name, labels, below, others=())   the labels to use: each in [0, below), or one of others
        d.wrong                                          the flag that kernels set where an index that they compute runs past an array

Labels are checked by a kernel that sets the flag, so that nothing waits in the middle of a call. The flag is read at its end. Until then
kernels use indices in range in place of wrong ones (see graphc.codegen.cudalib.kernels and .indices).
"""

from __future__ import annotations

import threading
import weakref
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from graphc.errors import BindingTypeError
from graphc.runtime.cuda.arena import Arena
from graphc.runtime.cuda.products import Products
from graphc.runtime.cuda.recording import Recording
from graphc.runtime.plan import NUMBERS

__all__ = ["Device", "Lane", "is_torch", "stream_handle"]

_MOST_NUMBERS, _MOST_LANES = 256, 16


class Device(ABC):
    """What programs ask of a device. Its arrays have `shape`, `dtype` and `flags.c_contiguous`."""

    name: str
    cc: tuple[int, int]         # compute capability
    processors: int
    results_stay = False        # whether what is handed to the user changes with the memory that kernels write
    looks: dict[type, Callable[[Any], tuple[Any, ...]]]         # for types of arrays, what tells two apart that need different plans

    def __init__(self) -> None:
        self.lock = threading.RLock()               # of what enqueues: the launches of two calls on one stream must not mix
        self.plain = frozenset((*NUMBERS, int, *self.looks))       # types that `adopt` leaves as they are
        self._lanes: OrderedDict[int, Lane] = OrderedDict()
        self._recorded: weakref.WeakSet[Lane] = weakref.WeakSet()
        self._numbers: OrderedDict[Any, Any] = OrderedDict()

    def lane(self) -> Lane:
        """The lane of the current stream, for all programs that are not captured."""
        handle = self.stream()
        if handle not in self._lanes:
            if len(self._lanes) >= _MOST_LANES:
                self._lanes.popitem(last=False)
            self._lanes[handle] = Lane(self)
        return self._lanes[handle]

    def lane_apart(self) -> Lane:
        """A lane for the recording of a program."""
        lane = Lane(self)
        self._recorded.add(lane)
        return lane

    def release(self) -> None:
        """Give scratch memory back; programs record again."""
        for lane in self._recorded:
            lane.forget()
        self._lanes.clear()
        self._numbers.clear()

    # --- streams and errors
    @abstractmethod
    def on(self, stream: Any, values: Sequence[Any] = ()) -> AbstractContextManager[Any]:
        """Work goes to this stream; without one, to the current stream of the library that `values` come from. What the device reports is
        raised as an error of graphc."""

    @abstractmethod
    def stream(self) -> int:
        """The handle of the current stream."""

    @abstractmethod
    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """The launches and copies of `work`, as something that repeats them on the current stream, with the same addresses."""

    def again(self, replay: Callable[[], None]) -> bool:
        """Repeat a recording on the current stream, if that is one of this device; whether it is."""
        replay()
        return True

    # --- arrays
    @abstractmethod
    def adopt(self, value: Any) -> Any:
        """An array on the device, of whatever library, as one of ours and without a copy; anything else as it is."""

    @abstractmethod
    def is_array(self, value: Any) -> bool:
        """Whether this is an array of ours; BindingError if it is on another device."""

    @abstractmethod
    def new(self, shape: tuple[int, ...], dtype: np.dtype) -> Any:
        ...

    @abstractmethod
    def view(self, block: Any, start: int, shape: tuple[int, ...], dtype: np.dtype) -> Any:
        """An array in a block of bytes."""

    def fresh(self, array: Any) -> Any:
        """Scratch memory before a kernel writes it; it may hold anything."""
        return array

    @abstractmethod
    def handed(self, array: Any, shape: tuple[int, ...]) -> Any:
        """A result as the user gets it; one element, for a shape without axes."""

    @abstractmethod
    def copy(self, source: Any, target: Any) -> None:
        """Elements of an array, ours or NumPy's, into one of ours, converted to its dtype."""

    @abstractmethod
    def download(self, array: Any) -> np.ndarray:
        """An array in NumPy, when all work before is done."""

    @abstractmethod
    def address(self, array: Any) -> int:
        ...

    def number(self, value: Any, dtype: np.dtype) -> Any:
        """A number as an array of one element. The same number is sent once to each stream, which nothing else orders with another."""
        host = np.array([value], dtype)
        key = (self.stream(), dtype, host.tobytes())
        if key not in self._numbers:
            if len(self._numbers) >= _MOST_NUMBERS:
                self._numbers.popitem(last=False)
            self._numbers[key] = self.new((1,), dtype)
            self.copy(host, self._numbers[key])
        return self._numbers[key]

    # --- work
    @abstractmethod
    def launch(self, kernel: Callable[..., Any], blocks: Any, threads: Any, *args: Any, **constants: Any) -> None:
        ...

    @abstractmethod
    def matmul(self, a: Any, b: Any, out: Any, add: bool) -> None:
        """Of two arrays of one dtype (see graphc.runtime.cuda.products)."""


class Lane(Products):
    """`d`: a stream of a device, its scratch memory, the flag of its labels, and the recording of a captured program."""

    def __init__(self, device: Device):
        self.device, self.arena = device, Arena(device)
        self.processors, self.empty = device.processors, self.arena.take
        self.launch, self.multiply = device.launch, device.matmul
        self._flag: Any = None
        self.checks = False             # whether the program checks labels or indices
        self.recording = Recording()

    def forget(self) -> None:
        """Scratch memory, and the recording that uses it."""
        self.arena.drop()
        self.recording = Recording()

    @property
    def converted(self) -> Callable[..., Any]:
        from graphc.codegen.cudalib.kernels import converted
        return converted

    @property
    def wrong(self) -> Any:
        if self._flag is None:
            self._flag = self.device.new((1,), np.dtype(np.uint8))
            self.device.copy(np.zeros(1, np.uint8), self._flag)
        self.checks = True
        return self._flag

    def check_labels(self, name: str, labels: Any, below: int, others: tuple[int, ...] = ()) -> Any:
        """The labels to use. The error that follows a wrong one names it."""
        from graphc.codegen.cudalib.kernels import BLOCK, fenced
        if labels.size and not below and not others:
            raise IndexError("there is no label below 0")
        safe = self.empty(labels.shape, np.dtype(np.int64))
        blocks = min(-(-labels.size // BLOCK), 8 * self.processors)
        self.launch(fenced, blocks, BLOCK, labels, safe, self.wrong, labels.size, below, OTHERS=tuple(others) or (0,), COUNT=len(others))
        return safe

    def refused(self) -> bool:
        """Whether a label was outside. Waits for the call where it checked labels, and not else."""
        if not self.checks or not self.device.download(self._flag)[0]:
            return False
        self.device.copy(np.zeros(1, np.uint8), self._flag)
        return True


def is_torch(value: Any) -> bool:
    return type(value).__module__.split(".")[0] == "torch" and hasattr(value, "detach")


def stream_handle(stream: Any) -> int:
    """The address of a CUDA stream of CuPy, PyTorch, Numba, or any library with `__cuda_stream__`."""
    if isinstance(stream, int) and not isinstance(stream, bool) and stream >= 0:
        return stream
    if hasattr(stream, "__cuda_stream__"):
        return int(stream.__cuda_stream__()[1])
    for name in ("ptr", "cuda_stream", "handle"):
        if hasattr(stream, name):
            handle = getattr(stream, name)
            return int(getattr(handle, "value", handle) or 0)
    given = stream if isinstance(stream, int) else type(stream).__name__
    raise BindingTypeError(f"stream= is a CUDA stream of CuPy, PyTorch or Numba, or its address, given {given}")
