"""Misuse: each kind of docs/errors.md raises its error, and the message names the user's tensors, dims and line, and the way out."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc

PAGE = (Path(__file__).parent.parent / "docs" / "errors.md").read_text(encoding="utf-8")

X, Y, W, lam = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c"), gc.scalar("lam")
V = gc.param("V", "d c")
t = gc.labels("t", "n", below="c")
k = gc.tensor("k", "m", dtype="int")
mask = gc.tensor("mask", "n", dtype="bool")
three = gc.tensor("three", 3)
s, j, i = gc.indices("s j i")
L = gc.sum((X @ W - Y)**2)
CE = -gc.mean(gc.log_softmax(X @ W)[gc.arange("n"), t])
X_, Y_, W_ = np.ones((7, 3)), np.ones((7, 5)), np.ones((3, 5))

Case = tuple[str, Callable[[], Any], type[Exception], str]


def parsed(text: str) -> Callable[[], Any]:
    return lambda: gc.parse(text, X="n d", W="d c", Y="n c", lam="")


# (section of docs/errors.md, what the user does, error, words of the message in order)
FORMULAS: list[Case] = [
    ("dims that clash", lambda: X + W, gc.DimError, "X[n, d] has n ... W[d, c] has d ... test_errors.py"),
    ("dims that clash", lambda: W @ X, gc.DimError, "W[d, c] has c ... X[n, d] has n ... .T"),
    ("dims that clash", lambda: X[:, 0] * W[0], gc.DimError, "n ... c"),
    ("dims that clash", lambda: X @ lam, gc.DimError, "lam ... scalar ... *"),
    ("dims that clash", lambda: gc.concatenate([X, Y]), gc.DimError, "X[n, d] ... Y[n, c]"),
    ("dims that clash", lambda: gc.reshape(X, ("n", "c")), gc.DimError, "X[n, d]"),
    ("dims that clash", lambda: gc.einsum("ij,jk->ik", X, X), gc.DimError, "X[n, d]"),
    ("dims that clash", lambda: gc.trace(X), gc.DimError, "square ... X[n, d]"),
    ("dims that clash", lambda: X[s, s], gc.DimError, "index s ... n and d"),
    ("dims that clash", lambda: X[s, j] + W[s, j], gc.DimError, "index s runs over n in X ... over d in W"),
    ("an axis that does not exist", lambda: gc.sum(X, axis="c"), gc.DimError, "X[n, d] has no dim c"),
    ("an axis that does not exist", lambda: gc.sum(X, axis=2), gc.DimError, "X[n, d] has 2 axes ... 2"),
    ("an axis that does not exist", lambda: gc.mean(gc.tensor("G", "n n"), axis="n"), gc.DimError, "more than one dim n"),
    ("an axis that does not exist", lambda: gc.sum(X, axis=(0, "n")), gc.DimError, "twice"),
    ("a subscript that leaves its dim", lambda: gc.Sum(X[s, j] * X[s, j + 1], s, j), gc.DimError, "X[n, d] ... d ... slices"),
    ("a subscript that leaves its dim", lambda: three[3], gc.DimError, "position 3 ... three[3]"),
    ("a subscript that leaves its dim", lambda: X[0, 0, 0], gc.DimError, "X[n, d] has 2 axes, given 3"),
    ("a subscript of the wrong kind", lambda: X[mask], gc.DtypeError, "mask[n] ... X[n, d] is bool ... gc.where"),
    ("a subscript of the wrong kind", lambda: X[Y[:, 0]], gc.DtypeError, "float, not int ... gc.labels"),
    ("a subscript of the wrong kind", lambda: X[1.0], gc.DtypeError, "X[n, d] is a float"),
    ("indices left over", lambda: gc.compile(X[s, j]), gc.DimError, "(s, j) ... gc.Sum ... gc.array"),
    ("indices left over", lambda: gc.evaluate(X[s, 0], X=X_), gc.DimError, "(s) ... gc.Sum"),
    ("indices left over", lambda: gc.grad(W[s, j], W), gc.DifferentiationError, "(s, j) ... gc.Sum"),
    ("indices left over", lambda: gc.array(X[s, j], (s,)), gc.FormulaError, "(s, j), given (s)"),
    ("indices left over", lambda: gc.Sum(X[s, j], i), gc.FormulaError, "index i does not occur ... (s, j)"),
    ("indices left over", lambda: gc.Sum(i, i), gc.DimError, "index i ... subscripts no dim"),
    ("a symbolic tensor where a value is needed", lambda: X if lam > 0 else Y, gc.FormulaError, "lam ... gc.where ... test_errors.py"),
    ("a symbolic tensor where a value is needed", lambda: float(lam), gc.FormulaError, "lam ... gc.evaluate"),
    ("a symbolic tensor where a value is needed", lambda: list(X), gc.FormulaError, "X[n, d] ... gc.indices"),
    ("a symbolic tensor where a value is needed", lambda: 0 < X < 1, gc.FormulaError, "chained comparisons"),
    ("a symbolic tensor where a value is needed", lambda: np.asarray(X), gc.FormulaError, "X[n, d] ... gc.evaluate"),
    ("a symbolic tensor where a value is needed", lambda: range(X.shape[0]), gc.FormulaError, "n ... gc.size('n')"),
    ("data written into a formula", lambda: X - np.ones((7, 11)), gc.FormulaError, "77 numbers ... gc.tensor(name, (7, 11)) ... test_errors.py"),
    ("data written into a formula", lambda: X + "Y", gc.FormulaError, "'Y' is text ... gc.parse"),
    ("a declaration that makes no sense", lambda: gc.tensor("my data", "n"), gc.FormulaError, "identifier ... 'my data'"),
    ("a declaration that makes no sense", lambda: gc.tensor("x", "n 2d"), gc.FormulaError, "identifier ... '2d'"),
    ("a declaration that makes no sense", lambda: gc.tensor("x", "n", dtype="float16"), gc.DtypeError, "'float16' of x ... float32"),
    ("a declaration that makes no sense", lambda: gc.tensor("x", (-1, 2)), gc.FormulaError, "-1"),
    ("a declaration that makes no sense", lambda: gc.indices("1 2"), gc.FormulaError, "identifier ... '1'"),
    ("an int where a float is needed", lambda: gc.param("k", "n", dtype="int"), gc.DtypeError, "float, not 'int'"),
    ("an operand of the wrong kind", lambda: gc.where(X, 1, 0), gc.DtypeError, "where takes bool ... X[n, d] is float"),
    ("an operand of the wrong kind", lambda: X & Y, gc.DtypeError, "& takes bool ... X[n, d] is float"),
    ("an operand of the wrong kind", lambda: X * 1j, gc.DtypeError, "complex"),
    ("an operand of the wrong kind", lambda: X + None, gc.DtypeError, "NoneType"),
    ("an operand of the wrong kind", lambda: gc.exp(X, Y), gc.FormulaError, "exp takes 1 argument, not 2"),
    ("a numpy function that graphc does not have", lambda: np.sort(X), gc.FormulaError, "np.sort ... functions.md"),
    ("a numpy function that graphc does not have", lambda: np.linalg.inv(X), gc.FormulaError, "inv ... functions.md"),
    ("a malformed formula", parsed("sum((X@W - Y)**2 + lam*sum(abs(W))"), gc.FormulaError, "^"),
    ("a malformed formula", parsed("sum(X@W - )"), gc.FormulaError, "^"),
    ("a malformed formula", parsed("lam $ 2"), gc.FormulaError, "$ ... ^"),
    ("a malformed formula", parsed(""), gc.FormulaError, ""),
    ("a malformed formula", parsed("lam lam"), gc.FormulaError, "^"),
    ("an unknown name", parsed("sum(X@V)"), gc.FormulaError, "V ... ^"),
    ("an unknown name", parsed("smu(X)"), gc.FormulaError, "smu ... ^"),
    ("an unknown name", parsed("__import__('os')"), gc.FormulaError, "^"),
    ("a formula that is too deep", parsed("(" * 5000 + "lam" + ")" * 5000), gc.FormulaError, "deep"),
    ("a formula that is too deep", parsed("-" * 10_000 + "lam"), gc.FormulaError, "deep"),
    ("a loss that is not a scalar", lambda: gc.grad((X @ W - Y)**2, W), gc.DifferentiationError, "[n, c] is not a scalar ... gc.vjp"),
    ("a loss that is not a scalar", lambda: gc.compile(X @ W, wrt=W), gc.DifferentiationError, "[n, c] is not a scalar ... gc.vjp"),
    ("a loss that is not a scalar", lambda: gc.vjp(X @ W, W, X), gc.DifferentiationError, "X[n, d] ... [n, c]"),
    ("a parameter that the loss does not depend on", lambda: gc.grad(L, V), gc.DifferentiationError, "does not depend on V[d, c] ... test_errors.py"),
    ("a parameter that the loss does not depend on", lambda: gc.compile(L, wrt=["V"]), gc.DifferentiationError, "'V'; its inputs are X, W, Y"),
    ("a parameter that the loss does not depend on", lambda: gc.grad(gc.sum(X)), gc.DifferentiationError, "no parameter ... gc.grad(L, x)"),
    ("a parameter that the loss does not depend on", lambda: gc.compile(L, wrt=[W, "W"]), gc.DifferentiationError, "twice: W, W"),
    ("a derivative by integers", lambda: gc.grad(gc.mean(t * 1.0), t), gc.DifferentiationError, "t[n] is int"),
    ("a derivative by integers", lambda: gc.grad(gc.sum(t), W), gc.DifferentiationError, "int; only float"),
    ("a target that does not exist", lambda: gc.compile(L, target="abacus"), gc.TargetError, "'abacus' ... cpu"),
    ("a target that does not exist", lambda: gc.compile(L, dtype="float16"), gc.TargetError, "'float16' ... float32 or float64"),
]

# (section, outputs, data, error, words): what holds for gc.evaluate and for programs alike
DATA: list[tuple[str, Any, dict[str, Any], type[Exception], str]] = [
    ("missing and unknown inputs", L, dict(X=X_, Y=Y_), gc.BindingError, "missing: W ... W[d, c]"),
    ("missing and unknown inputs", L, dict(X=X_, Y=Y_, W=W_, Z=1), gc.BindingError, "unknown: Z ... X[n, d]"),
    ("missing and unknown inputs", L, dict(X=X_, Y=Y_, V=W_), gc.BindingError, "missing: W; unknown: V"),
    ("data of the wrong rank", L, dict(X=X_[0], Y=Y_, W=W_), gc.BindingError, "X[n, d] has 2 axes ... (3,) ... test_errors.py"),
    ("data of the wrong rank", lam * 2, dict(lam=[1.0, 2.0]), gc.BindingError, "lam has 0 axes ... (2,)"),
    ("extents that disagree", L, dict(X=X_, Y=Y_[:6], W=W_), gc.BindingError, "dim n is 7 in X ... 6 in Y"),
    ("extents that disagree", L, dict(X=X_, Y=Y_, W=W_.T), gc.BindingError, "dim d is 3 in X ... 5 in W"),
    ("extents that disagree", gc.sum(three), dict(three=np.ones(5)), gc.BindingError, "three ... size 3 ... (5,)"),
    ("data of the wrong dtype", L, dict(X=X_.astype(int), Y=Y_, W=W_), gc.BindingError, "X[n, d] ... int64 ... .astype(float)"),
    ("data of the wrong dtype", L, dict(X=X_ * 1j, Y=Y_, W=W_), gc.BindingError, "X[n, d] ... complex128"),
    ("data of the wrong dtype", L, dict(X="abc", Y=Y_, W=W_), gc.BindingError, "X[n, d]"),
    ("data of the wrong dtype", L, dict(X=None, Y=Y_, W=W_), gc.BindingError, "X[n, d]"),
    ("data of the wrong dtype", L, dict(X=[[1.0, 2.0], [3.0]], Y=Y_, W=W_), gc.BindingError, "X[n, d]"),
    ("data of the wrong dtype", CE, dict(X=X_, W=W_, t=np.zeros(7)), gc.BindingError, "t[n] needs integers ... float64"),
    ("data of the wrong dtype", gc.sum(gc.where(mask, 1.0, 0.0)), dict(mask=np.ones(7)), gc.BindingError, "mask[n] needs bool ... float64"),
    ("labels out of range", CE, dict(X=X_, W=W_, t=[0, 1, 2, 3, 4, 5, 0]), gc.BindingError, "t[5] = 5 ... c = 5 ... ignore"),
    ("labels out of range", CE, dict(X=X_, W=W_, t=[0, 1, 2, 3, -1, 4, 0]), gc.BindingError, "t[4] = -1 ... c = 5"),
    ("labels out of range", gc.one_hot(t), dict(t=[0, 2**40]), gc.BindingError, ""),
    ("a computed subscript out of range", gc.sum(X[k + 1]), dict(X=X_, k=[0, 6]), gc.BindingError, ""),
    ("a computed subscript out of range", gc.sum(X[k]), dict(X=X_, k=[-8]), gc.BindingError, ""),
    ("an extent of 0", gc.max(X), dict(X=np.ones((0, 3))), gc.BindingError, "max over dim n ... n = 0"),
    ("an extent of 0", gc.argmin(X, axis=0), dict(X=np.ones((0, 3))), gc.BindingError, "argmin over dim n ... n = 0"),
]
TYPE_ERRORS = {"missing and unknown inputs", "data of the wrong dtype"}


def has_words(message: str, words: str) -> bool:
    return re.search(".*".join(re.escape(w) for w in words.split(" ... ")), message, re.DOTALL) is not None


@pytest.mark.parametrize(("section", "act", "error", "words"), FORMULAS, ids=[f"{c[0]}-{n}" for n, c in enumerate(FORMULAS)])
def test_formula(section: str, act: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        act()
    assert isinstance(caught.value, gc.GraphcError)
    assert has_words(str(caught.value), words), caught.value


def evaluated(outputs: Any, data: dict[str, Any]) -> Any:
    return gc.evaluate(outputs, **data)


def compiled(outputs: Any, data: dict[str, Any]) -> Any:
    return gc.compile(outputs)(**data)


@pytest.mark.parametrize("how", [evaluated, compiled])
@pytest.mark.parametrize(("section", "outputs", "data", "error", "words"), DATA, ids=[f"{c[0]}-{n}" for n, c in enumerate(DATA)])
def test_data(section: str, outputs: Any, data: dict[str, Any], error: type[Exception], words: str, how: Callable[..., Any]) -> None:
    with pytest.raises(error) as caught:
        how(outputs, data)
    assert isinstance(caught.value, TypeError if section in TYPE_ERRORS else ValueError)
    assert has_words(str(caught.value), words), caught.value


f = gc.compile(L)
BUFFERS: list[Case] = [
    ("a buffer that does not fit", lambda: f(X=X_, Y=Y_, W=W_, out={"W": np.empty((5, 3))}), gc.BindingError, "float64 array of shape (3, 5) ... (5, 3)"),
    ("a buffer that does not fit", lambda: f(X=X_, Y=Y_, W=W_, out={"W": np.empty((3, 5), np.float32)}), gc.BindingError, "float64 ... float32"),
    ("a buffer that does not fit", lambda: f(X=X_, Y=Y_, W=W_, out={"W": np.empty((5, 3)).T}), gc.BindingError, "C-contiguous"),
    ("a buffer that does not fit", lambda: f(X=X_, Y=Y_, W=W_, out={"V": np.empty((3, 5))}), gc.BindingError, "['W'] ... ['V']"),
    ("a buffer that does not fit", lambda: f(X=X_, Y=Y_, W=W_, out={"W": W_}), gc.BindingError, "shares memory with an input"),
    ("missing and unknown inputs", lambda: f(X_, W_, Y_, 1.0), gc.BindingError, "4 positional ... 3: X[n, d], W[d, c], Y[n, c]"),
    ("missing and unknown inputs", lambda: f(X_, W_, Y_, X=X_), gc.BindingError, "position and by name: X"),
    ("a picture that cannot be drawn", lambda: gc.render(L, "loss.xyz"), gc.RenderError, "xyz ... svg"),
]


@pytest.mark.parametrize(("section", "act", "error", "words"), BUFFERS, ids=[f"{c[0]}-{n}" for n, c in enumerate(BUFFERS)])
def test_call(section: str, act: Callable[[], Any], error: type[Exception], words: str) -> None:
    test_formula(section, act, error, words)


def test_a_cache_folder_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRAPHC_CACHE", str(tmp_path / "file"))
    with pytest.raises(gc.CacheError, match="GRAPHC_CACHE") as caught:
        gc.compile(gc.sum(X**7))(X=X_)
    assert isinstance(caught.value, OSError)


def test_inputs_that_are_not_wrong() -> None:
    """What NumPy takes: lists, Fortran order, strides, read-only memory, no rows, Python numbers."""
    readonly = X_.copy()
    readonly.flags.writeable = False
    for x in (X_.tolist(), np.asfortranarray(X_), np.ones((7, 6))[:, ::2], readonly):
        loss, grads = f(X=x, Y=Y_, W=W_)
        assert loss == 7 * 5 * (3 - 1)**2
        assert (grads["W"] == 2 * 7 * 2).all()
    loss, grads = f(X=X_[:0], Y=Y_[:0], W=W_)
    assert loss == 0 and not grads["W"].any()


def test_each_kind_of_the_page_is_tested() -> None:
    sections = set(re.findall(r"^## (.+)$", PAGE, re.MULTILINE))
    tested = {c[0] for c in (*FORMULAS, *DATA, *BUFFERS)} | {"a cache folder that cannot be used"}
    assert {s.lower() for s in sections} == tested


def test_the_table_of_the_page_is_true() -> None:
    rows = re.findall(r"^\| \[(.+?)\]\(#.+?\) \| `(\w+)` \| (.+?) \|$", PAGE, re.MULTILINE)
    shown = dict(re.findall(r"^## (.+?)\n.*?```text\n(\w+): ", PAGE, re.MULTILINE | re.DOTALL))
    assert [(title.lower(), error) for title, error, _ in rows] == [(title.lower(), error) for title, error in shown.items()]
    for _, error, bases in rows:
        found = {b.__name__ for b in getattr(gc.errors, error).__mro__}
        assert set(re.findall(r"\w+", bases)) <= found
