"""Nanoseconds an element of each pointwise function, generated code beside NumPy's or SciPy's: `python -m tests.benchmarks.functions [--write]`.

One thread, 32768 elements of (0.05, 0.95), in cache; processor time, best of interleaved rounds. The greatest errors are in docs/functions.md.
"""

from __future__ import annotations

from typing import Any

from tests.benchmarks import page
from tests.benchmarks.limits import limit_threads

SIZE, ROUNDS = 32768, 40
DTYPES = ("float32", "float64")


def main() -> None:
    limit_threads(1)
    names = measured()
    header = ["function", *(f"{dtype}{of}" for dtype in DTYPES for of in ("", ", NumPy"))]
    rows = [[name, *(f"{t:.2f}" if t is not None else "-" for dtype in DTYPES for t in times(name, dtype))] for name in names]
    page.finish("functions", f"{page.machine('scipy')}\n\n{page.table(header, rows)}")


def measured() -> list[str]:
    """The cases but for those that are loops or the C library's (gamma functions), and parts of others."""
    from tests.accuracy.cases import NAMES
    return [n for n in NAMES if "gamma" not in n and not n.endswith(".part")]


def library(name: str) -> Any:
    """NumPy's or SciPy's own function, None where they have none: the oracle of float32 is computed in float64, and is no peer."""
    import numpy as np
    from scipy import special
    return getattr(np, name, None) or getattr(special, {"sigmoid": "expit", "logsigmoid": "log_expit"}.get(name, name), None)


def times(name: str, dtype: str, size: int = SIZE, rounds: int = ROUNDS) -> tuple[float, float | None]:
    """Of the generated loop, and of a whole array's function with a result to write into where it takes one."""
    import numpy as np

    from tests.accuracy.cases import CASES, generated
    from tests.benchmarks.measure import best, clock, interleaved
    given = [np.random.default_rng(k).uniform(0.05, 0.95, size).astype(dtype) + (name == "arccosh") for k in range(CASES[name].arity)]
    loop, whole = generated(name, dtype), library(name)
    steps = {"": lambda: loop(*given)}
    if whole is not None:
        out: dict[str, Any] = {"out": np.empty_like(given[0])} if isinstance(whole, np.ufunc) else {}
        steps["NumPy"] = lambda: whole(*given, **out)
    found = {step: t / size * 1000 for step, t in best(interleaved(steps, rounds, clock(busy=True))).items()}
    return found[""], found.get("NumPy")


if __name__ == "__main__":
    main()
