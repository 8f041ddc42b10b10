"""gc.formula: golden texts, texts that parse back to the same values, and graphs of any depth."""

import re

import numpy as np
import pytest
from corpus import CORPUS, EXTENTS

import graphc as gc
from graphc.frontend.text import parse
from graphc.ir.formula import formula_of
from graphc.ir.show import show
from graphc.ir.walk import inputs_of, topological
from graphc.printing import formula, latex

X, Y, W, lam = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c"), gc.scalar("lam")
A, B, T = gc.tensor("A", "b n d"), gc.tensor("B", "b d c"), gc.tensor("T", "b n d")
x, b, labels = gc.tensor("x", "n"), gc.param("b", "c"), gc.labels("t", "n", below="c")
s, j = gc.indices("s j")
y = X @ W
row, column = gc.tensor("X", "2 1"), gc.param("W", "1 2")
SIZES = dict(n=7, d=3, c=5, b=2)

GOLDEN = {
    "sum((X@W - Y)**2) + lam*sum(abs(W))": gc.sum((y - Y)**2) + lam * gc.sum(abs(W)),
    "2*X.T @ (X@W - Y) + lam*sign(W)": gc.grad(gc.sum((y - Y)**2) + lam * gc.sum(abs(W)), W),
    "mean((X@W - Y)**2)": gc.mean((y - Y)**2),
    "2*X.T @ (X@W - Y)/(c*n)": gc.grad(gc.mean((y - Y)**2), W),
    "X.T @ (X@W)": gc.grad(gc.sum((row @ column)**2) / 2, column),
    "-Sum(log(exp((X@W)[i,t[i]])/Sum(exp((X@W)[i,j]), j)), i)/n":
        -gc.Sum(gc.log(gc.exp(y[s, labels[s]]) / gc.Sum(gc.exp(y[s, j]), j)), s) / gc.size("n"),
    "-Sum(log_softmax(X@W)[i,t[i]], i)/n": -gc.mean(gc.log_softmax(y)[gc.arange("n"), labels]),
    "softmax(X@W + b)": gc.softmax(y + b),
    "logsumexp(X@W, axis=\"n\")": gc.logsumexp(y, axis="n"),
    "(X@W)/sum(X@W, axis=\"c\", keepdims=True)": y / gc.sum(y, axis=1, keepdims=True),
    "X@W - max(X@W, axis=\"n\")": y - gc.max(y, axis=0),
    "var(X@W, axis=\"n\", ddof=1)": gc.var(y, axis=0, ddof=1),
    "std(X) + norm(X)": gc.std(X) + gc.norm(X),
    "leaky_relu(x, 0.2) + elu(x) - silu(x)": gc.leaky_relu(x, 0.2) + gc.elu(x) - gc.silu(x),
    "gelu(clip(x, -1, 2))": gc.gelu(gc.clip(x, -1, 2)),
    "where((x > 0) & (x < 3) | ~(x == 1), x, 0)": gc.where((x > 0) & (x < 3) | ~(x == 1), x, 0),
    "X@W@W.T": gc.grad(gc.sum((row @ column)**2) / 2, row),
    "exp(-x**2/2)": gc.exp(-x**2 / 2),
    "pi*x + log(2)": np.pi * x + np.log(2),
    "2 - (x - 1)": 2 - (x - 1),
    "x/(2*x)": x / (x * 2),
    "1/sqrt(x)": x**-0.5,
    "x[:, None]*x": x[:, None] * x,
    "x[1:] - x[:-1]": x[1:] - x[:-1],
    "X@X.T": X @ X.T,
    "X.T@x": x @ X,
    "x@x": x @ x,
    "A@B": A @ B,
    "transpose(T, (2, 0, 1))": gc.transpose(T, (2, 0, 1)),
    "trace(X@X.T)": gc.trace(X @ X.T),
    "cumsum(X, axis=1)": gc.cumsum(X, axis=1),
    "argmax(X@W, axis=\"c\")": gc.argmax(y, axis=1),
    "sum(X[:, None, :]*X, axis=(0, 2))": gc.sum(X[:, None] * X[None], axis=(0, 2)),
    "broadcast_to(sum(X, axis=\"n\")[:, None], \"d c\")": gc.grad(gc.sum(y), W),
    "2*exp(-x**2)/sqrt(pi)": gc.grad(gc.sum(gc.erf(x)), x),
    "array(where(i == j, 6*x[j], 0), (i, j))": gc.hessian(gc.sum(x**3), x),
    "sum(A*X, axis=\"n\")": gc.einsum("bnd,nd->bd", A, X),
    "array(Sum(A[i,l,j]*Y[l,k], l), (i, j, k))": gc.einsum("bnd,nc->bdc", A, Y),
}
CANNOT_PARSE = {"array(where(i == j, 6*x[j], 0), (i, j))"}        # i subscripts nothing, so its extent is not known from the text


@pytest.mark.parametrize("text", GOLDEN)
def test_text(text):
    assert formula(GOLDEN[text]) == text


def _data(node, rng):
    shape = [int(size.subs({e: SIZES[e.name] for e in size.free_symbols})) for size in node.dims]
    return rng.integers(0, 5, shape) if node.dtype == "int" else rng.uniform(0.2, 1.5, shape)


@pytest.mark.parametrize("text", [t for t in GOLDEN if t not in CANNOT_PARSE])
def test_parses_back_to_the_same_value(text):
    tensor, rng = GOLDEN[text], np.random.default_rng(0)
    inputs = inputs_of([tensor.node, *[t.node for t in (X, W) if "broadcast_to" in text]])
    data = {i.name: _data(i, rng) for i in inputs}
    extents = {n: gc.size(n) for n in SIZES if n not in data}
    back = parse(text, **{i.name: gc.Tensor(i) for i in inputs}, **extents)
    pair = gc.evaluate([tensor, back], **{k: v for k, v in data.items() if k in {i.name for i in inputs_of([tensor.node, back.node])}}) \
        if "broadcast_to" not in text else gc.evaluate([tensor, back, gc.sum(y)], **data)[:2]
    assert np.shape(pair[0]) == np.shape(pair[1])
    np.testing.assert_allclose(pair[1], pair[0], rtol=1e-13, atol=1e-15)


def test_signs_and_powers_keep_their_parentheses():
    assert formula([-x**2, (-x)**2, (-x) * x, x - (-x), x**(-x), -(x - 1)]) == ["-x**2", "(-x)**2", "-x*x", "x + x", "x**(-x)", "-(x - 1)"]


def test_scalar_products_of_a_vector_gradient():
    w = gc.param("w", "d")
    assert formula(gc.grad(gc.mean((X @ w - x)**2), w)) == "2*X.T @ (X@w - x)/n"


def test_what_is_long_and_shared_has_its_own_line():
    loss = -gc.mean(gc.log_softmax(y)[gc.arange("n"), labels])
    lines = formula(gc.grad(loss, W)).splitlines()
    assert lines[0].endswith(" = X@W") and any(line.startswith("e = exp(") for line in lines) and lines[-1].startswith("X.T @ ")
    assert sum("X@W" in line for line in lines) == 1


def test_structures_and_free_indices():
    assert formula({"a": X, "b": [y, lam]}) == {"a": "X", "b": ["X@W", "lam"]}
    assert formula(2 * X[s, j]) == "2*X[s,j]"


def test_a_gather_backwards_sums_where_the_label_matches():
    E = gc.param("E", "v d")
    words = gc.labels("w", "n", below="v")
    assert formula(gc.grad(gc.sum((E[words] - X)**2), E)) == "array(Sum(where(w[k] == i, 2*(E[w[k],j] - X[k,j]), 0), k), (i, j))"


@pytest.mark.parametrize("step", [gc.sin, lambda z: z * z + z, lambda z: gc.where(z > 0, z, X[0, 0])])
def test_deep_and_shared_graphs_are_linear(step):
    """5,000 nodes below each other, or 2**2000 paths: neither recursion nor time gives out, and no line is endless."""
    z = x
    for _ in range(2000):
        z = step(z)
    lines = formula(z).splitlines()
    assert len(lines) > 50 and max(map(len, lines)) < 2000
    assert len(formula_of(z.node, budget=60)) <= 60


def test_budget_cuts_the_depth_and_keeps_the_top():
    loss = gc.sum((y - Y)**2) + lam * gc.sum(abs(W))
    assert formula_of(loss.node, budget=80) == formula(loss)
    short = formula_of((gc.exp(loss) + x).node, budget=24)
    assert len(short) <= 24 and "..." in short and short.endswith(" + x")


def test_errors_name_the_formula():
    with pytest.raises(gc.DimError, match=r"X@W ?\[n, c\]"):
        y + X


INDEX_ONLY = {"joined", "reshaped"}            # shifted and divided indices, whose ranges index notation alone does not say


@pytest.mark.parametrize("case", [c for c in CORPUS if c.name not in INDEX_ONLY], ids=lambda c: c.name)
def test_the_corpus_parses_back(case):
    """The formula of every kind of tensor, read again as text, has the same value."""
    tensor = case.tensor()
    text = formula(tensor)
    known = {i.name: gc.Tensor(i) for i in inputs_of([tensor.node])}
    known |= {n: gc.size(n) for n in EXTENTS if n not in known and not re.search(rf"[\[,]{n}[\],]", text)}
    *definitions, last = text.splitlines()
    for name, _, expression in (line.partition(" = ") for line in definitions):
        known[name] = parse(expression, **known)
    back = parse(last, **known)
    data = case.data(tensor)
    expected = gc.evaluate(tensor, **data)
    given = gc.evaluate(back, **{k: v for k, v in data.items() if k in {i.name for i in inputs_of([back.node])}})
    np.testing.assert_allclose(given, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("case", CORPUS, ids=lambda c: c.name)
def test_the_corpus_and_its_gradients_print(case):
    loss = case.loss()
    for tensor in (loss, gc.grad(loss, case.wrt(loss))):
        assert formula(tensor) and latex(tensor).count("{") == latex(tensor).count("}")
        order = topological([tensor.node])
        assert len(show([tensor.node]).splitlines()) == len(order)
