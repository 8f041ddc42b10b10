"""Time value and gradient, float32, into given buffers: `make bench`. The best of several rounds, in microseconds, and the first call, in seconds.

PyTorch's eager mode stands beside where it is installed. Machines and loads differ: compare columns of one run, not runs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import graphc as gc


@dataclass(frozen=True)
class Workload:
    name: str
    loss: Callable[[], gc.Tensor]
    data: Callable[[np.random.Generator], dict[str, Any]]
    torch: Callable[[Any, dict[str, Any]], Any]                # (torch, tensors) -> loss


def lasso() -> gc.Tensor:
    X, Y, W = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c")
    return gc.sum((X @ W - Y)**2) + 0.5 * gc.sum(abs(W))


def lasso_data(n: int, d: int, c: int) -> Callable[[np.random.Generator], dict[str, Any]]:
    return lambda rng: {"X": normal(rng, n, d), "Y": normal(rng, n, c), "W": normal(rng, d, c)}


def cross_entropy() -> gc.Tensor:
    return gc.losses.cross_entropy(gc.param("y", "n c"), gc.labels("t", "n", below="c"))


def labelled(n: int, c: int) -> Callable[[np.random.Generator], dict[str, Any]]:
    return lambda rng: {"y": normal(rng, n, c), "t": rng.integers(0, c, size=n)}


def pointwise(loss: str) -> Callable[[], gc.Tensor]:
    return lambda: getattr(gc.losses, loss)(gc.param("y", "n"), gc.tensor("t", "n"))


def pairs(rng: np.random.Generator) -> dict[str, Any]:
    return {"y": normal(rng, 1_000_000), "t": rng.random(1_000_000, dtype=np.float32)}


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)


def functional(name: str) -> Callable[[Any, dict[str, Any]], Any]:
    return lambda torch, v: getattr(torch.nn.functional, name)(v["y"], v["t"])


def torch_lasso(torch: Any, v: dict[str, Any]) -> Any:
    return ((v["X"] @ v["W"] - v["Y"])**2).sum() + 0.5 * v["W"].abs().sum()


WORKLOADS = (
    Workload("lasso 2x3x5", lasso, lasso_data(2, 3, 5), torch_lasso),
    Workload("lasso 1000x100x10", lasso, lasso_data(1000, 100, 10), torch_lasso),
    Workload("cross-entropy 128x10", cross_entropy, labelled(128, 10), functional("cross_entropy")),
    Workload("cross-entropy 128x1000", cross_entropy, labelled(128, 1000), functional("cross_entropy")),
    Workload("cross-entropy 4096x1000", cross_entropy, labelled(4096, 1000), functional("cross_entropy")),
    Workload("mse 1e6", pointwise("mse"), pairs, functional("mse_loss")),
    Workload("huber 1e6", pointwise("huber"), pairs, functional("huber_loss")),
    Workload("bce with logits 1e6", pointwise("bce_with_logits"), pairs, functional("binary_cross_entropy_with_logits")),
)


def best(call: Callable[[], Any], seconds: float) -> float:
    """The shortest of the rounds that fit in the time, of as many calls as take a millisecond, in microseconds a call."""
    call()
    start = time.perf_counter()
    call()
    count = max(1, int(1e-3 / max(time.perf_counter() - start, 1e-9)))
    shortest, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(count):
            call()
        shortest = min(shortest, (time.perf_counter() - start) / count)
    return shortest * 1e6


def with_graphc(work: Workload, data: dict[str, Any], seconds: float) -> tuple[float, float]:
    start = time.perf_counter()
    f = gc.compile(work.loss())
    loss, grads = f(**data)
    first = time.perf_counter() - start
    return first, best(lambda: f(**data, out=grads), seconds)


def with_torch(work: Workload, data: dict[str, Any], seconds: float) -> float | None:
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    values = {k: torch.from_numpy(v) for k, v in data.items()}
    wrt = values["W" if "W" in values else "y"].requires_grad_()

    def step() -> None:
        wrt.grad = None
        work.torch(torch, values).backward()
    return best(step, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each measurement")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    args = parser.parse_args()
    print(f"{'workload':26}{'first call, s':>14}{'graphc, us':>14}{'torch, us':>14}")
    for work in WORKLOADS:
        if args.only in work.name:
            data = work.data(np.random.default_rng(0))
            first, ours = with_graphc(work, data, args.seconds)
            theirs = with_torch(work, data, args.seconds)
            print(f"{work.name:26}{first:14.2f}{ours:14.1f}{theirs or float('nan'):14.1f}", flush=True)


if __name__ == "__main__":
    main()
