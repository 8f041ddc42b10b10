"""The error of each function in units in the last place, as NumPy oracle and as generated code, in both precisions.

    error = |computed - exact| / ulp(exact),   ulp(y) = 2^(floor(log2 |y|) - mantissa), at least the least subnormal number

float32, one argument: every value, against the generated code in float64, which the same command measures; more arguments: a grid of corners
and samples. float64: samples, against NumPy's 80-bit arithmetic where it has the function, else mpmath. Some of all against mpmath, at finite
arguments that are not 0. Where the exact value rounds to infinity, either neighbour is right; a NaN or an infinity in the wrong place is an
infinite error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numba import float64, int64, njit

from graphc.codegen.mathlib.formats import casts

from .cases import CASES, generated, oracle, within
from .references import LONG, RULES, exactly, known
from .samples import Arrays, grid, samples, strided

FILE = Path(__file__).with_name("measured.json")
# why an error of the generated code may be above 2 ULP
REASONS = {
    "logaddexp": "near its zeros, exp(a) + exp(b) = 1, terms cancel: the error is 1 ULP of the greater argument, whose rounding moves the value as far",
    "log_total": "near its zeros, m = -log(k + r), terms cancel: the error is 1 ULP of m, whose rounding moves the value as far",
    "lgamma": "below 0, where it is the C library's, and near its zeros there the absolute error is small, the relative one not",
    "sech2": "below four times the smallest normal number it is four times exp(-2|x|), which is subnormal there",
    "digamma": "near its zeros below 0 the absolute error is some 2^-60, the relative one not small",
}
# why one of the oracle may
SCIPY = "evaluated: SciPy's"
ORACLE_REASONS = REASONS | {"over_squares": "two quotients by a rounded hypotenuse", "erfc": "evaluated: the C library's", "erfcx": SCIPY, **dict.fromkeys(("polygamma1", "polygamma2", "polygamma3", "digamma.part"), f"{SCIPY}, near zeros most")}
# float32 of these is their float64, rounded: comparing every value with float64 would show nothing
WIDE = {"polygamma2", "polygamma3"}
# odd or even by construction, as a test sees: float32 is measured for x >= 0
SYMMETRIC = set("cbrt log1p_square sin cos tan arctan arctanh arcsinh sinh cosh tanh sech sech2 logcosh erf abs powi3 powi5 powi8".split())
SPECIAL = (0.0, 1.0, 0.5, 2.0, 3.0, 1e30, 1e-30, 1e-40, 2.0**-149, 5e-324, np.inf)
# the sign of whose zeros means nothing
UNCHECKED = ("scaled", "log_total")                # a power of two; log_total.part is
UNSIGNED = set("maximum minimum log1mexp logsigmoid logerfc lgamma lgamma.part".split())
as_real, as_integer = casts(float64)
Greatest = tuple[float, list[float]]


# --- the error of arrays ----------------------------------------------------------------------------------------------
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


@njit(nogil=True, error_model="numpy")
def units32(computed, reference):                                          # type: ignore[no-untyped-def]
    """`units` of float32 against float64, and the place of the greatest."""
    largest, at, worst = 3.4028234663852886e38, 0, -1.0
    error = np.empty(computed.shape[0])
    for i in range(computed.shape[0]):
        c, r = float64(computed[i]), reference[i]
        size = abs(r)
        power = as_real(as_integer(size) & int64(0x7FF0000000000000))      # 2^floor(log2 |r|)
        e = abs(c - r) / max(power * 2.0**-23, 2.0**-149)
        rounds = (abs(c) > largest) & (size > largest * (1 - 2.0**-23)) & ((c > 0) == (r > 0))
        e = np.inf if (e != e) | ((size > largest) & (abs(c) < largest)) else e
        error[i] = 0.0 if rounds | (c == r) | ((c != c) & (r != r)) else e
    for i in range(computed.shape[0]):
        if error[i] > worst:
            worst, at = error[i], i
    return worst, at


def greatest(function: Callable[..., Any], reference: np.ndarray, arguments: Arrays, dtype: str) -> Greatest:
    """The greatest error at some arguments, and where."""
    if len(arguments[0]) == 0:
        return 0.0, []
    with np.errstate(all="ignore"):
        computed = np.asarray(function(*arguments))
    if reference.dtype == np.float64:
        worst, at = units32(computed, reference)
    else:
        error = units(computed, reference, dtype)
        at = int(np.argmax(error))
        worst = float(error[at])
    return worst, [float(a[at]) for a in arguments]


# --- the greatest error of a function -----------------------------------------------------------------------------------
@njit(nogil=True, error_model="numpy")
def swept(narrow, double, first, last, stride):                            # type: ignore[no-untyped-def]
    """The greatest error of the loop `narrow` of float32 against `double`, at each stride-th pattern of bits from `first` to `last`."""
    size, worst, at = 4096, -1.0, np.float32(0)
    bits = np.empty(size, np.uint32)
    for start in range(first, last, size * stride):
        for i in range(size):
            bits[i] = start + i * stride
        x = bits.view(np.float32)
        error, k = units32(narrow(x), double(x.astype(np.float64)))
        if error > worst:
            worst, at = error, x[k]
    return worst, at


def every_float32(name: str, stride: int) -> Greatest:
    """Of the generated code, over all values of float32 or each so many-th, on two threads."""
    narrow, double = generated(name, "float32"), generated(name, "float64")
    double(narrow(np.ones(2, np.float32)).astype(np.float64))
    part = 2**26
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda first: swept(narrow, double, first, first + part, stride), range(0, 2**31 if name in SYMMETRIC else 2**32, part))
        return max(((float(worst), [float(at)]) for worst, at in found), key=lambda g: g[0])


def against_float64(name: str, function: Callable[..., Any], blocks: Iterable[Arrays]) -> Greatest:
    """Of float32, at some arguments."""
    double, found = generated(name, "float64"), (0.0, [])
    for arguments in blocks:
        with np.errstate(all="ignore"):
            reference = double(*(a.astype(np.float64) for a in arguments))
        found = max(found, greatest(function, reference, arguments, "float32"), key=lambda g: g[0])
    return found


@np.errstate(all="ignore")
def measure(name: str, dtype: str, kind: str, count: int, spot: int, stride: int = 1) -> tuple[Greatest, str]:
    """The greatest error of the oracle ("numpy") or of the generated code ("jit"), and how it was found."""
    function, one = oracle(name) if kind == "numpy" else generated(name, dtype), CASES[name].arity == 1
    found: list[Greatest] = []
    how = []
    arguments = samples(name, count, dtype)
    if dtype == "float32" and name not in WIDE and not (one and CASES[name].within):               # of all values, its row is measured
        if one and kind == "jit":
            found.append(every_float32(name, stride))
        else:
            found.append(against_float64(name, function, strided(stride) if one else [*(grid(name) if kind == "jit" else []), arguments]))
        how.append(_how(name, stride, kind) if one else f"a grid of {_size(name):,} and {count:,} samples")
    if name in RULES:
        found.append(greatest(function, RULES[name](*(a.astype(LONG) for a in arguments)), arguments, dtype))
        how.append(f"{count:,} samples, 80 bits")
    some = known(name, arguments, spot if name in RULES or dtype == "float32" or name.startswith("polygamma") else 10 * spot)
    found.append(greatest(function, exactly(name, some), some, dtype))
    return max(found, key=lambda g: g[0]), "; ".join([*how, f"{len(some[0]):,} samples, mpmath"])


def check_special_values(name: str, dtype: str) -> None:
    """The generated code is the oracle at zeros, subnormal numbers, infinities and NaN, in the sign of zeros too."""
    if name in UNCHECKED:
        return
    values = np.array([s * v for v in SPECIAL for s in (1, -1)] + [np.nan], dtype)
    arguments = within(name, tuple(g.ravel() for g in np.meshgrid(*[values] * CASES[name].arity)))
    with np.errstate(all="ignore"):
        expected = oracle(name)(*arguments)
    got = generated(name, dtype)(*arguments)
    np.testing.assert_allclose(got, expected, {"float32": 1e-6, "float64": 1e-12}[dtype], err_msg=f"{name} in {dtype}")
    kept = ~np.isnan(expected) & (name not in UNSIGNED)
    np.testing.assert_array_equal(np.signbit(got[kept]), np.signbit(expected[kept]), f"{name} in {dtype}")


def _how(name: str, stride: int, kind: str) -> str:
    every = "every value" if stride == 1 else f"each {stride}th value"
    return f"{every} from 0 on" if kind == "jit" and name in SYMMETRIC else every


def _size(name: str) -> int:
    return sum(len(block[0]) for block in grid(name))
