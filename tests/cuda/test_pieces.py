"""Rows that several blocks take: on the emulator against the interpreter, with thresholds low enough that a few thousand elements are many."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed (cuda)")

from cuda.test_kernels import agrees, classes, cross_entropy

import graphc as gc
from graphc.codegen.cudalib import grids

pytestmark = [pytest.mark.emu, pytest.mark.filterwarnings("ignore:reduction")]
LONG, PIECE = 64, 256


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Two warps take rows of more than 128 elements, or pieces of 256 of them."""
    for name, value in {"LONG": LONG, "PIECE": PIECE, "MOST_LANES": 8, "RESIDENT": 64 * LONG}.items():
        monkeypatch.setattr(grids, name, value)


def launched(launches):
    return [x for x in launches if "_pieces_" in x.kernel]


@pytest.mark.parametrize("n, c, pieces", [(1, 1000, 4), (3, 1023, 4), (2, 1025, 5), (1, 4100, 17), (1, 768, 1),
                                          (1, 16387, 52), (70, 1031, 1)])
def test_a_loss_of_few_long_rows(n, c, pieces):
    """Around the least length that is cut, and where the number of pieces is what blocks there are; more rows have a block each."""
    ran = launched(agrees(cross_entropy(), classes(n, c)))
    assert [x.blocks for x in ran] == [(n * pieces,)] * 2 if pieces > 1 else not ran


def test_double_precision():
    assert launched(agrees(cross_entropy(), classes(2, 1031), dtype="float64"))


def test_extreme_logits():
    c = 1100
    y = np.zeros((7, c))
    y[0], y[1, 1099], y[2, 3], y[3, 500], y[4, ::2], y[5], y[6, [0, 1099]] = -1e30, 1e30, np.inf, np.nan, -np.inf, 300, (-200, 200)
    assert launched(agrees(cross_entropy(), {"y": y, "t": np.array([0, 1099, 3, 1, 1, 700, 0])}))


def layer_norm():
    x, g, b, t = gc.param("x", "n c"), gc.param("g", "c"), gc.param("b", "c"), gc.tensor("t", "n c")
    y = (x - gc.mean(x, axis=1, keepdims=True)) / gc.sqrt(gc.var(x, axis=1, keepdims=True) + 1e-5) * g + b
    return gc.mean((y - t) ** 2)


def test_layer_normalisation_of_one_row():
    c, rng = 1033, np.random.default_rng(4)
    ran = launched(agrees(layer_norm(), {"x": rng.normal(size=(1, c)), "g": rng.normal(size=c), "b": rng.normal(size=c), "t": rng.normal(size=(1, c))}))
    assert len(ran) == 5                                                   # mean; variance; two sums of the gradient; what is written


Y, W = gc.param("y", "n c"), gc.tensor("w", "n c")
ROWS = {
    "norms": gc.sum(gc.norm(Y * W, axis=1)), "softmax": gc.sum(gc.softmax(Y, axis=1) * W), "products": gc.sum(gc.prod(1 + Y * W / 100, axis=1)),
    "least": gc.sum(gc.min(Y * W, axis=1)), "kept": gc.sum(gc.softmax(gc.lgamma(1 + Y**2), axis=1) * W),
    "sums that need no other": gc.sum(gc.sum(Y, axis=1) * gc.sum(Y * W, axis=1)),
}


@pytest.mark.parametrize("name", ROWS)
def test_sums_of_all_kinds(name):
    n, c = 2, 1091
    rng = np.random.default_rng(1)
    wrt = ["y"] if name != "products" else []                              # their gradient needs scans, of one thread a row
    assert launched(agrees(ROWS[name], {"y": rng.normal(size=(n, c)), "w": rng.normal(size=(n, c))}, wrt, "float64"))


@pytest.mark.parametrize("where, expected", [([5], 5), ([1090, 700], 700), ([], 0)])
def test_the_place_of_the_greatest(where, expected):
    x = np.zeros(1091)
    x[where] = 3
    x[-1] += 0
    f = gc.compile([gc.argmax(gc.tensor("x", "n")), gc.argmin(-gc.tensor("x", "n"))], target="cuda", device="emulator")
    assert [int(v) for v in f(x=x)] == [expected] * 2
    x[800], x[900] = np.nan, np.nan
    assert [int(v) for v in f(x=x)] == [800] * 2


def test_tiles_of_a_linear_layer(monkeypatch):
    """Few rows of many classes, in tiles."""
    monkeypatch.setattr(grids, "TILE", 1)
    X, W, t = gc.tensor("X", "n d"), gc.param("W", "d c"), gc.labels("t", "n", below="c")
    rng = np.random.default_rng(3)
    ran = launched(agrees(gc.losses.cross_entropy(X @ W, t), {"X": rng.normal(size=(11, 2)), "W": rng.normal(size=(2, 1031)), "t": rng.integers(0, 1031, 11)}, ["W"]))
    assert len(ran) == 4


def test_the_same_bits_each_time():
    f = gc.compile(cross_entropy(), target="cuda", device="emulator", dtype="float32")
    data = classes(2, 2053)
    data["y"] = data["y"].astype(np.float32)
    (a, g), (b, h) = f(**data), f(**data)
    assert a.tobytes() == b.tobytes() and g["y"].tobytes() == h["y"].tobytes()


def test_what_is_moved():
    """A row is read by each launch and written by the last: what an exponential was computed of is read again, and no scratch has its length."""
    n, c = 2, 4096
    ran = launched(agrees(cross_entropy(), classes(n, c)))
    assert [x.counts["bytes loaded"] // (4 * n * c) for x in ran] == [1, 1] and [x.counts["bytes stored"] // (4 * n * c) for x in ran] == [0, 1]
    text = gc.compile(cross_entropy(), target="cuda", device="emulator").source
    assert re.search(r" = device\.empty\(\(n, pieces\), 'float\d\d'\) if pieces > 1 else None", text) and not re.search(r"device\.empty\(\(.*\bc\b", text)


def test_what_is_kept():
    """A function that takes longer than a row's scratch stays in it, with a place for each row."""
    rng = np.random.default_rng(1)
    ran = launched(agrees(ROWS["kept"], {"y": rng.normal(size=(1, 1024)), "w": rng.normal(size=(1, 1024))}, ["y"]))
    assert sum(x.counts["bytes stored"] >= 4 * 1024 for x in ran) >= 2
