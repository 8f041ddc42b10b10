"""A maximum and the sums of exponentials below it in one pass: numbers with any order of elements, infinities and NaN, and what is read."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed (cuda)")

from cuda.test_kernels import agrees, classes, cross_entropy

import graphc as gc
from graphc.codegen.cudalib import grids

pytestmark = [pytest.mark.emu, pytest.mark.filterwarnings("ignore:reduction")]
Y, W, T = gc.param("y", "n c"), gc.tensor("w", "n c"), gc.labels("t", "n", below="c")
LOSSES = {
    "cross entropy": cross_entropy(), "logsumexp": gc.sum(gc.logsumexp(Y, axis=1)**2), "softmax": gc.sum(gc.softmax(Y, axis=1) * W),
    "smoothed": gc.losses.cross_entropy(Y, T, label_smoothing=0.1), "weighed": -gc.sum(W * gc.log_softmax(3 * Y, axis=1)),
    "by hand": gc.sum(gc.log(gc.sum(gc.exp(Y + W), axis=1))), "down columns": gc.sum(gc.logsumexp(Y, axis=0)**2),
    "softmax down columns": gc.sum(gc.softmax(Y, axis=0) * W),
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Rows of more than 128 elements do not fit."""
    for name, value in {"LONG": 64, "MOST_LANES": 8, "RESIDENT": 64 * 64}.items():
        monkeypatch.setattr(grids, name, value)


def rows(n, c):
    rng = np.random.default_rng([n, c])
    return {"y": 4 * rng.normal(size=(n, c)), "w": rng.normal(size=(n, c)), "t": rng.integers(0, c, n)}


def of(L, data):
    names = {i for i in ("y", "w", "t") if i in gc.compile(L, target="cuda", device="emulator").inputs}
    return {k: v for k, v in data.items() if k in names}


@pytest.mark.parametrize("name, cut", [(name, name in ("smoothed", "softmax", "down columns")) for name in LOSSES])
def test_losses(name, cut, monkeypatch):
    if cut:
        monkeypatch.setattr(grids, "PIECE", 128)
        monkeypatch.setattr(grids, "SHARE", 1)
    L, shape = LOSSES[name], (259, 5) if "columns" in name else (5, 259 if not cut else 1031)
    ran = agrees(L, of(L, rows(*shape)), ["y"])
    assert any("pieces" in x.kernel for x in ran) == cut
    assert "m_now = maximum(m_now" in gc.compile(L, target="cuda", device="emulator").source


def orders(c):
    """Rows whose greatest comes early, late, in the middle, several times, from the least that there is, and not at all."""
    up = np.linspace(-90, 90, c)
    y = np.stack([up, -up, abs(up), -abs(up), np.where(up < 0, -np.inf, up), np.where(up > 0, -np.inf, up), np.full(c, -np.inf), np.full(c, -200.0),
                  np.full(c, 300.0), 0 * up, 0 * up, np.sign(up) * 1e30])
    y[9, c // 2], y[10, c // 3] = np.inf, np.nan
    return y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["cross entropy", "down columns"])
def test_any_order_of_elements(name, dtype, monkeypatch):
    y = orders(261)
    data = {"y": y.T if "columns" in name else y} | ({"t": np.arange(0, 12 * 20, 20)} if name == "cross entropy" else {})
    agrees(LOSSES[name], data, ["y"], dtype)
    for threshold in ("PIECE", "SHARE"):
        monkeypatch.setattr(grids, threshold, 1)
    agrees(LOSSES[name], data, ["y"], dtype)


def test_the_label_may_be_anywhere():
    """At each of the elements that a thread takes, and in each part of a row."""
    c = 261
    y = np.tile(np.linspace(-30, 30, c), (c, 1))
    agrees(cross_entropy(), {"y": y, "t": np.arange(c)})


def test_a_long_row_is_read_twice():
    """And down columns, a column."""
    n, c = 3, 1024
    for L, data in ((cross_entropy(), classes(n, c)), (LOSSES["down columns"], {"y": rows(c, 32)["y"]})):
        size = 4 * data["y"].size
        ran = [x for x in agrees(L, data, ["y"]) if x.kernel != "finish"]
        assert 2 * size <= sum(x.counts["bytes loaded"] for x in ran) < 2.4 * size and sum(x.counts["bytes stored"] for x in ran) < 1.1 * size
