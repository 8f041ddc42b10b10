"""The text of generated modules, kept in tests/golden: GRAPHC_GOLDEN=write writes them anew, for review."""

import os
from pathlib import Path

import pytest

import graphc as gc
from graphc.loops.names import RESERVED

GOLDEN = Path(__file__).parent.parent / "golden"


def ridge_and_lasso():
    X, Y, W, lam = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c"), gc.scalar("lam")
    L = gc.sum((X @ W - Y) ** 2) + lam * gc.sum(abs(W))
    return L


def cross_entropy():
    y, t = gc.param("y", "n c"), gc.labels("t", "n", below="c")
    s, j = gc.indices("s j")
    L = -gc.Sum(gc.log(gc.exp(y[s, t[s]]) / gc.Sum(gc.exp(y[s, j]), j)), s) / gc.size("n")
    return L


def rbf():
    X, Z = gc.param("X", "n d"), gc.tensor("Z", "m d")
    i, j, k = gc.indices("i j k")
    L = gc.Sum(gc.exp(-gc.Sum((X[i, k] - Z[j, k]) ** 2, k)), i, j)
    return L


def products():
    x = gc.param("x", "n d")
    L = gc.sum(gc.prod(x, axis=1)) + gc.sum(gc.cumsum(x, axis=1) ** 2)
    return L


MODULES = {f.__name__: f for f in (ridge_and_lasso, cross_entropy, rbf, products)}


@pytest.mark.parametrize("name, sizes", [*((name, None) for name in MODULES), ("cross_entropy", {"n": 7, "c": 3}), ("rbf", {"n": 7, "m": 1103, "d": 3})])
def test_module(name, sizes):
    """Before the first call, and as a call of few classes or few features has it."""
    program = gc.compile(MODULES[name](), dtype="float32")
    source = program._source_of(("float32", program._way_of(sizes))).text if sizes else program.source
    path = GOLDEN / f"{name}{'_of_few' * bool(sizes)}.py.txt"
    if os.environ.get("GRAPHC_GOLDEN") == "write":
        path.write_text(source)
    assert source == path.read_text()


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_the_same_each_time(name):
    first, second = (gc.compile(MODULES[name]()) for _ in range(2))
    assert first.source == second.source and first.explain() == second.explain()


def test_names_of_users_never_meet_names_of_the_module():
    import numpy as np
    clash = sorted(n for n in RESERVED if n.isidentifier())[:12] + ["i", "j", "run", "over_n", "np", "real", "value", "loss_out"]
    tensors = [gc.param(n, "n") for n in dict.fromkeys(clash)]
    loss = gc.sum(sum((t**2 for t in tensors[1:]), tensors[0] ** 2))
    value, grads = gc.compile(loss)(**{t.name: np.arange(3.0) for t in tensors})
    assert value == 5.0 * len(tensors)
    assert all((g == [0.0, 2.0, 4.0]).all() for g in grads.values())


def test_a_dim_may_have_the_name_of_a_tensor():
    import numpy as np
    n, d = gc.tensor("n", "n d"), gc.param("d", "d")
    value, grads = gc.compile(gc.sum(n @ d))(n=np.ones((2, 3)), d=np.ones(3))
    assert value == 6.0 and (grads["d"] == 2.0).all()
