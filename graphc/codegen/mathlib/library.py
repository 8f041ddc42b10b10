"""The source of mathlib, for one precision. `real` is the type of every constant, so that nothing is promoted."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import float32, njit

from graphc.codegen.mathlib.arcsine import arcsine_and_arccosine, inverse_hyperbolic_cosine
from graphc.codegen.mathlib.arctangent import arctangent, arctangent_of_two
from graphc.codegen.mathlib.complementary import complementary_error_functions
from graphc.codegen.mathlib.error import error_function
from graphc.codegen.mathlib.exponential import exponential, exponential_difference, exponential_minus_one, exponential_of_pair
from graphc.codegen.mathlib.formats import contracted, reordered, select, strict
from graphc.codegen.mathlib.gamma import gamma_functions
from graphc.codegen.mathlib.gamma32 import gamma_functions_of_single_precision
from graphc.codegen.mathlib.hyperbolic import (
    hyperbolic_secant,
    hyperbolic_sine_and_cosine,
    hyperbolic_tangent,
    inverse_hyperbolic_sine,
    inverse_hyperbolic_tangent,
    logarithm_of_cosine,
)
from graphc.codegen.mathlib.intrinsics import llvm
from graphc.codegen.mathlib.logarithm import logarithm, logarithm_plus_fraction, logarithm_plus_one
from graphc.codegen.mathlib.logarithms import logarithm_of_one_minus_exponential, logarithm_to_base
from graphc.codegen.mathlib.pairs import fast_two_sum, fused, two_sum
from graphc.codegen.mathlib.power import cube_root, hypotenuse, power_function
from graphc.codegen.mathlib.products import logarithms_of_products
from graphc.codegen.mathlib.stable import STABLE_NAMES, stable_functions
from graphc.codegen.mathlib.trigonometric import sine_cosine_tangent

__all__ = ["library", "NAMES"]

NAMES = """exp expm1 exp_difference log log1p log2 log10 log1mexp log_product log_ratio log_product3 sin cos tan arcsin arccos arctan arctan2
    sinh cosh tanh sech sech_squared logcosh arcsinh arccosh arctanh hypot erf erfc erfcx logerfc sigmoid logsigmoid softplus logaddexp xlogy
    cbrt power sign int_sign floor ceil rint relu maximum minimum int_maximum int_minimum int_relu square powi int_powi lgamma digamma polygamma
    checked plus times greatest least select""".split() + list(STABLE_NAMES)

def library(real: Any, alone: bool = False, exp: Callable[..., Any] | None = None) -> dict[str, Callable[..., Any]]:
    """All functions of mathlib in the precision `real`; `alone` where float32 is to do without float64, which graphics cards have little of;
    with another `exp` where a machine has a better one."""
    jit = njit(error_model="numpy", inline="never", nogil=True)
    zero, one, inf, fma = real(0), real(1), real(math.inf), fused(real)
    exp, expm1, log, log1p = exp or exponential(real), exponential_minus_one(real), logarithm(real), logarithm_plus_one(real)
    log1p_of_fraction, exp_difference, exp_of_pair = logarithm_plus_fraction(real), exponential_difference(real), exponential_of_pair(real)
    log1mexp = logarithm_of_one_minus_exponential(real)
    erfc, erfcx, logerfc = complementary_error_functions(real)
    log2, log10 = logarithm_to_base(real, 2), logarithm_to_base(real, 10)
    sin, cos, tan = sine_cosine_tangent(real, alone)
    (arcsin, arccos), arctan, arctan2 = arcsine_and_arccosine(real), arctangent(real), arctangent_of_two(real)
    sinh, cosh = hyperbolic_sine_and_cosine(real)
    arcsinh, arccosh, arctanh = inverse_hyperbolic_sine(real), inverse_hyperbolic_cosine(real), inverse_hyperbolic_tangent(real)
    power, cbrt, hypot = power_function(real, alone), cube_root(real), hypotenuse(real)
    (tanh, sech_squared), erf = hyperbolic_tangent(real, exp), error_function(real, exp)
    sech, logcosh = hyperbolic_secant(real), logarithm_of_cosine(real, exp, log1p_of_fraction)
    log_product, log_ratio, log_product3 = logarithms_of_products(real)
    lgamma, digamma, polygamma = gamma_functions(real)
    if real is float32 and not alone:
        lgamma, digamma, polygamma = gamma_functions_of_single_precision(polygamma)

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
        greater = select(a > b, a, b)
        d, lost = two_sum(select(a > b, b, a), -greater)                   # exp magnifies what the difference rounds away
        return greater + log1p_of_fraction(exp_of_pair(select(a == b, zero, d), select(abs(lost) < one, lost, zero)))

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

    @strict
    def powi(x, n):                                                        # x**n for n >= 2; beyond 4 with what the products round away
        result, low = x, zero
        for _ in range(n - 1):
            product = result * x
            if n > 4:
                low = low * x + fma(result, x, -product)
            result = product
        return select((abs(result) < inf) & (result != zero), result + low, result) if n > 4 else result

    @contracted
    def int_powi(x, n):
        result = x
        for _ in range(n - 1):
            result = result * x
        return result

    @jit
    def checked(k, n):                                                     # an index that was computed
        if k < 0 or k >= n:
            raise IndexError("a computed subscript is outside its dim")
        return k

    plus, times = reordered("fadd"), reordered("fmul")                     # what loops accumulate by
    greatest, least = (llvm(real, name, 2, ["nsz"]) for name in ("maximum", "minimum"))
    scope = locals() | stable_functions(real, exp, log, log1p) | {"select": select}
    return {name: scope[name] for name in NAMES}
