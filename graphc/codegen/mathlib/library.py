"""The source of mathlib, for one precision. `real` is the type of every constant, so that nothing is promoted.

digamma and polygamma: recurrence up to an argument where the asymptotic series converges, and reflection for x < 0
(Abramowitz and Stegun, 6.3.18, 6.4.11, 6.4.7); digamma has a polynomial around its positive zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import float64, njit

from graphc.codegen.mathlib.arctangent import arctangent, arctangent_of_two
from graphc.codegen.mathlib.coefficients import DIGAMMA_NEAR, DIGAMMA_ZERO
from graphc.codegen.mathlib.complementary import complementary_error_functions
from graphc.codegen.mathlib.error import error_function
from graphc.codegen.mathlib.exponential import exponential, exponential_minus_one
from graphc.codegen.mathlib.formats import contracted, polynomial, reordered, select
from graphc.codegen.mathlib.hyperbolic import (
    hyperbolic_sine_and_cosine,
    hyperbolic_tangent,
    inverse_hyperbolic_sine,
    inverse_hyperbolic_tangent,
)
from graphc.codegen.mathlib.intrinsics import llvm
from graphc.codegen.mathlib.logarithm import logarithm, logarithm_plus_fraction, logarithm_plus_one
from graphc.codegen.mathlib.logarithms import logarithm_of_one_minus_exponential, logarithm_to_base
from graphc.codegen.mathlib.pairs import fast_two_sum, fused
from graphc.codegen.mathlib.power import cube_root, hypotenuse, power_function
from graphc.codegen.mathlib.stable import STABLE_NAMES, stable_functions
from graphc.codegen.mathlib.trigonometric import sine_cosine_tangent

__all__ = ["library", "NAMES"]

NAMES = """exp expm1 log log1p log2 log10 log1mexp sin cos tan arctan arctan2 sinh cosh tanh arcsinh arctanh hypot erf erfc erfcx logerfc
    sigmoid logsigmoid softplus logaddexp xlogy cbrt power sign int_sign floor ceil rint relu maximum minimum int_maximum int_minimum int_relu
    square powi lgamma digamma polygamma checked plus times select""".split() + list(STABLE_NAMES)

# Bernoulli numbers B_2, B_4, ..., B_24
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330, 854513 / 138, -236364091 / 2730)


def library(real: Any) -> dict[str, Callable[..., Any]]:
    """All functions of mathlib in the precision `real`."""
    jit = njit(error_model="numpy", inline="never", nogil=True)
    zero, one = real(0), real(1)
    (digamma_zero, digamma_zero_low), digamma_near = DIGAMMA_ZERO, polynomial(float64, DIGAMMA_NEAR)
    exp, expm1, log, log1p = exponential(real), exponential_minus_one(real), logarithm(real), logarithm_plus_one(real)
    log1p_of_fraction = logarithm_plus_fraction(real)
    log1mexp = logarithm_of_one_minus_exponential(real)
    erfc, erfcx, logerfc = complementary_error_functions(real)
    log2, log10 = logarithm_to_base(real, 2), logarithm_to_base(real, 10)
    sin, cos, tan = sine_cosine_tangent(real)
    arctan, arctan2 = arctangent(real), arctangent_of_two(real)
    sinh, cosh = hyperbolic_sine_and_cosine(real)
    arcsinh, arctanh = inverse_hyperbolic_sine(real), inverse_hyperbolic_tangent(real)
    power, cbrt, hypot = power_function(real), cube_root(real), hypotenuse(real)
    tanh, erf = hyperbolic_tangent(real, exp), error_function(real, exp)
    fma = fused(real)

    @contracted
    def sigmoid(x):                                                        # 1 / (1 + exp(-x)), without overflow
        e = exp(-abs(x))
        d, lost = fast_two_sum(one, e)
        above, inverse = select(x < zero, e, one), one / d                 # the quotient, and the corrections of both roundings
        value = above * inverse
        return value + (fma(-value, d, above) - value * lost) * inverse

    @contracted
    def logsigmoid(x):                                                     # log(sigmoid(x))
        return select(x < zero, x, zero) - log1p_of_fraction(exp(-abs(x)))

    @contracted
    def softplus(x):                                                       # log(1 + exp(x))
        return select(x > zero, x, zero) + log1p_of_fraction(exp(-abs(x)))

    @contracted
    def logaddexp(a, b):                                                   # log(exp(a) + exp(b)); a = b may be infinite
        return select(a > b, a, b) + log1p_of_fraction(exp(-select(a == b, zero, abs(a - b))))

    @contracted
    def xlogy(x, y):                                                       # x*log(y), 0 at x = 0 unless y is NaN
        return select(x == zero, select(y == y, zero, y), x * log(y))

    @contracted
    def sign(x):                                                           # 0 at 0, NaN kept
        return select(x > zero, one, select(x < zero, -one, select(x == x, zero, x)))

    @contracted
    def int_sign(x):
        return 1 if x > 0 else -1 if x < 0 else 0

    floor, ceil, rint = (llvm(real, name, 1) for name in ("floor", "ceil", "rint"))       # rint: halves to even
    maximum, minimum = llvm(real, "maximum", 2), llvm(real, "minimum", 2)

    @contracted
    def relu(x):                                                           # max(x, 0), NaN kept
        return maximum(x, zero)

    @contracted
    def int_maximum(a, b):
        return a if a >= b else b

    @contracted
    def int_minimum(a, b):
        return a if a <= b else b

    @contracted
    def int_relu(x):
        return x if x > 0 else 0

    @contracted
    def square(x):
        return x * x

    @contracted
    def powi(x, n):                                                        # x**n for n >= 2
        result = x
        for _ in range(n - 1):
            result = result * x
        return result

    @jit
    def _tail(k, x):                                                       # |polygamma(k, x)| for x >= 15
        inverse = 1.0 / (x * x)
        if k == 0:
            total = math.log(x) - 0.5 / x
            term = inverse
            for m in range(12):
                total -= BERNOULLI[m] / (2.0 * (m + 1)) * term
                term *= inverse
            return total
        factorial = math.gamma(float64(k))                                 # (k - 1)!
        scale = math.pow(x, float64(-k))
        total = factorial * scale + 0.5 * factorial * k * scale / x
        term = factorial * k * scale * inverse                             # k! x^-(k+2)
        ratio = (k + 1.0) / 2.0                                            # (k+1)! / (2! k!)
        for m in range(12):
            total += BERNOULLI[m] * ratio * term
            term *= inverse
            n = 2.0 * (m + 1)
            ratio *= (k + n) * (k + n + 1.0) / ((n + 1.0) * (n + 2.0))
        return total

    @jit
    def _positive(k, x):                                                   # polygamma(k, x) for x > 0
        shift = 0.0
        factorial = math.gamma(float64(k) + 1.0)
        while x < 15.0 + k:
            shift += factorial * math.pow(x, -(k + 1.0))
            x += 1.0
        if k == 0:
            return _tail(0, x) - shift
        return (_tail(k, x) + shift) * (1.0 if k % 2 == 1 else -1.0)

    @jit
    def lgamma(x):                                                         # log |gamma(x)|
        return real(math.lgamma(float64(x)))

    @jit
    def digamma(x):
        v = float64(x)
        from_zero = (v - digamma_zero) - digamma_zero_low
        if abs(from_zero) < 0.25:
            return real(from_zero * digamma_near(from_zero))
        if v > 0.0:
            return real(_positive(0, v)) if v < math.inf else x
        if v == 0.0:
            return real(-math.copysign(math.inf, v))
        if not v > -math.inf or v == np.floor(v):
            return real(math.nan)
        fraction = v - np.rint(v)
        return real(_positive(0, 1.0 - v) - math.pi / math.tan(math.pi * fraction))

    @jit
    def _cotangent_derivative(k, x):                                       # d^k/dx^k of pi*cot(pi*x), as a polynomial in the cotangent
        c = 1.0 / math.tan(math.pi * (x - np.rint(x)))
        p = np.zeros(k + 2)
        p[1] = 1.0
        for _ in range(k):                                                 # d/dx c = -pi (1 + c^2)
            q = np.zeros(k + 2)
            for m in range(1, k + 2):
                q[m - 1] += m * p[m]
                if m + 1 < k + 2:
                    q[m + 1] += m * p[m]
            p = -math.pi * q
        total = 0.0
        for m in range(k + 1, -1, -1):
            total = total * c + p[m]
        return math.pi * total

    @jit
    def polygamma(k, x):
        v = float64(x)
        if v > 0.0:
            return real(_positive(k, v)) if v < math.inf else zero
        if v != v or v == -math.inf:
            return real(math.nan)
        if v == np.floor(v):
            return real(math.inf) if k % 2 == 1 else real(math.nan)
        parity = 1.0 if k % 2 == 0 else -1.0                               # psi_k(1 - x) (-1)^k - psi_k(x) = d^k/dx^k pi cot(pi x)
        return real(parity * _positive(k, 1.0 - v) - _cotangent_derivative(k, v))

    @jit
    def checked(k, n):                                                     # an index that was computed
        if k < 0 or k >= n:
            raise IndexError("a computed subscript is outside its dim")
        return k

    plus, times = reordered("fadd"), reordered("fmul")
    scope = locals() | stable_functions(real, exp, expm1, log, log1p) | {"select": select}
    return {name: scope[name] for name in NAMES}
