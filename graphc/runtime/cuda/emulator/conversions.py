"""cvt: between reals and integers of all sizes. To an integer, a real is rounded as asked, NaN is 0, and what is too large is the largest."""

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


def _between_integers(value: Any, target: np.dtype, words: tuple[str, ...], whole: Any) -> Any:
    if "sat" in words:
        value = np.clip(value.astype(object), np.iinfo(target).min, np.iinfo(target).max)
    return value.astype(target)


BUILDERS: dict[str, Callable[[Instruction, Operands], Run]] = {"cvt": _cvt}
