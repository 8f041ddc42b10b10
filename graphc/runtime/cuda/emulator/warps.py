"""What the lanes of a warp do together: shuffles, votes, and their barrier. Each names its members, all of which must be there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.runtime.cuda.emulator.operands import Operands, Run
from graphc.runtime.cuda.emulator.parse import Instruction
from graphc.runtime.cuda.emulator.types import KernelFault

__all__ = ["BUILDERS"]


def _present(m: Any, at: Any) -> np.ndarray:
    """The lanes of each lane's warp that execute this instruction, as bits."""
    bits = np.zeros(m.threads, np.int64)
    np.bitwise_or.at(bits, m.warp[at.index], np.int64(1) << m.lane[at.index])
    return bits[m.warp[at.index]]


def _members(m: Any, at: Any, mask: Any) -> None:
    """KernelFault if the mask names a lane that is not there. Lanes behind the end of a block do not exist."""
    alive = np.minimum(m.block_threads - (m.warp[at.index] % m.block_threads), 32)
    if (mask.astype(np.int64) & ((np.int64(1) << alive) - 1) & ~_present(m, at)).any():
        raise KernelFault("a warp instruction names lanes that do not execute it")


def _shfl(i: Instruction, o: Operands) -> Run:
    """A value from another lane of the warp: by xor, from above, from below, or by number."""
    mode, targets = i.words[2], i.operands[0].split("|")
    writes = [o.write(t) for t in targets]
    value, lane, clamp, mask = (o.read(text, "u32") for text in i.operands[1:5])

    def run(m: Any, at: Any) -> None:
        _members(m, at, mask(m, at))
        own, by, limits = m.lane[at.index], lane(m, at).astype(np.int64) & 31, clamp(m, at).astype(np.int64)
        segment, end = limits >> 8 & 31, limits & 31
        first, last = own & segment, (own & segment) | (end & ~segment)
        source = {"bfly": own ^ by, "up": own - by, "down": own + by, "idx": first | (by & ~segment)}[mode]
        inside = source >= last if mode == "up" else source <= last
        source = m.warp[at.index] + np.where(inside, source, own)
        here = np.zeros(m.threads, bool)
        here[at.index] = True
        if not here[source].all():
            raise KernelFault("a shuffle reads a lane that does not execute it")
        every = np.zeros(m.threads, np.uint32)
        every[at.index] = value(m, at)
        for write, result in zip(writes, (every[source], inside), strict=False):
            write(m, at, result)
    return run


def _vote(i: Instruction, o: Operands) -> Run:
    """Whether a predicate holds in all lanes, in any, or in which."""
    mode, write = i.words[2], o.write(i.operands[0])
    predicate, mask = o.read(i.operands[1], "pred"), o.read(i.operands[2], "u32")

    def run(m: Any, at: Any) -> None:
        members = mask(m, at)
        _members(m, at, members)
        bits = np.zeros(m.threads, np.uint64)
        np.bitwise_or.at(bits, m.warp[at.index], np.where(predicate(m, at), np.uint64(1) << m.lane[at.index].astype(np.uint64), np.uint64(0)))
        found = bits[m.warp[at.index]].astype(np.uint32)
        write(m, at, {"ballot": found, "any": found != 0, "all": found == (members & _present(m, at).astype(np.uint32))}[mode])
    return run


def _activemask(i: Instruction, o: Operands) -> Run:
    write = o.write(i.operands[0])
    return lambda m, at: write(m, at, _present(m, at).astype(np.uint32))


def _order(i: Instruction, o: Operands) -> Run:
    """The barrier of a warp. Fences order what is in order here already."""
    if "warp" not in i.words:
        return lambda m, at: None
    mask = o.read(i.operands[0], "u32")

    def run(m: Any, at: Any) -> None:
        _members(m, at, mask(m, at))
        m.sync[at.index] += 1
    return run


BUILDERS: dict[str, Callable[[Instruction, Operands], Run]] = {
    "shfl": _shfl, "vote": _vote, "activemask": _activemask, **dict.fromkeys(("bar", "membar", "fence", "prefetch", "nanosleep"), _order)}
