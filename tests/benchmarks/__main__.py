"""Value and gradient, graphc beside PyTorch, torch.compile, JAX and PyTensor on this machine.

    python -m tests.benchmarks [--threads N] [--rounds N] [--peers jax,torch] [--skip-slow] [--call out|fresh|bind] [--write] [NAME ...]

NAME is a part of a workload's name. Results are compared first. Rounds are interleaved; best (median), in microseconds. A dash is a peer
that is not installed, has no form of the task, or takes longer than --limit to compile: the lines below the table say which.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from tests.benchmarks import page
from tests.benchmarks.limits import limit_threads

LIBRARIES = {"torch": "torch", "torch.compile": "torch", "jax": "jax", "pytensor": "pytensor"}


def main() -> None:
    options = arguments()
    limit_threads(options.threads)
    from tests.benchmarks.workloads import WORKLOADS
    installed = [p for p in options.peers.split(",") if p and find_spec(LIBRARIES[p])]
    about = f"{options.threads} thread{'s' * (options.threads > 1)}{', processor time' * options.busy}. {page.machine(*dict.fromkeys(LIBRARIES[p] for p in installed))}"
    print(about, end="\n\n", flush=True)
    rows, notes = [], []
    for w in WORKLOADS:
        if not (options.skip_slow and w.slow) and (not options.names or any(n in w.name for n in options.names)):
            rows.append(Row(w, installed, options, notes))
            print(page.table(header(installed), [r.cells(installed) for r in rows]) if len(rows) == 1 else f"| {' | '.join(rows[-1].cells(installed))} |",
                  flush=True)
    end = "\n".join([*summary([r for r in rows if r.ratio]), *notes])
    print(f"\n{end}")
    if options.write:
        text = page.table(header(installed), [r.cells(installed) for r in rows])
        page.write(f"benchmarks, threads: {options.threads}", f"{about}\n\n{text}\n\n{end}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--peers", default=",".join(LIBRARIES), help="of torch, torch.compile, jax, pytensor; '' for graphc alone")
    parser.add_argument("--skip-slow", action="store_true", help="leave out the two rows with 32000 classes")
    parser.add_argument("--call", choices=("out", "fresh", "bind"), default="out", help="how it is called (see peers.py)")
    parser.add_argument("--limit", type=float, default=60, help="seconds to compile and run once")
    parser.add_argument("--busy", action="store_true", help="processor time, with one thread on a machine that others use")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    return parser.parse_args()


class Row:
    """One workload, measured."""

    def __init__(self, w: Any, peers: list[str], options: argparse.Namespace, notes: list[str]):
        import numpy as np  # here, after limit_threads: its BLAS starts a pool, too

        from tests.benchmarks.floor import Floor
        from tests.benchmarks.measure import best, clock, interleaved, leaves, median
        from tests.benchmarks.peers import graphc
        self.name = w.name
        arrays = w.data(np.random.default_rng(0))
        steps = {"graphc": graphc(w, arrays, options.call)}
        ours = leaves(steps["graphc"]())
        for name in peers:
            step = prepared(name, w, arrays, ours, options, notes)
            steps |= {name: step} if step else {}
        floor = Floor(w, [*arrays.values(), *ours])
        del ours
        times = interleaved(steps | floor.steps(), options.rounds, clock(options.busy))
        self.best, self.median = best(times), median(times)
        self.floor, self.roof = floor.of(self.best)
        others = [self.best[p] for p in peers if p in steps]
        self.ratio = self.best["graphc"] / min(others) if others else None

    def cells(self, peers: list[str]) -> list[str]:
        times = [f"{number(self.best[p])} ({number(self.median[p])})" if p in self.best else "-" for p in ("graphc", *peers)]
        ratio = "-" if self.ratio is None else f"{self.ratio:.2f}"
        return [self.name, *times, ratio, f"{number(self.floor)} {self.roof}", f"{self.best['graphc'] / self.floor:.1f}"]


def prepared(name: str, w: Any, arrays: Any, ours: list[Any], options: argparse.Namespace, notes: list[str]) -> Callable[[], Any] | None:
    """The peer's step, compiled and compared; None, and a note, where there is none."""
    from tests.benchmarks.measure import agree, bounded, leaves
    from tests.benchmarks.peers import PEERS
    try:
        with bounded(options.limit):
            step = PEERS[name](w, arrays, options.call)
            theirs = leaves(step())
    except Exception as error:                                             # whatever a peer raises: it has no column in this row, and the note says why
        reason = next(iter(str(error).strip().splitlines()), "")
        notes.append(f"{name} has no {w.name}: {type(error).__name__}, {reason[:160]}.")
        print(notes[-1], file=sys.stderr, flush=True)
        return None
    agree(ours, theirs, f"{w.name}: graphc and {name}")
    return step


def header(peers: list[str]) -> list[str]:
    return ["workload", *(f"{p}, best (median)" for p in ("graphc", *peers)), "graphc / best peer", "floor", "graphc / floor"]


def number(microseconds: float) -> str:
    return f"{microseconds:,.1f}" if microseconds < 1000 else f"{microseconds:,.0f}"


def summary(rows: list[Row]) -> list[str]:
    """The geometric mean of graphc over the best peer, and the worst row."""
    if not rows:
        return []
    mean = math.exp(sum(math.log(r.ratio) for r in rows) / len(rows))
    worst = max(rows, key=lambda r: r.ratio)
    behind = sum(r.ratio > 1 for r in rows)
    return [f"graphc over the best peer: geometric mean {mean:.2f}, at worst {worst.ratio:.2f} ({worst.name}); above 1 in {behind} of {len(rows)} rows."]


if __name__ == "__main__":
    main()
