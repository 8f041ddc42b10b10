"""Arithmetic of reals: IEEE's, rounded to nearest, or as the instruction says; `.ftz` flushes subnormal numbers, `.sat` clips to [0, 1].

`.approx` instructions are computed in float64 and rounded. fma is rounded once, by the processor's own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import float32, float64, vectorize

from graphc.codegen.mathlib.pairs import fused
from graphc.runtime.cuda.emulator.operands import Operands, Run
from graphc.runtime.cuda.emulator.parse import Instruction
from graphc.runtime.cuda.emulator.types import KernelFault, dtype

__all__ = ["build", "flushed", "directed"]

Function = Callable[..., Any]
LEAST_NORMAL = np.finfo(np.float32).tiny


def _exactly(function: Function) -> Function:
    return lambda x: function(x.astype(np.float64)).astype(x.dtype)


def _greater(a: Any, b: Any) -> Any:
    return np.where(a == b, np.where(np.signbit(a), b, a), np.fmax(a, b))


def _less(a: Any, b: Any) -> Any:
    return np.where(a == b, np.where(np.signbit(a), a, b), np.fmin(a, b))


def _propagating(function: Function) -> Function:
    return lambda a, b: np.where(np.isnan(a) | np.isnan(b), a.dtype.type(np.nan), function(a, b))


FUNCTIONS: dict[str, Function] = {
    "neg": np.negative, "abs": np.abs, "sqrt": np.sqrt, "copysign": lambda a, b: np.copysign(b, a),
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "max": _greater, "min": _less,
    "ex2": _exactly(np.exp2), "lg2": _exactly(np.log2), "rcp": _exactly(lambda x: 1 / x), "rsqrt": _exactly(lambda x: 1 / np.sqrt(x)),
    "sin": _exactly(np.sin), "cos": _exactly(np.cos), "tanh": _exactly(np.tanh),
}


@cache
def _fma(kind: np.dtype) -> Function:
    """fma(a, b, c) of NumPy arrays."""
    if kind == np.float16:
        wide = _fma(np.dtype(np.float64))
        return lambda a, b, c: wide(*(v.astype(np.float64) for v in (a, b, c))).astype(kind)
    real = float32 if kind == np.float32 else float64
    one = fused(real)
    return vectorize([real(real, real, real)])(lambda a, b, c: one(a, b, c))      # type: ignore[no-any-return]


def flushed(words: tuple[str, ...], value: Any) -> Any:
    """The value, where the instruction flushes: without subnormal numbers."""
    if "ftz" in words and value.dtype == np.float32:
        return np.where(np.abs(value) < LEAST_NORMAL, np.copysign(np.float32(0), value), value)
    return value


def directed(words: tuple[str, ...], exact: Any, kind: np.dtype) -> Any:
    """A value of a wider type, rounded down, up or toward zero."""
    near = exact.astype(kind)
    back, one = near.astype(exact.dtype), kind.type
    if "rm" in words:
        return np.where(back > exact, np.nextafter(near, one(-np.inf)), near)
    if "rp" in words:
        return np.where(back < exact, np.nextafter(near, one(np.inf)), near)
    return np.where(np.abs(back) > np.abs(exact), np.nextafter(near, one(0)), near)


def _sum(words: tuple[str, ...], a: Any, b: Any) -> Any:
    """a + b rounded down, up or toward zero, by the sign of what rounding to nearest lost (Knuth's two-sum)."""
    near = np.asarray(a + b)
    back, one = near - a, near.dtype.type
    lost = (a - (near - back)) + (b - back)
    target = one(-np.inf) if "rm" in words else one(np.inf) if "rp" in words else one(0)
    away = lost < 0 if "rm" in words else lost > 0 if "rp" in words else lost * near < 0
    return np.where(away, np.nextafter(near, target), near)


def _function(name: str, words: tuple[str, ...], kind: np.dtype) -> Function:
    wide = np.dtype(np.longdouble) if kind == np.float64 else np.dtype(np.float64)
    if name in ("fma", "mad"):
        if _is_directed(words):
            return lambda a, b, c: directed(words, a.astype(wide) * b.astype(wide) + c.astype(wide), kind)
        return _fma(kind)
    if name not in FUNCTIONS:
        raise KernelFault(f"the opcode {name} is not modelled for reals")
    plain = FUNCTIONS[name]
    if name in ("max", "min") and "NaN" in words:
        return _propagating(plain)
    if _is_directed(words) and name in ("add", "sub"):
        return lambda a, b: _sum(words, a, b if name == "add" else -b)
    if _is_directed(words) and name in ("mul", "div"):
        return lambda a, b: directed(words, plain(a.astype(wide), b.astype(wide)), kind)
    return plain


def _is_directed(words: tuple[str, ...]) -> bool:
    return not {"rm", "rp", "rz"}.isdisjoint(words)


def build(i: Instruction, o: Operands) -> Run:
    """An instruction on reals."""
    kind, words = dtype(i.type), i.words
    function, write = _function(words[0], words[1:], kind), o.write(i.operands[0])
    reads = [o.read(text, i.type) for text in i.operands[1:]]
    plain = "ftz" not in words and "sat" not in words

    def run(m: Any, at: Any) -> None:
        if plain:
            write(m, at, function(*(read(m, at) for read in reads)))
            return
        value = flushed(words, np.asarray(function(*(flushed(words, read(m, at)) for read in reads))).astype(kind))
        if "sat" in words:
            value = np.where(np.isnan(value), kind.type(0), np.clip(value, kind.type(0), kind.type(1)))
        write(m, at, value)
    return run
