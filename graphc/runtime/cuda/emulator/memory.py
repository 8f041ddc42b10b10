"""The spaces of addresses: global, shared, local, constant; bounds, alignment, bytes, sectors and conflicts of banks.

Each array of a launch has a window of 64 GiB of its own, so that an address that leaves its array is in no other. Shared memory is one stretch a
block, local memory one a thread; generic addresses of both have their own windows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.runtime.cuda.emulator.races import Races
from graphc.runtime.cuda.emulator.types import KernelFault, dtype

if TYPE_CHECKING:
    from graphc.runtime.cuda.emulator.machine import Lanes, Machine

__all__ = ["Stretch", "Memory", "SHARED_WINDOW", "LOCAL_WINDOW"]

GLOBAL_WINDOW, WINDOW_BITS = 0x7000_0000_0000, 36
SHARED_WINDOW, LOCAL_WINDOW, SPACE_BITS = 0x0100_0000_0000, 0x0200_0000_0000, 40
SECTOR = 32


@dataclass(eq=False)
class Stretch:
    """Bytes that are addressed together, and views of them in other types."""

    name: str
    space: str
    bytes: np.ndarray
    races: Races | None = None
    views: dict[np.dtype, np.ndarray] = field(default_factory=dict)

    def view(self, kind: np.dtype) -> np.ndarray:
        found = self.views.get(kind)
        if found is None:
            whole = self.bytes.size // kind.itemsize * kind.itemsize
            found = self.views[kind] = self.bytes[:whole].view(kind)
        return found


class Memory:
    """The memory of one launch."""

    def __init__(self, machine: Machine, data: dict[str, np.ndarray], shared: int, local: int):
        self.machine = machine
        self.arrays: list[Stretch] = []
        self._bound: dict[tuple[int, int], int] = {}
        self.shared_size, self.local_size = (-(-size // 16) * 16 for size in (shared, local))
        size = machine.blocks * self.shared_size
        self.shared = Stretch("shared memory", "shared", np.zeros(size, np.uint8), Races(machine, size, machine.kernel.grain, shared=True))
        self.local = Stretch("local memory", "local", np.zeros(machine.threads * self.local_size, np.uint8))
        self.symbols = {name: self.bind(array, name) for name, array in data.items()}

    def bind(self, array: np.ndarray, name: str) -> np.uint64:
        """The address of an array's first element. The same memory given twice has one address."""
        if not array.flags.c_contiguous:
            raise KernelFault(f"{name} is not C-contiguous, and a kernel is given an address alone")
        key = (array.ctypes.data, array.nbytes)
        if key not in self._bound:
            self._bound[key] = GLOBAL_WINDOW + (len(self.arrays) << WINDOW_BITS)
            self.arrays.append(Stretch(name, "global", array.reshape(-1).view(np.uint8), Races(self.machine, array.nbytes)))
        return np.uint64(self._bound[key])

    # --- accesses
    def load(self, space: str, address: np.ndarray, kind: str, count: int, lanes: Lanes) -> list[np.ndarray]:
        """`count` values at each address. Lanes may each choose an array: NVVM makes one load of `a[i] if c else b[j]`."""
        window = address >> WINDOW_BITS
        if (window != window[:1]).any():
            return self._chosen(space, address, kind, count, lanes, window)
        stretch, offset = self._access(space, address, dtype(kind).itemsize * count, lanes, False)
        view, at = stretch.view(dtype(kind)), offset // dtype(kind).itemsize
        return [view[at + k] for k in range(count)]

    def _chosen(self, space: str, address: np.ndarray, kind: str, count: int, lanes: Lanes, window: np.ndarray) -> list[np.ndarray]:
        values = [np.empty(lanes.count, dtype(kind)) for _ in range(count)]
        for one in np.unique(window):
            mine = window == one
            some = replace(lanes, lanes=lanes.lanes[mine], index=lanes.lanes[mine])
            for value, found in zip(values, self.load(space, address[mine], kind, count, some), strict=True):
                value[mine] = found
        return values

    def store(self, space: str, address: np.ndarray, kind: str, values: list[Any], lanes: Lanes) -> None:
        """Values at each address and behind it."""
        stretch, offset = self._access(space, address, dtype(kind).itemsize * len(values), lanes, True)
        view, at = stretch.view(dtype(kind)), offset // dtype(kind).itemsize
        for k, value in enumerate(values):
            view[at + k] = value

    def _access(self, space: str, address: np.ndarray, width: int, lanes: Lanes, write: bool) -> tuple[Stretch, np.ndarray]:
        stretch, offset = self.locate(space, address, width, lanes)
        if stretch.space == "global":
            count = self.machine.counts
            count["bytes stored" if write else "bytes loaded"] += width * lanes.count
            count["sectors"] += _sectors(address, lanes.lanes)
        elif stretch.space == "shared":
            self.machine.counts["conflicts"] += _conflicts(address, width, lanes.lanes)
        if stretch.races is not None:
            stretch.races.access(offset, width, lanes.lanes, write)
        return stretch, offset

    def locate(self, space: str, address: np.ndarray, width: int, lanes: Lanes) -> tuple[Stretch, np.ndarray]:
        """The stretch and the offsets in it; KernelFault for an access that is misaligned or out of bounds."""
        if (address & (width - 1)).any():
            k = int(np.flatnonzero(address & (width - 1))[0])
            raise KernelFault(f"misaligned access of {width} bytes at {int(address[k]):#x} by {self.machine.thread(lanes.lanes[k])}")
        if space in ("shared", "local"):
            return self._own(space, address, width, lanes)
        first = int(address[0]) if len(address) else 0
        for name, window in (("shared", SHARED_WINDOW), ("local", LOCAL_WINDOW)):
            if first >> SPACE_BITS == window >> SPACE_BITS:
                return self._own(name, address - window, width, lanes)
        which = (first - GLOBAL_WINDOW) >> WINDOW_BITS
        offset = address - (GLOBAL_WINDOW + (which << WINDOW_BITS))
        if not 0 <= which < len(self.arrays) or ((offset >> WINDOW_BITS) != 0).any():
            raise self._outside(address, lanes)
        self._bounds(self.arrays[which], offset, width, lanes)
        return self.arrays[which], offset

    def _outside(self, address: np.ndarray, lanes: Lanes) -> KernelFault:
        """The fault of an access that is in no array, or of a store to several."""
        which = (address - GLOBAL_WINDOW) >> WINDOW_BITS
        for k in np.flatnonzero((which < 0) | (which >= len(self.arrays))):
            return KernelFault(f"access at {int(address[k]):#x}, which is in no array, by {self.machine.thread(lanes.lanes[k])}")
        return KernelFault("one instruction writes to several arrays: " + ", ".join(sorted({self.arrays[int(w)].name for w in which})))

    def _bounds(self, stretch: Stretch, offset: np.ndarray, width: int, lanes: Lanes) -> None:
        wrong = (offset < 0) | (offset + width > stretch.bytes.size)
        if wrong.any():
            k = int(np.flatnonzero(wrong)[0])
            raise KernelFault(f"out of bounds: bytes {int(offset[k])} to {int(offset[k]) + width} of {stretch.name}, which has {stretch.bytes.size}, "
                              f"by {self.machine.thread(lanes.lanes[k])}")

    def _own(self, space: str, address: np.ndarray, width: int, lanes: Lanes) -> tuple[Stretch, np.ndarray]:
        """The memory of a block or of a thread."""
        stretch, size = (self.shared, self.shared_size) if space == "shared" else (self.local, self.local_size)
        wrong = (address < 0) | (address + width > size)
        if wrong.any():
            k = int(np.flatnonzero(wrong)[0])
            raise KernelFault(f"out of bounds: bytes {int(address[k])} to {int(address[k]) + width} of {space} memory, which has {size}, "
                              f"by {self.machine.thread(lanes.lanes[k])}")
        return stretch, address + (self.machine.block[lanes.index] if space == "shared" else lanes.lanes) * size


def _sectors(address: np.ndarray, lanes: np.ndarray) -> int:
    """The sectors of 32 bytes that each warp touches, in all."""
    key = (lanes >> 5) * (1 << 44) + address // SECTOR
    steps = np.diff(key)
    return 1 + int(np.count_nonzero(steps)) if (steps >= 0).all() else len(np.unique(key))


def _conflicts(address: np.ndarray, width: int, lanes: np.ndarray) -> int:
    """How many more times than once the banks of shared memory are asked, in all: 32 lanes, or as many as take 128 bytes, go at once, and a bank
    has one word for them."""
    parts = max(width // 4, 1)
    units = np.unique(((lanes >> 5) * parts + (lanes & 31) * parts // 32) * (1 << 44) + address // max(width, 4))
    asked, times = np.unique((units >> 44) * 32 + units % (32 // parts), return_counts=True)
    most = np.zeros(int(asked[-1]) // 32 + 1, np.int64)
    np.maximum.at(most, asked // 32, times)
    return int((most - 1)[most > 0].sum())
