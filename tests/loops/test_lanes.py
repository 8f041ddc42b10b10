"""Rows in lanes: the interpreter's values for columns and for short rows, for less and more rows than a block has, one, none, and in tiles."""

import numpy as np
import pytest

import graphc as gc
from graphc.loops.beside import Rows
from graphc.loops.statements import Accumulate, Assign, For, Kernel, Store, load, var
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term

RNG = np.random.default_rng(7)
SIZES = ((7, 3), (1, 1), (131, 31), (67, 2), (5, 137), (0, 3))


def matrix(name="x"):
    return gc.param(name, "n d")


def batch_norm():
    x, g, b, y = matrix(), gc.param("g", "d"), gc.param("b", "d"), gc.tensor("y", "n d")
    centred = x - gc.mean(x, axis=0)
    return gc.mean((centred / gc.sqrt(gc.mean(centred**2, axis=0) + 1e-5) * g + b - y) ** 2)


def columns_of_softmax():
    return -gc.sum(gc.log_softmax(matrix(), axis=0) * gc.tensor("y", "n d"))


def norms_of_columns():
    return gc.sum(gc.norm(matrix(), axis=0) * gc.tensor("g", "d"))


def running_sums_of_columns():
    return gc.sum(gc.cumsum(matrix(), axis=0) ** 2 * gc.tensor("y", "n d"))


def greatest_of_columns():
    return gc.sum(gc.max(matrix(), axis=0) ** 2)


def soft_labels():
    return -gc.sum(gc.tensor("y", "n d") * gc.log_softmax(matrix(), axis=1))


def labels():
    return gc.losses.cross_entropy(matrix(), gc.labels("t", "n", below="d"), label_smoothing=0.1)


def linear_layer():
    return gc.losses.cross_entropy(gc.tensor("y", "n k") @ gc.param("W", "k d") + gc.param("b", "d"), gc.labels("t", "n", below="d"))


def mixture():
    x, mu, a = gc.tensor("y", "n k"), gc.param("V", "d k"), gc.param("g", "d")
    return -gc.sum(gc.logsumexp(a - gc.sum((x[:, None, :] - mu) ** 2, axis=2) / 2, axis=1))


def both_axes():
    return gc.sum(gc.softmax(x := matrix(), axis=0) * gc.softmax(x, axis=1))


def lengths():
    return gc.sum(gc.sqrt(gc.sum((matrix() - gc.tensor("y", "n d")) ** 2, axis=1) + 1))


COLUMNS = [batch_norm, columns_of_softmax, norms_of_columns, running_sums_of_columns, greatest_of_columns]
SHORT = [soft_labels, labels, linear_layer, mixture, both_axes, lengths]


def arrays(f, n, d, dtype=np.float64, k=5):
    shapes = {"x": (n, d), "y": (n, k if "W" in f.inputs or "V" in f.inputs else d), "g": (d,), "b": (d,), "W": (k, d), "V": (d, k)}
    made = {name: RNG.normal(size=shape).astype(dtype) for name, shape in shapes.items()} | {"t": RNG.integers(0, d, n)}
    return {name: a for name, a in made.items() if name in f.inputs}


@pytest.mark.parametrize("make", COLUMNS + SHORT)
def test_values_are_the_interpreters(make):
    L = make()
    f = gc.compile(L)
    for n, d in SIZES:
        if n == 0 and make in (columns_of_softmax, norms_of_columns, greatest_of_columns, batch_norm, both_axes):
            continue
        given = arrays(f, n, d)
        with np.errstate(all="ignore"):
            value, grads = f(**given)
            assert ("lanes = " in f.source) == (d < 32 or make in (*COLUMNS, mixture, both_axes))        # which have columns besides
            np.testing.assert_allclose(value, gc.evaluate(L, **given), rtol=1e-12, err_msg=f"{n} {d}")
            for name, g in grads.items():
                np.testing.assert_allclose(g, gc.evaluate(gc.grad(L, name), **given), rtol=1e-10, atol=1e-13, err_msg=f"{n} {d} {name}")


@pytest.mark.parametrize("make", [batch_norm, labels])
def test_in_float32(make):
    L = make()
    f = gc.compile(L)
    given = arrays(f, 1031, 13, np.float32)
    value, grads = f(**given)
    exact, slopes = f(**{k: a.astype(np.float64) if a.dtype == np.float32 else a for k, a in given.items()})
    np.testing.assert_allclose(value, exact, rtol=1e-6)
    for name, g in grads.items():
        assert g.dtype == np.float32
        np.testing.assert_allclose(g, slopes[name], rtol=1e-3, atol=1e-6)


def test_no_columns_make_nothing():
    f = gc.compile(running_sums_of_columns())
    value, grads = f(x=np.zeros((5, 0)), y=np.zeros((5, 0)))
    assert value == 0 and grads["x"].shape == (5, 0)


def test_numbers_that_are_not_finite_stay_in_their_rows():
    f = gc.compile(soft_labels())
    given = arrays(f, 71, 3)
    clean = f(**given)[1]["x"]
    given["x"][3, 2], given["x"][70, 1] = np.nan, -np.inf
    g = f(**given)[1]["x"]
    others = [k for k in range(71) if k not in (3, 70)]
    np.testing.assert_array_equal(g[others], clean[others])
    assert np.isnan(g[3]).all() and np.isfinite(g[70]).all()


def test_rows_of_a_few_literal_elements_have_one_way():
    f = gc.compile(gc.sum(gc.logsumexp(gc.param("x", "n 3"), axis=1) ** 2))
    assert "lanes" in f.source
    a = RNG.normal(size=(131, 3))
    np.testing.assert_allclose(f(x=a)[0], (np.log(np.exp(a).sum(1)) ** 2).sum(), rtol=1e-13)


def test_a_kernel_that_calls_share_keeps_both_ways():
    """Their rows are of different lengths, and one call alone would decide wrongly for the other."""
    x, y = gc.tensor("x", "n d"), gc.tensor("y", "m k")
    f = gc.compile([gc.logsumexp(x, axis=1), gc.logsumexp(y, axis=1)])
    given = {"x": RNG.normal(size=(7, 3)), "y": RNG.normal(size=(11, 61))}
    for got, a in zip(f(**given), given.values(), strict=True):
        np.testing.assert_allclose(got, np.log(np.exp(a).sum(1)), rtol=1e-13)
    assert f.source.count("\ndef over_") == 1 and "if d < 32:  # short rows, side by side" in f.source


def test_sizes_that_decide_alike_have_one_module():
    f = gc.compile(soft_labels())
    paths = {}
    for d in (3, 31, 37, 137):
        f(**arrays(f, 7, d))
        paths[d] = f.path
    assert paths[3] == paths[31] != paths[37] == paths[137]


def test_rows_that_read_one_another_stay_as_they_are():
    x, (i, j) = gc.param("x", "n d"), gc.indices("i j")
    f = gc.compile(gc.Sum(gc.exp(x[i, j] - x[i, 0]) * gc.Sum(gc.exp(x[0, j]), j), i, j))
    a = RNG.normal(size=(11, 3))
    np.testing.assert_allclose(f(x=a)[0], (np.exp(a - a[:, :1]) * np.exp(a[0]).sum()).sum(), rtol=1e-12)


def test_a_row_that_reads_what_another_stored_is_no_lane():
    """No schedule makes such a loop: a[j, i] is stored, and a[i, j] read."""
    i, j = (var(x, "int") for x in "ij")
    n = Extent("n")

    def steps(read):
        stores = For("j", n, (Store("a", (j, i), load("x", (j, i), "float")),))
        sums = For("j", n, (Accumulate("sum", var("s", "float"), load("a", read, "float")),))
        loop = For("i", n, (Assign("s", Term("const", (), 0, "float")), stores, sums, Store("y", (i,), var("s", "float"))))
        return Rows.columns(loop, Kernel("over_n", ("a", "x", "y"), (), (), (loop,), ()), str).steps({})
    assert steps((j, i)) is not None
    assert steps((i, j)) is None
