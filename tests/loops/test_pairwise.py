"""Sums over pairs of points: both ways through the features, without arrays over all pairs; wide sums in chunks."""

import re

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import graphc as gc
from graphc.loops.ways import Way

RNG = np.random.default_rng(11)


def rbf():
    i, j, k = gc.indices("i j k")
    X, Z = gc.param("X", "n d"), gc.tensor("Z", "m d")
    return gc.Sum(gc.exp(-gc.Sum((X[i, k] - Z[j, k]) ** 2, k) / 2), i, j)


def soft_neighbours():
    i, j, k = gc.indices("i j k")
    X, Z = gc.param("X", "n d"), gc.tensor("Z", "m d")
    return gc.mean(gc.logsumexp(-gc.array(gc.Sum((X[i, k] - Z[j, k]) ** 2, k), (i, j)), axis=1))


@pytest.mark.parametrize("dtype,rtol", [(np.float64, 1e-12), (np.float32, 2e-5)])
@pytest.mark.parametrize("n,m,d", [(7, 1103, 3), (7, 5, 31)])
def test_rbf_either_way(n, m, d, dtype, rtol):
    X, Z = (RNG.normal(size=(k, d)) / np.sqrt(d) for k in (n, m))
    kernel = np.exp(-cdist(X, Z, "sqeuclidean") / 2)
    value, grads = gc.compile(rbf())(X=X.astype(dtype), Z=Z.astype(dtype))
    np.testing.assert_allclose(value, kernel.sum(), rtol=rtol)
    np.testing.assert_allclose(grads["X"], kernel @ Z - kernel.sum(1)[:, None] * X, rtol=rtol, atol=rtol * m)


@pytest.mark.parametrize("m,d", [(1103, 3), (5, 31)])
def test_soft_nearest_neighbours_either_way(m, d):
    loss = soft_neighbours()
    X, Z = RNG.normal(size=(13, d)), RNG.normal(size=(m, d))
    value, grads = gc.compile(loss)(X=X, Z=Z)
    wanted = gc.evaluate([loss, gc.grad(loss, "X")], X=X, Z=Z)
    np.testing.assert_allclose(value, wanted[0], rtol=1e-12)
    np.testing.assert_allclose(grads["X"], wanted[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("loss", [rbf, soft_neighbours])
def test_no_array_over_pairs(loss):
    texts = [gc.compile(loss())._source_of(("float64", Way(across))).text for across in (False, True)]
    made = [sizes for text in texts for sizes in re.findall(r"np\.empty\(\((.*?),?\)", text)]
    assert texts[0] != texts[1] and made and not any(re.search(r"\bn\b", sizes) for sizes in made), made


def test_products_have_one_way():
    X, Z = gc.param("X", "n d"), gc.tensor("Z", "m d")
    assert "across" not in gc.compile(gc.sum((X @ Z.T) ** 2)).source


@pytest.mark.parametrize("n", [0, 1, 1023, 1024, 1025, 5003])
def test_wide_sums_in_chunks(n):
    x = gc.param("x", "n")
    data = RNG.normal(size=n).astype(np.float32)
    value, grads = gc.compile(gc.sum(x**2))(x=data)
    np.testing.assert_allclose(value, np.sum(data.astype(np.float64) ** 2), rtol=2e-7)
    np.testing.assert_array_equal(grads["x"], 2 * data)


def test_wide_sums_keep_nan_and_infinity():
    x = gc.tensor("x", "n")
    f = gc.compile(gc.sum(x * 2))
    data = np.ones(2003, np.float32)
    data[1501] = np.inf
    assert f(x=data) == np.inf
    data[7] = np.nan
    assert np.isnan(f(x=data))


def test_a_narrow_total_would_be_off():
    """2^24 ones and a half: single precision cannot count on."""
    x = gc.tensor("x", "n")
    assert gc.compile(gc.sum(x * 1.5))(x=np.ones(2**24 + 3, np.float32)) == np.float32(1.5 * (2**24 + 3))
