"""Operands, decoded once when a program is loaded: an operand becomes a function of the machine and the lanes that execute.

    register    %f3            read and written as the type that the instruction names; registers of one size share bits
    immediate   12, 0f3F800000 (the bits of a float32), 0d... (of a float64)
    special     %tid.x, %laneid ...
    symbol      a variable in shared, local or constant memory: its address
    [base+12]   an address
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.runtime.cuda.emulator.parse import Program
from graphc.runtime.cuda.emulator.types import REGISTERS, KernelFault, dtype

if TYPE_CHECKING:
    from graphc.runtime.cuda.emulator.machine import Lanes, Machine

__all__ = ["Read", "Write", "Run", "Operands"]

Read = Callable[["Machine", "Lanes"], Any]
Write = Callable[["Machine", "Lanes", Any], None]
Run = Callable[["Machine", "Lanes"], None]

_ADDRESS = re.compile(r"\[([%$\w.:]+)\s*(?:\+\s*(-?\w+))?\]\Z")
_INTEGER = re.compile(r"-?(0x)?[0-9a-fA-F]+U?\Z")


class Operands:
    """The decoder of a program's operands."""

    def __init__(self, program: Program):
        self.program = program
        self.slots = {name: slot for slot, name in enumerate(program.registers)}

    def read(self, text: str, kind: str) -> Read:
        """A reader of values of a PTX type."""
        if text.startswith("!"):
            inner = self.read(text[1:], kind)
            return lambda m, at: ~inner(m, at)
        if text in self.slots:
            return self._register(text, kind)
        if text.startswith("%"):
            wanted = dtype(kind)
            return lambda m, at: m.special(text)[at.index].astype(wanted)
        if text in self.program.data:
            return lambda m, at: m.memory.symbols[text]
        value = self.constant(text, kind)
        return lambda m, at: value

    def _register(self, text: str, kind: str) -> Read:
        slot, wanted, kept = self.slots[text], dtype(kind), REGISTERS[self.program.registers[text]]
        if kept == wanted:
            return lambda m, at: m.registers[slot][at.index]
        if kept.itemsize == wanted.itemsize:
            return lambda m, at: m.registers[slot][at.index].view(wanted)
        if wanted.kind in "iu":
            return lambda m, at: m.registers[slot][at.index].astype(wanted)
        raise KernelFault(f"the register {text} of {kept} is used as .{kind}")

    def constant(self, text: str, kind: str) -> Any:
        """The value of an immediate or of the address of a variable."""
        wanted, program = dtype(kind), self.program
        if text.startswith("0f"):
            return np.uint32(int(text[2:], 16)).view(np.float32).astype(wanted)
        if text.startswith("0d"):
            return np.uint64(int(text[2:], 16)).view(np.float64).astype(wanted)
        if text in program.shared:
            return wanted.type(-(-program.shared_size // 16) * 16 if text in program.dynamic else program.shared[text])
        if text in program.local:
            return wanted.type(program.local[text])
        number = 32 if text == "WARP_SZ" else int(text.rstrip("U"), 0) if _INTEGER.match(text) else None
        if number is None:
            raise KernelFault(f"the operand {text!r} is not understood")
        if wanted.kind in "iu":
            unsigned = np.dtype(f"u{wanted.itemsize}").type
            return unsigned(number % (1 << 8 * wanted.itemsize)).view(wanted)
        return wanted.type(number)

    def write(self, text: str) -> Write:
        """A writer of a register; `_` takes anything."""
        if text == "_":
            return lambda m, at, value: None
        slot, kept = self.slots[text], REGISTERS[self.program.registers[text]]

        def put(m: Machine, at: Lanes, value: Any) -> None:
            if value.dtype != kept:
                if value.dtype.itemsize != kept.itemsize:
                    value = value.astype(kept)                             # sign-extended where the value has a sign
                elif kept.kind != "b":
                    value = value.view(kept)
            m.registers[slot][at.index] = value
        return put

    def address(self, text: str) -> Read:
        """A reader of addresses, as int64."""
        found = _ADDRESS.match(text)
        if found is None:
            raise KernelFault(f"the address {text!r} is not understood")
        base, offset = found[1], np.int64(int(found[2] or "0", 0))
        narrow = base in self.slots and REGISTERS[self.program.registers[base]].itemsize == 4
        read = self.read(base, "u32" if narrow else "u64")
        return lambda m, at: np.broadcast_to(read(m, at), at.count).astype(np.int64) + offset


def listed(text: str) -> list[str]:
    """The operands in braces, or the one that stands alone."""
    return [part.strip() for part in text.strip("{}").split(",")]
