'''A device that is emulated: the methods that a host program calls, on NumPy arrays.

    d = EmulatedDevice()
    x, out = d.array(x), d.empty((n,), "float32")
    d.launch(kernel, blocks, threads, x, out, n, THREADS=256)
    d.launches[-1].counts["bytes loaded"]

Memory is poisoned: what a kernel does not write is NaN, or a number that no kernel would. Each launch runs the PTX that a card would be given.
'''

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.codegen.cudalib.compile import Ptx, argument_type, compile
from graphc.loops.device.stored import HALVES
from graphc.runtime.cuda.emulator.decode import Kernel
from graphc.runtime.cuda.emulator.machine import launch

__all__ = ["Launch", "EmulatedDevice"]

POISON = 0xA5           # the bytes of integers that nothing wrote


@dataclass(frozen=True)
class Launch:
    """A launch that happened: its counts are instructions, thread instructions, bytes loaded, bytes stored, sectors, conflicts of banks,
    barriers, atomics and divergent branches; those that did not occur count 0."""

    kernel: str
    blocks: tuple[int, ...]
    threads: tuple[int, ...]
    constants: dict[str, Any]
    counts: Counter[str]


class EmulatedDevice:
    """An emulated device of compute capability `cc` with so many `processors`. `launches` keeps what ran."""

    def __init__(self, cc: tuple[int, int] = (9, 0), processors: int = 132):
        self.cc, self.processors = cc, processors
        self.launches: list[Launch] = []
        self.wrong = np.zeros(1, np.uint8)          # set where an index that is computed runs past what it indexes
        self._kernels: dict[Any, tuple[Ptx, Kernel]] = {}

    # --- memory
    def empty(self, shape: Any, dtype: Any) -> np.ndarray:
        """An array that nothing wrote."""
        array = np.empty(shape, dtype)
        if array.dtype.kind == "f" or array.dtype.name in HALVES:
            array.fill(np.nan)
        else:
            array.reshape(-1).view(np.uint8).fill(POISON if array.dtype.kind in "iu" else 1)
        return array

    def array(self, values: Any) -> np.ndarray:
        """A copy of an array on the device."""
        return np.array(values, order="C")

    def host(self, array: np.ndarray) -> np.ndarray:
        """A copy of an array of the device."""
        return array.copy()

    # --- work
    def launch(self, kernel: Callable[..., Any], blocks: int | Sequence[int], threads: int | Sequence[int], *args: Any, **constants: Any) -> None:
        """Run a kernel of the module on so many blocks of so many threads (each up to three numbers).

        Arguments are arrays of the device (C-contiguous; a kernel sees a pointer to the first element), ints and NumPy scalars. Constants are
        global names of the kernel: THREADS=256 compiles the kernel anew, as if the module said so. KernelFault if the kernel does what none may.
        """
        ptx, compiled = self.kernel(kernel, *args, **constants)
        grid, block = (tuple(e) if isinstance(e, Sequence) else (int(e),) for e in (blocks, threads))
        if 0 in grid:
            return
        names = [f"{name}" for name in kernel.__code__.co_varnames[:kernel.__code__.co_argcount]]
        counts = launch(compiled, grid, block, args, names=names)
        self.launches.append(Launch(ptx.entry, grid, block, constants, counts))

    def kernel(self, kernel: Callable[..., Any], *args: Any, **constants: Any) -> tuple[Ptx, Kernel]:
        """The compiled kernel for these arguments and constants: its PTX, and decoded for the emulator."""
        signature = tuple(argument_type(a) for a in args)
        key = (kernel, signature, tuple(sorted(constants.items())))
        if key not in self._kernels:
            ptx = compile(kernel, signature, self.cc, constants)
            self._kernels[key] = ptx, Kernel(ptx.text, ptx.entry)
        return self._kernels[key]

    def matmul(self, a: np.ndarray, b: np.ndarray, out: np.ndarray, add: bool = False) -> None:
        """out = a @ b, or out += a @ b; views as NumPy has them. Halves are multiplied and added up in float32."""
        wide = np.float32 if a.dtype.itemsize == 2 else a.dtype
        product = np.matmul(a.astype(wide, copy=False), b.astype(wide, copy=False))
        out[...] = product + out.astype(wide, copy=False) if add else product

    def check_labels(self, name: str, array: np.ndarray, below: int, others: Sequence[int] = ()) -> np.ndarray:
        """The labels; IndexError, which names the user's tensor, unless each is in [0, below) or one of `others`."""
        wrong = (array < 0) | (array >= below)
        for value in others:
            wrong &= array != value
        if wrong.any():
            at = np.unravel_index(int(np.flatnonzero(wrong)[0]), array.shape)
            raise IndexError(f"{name}[{', '.join(map(str, at))}] is {array[at]}, and labels are at least 0 and below {below}")
        return array
