"""The roofline's floor beside each row: what the machine takes for the same bytes, products and functions, measured in the same rounds.

    memory      a copy that moves as many bytes as inputs and outputs have, each once; from cache where they fit
    products    flops of the matrix products, at the rate of a square product
    functions   exponentials, at NumPy's rate in cache

The floor of a row is the greatest of the three: perfect overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tests.benchmarks.workloads import Workload

__all__ = ["Floor"]

SIDE = 256                       # of the square product
BLOCK = 16384                    # exponentials at once
LARGEST = 2**26                  # bytes copied at once, beyond every cache


class Floor:
    """The three steps of a workload, and the floor from their times in microseconds."""

    def __init__(self, w: Workload, arrays: Iterable[Any]):
        self.moved = sum(np.asarray(a).nbytes for a in arrays)
        self.flops = sum(2 * n * d * c for n, d, c in w.products)
        self.functions = w.functions

    def steps(self) -> dict[str, Callable[[], Any]]:
        half = max(1, min(self.moved // 2, LARGEST))
        source, target = np.ones(half, np.uint8), np.ones(half, np.uint8)
        steps: dict[str, Callable[[], Any]] = {"memory": lambda: np.copyto(target, source)}
        if self.flops:
            a, b, c = (np.ones((SIDE, SIDE), np.float32) for _ in range(3))
            steps["products"] = lambda: np.matmul(a, b, out=c)
        if self.functions:
            x, y = np.linspace(-5, 5, BLOCK, dtype=np.float32), np.empty(BLOCK, np.float32)
            steps["functions"] = lambda: np.exp(x, out=y)
        return steps

    def of(self, best: dict[str, float]) -> tuple[float, str]:
        """The floor, and which of the three it is."""
        work = {"memory": max(1.0, self.moved / (2 * LARGEST)), "products": self.flops / (2 * SIDE**3), "functions": self.functions / BLOCK}
        return max((best[k] * work[k], k) for k in work if k in best)
