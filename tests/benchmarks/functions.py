"""Nanoseconds an element of each pointwise function, generated code beside NumPy or SciPy: `python -m tests.benchmarks.functions [--write]`.

One thread, 32768 elements of (0.05, 0.95), in cache; processor time, best of interleaved rounds. The greatest errors are in docs/functions.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.benchmarks import page
from tests.benchmarks.limits import limit_threads

SIZE, ROUNDS = 32768, 40
DTYPES = ("float32", "float64")


def main() -> None:
    limit_threads(1)
    from tests.accuracy.measure import GAMMA, NAMES
    names = [n for n in NAMES if n not in GAMMA]                           # the C library's
    header = ["function", *(f"{dtype}{of}" for dtype in DTYPES for of in ("", ", NumPy"))]
    rows = [[name, *(f"{t:.2f}" for dtype in DTYPES for t in times(name, dtype))] for name in names]
    page.finish("functions", f"{page.machine('scipy')}\n\n{page.table(header, rows)}")


def times(name: str, dtype: str) -> Iterator[float]:
    """Of the generated loop, and of a whole array's function with a result to write into where it takes one."""
    import numpy as np

    from tests.accuracy.measure import arity, generated, oracle
    from tests.benchmarks.measure import best, clock, interleaved
    given = [np.random.default_rng(k).uniform(0.05, 0.95, SIZE).astype(dtype) + (name == "arccosh") for k in range(arity(name))]
    loop, whole = generated(name, dtype), oracle(name)
    out: dict[str, Any] = {"out": np.empty_like(given[0])} if isinstance(whole, np.ufunc) else {}
    found = best(interleaved({"": lambda: loop(*given), "NumPy": lambda: whole(*given, **out)}, ROUNDS, clock(busy=True)))
    return (t / SIZE * 1000 for t in found.values())


if __name__ == "__main__":
    main()
