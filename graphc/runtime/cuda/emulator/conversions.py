"""cvt: between reals and integers of all sizes. To an integer, a real is rounded as asked, NaN is 0, and what is too large is the largest.
bfloat16 is bits, as PTX has it; so are two halves in a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.runtime.cuda.emulator.operands import Operands, Run
from graphc.runtime.cuda.emulator.parse import Instruction
from graphc.runtime.cuda.emulator.reals import directed, flushed
from graphc.runtime.cuda.emulator.types import dtype

__all__ = ["BUILDERS"]

ROUNDINGS: dict[str, Callable[[Any], Any]] = {"rni": np.rint, "rmi": np.floor, "rpi": np.ceil, "rzi": np.trunc}


def _cvt(i: Instruction, o: Operands) -> Run:
    if i.words[-2] in HALVES:
        return _to_halves(i, o)
    words, target, source = i.words[1:-2], dtype(i.words[-2]), dtype(i.words[-1])
    write, read = o.write(i.operands[0]), o.read(i.operands[1], i.words[-1])
    whole = next((ROUNDINGS[w] for w in words if w in ROUNDINGS), None)
    convert = _to_real if target.kind == "f" else _to_integer if source.kind == "f" else _between_integers
    return lambda m, at: write(m, at, convert(flushed(words, read(m, at)), target, words, whole))


def _to_real(value: Any, target: np.dtype, words: tuple[str, ...], whole: Any) -> Any:
    value = whole(value) if whole else value
    narrower = value.dtype.kind == "f" and value.dtype.itemsize > target.itemsize
    result = directed(words, value, target) if narrower and not {"rz", "rm", "rp"}.isdisjoint(words) else value.astype(target)
    if "sat" in words:
        result = np.where(np.isnan(result), target.type(0), np.clip(result, target.type(0), target.type(1)))
    return result


def _to_integer(value: Any, target: np.dtype, words: tuple[str, ...], whole: Any) -> Any:
    info = np.iinfo(target)
    rounded = (whole or np.trunc)(value).astype(np.longdouble)             # which holds every integer of 64 bits
    return np.where(np.isnan(rounded), np.longdouble(0), np.clip(rounded, info.min, info.max)).astype(target)


def _to_halves(i: Instruction, o: Operands) -> Run:
    """float32 to the bits of a half, to nearest; of two, the first operand is the upper half of the word."""
    bits, write = HALVES[i.words[-2]], o.write(i.operands[0])
    reads = [o.read(text, "f32") for text in i.operands[1:]]
    if len(reads) == 1:
        return lambda m, at: write(m, at, bits(reads[0](m, at)))
    return lambda m, at: write(m, at, bits(reads[0](m, at)).astype(np.uint32) << np.uint32(16) | bits(reads[1](m, at)))


def _f16(value: Any) -> Any:
    return np.asarray(value).astype(np.float16).view(np.uint16)


def _bf16(value: Any) -> Any:
    """The upper half of float32's bits, rounded to nearest, ties to even; NaN is the one of all bits."""
    bits = np.asarray(value).view(np.uint32).astype(np.uint64)
    return np.where(np.isnan(value), 0x7FFF, (bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


HALVES: dict[str, Callable[[Any], Any]] = {"f16x2": _f16, "bf16": _bf16, "bf16x2": _bf16}


def _between_integers(value: Any, target: np.dtype, words: tuple[str, ...], whole: Any) -> Any:
    if "sat" in words:
        value = np.clip(value.astype(object), np.iinfo(target).min, np.iinfo(target).max)
    return value.astype(target)


BUILDERS: dict[str, Callable[[Instruction, Operands], Run]] = {"cvt": _cvt}
