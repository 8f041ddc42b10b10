"""What is read at its diagonal alone is computed there alone."""

import numpy as np
import pytest

import graphc as gc

RNG = np.random.default_rng(3)


def test_a_trace_is_no_product():
    A, B = gc.tensor("A", "n d"), gc.tensor("B", "d n")
    L = gc.trace(A @ B)
    f, a, b = gc.compile(L), RNG.normal(size=(5, 3)), RNG.normal(size=(3, 5))
    assert "matmul" not in f.source
    np.testing.assert_allclose(f(A=a, B=b), np.trace(a @ b), rtol=1e-14)


def test_the_diagonal_of_a_hessian_has_the_axes_of_the_input():
    y, t, (s, j) = gc.param("y", "n c"), gc.labels("t", "n", below="c"), gc.indices("s j")
    H = gc.hessian(gc.losses.cross_entropy(y, t), y)
    D = gc.array(H[s, j, s, j], (s, j))
    f = gc.compile(D, wrt=())
    assert "np.empty((n, c" not in f.source
    given = {"y": RNG.normal(size=(7, 5)), "t": RNG.integers(0, 5, 7)}
    p = np.exp(given["y"])
    p /= p.sum(1, keepdims=True)
    np.testing.assert_allclose(f(**given), p * (1 - p) / 7, rtol=1e-12)


@pytest.mark.parametrize("make", [
    lambda P, i, j: gc.Sum(gc.array(gc.where(i == j, P[i, j], 0.0), (i, j))[i, i], i),
    lambda P, i, j: gc.Sum(gc.array(gc.where(i != j, P[i, j], 2.0), (i, j))[i, i], i),
    lambda P, i, j: gc.Sum(gc.array(gc.where((i == j) & (P[i, j] > 0), P[i, j], 1.0), (i, j))[i, i], i),
    lambda P, i, j: gc.Sum(gc.array(gc.exp(P[i, j]) + P[j, i], (i, j))[i, i], i),
])
def test_conditions_on_the_two_indices_are_decided(make):
    P, (i, j) = gc.tensor("P", "n n"), gc.indices("i j")
    L = make(P, i, j)
    a = RNG.normal(size=(7, 7))
    np.testing.assert_allclose(gc.compile(L)(P=a), gc.evaluate(L, P=a), rtol=1e-14)
