"""The cost model: polynomials that can be counted by hand."""

import sympy as sp

import graphc as gc
from graphc.compiler import Compilation
from graphc.loops.cost import cost_of
from graphc.loops.statements import Call, Product, leaves


def steps(loss):
    compilation = Compilation([loss.node, *(g.node for g in gc.grad(loss).values())], [""] * (1 + len(gc.grad(loss))))
    program = compilation.loops
    return [cost_of(s, program) for s in leaves(program.body) if isinstance(s, Call | Product)], {s.name: s for s in program.sizes}


def test_softmax_cross_entropy_moves_its_logits_once():
    y, t = gc.param("y", "n c"), gc.labels("t", "n", below="c")
    (cost,), size = steps(gc.losses.cross_entropy(y, t))
    n, c = size["n"], size["c"]
    assert sp.expand(cost.reads - (4 * n * c + 8 * n)) == 0
    assert sp.expand(cost.writes - 4 * n * c) == 0
    assert sp.expand(cost.calls["exp"] - n * (c + 1)) == 0                  # and the label's own, exp(-inf)
    assert sp.Poly(cost.flops, n, c).coeff_monomial(n * c) <= 9


def test_squared_error():
    x, y = gc.param("x", "n"), gc.tensor("y", "n")
    (cost,), size = steps(gc.sum((x - y) ** 2))
    n = size["n"]
    assert (cost.reads, cost.writes, cost.flops) == (8 * n, 4 * n, 4 * n)  # difference, square, sum, twice the difference
    assert "1/3 a byte" in str(cost)


def test_products_of_a_linear_layer():
    X, W, t = gc.tensor("X", "n d"), gc.param("W", "d c"), gc.labels("t", "n", below="c")
    (forward, rows, back), size = steps(gc.losses.cross_entropy(X @ W, t))
    n, d, c = (size[k] for k in "ndc")
    assert forward.flops == back.flops == 2 * n * d * c
    assert forward.writes == 0 and rows.writes == 0 and back.writes == 4 * c * d                  # logits and cotangent are one tile
    assert sp.expand(forward.reads - 4 * n * d - 4 * d * c) == 0


def test_explain_shows_costs_and_what_was_saved():
    X, W, t = gc.tensor("X", "n d"), gc.param("W", "d c"), gc.labels("t", "n", below="c")
    text = gc.compile(gc.losses.cross_entropy(X @ W, t)).explain().split("== cost ==")[1].split("==")[0]
    assert "XW = X @ W" in text and "W_bar = X.T @ XW" in text and "2*c*d*n flops" in text
    assert "tiles of n: XW has c*rows elements, c*n without tiles" in text
    assert "is kept in the rows of XW, c elements less" in text and "total is kept in XW, c*rows elements less" in text
    x, p = gc.param("x", "n m"), gc.tensor("p", "m")
    text = gc.compile(gc.sum(gc.softmax(x + p, axis=1) ** 2)).explain()
    assert "is computed again" in text and "flops each in place of keeping m*n elements" in text
