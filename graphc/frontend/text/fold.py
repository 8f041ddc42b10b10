"""Arithmetic of the numbers in a formula, bounded: `9**9**9**9` is an error at once and not a number of 370 million digits.

    int op int      exact while it fits 64 bits, as NumPy's integers; beyond, a float
    otherwise       float64; what overflows, or divides by zero, is an error with its place

A tensor without reads (`size("n")`, `exp(1)`) is an exact number of sympy's as soon as it meets another: those are held to
MAX_BITS bits a number, MAX_ATOMS atoms and MAX_LEVELS levels.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import sympy as sp

from graphc.errors import FormulaError
from graphc.frontend.tensor import Tensor
from graphc.ir.build import constant_value

__all__ = ["fold_binary", "fold_unary", "is_number", "check_power", "check_constant"]

MAX_BITS = 4096
MAX_ATOMS = 400
MAX_LEVELS = 40
_WORD = 2**63
_LOGICAL: dict[str, Callable[[Any, Any], Any]] = {"&": operator.and_, "|": operator.or_, "^": operator.xor}
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv, "%": operator.mod,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne}


def is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def fold_binary(sign: str, a: int | float, b: int | float) -> int | float:
    """a sign b"""
    if sign in _LOGICAL:
        if not (isinstance(a, bool) and isinstance(b, bool)):
            raise FormulaError(f"{sign} takes conditions, not numbers; a power is written **")
        return bool(_LOGICAL[sign](a, b))
    if sign == "@":
        raise FormulaError("@ multiplies tensors, not numbers; write *")
    try:
        return _bounded(_power(a, b) if sign == "**" else _BINARY[sign](a, b))
    except ZeroDivisionError:
        raise FormulaError(f"{_short(a)} {sign} {_short(b)} divides by zero; write inf or nan if that is meant") from None
    except OverflowError:
        raise FormulaError(f"{_short(a)} {sign} {_short(b)} is too large for a float") from None


def fold_unary(sign: str, a: int | float) -> int | float:
    if sign == "~":
        if not isinstance(a, bool):
            raise FormulaError("~ takes a condition, not a number")
        return not a
    return -a if sign == "-" else +a


def _power(a: int | float, b: int | float) -> Any:
    whole = isinstance(a, int) and isinstance(b, int)
    if whole and 0 <= b and int(a).bit_length() * b <= 2 * _WORD.bit_length():
        return a**b
    result = float(a)**float(b)
    if isinstance(result, complex):
        raise FormulaError(f"{_short(a)} to the power {_short(b)} is not a real number")
    return result


def _bounded(value: Any) -> int | float:
    if isinstance(value, int) and not isinstance(value, bool) and not -_WORD <= value < _WORD:
        return float(value)
    return value                                                                                 # type: ignore[no-any-return]


def _short(value: int | float) -> str:
    return repr(value) if not isinstance(value, int) or abs(value) < 10**15 else f"{float(value):.3g}"


def check_power(base: Any, exponent: Any) -> None:
    """Refuse a power that sympy would write out in more than MAX_BITS bits."""
    body = constant_value(base.node) if isinstance(base, Tensor) else None
    if body is None or not is_number(exponent):
        return
    if _bits(body) > 1 and _bits(body) * abs(exponent) > MAX_BITS:
        raise FormulaError(f"the power {_short(exponent)} of a constant is too large to be computed exactly")


def check_constant(value: Any) -> None:
    """Refuse a constant that has grown out of bounds."""
    body = constant_value(value.node) if isinstance(value, Tensor) else None
    if body is None:
        return
    if _bits(body) > MAX_BITS or _is_large(body):
        raise FormulaError("an expression of constants alone is too large; compute it beforehand and declare the number as an input")


def _is_large(body: sp.Expr) -> bool:
    level, atoms, levels = [body], 1, 0
    while level and atoms <= MAX_ATOMS and levels <= MAX_LEVELS:
        level = [a for e in level for a in e.args]
        atoms, levels = atoms + len(level), levels + 1
    return bool(level)


def _bits(body: sp.Expr) -> int:
    numbers = [body] if body.is_Atom else body.atoms(sp.Rational)
    return max((max(abs(int(a.p)), int(a.q)).bit_length() for a in numbers if a.is_Rational), default=0)
