"""Formulas of every kind that the language has, for tests that every stage must pass.

A case is a tensor and data for its inputs. Extents are distinct primes, so that a swapped axis cannot pass. `loss` is the
tensor itself, or a scalar made of it, to differentiate; `wrt` is the float input to differentiate by.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphc as gc
from graphc.ir.interpret import size_of
from graphc.ir.walk import inputs_of

EXTENTS = {"n": 7, "d": 3, "c": 5, "k": 2, "m": 11}


@dataclass(frozen=True)
class Case:
    name: str
    build: Callable[[], gc.Tensor]
    positive: bool = False              # whether its float data must be positive

    def tensor(self) -> gc.Tensor:
        return self.build()

    def loss(self) -> gc.Tensor:
        """A scalar that depends on every element: no symmetry of a plain sum hides an error."""
        t = self.build()
        return gc.sum(gc.sin(t) + t) if t.ndim else t

    def wrt(self, tensor: gc.Tensor) -> str:
        return next(i.name for i in inputs_of([tensor.node]) if i.dtype == "float")

    def data(self, *tensors: gc.Tensor, seed: int = 0) -> dict[str, Any]:
        """Normal numbers, labels below their bound, for the inputs of some tensors."""
        rng = np.random.default_rng(seed)
        found: dict[str, Any] = {}
        for i in sorted(inputs_of([t.node for t in tensors]), key=lambda i: i.name):
            shape = tuple(size_of(s, EXTENTS) for s in i.dims)
            if i.dtype == "float":
                found[i.name] = rng.uniform(0.2, 2.0, shape) if self.positive else rng.normal(size=shape)
            else:
                found[i.name] = rng.integers(0, 2 if i.below is None else size_of(i.below, EXTENTS), shape)
                found[i.name] = found[i.name].astype(bool) if i.dtype == "bool" else found[i.name]
        return found


CORPUS: list[Case] = []


def case(build: Callable[[], gc.Tensor] | None = None, **more: Any) -> Any:
    def add(build: Callable[[], gc.Tensor]) -> Callable[[], gc.Tensor]:
        CORPUS.append(Case(build.__name__, build, **more))
        return build
    return add if build is None else add(build)


def _x() -> gc.Tensor:
    return gc.tensor("x", "n c")


def _linear() -> gc.Tensor:
    return gc.tensor("X", "n d") @ gc.param("W", "d c")


# --- maps and broadcasts ----------------------------------------------------------------------------------------------

@case
def maps():
    x = _x()
    return gc.tanh(x) * gc.exp(-x**2 / 2) + 3 * x - (-(x * -1)) / 4


@case
def squares():
    x = _x()
    return x * x + x**2 - gc.square(x) * 0.5 + (x - x) + x**-2


@case(positive=True)
def powers():
    x = _x()
    return x**1.5 + x**0.5 + gc.sqrt(x) * 2.0**x + gc.log(x) / gc.cbrt(x)


@case
def broadcasts():
    x, row, column, number = _x(), gc.tensor("row", "c"), gc.tensor("column", ("n", 1)), gc.scalar("number")
    return (x - row) * column + number / 3


@case
def selections():
    x = _x()
    return gc.where(x > 0, gc.log(gc.where(x > 0, x, 1.0)), gc.where(x > 0, 7.0, x)) + gc.relu(x) - gc.clip(x, -1, 1) + gc.maximum(x, 0.3)


@case
def guarded_root():
    x = _x()
    return gc.where((x > 0) & (x < 1), gc.sqrt(x), 0 * x)


# --- reductions -------------------------------------------------------------------------------------------------------

@case
def sums():
    x = gc.tensor("x", "n c d")
    return gc.sum(gc.sum(x, axis=2), axis=0) + gc.sum(gc.sum(x**2, axis=0, keepdims=True), axis=(0, 2)) - gc.mean(gc.mean(x, axis=0))


@case
def extremes():
    x = gc.tensor("x", "n c d")
    return gc.max(x, axis=(0, 2)) * gc.min(gc.max(x, axis=1)) + gc.max(gc.max(x, axis=0), axis=1)


@case
def products():
    return gc.prod(_x(), axis=1) + gc.prod(_x())


@case
def moments():
    x = _x()
    return gc.var(x, axis=0, ddof=1) * gc.std(x, axis=0) + (gc.mean(x**2, axis=0) - gc.mean(x, axis=0)**2)


@case
def norms():
    x = _x()
    return gc.norm(x, axis=1) * gc.norm(x, axis=1, ord=1) + gc.norm(x)


@case
def standardised():
    x = _x()
    return (x - gc.mean(x, axis=0)) / gc.sqrt(gc.var(x, axis=0) + 1e-5)


@case
def independent_sums():
    x, y = gc.tensor("x", "n"), gc.tensor("y", "c")
    i, j = gc.indices("i j")
    return gc.Sum(x[i] + 0 * y[j], i, j) + gc.sum(gc.array(x[i] + 0 * y[j], (i, j))**2) + gc.sum(gc.broadcast_to(x, "c n"))


@case
def running():
    x = _x()
    return gc.cumsum(x, axis=0) * gc.cumprod(x, axis=1) + gc.sum(gc.cumsum(x, axis=1))


# --- products of matrices ---------------------------------------------------------------------------------------------

@case
def lecture_regression():
    Y, W, lam = gc.tensor("Y", "n c"), gc.param("W", "d c"), gc.scalar("lam")
    return gc.sum((gc.tensor("X", "n d") @ W - Y)**2) + lam * gc.sum(abs(W))


@case
def gram():
    x = _x()
    return gc.sum((x @ x.T - gc.eye("n"))**2) + gc.trace(x.T @ x) + gc.sum(gc.outer(x[0], x[:, 1]))


@case
def two_layers():
    h = gc.relu(gc.tensor("X", "n d") @ gc.param("V", "d k") + gc.param("b", "k"))
    return gc.mean((gc.tanh(h) @ gc.param("U", "k c") - gc.tensor("Y", "n c"))**2)


@case
def pairs():
    x, y = gc.tensor("x", "n d"), gc.tensor("y", "m d")
    distance = gc.sum((x[:, None, :] - y[None, :, :])**2, axis=2)
    return gc.sum(gc.exp(-distance / 2)) - gc.mean(gc.min(distance, axis=1))


@case
def einsums():
    return gc.einsum("nc,cd,nd->n", _x(), gc.tensor("y", "c d"), gc.tensor("z", "n d")) + gc.dot(gc.tensor("u", "c"), gc.tensor("v", "c"))


# --- index notation, views and gathers --------------------------------------------------------------------------------

@case
def differences():
    x = _x()
    i, j = gc.indices("i j")
    return gc.sum((x[1:] - x[:-1])**2) + gc.Sum(gc.exp(x[i, j + 1]) - gc.exp(x[i, j + 2] * x[i, 0]), i, j)


@case
def joined():
    x = _x()
    return gc.concatenate([gc.exp(x), x**2, gc.tensor("y", "m c")])[2:-1] * gc.stack([gc.sum(x, axis=0), x[0]])[1]


@case
def reshaped():
    x = _x()
    return gc.reshape(gc.reshape(gc.sin(x), "n*c")[3:], (-1,))**2 + gc.sum(x.T[1:3, ::2])


@case
def gathered_maps():
    x, t = _x(), gc.labels("t", "n", below="c")
    y = gc.exp(x / 3) * gc.sigmoid(x)
    return y[gc.arange("n"), t] + y[:, 2] - gc.sum(y, axis=1)


@case
def embedding():
    table, t = gc.param("table", "m d"), gc.labels("t", "n", below="m")
    return gc.tanh(table)[t] + gc.sin(gc.tanh(table[t]))


@case
def diagonal():
    a = gc.tensor("a", "n n")
    i, j = gc.indices("i j")
    return gc.Sum(gc.where(i == j, a[i, j]**2, 0), i, j) + gc.trace(gc.exp(a / 5)) + gc.Sum(gc.cos(a)[i, i], i)


@case
def one_hots():
    t = gc.labels("t", "n", below="c")
    return gc.sum(gc.one_hot(t) * _x()**2, axis=0)


# --- losses, written literally ----------------------------------------------------------------------------------------

@case
def cross_entropy_by_index():
    y, t = _linear(), gc.labels("t", "n", below="c")
    s, j = gc.indices("s j")
    return -gc.Sum(gc.log(gc.exp(y[s, t[s]]) / gc.Sum(gc.exp(y[s, j]), j)), s) / gc.size("n")


@case
def cross_entropy_by_axis():
    y, p = _linear(), gc.tensor("P", "n c")
    return -gc.mean(gc.sum(p * gc.log(gc.exp(y) / gc.sum(gc.exp(y), axis=1, keepdims=True)), axis=1))


@case
def cross_entropy_of_softmax():
    t = gc.labels("t", "n", below="c")
    return -gc.mean(gc.log(gc.softmax(_linear())[gc.arange("n"), t]))


@case
def cross_entropy_of_unnamed_logits():
    X, W, t = gc.tensor("X", "n d"), gc.param("W", "d c"), gc.labels("t", "n", below="c")
    s, j, i = gc.indices("s j i")
    return -gc.Sum(gc.log(gc.exp(gc.Sum(X[s, i] * W[i, t[s]], i)) / gc.Sum(gc.exp(gc.Sum(X[s, i] * W[i, j], i)), j)), s)


@case
def binary_cross_entropy():
    x, y = _x(), gc.tensor("y", "n c")
    s = 1 / (1 + gc.exp(-x))
    return -gc.mean(y * gc.log(s) + (1 - y) * gc.log(1 - s))


@case
def logistic():
    return gc.mean(gc.log(1 + gc.exp(-gc.tensor("y", "n c") * _x())))


@case
def contrastive():
    x, y = gc.tensor("x", "n d"), gc.tensor("y", "n d")
    similar = x @ y.T / 0.5
    return gc.mean(gc.logsumexp(similar, axis=1) - gc.trace(similar) / gc.size("n")) + gc.log(1 + gc.sum(gc.exp(similar)))


@case
def attention():
    q, k, v = gc.tensor("q", "n d"), gc.tensor("k", "m d"), gc.tensor("v", "m c")
    return gc.softmax(q @ k.T) @ v


@case
def entropy():
    e = gc.exp(_x())
    p = e / gc.sum(e)
    return -gc.sum(p * gc.log(p))


@case
def hyperbolic():
    x = _x()
    return (gc.exp(x) - gc.exp(-x)) / (gc.exp(x) + gc.exp(-x)) + 2 / (1 + gc.exp(-2 * x)) - 1 + gc.log(gc.cosh(x))


@case(positive=True)
def gaussian():
    x, mean, scale = gc.tensor("x", "n"), gc.tensor("mean", "n"), gc.tensor("scale", "n")
    return -gc.sum(gc.log(gc.exp(-((x - mean) / scale)**2 / 2) / (scale * np.sqrt(2 * np.pi))))


@case(positive=True)
def divergence():
    p, q = gc.tensor("p", "n c"), gc.tensor("q", "n c")
    return gc.sum(p * gc.log(p / q)) + gc.sum(p * gc.log(p)) - gc.sum(gc.log(1 + p))


@case
def held_constant():
    x = _x()
    return gc.sum(gc.stop_gradient(gc.exp(x)) * x + gc.stop_gradient(x)**2)
