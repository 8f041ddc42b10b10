"""The emulator as a device: arrays of NumPy, kernels as PTX that is executed on the processor.

It is there to learn, to test and to look for faults, and is asked for by name: `compile(L, target="cuda", device="emulator")`. Scratch memory holds
NaN until a kernel writes it; a kernel that reads past an array, races, or waits where not all threads do is a KernelFault, a bug of graphc.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphc.runtime.cuda.device import Device, is_torch
from graphc.runtime.cuda.emulator.decode import Kernel
from graphc.runtime.cuda.emulator.device import EmulatedDevice
from graphc.runtime.cuda.halves import on_host
from graphc.runtime.cuda.kernels import Kernels

__all__ = ["Emulated"]

_HERE = 0                   # the handle of the only stream


class _Card(EmulatedDevice):
    """With PTX from disk, as a real one has it."""

    def __init__(self) -> None:
        super().__init__()
        self._kept = Kernels(self.cc, lambda ptx: (ptx, Kernel(ptx.text, ptx.entry)))

    def kernel(self, kernel: Callable[..., Any], *args: Any, **constants: Any) -> Any:
        return self._kept.get(kernel, args, constants)


class Emulated(Device):
    """One emulated card. `card.launches` tells what ran, with its instructions, bytes and sectors."""

    name = "emulator"
    looks = {np.ndarray: lambda v: (v.dtype, v.shape, v.flags.c_contiguous)}

    def __init__(self) -> None:
        super().__init__()
        self.card = _Card()
        self.cc, self.processors = self.card.cc, self.card.processors
        self.tape: list[Callable[[], None]] | None = None         # of what a recording keeps

    @contextmanager
    def on(self, stream: Any, values: Sequence[Any] = ()) -> Iterator[None]:
        yield

    def stream(self) -> int:
        return _HERE

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """As in a capture, nothing runs meanwhile."""
        tape: list[Callable[[], None]] = []
        self.tape = tape
        try:
            work()
        finally:
            self.tape = None

        def replay() -> None:
            for step in tape:
                step()
        return replay

    def _do(self, step: Callable[[], None]) -> None:
        step() if self.tape is None else self.tape.append(step)

    # --- arrays
    def adopt(self, value: Any) -> Any:
        return on_host(value) if is_torch(value) else value

    def is_array(self, value: Any) -> bool:
        return type(value) is np.ndarray

    def new(self, shape: tuple[int, ...], dtype: np.dtype) -> Any:
        return self.card.empty(shape, dtype)

    def view(self, block: Any, start: int, shape: tuple[int, ...], dtype: np.dtype) -> Any:
        return np.ndarray(shape, dtype, block, start)

    def fresh(self, array: Any) -> Any:
        array[...] = self.card.empty(array.shape, array.dtype)
        return array

    def handed(self, array: Any, shape: tuple[int, ...]) -> Any:
        return array if shape else array[0]

    def copy(self, source: Any, target: Any) -> None:
        self._do(lambda: np.copyto(target, np.asarray(source).reshape(target.shape), casting="unsafe"))

    def download(self, array: Any) -> np.ndarray:
        return np.array(array)

    def address(self, array: Any) -> int:
        return int(array.ctypes.data)

    # --- work
    def launch(self, kernel: Callable[..., Any], blocks: Any, threads: Any, *args: Any, **constants: Any) -> None:
        self._do(lambda: self.card.launch(kernel, blocks, threads, *args, **constants))

    def matmul(self, a: Any, b: Any, out: Any, add: bool) -> None:
        self._do(lambda: self.card.matmul(a, b, out, add))
