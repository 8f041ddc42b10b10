"""Generated kernels on the emulator, which executes the PTX that a card would be given, against the interpreter: losses, extents, structure.

Outputs and scratch are NaN before; a race, a read past an array, and a barrier that not all reach are faults.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed (cuda)")

from corpus import CORPUS

import graphc as gc
from graphc.codegen.cudalib import grids
from graphc.runtime.cuda.program import device_of

pytestmark = [pytest.mark.emu, pytest.mark.filterwarnings("ignore:reduction")]
TOLERANCE = {"float32": 3e-5, "float64": 1e-11}


def agrees(L, data, wrt=None, dtype="float32"):
    """Value and gradients on the emulator are the interpreter's; the launches that ran."""
    names = [n for n, a in data.items() if np.asarray(a).dtype.kind == "f"] if wrt is None else wrt
    outputs = [L, *gc.grad(gc.sum(L**2) if L.ndim else L, names)] if names else [L]
    program = gc.compile(outputs, target="cuda", device="emulator", dtype=dtype)
    card = device_of("emulator").card
    card.launches.clear()
    rounded = {n: np.asarray(a, dtype) if np.asarray(a).dtype.kind == "f" else a for n, a in data.items()}
    found = program(**rounded)
    wide = {n: np.asarray(a, np.float64) if np.asarray(a).dtype.kind == "f" else a for n, a in rounded.items()}
    for ours, expected in zip(found, gc.evaluate(outputs, **wide), strict=True):
        expected = np.asarray(expected)
        scale = np.abs(expected[np.isfinite(expected)]).max(initial=1e-6)
        np.testing.assert_allclose(ours, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale)
    return [x for x in card.launches if x.kernel != "fenced"]              # labels, by the runtime


def classes(n, c, scale=4.0):
    rng = np.random.default_rng([n, c])
    return {"y": rng.normal(size=(n, c)) * scale, "t": rng.permutation(np.arange(n) % c)}


def cross_entropy():
    return gc.losses.cross_entropy(gc.param("y", "n c"), gc.labels("t", "n", below="c"))


# --- losses -------------------------------------------------------------------------------------------------------------

PAIR = {"input": "normal n d", "target": "normal n d"}
LABELS = {"input": "normal n c", "target": "labels n"}
SIGNS = {"input": "normal n d", "target": "sign n d"}
LOGITS = {"input": "normal n d", "target": "unit n d"}
LOSSES = [
    ("mse", PAIR, {}), ("mae", PAIR | {"weight": "unit n d"}, {}), ("huber", PAIR, {"delta": 0.7}), ("smooth_l1", PAIR, {}),
    ("log_cosh", PAIR, {"reduction": "none"}), ("quantile", PAIR, {"q": 0.9}), ("poisson_nll", PAIR, {}),
    ("gaussian_nll", PAIR | {"var": "unit n 1"}, {}), ("cross_entropy", LABELS, {"label_smoothing": 0.1}),
    ("cross_entropy", LABELS | {"weight": "unit c"}, {"ignore_index": 2}), ("cross_entropy", {"input": "normal n c d", "target": "labels n d"}, {}),
    ("nll", LABELS, {}), ("kl_div", {"input": "normal n c", "target": "unit n c"}, {}), ("bce", {"input": "unit n d", "target": "unit n d"}, {}),
    ("bce_with_logits", LOGITS | {"pos_weight": "unit d"}, {}), ("focal", LOGITS, {}), ("hinge", SIGNS, {}), ("squared_hinge", SIGNS, {}),
    ("soft_margin", SIGNS, {}), ("multi_margin", LABELS, {"p": 2}), ("multilabel_margin", {"input": "normal n c", "target": "labels n c"}, {}),
    ("margin_ranking", {"input1": "normal n", "input2": "normal n", "target": "sign n"}, {}), ("hinge_embedding", SIGNS, {}),
    ("cosine_embedding", {"input1": "normal n d", "input2": "normal n d", "target": "sign n"}, {"margin": 0.2}),
    ("triplet_margin", {k: "normal n d" for k in ("anchor", "positive", "negative")}, {"swap": True}),
]
EXTENTS = {"n": 37, "c": 11, "d": 5}


def drawn(kind, shape, rng):
    if kind == "labels":
        return rng.integers(0, EXTENTS["c"], size=shape)
    return {"normal": rng.normal(size=shape), "unit": rng.uniform(0.1, 0.9, size=shape), "sign": np.sign(rng.normal(size=shape))}[kind]


@pytest.mark.parametrize("name, inputs, options", [pytest.param(*row, id=f"{row[0]}-{k}") for k, row in enumerate(LOSSES)])
def test_losses(name, inputs, options):
    rng = np.random.default_rng(5)
    tensors, data = {}, {}
    for n, text in inputs.items():
        kind, *dims = text.split()
        data[n] = drawn(kind, tuple(EXTENTS.get(d) or int(d) for d in dims), rng)
        tensors[n] = gc.labels(n, dims, below="c") if kind == "labels" else gc.tensor(n, dims)
    agrees(getattr(gc.losses, name)(**tensors, **options), data)


# --- rows of all lengths ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("n, c", [(1, 1), (40, 31), (33, 32), (5, 33), (3, 256), (3, 1000), (2, 1024), (2, 4100), (2, 4097),
                                  (2, 4999), (1, 8000)])
def test_rows_of_all_lengths(n, c):
    """A thread, a part of a warp, a warp, a block a row; in registers and part by part, in odd and even numbers; with and without 128-bit loads."""
    launches = agrees(cross_entropy(), classes(n, c))
    assert launches[0].kernel == ("over_n" if c <= 4096 else "over_n_long") and launches[-1].kernel == "finish"


def test_double_precision_and_every_label():
    agrees(cross_entropy(), classes(66, 33), dtype="float64")


def test_extreme_logits():
    y = np.array([[1e30, -1e30, 0, 5], [-np.inf, 2, 3, 1], [np.inf, 1, 2, 3], [np.nan, 1, 2, 3], [300, -300, 0, 0], [-200, -200, -200, -200]])
    agrees(cross_entropy(), {"y": y, "t": np.array([0, 1, 2, 3, 1, 2])})


@pytest.mark.parametrize("size", [1, 33, 4100])
def test_elements(size):
    x, y = gc.param("x", "n"), gc.tensor("y", "n")
    rng = np.random.default_rng(size)
    agrees(gc.losses.huber(x, y), {"x": rng.normal(size=size), "y": rng.normal(size=size)})


# --- products, columns, scatters, pairs ---------------------------------------------------------------------------------

def linear():
    X, W, b, t = gc.tensor("X", "n d"), gc.param("W", "d c"), gc.param("b", "c"), gc.labels("t", "n", below="c")
    return gc.losses.cross_entropy(X @ W + b, t)


def test_a_loss_on_a_linear_layer_runs_in_tiles(monkeypatch):
    monkeypatch.setattr(grids, "TILE", 16 * 2 * 11)                        # 16 rows a tile
    rng = np.random.default_rng(3)
    data = {"X": rng.normal(size=(67, 5)), "W": rng.normal(size=(5, 11)), "b": rng.normal(size=11), "t": rng.integers(0, 11, 67)}
    launches = agrees(linear(), data, ["W", "b"])
    assert sum(x.kernel == "over_n_2" for x in launches) == 5
    source = gc.compile(linear(), target="cuda", device="emulator").source
    assert not re.search(r"device\.empty\(\(n, c\)", source) and len(re.findall(r"device\.empty\(\(rows, c\), '\w+'\)\n", source)) == 2


def test_layer_normalisation_sums_along_rows_and_columns():
    x, g, b, t = gc.param("x", "n c"), gc.param("g", "c"), gc.param("b", "c"), gc.tensor("t", "n c")
    y = (x - gc.mean(x, axis=1, keepdims=True)) / gc.sqrt(gc.var(x, axis=1, keepdims=True) + 1e-5) * g + b
    rng = np.random.default_rng(4)
    launches = agrees(gc.mean((y - t) ** 2), {k: rng.normal(size=s) for k, s in dict(x=(131, 65), g=65, b=65, t=(131, 65)).items()})
    assert [x.constants["COLUMNS"] for x in launches if "COLUMNS" in x.constants] == [32]


def test_an_embedding_adds_up_words_that_meet():
    emb, word = gc.param("emb", "v d"), gc.labels("word", "n", below="v")
    rng = np.random.default_rng(6)
    launches = agrees(gc.sum(gc.tanh(emb[word]) ** 2), {"emb": rng.normal(size=(7, 5)), "word": rng.integers(0, 7, 101)})
    assert any("BUCKETS" in x.constants for x in launches) and not any(x.counts["atomics"] for x in launches)


def test_a_bias_by_label_in_tiles(monkeypatch):
    """Labels that meet, within a tile and in several: each place is one thread's."""
    monkeypatch.setattr(grids, "TILE", 16 * 2 * 11)
    X, W, b, t = gc.tensor("X", "n d"), gc.param("W", "d c"), gc.param("b", "c"), gc.labels("t", "n", below="c")
    i, j = gc.indices("i j")
    y = X @ W
    L = gc.Sum(gc.log(gc.Sum(gc.exp(y[i, j]), j)) - y[i, t[i]] * gc.sigmoid(b[t[i]]), i)
    rng = np.random.default_rng(11)
    data = {"X": rng.normal(size=(67, 5)), "W": rng.normal(size=(5, 11)), "b": rng.normal(size=11), "t": rng.integers(0, 11, 67)}
    launches = agrees(L, data, ["W", "b"], "float64")
    scattered = [x for x in launches if "BUCKETS" in x.constants]
    assert len(scattered) == 5 and all(x.constants["BUCKETS"] == 16 and not x.counts["atomics"] for x in scattered)


def test_pairs():
    X, Z = gc.param("X", "n d"), gc.param("Z", "m d")
    i, j, k = gc.indices("i j k")
    L = gc.Sum(gc.exp(-gc.Sum((X[i, k] - Z[j, k]) ** 2, k)), i, j)
    rng = np.random.default_rng(8)
    agrees(L, {"X": rng.normal(size=(37, 3)), "Z": rng.normal(size=(41, 3))})


def nearest(kind):
    """Contrastive losses: the second operand's rows are those of the batch."""
    X, Z, t = gc.param("X", "n d"), gc.tensor("Z", "n d"), gc.labels("t", "n", below="c")
    i, j, k = gc.indices("i j k")
    if kind == "InfoNCE":
        return gc.mean(gc.logsumexp(gc.array(gc.Sum(X[i, k] * Z[j, k], k), (i, j)), axis=1)) - gc.sum(X * Z)
    near = gc.exp(-gc.Sum((X[i, k] - X[j, k]) ** 2, k))
    return -gc.Sum(gc.log(gc.Sum(gc.where((i != j) & (t[i] == t[j]), near, 0), j) / gc.Sum(gc.where(i != j, near, 0), j)), i)


@pytest.mark.parametrize("n", [40, 136])
@pytest.mark.parametrize("kind, names", [("InfoNCE", "XZ"), ("soft nearest neighbours", "X")])
def test_losses_of_pairs_in_a_batch(kind, names, n, monkeypatch):
    """Loops that registers hold and loops that they do not share a row out in different ways: who reads what another wrote waits for it, and
    for the row before, where a group takes several."""
    monkeypatch.setattr(grids, "MOST_BLOCKS", 3)
    rng = np.random.default_rng(n)
    agrees(nearest(kind), {x: rng.normal(size=(n, 3)) for x in names} | ({"t": np.arange(n) % 3} if names == "X" else {}), ["X"])


def test_rows_of_which_the_shorter_are_in_registers():
    """Row memory that only the variant for rows in registers has."""
    X, Z = gc.param("X", "n d"), gc.tensor("Z", "n d")
    rng = np.random.default_rng(9)
    agrees(gc.mean(gc.logsumexp(X @ Z.T, axis=1)) - gc.sum(X * Z), {"X": rng.normal(size=(41, 3)), "Z": rng.normal(size=(41, 3))}, ["X"])


def test_gradient_of_a_maximum_reads_the_loss():
    agrees(gc.max(gc.sin(gc.param("x", "n"))), {"x": np.arange(1.0, 38.0)})


def test_equal_layers_share_their_kernels():
    X, Y = gc.tensor("X", "n d"), gc.tensor("Y", "n d")
    layers = [(gc.param(f"W{k}", "d d"), gc.param(f"b{k}", "d")) for k in range(4)]
    h = X
    for W, b in layers:
        h = gc.tanh(h @ W + b)
    rng = np.random.default_rng(10)
    data = {x.name: 0.5 * rng.normal(size={"n": (13, 5), "d": (5, 5)}[str(x.sizes[0])][:x.ndim]) for x in (X, Y, *(x for layer in layers for x in layer))}
    launches = agrees(gc.mean((h - Y) ** 2), data, [x.name for layer in layers for x in layer])
    assert len({x.kernel for x in launches}) < len(launches) / 2


def test_a_hessian():
    W, X = gc.param("W", "d"), gc.tensor("X", "n d")
    H = gc.hessian(gc.sum(gc.softplus(X @ W)), W)
    agrees(H, {"W": np.array([0.3, -1.0, 2.0]), "X": np.random.default_rng(9).normal(size=(13, 3))}, [], "float64")


@pytest.mark.parametrize("name", ["sums", "extremes", "products", "norms", "differences", "joined"])
def test_formulas_of_the_corpus(name):
    case = next(c for c in CORPUS if c.name == name)
    L = case.loss()
    agrees(L, case.data(L), [case.wrt(L)], "float64")


# --- what the PTX says --------------------------------------------------------------------------------------------------

def test_bytes_are_moved_once():
    """Sectors of 32 bytes, against what must be read and written."""
    n, c = 8, 1024
    rows = agrees(cross_entropy(), classes(n, c))[0]
    assert rows.counts["sectors"] < 1.1 * 2 * n * c * 4 / 32
    x, y = gc.param("x", "n c"), gc.tensor("y", "n c")
    rng = np.random.default_rng(2)
    elements = agrees(gc.losses.mse(x, y), {"x": rng.normal(size=(n, c)), "y": rng.normal(size=(n, c))}, ["x"])[0]
    assert elements.counts["sectors"] < 1.01 * 3 * n * c * 4 / 32


def test_the_same_bits_each_time():
    f = gc.compile(cross_entropy(), target="cuda", device="emulator", dtype="float32")
    data = classes(70, 130)
    data["y"] = data["y"].astype(np.float32)
    (a, g), (b, h) = f(**data), f(**data)
    assert a.tobytes() == b.tobytes() and g["y"].tobytes() == h["y"].tobytes()
