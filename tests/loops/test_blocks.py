"""Rows in blocks: the same values as the interpreter for rows shorter than a vector and longer than a block, more rows than a block has, none, in
tiles, and where nothing is kept in the result's rows."""

import numpy as np
import pytest
from scipy import special

import graphc as gc

RNG = np.random.default_rng(5)


def cross_entropy():
    return gc.losses.cross_entropy(gc.param("y", "n c"), gc.labels("t", "n", below="c"))


def linear():
    return gc.losses.cross_entropy(gc.tensor("X", "n d") @ gc.param("W", "d c"), gc.labels("t", "n", below="c"))


def own_row():
    A, B, (s,) = gc.param("A", "n d"), gc.param("B", "n d"), gc.indices("s")
    S = A @ B.T / 4
    return gc.Mean(gc.logsumexp(S, axis=1)[s] - S[s, s], s)


def attention():
    x, w = gc.param("x", "n d"), gc.tensor("B", "n d")
    return gc.sum(gc.sum(w * gc.softmax(x), axis=1) ** 2)


def data(n, d, c):
    return {"y": RNG.normal(size=(n, c)), "t": RNG.integers(0, c, n), "X": RNG.normal(size=(n, d)), "W": RNG.normal(size=(d, c)),
            "A": RNG.normal(size=(n, d)), "B": RNG.normal(size=(n, d)), "x": RNG.normal(size=(n, d))}


@pytest.mark.parametrize("make", [cross_entropy, linear, own_row, attention])
def test_values_are_the_interpreters(make):
    L = make()
    f = gc.compile(L)
    assert "for begin in range(" in f.source
    for sizes in ((613, 11, 3), (7, 11, 293), (1, 1, 1)) if make is not own_row else ((293, 3, 1), (13, 3, 1)):
        given = {k: v for k, v in data(*sizes).items() if k in f.inputs}
        with np.errstate(all="ignore"):
            value, grads = f(**given)
            np.testing.assert_allclose(value, gc.evaluate(L, **given), rtol=1e-12)
            for k, g in grads.items():
                np.testing.assert_allclose(g, gc.evaluate(gc.grad(L, k), **given), rtol=1e-10, atol=1e-14, err_msg=f"{sizes} {k}")


@pytest.mark.parametrize("c", [5, 67, 331])
def test_labels_at_the_edges_of_the_block_around_them(c):
    """What is asked at the label alone is asked in a block of 64 classes: those before, in and after it, and the last class."""
    y, labels = RNG.normal(size=(7, c)), np.array([0, 1, c - 1, min(63, c - 1), min(64, c - 1), c // 2, 2])
    v, t = RNG.normal(size=(7, c)), np.eye(c)[labels]
    p = special.softmax(y, axis=1)
    value, grads = gc.compile(cross_entropy())(y=y, t=labels)
    np.testing.assert_allclose(value, np.mean(special.logsumexp(y, axis=1) - y[np.arange(7), labels]), rtol=1e-12)
    np.testing.assert_allclose(grads["y"], (p - t) / 7, rtol=1e-10, atol=1e-14)
    x = gc.param("y", "n c")
    product = gc.compile(gc.hvp(gc.losses.cross_entropy(x, gc.labels("t", "n", below="c")), x, gc.tensor("v", "n c")))
    np.testing.assert_allclose(product(y=y, t=labels, v=v), p * (v - (p * v).sum(axis=1, keepdims=True)) / 7, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("at", [0, 71, 330])
def test_a_row_keeps_its_nan_and_infinity(at):
    y, labels = RNG.normal(size=(3, 331)), np.array([5, 200, 330])
    y[1, at] = np.nan
    loss, grads = gc.compile(cross_entropy())(y=y, t=labels)
    assert np.isnan(loss) and np.isnan(grads["y"][1]).all() and np.isfinite(grads["y"][[0, 2]]).all()
    maximum = gc.compile(gc.sum(gc.tensor("y", "n c").max(axis=1)))
    y[1, at] = np.inf
    assert maximum(y=y) == np.inf
    y[2, 4] = np.nan
    assert np.isnan(maximum(y=y))


def test_the_loss_alone_keeps_its_exponentials_in_rows_of_scratch():
    y, t = gc.tensor("y", "n c"), gc.labels("t", "n", below="c")
    f = gc.compile(gc.losses.cross_entropy(y, t))
    given = {"y": RNG.normal(size=(613, 7)), "t": RNG.integers(0, 7, 613)}
    np.testing.assert_allclose(f(**given), gc.evaluate(gc.losses.cross_entropy(y, t), **given), rtol=1e-13)


def test_numbers_that_are_not_finite_stay_in_their_rows():
    f = gc.compile(cross_entropy())
    y, t = RNG.normal(size=(11, 5)), RNG.integers(0, 5, 11)
    clean = f(y=y, t=t)[1]["y"]
    y[3, 2], y[7, 1] = np.nan, np.inf
    t[7] = 1
    g = f(y=y, t=t)[1]["y"]
    others = [k for k in range(11) if k not in (3, 7)]
    np.testing.assert_allclose(g[others], clean[others], rtol=1e-14)
    assert np.isnan(g[3]).all() and (g[7] == 0).all()


def test_a_quotient_by_an_extent_is_a_product_in_loops():
    x = gc.param("x", "n d")
    f = gc.compile(gc.mean(gc.exp(x) ** 2))
    assert f.source.count("inv_") > 1 and "*inv_" in f.source
    a = RNG.normal(size=(13, 7))
    np.testing.assert_allclose(f(x=a)[1]["x"], 2 * np.exp(a) ** 2 / 91, rtol=1e-14)
