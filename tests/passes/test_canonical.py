"""canonicalise, simplify and share: the structure that each promises, and the values where a shortcut could lose them."""

from __future__ import annotations

import numpy as np
import pytest

import graphc as gc
from graphc.errors import FormulaError
from graphc.frontend.tensor import Tensor
from graphc.ir.nodes import Comprehension, Input, Read
from graphc.ir.walk import topological
from graphc.passes.canonical import canonicalise
from graphc.passes.cse import share
from graphc.passes.simplify import simplify


def bodies(tensor, pass_=canonicalise):
    """The nodes of a graph after a pass: reduction and body."""
    return [f"{n.reduce or 'map'} {n.body}" for n in topological(pass_([tensor.node])) if not isinstance(n, Input)]


def value(tensor, pass_, **data):
    return gc.evaluate(Tensor(pass_([tensor.node])[0]), **data)


x, y = gc.tensor("x", "n c"), gc.tensor("y", "n c")
t = gc.labels("t", "n", below="c")


# --- canonicalise -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("a", "b"), [
    (x * x, x**2), (gc.square(x), x**2), (x**2.0, x**2), (-1 * x, -x), (-(-(-x)), -x), (x / 2, 0.5 * x), (x**0.5, gc.sqrt(x)),
    (gc.sum(gc.sum(x, axis=1)), gc.sum(x)), (gc.sum(gc.sum(x, axis=1, keepdims=True)), gc.sum(x, axis=(0, 1))),
    (gc.sum(gc.sum(x, axis=0)), gc.sum(x.T)), (x + x, 2 * x),
], ids=str)
def test_one_form_for_what_is_one(a, b):
    assert bodies(a) == bodies(b)


def test_two_negations_are_none():
    assert canonicalise([(-(-x)).node]) == [x.node]


@pytest.mark.parametrize("formula", [x - x, x / x, x * (1 / x), x - x * y + x * y, x**2 / x], ids=str)
def test_nothing_cancels(formula):
    """NaN and infinity stay: x - x is not 0 where x is infinite."""
    data = {"x": np.array([[np.inf, np.nan, 0.0]]), "y": np.array([[1.0, 2.0, np.inf]])}
    used = {i.name: data[i.name] for i in topological([formula.node]) if isinstance(i, Input)}
    want = gc.evaluate(formula, **used)
    for pass_ in (canonicalise, simplify):
        np.testing.assert_array_equal(value(formula, pass_, **used), want)


def test_a_sum_that_is_read_elsewhere_stays():
    rows = gc.sum(x, axis=1)
    assert bodies(gc.sum(rows) + gc.sum(rows**2)).count("sum x0") == 3


def test_a_sum_of_a_running_sum_stays_two_loops():
    """One sum over both indices would be quadratic; the running sum is linear."""
    reduced = [n for n in topological(canonicalise([gc.sum(gc.cumsum(x, axis=0)).node])) if getattr(n, "reduce", None)]
    assert [len(n.over) for n in reduced] == [1, 2]


def test_a_sum_of_a_product_of_matrices_stays_a_product():
    nodes = topological(canonicalise([gc.sum(x @ gc.tensor("w", "c d")).node]))
    assert [str(n.body) for n in nodes if getattr(n, "reduce", None)] == ["x0*x1", "x0"]


def sizes_of_maps(tensor):
    return [tuple(map(str, n.dims)) for n in topological(canonicalise([tensor.node])) if isinstance(n, Comprehension) and n.reduce is None]


def test_a_gather_of_a_map_is_a_map_of_gathers():
    assert sizes_of_maps(gc.exp(2 * x)[gc.arange("n"), t]) == [("n",), ("n",)]
    assert sizes_of_maps(gc.sum(gc.exp(x)[:, 2])) == [("n",)]
    assert sizes_of_maps(gc.trace(gc.exp(gc.tensor("a", "n n")))) == [("n",)]


def test_a_map_read_at_as_many_points_or_more_stays_whole():
    table, labels = gc.tensor("table", "m d"), gc.labels("k", "n", below="m")
    assert sizes_of_maps(gc.tanh(table)[labels]) == [("m", "d"), ("n", "d")]
    assert sizes_of_maps(gc.exp(x)[1:] - gc.exp(x)[:-1]) == [("n", "c"), ("n", "c"), ("n - 1", "c")]


def test_a_guarded_gather_stays_guarded():
    safe = gc.labels("u", "n", below="c", ignore=-1)
    i, = gc.indices("i")
    e = gc.exp(x)
    formula = gc.array(gc.where(safe[i] >= 0, e[i, safe[i]], 0.0), i)
    assert value(formula, canonicalise, x=[[0.0, 1.0], [2.0, 3.0]], u=[1, -1]) == pytest.approx([np.e, 0.0])


# --- simplify ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("a", "b"), [
    (gc.stop_gradient(x) * y, x * y), (2 * (0.5 * x) + y, x + y), (3 * (2 * x), 6 * x), (x * 1 + 0, x + 0),
    (gc.where(x > 0, y, y), y + 0), (-(x / 3) * 6, -2 * x),
], ids=str)
def test_simple_forms(a, b):
    assert simplify([a.node]) == simplify([b.node]) or bodies(a, simplify) == bodies(b, simplify)


def test_a_value_held_constant_is_the_value():
    assert simplify([gc.stop_gradient(x).node]) == [x.node]


def test_selections_of_one_condition():
    from graphc.frontend.elementwise import elementwise
    from graphc.scalar.table import op
    where, gt = op("where"), op("gt")

    def nested(a, b):
        return where(gt(a, 0), where(gt(a, 0), a, b), where(gt(a, 0), b, a * b))
    assert bodies(elementwise(nested, [x, y], "nested"), simplify) == ["map where(gt(x0, 0), x0, x0*x1)"]


def test_sums_of_what_does_not_depend_on_the_index():
    u = gc.tensor("u", "n")
    spread = gc.sum(gc.broadcast_to(u, "m n"))
    assert bodies(spread, simplify) == ["sum m*x0"]
    assert value(gc.sum(gc.broadcast_to(u, "3 n"), axis=0), simplify, u=[1.0, 2.0]) == pytest.approx([3.0, 6.0])


def test_zero_times_a_value_keeps_its_nan():
    assert np.isnan(value(gc.sum(0 * x), simplify, x=[[np.nan]]))


# --- share ------------------------------------------------------------------------------------------------------------

def test_equal_nodes_are_one():
    built = (gc.exp(x) + y) * (y + gc.exp(x)) - gc.sum(gc.exp(x))
    assert sum("exp" in b for b in bodies(built, share)) == 1
    assert bodies(built, share).count("map x0 + x1") == 1


def test_what_differs_in_one_thing_stays_two():
    pairs = [(gc.sum(x, axis=0), gc.sum(x, axis=1)), (gc.sum(x, axis=0), gc.max(x, axis=0)), (x - y, y - x), (x[1:], x[:-1]),
             (gc.exp(x), gc.expm1(x)), (gc.sum(x > 0), gc.sum(y > 0)), (gc.max(x, axis=0), gc.argmax(x, axis=0))]
    for a, b in pairs:
        assert len(set(share([a.node, b.node]))) == 2


def test_shared_roots_are_one_node_in_every_place():
    first, second, third = share([gc.exp(x).node, y.node, gc.exp(x).node])
    assert first is third and second is y.node


def test_inputs_of_one_name_are_one_if_declared_alike():
    again = gc.tensor("x", "n c")
    (node,) = share([(x + again).node])
    assert node.reads[0].operand is node.reads[1].operand is x.node


@pytest.mark.parametrize("other", [lambda: gc.tensor("x", "c n").T, lambda: gc.param("x", "n c"), lambda: gc.labels("x", "n c", below=3)])
def test_inputs_of_one_name_declared_differently_are_an_error_that_names_both_lines(other):
    here = gc.tensor("x", "n c")
    there = other()
    with pytest.raises(FormulaError, match=r"'x' and declared differently.*test_canonical.py:\d+.*test_canonical.py:\d+") as caught:
        share([(here + there).node])
    lines = {str(i.origin) for i in topological([here.node, there.node]) if isinstance(i, Input)}
    assert all(line in str(caught.value) for line in lines)


def test_a_gather_compares_by_what_it_reads():
    u = gc.labels("u", "n", below="c")
    rows = gc.arange("n")
    assert len(set(share([x[rows, t].node, x[rows, u].node]))) == 2
    assert len(set(share([x[rows, t].node, x[rows, t].node]))) == 1
    assert isinstance(share([x[rows, t].node])[0].reads[0].index[1], Read)
