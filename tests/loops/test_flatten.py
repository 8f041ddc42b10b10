"""Loops over all elements are one loop; those that read less than an element at each point are not."""

import numpy as np
import pytest
import scipy.special

import graphc as gc
from graphc.runtime import host

RNG = np.random.default_rng(11)


def test_all_axes_are_one_loop():
    x = gc.tensor("x", "n d c")
    f = gc.compile({"e": gc.erf(x) * 2, "s": gc.sum(x**2)})
    assert "x.reshape(-1)" in f.source and "*d*c" in f.source
    for sizes in ((3, 5, 7), (2, 0, 3), (0, 5, 2), (1, 1, 613)):
        a = RNG.normal(size=sizes)
        found = f(x=a)
        np.testing.assert_allclose(found["e"], 2 * scipy.special.erf(a), rtol=1e-14)
        np.testing.assert_allclose(found["s"], (a**2).sum(), rtol=1e-14)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_parts_are_cut_by_rows(monkeypatch, threads):
    monkeypatch.setattr(host, "LEAST_NS", 0)
    monkeypatch.setattr(host, "PART_NS", 30)
    monkeypatch.setenv("GRAPHC_NUM_THREADS", threads)
    f = gc.compile(gc.losses.mse(gc.param("x", "n c"), gc.tensor("y", "n c")))
    assert ".reshape(-1)" in f.source
    a, b = RNG.normal(size=(2, 101, 7))
    value, grads = f(x=a, y=b)
    np.testing.assert_allclose(value, np.mean((a - b)**2), rtol=1e-14)
    np.testing.assert_allclose(grads["x"], 2 * (a - b) / a.size, rtol=1e-14)


@pytest.mark.parametrize("make", [lambda x: x * gc.tensor("b", "c"), lambda x: x.T * 2, lambda x: gc.sum(x, axis=1),
                                  lambda x: x[:, :, None] * gc.softmax(gc.tensor("z", "n c m"), axis=2)])
def test_other_loops_stay(make):
    assert "reshape(-1)" not in gc.compile(make(gc.tensor("x", "n c"))).source
