"""Reads of parts: what is read at fewer points than it has is computed there only. Structure, and values against torch and mpmath."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy as sp

import graphc as gc
from graphc.compiler import Compilation
from graphc.frontend.tensor import Tensor
from graphc.ir.nodes import Comprehension, Input
from graphc.ir.walk import topological
from graphc.passes.canonical import canonicalise
from graphc.passes.conditions import decided, truth
from graphc.passes.simplify import simplify
from graphc.scalar.symbols import INF, NAN, axis_index, extent, over_index, placeholder
from graphc.scalar.table import op, where

a, b, u, v = gc.tensor("A", "n d"), gc.tensor("B", "d n"), gc.tensor("u", "n"), gc.param("v", "n")
i, j, s = gc.indices("i j s")
rng = np.random.default_rng(0)


def computed(tensor):
    """The nodes of the last graph, in order."""
    return [n for n in topological(Compilation([tensor.node], [""]).graph) if not isinstance(n, Input)]


def spaces(tensor):
    """The extents over which the nodes of the last graph loop, the widest first."""
    return sorted({tuple(map(str, n.ranges.values())) for n in computed(tensor)}, key=lambda r: (-len(r), r))


def diagonal(h):
    return gc.array(h[i, i], i)


def values(formula, **data):
    """What the interpreter makes of the formula as written, and the program."""
    return gc.evaluate(formula, **data), gc.compile(formula, wrt=())(**data)


# --- structure ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("formula", "widest"), [
    (diagonal(a @ b), ("n", "d")), (gc.trace(a @ b), ("n", "d")), (gc.trace(gc.tanh(2 * (a @ b))), ("n", "d")), ((a @ b)[0], ("n", "d")),
    (diagonal(gc.exp(a @ b) @ gc.tensor("C", "n n")), ("n", "n", "d")), (diagonal(gc.jacobian(gc.sin(v), v)), ("n",)),
    (gc.trace(gc.hessian(gc.sum(v**4), v)), ("n",)), (diagonal(gc.hessian(gc.sum(gc.exp(v)) + gc.sum(v)**2, v)), ("n",)),
    (gc.array(gc.Sum(gc.where(i == j, (a @ b)[i, j], 0), j), i), ("n", "d")), (gc.sum(gc.jacobian(gc.sin(v), v), axis=1), ("n",)),
    (gc.array(u[i] * gc.Sum(gc.where(i + 1 == j, v[j], 0), j), i), ("n",)),
], ids=lambda x: str(x)[:40])
def test_no_more_than_the_part_is_computed(formula, widest):
    assert spaces(formula)[0] == widest


@pytest.mark.parametrize("formula", [
    gc.trace(a @ b) + gc.sum(gc.exp(a @ b)),                                               # read whole, too
    gc.array((a @ gc.tensor("D", "d c"))[i, gc.labels("t", "n", below="c")[i]], i),        # one column for each row: no product of matrices
    sum((gc.tanh((a @ gc.tensor("E", "d 23"))[:, k:k + 5]) for k in (0, 5, 10, 15)), gc.tensor("f", "n 5")),      # the gates of one product
])
def test_a_product_that_is_better_made_whole_stays(formula):
    assert sum(str(n.body) == "x0*x1" and n.reduce == "sum" for n in computed(formula)) == 1


def test_the_diagonal_of_the_hessian_of_cross_entropy_has_no_condition_on_two_points():
    y = gc.param("y", "n c")
    nodes = computed(gc.array(gc.hessian(gc.losses.cross_entropy(y, gc.labels("t", "n", below="c")), y)[s, j, s, j], (s, j)))
    assert {str(sp.Mul(*n.ranges.values())) for n in nodes} <= {"n", "c*n"}
    assert not any({axis_index(0), axis_index(1)} <= e.free_symbols for n in nodes for e in n.body.atoms(op("eq"), op("ne")))


def test_a_sum_of_a_selection_by_other_axes_is_made_once():
    x = gc.param("x", "n c")
    first = gc.grad(gc.sum(gc.sin(gc.tensor("w", "m c") * x[0])), x)
    assert {frozenset(space) for space in spaces(first)} <= {frozenset("mc"), frozenset("nc")}
    data = {"w": rng.normal(size=(3, 5)), "x": rng.normal(size=(7, 5))}
    want = np.zeros((7, 5))
    want[0] = np.sum(np.cos(data["w"] * data["x"][0]) * data["w"], axis=0)
    for got in values(first, **data):
        np.testing.assert_allclose(got, want, rtol=1e-13)


# --- values -------------------------------------------------------------------------------------------------------------

def test_diagonals_of_products_against_numpy():
    data = {"A": rng.normal(size=(7, 5)), "B": rng.normal(size=(5, 7))}
    want = np.diag(data["A"] @ data["B"])
    for formula, expected in ((diagonal(a @ b), want), (gc.trace(a @ b), want.sum()), (gc.array(gc.Sum(gc.where(i == j, (a @ b)[i, j], 0), j), i), want)):
        for got in values(formula, **data):
            np.testing.assert_allclose(got, expected, rtol=1e-13)


def test_the_diagonal_of_the_hessian_of_cross_entropy_against_torch():
    torch = pytest.importorskip("torch")
    data = {"y": 3 * rng.normal(size=(7, 5)), "t": rng.integers(0, 5, 7)}
    y = gc.param("y", "n c")
    formula = gc.array(gc.hessian(gc.losses.cross_entropy(y, gc.labels("t", "n", below="c")), y)[s, j, s, j], (s, j))
    loss = lambda y: torch.nn.functional.cross_entropy(y, torch.tensor(data["t"]))      # noqa: E731
    want = torch.einsum("ijij->ij", torch.autograd.functional.hessian(loss, torch.tensor(data["y"])))
    for got in values(formula, **data):
        np.testing.assert_allclose(got, want, rtol=1e-11)


def test_a_diagonal_of_a_jacobian_against_mpmath():
    x = [0.5, -1.25, 3.0]
    formula = diagonal(gc.jacobian(gc.tanh(v) * gc.exp(v), v))
    want = [float(mpmath.diff(lambda u: mpmath.tanh(u) * mpmath.exp(u), u)) for u in x]
    for got in values(formula, v=x):
        np.testing.assert_allclose(got, want, rtol=1e-14)


def test_a_sum_with_one_term_ends_where_the_term_does():
    """x[i + 1] at the last i is no term, and what a term not taken would be is not met."""
    formula = gc.array(gc.Sum(gc.where(i + 1 == j, u[i] / v[j], 0), j), i)
    for got in values(formula, u=[1.0, 1.0, 1.0, np.inf], v=[0.0, 2.0, np.nan, -4.0]):
        np.testing.assert_array_equal(got, [0.5, np.nan, -0.25, 0.0])


def test_what_is_empty_stays_empty():
    w = gc.tensor("w", "m")
    first = gc.array(gc.Sum(gc.where(j == 0, v[j], 0), j) + w[i], i)
    mean = gc.where(gc.size("n") > 0, gc.sum(v) / gc.size("n"), -1.0)
    for got in values(first, v=np.zeros(0), w=[1.0, 2.0]):
        np.testing.assert_array_equal(got, [1.0, 2.0])
    for got in values(mean, v=np.zeros(0)):
        assert got == -1.0


def test_a_product_with_what_is_selected_keeps_its_nan():
    """inf * where(i == k, 0, 1) has no NaN off the diagonal; the diagonal has nothing else."""
    eye = gc.array(gc.where(i == j, 0 * v[i], v[j]), (i, j))
    for got in values(diagonal(eye * gc.array(v[j] + 0 * v[i], (i, j))), v=[np.inf, 1.0, np.nan]):
        np.testing.assert_array_equal(got, [np.nan, 0.0, np.nan])


def test_nothing_cancels_on_a_diagonal():
    x = gc.tensor("x", "n n")
    formula = x * gc.array(gc.where(i == j, 1 / x[i, j], 1), (i, j))
    for got in values(diagonal(formula), x=[[np.inf, 2.0], [3.0, 0.0]]):
        np.testing.assert_array_equal(got, [np.nan, np.nan])


# --- conditions -----------------------------------------------------------------------------------------------------------

i0, j0, n, x0, x1 = axis_index(0), over_index(0), extent("n"), placeholder(0), placeholder(1)
eq, ne, lt, ge, both, either, no = (op(name) for name in "eq ne lt ge and_ or_ not_".split())


@pytest.mark.parametrize(("condition", "want"), [
    (eq(i0, i0), 1), (ne(i0, i0), 0), (eq(i0, i0 + 1), 0), (lt(i0, n), 1), (ge(i0, n), 0), (eq(i0, n), 0), (ge(n, 1), 1), (ge(extent("m"), 1), None),
    (ge(i0 + extent("m"), 0), 1), (ge(i0 + extent("m"), 1), None), (lt(j0, i0), None), (ge(i0, 0), 1),
    (op("le")(j0, n - 1), 1), (op("gt")(j0, n - 1), 0), (eq(i0, j0), None), (eq(i0, 1), None), (eq(x0, x0), None), (lt(x0, x0 + 1), None),
    (eq(NAN, NAN), None), (lt(i0, NAN), None), (lt(i0, INF), None), (no(eq(i0, i0)), 0), (either(eq(x0, x1), ne(x1, x0)), 1), (both(eq(x0, x1), ne(x0, x1)), 0),
    (both(eq(x0, x1), eq(i0, i0)), eq(x0, x1)), (either(eq(x0, x1), lt(i0, 0)), eq(x0, x1)), (either(eq(x0, x1), ge(i0, 0)), 1),
    (either(ne(x0, x1), either(ne(x0, x1), eq(x0, 0))), either(ne(x0, x1), eq(x0, 0))), (either(lt(x0, x1), ge(x0, x1)), None),
    (eq(sp.Float(-0.3), sp.Integer(0)), 0), (eq(sp.Float(0.0), sp.Integer(0)), 1), (lt(sp.Float(-0.3), sp.Integer(0)), 1), (both(eq(x0, 0), eq(sp.Float(0.5), sp.Integer(1))), 0),
], ids=str)
def test_what_a_condition_on_indices_is(condition, want):
    assert truth(condition, {i0: n, j0: n}) == (condition if want is None else want)


def test_a_selection_that_cancels_when_decided_stays():
    e = x0 * where(eq(i0, i0), 1 / x0, 0)
    assert decided(e, {i0: n}) == e and decided(x0 * where(ne(i0, i0), x1, 0), {i0: n}) != 0
    assert decided(x0 + where(eq(i0, i0), x1, 0), {i0: n}) == x0 + x1


def test_both_stages_keep_the_meaning():
    formula = gc.array(gc.hessian(gc.sum(gc.exp(a @ b @ v)), v)[i, i], i)
    data = {"A": rng.normal(size=(7, 5)), "B": rng.normal(size=(5, 7)), "v": 0.1 * rng.normal(size=7)}
    want = gc.evaluate(formula, **data)
    for pass_ in (canonicalise, lambda roots: simplify(canonicalise(roots))):
        np.testing.assert_allclose(gc.evaluate(Tensor(pass_([formula.node])[0]), **data), want, rtol=1e-12)
    assert all(isinstance(node, Comprehension) for node in computed(formula))
