"""What terms are worth: in NumPy, in one float dtype, or in mpmath to any number of digits."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np

from graphc.scalar.table import ROWS
from graphc.scalar.term import Term, divides_twice, freeze

__all__ = ["Arithmetic", "resolve"]


@functools.cache
def resolve(dotted: str) -> Any:
    """The function of a dotted name."""
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


# mpmath reduces the arguments of these modulo log(2) or pi, so that 2^k takes k bits: past 2^2000 they are as infinite.
_REDUCED = frozenset("""exp expm1 exp_sum exp_affine exp_difference times_exp log1mexp sigmoid logsigmoid softplus logaddexp sin cos tan sinh
    cosh tanh sech logcosh erf erfc lgamma digamma polygamma power mod""".split())
_LARGEST = 2000


def _bounded(x: Any) -> Any:
    return mpmath.inf * mpmath.sign(x) if isinstance(x, mpmath.mpf) and mpmath.isfinite(x) and mpmath.mag(x) > _LARGEST else x


class Arithmetic:
    """How numbers are made and functions applied: NumPy in one float dtype, or mpmath on object arrays."""

    def __init__(self, dtype: Any = np.float64, digits: int | None = None):
        self.digits = digits
        self.dtype = np.dtype(object) if digits else np.dtype(dtype)

    def number(self, value: Any, kind: str) -> Any:
        if kind == "bool":
            return np.bool_(bool(value))
        if kind == "int":
            return np.int64(int(value))
        if self.digits:
            return mpmath.mpf(value)
        return self.dtype.type(mpmath.nstr(value, 25) if self.dtype == np.longdouble else float(value))

    def array(self, values: Any, kind: str) -> np.ndarray:
        if kind != "float":
            return np.asarray(values, dtype=np.int64 if kind == "int" else np.bool_)
        if not self.digits:
            return np.asarray(values, dtype=self.dtype)
        given = np.asarray(values)
        exact = [v if isinstance(v, mpmath.mpf) else mpmath.mpf(v.item() if hasattr(v, "item") else v) for v in given.flat]
        out = np.empty(given.shape, dtype=object)
        out.reshape(-1)[:] = exact
        return out

    def apply(self, name: str, *args: Any) -> Any:
        row = ROWS[name]
        if self.digits and (row.result != "bool" and not all(np.asarray(a).dtype != object for a in args)
                            or row.result == "bool" and any(np.asarray(a).dtype == object for a in args)):
            rule = getattr(mpmath, row.mpmath) if isinstance(row.mpmath, str) else functools.partial(row.mpmath, mpmath)
            result = np.frompyfunc(_real(rule, name in _REDUCED), len(args), 1)(*args)
            return np.asarray(result, dtype=np.bool_) if row.result == "bool" else result
        if row.definition is not None:
            precision = "float32" if self.dtype == np.float32 else "float64"
            return self.term(freeze(row.definition.body(precision), ("float",)), lambda t: args[0])
        function = resolve(row.numpy)
        with np.errstate(all="ignore"):
            if self.dtype == np.float32 and row.result == "float" and name != "binade":        # whose value is of the format
                return np.asarray(function(*(_widened(a) for a in args))).astype(np.float32)
            return function(*args)

    def term(self, t: Term, leaf: Callable[[Term], Any]) -> Any:
        """The value of a term; `leaf` gives that of reads, indices and extents."""
        if t.op == "const":
            return self.number(t.value, t.kind)
        if t.op in ("read", "index", "extent"):
            return leaf(t)
        if not self.digits and (divisor := divides_twice(t)) is not None:
            b = self.term(divisor, leaf)
            return self.term(t.args[0], leaf) / b / b
        args = [self.term(a, leaf) for a in t.args]
        match t.op:
            case "add":
                return args[0] + args[1]
            case "sub":
                return args[0] - args[1]
            case "mul":
                return args[0] * args[1]
            case "div":
                return np.frompyfunc(_divide, 2, 1)(*args) if self.digits else args[0] / args[1]
            case "neg":
                return -args[0]
            case "powi":
                return args[0] ** t.value
            case "cast":
                return self.array(args[0], t.kind)
            case "where":
                return np.where(*args)
        return self.apply(t.op, *args)


def _widened(a: Any) -> Any:
    """float32 as float64: NumPy's own functions in float32 have up to 4 units in the last place; rounded, those in float64 have 1/2."""
    a = np.asarray(a)
    return a.astype(np.float64) if a.dtype == np.float32 else a


def _real(rule: Any, reduced: bool) -> Any:
    def call(*args: Any) -> Any:
        try:
            value = rule(*(map(_bounded, args) if reduced else args))
        except (ZeroDivisionError, ValueError, OverflowError):
            return mpmath.nan
        return mpmath.nan if isinstance(value, mpmath.mpc) else value
    return call


def _divide(a: Any, b: Any) -> Any:
    if b == 0:
        return mpmath.nan if a == 0 or mpmath.isnan(a) else mpmath.inf * mpmath.sign(a)
    return mpmath.mpf(a) / b
