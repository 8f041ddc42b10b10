"""Losses on products run in tiles of rows: values, structure and peak memory."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import graphc as gc
from graphc.codegen.mathlib.matrix import matmul, tile_rows
from graphc.codegen.mathlib.vectors import matvec, vecmat

RNG = np.random.default_rng(5)
i, = gc.indices("i")


def linear():
    X, W, t = gc.param("X", "n d"), gc.param("W", "d c"), gc.labels("t", "n", below="c", ignore=-1)
    return gc.losses.cross_entropy(X @ W, t)


def layers():
    X, t = gc.tensor("X", "n d"), gc.labels("t", "n", below="c")
    hidden = gc.tanh(X @ gc.param("W", "d h") + gc.param("b", "h"))
    y = gc.relu(hidden @ gc.param("V", "h h")) @ gc.param("U", "h c")
    return gc.losses.cross_entropy(y, t) + gc.sum(gc.max(y, axis=0)) / 7


def attention():
    Q, K, V = gc.param("X", "n d"), gc.param("K", "m d"), gc.param("V", "m h")
    return gc.sum(gc.softmax(Q @ K.T, axis=1) @ V * gc.tensor("G", "n h"))


def contrast():
    X, Z = gc.param("X", "n d"), gc.param("Z", "n d")
    y = X @ Z.T
    return gc.Mean(gc.logsumexp(y[i, :], axis=0) - y[i, i], i)


def least_squares():
    X, Y, W = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c")
    return gc.sum((X @ W - Y) ** 2) + 0.5 * gc.sum(abs(W))


LOSSES = {f.__name__: f for f in (linear, layers, attention, contrast, least_squares)}
SIZES = dict(d=13, c=5, h=11, m=7)


def data(loss, n, dtype):
    sizes, arrays = {**SIZES, "n": n}, {}
    for name, dims in gc.compile(loss).inputs.items():
        shape = tuple(sizes[s] for s in dims)
        arrays[name] = RNG.integers(0, sizes["c"], shape) if name == "t" else RNG.normal(size=shape).astype(dtype) / 2
    return arrays


@pytest.mark.parametrize("name", LOSSES)
def test_values(name):
    """No row at all, less than one tile, and tiles of which the last is not full."""
    loss = LOSSES[name]()
    program, gradients = gc.compile(loss), gc.grad(loss)
    for n in (0, 3, 1409) if name in ("attention", "least_squares") else (3, 2801):
        arrays = data(loss, n, np.float64)
        wanted = gc.evaluate([loss, *gradients.values()], **arrays)
        for dtype, rtol in ((np.float64, 1e-11), (np.float32, 2e-4)):
            value, grads = program(**{k: a.astype(dtype) if a.dtype == np.float64 else a for k, a in arrays.items()})
            for got, right in zip((value, *grads.values()), wanted, strict=True):
                np.testing.assert_allclose(got, right, rtol=rtol, atol=rtol * max(1.0, np.abs(right).max(initial=0.0)))


@pytest.mark.parametrize("name", ["linear", "attention", "least_squares"])
def test_no_array_has_all_rows(name):
    source = gc.compile(LOSSES[name](), dtype="float32").source
    made = re.findall(r"np\.empty\(\((.*?)\)", source.split("def run")[1])
    assert made and not any(re.match(r"n\b", sizes) for sizes in made), made


def test_logits_and_cotangent_are_one_tile():
    source = gc.compile(gc.losses.cross_entropy(gc.param("X", "n d") @ gc.param("W", "d c"), gc.labels("t", "n", below="c"))).source
    assert source.split("def run")[1].count("np.empty") == 1


def test_what_needs_all_rows_is_not_tiled_away():
    """Columns are normalised over all rows before they are read."""
    X, W = gc.param("X", "n d"), gc.param("W", "d c")
    source = gc.compile(gc.sum(gc.softmax(X @ W, axis=0) ** 2)).source
    assert re.search(r"np\.empty\(\(n, c\)", source)


def test_heights():
    assert tile_rows(5, 10, 784, 7840) == 16                               # no higher than there are rows
    assert tile_rows(4096, 10, 784, 2 * 7840) in range(32, 129)            # rows of the input stay in cache
    assert tile_rows(1024, 32000, 256, 2 * 256 * 32000) == 128             # large matrices are read for each tile
    assert tile_rows(1024, 10**6, 256, 2**28) * 10**6 <= 2**24             # wide rows: low tiles
    assert tile_rows(0, 3, 3, 9) == 16


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 11, 13), (1, 997, 1), (997, 1, 3), (3, 1, 701), (0, 5, 701), (5, 0, 701), (5, 3, 0)])
def test_matmul(shape, dtype):
    rows, inner, columns = shape
    a, b = RNG.normal(size=(rows, inner)).astype(dtype), RNG.normal(size=(inner, columns)).astype(dtype)
    for left in (a, np.ascontiguousarray(a.T).T):
        for right in (b, np.ascontiguousarray(b.T).T):
            out = np.full((rows, columns), np.nan, dtype)
            matmul(left, right, out)
            np.testing.assert_allclose(out, a @ b, rtol=1e-4, atol=1e-4)
            matmul(left, right, out, True)
            np.testing.assert_allclose(out, 2 * (a @ b), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (7, 3), (8, 7), (11, 16), (17, 19), (23, 101), (997, 3), (5, 0)])
def test_vectors(shape, dtype):
    a, right, left = RNG.normal(size=shape).astype(dtype), RNG.normal(size=shape[1]).astype(dtype), RNG.normal(size=shape[0]).astype(dtype)
    products, sums = np.full(shape[0], np.nan, dtype), np.full(shape[1], np.nan, dtype)
    matvec(a, right, products)
    np.testing.assert_allclose(products, a @ right, rtol=1e-4, atol=1e-4)
    for times in (1, 2):
        vecmat(left, a, sums, times == 2)
        np.testing.assert_allclose(sums, times * (left @ a), rtol=1e-4, atol=1e-4)


def test_a_matrix_times_a_vector_is_a_product_where_products_alone_read_the_matrix():
    X, w = gc.tensor("X", "n d"), gc.param("w", "d")
    assert "matvec(" in gc.compile(gc.sum(gc.tanh(X @ w))).source and "vecmat(" in gc.compile(gc.sum(gc.tanh(X @ w))).source
    assert "matvec(" not in gc.compile(gc.sum(gc.tanh(X @ w)) + gc.sum(gc.max(X, axis=1) ** 2)).source
    x, v = RNG.normal(size=(701, 19)), RNG.normal(size=19)
    for loss in (gc.sum(gc.tanh(X @ w)), gc.sum(gc.tanh(X @ w)) + gc.sum(gc.max(X, axis=1) ** 2)):
        value, grads = gc.compile(loss)(X=x, w=v)
        np.testing.assert_allclose(value, gc.evaluate(loss, X=x, w=v), rtol=1e-12)
        np.testing.assert_allclose(grads["w"], (1 - np.tanh(x @ v)**2) @ x, rtol=1e-11)


def test_vectors_keep_to_their_row():
    """An infinity or a NaN in a row is in that row's product alone, whatever the vectors that overlap."""
    a, x = np.ones((17, 19), np.float32), np.ones(19, np.float32)
    a[3, 4], a[5, 17], products, sums = np.inf, np.nan, np.empty(17, np.float32), np.empty(19, np.float32)
    matvec(a, x, products)
    np.testing.assert_array_equal(products, a @ x)
    vecmat(np.ones(17, np.float32), a, sums)
    np.testing.assert_array_equal(sums, a.sum(axis=0))


PEAK = """
import resource, numpy as np, graphc as gc
f = gc.compile(gc.losses.cross_entropy(gc.param("X", "n d") @ gc.param("W", "d c"), gc.labels("t", "n", below="c")), dtype="float32")
def arrays(n, d, c):
    return dict(X=np.full((n, d), 1e-3, np.float32), W=np.full((d, c), 1e-3, np.float32), t=np.zeros(n, np.int64))
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
f(**arrays(131, 64, 1009))
given = arrays(1024, 64, 32000)
out = {k: np.zeros_like(given[k]) for k in ("X", "W")}
before = peak()
value, _ = f(**given, out=out)
assert abs(value - np.log(32000)) < 1e-3, value
print(peak() - before)
"""


def test_peak_memory_of_a_loss_on_a_linear_layer():
    """1024 x 32000 logits are 131 MB; the program needs 20 at most besides its arrays. The second process takes machine code from disk."""
    pytest.importorskip("resource")
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", PEAK], env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        kilobytes = int(done.stdout) / (1024 if sys.platform == "darwin" else 1)
        assert kilobytes < 20_000
