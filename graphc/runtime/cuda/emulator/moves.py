"""Moves, addresses of other spaces, comparisons, selections, and logic of predicates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.runtime.cuda.emulator.memory import LOCAL_WINDOW, SHARED_WINDOW
from graphc.runtime.cuda.emulator.operands import Operands, Run, listed
from graphc.runtime.cuda.emulator.parse import Instruction
from graphc.runtime.cuda.emulator.reals import flushed
from graphc.runtime.cuda.emulator.types import dtype

__all__ = ["BUILDERS", "logic"]

LOGIC: dict[str, Callable[..., Any]] = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor, "not": np.logical_not}


def logic(i: Instruction, o: Operands) -> Run:
    """and, or, xor, not of predicates."""
    function, write = LOGIC[i.words[0]], o.write(i.operands[0])
    reads = [o.read(text, "pred") for text in i.operands[1:]]
    return lambda m, at: write(m, at, function(*(read(m, at) for read in reads)))


def _mov(i: Instruction, o: Operands) -> Run:
    """mov, which also packs two halves into one register, and unpacks."""
    target, source = i.operands
    if target.startswith("{"):
        return _unpack(listed(target), source, int(i.type[1:]), o)
    if source.startswith("{"):
        return _pack(target, listed(source), int(i.type[1:]), o)
    write, read = o.write(target), o.read(source, i.type)
    return lambda m, at: write(m, at, read(m, at))


def _unpack(targets: list[str], source: str, bits: int, o: Operands) -> Run:
    writes, read, part = [o.write(t) for t in targets], o.read(source, f"u{bits}"), bits // len(targets)

    def run(m: Any, at: Any) -> None:
        value = np.broadcast_to(read(m, at), at.count)
        for k, write in enumerate(writes):
            write(m, at, (value >> value.dtype.type(part * k)).astype(f"u{part // 8}"))
    return run


def _pack(target: str, sources: list[str], bits: int, o: Operands) -> Run:
    part = bits // len(sources)
    write, reads, kind = o.write(target), [o.read(s, f"u{part}") for s in sources], np.dtype(f"u{bits // 8}")

    def run(m: Any, at: Any) -> None:
        value = np.zeros(at.count, kind)
        for k, read in enumerate(reads):
            value |= read(m, at).astype(kind) << kind.type(part * k)
        write(m, at, value)
    return run


def _cvta(i: Instruction, o: Operands) -> Run:
    """An address as a generic one, or back."""
    window = np.uint64(SHARED_WINDOW if "shared" in i.words else LOCAL_WINDOW if "local" in i.words else 0)
    write, read = o.write(i.operands[0]), o.read(i.operands[1], "u64")
    if "to" in i.words:
        return lambda m, at: write(m, at, read(m, at) - window)
    return lambda m, at: write(m, at, read(m, at) + window)


COMPARISONS: dict[str, Callable[..., Any]] = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "lo": np.less, "ls": np.less_equal, "hi": np.greater, "hs": np.greater_equal}


def _nan(a: Any, b: Any) -> Any:
    return np.isnan(a) | np.isnan(b)


def _comparison(name: str, real: bool) -> Callable[..., Any]:
    """Of reals: false where a number is NaN; the names that end in u, true."""
    if name in ("num", "nan"):
        return _nan if name == "nan" else lambda a, b: ~_nan(a, b)
    if not real:
        return COMPARISONS[name]
    plain = COMPARISONS[name[:2]]
    return (lambda a, b: plain(a, b) | _nan(a, b)) if name.endswith("u") else (lambda a, b: plain(a, b) & ~_nan(a, b))


def _setp(i: Instruction, o: Operands) -> Run:
    """A comparison into a predicate, combined with another; a second predicate takes the opposite."""
    words, targets = i.words, i.operands[0].split("|")
    compare = _comparison(words[1], dtype(i.type).kind == "f")
    writes, a, b = [o.write(t) for t in targets], o.read(i.operands[1], i.type), o.read(i.operands[2], i.type)
    combine = next((LOGIC[w] for w in words[2:-1] if w in LOGIC), None)
    other = o.read(i.operands[3], "pred") if combine else None

    def run(m: Any, at: Any) -> None:
        found = np.asarray(compare(flushed(words, a(m, at)), flushed(words, b(m, at))))
        for write, value in zip(writes, (found, ~found), strict=False):
            write(m, at, combine(value, other(m, at)) if combine and other else value)
    return run


def _selp(i: Instruction, o: Operands) -> Run:
    write, condition = o.write(i.operands[0]), o.read(i.operands[3], "pred")
    yes, no = o.read(i.operands[1], i.type), o.read(i.operands[2], i.type)
    return lambda m, at: write(m, at, np.where(condition(m, at), yes(m, at), no(m, at)))


BUILDERS: dict[str, Callable[[Instruction, Operands], Run]] = {"mov": _mov, "cvta": _cvta, "setp": _setp, "selp": _selp}
