"""Where there is no derivative, or where a side is not taken: the chosen subgradients, and never a NaN from a branch that does not count.

The expected numbers are the mathematics of the branch that is taken, written out beside each case.
"""

import itertools

import numpy as np
import pytest

import graphc as gc
from graphc.errors import DifferentiationError

INF, NAN = np.inf, np.nan
x, y, s, z = gc.tensor("x", "n"), gc.tensor("y", "n"), gc.scalar("s"), gc.scalar("z")


def derivatives(formula, at, wrt=None):
    """Gradient and Hessian with respect to `wrt` at the point."""
    wrt = wrt if wrt is not None else x
    from graphc.ir.walk import inputs_of
    tensors = [gc.grad(formula, wrt), gc.hessian(formula, wrt)]
    needed = {i.name for i in inputs_of([t.node for t in tensors])}
    given = {n: np.asarray(a, dtype=float) for n, a in at.items() if n in needed}
    if "n" not in {str(d) for i in inputs_of([t.node for t in tensors]) for d in i.dims} and "x" in at:
        given["n"] = len(at["x"])
    values = gc.evaluate(tensors, **given)
    return [np.asarray(v) for v in values]


GUARDED = [
    ("log", lambda: gc.sum(gc.where(x > 0, gc.log(x), 0)), [0, 2, -1], [0, 0.5, 0], [0, -0.25, 0]),
    ("log, other side", lambda: gc.sum(gc.where(x <= 0, 0, gc.log(x))), [0, 2, -1], [0, 0.5, 0], [0, -0.25, 0]),
    ("sqrt", lambda: gc.sum(gc.where(x > 0, gc.sqrt(x), 0)), [0, 4, -1], [0, 0.25, 0], [0, -1 / 32, 0]),
    ("x log x", lambda: gc.sum(gc.where(x > 0, x * gc.log(x), 0)), [0, 1, 2], [0, 1, 1 + np.log(2)], [0, 1, 0.5]),
    ("1/x", lambda: gc.sum(gc.where(x != 0, 1 / x, 0)), [0, 2, -1], [0, -0.25, -1], [0, 0.25, -2]),
    ("sin(x)/x", lambda: gc.sum(gc.where(x == 0, 1, gc.sin(x) / x)), [0, np.pi], [0, -1 / np.pi], [0, 2 / np.pi**2]),
    ("log of log", lambda: gc.sum(gc.where(x > 1, gc.log(gc.log(x)), 0)), [0, 1, np.e], [0, 0, 1 / np.e], [0, 0, -2 / np.e**2]),
    ("log(x)**2 * x", lambda: gc.sum(gc.where(x > 0, gc.log(x)**2 * x, 0)), [0, 1, np.e], [0, 0, 3], [0, 2, 4 / np.e]),
    ("exp, overflow", lambda: gc.sum(gc.where(x < 700, gc.exp(x), 0)), [0, 1000, 1], [1, 0, np.e], [1, 0, np.e]),
    ("exp squared, overflow", lambda: gc.sum(gc.where(x < 300, gc.exp(x)**2, x)), [0, 1000], [2, 1], [4, 0]),
    ("elu by hand", lambda: gc.sum(gc.where(x > 0, x, gc.exp(x) - 1)), [1000, 0, -1], [1, 1, np.exp(-1)], [0, 1, np.exp(-1)]),
    ("nested", lambda: gc.sum(gc.where(x > 0, gc.where(x > 1, gc.log(x - 1), gc.sqrt(x)), 0)), [0, 1, 0.25, 2], [0, 0.5, 1, 1], [0, -0.25, -2, -1]),
    ("nested, inner first", lambda: gc.sum(gc.where(x > 1, gc.where(x > 0, gc.log(x), 0) * 2, 0)), [0, 1, 2], [0, 0, 1], [0, 0, -0.5]),
    ("two conditions", lambda: gc.sum(gc.where((x > 0) & (x < 1), gc.log(x) + gc.log(1 - x), 0)), [0, 1, 0.5, 3], [0, 0, 0, 0], [0, 0, -8, 0]),
    ("negated", lambda: gc.sum(gc.where(~(x > 0), 0, gc.log(x))), [0, 2], [0, 0.5], [0, -0.25]),
    ("both sides singular", lambda: gc.sum(gc.where(x > 0, gc.log(x), gc.sqrt(-x))), [1, -4, 9], [1, -0.25, 1 / 9], [-1, -1 / 32, -1 / 81]),
    ("floor under the logarithm", lambda: gc.sum(gc.maximum(gc.log(x), -3.0)), [0, 1], [0, 1], [0, -1]),
    ("clip of the logarithm", lambda: gc.sum(gc.clip(gc.log(x), -3.0, None)), [0, 1], [0, 1], [0, -1]),
    ("clip on both sides", lambda: gc.sum(gc.clip(1 / x, -5, 5)), [0, 1, 0.1], [0, -1, 0], [0, 2, 0]),
    ("logarithm of the floor", lambda: gc.sum(gc.log(gc.maximum(x, 0.5))), [0, 1], [0, 1], [0, -1]),
    ("minimum", lambda: gc.sum(gc.minimum(1 / x, 2.0)), [0, 1], [0, -1], [0, 2]),
    ("relu", lambda: gc.sum(gc.relu(gc.log(x))), [0, 1, np.e], [0, 0, 1 / np.e], [0, 0, -1 / np.e**2]),
    ("root of a relu", lambda: gc.sum(gc.where(x > 0, gc.sqrt(gc.relu(x)), 0)), [0, -1, 4], [0, 0, 0.25], [0, 0, -1 / 32]),
    ("root of a negative part", lambda: gc.sum(gc.sqrt(gc.maximum(0, x**2 - 4))), [0, 1, 3], [0, 0, 3 / 5**0.5], [0, 0, -4 / 5**1.5]),
    ("leaky", lambda: gc.sum(gc.leaky_relu(x, 0.125)), [0, 1, -1], [0.125, 1, 0.125], [0, 0, 0]),
    ("relu at 0", lambda: gc.sum(gc.relu(x)), [0, 1, -1], [0, 1, 0], [0, 0, 0]),
    ("relu squared", lambda: gc.sum(gc.relu(x)**2), [0, 1, -1], [0, 2, 0], [0, 2, 0]),
    ("abs at 0", lambda: gc.sum(abs(x)), [0, 1, -1], [0, 1, -1], [0, 0, 0]),
    ("abs cubed", lambda: gc.sum(abs(x)**3), [0, 1, -1], [0, 3, -3], [0, 6, 6]),
    ("sign", lambda: gc.sum(gc.sign(x) * x), [0, 2, -2], [0, 1, -1], [0, 0, 0]),
    ("power 0", lambda: gc.sum(x**0), [0, 2], [0, 0], [0, 0]),
    ("power 1", lambda: gc.sum(x**1), [0, 2], [1, 1], [0, 0]),
    ("power 2", lambda: gc.sum(x**2), [0, 2], [0, 4], [2, 2]),
    ("power 1.5", lambda: gc.sum(x**1.5), [0, 4], [0, 3], [INF, 0.375]),
    ("sqrt at 0", lambda: gc.sum(gc.sqrt(x)), [0, 4], [INF, 0.25], [-INF, -1 / 32]),
    ("clip at its bounds", lambda: gc.sum(gc.clip(x, -1, 1)**2), [-1, 1, 0, 2], [-2, 2, 0, 0], [2, 2, 2, 0]),
    ("floor", lambda: gc.sum(gc.floor(x) * x), [2.5, -0.5, 1], [2, -1, 1], [0, 0, 0]),
    ("huber by hand", lambda: gc.sum(gc.where(abs(x) <= 1, x**2 / 2, abs(x) - 0.5)), [0, 1, -3], [0, 1, -1], [1, 1, 0]),
    ("xlogy", lambda: gc.sum(gc.xlogy(x, 2.0 + x)), [0, 1], [np.log(2), np.log(3) + 1 / 3], [1, 2 / 3 - 1 / 9]),
    ("infinite but not taken", lambda: gc.sum(gc.where(x < 1, x, gc.exp(gc.exp(x)))), [0, 0.5], [1, 1], [0, 0]),
    ("a division in between", lambda: gc.sum(gc.where(x > 0, 1 / (1 + 1 / x), 0)), [0, 1], [0, 0.25], [0, -0.25]),
    ("broadcast condition", lambda: gc.sum(gc.where(s > 0, gc.log(x), 0.0)) + 0 * gc.sum(x), [0, 2], [0, 0], [0, 0]),
]


@pytest.mark.parametrize("formula, at, gradient, curvature", [c[1:] for c in GUARDED], ids=[c[0] for c in GUARDED])
def test_first_and_second_order(formula, at, gradient, curvature):
    g, h = derivatives(formula(), {"x": at, "s": -1.0})
    np.testing.assert_allclose(g, gradient, rtol=1e-14, atol=1e-300)
    np.testing.assert_allclose(h, np.diag(curvature), rtol=1e-13, atol=1e-300)


def test_a_selection_by_another_tensor():
    loss = gc.sum(gc.where(y > 0, x / y, 0))
    given = {"x": np.array([1.0, 2.0]), "y": np.array([0.0, 4.0])}
    for w, expected in ((x, [0, 0.25]), (y, [0, -0.125])):
        values = gc.evaluate(gc.grad(loss, w), **(given if w is y else {"y": given["y"]}))
        np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(gc.evaluate(gc.hessian(loss, y), **given), np.diag([0, 2 * 2 / 64]))


def test_a_selection_of_rows():
    """where(row, log(x), 0) with one condition for a whole row."""
    X, m = gc.tensor("X", "n d"), gc.tensor("m", "n", dtype="bool")
    loss = gc.sum(gc.where(m[:, None], gc.log(X), 0.0)**2)
    values = np.array([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]])
    g = gc.evaluate(gc.grad(loss, X), X=values, m=np.array([False, True]))
    np.testing.assert_allclose(g, [[0, 0, 0], 2 * np.log(values[1]) / values[1]], rtol=1e-15)


def test_a_selection_after_a_reduction():
    """where(total > 0, log(total), 0) by rows: a row that sums to 0 has gradient 0."""
    X = gc.tensor("X", "n d")
    total = gc.sum(X, axis=1)
    values = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 1.0]])
    g, h = gc.evaluate([gc.grad(L := gc.sum(gc.where(total > 0, gc.log(total), 0)), X), gc.hessian(L, X)], X=values)
    np.testing.assert_array_equal(g, [[0, 0, 0], [0.25] * 3])
    expected = np.zeros((2, 3, 2, 3))
    expected[1, :, 1, :] = -1 / 16
    np.testing.assert_array_equal(h, expected)


def test_a_selection_through_a_gather():
    E, t = gc.tensor("E", "c d"), gc.labels("t", "n", below="c")
    rows = E[t]
    loss = gc.sum(gc.where(rows > 0, gc.log(rows), 0))
    values, labels = np.array([[0.0, 1.0], [2.0, 0.0], [4.0, 5.0]]), np.array([0, 1, 1])
    g, h = gc.evaluate([gc.grad(loss, E), gc.hessian(loss, E)], E=values, t=labels)
    np.testing.assert_array_equal(g, [[0, 1], [1, 0], [0, 0]])
    expected = np.zeros((3, 2, 3, 2))
    expected[0, 1, 0, 1], expected[1, 0, 1, 0] = -1, -0.5
    np.testing.assert_array_equal(h, expected)


def test_a_zero_row_of_a_guarded_cosine():
    X = gc.tensor("X", "n d")
    values = np.array([[0.0, 0.0], [3.0, 4.0], [1.0, 0.0]])
    length = gc.norm(X, axis=1)
    product = length[:, None] * length[None, :]
    loss = gc.sum(gc.where(product > 0, X @ X.T / product, 0.0))
    g, h = gc.evaluate([gc.grad(loss, X), gc.hessian(loss, X)], X=values)
    assert np.isfinite(g).all() and np.isfinite(h).all()
    np.testing.assert_array_equal(g[0], [0, 0])
    np.testing.assert_allclose(g[1], 2 * (np.array([1.0, 0.0]) / 5 - 3 * np.array([3.0, 4.0]) / 125), rtol=1e-14)


def test_a_selection_of_what_was_broadcast():
    """log(p) is taken by rows where the table is not 0: a row of zeros has gradient 0, not 0/0."""
    P = gc.tensor("P", "n d")
    rows, columns = gc.log(gc.sum(P, axis=1)), gc.log(gc.sum(P, axis=0))
    information = gc.sum(gc.where(P > 0, P * (gc.log(P) - rows[:, None] - columns[None, :]), 0))
    values = np.array([[0.1, 0.3, 0.0], [0.0, 0.0, 0.0], [0.2, 0.3, 0.1]])
    g, h = gc.evaluate([gc.grad(information, P), gc.hessian(information, P)], P=values)
    taken, r, c = values > 0, values.sum(1, keepdims=True), values.sum(0, keepdims=True)
    with np.errstate(all="ignore"):
        expected = np.where(taken, np.log(values / (r * c)) + 1, 0) - np.where(r > 0, 1, 0) - 1
    np.testing.assert_allclose(g, expected, rtol=1e-14)
    assert np.isfinite(h).all()


def test_a_root_that_was_broadcast():
    X = gc.tensor("X", "n d")
    length = gc.sqrt(gc.sum(abs(X)**2.5, axis=1))
    product = length[:, None] * length[None, :]
    cosine = gc.sum(gc.where(product > 0, X @ X.T / product, 0.0))
    values = np.array([[0.0, 0.0], [3.0, 4.0], [1.0, -2.0]])
    g, h = gc.evaluate([gc.grad(cosine, X), gc.hessian(cosine, X)], X=values)
    rest = gc.evaluate([gc.grad(cosine, X), gc.hessian(cosine, X)], X=values[1:])
    np.testing.assert_allclose(g, np.vstack([np.zeros((1, 2)), rest[0]]), rtol=1e-14)
    np.testing.assert_allclose(h[1:, :, 1:, :], rest[1], rtol=1e-13)


# --- norms ------------------------------------------------------------------------------------------------------------
def test_the_norm_of_zeros():
    for formula in (gc.norm(x), gc.norm(x, ord=1), gc.norm(x, ord=INF), gc.norm(x, ord=3)):
        g, h = derivatives(formula, {"x": [0.0, 0.0]})
        np.testing.assert_array_equal(g, [0, 0])
        assert not np.isnan(h).any()


def test_the_deviation_of_equal_numbers():
    g, h = derivatives(gc.std(x), {"x": [2.0, 2.0, 2.0]})
    np.testing.assert_array_equal(g, [0, 0, 0])
    assert not np.isnan(h).any()
    np.testing.assert_allclose(derivatives(gc.std(x), {"x": [1.0, 2.0, 3.0]})[0], np.array([-1, 0, 1]) / 6**0.5, rtol=1e-15)


def test_one_zero_row_among_rows():
    X = gc.tensor("X", "n d")
    values = np.array([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(gc.evaluate(gc.grad(gc.sum(gc.norm(X, axis=1)), X), X=values), [[0, 0], [0.6, 0.8]], rtol=1e-15)
    np.testing.assert_allclose(gc.evaluate(gc.hessian(gc.norm(x), x), x=np.array([3.0, 4.0])), (np.eye(2) - np.outer([0.6, 0.8], [0.6, 0.8])) / 5, rtol=1e-14)


@pytest.mark.parametrize("function", [gc.hypot, gc.arctan2])
def test_the_origin_of_two_arguments(function):
    loss = gc.sum(function(x, y))
    values = gc.evaluate([gc.grad(loss, x), gc.grad(loss, y), gc.hessian(loss, x), gc.jacobian(gc.grad(loss, x), y)], x=np.zeros(2), y=np.zeros(2))
    for v in values:
        np.testing.assert_array_equal(v, np.zeros_like(v))


# --- extrema ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("values, expected", [([2, 2, 1], [0.5, 0.5, 0]), ([1, 1, 1], [1 / 3] * 3), ([3, 2, 1], [1, 0, 0]), ([-INF, -INF, -INF], [1 / 3] * 3)])
def test_ties_of_max_share(values, expected):
    values = np.array(values, dtype=float)
    np.testing.assert_allclose(gc.evaluate(gc.grad(gc.max(x), x), x=values), expected, rtol=1e-15)
    np.testing.assert_allclose(gc.evaluate(gc.grad(gc.min(x), x), x=-values), expected, rtol=1e-15)
    np.testing.assert_array_equal(gc.evaluate(gc.hessian(gc.max(x), x), n=3), np.zeros((3, 3)))


def test_ties_by_rows_and_in_second_order():
    X = gc.tensor("X", "n d")
    values = np.array([[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]])
    np.testing.assert_array_equal(gc.evaluate(gc.grad(gc.sum(gc.max(X, axis=1)**2), X), X=values), [[0, 3, 3], [4, 0, 0]])
    h = gc.evaluate(gc.hessian(gc.sum(gc.max(X, axis=1)**2), X), X=values)
    assert h[0, 1, 0, 1] == h[0, 1, 0, 2] == 0.5 and h[1, 0, 1, 0] == 2 and h[0, 0].any() == np.False_


def test_ties_of_maximum_share():
    loss = gc.sum(gc.maximum(x, y) * 3 + gc.minimum(x, y))
    for w in (x, y):
        np.testing.assert_array_equal(gc.evaluate(gc.grad(loss, w), x=np.array([1.0, 2.0, 0.0]), y=np.array([1.0, 0.0, 2.0])), [2, 3, 1] if w is x else [2, 1, 3])


def test_hinge_and_pinball_at_the_kink():
    hinge, pinball = gc.sum(gc.maximum(0, 1 - x)), gc.sum(gc.maximum(0.25 * x, -0.75 * x))
    assert -1 <= gc.evaluate(gc.grad(hinge, x), x=np.array([1.0]))[0] <= 0
    assert -0.75 <= gc.evaluate(gc.grad(pinball, x), x=np.array([0.0]))[0] <= 0.25


# --- products with zeros ----------------------------------------------------------------------------------------------
def exact_product(values):
    """Gradient and Hessian of a product, by leaving factors out."""
    n = len(values)
    rest = lambda *out: np.prod([v for k, v in enumerate(values) if k not in out])
    return [rest(a) for a in range(n)], [[0.0 if a == b else rest(a, b) for b in range(n)] for a in range(n)]


@pytest.mark.parametrize("values", [[2, 3, 5, 7], [2, 0, 5, 7], [2, 0, 5, 0], [0, 0, 0, 7], [0, 0, 0, 0], [0, 3], [-1.5]], ids=str)
def test_products_with_zeros(values):
    gradient, curvature = exact_product(values)
    g, h = derivatives(gc.prod(x), {"x": values})
    np.testing.assert_array_equal(g, gradient)
    np.testing.assert_array_equal(h, curvature)
    v = np.arange(1.0, len(values) + 1)
    np.testing.assert_allclose(gc.evaluate(gc.hvp(gc.prod(x), x, y), x=np.array(values, dtype=float), y=v), curvature @ v, rtol=1e-14)


def test_a_product_of_all_with_zeros_in_two_axes():
    X = gc.tensor("X", "n d")
    values = np.array([[2.0, 0.0, 3.0], [5.0, 7.0, 0.0]])
    gradient, curvature = exact_product(values.ravel())
    g, h = gc.evaluate([gc.grad(gc.prod(X), X), gc.hessian(gc.prod(X), X)], X=values)
    np.testing.assert_array_equal(g.ravel(), gradient)
    np.testing.assert_array_equal(h.reshape(6, 6), curvature)


def test_cumulative_products_with_zeros():
    values = np.array([2.0, 0.0, 3.0, 5.0])
    g, h = derivatives(gc.sum(gc.cumprod(x)), {"x": values})
    np.testing.assert_array_equal(g, sum(np.r_[exact_product(values[:k])[0], np.zeros(4 - k)] for k in range(1, 5)))
    assert np.isfinite(h).all() and (h == h.T).all()


def test_third_order_of_a_product():
    third = gc.jacobian(gc.hessian(gc.prod(x), x), x)
    values = np.array([2.0, 0.0, 3.0, 0.0])
    got = gc.evaluate(third, x=values)
    for a, b, c in itertools.product(range(4), repeat=3):
        expected = 0.0 if len({a, b, c}) < 3 else np.prod([v for k, v in enumerate(values) if k not in (a, b, c)])
        assert got[a, b, c] == expected


# --- higher order, intermediate tensors, stopped gradients, empty sums -------------------------------------------------
def test_orders_up_to_the_fifth():
    f = gc.exp(s) * gc.sin(s)
    for k in range(1, 6):
        f = gc.grad(f, s)
        a = 0.7
        assert gc.evaluate(f, s=a) == pytest.approx(2**(k / 2) * np.exp(a) * np.sin(a + k * np.pi / 4), rel=1e-13)


def test_third_derivatives_of_a_vector_formula():
    third = gc.jacobian(gc.hessian(gc.sum(gc.exp(x * y)) + gc.prod(x), x), x)
    values, other = np.array([0.3, -0.7, 1.1]), np.array([1.5, 0.5, -2.0])
    got = gc.evaluate(third, x=values, y=other)
    for a, b, c in itertools.product(range(3), repeat=3):
        expected = (other[a]**3 * np.exp(values[a] * other[a]) if a == b == c else 0.0) + (1.0 if {a, b, c} == {0, 1, 2} else 0.0)
        assert got[a, b, c] == pytest.approx(expected, rel=1e-13, abs=1e-15)


def test_by_an_intermediate_tensor():
    X, W = gc.tensor("X", "n d"), gc.param("W", "d c")
    h = X @ W
    loss = gc.sum(gc.tanh(h)**2 * gc.sum(h, axis=1, keepdims=True))
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 7))
    H, total = a @ b, (a @ b).sum(1, keepdims=True)
    expected = 2 * np.tanh(H) * (1 - np.tanh(H)**2) * total + (np.tanh(H)**2).sum(1, keepdims=True)
    np.testing.assert_allclose(gc.evaluate(gc.grad(loss, h), X=a, W=b), expected, rtol=1e-12)
    both = gc.evaluate(gc.grad(loss, [h, W]), X=a, W=b)
    np.testing.assert_allclose(both[0], expected, rtol=1e-12)


def test_an_intermediate_tensor_and_what_is_below_it():
    """As variables of their own: the derivative by W holds h fixed where the formula reads h."""
    W = gc.param("W", "d")
    h = gc.sin(W)
    loss = gc.sum(h**2 * W)
    at = np.array([0.3, 1.1, -0.4])
    np.testing.assert_allclose(gc.evaluate(gc.grad(loss, h), W=at), 2 * np.sin(at) * at, rtol=1e-14)
    np.testing.assert_allclose(gc.evaluate(gc.hessian(loss, h), W=at), np.diag(2 * at), rtol=1e-14)
    np.testing.assert_allclose(gc.evaluate(gc.grad(loss, W), W=at), 2 * np.sin(at) * np.cos(at) * at + np.sin(at)**2, rtol=1e-14)


def test_a_stopped_gradient():
    loss = gc.sum(x * gc.stop_gradient(x**2))
    at = np.array([0.3, 2.0])
    np.testing.assert_allclose(gc.evaluate(gc.grad(loss, x), x=at), at**2, rtol=1e-15)
    np.testing.assert_allclose(gc.evaluate(gc.jvp(loss, x, y), x=at, y=np.ones(2)), (at**2).sum(), rtol=1e-15)


def test_a_vanishing_derivative_is_zeros():
    values = gc.evaluate([gc.grad(gc.sum(gc.stop_gradient(x)) + gc.sum(gc.floor(x)), x), gc.hessian(gc.sum(3 * x), x)], n=2)
    np.testing.assert_array_equal(values[0], [0, 0])
    np.testing.assert_array_equal(values[1], np.zeros((2, 2)))


def test_sums_over_nothing():
    X, W = gc.tensor("X", "n d"), gc.param("W", "d c")
    loss = gc.sum((X @ W)**2) + gc.sum(W**2)
    w = np.ones((3, 7))
    np.testing.assert_array_equal(gc.evaluate(gc.grad(loss, W), X=np.zeros((0, 3)), W=w), 2 * w)
    assert gc.evaluate(gc.grad(loss, X), X=np.zeros((0, 3)), W=w).shape == (0, 3)
    t = gc.labels("t", "n", below="d")
    np.testing.assert_array_equal(gc.evaluate(gc.grad(gc.sum(W[t]**2), W), t=np.zeros(0, dtype=int), W=w), np.zeros((3, 7)))
    assert gc.evaluate(gc.prod(x), x=np.zeros(0)) == 1.0


def test_nan_is_not_hidden():
    assert np.isnan(gc.evaluate(gc.grad(gc.sum(x**2), x), x=np.array([NAN, 1.0]))[0])
    assert np.isnan(gc.evaluate(gc.grad(gc.sum(gc.log(x) * x), x), x=np.array([-1.0]))[0])


# --- what is refused ---------------------------------------------------------------------------------------------------
W, U = gc.param("W", "d"), gc.param("U", "d")
t = gc.labels("t", "n", below="d")


@pytest.mark.parametrize("wrong, words", [
    (lambda: gc.grad(gc.sum(W**2), U), ["U[d]", "does not depend"]),
    (lambda: gc.grad(gc.sum(W**2), "U"), ["'U'", "inputs are W"]),
    (lambda: gc.grad(W**2, W), ["not a scalar", "gc.vjp"]),
    (lambda: gc.grad(gc.sum(x)), ["no parameter"]),
    (lambda: gc.grad(gc.sum(t), W), ["int"]),
    (lambda: gc.grad(gc.sum(W[t] * 1.0), t), ["int"]),
    (lambda: gc.hessian(gc.sum(W * U), [W, U]), ["gc.jacobian"]),
    (lambda: gc.vjp(W * 2, W, gc.scalar("q")), ["dims"]),
    (lambda: gc.jvp(W * 2, W, x), ["dims"]),
    (lambda: gc.grad(gc.sum(W), 3), ["not 3"]),
    (lambda: gc.grad(W[gc.indices("i")[0]], W), ["free indices"]),
])
def test_refused(wrong, words):
    with pytest.raises(DifferentiationError) as caught:
        wrong()
    for word in words:
        assert word in str(caught.value), str(caught.value)
