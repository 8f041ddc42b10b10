"""Index notation against NumPy loops: gathers, shifts, comparisons of indices, mixed style, and what is refused."""

import numpy as np
import pytest

import graphc as gc
from graphc.errors import DimError, DtypeError, FormulaError

RNG = np.random.default_rng(7)
N, D, C, M = 5, 3, 7, 2
X_, Y_, W_, A_, v_, u_ = (RNG.normal(size=s) for s in ((N, D), (N, C), (D, C), (N, N), N, D))
t_ = RNG.integers(0, C, N)
g_ = RNG.integers(0, N, (M, 3))
X, Y, W, A = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.tensor("W", "d c"), gc.tensor("A", "n n")
v, u = gc.tensor("v", "n"), gc.tensor("u", "d")
t, g = gc.labels("t", "n", below="c"), gc.labels("g", "m 3", below="n")
DATA = {"X": X_, "Y": Y_, "W": W_, "A": A_, "v": v_, "u": u_, "t": t_, "g": g_}
i, j, k, s, p = gc.indices("i j k s p")


def value(x):
    from graphc.ir.walk import inputs_of
    x = x if isinstance(x, gc.Tensor) else x
    return gc.evaluate(x, **{n.name: DATA[n.name] for n in inputs_of([x.node])})


E = np.exp
CASES = {
    "dot": (lambda: gc.Sum(v[i] * v[i], i), lambda: v_ @ v_),
    "matmul": (lambda: gc.array(gc.Sum(X[s, k] * W[k, j], k), (s, j)), lambda: X_ @ W_),
    "matmul, other order": (lambda: gc.array(gc.Sum(X[s, k] * W[k, j], k), (j, s)), lambda: (X_ @ W_).T),
    "mixed matmul": (lambda: gc.Sum((X @ W)[s, t[s]], s), lambda: (X_ @ W_)[np.arange(N), t_].sum()),
    "sum of all": (lambda: gc.Sum(X[i, j]), lambda: X_.sum()),
    "sum over the first": (lambda: gc.array(gc.Sum(X[i, j], i), j), lambda: X_.sum(0)),
    "sum over both": (lambda: gc.Sum(X[i, j], j, i), lambda: X_.sum()),
    "max": (lambda: gc.array(gc.Max(X[i, j], j), i), lambda: X_.max(1)),
    "min": (lambda: gc.Min(X[i, j], i, j), lambda: X_.min()),
    "prod": (lambda: gc.array(gc.Prod(X[i, j], i), j), lambda: X_.prod(0)),
    "prod over both": (lambda: gc.Prod(X[i, j], i, j), lambda: X_.prod()),
    "mean": (lambda: gc.array(gc.Mean(X[i, j], i), j), lambda: X_.mean(0)),
    "mean over all": (lambda: gc.Mean(X[i, j]), lambda: X_.mean()),
    "transpose": (lambda: gc.array(X[i, j], (j, i)), lambda: X_.T),
    "outer": (lambda: gc.array(v[i] * u[j], (i, j)), lambda: np.outer(v_, u_)),
    "outer, turned": (lambda: gc.array(v[i] * u[j], (j, i)), lambda: np.outer(u_, v_)),
    "pairwise distance": (lambda: gc.array(gc.Sum((X[i, k] - X[j, k])**2, k), (i, j)), lambda: ((X_[:, None] - X_[None])**2).sum(-1)),
    "difference to a column": (lambda: gc.array(X[s, j] - X[s, 0], (s, j)), lambda: X_ - X_[:, :1]),
    "last column": (lambda: gc.array(X[s, -1], s), lambda: X_[:, -1]),
    "diagonal": (lambda: gc.array(A[i, i], i), lambda: np.diag(A_)),
    "trace": (lambda: gc.Sum(A[i, i], i), lambda: np.trace(A_)),
    "diagonal by where": (lambda: gc.Sum(gc.where(i == j, A[i, j], 0), i, j), lambda: np.trace(A_)),
    "off-diagonal": (lambda: gc.Sum(gc.where(i != j, A[i, j], 0.0), i, j), lambda: A_.sum() - np.trace(A_)),
    "upper triangle": (lambda: gc.array(gc.where(i <= j, A[i, j], 0), (i, j)), lambda: np.triu(A_)),
    "strictly lower": (lambda: gc.array(gc.where(i > j, A[i, j], 0), (i, j)), lambda: np.tril(A_, -1)),
    "band": (lambda: gc.array(gc.where(abs(i - j) <= 1, A[i, j], 0), (i, j)), lambda: np.triu(np.tril(A_, 1), -1)),
    "symmetric part": (lambda: gc.array((A[i, j] + A[j, i]) / 2, (i, j)), lambda: (A_ + A_.T) / 2),
    "label lookup": (lambda: gc.array(Y[s, t[s]], s), lambda: Y_[np.arange(N), t_]),
    "row lookup": (lambda: gc.array(gc.exp(X)[g[p, k], j], (p, k, j)), lambda: E(X_)[g_]),
    "row lookup with a positional axis": (lambda: gc.array(X[g[p, k]], (p, k)), lambda: X_[g_]),
    "centre loss": (lambda: gc.Sum((X[s, k] - W[k, t[s]])**2, s, k), lambda: ((X_ - W_.T[t_])**2).sum()),
    "cross-entropy": (lambda: -gc.Sum(gc.log(gc.exp(Y[s, t[s]]) / gc.Sum(gc.exp(Y[s, j]), j)), s) / gc.size("n"),
                      lambda: -np.log(E(Y_)[np.arange(N), t_] / E(Y_).sum(1)).mean()),
    "mixed: a row and its axis": (lambda: gc.Sum(gc.log(gc.sum(gc.exp(Y[s]))), s), lambda: np.log(E(Y_).sum(1)).sum()),
    "mixed: softmax by rows": (lambda: gc.array(gc.exp(Y[s]) / gc.sum(gc.exp(Y[s])), s), lambda: E(Y_) / E(Y_).sum(1, keepdims=True)),
    "mixed: axis left over": (lambda: gc.Sum(Y[s] * v[s], s), lambda: Y_.T @ v_),
    "mixed: vector by row": (lambda: gc.array(X[s] @ W, s), lambda: X_ @ W_),
    "mixed: dot of rows": (lambda: gc.array(X[i] @ X[j], (i, j)), lambda: X_ @ X_.T),
    "mixed: row against tensor": (lambda: gc.array(gc.sum(abs(X[i] - X), axis=1), i), lambda: abs(X_[:, None] - X_[None]).sum(-1)),
    "mixed: index last": (lambda: gc.array(X[:, j] * v, j), lambda: (X_ * v_[:, None]).T),
    "index as a number": (lambda: gc.Sum(i * v[i], i), lambda: (np.arange(N) * v_).sum()),
    "index arithmetic": (lambda: gc.array((2.0 * i + 1) / (j + 1) * X[i, j], (i, j)), lambda: (2.0 * np.arange(N)[:, None] + 1) / (np.arange(D) + 1) * X_),
    "parity": (lambda: gc.Sum(gc.where(i % 2 == 0, v[i], -v[i]), i), lambda: (v_ * (-1.0)**np.arange(N)).sum()),
    "adjacent by slices": (lambda: gc.sum((v[1:] - v[:-1])**2), lambda: (np.diff(v_)**2).sum()),
    "shift alone": (lambda: gc.Sum(v[i + 1], i), lambda: v_[1:].sum()),
    "shift back alone": (lambda: gc.array(v[1:][i] * v[:-1][i], i), lambda: v_[1:] * v_[:-1]),
    "mirror": (lambda: gc.Sum(v[i] * v[gc.size("n") - 1 - i], i), lambda: v_ @ v_[::-1]),
    "cox": (lambda: -gc.Sum(v[i] - gc.log(gc.Sum(gc.where(t[j] >= t[i], gc.exp(v[j]), 0), j)), i),
            lambda: -sum(v_[a] - np.log(sum(E(v_[b]) for b in range(N) if t_[b] >= t_[a])) for a in range(N))),
    "ranking": (lambda: gc.Sum(gc.where(t[i] > t[j], gc.softplus(v[j] - v[i]), 0), i, j),
                lambda: sum(np.logaddexp(0, v_[b] - v_[a]) for a in range(N) for b in range(N) if t_[a] > t_[b])),
    "same class": (lambda: gc.Sum(gc.where((t[i] == t[j]) & (i != j), A[i, j], 0), i, j),
                   lambda: sum(A_[a, b] for a in range(N) for b in range(N) if t_[a] == t_[b] and a != b)),
    "one index in two sums": (lambda: gc.Sum(v[i], i) * gc.Sum(u[i], i), lambda: v_.sum() * u_.sum()),
    "nested sums": (lambda: gc.Sum(v[i] * gc.Sum(X[i, j] * gc.Sum(W[j, k], k), j), i), lambda: v_ @ X_ @ W_.sum(1)),
    "inner index reused outside": (lambda: gc.Sum(v[i] * gc.Sum(u[j], j), i) + gc.Sum(u[j], j), lambda: v_.sum() * u_.sum() + u_.sum()),
    "scalar from index": (lambda: gc.Sum(v[i] / gc.size("n"), i), lambda: v_.mean()),
    "bool sum": (lambda: gc.Sum(v[i] > 0, i), lambda: (v_ > 0).sum()),
    "norm of a row": (lambda: gc.array(gc.norm(X[s]), s), lambda: np.linalg.norm(X_, axis=1)),
    "log-sum-exp of a row": (lambda: gc.array(gc.logsumexp(Y[s]), s), lambda: np.log(E(Y_).sum(1))),
    "gather by gather": (lambda: gc.Sum(u[g[p, 0] % 3] * v[g[p, 1]], p), lambda: (u_[g_[:, 0] % 3] * v_[g_[:, 1]]).sum()),
    "slices then index": (lambda: gc.Sum(X[1:-1][i, j] * X[1:-1, ::-1][i, j], i, j), lambda: (X_[1:-1] * X_[1:-1, ::-1]).sum()),
    "conditional lookup": (lambda: gc.Sum(gc.where(t[s] > 2, Y[s, t[s]], X[s, 0]), s), lambda: np.where(t_ > 2, Y_[np.arange(N), t_], X_[:, 0]).sum()),
    "indices as clipped positions": (lambda: gc.array(v[gc.maximum(i - 1, 0)] + 0 * v[i], i), lambda: v_[np.maximum(np.arange(N) - 1, 0)]),
    "a concatenation by index": (lambda: gc.Sum(gc.concatenate([v, v**2])[i] * gc.concatenate([v[1:], u[:1], v])[::-1][i], i),
                               lambda: (np.r_[v_, v_**2] * np.r_[v_[1:], u_[:1], v_][::-1]).sum()),
    "guarded shift": (lambda: gc.array(gc.where(i > 0, v[gc.maximum(i - 1, 0)], 0) + 0 * v[i], i), lambda: np.r_[0, v_[:-1]]),
}


@pytest.mark.parametrize("name", CASES)
def test_value(name):
    formula, expected = CASES[name]
    got, wanted = value(formula()), np.asarray(expected())
    assert np.shape(got) == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-13)


def test_a_shift_of_a_bound_index_leaves_the_dim():
    with pytest.raises(DimError, match=r"leaves the dim n") as caught:
        gc.Sum((v[i + 1] - v[i])**2, i)
    assert "v[n]" in str(caught.value) and "x[1:] - x[:-1]" in str(caught.value) and "test_index.py" in str(caught.value)


def test_shifts_alone_take_the_longest_valid_range():
    assert value(gc.Sum(v[i + 2], i)) == pytest.approx(v_[2:].sum())
    assert value(gc.Sum(v[i + 1] * v[i + 2], i)) == pytest.approx((v_[1:-1] * v_[2:]).sum())
    assert [str(d) for d in gc.array(v[i + 1], i).dims] == ["n-1"]


@pytest.mark.parametrize("wrong, error, words", [
    (lambda: gc.Sum(X[i, i], i), DimError, ["index i", "n", "d"]),
    (lambda: X[i, j] + v[j], DimError, ["index j", "d", "n"]),
    (lambda: gc.Sum(v[i], j), FormulaError, ["index j does not occur", "(i)"]),
    (lambda: gc.Sum(v, i), FormulaError, ["does not occur"]),
    (lambda: gc.Sum(v), FormulaError, ["no free index"]),
    (lambda: gc.Sum(v[i], 0), FormulaError, ["axis"]),
    (lambda: gc.Mean(v[i], "i"), FormulaError, ["Mean reduces over indices", "'i'"]),
    (lambda: gc.Mean(v[i], j), FormulaError, ["index j does not occur", "(i)"]),
    (lambda: gc.array(v[i], "i"), FormulaError, ["gc.array", "gc.indices", "'i'"]),
    (lambda: gc.array(v[i], 1), FormulaError, ["gc.array", "gc.indices", "1"]),
    (lambda: gc.array(X[i, j], i), FormulaError, ["each free index once"]),
    (lambda: gc.array(X[i, j], (i, i)), FormulaError, ["each free index once"]),
    (lambda: gc.array(v[i], (i, j)), FormulaError, ["each free index once"]),
    (lambda: gc.evaluate(v[i], v=v_), DimError, ["free indices (i)", "gc.Sum"]),
    (lambda: gc.array(i * 2, i), DimError, ["not known"]),
    (lambda: v[i - 1] + v[i], DimError, ["leaves"]),
    (lambda: v[v[i]], DtypeError, ["int"]),
    (lambda: v[t[i] > 0], DtypeError, ["where"]),
    (lambda: gc.indices("1a"), FormulaError, ["identifier"]),
    (lambda: gc.indices(""), FormulaError, ["names"]),
    (lambda: v[i, j], DimError, ["1 axes"]),
    (lambda: bool(i == j), FormulaError, ["gc.where"]),
    (lambda: gc.tensor("q", 3)[i] + v[i], DimError, ["index i"]),
])
def test_refused(wrong, error, words):
    with pytest.raises(error) as caught:
        wrong()
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_free_indices_are_named():
    assert X[i, j].free == ("i", "j")
    assert (X[i, j] * v[i]).free == ("i", "j")
    assert gc.Sum(X[i, j], i).free == ("j",)
    assert X[i].ndim == 1 and X[i].free == ("i",)


def test_labels_out_of_range_are_refused():
    loss = gc.Sum(Y[s, t[s]], s)
    for bad in (-1, C):
        with pytest.raises(gc.BindingError, match=r"t\[2\]"):
            gc.evaluate(loss, Y=Y_, t=np.r_[t_[:2], bad, t_[3:]])


def test_ignored_labels_read_nothing():
    ignoring = gc.labels("t", "n", below="c", ignore=-100)
    labels = np.r_[t_[:2], -100, t_[3:]]
    loss = gc.Sum(gc.where(ignoring[s] != -100, Y[s, ignoring[s]], 0), s)
    keep = labels != -100
    assert gc.evaluate(loss, Y=Y_, t=labels) == pytest.approx(Y_[np.arange(N), labels % C][keep].sum())
    expected = np.zeros((N, C))
    expected[np.arange(N)[keep], labels[keep]] = 1
    np.testing.assert_array_equal(gc.evaluate(gc.grad(loss, Y), t=labels, c=C), expected)
