"""Time against size, threads and depth: `python -m tests.benchmarks.scaling [--part size] [--largest 1e8] [--write]`; the pictures need matplotlib (`.[plots]`).

    size     value and gradient of three losses from 1e2 elements up, on 1 and 2 threads: nanoseconds an element
    depth    a net of 1 to 200 layers: symbolic stages, first call with nothing on disk (processor time), later calls

A cliff is a step between neighbours at which the time of an element, or of a layer, at least doubles. Each depth and each number of
threads is a process of its own, by the same module: `scaling sizes --threads 2` and `scaling depth 50` print JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.benchmarks import page, pictures
from tests.benchmarks.limits import limit_threads

THREADS = (1, 2)
LAYERS = (1, 2, 5, 10, 20, 50, 100, 200)
WIDTH = 100                        # of a row, where there are rows
CLIFF = 2.0
ROUNDS = 30
Points = dict[str, dict[str, float]]
Drawing = Callable[[Path], None]


def main() -> None:
    options = arguments()
    if options.what == "sizes":
        limit_threads(options.threads)
        print(json.dumps(sizes(int(options.largest), options.busy)))
    elif options.what == "depth":
        limit_threads(options.threads)
        print(json.dumps(depth(options.layers, options.busy)))
    else:
        everything(options)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("sizes", "depth"), help="one process's part, as JSON")
    parser.add_argument("layers", nargs="?", type=int, default=1)
    parser.add_argument("--part", choices=("size", "depth"), help="one table alone")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--largest", type=float, default=1e8, help="elements; 1e8 takes 1.2 GB")
    parser.add_argument("--busy", action="store_true", help="processor time of calls, too; on one thread, on a machine that others use")
    parser.add_argument("--write", action="store_true", help="put tables and pictures into docs/")
    given = parser.parse_args()
    if given.write and find_spec("matplotlib") is None:
        parser.error("--write draws the curves with matplotlib: pip install -e '.[plots]'")
    return given


def everything(options: argparse.Namespace) -> None:
    about, busy = page.machine(), ["--busy"] * options.busy
    for part, measured in (("size", of_sizes), ("depth", of_depths)):
        if options.part in (None, part):
            text, draw = measured(options, busy)
            text = "\n".join([about, "", text])
            print(text, end="\n\n")
            if options.write:
                draw(page.DOCS)
                page.write(f"scaling, {part}", text)


def of_sizes(options: argparse.Namespace, busy: list[str]) -> tuple[str, Drawing]:
    by_threads = {n: child("sizes", "--threads", str(n), "--largest", str(options.largest), *busy) for n in THREADS[:1 if busy else None]}
    curves = {f"{name}, {n} thread{'s' * (n > 1)}": points for n, found in by_threads.items() for name, points in found.items()}
    counts = sorted({int(k) for points in curves.values() for k in points})
    rows = [[f"{n:.0e}".replace("e+0", "e"), *(f"{p[str(n)]:.3g}" if str(n) in p else "-" for p in curves.values())] for n in counts]
    return with_cliffs(page.table(["elements", *curves], rows), curves), lambda folder: pictures.sizes(curves, folder)


def of_depths(options: argparse.Namespace, busy: list[str]) -> tuple[str, Drawing]:
    layers = {n: child("depth", str(n), *busy) for n in LAYERS}
    deep = page.table(["layers", "symbolic stages, s", "first call, s", "a later call, us", "us a layer"],
                      [[str(n), f"{t['symbolic']:.2f}", f"{t['first']:.2f}", f"{t['call']:,.0f}", f"{t['call'] / n:.1f}"] for n, t in layers.items()])
    per_layer = {f"{key}, {unit} a layer": {str(n): t[key] * by / n for n, t in layers.items()} for key, unit, by in (("symbolic", "ms", 1e3), ("call", "us", 1.0))}
    return with_cliffs(deep, per_layer), lambda folder: pictures.depths(layers, folder)


def with_cliffs(table: str, curves: dict[str, dict[str, float]]) -> str:
    return "\n".join([table, "", *(cliffs(curves) or ["No cliff."])])


def child(*words: str) -> Any:
    """The part's JSON, from a process with a cache of its own."""
    with tempfile.TemporaryDirectory() as folder:
        found = subprocess.run([sys.executable, "-m", "tests.benchmarks.scaling", *words], env=os.environ | {"GRAPHC_CACHE": folder},
                               check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(found.stdout)


def cliffs(curves: dict[str, dict[str, float]]) -> list[str]:
    """Where a curve, which falls or is flat at best, steps up."""
    return [f"Cliff: {name}, {n}: {points[n]:.3g} after {points[before]:.3g} at {before}."
            for name, points in curves.items() for before, n in zip(points, list(points)[1:], strict=False) if points[n] >= CLIFF * points[before]]


# --- size ---------------------------------------------------------------------------------------------------------------

def sizes(largest: int, busy: bool) -> Points:
    """Nanoseconds an element, by loss and by elements."""
    import numpy as np

    import graphc as gc
    x, y, X, W, t = gc.param("x", "n"), gc.tensor("y", "n"), gc.tensor("X", "n d"), gc.param("W", "d c"), gc.labels("t", "n", below="c")
    rng, counts = np.random.default_rng(0), [m * 10**e for e in range(2, 9) for m in (1, 3) if m * 10**e <= largest]

    def normal(*shape: int) -> Any:
        return rng.standard_normal(shape, np.float32)
    made = {
        "bce with logits": (gc.losses.bce_with_logits(x, y), lambda n: {"x": normal(n), "y": np.ones(n, np.float32)}),
        f"softmax cross-entropy nx{WIDTH}": (gc.losses.cross_entropy(gc.param("y", "n c"), t),
                                             lambda n: {"y": normal(n // WIDTH, WIDTH), "t": rng.integers(0, WIDTH, n // WIDTH)}),
        f"linear layer, l2 nx{WIDTH}x10": (gc.sum((X @ W - gc.tensor("Y", "n c"))**2),
                                           lambda n: {"X": normal(n // WIDTH, WIDTH), "W": normal(WIDTH, 10), "Y": normal(n // WIDTH, 10)}),
    }
    return {name: {str(n): call_us(gc.compile(L), data(n), busy) / n * 1000 for n in counts} for name, (L, data) in made.items()}


def call_us(f: Any, arrays: dict[str, Any], busy: bool) -> float:
    """Best of rounds, into given buffers."""
    from tests.benchmarks.measure import clock, interleaved
    _, out = f(**arrays)
    for _ in range(3):                                                     # both ways of threads are tried in the first calls
        f(**arrays, out=out)
    return min(interleaved({"": lambda: f(**arrays, out=out)}, ROUNDS, clock(busy))[""])


# --- depth --------------------------------------------------------------------------------------------------------------

def depth(layers: int, busy: bool) -> dict[str, float]:
    """Seconds of the symbolic stages and of the first call, microseconds of a later one: tanh layers of 32, 64 rows."""
    import numpy as np

    import graphc as gc
    start = time.process_time()
    h, Y = gc.tensor("X", "n w"), gc.tensor("Y", "n w")
    for k in range(layers):
        h = gc.tanh(h @ gc.param(f"W{k}", "w w") + gc.param(f"b{k}", "w"))
    f = gc.compile(gc.mean((h - Y)**2))
    f.source                                                               # noqa: B018, all stages run when it is asked for
    symbolic = time.process_time() - start
    rng = np.random.default_rng(0)
    arrays = {k: (rng.standard_normal((64,) * (k in "XY") + (32,) * (len(dims) - (k in "XY"))) / 8).astype(np.float32) for k, dims in f.inputs.items()}
    start = time.process_time()
    f(**arrays)
    first = time.process_time() - start
    return {"symbolic": symbolic, "first": first, "call": call_us(f, arrays, busy)}


if __name__ == "__main__":
    main()
