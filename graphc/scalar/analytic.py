r"""Analytic functions whose formulas fail near a point: sin(x)/x at 0, log(x)/(x - 1) at 1, exp(x) - 1 - x near 0.

    f(x) = c[0] + c[1] d + c[2] d^2 + ...   where |d| < width, d = x - point;   the formula elsewhere

Such a function is a row of the table made when it is met. Its derivative is another, of the differentiated series and the differentiated
formula, so every order has its own width and its own digits.

The width is chosen for each precision: a wider series needs more terms, a narrower one leaves the formula where it still cancels. Series of
more and more terms are tried until the formula, beside the widest interval on which the series is exact to 1/8 ULP, is right to 2 ULP against
mpmath; or else the one is taken for which that error is least.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from graphc.scalar.arithmetic import Arithmetic
from graphc.scalar.symbols import placeholder
from graphc.scalar.table import Op, Row, op, register, where
from graphc.scalar.term import freeze

__all__ = ["Analytic", "Piece", "analytic"]

X = placeholder(0)
DIGITS = 60
GOOD = 2.0                      # ULP that a formula may err by, beside the series
PRECISION = {"float32": (24, (6, 8, 10, 12, 16, 22, 28)), "float64": (53, (10, 14, 18, 22, 26, 30, 36, 42))}


@dataclass(frozen=True)
class Piece:
    """The series in one precision: where |x - point| < width, the polynomial with these coefficients."""

    width: float
    coefficients: tuple[Any, ...]


@dataclass(frozen=True)
class Analytic:
    """A formula of x0, a point where it fails, and its Taylor series there."""

    formula: sp.Expr
    point: sp.Expr
    series: tuple[Any, ...]
    stabilised: Callable[[sp.Expr], sp.Expr]       # the formula of a derivative in its stable form

    def piece(self, precision: str) -> Piece:
        return _piece(self, precision)

    def body(self, precision: str) -> sp.Expr:
        """The function in one precision, as an expression of x0."""
        piece = self.piece(precision)
        d = X - self.point
        return where(op("lt")(op("abs")(d), sp.Float(piece.width)), horner(d, piece.coefficients), self.formula)

    def exactly(self, x: Any) -> Any:
        """The value in mpmath's working precision."""
        digits = mpmath.mp.dps
        with mpmath.workdps(6 * digits + 20):
            near = mpmath.mpf(10) ** (-2 * digits)
            point = value_of(self.point, 0)
            return +value_of(self.formula, x if abs(x - point) > near else point + near)

    def error(self, x: float, precision: str) -> float:
        """How many ULP the formula errs by at a number of this precision."""
        dtype = np.dtype(precision)
        given = dtype.type(x)
        found = Arithmetic(dtype).term(freeze(self.formula, ("float",)), lambda t: np.asarray(given))
        exact = self.exactly(mpmath.mpf(float(given)))
        unit = mpmath.mpf(2) ** (mpmath.floor(mpmath.log(abs(exact), 2)) - np.finfo(dtype).nmant) if exact else mpmath.mpf(0)
        return float(abs(mpmath.mpf(float(found)) - exact) / unit) if unit and np.isfinite(found) else mpmath.inf

    @property
    def name(self) -> str:
        return slug(self.formula)

    @property
    def derivative(self) -> Analytic:
        series = tuple(k * c for k, c in enumerate(self.series))[1:]
        return Analytic(self.stabilised(self.formula.diff(X)), self.point, series, self.stabilised)


def value_of(e: sp.Expr, x: Any) -> Any:
    """An expression of x0 in mpmath's working precision."""
    given = x if isinstance(x, mpmath.mpf) else mpmath.mpf(x)
    value = Arithmetic(digits=mpmath.mp.dps).term(freeze(e, ("float",)), lambda t: given)
    return mpmath.mpf(int(value)) if isinstance(value, np.integer) else value[()] if isinstance(value, np.ndarray) else value


def horner(d: sp.Expr, coefficients: tuple[Any, ...]) -> sp.Expr:
    """c[0] + d*(c[1] + d*(c[2] + ...)); in d^2 where every other coefficient is 0."""
    numbers = [sp.Float(c, DIGITS) if c else sp.Integer(0) for c in coefficients]
    for first in (0, 1):
        if not any(numbers[1 - first::2]) and len(numbers) > 2:
            value = _nested(d**2, numbers[first::2])
            return d * value if first else value
    return _nested(d, numbers)


def _nested(d: sp.Expr, numbers: list[sp.Expr]) -> sp.Expr:
    value = numbers[-1]
    for c in reversed(numbers[:-1]):
        value = sp.Add(c, sp.Mul(d, value, evaluate=False), evaluate=False)
    return value


@cache
def _piece(f: Analytic, precision: str) -> Piece:
    bits, sizes = PRECISION[precision]
    best: tuple[float, Piece] | None = None
    with mpmath.workdps(DIGITS):
        for size in sizes:
            if size > len(f.series):
                break
            width = _width(f.series, size, bits)
            if width == 0:
                continue
            around = [float(f.point) + sign * width * scale for sign in (-1, 1) for scale in (1.0, 1.13, 1.5, 2.1)]
            error = max(f.error(x, precision) for x in around)
            if best is None or error < best[0]:
                best = error, Piece(width, f.series[:size])
            if error <= GOOD:
                break
    return best[1] if best else Piece(2.0**-bits, f.series[:2])


def _width(series: tuple[Any, ...], size: int, bits: int) -> float:
    """The widest interval, in steps of sqrt(2), on which what is left out is below 1/8 ULP and the terms do not cancel."""
    lead = next((k for k, c in enumerate(series) if c), 0)
    for step in range(4, -120, -1):
        d = mpmath.mpf(2) ** (mpmath.mpf(step) / 2)
        terms = [abs(c) * d**k for k, c in enumerate(series)]
        least = min(abs(mpmath.fsum(c * (s * d)**k for k, c in enumerate(series))) for s in (-1, 1))
        if least and sum(terms[size:]) <= least * mpmath.mpf(2) ** (-bits - 3) and sum(terms[:size]) <= 3 * least and terms[-1] < least * 2.0**-bits \
                and least >= terms[lead] / 4:
            return float(d)
    return 0.0


# --- rows -------------------------------------------------------------------------------------------------------------

_MADE: dict[str, type[Op]] = {}


def analytic(f: Analytic) -> type[Op]:
    """The function of the table that computes f."""
    if f.name not in _MADE:
        row = Row(f.name, (lambda x, y: analytic(f.derivative)(x),), numpy="", jit=f.name, mpmath=lambda mp, x: f.exactly(x), latex="", definition=f)
        _MADE[f.name] = register(row)
    return _MADE[f.name]


def slug(formula: sp.Expr) -> str:
    """A name of letters for a formula: sin(x)/x is sin_x_over_x."""
    text = str(formula.xreplace({X: sp.Symbol("x")}))
    for sign, word in (("**", "_to_"), ("*", "_times_"), ("/", "_over_"), ("+", "_plus_"), ("-", "_minus_"), (".", "p")):
        text = text.replace(sign, word)
    name = re.sub(r"_+", "_", re.sub(r"\W", "_", text)).strip("_")
    if len(name) > 48:
        name = name[:40].rstrip("_") + "_" + hashlib.sha256(str(formula).encode()).hexdigest()[:6]
    return name if name[:1].isalpha() else f"f_{name}"
