"""Types of PTX as dtypes of NumPy, and the error that the emulator raises."""

from __future__ import annotations

import numpy as np

from graphc.errors import InternalError

__all__ = ["KernelFault", "DTYPES", "REGISTERS", "size", "dtype"]


class KernelFault(InternalError):
    """A kernel did what no kernel may: a bug of the code generator, or of a kernel written by hand."""


DTYPES = {name: np.dtype(kind) for name, kind in {
    "pred": "?", "f16": "f2", "f32": "f4", "f64": "f8", "u8": "u1", "s8": "i1", "b8": "u1", "u16": "u2", "s16": "i2", "b16": "u2",
    "u32": "u4", "s32": "i4", "b32": "u4", "u64": "u8", "s64": "i8", "b64": "u8"}.items()}

# how registers are kept: integers without a sign, halves as bits
REGISTERS = {name: kind if name in ("f32", "f64", "pred") else np.dtype(f"u{kind.itemsize}") for name, kind in DTYPES.items()}


def dtype(name: str) -> np.dtype:
    """The dtype of a PTX type."""
    try:
        return DTYPES[name]
    except KeyError:
        raise KernelFault(f"the type .{name} is not modelled") from None


def size(name: str) -> int:
    """The bytes of a PTX type."""
    return dtype(name).itemsize
