"""Each law of the verifier, by a graph that breaks it; and what a stage promises."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sympy as sp

import graphc as gc
from graphc.errors import InternalError
from graphc.frontend.index import Unresolved
from graphc.ir.nodes import Comprehension, Input, Read, Scatter
from graphc.ir.verify import LAWS, STAGE_LAWS, verify
from graphc.passes.prepare import prepare
from graphc.scalar.symbols import axis_index, extent, over_index, placeholder
from graphc.scalar.table import op

n, c = extent("n"), extent("c")
i0, i1, j0, x0, x1 = axis_index(0), axis_index(1), over_index(0), placeholder(0), placeholder(1)
X = Input("x", "float", (n, c))
T = Input("t", "int", (n,), below=c)
GOOD = Comprehension((n,), (c,), "sum", sp.exp(x0).replace(sp.exp, op("exp")), (Read(X, (i0, j0)),), "float")


def cyclic():
    node = replace(GOOD, reads=(Read(GOOD, (i0,)),))
    object.__setattr__(node, "reads", (Read(node, (i0,)),))
    return node


BROKEN = {
    "a node reads nodes that come before it": cyclic,
    "extents are integers and polynomials in declared dims": lambda: replace(GOOD, axes=(Unresolved("i"),)),
    "a node has a reduce iff it has reduced indices": lambda: replace(GOOD, reduce=None),
    "a body's placeholders are the reads and its indices the node's own": lambda: replace(GOOD, body=x0 + x1),
    "a dtype is the kind of the body, or wider": lambda: replace(GOOD, dtype="int"),
    "a read has an index for each dim of its operand, in the node's own indices": lambda: replace(GOOD, reads=(Read(X, (i0,)),)),
}
MORE = {
    "a negative extent": lambda: replace(GOOD, axes=(sp.Integer(-1),)),
    "a fractional extent": lambda: Input("h", "float", (sp.Rational(1, 2),)),
    "an unknown reduction": lambda: replace(GOOD, reduce="median"),
    "a map with a reduction's name": lambda: Comprehension((n,), (), "sum", x0, (Read(X, (i0, i0)),), "float"),
    "a read that the body leaves out": lambda: replace(GOOD, body=sp.Integer(1)),
    "another node's index in the body": lambda: replace(GOOD, body=x0 * i1),
    "an unknown dtype": lambda: Input("z", "complex", (n,)),
    "a position that is no integer": lambda: replace(GOOD, reduce="argmax"),
    "another node's index in a read": lambda: replace(GOOD, reads=(Read(X, (i0, i1)),)),
    "a float as an index": lambda: replace(GOOD, reads=(Read(X, (i0, Read(GOOD, (i0,)))),)),
    "a gather of too few indices": lambda: replace(GOOD, reads=(Read(X, (i0, Read(T, ()))),)),
    "an index that is no expression": lambda: replace(GOOD, reads=(Read(X, (i0, 3.5)),)),
    "an index past the dim": lambda: replace(GOOD, reads=(Read(X, (i0, j0 + 1)),)),
    "a scatter of another rank": lambda: Scatter((n, c), (j0,), (n,), x0, (Read(T, (j0,)),), "float"),
    "a scatter by another's index": lambda: Scatter((n,), (i0,), (n,), x0, (Read(T, (j0,)),), "float"),
}


def test_every_law_has_a_graph_that_breaks_it():
    assert set(BROKEN) == {"a node reads nodes that come before it", *LAWS}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_law_is_named(text):
    with pytest.raises(InternalError, match="bug in graphc") as caught:
        verify([BROKEN[text]()], "fuse")
    assert f"the law '{text}' is broken after fuse" in str(caught.value)


@pytest.mark.parametrize("text", MORE)
def test_other_ways_to_break_a_law(text):
    with pytest.raises(InternalError):
        verify([MORE[text]()])


def test_what_is_well_formed_passes():
    guarded = Comprehension((n, c), (), None, op("where")(op("lt")(i1, c - 1), x0, 0), (Read(X, (i0, i1 + 1)),), "float")
    gathered = Comprehension((n,), (), None, x0, (Read(X, (i0, Read(T, (i0,)))),), "float")
    scattered = Scatter((c,), (Read(T, (j0,)),), (n,), x0, (Read(gathered, (j0,)),), "float")
    verify([GOOD, guarded, gathered, scattered, X], "capture")
    verify([])


STAGES = {
    "canonicalise": lambda x: gc.exp(Tensor_view(x)),
    "stabilise": lambda x: gc.log(gc.sum(gc.exp(x))),
    "simplify": lambda x: gc.stop_gradient(x),
    "squeeze": lambda x: gc.stop_gradient(x),
    "share": lambda x: x + gc.tensor("x", "n c"),
    "share again": lambda x: x + gc.tensor("x", "n c"),
}


def Tensor_view(x):
    """A transposed tensor as a node, which the frontend would read past."""
    from graphc.frontend.tensor import Tensor
    view = Comprehension((c, n), (), None, x0, (Read(x.node, (i1, i0)),), "float")
    object.__setattr__(view, "body", x0)
    return _reading(view, Tensor)


def _reading(view, tensor):
    return tensor(Comprehension((c, n), (), None, op("exp")(x0), (Read(view, (i0, i1)),), "float"))


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_keeps_its_own_law(stage):
    root = STAGES[stage](gc.tensor("x", "n c")).node
    verify([root], "capture")
    with pytest.raises(InternalError, match=f"broken after {stage}"):
        verify([root], stage)


def test_stages_with_laws():
    prepare([])
    import graphc.passes.cse
    import graphc.passes.simplify  # noqa: F401
    assert set(STAGE_LAWS) == set(STAGES)
