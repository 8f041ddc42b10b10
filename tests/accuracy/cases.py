"""What is measured: for each function that generated kernels call, its interval, the points where trouble is to be expected, its arguments.

One case is a row of the table, or a row at one order (polygamma), or a power x**n that is a product (powi), or a power of a row (sech2).
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from graphc.scalar.arithmetic import Arithmetic
from graphc.scalar.table import ROWS

TRIGONOMETRIC = (*(k * math.pi / 2 for k in (1, 2, 3, 4, 5, 10, 22, 1001, 10**6, 10**15)), 6381956970095103 * 2.0**797, 5.319372648326541e255)
LOGARITHMIC = (1.0, math.sqrt(0.5), math.sqrt(2), 2.0, 10.0, 1000.0)
HALVES = tuple(k * math.log(2) / 2 for k in (-3, -1, 1, 3))
GAMMA_ZEROS = (1.0, 2.0, -2.457024738220797, -2.747682646727412, -3.143580888349980, -4.991544640560048)
DIGAMMA_ZEROS = (1.4616321449683622, -0.504083008264455, -1.573498473162390, -4.653237761743142)


@dataclass(frozen=True)
class Case:
    """[low, high] holds all that happens in the first argument; `call` is what the loop computes, of f and a[i], b[i], c[i].

    A row that has a reason for large errors somewhere is measured once more where it has none: NAME.part.
    """

    low: float
    high: float
    points: tuple[float, ...] = ()
    arity: int = 1
    call: str = ""
    row: str = ""
    order: int = 0                  # the leading argument of polygamma, or the exponent of powi
    power: int = 1                  # of the row's value that is measured
    within: str = ""                # only arguments for which this holds, of a, b, c


def _same(names: str, case: Case) -> dict[str, Case]:
    return dict.fromkeys(names.split(), case)


def _pair(names: str, *points: float) -> dict[str, Case]:
    return _same(names, Case(-30.0, 60.0, (1.0, 0.5, *points), 2))


CASES: dict[str, Case] = {
    "exp": Case(-750, 715, HALVES), "expm1": Case(-40, 715, HALVES), **_same("log log2 log10", Case(0, 100, LOGARITHMIC)),
    "log1p": Case(-1, 100, (-1.0, math.sqrt(0.5) - 1, math.sqrt(2) - 1, 1.0)), "log1mexp": Case(0, 760, (math.log(2), 0.35, 1.2279)),
    "sqrt": Case(0, 100), "cbrt": Case(-100, 100, (1.0, 2.0, 4.0)),
    "sigmoid": Case(-760, 50, (1.0,)), "logsigmoid": Case(-50, 750, (0.88,)), "softplus": Case(-760, 50, (0.88,)),
    "log1p_square": Case(-100, 100, (1.0, 0.64)),
    **_same("sin cos tan", Case(-100, 100, TRIGONOMETRIC)), "arctan": Case(-30, 30, (1.0,)),
    **_same("arcsin arccos arctanh", Case(-1, 1, (0.5, 1.0))), "arccosh": Case(1, 100, (1.0,)), "arcsinh": Case(-100, 100, (1.0, 2.0**28)),
    **_same("sinh cosh", Case(-712, 712, (1.0,))), "tanh": Case(-25, 25, (1.0,)),
    "sech": Case(-760, 760, (1.0,)), "sech2": Case(-380, 380, (1.0,), call="sech_squared(a[i])", row="sech", power=2), "logcosh": Case(-40, 40, (1.0,)),
    "erf": Case(-7, 7, (1.0,)), "erfc": Case(-7, 28, (0.5, -0.5)), "erfcx": Case(-27, 100, (0.5, -0.5, -6.5, 2.0**28)),
    "logerfc": Case(-10, 100, (0.5, -0.5, 1.0, -1.0)),
    "lgamma": Case(-30, 200, GAMMA_ZEROS), "digamma": Case(-30, 200, DIGAMMA_ZEROS),
    **{f"polygamma{k}": Case(-30, 200, (0.5, 1.0, -0.5, -1.5), 1, f"f({k}, a[i])", "polygamma", k) for k in (1, 2, 3)},
    **_same("abs sign relu floor ceil round", Case(-100, 100, (0.5, 1.0, 1.5, 2.0**52))),
    **{f"powi{n}": Case(-100, 100, (1.0,), 1, f"f(a[i], {n})", "powi", n) for n in (3, 5, 8)},
    **_pair("power hypot over_hypot over_squares arctan2 xlogy times_log maximum minimum excess"), **_pair("logaddexp exp_sum exp_difference", -0.7, -20.0),
    **_pair("log_product log_ratio scaled"), "inverse_total": Case(0, 100, (1.0,), 2), "apart": Case(-30, 60, (1.0,), 2, "f(a[i], b[i] > 0)"),
    "mod": Case(-30, 60, (1.0, 0.5), 2, "a[i] % b[i]"), "floordiv": Case(-30, 60, (1.0, 0.5), 2, "a[i] // b[i]"),
    "log_product3": Case(-30, 60, (1.0, 0.5), 3), "exp_affine": Case(-30, 60, (1.0, 0.5), 3), "log_total": Case(-30, 60, (-0.7, -3.0), 3),
    "times_exp": Case(-30, 60, (1.0, 0.5, -20.0), 2, within="abs(b) < 87"),      # where exp(b) has all its digits: of a weighted sum b <= 0
    "sech2.part": Case(-380, 380, (1.0,), call="sech_squared(a[i])", row="sech", power=2, within="np.abs(a) < (43 if a.dtype == np.float32 else 353)"),
    "lgamma.part": Case(-30, 200, (1.0, 2.0), row="lgamma", within="a > 0"),
    "digamma.part": Case(-30, 200, (DIGAMMA_ZEROS[0],), row="digamma", within="a > 0"),
    "logaddexp.part": Case(-30.0, 60.0, (1.0, -1.5, -20.0), 2, row="logaddexp", within="(np.maximum(a, b) < -1.5) | (np.maximum(a, b) > 0)"),
    "log_total.part": Case(-30, 60, (0.7, 3.0), 3, row="log_total", within="a >= 0"),
}
NAMES = list(CASES)


def row(name: str) -> Any:
    """The row of the table; powi is none."""
    return ROWS.get(CASES[name].row or name)


def within(name: str, arguments: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """The arguments at which the case is measured."""
    condition = CASES[name].within
    if not condition:
        return arguments
    mask = eval(condition, {"np": np, **dict(zip("abc", arguments, strict=False))})
    return tuple(a[mask] for a in arguments)


def oracle(name: str) -> Callable[..., Any]:
    """The row's function by which `gc.evaluate` defines the meaning."""
    case = CASES[name]
    if case.row == "powi":
        return lambda x: x**case.order
    leading = (case.order,) if case.row == "polygamma" else ()

    def call(*arguments: np.ndarray) -> Any:
        given = (arguments[0], arguments[1] > 0) if name == "apart" else arguments
        value = Arithmetic(arguments[0].dtype).apply(case.row or name, *leading, *given)
        return value if case.power == 1 else value**case.power
    return call


@functools.cache
def generated(name: str, dtype: str) -> Callable[..., Any]:
    """The row's function as kernels call it, in a loop: of arrays of that dtype."""
    case = CASES[name]
    target = case.call.partition("(")[0] if case.power > 1 else case.row if case.row == "powi" else row(name).jit
    scope: dict[str, Any] = {"math": math, "np": np}
    if target.isidentifier() and target != "abs":
        scope[target] = getattr(importlib.import_module(f"graphc.codegen.mathlib.{dtype}"), target)
    parameters = "a, b, c".split(", ")[:case.arity]
    call = (case.call or f"f({', '.join(f'{p}[i]' for p in parameters)})").replace("f(", f"{target}(")
    exec(f"def loop({', '.join(parameters)}):\n    out = np.empty_like(a)\n    for i in range(a.shape[0]):\n        out[i] = {call}\n    return out", scope)
    return njit(error_model="numpy", fastmath={"reassoc", "contract"}, nogil=True)(scope["loop"])      # type: ignore[no-any-return]
