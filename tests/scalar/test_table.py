"""Every row of the function table against mpmath: its NumPy implementation, its derivatives of first and second order."""

import itertools

import mpmath
import numpy as np
import pytest
import sympy as sp

from graphc.frontend import functions
from graphc.frontend.declare import tensor
from graphc.scalar.arithmetic import Arithmetic
from graphc.scalar.derivative import derivative, times
from graphc.scalar.symbols import VALUE, literal, placeholder
from graphc.scalar.table import ROWS, op, where
from graphc.scalar.term import Term, freeze

DIGITS = 50
TINY, HUGE = 5e-324, 1.7e308

EVERYWHERE = [0.0, 1e-310, TINY, 1e-20, 0.3, 1.0, 1.7, 5.0, 30.0, -1e-310, -1e-20, -0.3, -1.0, -1.7, -5.0, -30.0, 1e5, -1e5]
POSITIVE = [TINY, 1e-310, 1e-20, 0.3, 1.0, 1.7, 5.0, 30.0, 1e5, HUGE]
UNIT = [0.0, 1e-310, 1e-20, 0.3, 0.99, -0.3, -0.99, -1e-20]
NONFINITE = [float("inf"), float("-inf"), float("nan")]
VALUES = {
    **dict.fromkeys(("log", "log2", "log10"), [0.0, *POSITIVE]), "sqrt": [0.0, *POSITIVE], "log1mexp": POSITIVE, "log1p": [*UNIT, *POSITIVE, -1.0],
    **dict.fromkeys(("arcsin", "arccos", "arctanh"), [*UNIT, 1.0, -1.0]), "arccosh": [1.0, 1.7, 5.0, 30.0, 1e5, HUGE],
    **dict.fromkeys(("sin", "cos", "tan"), EVERYWHERE), "lgamma": [1e-20, 0.3, 1.0, 1.7, 2.0, 5.0, 30.0, 1e5, -0.3, -1.7],
    "digamma": [1e-20, 0.3, 1.0, 1.7, 5.0, 30.0, 1e5, -0.3, -1.7],
}
PAIRS = {
    "power": [(x, p) for x in (0.0, 1e-20, 0.3, 1.0, 1.7, 30.0) for p in (0.0, 1.0, 2.0, 0.5, 2.7)] + [(-1.7, 3.0), (-0.3, 2.0), (0.3, -1.5)],
    "xlogy": [(x, y) for x in (0.0, 1e-20, 0.3, 5.0, -1.7) for y in (1e-310, 0.3, 1.0, 5.0, 1e5)] + [(0.0, 0.0)],
    "polygamma": [(k, x) for k in (1.0, 2.0, 3.0) for x in (0.3, 1.7, 5.0, 30.0)],
    **dict.fromkeys(("log_ratio", "log_product"), [(a, b) for a in (1e-200, 0.3, 1.7, 1e200) for b in (1e-190, 0.5, 3.0, 1e210)] + [(-2.0, -3.0)]),
    "exp_difference": [(a, b) for a in (0.0, 1e-9, 0.3, -700.0, 700.0) for b in (1e-9, -0.3, -700.0, 5.0)],
    **dict.fromkeys(("over_hypot", "over_squares"), [(a, b) for a in (0.0, 1e-200, 0.3, -5.0, 1e200) for b in (1e-200, 0.5, -3.0, 1e200)] + [(0.0, 0.0)]),
    "floordiv": [(a, b) for a in (7.0, -7.0, 6.0, 0.5, 0.0) for b in (2.0, 3.0, -2.0, 0.25)],
    "mod": [(a, b) for a in (7.0, -7.0, 6.0, 0.5, 0.0) for b in (2.0, 3.0, -2.0, 0.25)],
}
SOME = (0.0, 1e-310, 0.3, -0.3, 1.0, 1.7, -5.0, 30.0)
SMOOTH = {                                  # arguments at which a row is differentiable
    "log": POSITIVE[2:9], "log2": POSITIVE[2:9], "log10": POSITIVE[2:9], "log1p": [0.0, 1e-20, 0.3, -0.3, -0.99, 5.0, 1e5], "sqrt": POSITIVE[3:9],
    "arcsin": [0.0, 0.3, -0.99], "arccos": [0.0, 0.3, -0.99], "arctanh": [0.0, 0.3, -0.99], "arccosh": [1.01, 1.7, 30.0],
    **dict.fromkeys(("erfcx", "logerfc"), [0.0, 1e-20, 0.3, -0.3, -1.7, 1.7, 5.0]), "log1mexp": POSITIVE[3:8],
    "lgamma": [0.3, 1.7, 5.0, 30.0, -0.3], "digamma": [0.3, 1.7, 5.0, 30.0, -0.3], "cbrt": [0.3, -0.3, 5.0],
    **dict.fromkeys(("abs", "sign", "relu"), [0.3, -0.3, 5.0, -30.0]), **dict.fromkeys(("floor", "ceil", "round"), [0.3, -0.3, 5.2, -30.7]),
    "power": [(0.3, 2.7), (1.7, -1.5), (30.0, 0.5), (-1.7, 3.0), (0.3, 0.0), (1.7, 1.0)],
    **dict.fromkeys(("log_ratio", "log_product"), [(0.3, 1.7), (5.0, 0.2), (-2.0, -3.0)]), **dict.fromkeys(("over_hypot", "over_squares"), [(0.3, -0.4), (5.0, 2.0), (-3.0, 1.7)]),
    "exp_difference": [(0.3, -0.4), (5.0, 2.0), (-3.0, 1.7)],
    "xlogy": [(0.3, 0.3), (5.0, 1.7), (-1.7, 30.0)], "hypot": [(0.3, -0.4), (5.0, 0.0), (0.0, -1.7)],
    "arctan2": [(0.3, -0.4), (5.0, 0.0), (0.0, 1.7), (-1.0, -1.0), (1.0, 2.0)],
    "maximum": [(0.3, 0.4), (5.0, -1.0)], "minimum": [(0.3, 0.4), (5.0, -1.0)], "logaddexp": [(0.3, 0.4), (50.0, -1.0), (-1.0, 50.0)],
    "polygamma": [(1.0, 0.3), (2.0, 5.0)], "mod": [(7.3, 2.0), (-0.3, 1.7)], "floordiv": [(7.3, 2.0), (-0.3, 1.7)],
}
# What stable forms are made of holds some arguments constant, or has conventions of its own: tests/scalar/test_stable_rows.py.
SKIP = {"where", "stop_gradient", "at_kink", "excess", "apart", "log_total", "inverse_total", "times_log", "times_exp", "scaled", "grouped", "binade", "log_product3", "exp_affine"}
NUMERIC = [name for name, row in ROWS.items() if row.result != "bool" and name not in SKIP]


def arguments(name):
    if ROWS[name].arity == 1:
        return [(x,) for x in VALUES.get(name, EVERYWHERE)]
    return PAIRS.get(name) or list(itertools.product(SOME, SOME))


def exact(name, args, digits=DIGITS):
    """The function in mpmath; None where it has no real value."""
    rule = ROWS[name].mpmath
    with mpmath.workdps(digits):
        numbers = [mpmath.mpf(a) for a in args]
        try:
            value = getattr(mpmath, rule)(*numbers) if isinstance(rule, str) else rule(mpmath, *numbers)
        except (ValueError, ZeroDivisionError):
            return None
        return None if isinstance(value, mpmath.mpc) else mpmath.mpf(value)


def run(expression, args, digits=None):
    """A body at arguments, through freezing, in float64 or with digits."""
    machine = Arithmetic(np.float64, digits)
    numbers = [machine.array(np.asarray(a), "float") for a in args]

    def term(t: Term):
        if t.op == "read":
            return numbers[t.value]
        if t.op == "const":
            return machine.number(t.value, t.kind)
        parts = [term(a) for a in t.args]
        binary = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "neg": lambda a: -a,
                  "div": lambda a, b: a / b, "powi": lambda a: a ** t.value, "where": np.where, "cast": lambda a: machine.array(a, t.kind)}
        return (binary.get(t.op) or (lambda *a: machine.apply(t.op, *a)))(*parts)

    with np.errstate(all="ignore"), mpmath.workdps(digits or 15):
        return np.asarray(term(freeze(expression, ("float",) * len(args)))).item()


@pytest.mark.parametrize("name", NUMERIC)
def test_numpy_implementation(name):
    compared = 0
    for args in arguments(name):
        expected = exact(name, args)
        if expected is None:
            continue
        if name == "polygamma":
            got = run(op(name)(sp.Integer(int(args[0])), placeholder(0)), args[1:])
        else:
            got = run(op(name)(*(placeholder(k) for k in range(len(args)))), args)
        assert got == pytest.approx(float(expected), rel=2e-14, abs=1e-322), (name, args)
        compared += 1
    assert compared >= 4


@pytest.mark.parametrize("name", [n for n in NUMERIC if ROWS[n].arity == 1])
def test_nan_stays_nan(name):
    assert np.isnan(run(op(name)(placeholder(0)), [float("nan")]))


@pytest.mark.parametrize("name", ["maximum", "minimum", "logaddexp", "arctan2", "power", "xlogy"])
def test_nan_stays_nan_in_two_arguments(name):
    for args in ((float("nan"), 1.5), (1.5, float("nan"))):
        assert np.isnan(run(op(name)(placeholder(0), placeholder(1)), args))


@pytest.mark.parametrize("name, at, limit", [
    ("exp", -np.inf, 0.0), ("exp", np.inf, np.inf), ("tanh", np.inf, 1.0), ("tanh", -np.inf, -1.0), ("sigmoid", np.inf, 1.0),
    ("sigmoid", -np.inf, 0.0), ("softplus", -np.inf, 0.0), ("softplus", np.inf, np.inf), ("logsigmoid", np.inf, 0.0),
    ("logsigmoid", -np.inf, -np.inf), ("log", 0.0, -np.inf), ("log", np.inf, np.inf), ("relu", -np.inf, 0.0), ("erf", np.inf, 1.0),
    ("erfc", np.inf, 0.0), ("arctan", np.inf, np.pi / 2), ("sqrt", np.inf, np.inf), ("abs", -np.inf, np.inf), ("expm1", -np.inf, -1.0)])
def test_limits_at_infinity(name, at, limit):
    assert run(op(name)(placeholder(0)), [at]) == limit
    with mpmath.workdps(30):
        assert exact(name, (at,), 30) is None or float(exact(name, (at,), 30)) == limit


def smooth(name):
    if name in SMOOTH:
        return [a if isinstance(a, tuple) else (a,) for a in SMOOTH[name]]
    return arguments(name) if ROWS[name].arity > 1 else [(x,) for x in (0.0, 1e-20, 0.3, -0.3, 1.7, -5.0, 20.0)]


def slope(name, args, k, order=1):
    """d^order f / d x_k^order by mpmath's differences at 60 digits."""
    with mpmath.workdps(60):
        numbers = [mpmath.mpf(a) for a in args]
        return mpmath.diff(lambda x: exact(name, [*numbers[:k], x, *numbers[k + 1:]], mpmath.mp.dps), numbers[k], order)


DERIVATIVES = [(name, k) for name in NUMERIC for k in range(ROWS[name].arity)
               if not (name == "polygamma" and k == 0)]


@pytest.mark.parametrize("name, k", DERIVATIVES)
def test_first_derivative(name, k):
    for args in smooth(name):
        if name == "power" and k == 1 and args[0] < 0:
            continue
        if name == "polygamma":
            args, body, at = args[1:], op(name)(sp.Integer(int(args[0])), placeholder(0)), 0
            expected = slope(name, (int(body.args[0]), *args), 1)
        else:
            body, at = op(name)(*(placeholder(m) for m in range(len(args)))), k
            expected = slope(name, args, k)
        got = run(derivative(body, at), args)
        assert got == pytest.approx(float(expected), rel=2e-13, abs=1e-15), (name, args)


@pytest.mark.parametrize("name, k", [(n, k) for n, k in DERIVATIVES if n not in ("polygamma", "floor", "ceil", "round", "sign")])
def test_second_derivative(name, k):
    for args in smooth(name):
        if name == "power" and k == 1 and args[0] < 0:
            continue
        body = op(name)(*(placeholder(m) for m in range(len(args))))
        got = run(derivative(derivative(body, k), k), args)
        assert got == pytest.approx(float(slope(name, args, k, 2)), rel=2e-12, abs=1e-14), (name, args)


@pytest.mark.parametrize("name", [n for n in NUMERIC if ROWS[n].arity == 2 and n != "polygamma"])
def test_mixed_second_derivative(name):
    for args in smooth(name):
        if args[0] < 0 and name == "power":
            continue
        body = op(name)(placeholder(0), placeholder(1))
        one, other = (run(derivative(derivative(body, a), b), args) for a, b in ((0, 1), (1, 0)))
        with mpmath.workdps(60):
            expected = mpmath.diff(lambda a, b: exact(name, [a, b], mpmath.mp.dps), [mpmath.mpf(x) for x in args], (1, 1))
        assert one == pytest.approx(float(expected), rel=2e-12, abs=1e-14), (name, args)
        assert other == pytest.approx(one, rel=1e-12, abs=1e-14)


KINKS = [("abs", (0.0,), (0.0,)), ("sign", (0.0,), (0.0,)), ("relu", (0.0,), (0.0,)), ("maximum", (1.5, 1.5), (0.5, 0.5)),
         ("minimum", (1.5, 1.5), (0.5, 0.5)), ("hypot", (0.0, 0.0), (0.0, 0.0)), ("arctan2", (0.0, 0.0), (0.0, 0.0)),
         ("power", (0.0, 2.0), (0.0, 0.0)), ("power", (0.0, 0.0), (0.0, -np.inf)), ("power", (0.0, 1.0), (1.0, 0.0)),
         ("floor", (2.0,), (0.0,)), ("ceil", (2.0,), (0.0,)), ("round", (2.5,), (0.0,)), ("mod", (4.0, 2.0), (1.0, -2.0)),
         ("xlogy", (0.0, 0.0), (-np.inf, 0.0))]


@pytest.mark.parametrize("name, args, expected", KINKS)
def test_the_chosen_subgradient(name, args, expected):
    body = op(name)(*(placeholder(k) for k in range(len(args))))
    assert tuple(run(derivative(body, k), args) for k in range(len(args))) == expected


@pytest.mark.parametrize("name", ["hypot", "arctan2", "power", "abs", "relu", "maximum", "minimum", "mod"])
def test_second_derivatives_at_a_kink_are_numbers(name):
    args = (0.0,) if ROWS[name].arity == 1 else (0.0, 2.0) if name in ("power", "mod") else (0.0, 0.0)
    body = op(name)(*(placeholder(k) for k in range(len(args))))
    for a, b in itertools.product(range(len(args)), repeat=2):
        assert np.isfinite(run(derivative(derivative(body, a), b), args)), (a, b)


def test_values_repeat():
    x = placeholder(0)
    assert derivative(op("exp")(x), 0, repeats_value=True) == VALUE
    assert derivative(op("sigmoid")(x), 0, repeats_value=True) == op("sigmoid")(-x) * VALUE
    assert derivative(x, 0, repeats_value=True) == 1


# --- composed bodies: gelu, elu, ... ----------------------------------------------------------------------------------
COMPOSED = {
    "gelu": (lambda mp, x: x * mp.erfc(-x / mp.sqrt(2)) / 2, {}),
    "gelu_tanh": (lambda mp, x: x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf(44715) / 10**6 * x**3))), {"approximate": "tanh"}),
    "elu": (lambda mp, x: x if x > 0 else mp.expm1(x), {}), "elu_2": (lambda mp, x: x if x > 0 else 2 * mp.expm1(x), {"alpha": 2.0}),
    "selu": (lambda mp, x: mp.mpf("1.0507009873554804934193349852946") * (x if x > 0 else mp.mpf("1.6732632423543772848170429916717") * mp.expm1(x)), {}),
    "silu": (lambda mp, x: x / (1 + mp.exp(-x)), {}), "softplus": (lambda mp, x: mp.log1p(mp.exp(3 * x)) / 3, {"beta": 3.0}),
    "leaky_relu": (lambda mp, x: x if x > 0 else x / 8, {"negative_slope": 0.125}),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_composed_functions(name):
    rule, options = COMPOSED[name]
    function = getattr(functions, name.removesuffix("_2").removesuffix("_tanh"))
    body = function(tensor("x", "n"), **options).node.body
    for order in range(3):
        for at in (-30.0, -5.0, -1.3, -0.3, -1e-12, 1e-12, 0.7, 3.0, 20.0):
            with mpmath.workdps(400):
                expected = mpmath.diff(lambda t: rule(mpmath, t), mpmath.mpf(at), order)
            assert run(body, [at]) == pytest.approx(float(expected), rel=1e-11, abs=1e-300), (at, order)
        body = derivative(body, 0)


# --- freezing ---------------------------------------------------------------------------------------------------------
X, Y = placeholder(0), placeholder(1)
FROZEN = [X - Y, X / Y, 1 / X, -X, -X - Y, 2 * X - 3 * Y, X / 3, X * sp.Rational(2, 3), -X / Y, X**3, X**-2, X**sp.Rational(1, 2),
          X**sp.Rational(-1, 2), X**9, X**sp.Float(1.7), sp.Float(0.1) * X, sp.pi * X, X * Y / (X + Y), (X - Y) * (X + Y), -(X - Y)**2, 1 - X,
          X**sp.Rational(3, 2), (X * Y)**-1, 2 / (3 * X), -2 / (3 * X), X - Y / X, op("exp")(-X) - 1]


@pytest.mark.parametrize("body", FROZEN, ids=str)
def test_freezing_keeps_the_value(body):
    at = {X: sp.Float("1.3125", 40), Y: sp.Float("0.40625", 40)}
    exact_value = body.replace(op("exp"), sp.exp).subs(at)
    assert run(body, [1.3125, 0.40625]) == pytest.approx(float(exact_value), rel=1e-15)


def test_a_difference_is_subtracted_and_a_quotient_divided():
    assert freeze(X - Y, ("float",) * 2) == Term("sub", (Term("read", (), 0), Term("read", (), 1)))
    assert freeze(X / Y, ("float",) * 2) == Term("div", (Term("read", (), 0), Term("read", (), 1)))
    assert freeze(X / 3, ("float",)).op == "div"
    assert freeze(X / 4, ("float",)).op == "mul"


def test_integers_are_promoted_where_a_float_is_met():
    assert freeze(X / Y, ("int", "int")).kind == "float"
    assert freeze(X + 1, ("int",)).kind == "int"
    assert freeze(X / 2, ("int",)).kind == "float"
    assert freeze(op("exp")(X), ("int",)).kind == "float"
    assert freeze(X + Y, ("bool", "bool")).kind == "int"
    assert freeze(op("maximum")(X, Y), ("int", "float")).kind == "float"


def test_times_multiplies_into_selections():
    condition = op("gt")(Y, sp.Integer(0))
    assert times(X, where(condition, 1 / Y, 0)) == where(condition, X / Y, 0)
    assert times(X, 2 * where(condition, 1 / Y, 0)) == where(condition, 2 * X / Y, 0)
    assert times(X, where(condition, 1, 0) + Y) == where(condition, X, 0) + X * Y
    assert times(sp.Integer(0), 1 / Y) == 0


def test_literals_are_exact():
    assert literal(0.5) == sp.Rational(1, 2)
    assert float(literal(0.1)) == 0.1
    assert literal(True) == 1
    assert literal(np.float32(0.1)) == sp.Float(float(np.float32(0.1)), precision=53)
