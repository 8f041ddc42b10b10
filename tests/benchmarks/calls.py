"""A whole call on the smallest problem, l2 + l1 at 2x3x5, value and gradient: `python -m tests.benchmarks.calls [--write] [--busy]`.

Microseconds, float32, one thread, best (median) of interleaved rounds of 1 ms; --busy: of processor time. A library that is not installed is left out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

from tests.benchmarks import page
from tests.benchmarks.limits import limit_threads

ROUNDS = 200


def main() -> None:
    limit_threads(1)
    from tests.benchmarks.measure import best, clock, interleaved, median
    ways = dict([*ours(), *theirs()])
    times = interleaved(ways, ROUNDS, clock("--busy" in sys.argv))
    least, middle = best(times), median(times)
    rows = [[name, f"{least[name]:.1f} ({middle[name]:.1f})"] for name in ways]
    page.finish("calls", f"{page.machine()}\n\n{page.table(['call', 'us, best (median)'], rows)}")


def problem() -> tuple[Any, dict[str, Any]]:
    import numpy as np

    from tests.benchmarks.workloads import l2_l1
    w = l2_l1(2, 3, 5)
    return w, w.data(np.random.default_rng(0))


def ours() -> Iterator[tuple[str, Callable[[], Any]]]:
    import graphc as gc
    from tests.benchmarks.peers import graphc
    w, arrays = problem()
    f = gc.compile(w.formula())
    ordered = [arrays[k] for k in f.inputs]
    yield "`f(X=X, W=W, Y=Y)`", graphc(w, arrays, "fresh")
    yield "the same, by position", lambda: f(*ordered)
    yield "the same, by name into `out=`", graphc(w, arrays, "out")
    yield "`step = f.bind(...)`, then `step()`", graphc(w, arrays, "bind")


def theirs() -> Iterator[tuple[str, Callable[[], Any]]]:
    from tests.benchmarks import peers
    w, arrays = problem()
    if find_spec("pytensor"):
        yield "PyTensor (Numba)", peers.pytensor(w, arrays, "out")
        yield "PyTensor (Numba), inputs trusted", peers.pytensor(w, arrays, "bind")
    if find_spec("jax"):
        yield "JAX jit, on its own arrays", peers.jax(w, arrays, "fresh")
    if find_spec("torch"):
        yield "PyTorch", peers.torch(w, arrays, "fresh")


if __name__ == "__main__":
    main()
