"""Workloads: one loss in three languages, and data. Value and gradients of the named parameters, float32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphc as gc

__all__ = ["WORKLOADS", "Workload"]


@dataclass(frozen=True)
class Workload:
    """`loss(m, **arrays)` for PyTorch and JAX, where `m` has the few functions that differ; `formula()` for graphc."""

    name: str
    formula: Callable[[], Any]
    loss: Callable[..., Any]
    data: Callable[[np.random.Generator], dict[str, np.ndarray]]
    wrt: tuple[str, ...]


def _normal(**shapes: tuple[int, ...]) -> Callable[[np.random.Generator], dict[str, np.ndarray]]:
    return lambda rng: {k: rng.normal(size=s).astype(np.float32) for k, s in shapes.items()}


def _logits(n: int, c: int) -> Callable[[np.random.Generator], dict[str, np.ndarray]]:
    return lambda rng: {"y": rng.normal(size=(n, c)).astype(np.float32), "t": rng.integers(0, c, n)}


def _targets(n: int) -> Callable[[np.random.Generator], dict[str, np.ndarray]]:
    return lambda rng: {"x": rng.normal(size=n).astype(np.float32), "y": (rng.random(n) > 0.5).astype(np.float32)}


def _l2_l1() -> Any:
    X, Y, W = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c")
    return gc.sum((X @ W - Y) ** 2) + 0.5 * gc.sum(abs(W))


def _cross_entropy() -> Any:
    return gc.losses.cross_entropy(gc.param("y", "n c"), gc.labels("t", "n", below="c"))


def _linear_cross_entropy() -> Any:
    return gc.losses.cross_entropy(gc.tensor("X", "n d") @ gc.param("W", "d c"), gc.labels("t", "n", below="c"))


def _mlp() -> Any:
    X, t = gc.tensor("X", "n d"), gc.labels("t", "n", below="c")
    hidden = gc.relu(X @ gc.param("W1", "d h") + gc.param("b1", "h"))
    return gc.losses.cross_entropy(hidden @ gc.param("W2", "h c") + gc.param("b2", "c"), t)


def _mlp_data(n: int, d: int, h: int, c: int) -> Callable[[np.random.Generator], dict[str, np.ndarray]]:
    def data(rng: np.random.Generator) -> dict[str, np.ndarray]:
        scale = {"W1": d, "b1": h, "W2": h, "b2": c}
        shapes = {"X": (n, d), "W1": (d, h), "b1": (h,), "W2": (h, c), "b2": (c,)}
        arrays = {k: (rng.normal(size=s) / np.sqrt(scale.get(k, 1))).astype(np.float32) for k, s in shapes.items()}
        return arrays | {"t": rng.integers(0, c, n)}
    return data


def _pointwise(name: str) -> Callable[[], Any]:
    return lambda: getattr(gc.losses, name)(gc.param("x", "n"), gc.tensor("y", "n"))


def _rbf() -> Any:
    i, j, k = gc.indices("i j k")
    X, Z = gc.param("X", "n d"), gc.tensor("Z", "m d")
    return gc.Sum(gc.exp(-gc.Sum((X[i, k] - Z[j, k]) ** 2, k)), i, j)


WORKLOADS = [
    *(Workload(f"l2 + l1 {n}x{d}x{c}", _l2_l1, lambda m, X, Y, W: ((X @ W - Y) ** 2).sum() + 0.5 * m.abs(W).sum(),
               _normal(X=(n, d), Y=(n, c), W=(d, c)), ("W",)) for n, d, c in ((2, 3, 5), (1000, 100, 10))),
    *(Workload(f"softmax cross-entropy {n}x{c}", _cross_entropy, lambda m, y, t: m.cross_entropy(y, t), _logits(n, c), ("y",))
      for n, c in ((128, 10), (128, 1000), (4096, 1000))),
    Workload("linear + cross-entropy 4096x784x10", _linear_cross_entropy, lambda m, X, W, t: m.cross_entropy(X @ W, t),
             lambda rng: _normal(X=(4096, 784), W=(784, 10))(rng) | {"t": rng.integers(0, 10, 4096)}, ("W",)),
    *(Workload(f"MLP {n}x{d}-{h}-{c}", _mlp, lambda m, X, W1, b1, W2, b2, t: m.cross_entropy(m.relu(X @ W1 + b1) @ W2 + b2, t),
               _mlp_data(n, d, h, c), ("W1", "b1", "W2", "b2")) for n, d, h, c in ((2, 3, 10, 3), (128, 784, 256, 10))),
    Workload("mse 1e6", _pointwise("mse"), lambda m, x, y: ((x - y) ** 2).mean(), _targets(10**6), ("x",)),
    Workload("mae 1e6", _pointwise("mae"), lambda m, x, y: m.abs(x - y).mean(), _targets(10**6), ("x",)),
    Workload("huber 1e6", _pointwise("huber"), lambda m, x, y: m.huber(x, y), _targets(10**6), ("x",)),
    Workload("bce with logits 1e6", _pointwise("bce_with_logits"), lambda m, x, y: m.bce(x, y), _targets(10**6), ("x",)),
    Workload("rbf sum 2000x2000x3", _rbf, lambda m, X, Z: m.exp(-((X[:, None] - Z[None]) ** 2).sum(-1)).sum(),
             _normal(X=(2000, 3), Z=(2000, 3)), ("X",)),
]
