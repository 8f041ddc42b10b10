"""Every stage of the pipeline, on every formula of the corpus: the same numbers for the value and for its gradient."""

from __future__ import annotations

import numpy as np
import pytest
from corpus import CORPUS

import graphc as gc
from graphc.frontend.tensor import Tensor
from graphc.ir.interpret import interpret
from graphc.ir.nodes import Comprehension, Input, Read
from graphc.ir.verify import verify
from graphc.ir.walk import inputs_of, topological
from graphc.passes.adjoint import pullback
from graphc.passes.canonical import canonicalise
from graphc.passes.cse import share
from graphc.passes.simplify import simplify
from graphc.passes.squeeze import squeeze
from graphc.passes.stable import stabilise

STAGES = {"share": share, "canonicalise": canonicalise, "stabilise": stabilise, "simplify": simplify, "squeeze": squeeze,
          "share again": share}
CASES = [pytest.param(c, id=c.name) for c in CORPUS]


def same(got, want):
    """Equal to 12 digits, relative to the largest element: a sum may be taken in another order."""
    scale = np.max(np.abs(want), initial=0.0)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13 * scale)


def captured(case):
    """The tensor, a scalar made of it, and the gradient of that, by differentiating the formula as it was captured."""
    tensor, loss = case.tensor(), case.loss()
    (tensor_node, loss_node) = share([tensor.node, loss.node])
    wrt = next(i for i in inputs_of([loss_node]) if i.name == case.wrt(loss))
    (gradient,) = pullback([loss_node], [None], [wrt])
    return [tensor_node, loss_node, gradient], case.data(tensor, loss), wrt


def values(roots, data):
    return [np.asarray(v) for v in gc.evaluate([Tensor(r) for r in roots], **data)]


@pytest.mark.parametrize("case", CASES)
def test_every_stage_keeps_the_numbers(case):
    roots, data, _ = captured(case)
    wanted = values(roots, data)
    before = [(r.dims, r.dtype) for r in roots]
    verify(roots, "capture")
    for stage, function in STAGES.items():
        roots = function(roots)
        verify(roots, stage)
        assert [(r.dims, r.dtype) for r in roots] == before, stage
        used = {i.name for i in inputs_of(roots)}
        for got, want in zip(values(roots, {k: v for k, v in data.items() if k in used}), wanted, strict=True):
            same(got, want)


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_of_the_prepared_graph_is_the_gradient_of_the_captured_one(case):
    (_, loss, gradient), data, wrt = captured(case)
    got = gc.grad(Tensor(loss), Tensor(wrt))
    used = {i.name for i in inputs_of([got.node, gradient])}
    got, want = values([got.node, gradient], {k: v for k, v in data.items() if k in used})
    same(got, np.broadcast_to(want, got.shape))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("stage", ["share", "canonicalise", "stabilise", "simplify"])
def test_a_pass_done_twice_is_done_once(case, stage):
    roots, _, _ = captured(case)
    once = STAGES[stage](roots)
    assert STAGES[stage](once) == once


@pytest.mark.parametrize("case", CASES)
def test_inputs_stay_the_nodes_that_they_are(case):
    """Derivatives are asked for by input: canonicalise and stabilise must not copy one."""
    roots, _, _ = captured(case)
    given = set(inputs_of(roots))
    assert set(inputs_of(stabilise(canonicalise(roots)))) <= given


def text(roots):
    """A graph in words that do not depend on identity."""
    number = {n: k for k, n in enumerate(topological(roots))}

    def index(e):
        return f"{number[e.operand]}{[index(i) for i in e.index]}" if isinstance(e, Read) else str(e)
    return [n.name if isinstance(n, Input) else f"{type(n).__name__} {n.dims} {n.over} {n.reduce} {n.body} {[index(r) for r in n.reads]} {n.origin}"
            for n in number]


@pytest.mark.parametrize("case", CASES)
def test_passes_are_deterministic(case):
    def run():
        roots, _, _ = captured(case)
        for function in STAGES.values():
            roots = function(roots)
        return text(roots)
    assert run() == run()


def deep(levels):
    y = x = gc.tensor("x", "n d")
    for _ in range(levels):
        y = gc.sin(y) + 1
    return x, y


def test_passes_take_graphs_deeper_than_the_stack():
    levels = 1500
    _, y = deep(levels)
    t = gc.labels("t", "n", below="d")
    roots = [gc.sum(y).node, y[gc.arange("n"), t].node]
    for stage, function in STAGES.items():
        roots = function(roots)
        verify(roots, stage)
    assert sum(isinstance(n, Comprehension) for n in topological(roots)) == 4 * levels + 1


class Counted:
    """How often a function of a module is called."""

    def __init__(self, monkeypatch, module, name):
        self.calls, original = 0, getattr(module, name)

        def counted(*args, **kwargs):
            self.calls += 1
            return original(*args, **kwargs)
        monkeypatch.setattr(module, name, counted)


def test_work_grows_linearly_with_nodes(monkeypatch):
    from graphc.passes import match
    count = Counted(monkeypatch, match, "unfold")

    def net(layers):
        h = gc.tensor("X", "n d")
        for k in range(layers):
            h = gc.tanh(h @ gc.param(f"W{k}", "d d") + 1 / (1 + gc.exp(-h)))
        before = count.calls
        roots = [gc.sum(gc.log(gc.softmax(h))).node]
        for function in STAGES.values():
            roots = function(roots)
        return count.calls - before
    net(2)
    ten, forty = net(10), net(40)
    assert 0 < forty <= 4.2 * ten


def test_interpreter_sees_the_same_in_float32():
    case = next(c for c in CORPUS if c.name == "cross_entropy_by_index")
    roots, data, _ = captured(case)
    data = {k: v.astype(np.float32) if v.dtype == float else v for k, v in data.items()}
    wanted = values(roots, data)
    for function in STAGES.values():
        roots = function(roots)
    for got, want in zip(values(roots, data), wanted, strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6)


def test_an_empty_graph():
    assert all(function([]) == [] for function in STAGES.values())
    assert interpret([], {}, {}) == {}


def test_a_guard_goes_where_zero_times_the_derivative_is_zero_anyway():
    """bce's derivatives are bounded, those of y log x are not."""
    x, y = gc.param("x", "n"), gc.tensor("y", "n")
    program = gc.compile(gc.losses.bce_with_logits(x, y), dtype="float64")
    assert " if " not in program.source
    a, b = np.array([np.inf, -np.inf, np.inf, -np.inf, np.nan, 2.0]), np.array([1, 0, 0, 1, 1, 0.25])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(program(x=a, y=b)[1]["x"], (1 / (1 + np.exp(-a)) - b) / 6, atol=1e-16)
    assert " if " in gc.compile(gc.sum(gc.xlogy(y, x)), dtype="float64").source
