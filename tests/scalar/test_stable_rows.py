"""The functions that stable forms are made of: they are the plain mathematics that they print as, and their derivatives are those of it, but where a convention says otherwise."""

import mpmath
import numpy as np
import pytest
import sympy as sp

from graphc.scalar.arithmetic import Arithmetic
from graphc.scalar.symbols import placeholder
from graphc.scalar.table import ROWS, op
from graphc.scalar.term import freeze

# ordinary arguments, and the arguments by which the derivative is that of the plain mathematics; others are held constant
ROWS_AT = {
    "excess": ([(0.3, 1.7), (1e200, -1e200)], (0, 1)), "inverse_total": ([(0.3, 1.0), (1e-30, 2.0)], (0,)), "log_total": ([(0.3, 1e-20, 1.0), (-5.0, 3.0, 2.0)], (1,)),
    "times_log": ([(0.3, -1.7), (1e-30, 5.0)], (0, 1)), "times_exp": ([(0.3, -1.7), (1e-30, 5.0)], (0, 1)), "exp_sum": ([(0.3, -0.1), (700.1, -699.9)], (0, 1)), "exp_affine": ([(0.2, 0.3, -0.1), (-3.0, 700.1, 0.3)], (0, 1, 2)), "exp_difference": ([(0.3, -0.1), (1e-10, -1e-10)], (0, 1)),
    "log_ratio": ([(0.3, 1.7), (1e200, 1e-200)], (0, 1)), "log_product": ([(0.3, 1.7), (1e200, 1e200)], (0, 1)), "log_product3": ([(0.3, 1.7, 2.0), (1e200, 1e200, 3.0)], (0, 1, 2)),
    "log1p_square": ([(0.3,), (1e200,), (1e-200,)], (0,)), "scaled": ([(0.3, 4.0), (1e200, 2.0**600)], (0,)), "grouped": ([(0.3,)], (0,)),
    "over_hypot": ([(0.3, 1.7), (3e200, 4e200)], (0, 1)), "over_squares": ([(0.3, 1.7), (3e120, 4e120), (2e-110, 3e-110)], (0, 1)),
}
DIGITS = 60


def value(expression, args, digits=None):
    machine = Arithmetic(np.float64, digits)
    numbers = [machine.array(np.asarray(a), "float") for a in args]
    with np.errstate(all="ignore"), mpmath.workdps(digits or 15):
        return np.asarray(machine.term(freeze(sp.sympify(expression), ("float",) * len(args)), lambda t: numbers[t.value])).item()


def call(name):
    return op(name)(*(placeholder(k) for k in range(ROWS[name].arity)))


@pytest.mark.parametrize("name", ROWS_AT)
def test_it_is_the_plain_mathematics(name):
    for args in ROWS_AT[name][0]:
        plain = value(ROWS[name].plain(*(placeholder(k) for k in range(len(args)))), args, DIGITS)
        assert value(call(name), args) == pytest.approx(float(plain), rel=4e-15), args


@pytest.mark.parametrize("name", ROWS_AT)
def test_derivatives_are_those_of_the_plain_mathematics(name):
    points, differentiated = ROWS_AT[name]
    for args in points:
        for k in differentiated:
            plain = ROWS[name].plain(*(placeholder(m) for m in range(len(args)))).diff(placeholder(k))
            assert value(call(name).diff(placeholder(k)), args) == pytest.approx(float(value(plain, args, DIGITS)), rel=1e-14), (args, k)


@pytest.mark.parametrize(("name", "args", "wanted"), [
    ("excess", (np.inf, np.inf), 0.0), ("excess", (-np.inf, 0.0), -np.inf), ("log_total", (0.0, 0.0, 0.0), -np.inf), ("inverse_total", (0.0, 0.0), 0.0),
    ("times_log", (0.0, -np.inf), 0.0), ("times_log", (0.0, np.inf), 0.0), ("times_log", (0.0, np.nan), np.nan), ("times_log", (2.0, -np.inf), -np.inf),
    ("times_exp", (0.0, np.inf), 0.0), ("times_exp", (0.0, 800.0), 0.0), ("times_exp", (0.0, np.nan), np.nan), ("times_exp", (2.0, -np.inf), 0.0),
    ("exp_sum", (-np.inf, 0.0), 0.0), ("exp_affine", (0.0, -np.inf, 0.5), 0.0), ("exp_affine", (0.0, 800.0, 1.0), np.inf), ("exp_sum", (np.inf, 0.0), np.inf), ("exp_difference", (-np.inf, -np.inf), 0.0), ("log_ratio", (0.0, 2.0), -np.inf),
    ("log_ratio", (-1.0, 2.0), np.nan), ("log_product", (-1e200, -1e200), 200 * np.log(10) * 2), ("log_product", (-1.0, 2.0), np.nan), ("over_hypot", (0.0, 0.0), 0.0), ("over_squares", (0.0, 0.0), 0.0), ("over_squares", (np.inf, 1.0), 0.0), ("over_squares", (1e200, 1.0), 1e-200),
    ("binade", (3.0,), 2.0), ("binade", (0.75,), 0.5), ("binade", (np.inf,), 1.0), ("binade", (np.nan,), 1.0), ("log1p_square", (np.inf,), np.inf)])
def test_conventions(name, args, wanted):
    assert value(call(name), args) == pytest.approx(wanted, rel=1e-15, nan_ok=True)


def test_what_is_held_constant_has_no_derivative():
    for name, held in (("log_total", (0, 2)), ("scaled", (1,)), ("inverse_total", (1,)), ("apart", (1,)), ("binade", (0,))):
        for k in held:
            assert call(name).diff(placeholder(k)) == 0
