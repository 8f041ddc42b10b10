"""A B + C B = (A + C) B: where it holds, how many products are left, and that the numbers stay."""

import numpy as np
import pytest

import graphc as gc
from graphc.compiler import Compilation
from graphc.frontend.tensor import Tensor
from graphc.ir.classify import product_operands
from graphc.ir.nodes import Comprehension
from graphc.ir.walk import topological
from graphc.passes.cse import share
from graphc.passes.simplify import simplify

N, D = 17, 5


def _gram(F, G):
    return gc.sum((F @ F.T/D - 2)**2) + gc.sum(G)


def _target(F, G):
    return gc.sum((F @ F.T/D - G)**2)


def _negative(F, G):
    return gc.sum(gc.exp(-F @ F.T/D)*G)


def _covariance(F, G):
    return gc.sum((F.T @ F)**2) + gc.sum(G)


def _cosine(F, G):
    norm = gc.sqrt(gc.sum(F**2, axis=1, keepdims=True))
    return gc.sum(gc.tanh(F @ F.T/(norm*norm.T) - gc.mean(G)))


def _scaled_by_all(F, G):
    K = F @ F.T
    return gc.sum((K/gc.sqrt(gc.sum(K**2)) - gc.mean(G))**2)


def _row_sums(F, G):
    return -gc.sum(gc.log_softmax(F @ F.T - G, axis=1)[:, 0])


def _two_weights(F, G):
    return gc.sum((G @ F + (G*G) @ F)**2)


# The products that are left in value and gradient: K, and (R + R') F. A sum of each row would need other rows of K.
LOSSES = {_gram: 2, _covariance: 2, _cosine: 2, _scaled_by_all: 2, _two_weights: 2, _target: 2, _negative: 2, _row_sums: 3}


def _products(outputs):
    """How many products of matrices a graph has."""
    graph = simplify(share([t.node for t in outputs]))
    return sum(product_operands(n) is not None and len(n.axes) == 2 for n in topological(graph) if isinstance(n, Comprehension))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__[1:])
def test_one_product(loss):
    F, G = gc.param("F", "n d"), gc.tensor("G", "n n")
    L = loss(F, G)
    made = Compilation([L.node, gc.grad(L, F).node], ["L", "F_bar"])
    assert _products(map(Tensor, made.graph)) == LOSSES[loss]
    rng = np.random.default_rng(0)
    data = {"F": rng.normal(size=(N, D)), "G": rng.normal(size=(N, N))}
    for got, want in zip(*(gc.evaluate([Tensor(r) for r in roots], **data) for roots in (made.graph, made.captured)), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


def test_gradient_of_cosines():
    torch = pytest.importorskip("torch")
    F = gc.param("F", "n d")
    f = gc.compile(_cosine(F, gc.tensor("G", "n n")), dtype="float64")
    rng = np.random.default_rng(1)
    given, other = rng.normal(size=(N, D)), rng.normal(size=(N, N))
    x = torch.tensor(given, requires_grad=True)
    norm = x.norm(dim=1, keepdim=True)
    torch.tanh(x @ x.T/(norm*norm.T) - other.mean()).sum().backward()
    np.testing.assert_allclose(f(F=given, G=other)[1]["F"], x.grad.numpy(), rtol=1e-10, atol=1e-12)


def test_products_that_others_read_too_are_not_joined():
    F, G = gc.param("F", "n d"), gc.tensor("G", "n n")
    y, z = G @ F, (G*G) @ F
    assert _products([y + z]) == 1
    assert _products([y, z, y + z]) == _products([y, y + z]) == 2


def test_transposes_of_long_chains_with_two_readers():
    """R is a chain of maps, each of which reads the one before twice: as deep as it is, and as wide as it is deep."""
    F = gc.param("F", "n d")
    R = F @ F.T
    for _ in range(2000):
        R = gc.sin(R)*gc.cos(R)
    assert _products([R @ F + R.T @ F]) == 2
