r"""The cases of nasty.json as programs: written naively, as on paper, and by the name of the stable function where there is one.

The file's references are sympy's derivatives, evaluated by mpmath at 1,200 digits at the inputs as rounded to the format. A result is right within 4 ULP of them,
within 2 cond where the problem is ill-conditioned, or inside the subgradient set.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import mpmath
import numpy as np

import graphc as gc

__all__ = ["CASES", "SECOND", "Case", "load", "load_second", "ulps", "loose", "close_enough", "measure"]

FILE = Path(__file__).with_name("nasty.json")
FORMATS = {"f64": np.float64, "f32": np.float32}

logistic = lambda x: 1 / (1 + gc.exp(-x))
literal_lse = lambda x: gc.log(gc.sum(gc.exp(x)))
literal_softmax = lambda x: gc.exp(x) / gc.sum(gc.exp(x))
bce = lambda x, y: -(y * gc.log(logistic(x)) + (1 - y) * gc.log(1 - logistic(x)))
cosine = lambda norm: lambda a, b: gc.sum(a * b) / (norm(a) * norm(b))
literal_norm = lambda x: gc.sqrt(gc.sum(x**2))
huber = lambda r: gc.where(abs(r) <= 1, r**2 / 2, abs(r) - 0.5)

# name: the naive program, and the one by name
CASES: dict[str, tuple[Callable[..., Any], ...]] = {
    "logsumexp_large": (literal_lse, gc.logsumexp),
    "logsumexp_one_neg_inf": (literal_lse, gc.logsumexp),
    "logsumexp_all_neg_inf": (literal_lse, gc.logsumexp),
    "logsumexp_pos_inf": (literal_lse, gc.logsumexp),
    "softmax_large": (lambda x: gc.exp(x[0]) / gc.sum(gc.exp(x)), lambda x: gc.softmax(x)[0]),
    "log_softmax_tail": (lambda x: gc.log(gc.exp(x[1]) / gc.sum(gc.exp(x))), lambda x: gc.log_softmax(x)[1]),
    "cross_entropy_masked_logit": (lambda x, t: -gc.sum(t * gc.log(literal_softmax(x))), lambda x, t: -gc.sum(t * gc.log(gc.softmax(x))),
                                   lambda x, t: gc.losses.cross_entropy(x, t)),
    "cross_entropy_confident_wrong": (lambda x: literal_lse(x) - x[0], lambda x: -gc.log_softmax(x)[0], lambda x: gc.losses.cross_entropy(x, 0)),
    "cross_entropy_confident_right": (lambda x: literal_lse(x) - x[0], lambda x: -gc.log_softmax(x)[0], lambda x: gc.losses.cross_entropy(x, 0)),
    "softmax_fully_masked_row": (lambda x: gc.exp(x[0]) / gc.sum(gc.exp(x)), lambda x: gc.softmax(x)[0]),
    "softplus_large": (lambda x: gc.log(1 + gc.exp(x)), gc.softplus),
    "softplus_negative": (lambda x: gc.log(1 + gc.exp(x)), gc.softplus),
    "softplus_threshold20": (lambda x: gc.log(1 + gc.exp(x)), gc.softplus),
    "logsigmoid_negative": (lambda x: gc.log(logistic(x)), gc.logsigmoid),
    "logsigmoid_positive": (lambda x: gc.log(logistic(x)), gc.logsigmoid),
    "sigmoid_naive": (logistic, gc.sigmoid),
    "sigmoid_saturated_grad": (logistic, gc.sigmoid),
    "one_minus_sigmoid": (lambda x: 1 - logistic(x), lambda x: 1 - gc.sigmoid(x)),
    "bce_logits_pos_wrong": (bce, gc.losses.bce_with_logits),
    "bce_logits_pos_right": (bce, gc.losses.bce_with_logits),
    "bce_logits_neg_right": (bce, gc.losses.bce_with_logits),
    "bce_prob_p0_y0": (lambda p, y: -(y * gc.log(p) + (1 - y) * gc.log(1 - p)), lambda p, y: -(gc.xlogy(y, p) + gc.xlogy(1 - y, 1 - p))),
    "bce_prob_p0_y1": (lambda p, y: -(y * gc.log(p) + (1 - y) * gc.log(1 - p)), lambda p, y: -(gc.xlogy(y, p) + gc.xlogy(1 - y, 1 - p))),
    "focal_gamma2_right": (lambda x: -((1 - logistic(x)) ** 2) * gc.log(logistic(x)), lambda x: -(gc.sigmoid(-x) ** 2) * gc.logsigmoid(x)),
    "tanh_naive": (lambda x: (gc.exp(x) - gc.exp(-x)) / (gc.exp(x) + gc.exp(-x)), gc.tanh),
    "tanh_saturated_grad": (gc.tanh,),
    "gelu_tail": (lambda x: x / 2 * (1 + gc.erf(x / gc.sqrt(2))), gc.gelu),
    "elu_where_leak": (lambda x: gc.where(x > 0, x, gc.exp(x) - 1), gc.elu),
    "logcosh_large": (lambda x: gc.log(gc.cosh(x)), lambda x: gc.losses.log_cosh(x, 0.0)),
    "exp_times_exp_neg": (lambda x: gc.exp(x) * gc.exp(-x),),
    "log_prod": (lambda x: gc.log(gc.prod(x)), lambda x: gc.sum(gc.log(x))),
    "log1mexp_small": (lambda x: gc.log(1 - gc.exp(-x)), lambda x: gc.log(-gc.expm1(-x))),
    "log1p_small": (lambda x: gc.log(1 + x), gc.log1p),
    "expm1_small": (lambda x: gc.exp(x) - 1, gc.expm1),
    "sqrt_difference": (lambda x: gc.sqrt(x + 1) - gc.sqrt(x), lambda x: 1 / (gc.sqrt(x + 1) + gc.sqrt(x))),
    "quadratic_small_root": (lambda b, c: (-b + gc.sqrt(b**2 - 4 * c)) / 2, lambda b, c: -2 * c / (b + gc.sqrt(b**2 - 4 * c))),
    "variance_cancellation": (lambda x: gc.mean(x**2) - gc.mean(x) ** 2, gc.var),
    "sum_cancel": (gc.sum,),
    "mean_many_f32": (gc.mean, lambda x: gc.sum(x) / gc.size("n")),
    "gammaln_difference": (lambda a: gc.lgamma(a + 1) - gc.lgamma(a), gc.log),
    "log_erfc_tail": (lambda x: gc.log(gc.erfc(x)), lambda x: gc.log(1 - gc.erf(x))),
    "sinc_zero": (lambda x: gc.sin(x) / x,),
    "expm1_over_x_zero": (lambda x: (gc.exp(x) - 1) / x, lambda x: gc.expm1(x) / x),
    "expm1_over_x_small": (lambda x: (gc.exp(x) - 1) / x, lambda x: gc.expm1(x) / x),
    "xlogy_00": (lambda x, y: x * gc.log(y), gc.xlogy),
    "entropy_onehot": (lambda p: -gc.sum(p * gc.log(p)), lambda p: -gc.sum(gc.xlogy(p, p))),
    "kl_zero_p": (lambda p, q: gc.sum(p * gc.log(p / q)), lambda p, q: gc.sum(gc.xlogy(p, p) - gc.xlogy(p, q)),
                  lambda p, q: gc.losses.kl_div(gc.log(q), p, reduction="sum")),
    "kl_unsupported": (lambda p, q: gc.sum(p * gc.log(p / q)), lambda p, q: gc.sum(gc.xlogy(p, p) - gc.xlogy(p, q)),
                       lambda p, q: gc.losses.kl_div(gc.log(q), p, reduction="sum")),
    "poisson_nll_zero": (lambda r, y: r - y * gc.log(r), lambda r, y: r - gc.xlogy(y, r)),
    "abs_zero": (abs, gc.abs),
    "relu_zero": (lambda x: gc.maximum(x, 0), gc.relu),
    "max_ties": (gc.max,),
    "hinge_kink": (lambda x, y: gc.maximum(0, 1 - y * x), gc.losses.hinge),
    "pinball_zero": (lambda r: gc.maximum(0.75 * r, (0.75 - 1) * r), lambda r: gc.losses.quantile(0.0, r, q=0.75)),
    "huber_kink": (huber, lambda r: gc.losses.huber(r, 0.0)),
    "where_log_zero": (lambda x: gc.where(x > 0, gc.log(x), 0),),
    "masked_division": (lambda n, d: gc.where(d > 0, n / d, 0),),
    "sqrt_zero": (gc.sqrt, lambda x: x**0.5),
    "sqrt_x2_zero": (lambda x: gc.sqrt(x**2), abs),
    "norm_zero": (literal_norm, gc.norm),
    "norm_overflow": (literal_norm, gc.norm),
    "cosine_sim_zero": (cosine(literal_norm), cosine(gc.norm)),
    "pow_x0": (lambda x: x**0, lambda x: gc.power(x, 0.0)),
    "pow_0y_wrt_y": (lambda x, y: x**y, gc.power),
    "pow_1p5_zero": (lambda x: x**1.5, lambda x: x * gc.sqrt(x)),
    "prod_one_zero": (gc.prod,),
    "acos_one": (gc.arccos,),
    "atan2_origin": (lambda y, x: gc.arctan2(y, x),),
    "atanh_small": (lambda x: gc.log((1 + x) / (1 - x)) / 2, gc.arctanh),
    "dice_empty": (lambda p, t: 1 - 2 * gc.sum(p * t) / (gc.sum(p) + gc.sum(t)),),
    "mse_honest_overflow": (lambda r: r**2, gc.square),
}

SECOND: dict[str, tuple[Callable[..., Any], ...]] = {
    "d2_softplus_large": CASES["softplus_large"],
    "d2_softplus_neg": CASES["softplus_large"],
    "d2_softplus_zero": CASES["softplus_large"],
    "d2_softplus_50": CASES["softplus_large"],
    "d2_square_pow_zero": (lambda x: x**2, lambda x: gc.power(x, 2.0)),
    "d2_pow1_zero": (lambda x: x**1, lambda x: gc.power(x, 1.0)),
    "d2_cube_zero": (lambda x: x**3, lambda x: x * x * x),
    "d2_abs_cubed_zero": (lambda x: abs(x) ** 3,),
    "d2_tanh_large": (gc.tanh, CASES["tanh_naive"][0]),
    "d2_pseudo_huber_large": (lambda x: gc.sqrt(1 + x**2), lambda x: gc.hypot(1, x)),
    "d2_cauchy_large": (lambda x: gc.log(1 + x**2), lambda x: gc.log1p(x**2)),
    "d2_sinc_zero": CASES["sinc_zero"],
    "d2_huber_kink": (huber,),
    "d2_logsumexp_pair": (lambda x: gc.log(gc.exp(x) + gc.exp(0)), lambda x: gc.logaddexp(x, 0.0)),
    "d2_sqrt_eps_zero": (lambda x: gc.sqrt(x**2 + 2.0**-40),),
}


@dataclass(frozen=True)
class Case:
    """One case in one format: inputs as arrays, exact answers as mpmath numbers."""

    name: str
    kind: str
    wrt: tuple[str, ...]
    inputs: dict[str, np.ndarray]
    value: Any
    gradient: dict[str, list[Any]]
    sets: dict[str, Any]
    cond: float


@cache
def _data() -> Any:
    return json.loads(FILE.read_text())


def _array(given: Any, dtype: Any) -> np.ndarray:
    if isinstance(given, dict):
        return np.full(given["n"], given["fill"], dtype)
    return np.asarray([float(v) for v in given] if isinstance(given, list) else float(given), dtype)


def load(format: str) -> Iterator[Case]:
    """The cases of value and gradient in "f64" or "f32"."""
    for c in _data()["cases"]:
        f = c[format]
        inputs = {k: _array(v, FORMATS[format]) for k, v in f["inputs"].items()}
        with mpmath.workdps(60):
            gradient = {k: [mpmath.mpf(x) for x in v] for k, v in f["expected_grad"].items()}
            yield Case(c["name"], c["gradient_kind"], tuple(c["wrt"]), inputs, mpmath.mpf(f["expected_value"]), gradient,
                       c["subgradient_set"] or {}, loose(c["name"], inputs))


def load_second(format: str) -> Iterator[Case]:
    """The cases of second derivatives."""
    for c in _data()["second_derivative_cases"]:
        f = c[format]
        inputs = {k: _array(v, FORMATS[format]) for k, v in f["inputs"].items()}
        with mpmath.workdps(60):
            bounds = c["subgradient_set"]
            yield Case(c["name"], c["gradient_kind"], ("x",), inputs, None, {"x": [mpmath.mpf(f["expected_second_derivative"])]},
                       {"x": [bounds]} if bounds else {}, 1.0)


def loose(name: str, inputs: dict[str, np.ndarray]) -> float:
    """The condition number of the three cases in which one rounding of an input moves the answer by many ULP."""
    if name == "sum_cancel":
        return float(np.abs(inputs["x"].astype(np.float64)).sum())
    if name in ("gelu_tail", "log_erfc_tail"):
        return float(inputs["x"].astype(np.float64) ** 2)
    return 1.0


def ulps(got: Any, exact: Any, dtype: Any) -> float:
    """|got - exact| in units of the last place of the exact answer; 0 for equal infinities."""
    got = float(got)
    info = np.finfo(dtype)
    with mpmath.workdps(60):
        largest = mpmath.mpf(float(info.max)) + mpmath.mpf(float(info.max)) * mpmath.mpf(float(info.eps)) / 4
        if mpmath.isnan(exact):
            return 0.0 if math.isnan(got) else math.inf
        if abs(exact) >= largest:
            return 0.0 if math.isinf(got) and (got > 0) == (exact > 0) else math.inf
        if not math.isfinite(got):
            return math.inf
        least = mpmath.mpf(float(info.smallest_subnormal))
        unit = max(least, mpmath.mpf(2) ** (mpmath.floor(mpmath.log(abs(exact), 2)) - info.nmant)) if exact else least
        return float(abs(mpmath.mpf(got) - exact) / unit)


def close_enough(got: Any, exact: Any, dtype: Any, cond: float = 1.0, bounds: Any = None) -> bool:
    if bounds is not None and bounds[0] <= float(got) <= bounds[1]:
        return True
    return ulps(got, exact, dtype) <= max(4.0, 2 * cond)


def tensors(case: Case) -> dict[str, Any]:
    """A parameter for each input to differentiate by, data for the others."""
    return {k: (gc.param if k in case.wrt else gc.tensor)(k, "n" if v.ndim else "") for k, v in case.inputs.items()}


def measure(case: Case, program: Callable[..., Any], order: int = 1) -> tuple[Any, dict[str, np.ndarray]]:
    """Value and gradients by the compiled kernel; for order 2, the second derivative by x as gradient."""
    given = tensors(case)
    L = program(*given.values())
    L = gc.sum(L)
    if order == 2:
        f = gc.compile(gc.hessian(L, given["x"]), wrt=())
        return None, {"x": np.ravel(f(**{k: v for k, v in case.inputs.items() if k in f.inputs}))}
    value, gradients = gc.compile(L)(**case.inputs)
    return value, {k: np.ravel(g) for k, g in gradients.items()}

