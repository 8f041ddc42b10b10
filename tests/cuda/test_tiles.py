"""Losses of pairs, whose blocks read the rows of the second operand from tiles in shared memory: numbers, races, what is read, and banks."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed (cuda)")

from cuda.test_kernels import agrees, nearest

import graphc as gc
from graphc.codegen.cudalib import grids

pytestmark = pytest.mark.emu


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Few rows are many."""
    monkeypatch.setattr(grids, "BUSY", 64)


def kernel_sum():
    X, Z = gc.param("X", "n d"), gc.param("Z", "m d")
    i, j, k = gc.indices("i j k")
    return gc.Sum(gc.exp(-gc.Sum((X[i, k] - Z[j, k]) ** 2, k)), i, j)


def points(n, m, d):
    rng = np.random.default_rng([n, m, d])
    return {"X": rng.normal(size=(n, d)) / np.sqrt(d), "Z": rng.normal(size=(m, d)) / np.sqrt(d)}


@pytest.mark.parametrize("n, m, d, shared", [(1, 1, 1, 24576), (37, 41, 3, 24576), (33, 40, 4, 640), (19, 257, 2, 1024), (31, 100, 33, 24576), (24, 70, 32, 9000)])
def test_a_sum_over_pairs(n, m, d, shared, monkeypatch):
    """One tile and several, the last of them short; features even and odd; blocks with groups that have no row, and that take two."""
    monkeypatch.setattr(grids, "SHARED", shared)
    monkeypatch.setattr(grids, "MOST_BLOCKS", 3)
    first = agrees(kernel_sum(), points(n, m, d))[0]
    stores = first.blocks[0] * -(-n // (8 * first.blocks[0])) * 2 * (m * d // 32 + 1)             # of a warp; where d is even, some meet at one bank
    assert first.kernel == "over_n" and first.counts["conflicts"] <= (0 if d % 2 else stores)


@pytest.mark.parametrize("n", [40, 135])
@pytest.mark.parametrize("kind", ["InfoNCE", "soft nearest neighbours"])
def test_losses_of_a_batch(kind, n):
    """Both operands are the batch."""
    rng = np.random.default_rng(n)
    data = {"X": rng.normal(size=(n, 5)), **({"Z": rng.normal(size=(n, 5))} if kind == "InfoNCE" else {"t": np.arange(n) % 3})}
    first = agrees(nearest(kind), data, ["X"])[0]
    assert first.kernel == "over_n" and first.counts["conflicts"] == 0


def test_rows_of_two_operands():
    """Each has a tile, as high as the wider one's."""
    X, Z, U, V = gc.param("X", "n d"), gc.param("Z", "m d"), gc.tensor("U", "n e"), gc.tensor("V", "m e")
    i, j, k, h = gc.indices("i j k h")
    L = gc.Sum(gc.exp(-gc.Sum((X[i, k] - Z[j, k]) ** 2, k) - gc.Sum(abs(U[i, h] - V[j, h]), h)), i, j)
    data = points(21, 50, 7) | {name: array for name, array in zip("UV", points(21, 50, 4).values(), strict=True)}
    first = agrees(L, data, ["X", "Z"])[0]
    assert first.kernel == "over_n" and first.constants["TILE"] == grids.SHARED // 8


def test_double_precision():
    assert agrees(kernel_sum(), points(21, 67, 6), dtype="float64")[0].kernel == "over_n"


def test_what_is_read():
    """The second operand's rows once for each block, in whole sectors; the first one's are the same for all lanes."""
    n, m, d = 64, 96, 16
    data = points(n, m, d)
    tiled = agrees(kernel_sum(), data, [])[0]
    assert tiled.counts["bytes loaded"] == 4 * (n * m * d + tiled.blocks[0] * m * d) and tiled.blocks == (8,)
    sectors = n * m // 32 * d + tiled.blocks[0] * m * d * 4 // 32
    assert tiled.counts["sectors"] - sectors <= n * m * 4 * 2 // 32 + 2 * tiled.blocks[0]         # the values, kept and read, and the blocks' parts


def test_rows_too_wide_for_a_tile_and_rows_too_few():
    wide, few = points(40, 33, 200), points(1, 50, 3)
    assert agrees(kernel_sum(), wide, [])[0].kernel == "over_n_untiled"
    grids.BUSY = 1 << 16
    assert agrees(kernel_sum(), few, [])[0].kernel == "over_n_untiled"


def test_no_array_of_pairs_and_features():
    """A gradient keeps what it needs of pairs: n x m numbers, and not n x d x m."""
    text = gc.compile(kernel_sum(), target="cuda", device="emulator", dtype="float32").source
    assert "device.empty((n, m)" in text and "device.empty((n, d, m)" not in text
