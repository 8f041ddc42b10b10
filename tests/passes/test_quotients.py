"""Quotients, powers and logarithms of sums of exponentials, in any company: value, first and second derivative against mathematics."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import graphc as gc
from graphc.frontend.tensor import Tensor
from graphc.ir.interpret import interpret
from graphc.passes.adjoint import pullback
from graphc.passes.prepare import prepare

x = gc.param("x", "n")
FORMULAS = {
    "a number beside it": lambda x: gc.exp(x) / (2 + gc.exp(x)),
    "its inverse": lambda x: 1 / (2 + gc.exp(x)),
    "a power of it": lambda x: gc.exp(x) / (1 + gc.exp(x))**3,
    "another above": lambda x: (gc.exp(x) - 2) / (gc.exp(x) + 3),
    "squares below": lambda x: x * ((1 + gc.exp(x))**2 - 1) / ((1 + gc.exp(x))**2 + 1),
    "what is no exponential below": lambda x: 1 / (x**2 + gc.exp(x)),
    "its root": lambda x: gc.sqrt(1 + gc.exp(x)),
    "over its root": lambda x: gc.exp(x) / gc.sqrt(1 + gc.exp(2 * x)),
    "to a power": lambda x: (1 + gc.exp(-x))**-0.3,
    "a logarithm of products": lambda x: gc.log(gc.exp(x) * (gc.exp(2 * x) + gc.exp(-x)) + 3 * gc.exp(-x) * (gc.exp(x) + 2)),
    "a logarithm of five": lambda x: gc.log(1 + gc.exp(x) + gc.exp(2 * x) + gc.exp(-x) + gc.exp(x / 2)),
    "a mixture of normal densities": lambda x: -gc.log(gc.exp(-(x - 1)**2) / 3 + gc.exp(-x**2) / 3 + gc.exp(-(x + 1)**2) / 3),
    "a product with an exponential": lambda x: (1 + gc.exp(-x)) * gc.exp(x / 2) * gc.exp(x / 4),
    "with something between": lambda x: x * gc.exp(x) * (1 + gc.exp(-x)),
    "a square with an exponential": lambda x: gc.exp(-x) * (1 + gc.exp(x / 2))**2,
    "an exponential over a product": lambda x: x * gc.exp(-x) / gc.exp(x - 1) / (1 + gc.exp(-2 * x)),
    "a logistic function with an exponential": lambda x: gc.exp(-x / 2) * gc.sigmoid(x),
}
AT = [-700.0, -300.0, -37.0, -2.0, 0.3, 3.0, 40.0, 350.0, 700.0]


def exact(L, at):
    """Value, derivative and second derivative of the formula as written, in 700 digits."""
    (slope,) = pullback([L.node], [None], [x.node])
    with mpmath.workdps(700):
        h, point = mpmath.mpf(10)**-200, mpmath.mpf(at)
        low, mid, high = (interpret([L.node, slope], {x.node: np.array([point + k * h], dtype=object)}, {"n": 1}, digits=700) for k in (-1, 0, 1))
        return mid[L.node][()], mid[slope][0], (high[slope][0] - low[slope][0]) / (2 * h)


@pytest.mark.parametrize("name", FORMULAS)
def test_they_do_not_leave_the_format_where_their_value_does_not(name):
    L = gc.sum(FORMULAS[name](x))
    tensors = [Tensor(prepare([L.node])[0]), gc.grad(L, x), gc.hessian(L, x)]
    for at in AT:
        found = [float(np.ravel(v)[0]) for v in gc.evaluate(tensors, x=np.array([at]))]
        wanted = [float(w) for w in exact(L, at)]
        scale = max(abs(w) for w in wanted if np.isfinite(w))
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=4e-15 * min(scale, 1.0) + 1e-300, err_msg=str(at))
