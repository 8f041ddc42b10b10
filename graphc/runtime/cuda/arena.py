"""Scratch memory of calls: one block, given out from its start again in every call.

    call       open   take take ... take   close
    the block of the next call holds all that this one took

What a host program takes depends on extents alone. So after the first call with the largest extents nothing is allocated any more.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from graphc.runtime.cuda.device import Device

__all__ = ["Arena", "VECTOR"]

ALIGNMENT = 256             # bytes: what cudaMalloc aligns to
VECTOR = 16                 # bytes: what kernels load at once, so that every array they are given begins at a multiple
_MOST_VIEWS = 1024


class Arena:
    """`take(shape, dtype)` is valid from `open` to the next `open`. One stream at a time: what it gives out is reused in the stream's order."""

    def __init__(self, device: Device):
        self.device = device
        self.block: Any = None
        self.held = self.used = 0
        self.views: dict[Any, Any] = {}

    def open(self) -> None:
        self.used = 0

    def take(self, shape: tuple[int, ...], dtype: Any) -> Any:
        kind = np.dtype(dtype)
        start = self.used
        self.used += -(-math.prod(shape) * kind.itemsize // ALIGNMENT) * ALIGNMENT
        if self.used > self.held:
            return self.device.new(shape, kind)
        key = (start, shape, kind)
        if key not in self.views:
            if len(self.views) >= _MOST_VIEWS:
                self.views.clear()
            self.views[key] = self.device.view(self.block, start, shape, kind)
        return self.device.fresh(self.views[key])

    def close(self) -> None:
        if self.used > self.held:
            self.drop()                                    # before more is asked for
            self.block, self.held = self.device.new((self.used,), np.dtype(np.uint8)), self.used

    def drop(self) -> None:
        """Give the block back."""
        self.views.clear()
        self.block, self.held = None, 0
