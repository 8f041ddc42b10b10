r"""Rounding errors, followed through a formula: |computed - exact| <= rel |exact| + abs for every value.

    a + b      of one sign keep the larger relative error; of two signs, absolute errors add: this is cancellation
    a * b      relative errors add
    f(x)       |f(x') - f(x)| <= sup |f'| |x' - x|, with the derivative column of the function table
    sum of n   errs by (n - 1) u sum |x| at most, in whatever order it is added

u is half a unit in the last place. Underflow is left out here, as it is reported by itself. Bounds are floats; infinity says nothing.

Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. (2002), chapters 3 and 4; the sum without a limit on n: Jeannerod
and Rump, Improved error bounds for inner products in floating-point arithmetic, SIAM J. Matrix Anal. Appl. 34 (2013).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import sympy as sp

from graphc.analysis.ranges.apply import ABSOLUTE, ULPS, apply
from graphc.analysis.ranges.intervals import Format, Interval, hull, interval
from graphc.scalar.symbols import VALUE, placeholder
from graphc.scalar.table import ROWS
from graphc.scalar.term import Term, freeze

__all__ = ["Error", "total", "of_operation", "of_sum", "over", "EXACTLY"]

Error = tuple[float, float]                # relative, absolute
EXACTLY: Error = (0.0, 0.0)
_STEPS = frozenset("sign floor ceil round floordiv mod".split())
_COMPARE = frozenset("lt le gt ge eq ne".split())
_SELECT = frozenset("where maximum minimum relu abs neg stop_gradient".split())
_EXPONENTIAL = frozenset("exp sigmoid softplus".split())               # |f'| <= f: an absolute error becomes a relative one
_FLAT = frozenset("tanh arctan arcsinh erf".split())                   # |x f'| <= f and |f'| <= 1.2


def _times(a: float, b: float) -> float:
    return 0.0 if a == 0 or b == 0 else a * b


def over(a: float, b: Any) -> float:
    return 0.0 if a == 0 else a / float(b) if b > 0 and float(b) > 0 else math.inf


def total(error: Error, x: Interval) -> float:
    """The error as an absolute one."""
    return 0.0 if x.empty else _times(error[0], float(x.greatest)) + error[1]


def _rounded(error: Error, units: float) -> Error:
    return error[0] + units + _times(error[0], units), error[1] * (1 + units)


def of_operation(op: str, args: Sequence[Interval], errors: Sequence[Error], result: Interval, machine: Format,
                 kind: str = "float", power: int = 1) -> Error:
    """The error of a result, from its arguments and their errors."""
    exact = all(e == EXACTLY for e in errors)
    if result.empty:
        return EXACTLY
    if kind != "float" or op in _STEPS:
        return EXACTLY if exact or op in _COMPARE and _signs_are_known(args, errors) else (0.0, float(result.high - result.low))
    if op == "cast":
        return errors[0] if args[0].greatest <= 2**machine.bits else _rounded(errors[0], machine.unit)
    if op == "binade":                  # a scale that cancels: of exact data the one that is used, clamped or not, is the exact one
        return EXACTLY if exact else (0.0, float(apply(op, args, machine=machine).high))
    if op in _SELECT:
        return _selected(args, errors) if op in ("maximum", "minimum") else (max(e[0] for e in errors), max(e[1] for e in errors))
    rule = _ARITHMETIC.get(op)
    if rule:
        return _rounded(rule(args, errors), machine.unit)
    units = machine.unit * (power if op == "powi" else 1 if op == "sqrt" else 2 * ULPS)
    found = EXACTLY if exact else _powi(args[0], errors[0], power) if op == "powi" else _function(op, args, errors, result)
    return _rounded((found[0], found[1] + units * (op in ABSOLUTE)), units)


def _signs_are_known(args: Sequence[Interval], errors: Sequence[Error]) -> bool:
    """Whether a number is compared with 0 whose error is a part of itself: rounding does not change its sign."""
    return any(args[k] == interval(0) and errors[1 - k][0] < 1 and errors[1 - k][1] == 0 for k in (0, 1)) and EXACTLY in errors


def _one_sign(a: Interval, b: Interval) -> bool:
    return a.low >= 0 and b.low >= 0 or a.high <= 0 and b.high <= 0


def _selected(args: Sequence[Interval], errors: Sequence[Error]) -> Error:
    if _one_sign(args[0], args[1]):
        return max(e[0] for e in errors), max(e[1] for e in errors)
    return 0.0, max(total(e, a) for e, a in zip(errors, args, strict=True))


def _add(args: Sequence[Interval], errors: Sequence[Error]) -> Error:
    if _one_sign(args[0], args[1]):
        return max(e[0] for e in errors), errors[0][1] + errors[1][1]
    return 0.0, sum(total(e, a) for e, a in zip(errors, args, strict=True))


def _sub(args: Sequence[Interval], errors: Sequence[Error]) -> Error:
    return _add([args[0], apply("neg", [args[1]])], errors)


def _mul(args: Sequence[Interval], errors: Sequence[Error]) -> Error:
    (r, a), (s, b) = errors
    x, y = (float(v.greatest) for v in args)
    return r + s + _times(r, s), _times(_times(a, y), 1 + s) + _times(_times(b, x), 1 + r) + _times(a, b)


def _div(args: Sequence[Interval], errors: Sequence[Error]) -> Error:
    (r, a), (s, b) = errors
    s += over(b, args[1].least)
    left = 1 - s
    if left <= 0:
        return math.inf, math.inf
    return (1 + r) / left - 1, over(a, args[1].least) / left


def _powi(x: Interval, error: Error, n: int) -> Error:
    r, a = error
    return (1 + r)**n - 1 if r < 1e9 else math.inf, _times(a * n, float((x.greatest * (1 + min(r, 1e9)) + min(a, 1e300))**(n - 1)))


def _function(op: str, args: Sequence[Interval], errors: Sequence[Error], result: Interval) -> Error:
    x, error = args[0], errors[0]
    if op in _EXPONENTIAL:
        near = _times(error[0], float(min(x.greatest, max(abs(x.high), 800)))) + error[1]      # below -800 it is 0 in every format
        return (math.expm1(near) if near < 700 else math.inf), 0.0
    if op in _FLAT:
        return error[0], 1.2 * error[1]
    if op == "sqrt":
        return error[0], math.sqrt(error[1])
    if op in ("log", "log2", "log10"):
        near = error[0] + over(error[1], x.least)
        return (0.0, -math.log1p(-near) * (1.5 if op == "log2" else 1)) if near < 1 else (math.inf, math.inf)
    around = [_widened(a, total(e, a)) for a, e in zip(args, errors, strict=True)]
    value = hull([result, apply(op, around)])
    slopes = [_slope(op, k, around, value) for k in range(len(args))]
    return 0.0, sum(_times(total(e, a), s) for e, a, s in zip(errors, args, slopes, strict=True))


def _widened(x: Interval, by: float) -> Interval:
    spread = interval(-by, by) if math.isfinite(by) else interval(-math.inf, math.inf)
    return apply("add", [x, spread])


@cache
def _derivative(op: str, k: int) -> Term | None:
    rule = ROWS[op].derivatives[k]
    if rule is None:
        return None
    arity = ROWS[op].arity
    return freeze(sp.sympify(rule(*(placeholder(m) for m in range(arity)), VALUE)), ("float",) * arity)


def _slope(op: str, k: int, args: Sequence[Interval], value: Interval) -> float:
    """The greatest magnitude of a partial derivative."""
    term = _derivative(op, k)
    found = interval(0) if term is None else _plain(term, args, value)
    return math.inf if found.empty else float(found.greatest)


def _plain(t: Term, reads: Sequence[Interval], value: Interval) -> Interval:
    if t.op == "const":
        return interval(t.value)
    if t.op == "read":
        return reads[t.value]
    return value if t.op == "value" else apply(t.op, [_plain(a, reads, value) for a in t.args], t.kind, t.value or 1)


def of_sum(x: Interval, error: Error, terms: float, machine: Format) -> Error:
    """The error of a sum of so many terms, in units of their number."""
    units = max(terms - 1, 0) * machine.unit
    if x.low >= 0 or x.high <= 0:
        return _rounded(error, units)
    each = total(error, x)
    return 0.0, each + _times(units, float(x.greatest) + each)


_ARITHMETIC = {"add": _add, "sub": _sub, "mul": _mul, "div": _div}
