"""The workloads as data: a formula for graphc, the same for the peers, arrays, and what its floor counts.

    products     matrix products (rows, inner, columns) that value and gradients need at least
    functions    exp, log and the like that are evaluated at least

Float32 throughout. Sizes stand in the name, so that a row can be asked for by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphc as gc

__all__ = ["WORKLOADS", "Data", "Workload"]

Data = Callable[[np.random.Generator], dict[str, Any]]


@dataclass(frozen=True)
class Workload:
    """`formula()` for graphc; `loss(m, **arrays)` for the peers, `m` having the words of the library (words.py).

    `task`: "gradient", value and gradients of `wrt`; "product", Hessian times the array `v`; "diagonal", the Hessian's diagonal, of a
    loss in which rows are apart; "values", what `loss` returns, not differentiated.
    """

    name: str
    formula: Callable[[], Any]
    loss: Callable[..., Any]
    data: Data
    wrt: tuple[str, ...] = ()
    task: str = "gradient"
    products: tuple[tuple[int, int, int], ...] = ()
    functions: int = 0
    slow: bool = False


# --- data ---------------------------------------------------------------------------------------------------------------

def arrays(n: int | None = None, c: int | None = None, **shapes: tuple[int, ...]) -> Data:
    """Standard normal arrays, scaled by the square root of a matrix's rows where it is a weight; labels t[n] below c."""
    def make(rng: np.random.Generator) -> dict[str, Any]:
        made: dict[str, Any] = {k: _scaled(k, rng.normal(size=s)).astype(np.float32) for k, s in shapes.items()}
        return made if c is None else made | {"t": rng.integers(0, c, n)}
    return make


def _scaled(name: str, a: np.ndarray) -> np.ndarray:
    return a / np.sqrt(a.shape[0]) if name.startswith("W") else a


def binary(n: int) -> Data:
    """x standard normal, y 0 or 1."""
    return lambda rng: {"x": rng.normal(size=n).astype(np.float32), "y": (rng.random(n) > 0.5).astype(np.float32)}


def positive(n: int, **ranges: tuple[float, float]) -> Data:
    """x and y standard normal, and uniform arrays."""
    return lambda rng: arrays(x=(n,), y=(n,))(rng) | {k: rng.uniform(a, b, n).astype(np.float32) for k, (a, b) in ranges.items()}


def only(data: Data, *names: str) -> Data:
    return lambda rng: {k: a for k, a in data(rng).items() if k in names}


# --- formulas -----------------------------------------------------------------------------------------------------------

def _labels() -> gc.Tensor:
    return gc.labels("t", "n", below="c")


def _l2_l1() -> Any:
    X, Y, W = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c")
    return gc.sum((X @ W - Y) ** 2) + 0.5 * gc.sum(abs(W))


def _cross_entropy() -> Any:
    return gc.losses.cross_entropy(gc.param("y", "n c"), _labels())


def _product() -> Any:
    y = gc.param("y", "n c")
    return gc.hvp(gc.losses.cross_entropy(y, _labels()), y, gc.tensor("v", "n c"))


def _diagonal() -> Any:
    y, (s, j) = gc.param("y", "n c"), gc.indices("s j")
    return gc.array(gc.hessian(gc.losses.cross_entropy(y, _labels()), y)[s, j, s, j], (s, j))


def _linear_cross_entropy() -> Any:
    return gc.losses.cross_entropy(gc.tensor("X", "n d") @ gc.param("W", "d c"), _labels())


def _mlp() -> Any:
    hidden = gc.relu(gc.tensor("X", "n d") @ gc.param("W1", "d h") + gc.param("b1", "h"))
    return gc.losses.cross_entropy(hidden @ gc.param("W2", "h c") + gc.param("b2", "c"), _labels())


def _pointwise(name: str) -> Callable[[], Any]:
    return lambda: getattr(gc.losses, name)(gc.param("x", "n"), gc.tensor("y", "n"))


def _gaussian_nll() -> Any:
    return gc.losses.gaussian_nll(gc.param("x", "n"), gc.tensor("y", "n"), gc.param("v", "n"))


def _info_nce() -> Any:
    A, B, (s,) = gc.param("A", "n d"), gc.param("B", "n d"), gc.indices("s")
    S = A @ B.T / 4
    return gc.Mean(gc.logsumexp(S, axis=1)[s] - S[s, s], s)


def _rbf() -> Any:
    i, j, k = gc.indices("i j k")
    X, Z = gc.param("X", "n d"), gc.tensor("Z", "m d")
    return gc.Sum(gc.exp(-gc.Sum((X[i, k] - Z[j, k]) ** 2, k)), i, j)


def _layer_norm() -> Any:
    x, y, g, b = gc.param("x", "n d"), gc.tensor("y", "n d"), gc.param("g", "d"), gc.param("b", "d")
    centred = x - gc.mean(x, axis=1, keepdims=True)
    return gc.mean((centred / gc.sqrt(gc.mean(centred**2, axis=1, keepdims=True) + 1e-5) * g + b - y) ** 2)


def _batch_norm() -> Any:
    x, y, g, b = gc.param("x", "n d"), gc.tensor("y", "n d"), gc.param("g", "d"), gc.param("b", "d")
    centred = x - gc.mean(x, axis=0)
    return gc.mean((centred / gc.sqrt(gc.mean(centred**2, axis=0) + 1e-5) * g + b - y) ** 2)


def _soft_labels() -> Any:
    return -gc.mean(gc.sum(gc.tensor("q", "n c") * gc.log_softmax(gc.param("y", "n c")), axis=1))


def _mixture() -> Any:
    x, mu, a = gc.tensor("x", "n d"), gc.param("mu", "k d"), gc.param("a", "k")
    return -gc.mean(gc.log(gc.sum(gc.exp(a - gc.sum((x[:, None] - mu) ** 2, axis=2) / 2), axis=1)))


def _triplet() -> Any:
    a, p, q = (gc.param(name, "n d") for name in "apq")
    return gc.mean(gc.relu(gc.norm(a - p, axis=1) - gc.norm(a - q, axis=1) + 1))


def _logistic() -> Any:
    X, t, w = gc.tensor("X", "n d"), gc.tensor("y", "n"), gc.param("w", "d")
    return gc.losses.bce_with_logits(X @ w, t) + 0.01 * gc.sum(w**2)


def _adam() -> Any:
    p, g, m, v, step = (*(gc.tensor(name, "n") for name in "pgmv"), gc.scalar("step"))
    m2, v2 = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    return {"m": m2, "p": p - 1e-3 * m2 / (1 - 0.9**step) / (gc.sqrt(v2 / (1 - 0.999**step)) + 1e-8), "v": v2}


def _adam_data(n: int) -> Data:
    return lambda rng: arrays(p=(n,), g=(n,))(rng) | {k: np.zeros(n, np.float32) for k in "mv"} | {"step": np.float32(1)}


# --- the rows -----------------------------------------------------------------------------------------------------------

def l2_l1(n: int, d: int, c: int) -> Workload:
    return Workload(f"l2 + l1 {n}x{d}x{c}", _l2_l1, lambda m, X, Y, W: ((X @ W - Y) ** 2).sum() + 0.5 * m.abs(W).sum(),
                    arrays(X=(n, d), Y=(n, c), W=(d, c)), ("W",), products=((n, d, c),) * 2)


def cross_entropy(n: int, c: int, slow: bool = False) -> Workload:
    return Workload(f"softmax cross-entropy {n}x{c}", _cross_entropy, lambda m, y, t: m.cross_entropy(y, t), arrays(n, c, y=(n, c)), ("y",),
                    functions=n * c, slow=slow)


def pointwise(name: str, loss: Callable[..., Any], n: int, data: Callable[[int], Data] = binary, functions: int = 0) -> Workload:
    return Workload(f"{name.replace('_', ' ')} {_power(n)}", _pointwise(name), loss, data(n), ("x",), functions=functions * n)


def mlp(n: int, d: int, h: int, c: int) -> Workload:
    return Workload(f"MLP {n}x{d}-{h}-{c}", _mlp, lambda m, X, W1, b1, W2, b2, t: m.cross_entropy(m.relu(X @ W1 + b1) @ W2 + b2, t),
                    arrays(n, c, X=(n, d), W1=(d, h), b1=(h,), W2=(h, c), b2=(c,)), ("W1", "b1", "W2", "b2"),
                    products=((n, d, h),) * 2 + ((n, h, c),) * 3, functions=n * c)


def linear_cross_entropy(n: int, d: int, c: int, slow: bool = False) -> Workload:
    return Workload(f"linear + cross-entropy {n}x{d}x{c}", _linear_cross_entropy, lambda m, X, W, t: m.cross_entropy(X @ W, t),
                    arrays(n, c, X=(n, d), W=(d, c)), ("W",), products=((n, d, c),) * 2, functions=n * c, slow=slow)


def info_nce(n: int, d: int) -> Workload:
    return Workload(f"InfoNCE {n}x{d}", _info_nce, lambda m, A, B: m.own_row(A @ B.T / 4), arrays(A=(n, d), B=(n, d)), ("A", "B"),
                    products=((n, d, n),) * 3, functions=n * n)


def rbf(n: int, m: int, d: int) -> Workload:
    return Workload(f"rbf sum {n}x{m}x{d}", _rbf, lambda m, X, Z: m.exp(-((X[:, None] - Z[None]) ** 2).sum(-1)).sum(),
                    arrays(X=(n, d), Z=(m, d)), ("X",), functions=n * m)


def layer_norm(n: int, d: int) -> Workload:
    return Workload(f"layer norm {n}x{d}", _layer_norm, lambda m, x, y, g, b: ((m.layer_norm(x, g, b) - y) ** 2).mean(),
                    arrays(x=(n, d), y=(n, d), g=(d,), b=(d,)), ("x", "g", "b"))


def batch_norm(n: int, d: int) -> Workload:
    """Norms of columns."""
    return Workload(f"batch norm {n}x{d}", _batch_norm,
                    lambda m, x, y, g, b: (((x - x.mean(0)) / m.sqrt(((x - x.mean(0)) ** 2).mean(0) + 1e-5) * g + b - y) ** 2).mean(),
                    arrays(x=(n, d), y=(n, d), g=(d,), b=(d,)), ("x", "g", "b"))


def soft_labels(n: int, c: int) -> Workload:
    return Workload(f"soft-label cross-entropy {n}x{c}", _soft_labels, lambda m, y, q: m.soft_labels(y, q),
                    lambda rng: {"y": rng.normal(size=(n, c)).astype(np.float32), "q": rng.random((n, c), np.float32)}, ("y",), functions=n * c)


def mixture(n: int, d: int, k: int) -> Workload:
    """Gaussians of unit covariance."""
    return Workload(f"Gaussian mixture {n}x{d}x{k}", _mixture, lambda m, x, mu, a: -m.logsumexp(a - ((x[:, None] - mu[None]) ** 2).sum(-1) / 2).mean(),
                    arrays(x=(n, d), mu=(k, d), a=(k,)), ("mu", "a"), functions=n * (k + 1))


def triplet(n: int, d: int) -> Workload:
    return Workload(f"triplet {n}x{d}", _triplet,
                    lambda m, a, p, q: m.relu(m.sqrt(((a - p) ** 2).sum(-1)) - m.sqrt(((a - q) ** 2).sum(-1)) + 1).mean(),
                    arrays(a=(n, d), p=(n, d), q=(n, d)), ("a", "p", "q"))


def logistic(n: int, d: int) -> Workload:
    return Workload(f"logistic regression {n}x{d}", _logistic, lambda m, X, y, w: m.bce_with_logits(X @ w, y) + 0.01 * (w**2).sum(),
                    lambda rng: arrays(X=(n, d), w=(d,))(rng) | only(binary(n), "y")(rng), ("w",), functions=2 * n)


def gaussian_nll(n: int) -> Workload:
    return Workload(f"gaussian nll {_power(n)}", _gaussian_nll, lambda m, x, y, v: m.gaussian_nll(x, y, v), positive(n, v=(0.5, 1.5)), ("x", "v"),
                    functions=n)


def curvature(n: int, c: int, task: str) -> Workload:
    """Softmax cross-entropy's Hessian, times an array or its diagonal."""
    made = {"product": (_product, {"y": (n, c), "v": (n, c)}), "diagonal": (_diagonal, {"y": (n, c)})}
    formula, shapes = made[task]
    return Workload(f"Hessian {task} {n}x{c}", formula, lambda m, y, t: m.cross_entropy(y, t), arrays(n, c, **shapes), ("y",), task, functions=n * c)


def adam(n: int) -> Workload:
    return Workload(f"Adam {_power(n)}", _adam, lambda m, /, **state: m.adam(**state), _adam_data(n), task="values")


def _power(n: int) -> str:
    return f"1e{len(str(n)) - 1}" if str(n).strip("0") == "1" and n >= 1000 else str(n)


def rows(n: int) -> list[Workload]:
    """The losses of n points, elementwise."""
    return [
        pointwise("mse", lambda m, x, y: ((x - y) ** 2).mean(), n),
        pointwise("mae", lambda m, x, y: m.abs(x - y).mean(), n),
        pointwise("huber", lambda m, x, y: m.huber(x, y), n, positive),
        pointwise("bce_with_logits", lambda m, x, y: m.bce_with_logits(x, y), n, functions=2),
        pointwise("focal", lambda m, x, y: m.focal(x, y), n, functions=2),
        pointwise("kl_div", lambda m, x, y: m.kl_div(x, y), n, lambda n: positive(n, x=(-3, 0), y=(0.1, 0.9)), functions=1),
        gaussian_nll(n),
        adam(n),
    ]


WORKLOADS = [
    l2_l1(2, 3, 5), l2_l1(1000, 100, 10),
    cross_entropy(128, 10), cross_entropy(128, 1000), cross_entropy(4096, 1000), cross_entropy(2048, 32000, slow=True),
    *rows(10**6),
    mlp(2, 3, 10, 3), mlp(128, 784, 256, 10),
    linear_cross_entropy(4096, 784, 10), linear_cross_entropy(1024, 256, 32000, slow=True),
    info_nce(512, 128), rbf(2000, 2000, 3), layer_norm(4096, 512), logistic(10000, 100),
    batch_norm(4096, 64), soft_labels(100000, 10), mixture(20000, 3, 5), triplet(4096, 128),
    curvature(128, 1000, "product"), curvature(128, 10, "diagonal"),
]
