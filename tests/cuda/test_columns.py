"""Sums along columns: a block takes neighbouring ones, so that a warp reads neighbours. Numbers, sectors, pieces, who stores."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed (cuda)")

from cuda.test_kernels import agrees
from hypothesis import given
from hypothesis import strategies as st

import graphc as gc
from graphc.codegen.cudalib import grids
from graphc.ir.walk import inputs_of

pytestmark = [pytest.mark.emu, pytest.mark.filterwarnings("ignore:reduction")]
X, W, V = gc.param("x", "n d"), gc.tensor("w", "n d"), gc.param("v", "n")


def normalised():
    g, b = gc.param("g", "d"), gc.param("b", "d")
    return gc.sum(gc.tanh((X - gc.mean(X, axis=0)) / gc.sqrt(gc.var(X, axis=0) + 1e-5) * g + b) * W)


COLUMNS = {
    "sums": gc.sum(gc.sum(X * W, axis=0)**2), "weights of rows": gc.sum(gc.sum(X * V[:, None], axis=0)**2),
    "batch norm": normalised(), "logsumexp": gc.sum(gc.logsumexp(X, axis=0)**2), "softmax": gc.sum(gc.softmax(X, axis=0) * W),
    "greatest": gc.sum(gc.max(X * W, axis=0)**2), "products": gc.sum(gc.prod(1 + X / 50, axis=0)),
    "scans": gc.sum(gc.cumsum(gc.tanh(X) * W, axis=0)**2),
}
EXTENTS = [(1, 1), (131, 5), (67, 33)]


def data(L, n, d, **sizes):
    rng = np.random.default_rng([n, d])
    return {i.name: rng.normal(size=[{"n": n, "d": d, **sizes}[str(x)] for x in i.dims]) for i in sorted(inputs_of([L.node]), key=str)}


def side_by_side(launches):
    return [x for x in launches if "COLUMNS" in x.constants]


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("n, d", EXTENTS)
def test_sums_along_columns(name, n, d):
    L = COLUMNS[name]
    ran = agrees(L, data(L, n, d), ["x"] if name != "products" else [], "float64")
    assert bool(side_by_side(ran)) == (name != "scans")


@pytest.mark.parametrize("name", ["batch norm", "softmax"])
def test_pieces_of_columns(name, monkeypatch):
    """The last piece is short, the last strip has columns left over."""
    monkeypatch.setattr(grids, "SHARE", 1)
    L = COLUMNS[name]
    ran = side_by_side(agrees(L, data(L, 133, 67)))
    assert {x.blocks for x in ran} == {(5 * 3,)} and all("pieces" in x.kernel for x in ran)
    monkeypatch.setattr(grids, "MOST_BLOCKS", 5)                           # a block takes several
    agrees(L, data(L, 133, 67))


@pytest.mark.parametrize("a, n, d", [(3, 41, 35), (5, 7, 3)])
def test_a_middle_axis(a, n, d, monkeypatch):
    monkeypatch.setattr(grids, "SHARE", 1)
    x = gc.param("x", "a n d")
    L = gc.sum(gc.logsumexp(x, axis=1)**2) + gc.sum(gc.var(x, axis=1)**2)
    assert side_by_side(agrees(L, data(L, n, d, a=a)))


def test_positions_along_columns(monkeypatch):
    """The first of the greatest; the first NaN is greater than all."""
    x = np.zeros((211, 35))
    x[70:, 3], x[[30, 200], 4], x[5, 6] = 2, np.nan, -1
    outputs = [gc.argmax(gc.tensor("x", "n d"), axis=0), gc.argmin(gc.tensor("x", "n d"), axis=0)]
    for share in (16, 1):
        monkeypatch.setattr(grids, "SHARE", share)
        f = gc.compile(outputs, target="cuda", device="emulator")
        greatest, least = f(x=x)
        assert greatest.tolist() == np.argmax(x, axis=0).tolist() and least.tolist() == np.argmin(x, axis=0).tolist()


def test_the_gradient_of_a_bias_over_tiles(monkeypatch):
    """What each tile adds is added up before, by a block's threads and in pieces."""
    rng = np.random.default_rng(3)
    Z, M, b, t = gc.tensor("X", "n d"), gc.param("W", "d c"), gc.param("b", "c"), gc.labels("t", "n", below="c")
    for tile, share in ((16, 16), (64, 1)):
        monkeypatch.setattr(grids, "TILE", tile * 2 * 11)
        monkeypatch.setattr(grids, "SHARE", share)
        ran = agrees(gc.losses.cross_entropy(Z @ M + b, t),
                     {"X": rng.normal(size=(131, 5)), "W": rng.normal(size=(5, 11)), "b": rng.normal(size=11), "t": rng.integers(0, 11, 131)}, ["W", "b"])
        assert len(side_by_side(ran)) >= 2


def test_what_is_moved():
    """With rows that begin at sectors, a warp's access touches the sectors of its bytes and no more; scratch is as wide."""
    n, d = 67, 64
    for name, passes in (("sums", 4), ("logsumexp", 4), ("softmax", 7), ("scans", 7)):
        L = COLUMNS[name]
        ran = [x for x in agrees(L, data(L, n, d), ["x"]) if x.kernel != "finish"]
        moved = sum(x.counts["bytes loaded"] + x.counts["bytes stored"] for x in ran)
        assert sum(32 * x.counts["sectors"] for x in ran) < 1.06 * moved and moved < 1.06 * passes * 4 * n * d, name


def test_the_same_bits_each_time(monkeypatch):
    monkeypatch.setattr(grids, "SHARE", 1)
    L = COLUMNS["softmax"]
    f = gc.compile(L, target="cuda", device="emulator", dtype="float32")
    arrays = {k: v.astype(np.float32) for k, v in data(L, 131, 37).items()}
    (a, g), (b, h) = f(**arrays), f(**arrays)
    assert a.tobytes() == b.tobytes() and all(g[k].tobytes() == h[k].tobytes() for k in g)


@given(st.integers(1, 1 << 16), st.integers(1, 1 << 20), st.integers(1, 1 << 20))
def test_grids_take_every_column(outer, number, depth):
    g = grids.columns(outer, number, depth)
    assert g.threads == g.columns * g.lanes and 32 <= g.threads <= grids.BLOCK
    assert all(x & (x - 1) == 0 for x in (g.columns, g.lanes)) and (g.columns >= 32 or g.columns >= number)
    assert 1 <= g.blocks <= grids.MOST_BLOCKS and g.span % g.lanes == 0
    assert g.pieces == 1 or (g.pieces - 1) * g.span < depth <= g.pieces * g.span and g.pieces >= grids.FEWEST and g.span >= grids.SHARE * g.lanes
