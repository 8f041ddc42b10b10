"""Scans: cumulative sums, and the products before and after each element, which the derivative of a product needs."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed (cuda)")

from cuda.test_kernels import agrees

import graphc as gc
from graphc.codegen.cudalib import grids

pytestmark = pytest.mark.emu
X, Y = gc.param("x", "n"), gc.param("y", "n c")


@pytest.mark.parametrize("size", [1, 31, 32, 33, 256, 1000, 1024, 4100])
def test_a_cumulative_sum_of_all(size):
    """One group of threads, a stretch after another; and back, for the gradient."""
    agrees(gc.sum(gc.cumsum(X) ** 2), {"x": np.random.default_rng(size).normal(size=size)})


@pytest.mark.parametrize("n, c", [(3, 1), (40, 31), (2, 257)])
def test_cumulative_sums_of_rows(n, c):
    """Parts of a warp, whole ones, blocks."""
    agrees(gc.sum(gc.tanh(gc.cumsum(Y, axis=1)) * Y), {"y": np.random.default_rng(c).normal(size=(n, c))}, dtype="float64")


@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_the_gradient_of_a_product(zeros):
    x = 1 + np.random.default_rng(zeros).normal(size=1031) / 30
    x[[5, 700][:zeros]] = 0
    agrees(gc.prod(X), {"x": x}, dtype="float64")


def test_numbers_that_are_not_finite():
    """What is before an infinity is finite, as on the processor: nothing is subtracted."""
    x = np.ones(70)
    x[40] = np.inf
    f = gc.compile(gc.cumsum(X), target="cuda", device="emulator", wrt=())
    np.testing.assert_array_equal(f(x=x), np.cumsum(x))
    x[50] = np.nan
    np.testing.assert_array_equal(f(x=x), np.cumsum(x))


@pytest.mark.parametrize("size, pieces", [(768, 1), (1025, 5), (4100, 17)])
def test_pieces(size, pieces, monkeypatch):
    """Several blocks: each adds up its piece, then begins with what those before have found."""
    for name, value in {"LONG": 64, "PIECE": 256, "MOST_LANES": 8, "RESIDENT": 64 * 64}.items():
        monkeypatch.setattr(grids, name, value)
    rng = np.random.default_rng(size)
    ran = agrees(gc.sum(gc.cumsum(X) ** 2) + gc.prod(1 + X / 100), {"x": rng.normal(size=size)}, dtype="float64")
    assert {x.blocks[0] for x in ran if "_pieces_" in x.kernel} <= {1, pieces} and any("_pieces_" in x.kernel for x in ran) == (pieces > 1)
    agrees(gc.sum(gc.tanh(gc.cumsum(Y, axis=1)) * Y), {"y": rng.normal(size=(2, size))}, dtype="float64")


@pytest.mark.parametrize("size", [1, 31, 33, 300])
def test_the_log_sum_exp_of_what_came_before(size):
    """A running maximum, and totals that fade as it grows: forth and, for the gradient, back."""
    agrees(gc.sum(gc.log(gc.cumsum(gc.exp(X)))**2), {"x": 10 * np.random.default_rng(size).normal(size=size)}, dtype="float64")


@pytest.mark.parametrize("axis", [0, 1])
def test_the_log_sum_exp_of_what_came_before_in_rows_and_columns(axis):
    agrees(gc.sum(gc.log(gc.cumsum(gc.exp(Y), axis=axis)) * Y), {"y": 10 * np.random.default_rng(axis).normal(size=(37, 41))}, dtype="float64")


@pytest.mark.parametrize("size", [33, 300])
def test_the_gradient_of_a_cumulative_product(size):
    x = np.random.default_rng(size).normal(size=size) / 9
    x[[5, 20]] = -1, -1
    agrees(gc.sum(gc.cumprod(1 + X)**2), {"x": x}, dtype="float64")


def test_extremes():
    """Nothing overflows, and -inf counts for nothing, as on the processor."""
    x = np.random.default_rng(1).choice([-np.inf, -1e4, 0.0, 1e4], size=70)
    L = gc.sum(gc.where(X > -1e5, gc.log(gc.cumsum(gc.exp(X))), 0))
    (value, grads), (expected, right) = (gc.compile(L, **target)(x=x) for target in ({"target": "cuda", "device": "emulator"}, {}))
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(grads["x"], right["x"], rtol=1e-12)
    assert np.isfinite(value) and np.isfinite(grads["x"]).all()


@pytest.mark.parametrize("size", [1, 33, 300])
def test_what_a_scan_takes_up_is_computed_in_its_own_loop(size):
    """Stick breaking, and a mean with weights that go on: the values that are scanned are stored as well, after the scan."""
    data = {"x": np.random.default_rng(size).normal(size=size)}
    agrees(gc.sum((gc.sigmoid(X) * gc.cumprod(1 - gc.sigmoid(X))) ** 2), data, dtype="float64")
    agrees(gc.sum((X - gc.cumsum(X * gc.exp(X)) / gc.cumsum(gc.exp(X))) ** 2), data, dtype="float64")


def test_scanned_values_that_are_stored_in_several_blocks(monkeypatch):
    for name, value in {"LONG": 64, "PIECE": 256, "MOST_LANES": 8, "RESIDENT": 64 * 64}.items():
        monkeypatch.setattr(grids, name, value)
    data = {"x": np.random.default_rng(3).normal(size=1025)}
    ran = agrees(gc.sum((gc.sigmoid(X / 100) * gc.cumprod(1 - gc.sigmoid(X - 9))) ** 2), data, dtype="float64")
    assert any("_pieces_" in x.kernel for x in ran)
