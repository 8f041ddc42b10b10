"""Text formulas: the grammar against Python's own parser, values against NumPy, errors against what they must say."""

from __future__ import annotations

import ast
import inspect
import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphc as gc
from graphc.errors import DimError, DtypeError, FormulaError, GraphcError
from graphc.frontend.tensor import Tensor
from graphc.frontend.text import parse
from graphc.frontend.text.declarations import declare
from graphc.frontend.text.grammar import MAX_DEPTH, Call
from graphc.frontend.text.names import functions
from graphc.frontend.text.pratt import parse_steps
from graphc.frontend.text.tokens import MAX_DIGITS, MAX_TEXT, tokenize
from graphc.ir.walk import inputs_of

RNG = np.random.default_rng(7)
DATA = {"X": RNG.normal(size=(7, 3)), "Y": RNG.normal(size=(7, 5)), "W": RNG.normal(size=(3, 5)), "t": RNG.integers(0, 5, 7), "lam": 0.5}
DIMS = {"X": "n d", "Y": "n c", "W": "d c", "t": "n int<c", "lam": ""}


def value(formula: str, **more: object) -> np.ndarray:
    parsed = parse(formula, **DIMS)
    used = {i.name for i in inputs_of([parsed.node])}
    return gc.evaluate(parsed, **{k: v for k, v in (DATA | more).items() if k in used})


# --- the grammar, against Python's parser -----------------------------------------------------------------------------

OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.MatMult: "@", ast.Pow: "**",
             ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.USub: "-", ast.UAdd: "+", ast.Invert: "~", ast.Lt: "<", ast.LtE: "<=",
             ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}


def postfix(e: ast.AST | None) -> list[tuple[str, object]]:
    """Python's tree as the steps that the formula parser must give."""
    match e:
        case None:
            return [("value", None)]
        case ast.Expression(body):
            return postfix(body)
        case ast.Constant(v):
            return [("value", v)]
        case ast.Name(name):
            return [("name", name)]
        case ast.UnaryOp(op, a):
            return [*postfix(a), ("unary", OPERATORS[type(op)])]
        case ast.BinOp(a, op, b):
            return [*postfix(a), *postfix(b), ("binary", OPERATORS[type(op)])]
        case ast.Compare(a, [op], [b]):
            return [*postfix(a), *postfix(b), ("binary", OPERATORS[type(op)])]
        case ast.Subscript(a, key):
            return [*postfix(a), *postfix(key), ("subscript", None)]
        case ast.Slice(a, b, c):
            return [*postfix(a), *postfix(b), *postfix(c), ("slice", None)]
        case ast.Tuple(items):
            return [*(s for i in items for s in postfix(i)), ("tuple", len(items))]
        case ast.List(items):
            return [*(s for i in items for s in postfix(i)), ("list", len(items))]
        case ast.Call(f, args, keywords):
            method = isinstance(f, ast.Attribute)
            parts = [*(postfix(f.value) if method else []), *(s for a in args for s in postfix(a)), *(s for k in keywords for s in postfix(k.value))]
            return [*parts, ("call", Call(f.attr if method else f.id, len(args), tuple(k.arg for k in keywords), method))]
        case ast.Attribute(a, name):
            return [*postfix(a), ("attribute", name)]
    raise AssertionError(ast.dump(e))


def assert_as_python(text: str) -> None:
    assert [(s.do, s.what) for s in parse_steps(text).steps] == postfix(ast.parse(f"({text})", mode="eval"))


@pytest.mark.parametrize("text", [
    "-x**2", "2**-x", "a**b**c", "-a**-b**-c", "(-a)**2", "a - b - c", "a/b/c*d", "a@b*c@d", "-a*b", "a*-b", "a - -b", "--a", "~a & b | c ^ d",
    "a + b < c * d", "a & b == c", "(a < b) & (b < c)", "a | b < c ^ d", "x[1:]", "x[:-1, ::2]", "x[..., None]", "x[a:b:c, d]", "x[i, j + 1]",
    "x[i,]", "x.T @ x", "-x.T[0]", "f(a)", "f(a, b, k=c)", "x.sum(axis=0).T[1]**2", "f(x, axis=(0, 1))", "f([a, b], k='c',)", "()", "(a,)", "(a)",
    "[]", "1_000 + .5 + 3. + 1e-3 + 2E+5", "f(x, keepdims=True)[None]", "x['n']", "a // b % c", "λ * Δx", "a\n + b", "1.5e3.T", "x[f(a)[b]]"])
def test_precedence_is_pythons(text: str) -> None:
    assert_as_python(text)


def _expressions() -> st.SearchStrategy[str]:
    atoms = st.sampled_from(["a", "b", "x", "2", "0.5", "1e-3", "x.T", "f(a)", "x[i]", "x[1:, None]"])
    binary = st.sampled_from("+ - * / // % @ ** & | ^".split())

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.tuples(inner, binary, inner).map(lambda p: f"{p[0]} {p[1]} {p[2]}"), inner.map(lambda e: f"({e})"),
            st.tuples(st.sampled_from("+-~"), inner).map("".join), inner.map(lambda e: f"f({e}, k={e})"), inner.map(lambda e: f"x[{e}, {e}:]"),
            st.tuples(inner, inner).map(lambda p: f"({p[0]} <= {p[1]})"), inner.map(lambda e: f"({e}).sum(axis=0)"))
    return st.recursive(atoms, grow, max_leaves=12)


@given(_expressions())
@settings(max_examples=300)
def test_grouping_is_pythons_for_random_expressions(text: str) -> None:
    assert_as_python(text)


@given(st.lists(st.sampled_from("X W lam t i 2 0.5 9 + - * / ** @ ( ) [ ] , : . T sum Sum exp axis= 'n' None == < & ~ ... size('n') x.y = where".split()),
                max_size=14).map(" ".join))
@settings(max_examples=400)
def test_any_text_gives_a_tensor_or_a_graphc_error(text: str) -> None:
    try:
        assert isinstance(parse(text, **DIMS), Tensor)
    except GraphcError as error:
        assert str(error)


# --- what formulas mean -----------------------------------------------------------------------------------------------

def test_the_loss_of_the_lecture_and_its_tensors() -> None:
    loss = parse("sum((X@W - Y)**2) + lam*sum(abs(W))", X="n d", W="d c", Y="n c", lam="")
    X, Y, W = DATA["X"], DATA["Y"], DATA["W"]
    data = dict(X=X, Y=Y, W=W, lam=0.5)
    assert np.isclose(gc.evaluate(loss, **data), ((X @ W - Y)**2).sum() + 0.5 * abs(W).sum(), rtol=1e-14)
    assert list(loss.tensors) == ["X", "W", "Y", "lam"]
    gradient = gc.evaluate(gc.grad(loss, loss.tensors["W"]), **data)
    np.testing.assert_allclose(gradient, 2 * X.T @ (X @ W - Y) + 0.5 * np.sign(W), rtol=1e-12)
    assert np.isclose(gc.evaluate(2 * loss + 1, **data), 2 * gc.evaluate(loss, **data) + 1)


@pytest.mark.parametrize("formula, expected", [
    ("X.T @ Y", lambda X, Y, W, t, lam: X.T @ Y),
    ("-X[1]**2", lambda X, Y, W, t, lam: -X[1]**2),
    ("X[1:, None, ::2][..., -1]", lambda X, Y, W, t, lam: X[1:, None, ::2][..., -1]),
    ("X.sum(axis=0) + sum(X, axis='n')", lambda X, Y, W, t, lam: 2 * X.sum(axis=0)),
    ("mean(X, axis=(0, 1), keepdims=True)", lambda X, Y, W, t, lam: X.mean(axis=(0, 1), keepdims=True)),
    ("np.exp(X) + gc.exp(X) + exp(X)", lambda X, Y, W, t, lam: 3 * np.exp(X)),
    ("np.linalg.norm(X)", lambda X, Y, W, t, lam: np.linalg.norm(X)),
    ("where((X > 0) & ~(X > 1), X, inf*0 + 1)", lambda X, Y, W, t, lam: np.where((X > 0) & ~(X > 1), X, np.nan)),
    ("Y[arange('n'), t]", lambda X, Y, W, t, lam: Y[np.arange(7), t]),
    ("X² + pi·lam − 1×e", lambda X, Y, W, t, lam: X**2 + math.pi * lam - math.e),
    ("concatenate([X, Y], axis=1)", lambda X, Y, W, t, lam: np.concatenate([X, Y], axis=1)),
    ("einsum('nd,dc->nc', X, W)", lambda X, Y, W, t, lam: X @ W),
    ("2**-1*X", lambda X, Y, W, t, lam: X / 2),
    ("X*10**20", lambda X, Y, W, t, lam: X * 1e20),
    ("7 // 2 + 7 % -4 + 2**3**2 + 0*lam", lambda X, Y, W, t, lam: 7 // 2 + 7 % -4 + 2**3**2),
    ("ln(lam) + atan(lam)", lambda X, Y, W, t, lam: math.log(lam) + math.atan(lam)),
    ("array(Y[s, j] - Y[s, 0], (s, j))", lambda X, Y, W, t, lam: Y - Y[:, :1]),
    ("-Sum(log(exp(Y[s, t[s]]) / Sum(exp(Y[s, j]), j)), s) / size('n')",
     lambda X, Y, W, t, lam: -np.mean(np.log(np.exp(Y[np.arange(7), t]) / np.exp(Y).sum(1)))),
    ("Sum(where(i == j, 0, X[i, k]*X[j, k]), i, j, k)", lambda X, Y, W, t, lam: (X @ X.T).sum() - np.trace(X @ X.T)),
    ("Sum(W[e, c], e, c)", lambda X, Y, W, t, lam: W.sum()),
])
def test_values_are_numpys(formula: str, expected) -> None:                                      # type: ignore[no-untyped-def]
    result = expected(*(DATA[k] for k in ("X", "Y", "W", "t", "lam")))
    np.testing.assert_allclose(value(formula), result, rtol=1e-12)


def test_losses_are_functions_of_a_formula() -> None:
    X, W, Y = DATA["X"], DATA["W"], DATA["Y"]
    for formula in ("losses.mse(X@W, Y)", "mse(X@W, Y)", "gc.losses.mse(X@W, Y)"):
        assert np.isclose(value(formula), ((X @ W - Y)**2).mean(), rtol=1e-14)


def test_functions_are_the_languages_public_ones() -> None:
    public = {name for name in gc.__all__ if callable(getattr(gc, name)) and not isinstance(getattr(gc, name), type)}
    not_of_a_formula = {"tensor", "param", "labels", "scalar", "dims", "indices", "evaluate", "compile", "parse", "render", "formula", "latex",
                        "check", "kinks", "range"}
    assert public - not_of_a_formula <= set(functions())
    assert not set(functions()) & not_of_a_formula


def test_tensors_may_be_given_made() -> None:
    V = gc.param("V", "d c")
    loss = parse("sum(X@A)", X=("n", "d"), A=V)
    assert loss.tensors["A"] is V
    assert list(gc.grad(loss)) == ["V"]
    assert gc.grad(loss)["V"].dims == V.dims


# --- declarations -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, dims, dtype, role", [
    ("n d", "[n, d]", "float", "data"), ("n,d", "[n, d]", "float", "data"), ("", "[]", "float", "data"), ("3, 2*n + 1", "[3, 2*n+1]", "float", "data"),
    ("d c param", "[d, c]", "float", "parameter"), ("d,c,param,float32", "[d, c]", "float", "parameter"), ("n float64", "[n]", "float", "data"),
    ("n int", "[n]", "int", "data"), ("n bool", "[n]", "bool", "data"), ("n int<c", "[n]", "int", "data"), ("n,int,below,c", "[n]", "int", "data")])
def test_declarations(text: str, dims: str, dtype: str, role: str) -> None:
    t = declare("T", text)
    assert (str(list(t.dims)), t.dtype, t.node.role) == (dims, dtype, role)


def test_a_declaration_keeps_precision_bound_and_ignored_labels() -> None:
    assert declare("W", "d param float32").node.precision == "float32"
    labels = declare("t", "n int<c+1 ignore -100, 3").node
    assert (str(labels.below), labels.ignore) == ("c + 1", (-100, 3))


@pytest.mark.parametrize("text, place, says", [
    ("0.5", "0.5", "no size"), ("n int bool", "bool", "at most one"), ("n d!", "!", "unexpected"), ("n int<", "", "expected a dim"),
    ("n + param", "param", "expected a dim"), ("n int ignore x", "x", "whole numbers"), ("n param int", "int", "at most one")])
def test_a_wrong_declaration_is_shown(text: str, place: str, says: str) -> None:
    with pytest.raises(FormulaError, match=says) as caught:
        parse("X", X=text)
    line, caret = str(caught.value).splitlines()[1:3]
    assert caret.strip() == "^" * max(1, len(place))
    assert line[caret.index("^"):].startswith(place)


# --- errors -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("formula, place, says", [
    ("sum((X@Wx - Y)**2)", "Wx", "did you mean 'W'"), ("X + Q", "Q", "declare it"), ("sun(X)", "sun", "did you mean 'sum'"), ("X @@ W", "@ W", "expected"),
    ("sum(X", "(X", "never closed"), ("X)", ")", "closes nothing"), ("X Y", "Y", "written with \\*"), ("2X", "2X", "2\\*X"), ("X < Y < W", "< W", "do not chain"),
    ("X and Y", "and", "write &"), ("L = X", "= X", "without a name"), ("X +", "+", "ends after"), ("X[]", "]", "empty"), ("'abc", "'", "closing quote"),
    ("lambda x: x", "lambda", "no functions"), ("X if Y else W", "if", "where"), ("X.node", "node", "only attribute"), ("X.__class__", "__class__", "only attribute"),
    ("__import__('os')", "__import__", "unknown function"), ("exp", "exp", "is a function"), ("X(2)", "X", "not a function"), ("(X)(W)", "(W)", "only functions"),
    ("sum(X, axis=n)", "n)", "in quotes"), ("sum(X, foo=2)", "sum", "foo"), ("sum(axis=0, X)", "X)", "come before"), ("sum(X, axis=0, axis=1)", "axis=1", "twice"),
    ("x[1:2:3:4]", ":4", "three parts"), ("1/0", "/0", "divides by zero"), ("(-8)**0.5", "**", "not a real"), ("1e999", "1e999", "too large"),
    ("9**9**9**9", "**9**9", "too large"), ("2**10000", "**1", "too large"), ("size('n')**10**9 + size(3)**10**9", "**10**9", "too large"),
    ("5 & 3", "&", "conditions"), ("X $ W", "$", "unexpected"), ("X\n + Q", "Q", "unknown"), ("np.", "", "function's name")])
def test_the_caret_is_under_the_place(formula: str, place: str, says: str) -> None:
    with pytest.raises(FormulaError, match=says) as caught:
        parse(formula, **DIMS)
    lines = str(caught.value).splitlines()
    caret = next(k for k, line in enumerate(lines) if line.strip() and set(line.strip()) == {"^"})
    assert lines[caret - 1][lines[caret].index("^"):].startswith(place)


@pytest.mark.parametrize("formula, error", [("Y + X@X", DimError), ("sum(X, axis=2)", DimError), ("X[lam]", DtypeError), ("~X", DtypeError)])
def test_errors_of_an_operation_keep_their_class_and_get_a_caret(formula: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        parse(formula, **DIMS)
    assert f"    {formula}\n" in str(caught.value)
    assert "test_text.py" in str(caught.value).splitlines()[-1]


def test_a_long_formula_is_shown_in_part() -> None:
    with pytest.raises(FormulaError) as caught:
        parse("sum(X)+" * 300 + "Q + " + "+".join(["lam"] * 300), **DIMS)
    line, caret = str(caught.value).splitlines()[1:3]
    assert len(line) < 130
    assert line[caret.index("^")] == "Q"


def test_only_text_is_parsed() -> None:
    with pytest.raises(FormulaError, match="reads text"):
        parse(3)                                                                                 # type: ignore[arg-type]
    with pytest.raises(FormulaError, match="given when"):
        parse("X", X=np.zeros(3))
    with pytest.raises(FormulaError, match="is a list"):
        parse("[X, X]", X="n")


# --- limits -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("formula", ["(" * 10_000 + "X" + ")" * 10_000, "-" * 5_000 + "X", "X" + "**2" * 3_000, "[" * 5_000, "exp(" * 3_000, "X[" * 3_000,
                                     "(1 + 2*" * 2_000, "size('n')" + " % 5" * 3_000, "square(" * 100 + "size(3)" + ")" * 100])
def test_deep_formulas_are_an_error_at_once(formula: str) -> None:
    with pytest.raises(FormulaError, match="nest|too large"):
        parse(formula, X="n")


def test_nesting_up_to_the_limit() -> None:
    depth = MAX_DEPTH - 1
    assert float(gc.evaluate(parse("(" * depth + "x" + ")" * depth, x=""), x=2.0)) == 2.0
    assert float(gc.evaluate(parse("abs(" * depth + "x" + ")" * depth, x=""), x=-2.0)) == 2.0


def test_a_formula_too_deep_for_what_is_left_of_the_stack() -> None:
    def down(k: int) -> Tensor:
        return down(k - 1) if k else parse("(" * 190 + "x" + ")" * 190, x="")
    with pytest.raises(FormulaError, match="nests deeper"):
        down(sys.getrecursionlimit() - len(inspect.stack()) - 250)


def test_sizes_of_text_and_numbers_are_bounded() -> None:
    with pytest.raises(FormulaError, match="characters"):
        tokenize("+".join(["x"] * MAX_TEXT))
    with pytest.raises(FormulaError, match="digits"):
        parse("1" * (MAX_DIGITS + 1))


def test_twenty_thousand_terms_parse() -> None:
    assert len(parse_steps("+".join(["a"] * 20_000)).steps) == 39_999


def test_a_sum_of_three_thousand_terms_evaluates_and_differentiates() -> None:
    loss = parse("+".join(f"{k}*sum(a**2)" for k in range(3_000)), a="n")
    total = sum(range(3_000))
    assert gc.evaluate(loss, a=[1.0, 2.0]) == 5 * total
    np.testing.assert_array_equal(gc.evaluate(gc.grad(loss, "a"), a=[1.0, 2.0]), [2.0 * total, 4.0 * total])


def test_a_thousand_guarded_terms_differentiate() -> None:
    loss = parse("+".join(f"sum(where(a > {k}, log(a), 0))" for k in range(1_000)), a="n")
    np.testing.assert_array_equal(gc.evaluate(gc.grad(loss, "a"), a=[0.0, 1.0, 4.0]), [0.0, 1.0, 1.0])
