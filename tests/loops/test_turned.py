"""Columns that are read along rows, copied to rows first: same numbers, at sizes around the blocks' height, whatever the number of threads."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc

A, B = gc.param("A", "n n"), gc.param("B", "n m")
C = gc.param("C", "m n")
rng = np.random.default_rng(5)

LOSSES = {
    "difference from the transpose": gc.sum((A - A.T)**2),
    "exponentials of a symmetric sum": gc.sum(gc.exp(A + A.T)),
    "two matrices": gc.sum(gc.tanh(B - C.T) * B),
    "three reads": gc.sum(gc.softplus(A * A.T - C.T @ B.T)),
    "rows with a sum of their own": gc.sum(gc.sum(A * A.T, axis=1)**2),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LOSSES)
def test_turned_reads_change_no_number(name, dtype):
    L = LOSSES[name]
    f = gc.compile(L, dtype=dtype)
    assert "turn(" in f.source
    eps = np.finfo(dtype).eps
    for n, m in ((1, 3), (7, 5), (63, 67), (64, 61), (131, 127)):
        sizes = {"n": n, "m": m}
        data = {i: rng.normal(size=[sizes[str(d)] for d in t.node.dims]).astype(dtype) for i, t in (("A", A), ("B", B), ("C", C)) if i in f.inputs}
        value, slopes = f(**data)
        wanted = gc.evaluate([L, *gc.grad(L).values()], **{k: v.astype(float) for k, v in data.items()})
        np.testing.assert_allclose(value, wanted[0], rtol=300 * eps)
        for slope, w in zip(slopes.values(), wanted[1:], strict=True):
            np.testing.assert_allclose(slope, w, rtol=300 * eps, atol=300 * eps)


def test_threads_have_rows_of_their_own(monkeypatch):
    f = gc.compile(LOSSES["exponentials of a symmetric sum"], dtype="float32")
    data = rng.normal(size=(1009, 1009)).astype(np.float32)
    found = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("GRAPHC_NUM_THREADS", threads)
        value, slope = f(A=data)
        found.append((value, slope["A"].tobytes()))
    assert len(set(found)) == 1


def test_what_a_loop_writes_is_read_where_it_stands():
    f = gc.compile(gc.sum(gc.cumsum(A, axis=0) * A))
    data = {"A": rng.normal(size=(67, 67))}
    np.testing.assert_allclose(f(**data)[0], np.sum(np.cumsum(data["A"], axis=0) * data["A"]), rtol=1e-12)
