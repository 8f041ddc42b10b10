"""Time to the first result: `python -m tests.benchmarks.start [--write]`.

Seconds of processor time. Each row runs in processes of its own: the first with nothing on disk, the second finds its kernels there. A
call with other sizes follows, and what it compiled is counted: nothing. Then the files of examples/, first and second process.
"""

from __future__ import annotations

import compileall
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks import page

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(one(sys.argv[2])))
        return
    compileall.compile_dir(ROOT / "graphc", quiet=1)                       # bytecode, as an installation has it
    imports = min(process(["-c", "import graphc"])[0] for _ in range(3)) - min(process(["-c", ""])[0] for _ in range(3))
    rows = [["`import graphc` (no Numba)", "", "", f"{imports:.2f}", ""], *map(row, FORMULAS)]
    header = ["", "symbolic stages", "first call", "whole process", "with other sizes"]
    first = page.table(header, rows)
    second = page.table(["example", "first process", "second"], map(example, sorted((ROOT / "examples").glob("*.py"))))
    page.finish("start", f"{page.machine()} In brackets the second process.\n\n{first}\n\n{second}")


def row(name: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        runs = [process(["-m", "tests.benchmarks.start", "one", name], folder) for _ in range(2)]
    cold, warm = (json.loads(output) for _, output in runs)
    both = [f"{cold[k]:.2f} ({warm[k]:.2f})" for k in ("symbolic", "first")]
    return [name, *both, f"{runs[0][0]:.2f} ({runs[1][0]:.2f})", f"{cold['other']:.3f}, {cold['compiled']} compiled"]


def example(file: Path) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        return [f"[{file.name}](../examples/{file.name})", *(f"{process([str(file)], folder)[0]:.2f}" for _ in range(2))]


def process(words: Sequence[str], cache: str = "") -> tuple[float, str]:
    """Processor time of a process and of its children, and what it printed."""
    env = os.environ | {"PYTHONPATH": str(ROOT)} | ({"GRAPHC_CACHE": cache} if cache else {})
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = subprocess.run([sys.executable, *words], env=env, cwd=cache or None, check=True, stdout=subprocess.PIPE, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, output


def one(name: str) -> dict[str, float]:
    """The parts of one process: symbolic stages to the module's text, the first call, a call with other sizes and the modules that it added."""
    import graphc as gc
    start = time.process_time()
    f = gc.compile(FORMULAS[name](gc))
    f.source                                                               # noqa: B018, runs the stages
    symbolic = time.process_time() - start
    return {"symbolic": symbolic, "first": called(f, 5), **other_sizes(f)}


def other_sizes(f: Any) -> dict[str, float]:
    folder = Path(os.environ["GRAPHC_CACHE"])
    before = set(folder.rglob("*"))
    return {"other": called(f, 7), "compiled": len(set(folder.rglob("*")) - before)}


def called(f: Any, n: int) -> float:
    import numpy as np
    rng = np.random.default_rng(0)
    arrays = {k: np.zeros(n, np.int64) if k == "t" else rng.normal(size=[size(d, n) for d in dims]).astype(np.float32) for k, dims in f.inputs.items()}
    start = time.process_time()
    f(**arrays)
    return time.process_time() - start


def size(dim: str, n: int) -> int:
    """n rows; a few more columns, for names with a number some more."""
    return int(dim) if dim.isdigit() else n if dim == "n" else n + 1 + int(dim[1:] or 0) % 5


# --- formulas -----------------------------------------------------------------------------------------------------------

def _cross_entropy(gc: Any) -> Any:
    return gc.losses.cross_entropy(gc.param("y", "n c"), gc.labels("t", "n", below="c"))


def _mlp(gc: Any) -> Any:
    """The lecture's: two hidden layers of 10 and 20."""
    h = gc.tensor("X", ("n", 3))
    for k, (a, b) in enumerate(((3, 10), (10, 20), (20, 3))):
        h = h @ gc.param(f"W{k}", (a, b)) + gc.param(f"b{k}", (b,))
        h = gc.relu(h) if k < 2 else h
    return gc.losses.cross_entropy(h, gc.labels("t", "n", below=3))


def _deep(gc: Any, widths: Sequence[str]) -> Any:
    h = gc.tensor("X", ("n", widths[0]))
    for k, (a, b) in enumerate(zip(widths, widths[1:], strict=False)):
        h = gc.tanh(h @ gc.param(f"W{k}", (a, b)) + gc.param(f"b{k}", (b,)))
    return gc.mean((h - gc.tensor("Y", ("n", widths[-1])))**2)


FORMULAS = {
    "softmax cross-entropy": _cross_entropy,
    "MLP 3-10-20-3": _mlp,
    "50 tanh layers of one width": lambda gc: _deep(gc, ["w"] * 51),
    "50 tanh layers of different widths": lambda gc: _deep(gc, [f"d{k}" for k in range(51)]),
}

if __name__ == "__main__":
    main()
