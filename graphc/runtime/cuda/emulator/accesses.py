"""Loads, stores and atomic operations; parameters of a kernel and of the functions it calls."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.runtime.cuda.emulator.operands import Operands, Run, listed
from graphc.runtime.cuda.emulator.parse import Instruction
from graphc.runtime.cuda.emulator.types import KernelFault, dtype, size

__all__ = ["BUILDERS"]

SPACES = ("global", "shared", "local", "const", "param")
_NAME = re.compile(r"\[([\w$]+)")


def _space(i: Instruction) -> str:
    found = next((w.split("::")[0] for w in i.words if w.split("::")[0] in SPACES), "")
    return found if found in ("shared", "local", "param") else "global"


def _parameter(i: Instruction, text: str, o: Operands) -> str:
    """The parameter that an address names: the kernel's and a function's own have their names, those of a call its function's scope."""
    found = _NAME.match(text)
    if found is None:
        raise KernelFault(f"the parameter {text} is not understood")
    own = {p.name for f in o.program.functions.values() for p in (*f.parameters, *f.results)}
    return found[1] if found[1] in own else i.scope + found[1]


def _load(i: Instruction, o: Operands) -> Run:
    space, kind = _space(i), i.type
    if space == "param":
        name, write, width = _parameter(i, i.operands[1], o), o.write(i.operands[0]), size(kind)
        return lambda m, at: write(m, at, m.parameter(name)[at.index].astype(f"u{width}").view(dtype(kind)))
    writes, address = [o.write(t) for t in listed(i.operands[0])], o.address(i.operands[1])

    def run(m: Any, at: Any) -> None:
        for write, value in zip(writes, m.memory.load(space, address(m, at), kind, len(writes), at), strict=True):
            write(m, at, value)
    return run


def _store(i: Instruction, o: Operands) -> Run:
    space, kind = _space(i), i.type
    if space == "param":
        name, read, width = _parameter(i, i.operands[0], o), o.read(i.operands[1], kind), size(kind)

        def put(m: Any, at: Any) -> None:
            m.parameter(name)[at.index] = np.asarray(read(m, at)).view(f"u{width}").astype(np.uint64)
        return put
    address, reads = o.address(i.operands[0]), [o.read(s, kind) for s in listed(i.operands[1])]
    return lambda m, at: m.memory.store(space, address(m, at), kind, [read(m, at) for read in reads], at)


ATOMIC: dict[str, Callable[..., Any]] = {
    "add": lambda old, x, y: old + x, "min": lambda old, x, y: min(old, x), "max": lambda old, x, y: max(old, x), "exch": lambda old, x, y: x,
    "cas": lambda old, x, y: y if old == x else old, "and": lambda old, x, y: old & x, "or": lambda old, x, y: old | x,
    "xor": lambda old, x, y: old ^ x, "inc": lambda old, x, y: type(old)(0) if old >= x else old + type(old)(1),
    "dec": lambda old, x, y: x if old == 0 or old > x else old - type(old)(1)}


def _atomic(i: Instruction, o: Operands) -> Run:
    """One thread after the other; red gives nothing back."""
    space, kind, first = _space(i), i.type, 1 if i.words[0] == "atom" else 0
    update = ATOMIC[next(w for w in i.words if w in ATOMIC)]
    write = o.write(i.operands[0]) if first else None
    address, reads = o.address(i.operands[first]), [o.read(text, kind) for text in i.operands[first + 1:]]

    def run(m: Any, at: Any) -> None:
        width = size(kind)
        stretch, offset = m.memory.locate(space, address(m, at), width, at)
        if stretch.races is not None:
            stretch.races.access(offset, width, at.lanes, True, atomic=True)
        given = [np.broadcast_to(read(m, at), at.count) for read in reads]
        view, old = stretch.view(dtype(kind)), np.empty(at.count, dtype(kind))
        for k, place in enumerate(offset // width):
            old[k] = view[place]
            view[place] = update(view[place], given[0][k], given[1][k] if len(given) > 1 else None)
        m.counts["atomics"] += at.count
        if write is not None:
            write(m, at, old)
    return run


BUILDERS: dict[str, Callable[[Instruction, Operands], Run]] = {
    "ld": _load, "ldu": _load, "st": _store, **dict.fromkeys(("atom", "red"), _atomic)}
