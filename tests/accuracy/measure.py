"""The error of each pointwise function in units in the last place, as NumPy oracle and as generated code, in both precisions.

    error = |computed - exact| / ulp(exact),   ulp(y) = 2^(floor(log2 |y|) - mantissa), at least the least subnormal number

float32, one argument: every value, or each so many-th, against the generated code in float64, which the same command measures.
float64: samples where trouble is to be expected, against NumPy's 80-bit arithmetic where it has the function, and some of them against mpmath
always, at finite arguments that are not 0. Where the exact value rounds to infinity, either neighbour is right; a NaN or an infinity in the wrong place is an infinite error.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from numba import njit

from graphc.scalar.arithmetic import resolve
from graphc.scalar.table import ROWS

LONG = np.longdouble
TRIGONOMETRIC = [k * math.pi / 2 for k in (1, 2, 3, 4, 5, 10, 22, 1001, 10**6, 10**15)] + [6381956970095103 * 2.0**797, 5.319372648326541e255]
LOGARITHMIC = [1.0, math.sqrt(0.5), math.sqrt(2), 2.0, 10.0, 1000.0]
# a function's interval in which all happens, and points near which trouble is to be expected
DOMAINS: dict[str, tuple[float, float, list[float]]] = {
    "exp": (-750, 715, [k * math.log(2) / 2 for k in (-3, -1, 1, 3)]), "expm1": (-40, 715, [k * math.log(2) / 2 for k in (-3, -1, 1, 3)]),
    **dict.fromkeys(("log", "log2", "log10"), (0, 100, LOGARITHMIC)), "log1p": (-1, 100, [-1.0, math.sqrt(0.5) - 1, math.sqrt(2) - 1, 1.0]),
    "log1mexp": (0, 760, [math.log(2), 0.35, 1.2279]), "sqrt": (0, 100, []), "cbrt": (-100, 100, [1.0, 2.0, 4.0]),
    "sigmoid": (-760, 50, [1.0]), "logsigmoid": (-50, 750, [0.88]), "softplus": (-760, 50, [0.88]),
    **dict.fromkeys(("sin", "cos", "tan"), (-100, 100, TRIGONOMETRIC)), "arctan": (-30, 30, [1.0]),
    **dict.fromkeys(("arcsin", "arccos", "arctanh"), (-1, 1, [0.5, 1.0])), "arccosh": (1, 100, [1.0]), "arcsinh": (-100, 100, [1.0, 2.0**28]),
    **dict.fromkeys(("sinh", "cosh"), (-712, 712, [1.0])), "tanh": (-25, 25, [1.0]), "erf": (-7, 7, [1.0]),
    "erfc": (-7, 28, [0.5, -0.5]), "erfcx": (-27, 100, [0.5, -0.5, -6.5, 2.0**28]), "logerfc": (-10, 100, [0.5, -0.5, 1.0, -1.0]),
    "lgamma": (-30, 200, [1.0, 2.0, -2.457024738220797]), "digamma": (-30, 200, [1.4616321449683622, -0.504083008264455]),
    **dict.fromkeys(("abs", "sign", "relu", "floor", "ceil", "round"), (-100, 100, [0.5, 1.0, 1.5, 2.0**52])),
}
PAIRS = ["power", "hypot", "arctan2", "logaddexp", "xlogy", "maximum", "minimum", "mod"]
ORDERS = {"polygamma1": 1, "polygamma2": 2}
FILE = Path(__file__).with_name("measured.json")
# why an error of the generated code may be above 2 ULP
REASONS = {
    "logaddexp": "near its zeros, exp(a) + exp(b) = 1, terms cancel: the error is 1 ULP of the greater argument",
    "lgamma": "the C library's: near its zeros at negative arguments the absolute error is small, the relative one not",
    "digamma": "near its negative zeros the absolute error is small, the relative one not",
    **dict.fromkeys(ORDERS, "for negative arguments two terms of reflection cancel"),
}
GAMMA = ("lgamma", "digamma", *ORDERS)
NAMES = [*DOMAINS, *PAIRS, *ORDERS]


# --- what is measured -------------------------------------------------------------------------------------------------
def arity(name: str) -> int:
    return 2 if name in PAIRS else 1


def oracle(name: str) -> Callable[..., Any]:
    """The row's function in NumPy."""
    if name in ORDERS:
        order, polygamma = ORDERS[name], resolve(ROWS["polygamma"].numpy)
        return lambda x: polygamma(order, x)
    return resolve(ROWS[name].numpy)                                      # type: ignore[no-any-return]


def generated(name: str, dtype: str) -> Callable[..., Any]:
    """The row's function as kernels call it, in a loop: of one or two arrays of that dtype."""
    target = ROWS["polygamma" if name in ORDERS else name].jit
    scope: dict[str, Any] = {"math": math, "np": np}
    if target.isidentifier() and target != "abs":
        scope[target] = getattr(importlib.import_module(f"graphc.codegen.mathlib.{dtype}"), target)
    call = {"mod": "a[i] % b[i]", **{n: f"polygamma({k}, a[i])" for n, k in ORDERS.items()}}.get(name, f"{target}({'a[i], b[i]' if arity(name) == 2 else 'a[i]'})")
    parameters = "a, b" if arity(name) == 2 else "a"
    exec(f"def loop({parameters}):\n    out = np.empty_like(a)\n    for i in range(a.shape[0]):\n        out[i] = {call}\n    return out", scope)
    return njit(error_model="numpy", fastmath={"reassoc", "contract"}, nogil=True)(scope["loop"])         # type: ignore[no-any-return]


# --- references -------------------------------------------------------------------------------------------------------
def _long_softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))


LONG_RULES: dict[str, Callable[..., Any]] = {
    **{n: getattr(np, n) for n in """exp expm1 log log1p log2 log10 sqrt cbrt sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh
       power hypot arctan2 maximum minimum sign floor ceil""".split()},
    "abs": np.abs, "relu": lambda x: np.maximum(x, 0), "round": np.rint, "softplus": _long_softplus, "logsigmoid": lambda x: -_long_softplus(-x),
    "sigmoid": lambda x: np.where(x < 0, np.exp(np.minimum(x, 0)), LONG(1)) / (1 + np.exp(-abs(x))),
    "log1mexp": lambda x: np.where(x < 0.7, np.log(-np.expm1(-x)), np.log1p(-np.exp(-x))),
    "xlogy": lambda x, y: np.where((x == 0) & ~np.isnan(y), 0, x * np.log(y)),
}


def exact(name: str, arguments: tuple[float, ...]) -> float:
    """The value in mpmath, rounded to 80 bits."""
    rule = ROWS["polygamma" if name in ORDERS else name].mpmath
    with mpmath.workdps(50):
        numbers = [mpmath.mpf(a) for a in arguments]
        if name in ORDERS:
            numbers.insert(0, mpmath.mpf(ORDERS[name]))
        call = getattr(mpmath, rule) if isinstance(rule, str) else functools.partial(rule, mpmath)
        try:
            value = call(*numbers)
        except (ValueError, ZeroDivisionError):
            return LONG(math.nan)
        except OverflowError:                                              # far beyond where the value is 0 or infinite
            value = call(*(max(min(a, mpmath.mpf(10)**6), -mpmath.mpf(10)**6) for a in numbers))
        if isinstance(value, mpmath.mpc) or mpmath.isnan(value):
            return LONG(math.nan)
        if not mpmath.isfinite(value) or value == 0:
            return LONG(float(value))
        fraction, exponent = mpmath.frexp(value)
        high = float(fraction)
        return np.ldexp(LONG(high) + LONG(float(fraction - high)), max(-20000, min(20000, int(exponent))))


def units(computed: np.ndarray, reference: np.ndarray, dtype: str) -> np.ndarray:
    """The errors in units in the last place of the reference."""
    limits = np.finfo(dtype)
    with np.errstate(all="ignore"):
        exponent = np.maximum(np.frexp(reference)[1] - 1, limits.minexp) - limits.nmant
        error = np.abs(computed.astype(reference.dtype) - reference) / np.ldexp(reference.dtype.type(1), exponent)
        beyond = np.abs(reference) > limits.max
        rounds = np.isinf(computed) & (np.abs(reference) > limits.max * (1 - reference.dtype.type(limits.eps)))
        error = np.where(rounds & (np.sign(computed) == np.sign(reference)), 0, np.where(beyond & (np.abs(computed) < limits.max), np.inf, error))
        error = np.where((computed == reference) | (np.isnan(computed) & np.isnan(reference)), 0, error)
    return np.where(np.isnan(error), np.inf, error)


# --- samples ----------------------------------------------------------------------------------------------------------
def _around(points: list[float], count: int, rng: np.random.Generator) -> np.ndarray:
    every = np.array([s * p for p in [*points, 0.0] for s in (1, -1)])
    p = rng.choice(every, count)
    near = p + np.where(p == 0, 1, p) * rng.choice([-1, 1], count) * 2.0**rng.uniform(-60, -1, count)
    return np.where(rng.random(count) < 0.2, p * (1 + rng.integers(-40, 40, count) * 2.0**-52), near)


def samples(name: str, count: int, dtype: str = "float64") -> tuple[np.ndarray, ...]:
    """Bits at random, magnitudes at random, the interval, and around the points of trouble: a quarter each; two arguments are related."""
    rng, (low, high, points) = np.random.default_rng(11), DOMAINS.get(name, (-30.0, 60.0, [1.0, 0.5]))
    n, limits = count // 4, np.finfo(dtype)
    bits = rng.integers(0, 2**limits.bits, n, dtype=f"uint{limits.bits}").view(dtype)
    scales = rng.choice([-1, 1], n) * 2.0**rng.uniform(-40, math.log2(max(abs(low), high)) + 1, n)
    a = np.concatenate([bits.astype(float), scales, rng.uniform(low, high, n), _around(points, n, rng)])
    with np.errstate(all="ignore"):
        a = a.astype(dtype)
        if name not in PAIRS:
            return (a,)
        if name == "power":
            a = np.abs(a)
            far = rng.uniform(-1.05, 1.05, len(a)) * math.log(2) * limits.maxexp / np.log(a.astype(float))
            return a, np.where(rng.random(len(a)) < 0.7, far, rng.integers(-9, 20, len(a)) / 2).astype(dtype)
        factor = np.where(rng.random(len(a)) < 0.5, 2.0**rng.uniform(-30, 30, len(a)), 1 + 2.0**rng.uniform(-50, 0, len(a)))
        b = rng.permutation(a) if name == "xlogy" else a * factor * rng.choice([-1, 1], len(a))
        return a, (np.abs(b) if name == "xlogy" else b).astype(dtype)


def every_float32(stride: int) -> Iterator[np.ndarray]:
    """All values of float32, or each so many-th, in blocks."""
    size = 2**20
    for start in range(0, 2**32, size * stride):
        yield np.arange(start, min(start + size * stride, 2**32), stride, dtype=np.uint64).astype(np.uint32).view(np.float32)


# --- the greatest error -----------------------------------------------------------------------------------------------
Greatest = tuple[float, list[float]]


def greatest(functions: dict[str, Callable[..., Any]], reference: np.ndarray, arguments: tuple[np.ndarray, ...], dtype: str,
             found: dict[str, Greatest]) -> None:
    """Raises the greatest error found of each function to that of these arguments."""
    for kind, function in functions.items():
        with np.errstate(all="ignore"):
            computed = np.asarray(function(*arguments))
        error = units(computed, reference, dtype)
        k = int(np.argmax(error))
        if kind not in found or error[k] > found[kind][0]:
            found[kind] = (float(error[k]), [float(a[k]) for a in arguments])


@np.errstate(all="ignore")
def measure(name: str, dtype: str, count: int, spot: int, stride: int = 1) -> tuple[dict[str, Greatest], str]:
    """The greatest error of the oracle ("numpy") and of the generated code ("jit"), and how it was found."""
    functions, found = {"numpy": oracle(name), "jit": generated(name, dtype)}, {}
    if dtype == "float32":
        double = generated(name, "float64")
        one = arity(name) == 1
        for arguments in ((x,) for x in every_float32(stride)) if one else iter([samples(name, count, dtype)]):
            greatest(functions, double(*(a.astype(np.float64) for a in arguments)), arguments, dtype, found)
        return found, ("every value" if stride == 1 else f"each {stride}th value") if one else f"{count:,} samples"
    arguments, how = samples(name, count if name in LONG_RULES else spot), f"{spot:,} samples, mpmath"
    if name in LONG_RULES:
        with np.errstate(all="ignore"):
            greatest(functions, LONG_RULES[name](*(a.astype(LONG) for a in arguments)), arguments, dtype, found)
        how = f"{count:,} samples, 80 bits; {spot:,}, mpmath"
    most = 300 if name in GAMMA else np.inf                                # beyond, mpmath needs minutes
    plain = np.flatnonzero(np.logical_and.reduce([(np.abs(a) < most) & (a != 0) for a in arguments]))        # mpmath knows no -0
    some = tuple(a[plain[::max(1, len(plain) // spot)]] for a in arguments)
    greatest(functions, np.array([exact(name, p) for p in zip(*(a.tolist() for a in some), strict=True)]), some, dtype, found)
    return found, how
