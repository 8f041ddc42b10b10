"""Pointwise operations: aligning free indices, broadcasting positional axes, and the functions of the table."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp

from graphc.errors import DimError, DtypeError, FormulaError
from graphc.frontend.index import Index, resolve, unknown_sizes
from graphc.frontend.origin import origin_here
from graphc.frontend.tensor import Dim, Tensor, describe, dim_text
from graphc.ir.access import same_size
from graphc.ir.build import comprehension, constant
from graphc.ir.nodes import Origin, Read, Size
from graphc.ir.rows import choice_text, interval, kinks_of
from graphc.scalar.choice import chosen, clipped
from graphc.scalar.symbols import INF, axis_index, literal, placeholder
from graphc.scalar.table import ROWS, Row, op

__all__ = ["as_tensor", "elementwise", "align", "broadcast", "aligned_read", "to_float", "require", "scalar_function", "subgradient",
           "where", "clip", "power", "square"]

ZERO, ONE = sp.Integer(0), sp.Integer(1)


def as_tensor(value: Any, what: str = "operand") -> Tensor:
    """A tensor, a number, an index or a small array of numbers, as a Tensor."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Index):
        return value.tensor()
    if isinstance(value, Dim):
        return Tensor(constant(value.size, Origin("size"), dtype="int"))
    if isinstance(value, bool | np.bool_):
        return Tensor(constant(literal(value), Origin("constant"), dtype="bool"))
    if isinstance(value, numbers.Integral):
        return Tensor(constant(literal(value), Origin("constant"), dtype="int"))
    if isinstance(value, numbers.Real):
        return Tensor(constant(literal(value), Origin("constant"), dtype="float"))
    if isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "bif":
        return as_tensor(value.item())
    if isinstance(value, np.ndarray | list | tuple):
        return _small_array(np.asarray(value))
    if isinstance(value, str):
        raise located(FormulaError(f"the {what} {value!r} is text, not a tensor; gc.parse reads formulas from text"))
    raise located(DtypeError(f"the {what} is a {type(value).__name__}, which is no tensor and no real number; "
                     f"declare data with gc.tensor(name, dims) and pass it when the program is called"))


def _small_array(values: np.ndarray) -> Tensor:
    """Literal numbers in a formula become selections by index; data belong in an input."""
    if values.dtype.kind not in "bif":
        raise located(DtypeError(f"an array of dtype {values.dtype} is no operand of a formula"))
    if values.size > 32:
        raise located(FormulaError(f"an array of {values.size} numbers is data: declare it with gc.tensor(name, {values.shape}) and pass it "
                           "when the program is called; up to 32 numbers may be written into a formula"))
    if values.size == 0:
        raise located(FormulaError("an empty array is no operand of a formula"))
    flat = sp.Integer(0)
    for k, n in enumerate(values.shape):
        flat = flat * n + axis_index(k)
    body = literal(values.flat[-1])
    for k in range(values.size - 2, -1, -1):
        body = op("where")(op("eq")(flat, sp.Integer(k)), literal(values.flat[k]), body)
    kind = {"b": "bool", "i": "int", "f": "float"}[values.dtype.kind]
    return Tensor(constant(body, Origin("constant"), [sp.Integer(n) for n in values.shape], kind))


# --- alignment --------------------------------------------------------------------------------------------------------

def align(tensors: Sequence[Tensor], what: str) -> tuple[list[Tensor], tuple[str, ...], list[Size]]:
    """Give the free indices of all operands one order and one extent each."""
    sizes: dict[str, Size] = {}
    owner: dict[str, Tensor] = {}
    for t in tensors:
        for name, size in zip(t.free, t.node.dims, strict=False):
            if name in unknown_sizes(t):
                sizes.setdefault(name, size)
            elif name in owner and not same_size(sizes[name], size):
                raise DimError(f"{what}: index {name} runs over {dim_text(sizes[name])} in {describe(owner[name])} and over "
                               f"{dim_text(size)} in {describe(t)}; use two indices, or subscript dims of one size")
            else:
                sizes[name] = size
                owner.setdefault(name, t)
    resolved = [resolve(t, {n: sizes[n] for n in unknown_sizes(t) if n in owner}) for t in tensors]
    return resolved, tuple(sizes), list(sizes.values())


def broadcast(tensors: Sequence[Tensor], what: str) -> list[Size]:
    """The positional dims of the result: trailing axes aligned, a literal 1 stretches, names must agree."""
    rank = max((t.ndim for t in tensors), default=0)
    result: list[Size] = []
    for position in range(-rank, 0):
        chosen: tuple[Size, Tensor] | None = None
        for t in tensors:
            if t.ndim < -position:
                continue
            size = t.sizes[position]
            if chosen is None or chosen[0] == ONE:
                chosen = (size, t)
            elif size != ONE and not same_size(size, chosen[0]):
                raise DimError(_clash(what, chosen[1], t, chosen[0], size, position))
        result.append(chosen[0])                                                                 # type: ignore[index]
    return result


def _clash(what: str, a: Tensor, b: Tensor, size_a: Size, size_b: Size, position: int) -> str:
    return (f"{what}: dims clash: {describe(a)} has {dim_text(size_a)} where {describe(b)} has {dim_text(size_b)} "
            f"(axis {position}, counted from the right as NumPy broadcasts). Usually an operand is transposed (.T), an axis "
            f"is missing (x[:, None]), or one dim has been given two names")


def aligned_read(t: Tensor, free: tuple[str, ...], rank: int, sizes: Sequence[Size]) -> Read:
    """How an operand is read at the point (free indices, positional axes)."""
    index: list[Any] = [axis_index(free.index(name)) for name in t.free]
    for k, size in enumerate(t.sizes):
        position = rank - t.ndim + k
        stretched = size == ONE and sizes[position] != ONE
        index.append(sp.Integer(0) if stretched or size == ONE else axis_index(len(free) + position))
    return Read(t.node, tuple(index))


def elementwise(body: sp.Expr | Callable[..., sp.Expr], operands: Sequence[Any], what: str, hint: str = "",
                dtype: str | None = None) -> Tensor:
    """The map out[...] = body(operands), broadcast. A float operand keeps the result float, also where it is a literal 2.0."""
    try:
        tensors, free, free_sizes = align([as_tensor(o) for o in operands], what)
        sizes = broadcast(tensors, what)
    except (DimError, DtypeError, FormulaError) as error:
        raise located(error) from None
    if callable(body):
        body = body(*(placeholder(k) for k in range(len(tensors))))
    reads = [aligned_read(t, free, len(sizes), sizes) for t in tensors]
    node = comprehension([*free_sizes, *sizes], (), None, body, reads, origin_here(what, hint), dtype)
    if dtype is None and node.dtype == "int" and any(t.dtype == "float" for t in tensors):
        node = replace(node, dtype="float")
    return Tensor(node, free)


def located(error: Exception) -> Exception:
    """The same error, with the user's line at its end."""
    here = origin_here("")
    text = str(error)
    if not here.file or f"{here}" in text:
        return error
    return type(error)(f"{text}\n  at {here}")


def require(t: Tensor, kinds: str, what: str) -> Tensor:
    if t.dtype not in kinds.split():
        raise located(DtypeError(f"{what} takes {' or '.join(kinds.split())}, and {describe(t)} is {t.dtype}"))
    return t


def to_float(t: Tensor) -> Tensor:
    """Integers and booleans as floats, as NumPy promotes them."""
    if t.dtype == "float":
        return t
    return elementwise(placeholder(0), [t], "float", dtype="float")


# --- functions of the table -------------------------------------------------------------------------------------------

def scalar_function(name: str) -> Callable[..., Tensor]:
    """The user's function for a row of the table."""
    row = ROWS[name]

    def function(*args: Any, **choice: Any) -> Tensor:
        if len(args) != row.arity:
            raise located(FormulaError(f"{name} takes {row.arity} argument{'s' * (row.arity > 1)}, not {len(args)}"))
        if choice:
            c = _choice(row, choice)
            return elementwise(lambda *x: chosen(name, x, c), [to_float(as_tensor(a)) for a in args], name)
        return elementwise(lambda *x: op(name)(*x), args, name)

    function.__name__ = function.__qualname__ = name
    lines = [f"{name}({', '.join('xyz'[:row.arity])}), pointwise, with NumPy's broadcasting."]
    if row.domain:
        lines.append(f"Real for {row.domain}; NaN elsewhere.")
    if row.kinks:
        lines.append(f"Derivative chosen where there is none: {kinks_of(row)}.")
    if row.choice:
        lines.append(f"Another subgradient: {choice_text(row)}.")
    function.__doc__ = " ".join(lines)
    return function


def _choice(row: Row, choice: dict[str, Any]) -> sp.Expr:
    unknown = [k for k in choice if row.choice is None or k != row.choice.keyword]
    if unknown:
        way = f"; it has {row.choice.keyword}=, the subgradient at its kink" if row.choice else ""
        raise located(FormulaError(f"{row.name} has no keyword {', '.join(unknown)}{way}"))
    assert row.choice is not None
    return subgradient(row.name, row.choice.keyword, choice[row.choice.keyword], row.choice.low, row.choice.high)


def subgradient(what: str, keyword: str, value: Any, low: sp.Expr, high: sp.Expr) -> sp.Expr:
    """The number that a user has chosen at a kink, inside the interval of the subgradients there."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise located(FormulaError(f"{what}: {keyword} is a number, not {value!r}"))
    if not float(low) <= float(value) <= float(high):
        raise located(FormulaError(f"{what}: {keyword}={value!r} is no subgradient; those at the kink are the numbers in {interval(low, high)}"))
    return literal(value)


def where(condition: Any, yes: Any, no: Any) -> Tensor:
    """where(c, a, b): a where c holds, b elsewhere. Its derivative is a selection too: the side not taken has no part in it,
    so `where(x > 0, log(x), 0)` has gradient 0 at 0.

    >>> import graphc as gc
    >>> x = gc.tensor("x", "n")
    >>> gc.evaluate(gc.grad(gc.sum(gc.where(x > 0, gc.log(x), 0)), x), x=[0.0, 2.0])
    array([0. , 0.5])
    """
    condition = require(as_tensor(condition), "bool", "the condition of where")
    return elementwise(lambda c, a, b: op("where")(c, a, b), [condition, *_same_kind(yes, no)], "where")


def _same_kind(a: Any, b: Any) -> list[Tensor]:
    a, b = as_tensor(a), as_tensor(b)
    return [to_float(a), to_float(b)] if "float" in (a.dtype, b.dtype) else [a, b]


def clip(x: Any, low: Any = None, high: Any = None, at_bound: float = 1.0) -> Tensor:
    """min(max(x, low), high); the derivative is 1 on the closed interval [low, high], as torch.clamp has it. `at_bound`, in [0, 1], is
    another one at the bounds.
    """
    c = subgradient("clip", "at_bound", at_bound, ZERO, ONE)
    if low is None and high is None:
        raise located(FormulaError("clip needs a lower or an upper bound"))
    x = as_tensor(x)
    bounds = [as_tensor(b) for b in (low, high) if b is not None]
    if any(t.dtype == "float" for t in (x, *bounds)):
        x, bounds = to_float(x), [to_float(b) for b in bounds]

    def body(x: sp.Expr, *bound: sp.Expr) -> sp.Expr:
        return clipped(x, None if low is None else bound[0], None if high is None else bound[-1], c)
    return elementwise(body, [x, *bounds], "clip")


def power(base: Any, exponent: Any) -> Tensor:
    """base ** exponent. A literal exponent differentiates by the power rule; x**0 is 1."""
    base = as_tensor(base)
    if isinstance(exponent, numbers.Real) and not isinstance(exponent, bool) and math.isfinite(exponent):
        number = literal(exponent)
        if not isinstance(exponent, numbers.Integral) or number < 0:
            base = to_float(base)
        if number == sp.Rational(1, 2):
            return elementwise(lambda x: op("sqrt")(x), [base], "sqrt")
        if number == 0:
            return elementwise(lambda x: op("power")(x, number), [base], "**")
        return elementwise(lambda x: x**number, [base], "**")
    exponent = as_tensor(exponent)
    if base.dtype != "float" or exponent.dtype != "float":
        base, exponent = to_float(base), to_float(exponent)
    return elementwise(lambda x, p: op("power")(x, p), [base, exponent], "**")


def square(x: Any) -> Tensor:
    """x**2"""
    return power(x, 2)


def infinity() -> Tensor:
    return Tensor(constant(INF, Origin("constant"), dtype="float"))
