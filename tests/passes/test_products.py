"""A B + C B = (A + C) B: where it holds, how many products are left, and that the gradient is that of finite differences."""

import numpy as np
import pytest

import graphc as gc

N, D = 17, 5


def _gram(F, G):
    return gc.sum((F @ F.T/D - G)**2)


def _covariance(F, G):
    return gc.sum((F.T @ F)**2) + gc.sum(G)


def _cosine(F, G):
    norm = gc.sqrt(gc.sum(F**2, axis=1, keepdims=True))
    return gc.sum(gc.tanh(F @ F.T/(norm*norm.T) - G.T))


def _scaled_by_all(F, G):
    K = F @ F.T
    return gc.sum((K/gc.sqrt(gc.sum(K**2)) - G)**2)


def _row_sums(F, G):
    return -gc.sum(gc.log_softmax(F @ F.T - G, axis=1)[:, 0])


def _two_weights(F, G):
    return gc.sum((G @ F + (G*G) @ F)**2)


# the products that are left in value and gradient: K, and (R + R') F; a sum of each row would need other rows of K
LOSSES = {_gram: 2, _covariance: 2, _cosine: 2, _scaled_by_all: 2, _row_sums: 3, _two_weights: 2}


@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__[1:])
def test_one_product(loss):
    F, G = gc.param("F", "n d"), gc.tensor("G", "n n")
    f = gc.compile(loss(F, G), dtype="float64")
    rng = np.random.default_rng(0)
    data = {"F": rng.normal(size=(N, D)), "G": rng.normal(size=(N, N))}
    value, grads = f(**data)
    direction = rng.normal(size=(N, D))
    h = 1e-6
    up, down = (f(F=data["F"] + s*h*direction, G=data["G"])[0] for s in (1, -1))
    np.testing.assert_allclose(np.sum(grads["F"]*direction), (up - down)/(2*h), rtol=1e-6, atol=1e-6)
    assert f.source.count(" matmul(") == LOSSES[loss]
