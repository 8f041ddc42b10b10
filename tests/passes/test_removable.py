"""Functions that fail at a point, whatever way they are written: value, first and second derivative against mpmath, at the point, near it and away from it."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import graphc as gc
from graphc.frontend.tensor import Tensor
from graphc.ir.interpret import interpret
from graphc.ir.nodes import Comprehension
from graphc.ir.walk import topological
from graphc.passes.prepare import prepare
from graphc.scalar.table import Op

x = gc.param("x", "n")
# formula, the point, and its limits there: value, first and second derivative
LIMITS = {
    "sin(x)/x": (lambda x: gc.sin(x) / x, 0.0, (1, 0, -1 / 3)),
    "(exp(x) - 1)/x": (lambda x: (gc.exp(x) - 1) / x, 0.0, (1, 1 / 2, 1 / 3)),
    "log(1 + x)/x": (lambda x: gc.log(1 + x) / x, 0.0, (1, -1 / 2, 2 / 3)),
    "(1 - cos(x))/x^2": (lambda x: (1 - gc.cos(x)) / x**2, 0.0, (1 / 2, 0, -1 / 12)),
    "x/tanh(x)": (lambda x: x / gc.tanh(x), 0.0, (1, 0, 2 / 3)),
    "x/(exp(x) - 1)": (lambda x: x / (gc.exp(x) - 1), 0.0, (1, -1 / 2, 1 / 6)),
    "log(x)/(x - 1)": (lambda x: gc.log(x) / (x - 1), 1.0, (1, -1 / 2, 2 / 3)),
    "1/tanh(x) - 1/x": (lambda x: 1 / gc.tanh(x) - 1 / x, 0.0, (0, 1 / 3, 0)),
    "(x - sin(x))/x^3": (lambda x: (x - gc.sin(x)) / x**3, 0.0, (1 / 6, 0, -1 / 60)),
    "exp(x) - 1 - x": (lambda x: gc.exp(x) - 1 - x, 0.0, (0, 0, 1)),
    "x - 1 - log(x)": (lambda x: x - 1 - gc.log(x), 1.0, (0, 0, 1)),
    "sin(2x + 1)/(2x + 1)": (lambda x: gc.sin(2 * x + 1) / (2 * x + 1), -0.5, (1, 0, -4 / 3)),
    "x^2 exp(-x)/(1 - exp(-x))^2": (lambda x: x**2 * gc.exp(-x) / (1 - gc.exp(-x))**2, 0.0, (1, 0, -1 / 6)),
    "arctan(x)/x": (lambda x: gc.arctan(x) / x, 0.0, (1, 0, -2 / 3)),
}
DISTANCES = [1e-30, 1e-12, -1e-5, 1e-3, -0.01, 0.06, -0.12, 0.3, 0.45, 1.1]


def programs(name):
    L = gc.sum(LIMITS[name][0](x))
    return L, [Tensor(prepare([L.node])[0]), gc.grad(L, x), gc.hessian(L, x)]


@pytest.mark.parametrize("name", LIMITS)
def test_limits_at_the_point(name):
    _, point, wanted = LIMITS[name]
    _, tensors = programs(name)
    for dtype, tolerance in ((np.float64, 1e-14), (np.float32, 1e-6)):
        found = [np.ravel(v)[0] for v in gc.evaluate(tensors, x=np.array([point], dtype))]
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * 1e-3)


@pytest.mark.parametrize("name", LIMITS)
def test_derivatives_against_mathematics_near_the_point(name):
    """4 ULP and the condition for the value; derivatives of quotients lose more, on both sides of the switch: 40 ULP of the greatest nearby."""
    _, point, _ = LIMITS[name]
    L, tensors = programs(name)
    exact, found = [], []
    for at in (point + d for d in DISTANCES if point + d != point):
        found.append([float(np.ravel(v)[0]) for v in gc.evaluate(tensors, x=np.array([at]))])
        exact.append([float(e) for e in derivatives(L, at)])
    for k, allowed in ((0, 8), (1, 40), (2, 200)):
        f, e = np.array(found)[:, k], np.array(exact)[:, k]
        np.testing.assert_allclose(f, e, rtol=allowed * 2.0**-52, atol=allowed * 2.0**-52 * np.abs(e).max() * (k > 0), err_msg=str(k))


def derivatives(L, at):
    """Value and central differences of the formula as written, in 400 digits; at the point itself from beside it."""
    with mpmath.workdps(400):
        h = mpmath.mpf(10)**-60
        near = mpmath.mpf(at) + mpmath.mpf(10)**-100
        low, mid, high = (interpret([L.node], {x.node: np.array([near + k * h], dtype=object)}, {"n": 1}, digits=400)[L.node][()] for k in (-1, 0, 1))
        return mid, (high - low) / (2 * h), (high - 2 * mid + low) / h**2


def test_a_function_with_a_limit_is_right_far_from_it():
    x = gc.param("x", "n")
    L = gc.sum(x**2 * gc.exp(-x) / (1 - gc.exp(-x))**2)
    slope = gc.grad(L, x)
    for found in gc.evaluate([Tensor(prepare([L.node])[0]), slope, gc.grad(gc.sum(slope), x)], x=np.array([-800.0])):
        assert np.all(found == 0)


def test_a_nan_stays_one_and_poles_stay_poles():
    assert np.isnan(gc.evaluate(gc.sum(gc.sin(x) / x), x=[np.nan]))
    assert np.isinf(gc.evaluate(gc.sum(gc.cos(x) / x), x=[0.0]))
    assert np.isinf(gc.evaluate(gc.sum(gc.exp(x) / (gc.exp(x) - 1)), x=[0.0]))


def test_what_does_not_fail_is_left_alone():
    for tensor in (gc.sin(x) / (1 + x**2), x**2 - 1, gc.exp(x) + x, gc.tanh(x) * x, gc.cos(x) / x, (x**2 - 1) / (x + 3)):
        bodies = [n.body for n in topological(prepare([tensor.node])) if isinstance(n, Comprehension)]
        assert not any(f.row.definition for body in bodies for f in body.atoms(Op)), gc.formula(tensor)


def test_two_variables_with_one_difference():
    y = gc.tensor("y", "n")
    L = gc.sum(gc.sin(x - y) / (x - y))
    f = gc.compile(L)
    value, grads = f(x=[1.0, 2.0], y=[1.0, 2.0])
    assert value == 2.0 and np.array_equal(grads["x"], [0.0, 0.0])


def test_the_module_defines_the_function():
    f = gc.compile(gc.sum(gc.sin(x) / x), wrt=())
    f(x=np.zeros(3))
    assert "def sin_x_over_x(x):" in f.source and "and its series at 0" in f.source


@pytest.mark.parametrize(("formula", "at", "wanted"), [
    (lambda v: gc.logaddexp(v, 0.0), -800.0, 0.0), (gc.logsigmoid, 40.0, None), (gc.logsigmoid, -40.0, None), (lambda v: gc.softplus(v, 1e30), 1.0, 0.0),
    (lambda v: gc.softplus(v, 1e30), -1.0, 0.0), (lambda v: gc.log(gc.exp(v) + gc.exp(-v)), 30.0, None), (gc.tanh, 25.0, None), (lambda v: gc.log(1 + v**2), 1e150, -2e-300)])
def test_second_derivatives_stay_stable(formula, at, wanted):
    L = gc.sum(formula(x))
    found = float(np.ravel(gc.evaluate(gc.hessian(L, x), x=np.array([at])))[0])
    if wanted is None:
        wanted = float(derivatives(L, at)[2])
    assert found == pytest.approx(wanted, rel=4e-15, abs=1e-300)


PARAMETRIC = {                      # f(q, x), and its value and derivatives in q at q = 0
    "(exp(q x) - 1)/q": (lambda q, x: (gc.exp(q * x) - 1) / q, lambda x: (x, x**2 / 2, x**3 / 3)),
    "sin(q x)/q": (lambda q, x: gc.sin(q * x) / q, lambda x: (x, 0 * x, -x**3 / 3)),
    "log(1 + q x)/q": (lambda q, x: gc.log(1 + q * x) / q, lambda x: (x, -x**2 / 2, 2 * x**3 / 3)),
    "(1 - cos(q x))/q^2": (lambda q, x: (1 - gc.cos(q * x)) / q**2, lambda x: (x**2 / 2, 0 * x, -x**4 / 12)),
}


@pytest.mark.parametrize("name", PARAMETRIC)
def test_a_parameter_that_goes_to_0(name):
    formula, limits = PARAMETRIC[name]
    q, data = gc.tensor("q", "n"), np.array([2.0, -0.3, 0.0, 1e-9, 40.0])
    L = gc.sum(formula(q, x))
    tensors = [Tensor(prepare([formula(q, x).node])[0]), slope := gc.grad(L, q), gc.grad(gc.sum(slope), q)]
    for found, wanted in zip(gc.evaluate(tensors, q=np.zeros(5), x=data), limits(data), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
    at = np.full(5, 0.7)            # beyond |q x| = 1 the formula itself
    np.testing.assert_allclose(gc.evaluate(tensors[0], q=at, x=data), gc.evaluate(formula(q, x), q=at, x=np.where(data, data, 1e-300)), rtol=1e-14, atol=1e-15)
