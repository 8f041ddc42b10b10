"""All that wants a card, in one call: `python -m tests.cuda.gpu [--rounds N] [--no-tests] [NAME ...]`. What it prints is kept in docs/performance.md.

    1  the card, the driver, the versions, the date
    2  the tests of this folder that are marked gpu
    3  compute-sanitizer (memcheck, racecheck, initcheck) on some of them, if it is installed
    4  the rates of this card: copying in float32, matrix products in float32 without TF32
    5  value and gradient of each workload, by events: graphc bound and captured, PyTorch, torch.compile, JAX (by the clock: it has no events);
       the traffic that mathematics asks for (inputs read once, gradients written once), over time, over the rate of copying
    6  what a captured call takes of the processor

Not yet run: no machine that has built this so far had a card.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.benchmarks.workloads import WORKLOADS, Workload

WARM, SECONDS = 5, 0.1              # calls before, and the time of a round


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cuda.gpu", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="parts of workload names; all without")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-tests", action="store_true")
    options = parser.parse_args()
    from graphc.runtime.cuda.gpu import cards
    if not cards():
        print("this machine has no CUDA device")
        return 1
    import cupy as cp
    print(machine(cp), flush=True)
    failed = 0 if options.no_tests else tests()
    copied, multiplied = rates(cp)
    print(f"\ncopying {copied:,.0f} GB/s, matrix products {multiplied:,.1f} TFLOP/s (float32, no TF32)\n", flush=True)
    print(f"| workload | {' | '.join(f'{p}, us' for p in PEERS)} | of copying | graphc / best peer |\n{'|---' * (len(PEERS) + 3)}|")
    for w in workloads():
        if not options.names or any(n in w.name for n in options.names):
            print(row(cp, w, options.rounds, copied), flush=True)
    print(f"\na captured call takes {overhead(cp):.1f} us of the processor")
    return failed


def machine(cp: Any) -> str:
    about = cp.cuda.runtime.getDeviceProperties(0)
    versions = []
    for name in ("graphc", "cupy", "torch", "jax"):
        try:
            versions.append(f"{name} {importlib.import_module(name).__version__}")
        except ImportError:
            versions.append(f"no {name}")
    cc, driver = f"{about['major']}.{about['minor']}", cp.cuda.runtime.driverGetVersion()
    return f"{datetime.date.today()}: {about['name'].decode()} (cc {cc}), driver for CUDA {driver // 1000}.{driver % 1000 // 10}, {', '.join(versions)}"


def tests() -> int:
    """The exit code of the tests, and of compute-sanitizer on a few of them."""
    pytest = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests/cuda"]
    failed = subprocess.run(pytest).returncode
    sanitizer = shutil.which("compute-sanitizer")
    if sanitizer is None:
        print("compute-sanitizer is not installed: not run", flush=True)
        return failed
    few = ["-k", "extents and (33 or 4100) and float32 or linear or gathered or embedding", "-p", "no:cacheprovider"]
    for tool in ("memcheck", "racecheck", "initcheck"):
        code = subprocess.run([sanitizer, "--tool", tool, "--error-exitcode", "9", *pytest, *few]).returncode
        print(f"compute-sanitizer {tool}: {'clean' if code == 0 else f'exit code {code}'}", flush=True)
        failed = failed or code
    return failed


# --- rates and times

def rates(cp: Any) -> tuple[float, float]:
    """GB/s read and written by a copy of 1 GB, and TFLOP/s of a product of 8192 x 8192 matrices."""
    def copying() -> float:
        a, b = cp.zeros(1 << 28, cp.float32), cp.empty(1 << 28, cp.float32)
        return 2 * a.nbytes / by_events(cp, lambda: b.data.copy_from_device_async(a.data, a.nbytes), 5) * 1e-3

    def multiplying() -> float:
        x, out = cp.random.default_rng(0).standard_normal((8192, 8192), dtype=cp.float32), cp.empty((8192, 8192), cp.float32)
        return 2 * 8192**3 / by_events(cp, lambda: cp.matmul(x, x, out=out), 5) * 1e-6
    return copying(), multiplying()


def by_events(cp: Any, step: Callable[[], Any], rounds: int) -> float:
    """Microseconds of a call on the current stream: the median of rounds."""
    start, stop = cp.cuda.Event(), cp.cuda.Event()

    def taken(calls: int) -> float:
        start.record()
        for _ in range(calls):
            step()
        stop.record()
        stop.synchronize()
        return float(cp.cuda.get_elapsed_time(start, stop)) * 1e3 / calls
    taken(WARM)
    calls = max(1, int(SECONDS * 1e6 / max(taken(WARM), 1)))
    return statistics.median(taken(calls) for _ in range(rounds))


def by_clock(step: Callable[[], Any], rounds: int) -> float:
    """The same of a step that waits."""
    def taken(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            step()
        return (time.perf_counter() - start) * 1e6 / calls
    taken(WARM)
    calls = max(1, int(SECONDS * 1e6 / max(taken(WARM), 1)))
    return statistics.median(taken(calls) for _ in range(rounds))


def overhead(cp: Any) -> float:
    """Microseconds until a captured call of a tiny program returns; the device is not waited for."""
    import graphc as gc
    step = gc.compile(gc.losses.mse(gc.param("x", "n"), gc.tensor("y", "n")), target="cuda", capture=True).bind(x=cp.zeros(64), y=cp.ones(64))
    best = float("inf")
    for _ in range(50):
        cp.cuda.Device().synchronize()
        start = time.perf_counter()
        for _ in range(100):
            step()
        best = min(best, (time.perf_counter() - start) * 1e4)
    return best


# --- workloads

def workloads() -> list[Workload]:
    """Those of the processor, and sizes that fill a card."""
    named = {w.name: w for w in WORKLOADS}
    normal = lambda *shape: lambda rng: rng.normal(size=shape).astype(np.float32)
    more = []
    for name in ("mse", "huber", "bce with logits"):
        data = lambda rng: {"x": normal(10**7)(rng), "y": (rng.random(10**7) > 0.5).astype(np.float32)}
        more.append(replace(named[f"{name} 1e6"], name=f"{name} 1e7", data=data))
    for n, c in ((16384, 1000), (8192, 4096), (4096, 32000)):
        data = lambda rng, n=n, c=c: {"y": normal(n, c)(rng), "t": rng.integers(0, c, n)}
        more.append(replace(named["softmax cross-entropy 4096x1000"], name=f"softmax cross-entropy {n}x{c}", data=data))
    for n, d, c in ((8192, 1024, 32000),):
        data = lambda rng, n=n, d=d, c=c: {"X": normal(n, d)(rng), "W": normal(d, c)(rng) / 32, "t": rng.integers(0, c, n)}
        more.append(replace(named["linear + cross-entropy 4096x784x10"], name=f"linear + cross-entropy {n}x{d}x{c}", data=data))
    return [*WORKLOADS, *more]


def row(cp: Any, w: Workload, rounds: int, copied: float) -> str:
    arrays = w.data(np.random.default_rng(0))
    times, values = {}, {}
    for name, peer in PEERS.items():
        try:
            made = peer(cp, w, arrays)
            if made is not None:
                step, timed = made
                values[name] = float(step()[0])
                times[name] = timed(step, rounds)
        except Exception as error:              # a peer that cannot do this is a cell of the table
            print(f"{w.name}: {name}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", file=sys.stderr)
    for name, value in values.items():
        np.testing.assert_allclose(value, values["graphc"], rtol=2e-3, err_msg=f"{w.name}: {name}")
    traffic = sum(a.nbytes for a in arrays.values()) + sum(arrays[k].nbytes for k in w.wrt)
    best = min(times[n] for n in ("graphc", "captured") if n in times)
    peers = [t for n, t in times.items() if n not in ("graphc", "captured")]
    cells = [f"{times[n]:,.1f}" if n in times else "-" for n in PEERS]
    return f"| {w.name} | {' | '.join(cells)} | {traffic / best * 1e-3 / copied:.0%} | {f'{best / min(peers):.2f}' if peers else '-'} |"


def graphc(cp: Any, w: Workload, arrays: dict[str, np.ndarray], capture: bool = False) -> Any:
    import graphc as gc
    step = gc.compile(w.formula(), wrt=list(w.wrt), target="cuda", capture=capture).bind(**{k: cp.asarray(a) for k, a in arrays.items()})
    return step, lambda f, rounds: by_events(cp, f, rounds)


def torch(cp: Any, w: Workload, arrays: dict[str, np.ndarray], compiled: bool = False) -> Any:
    try:
        import torch as t
    except ImportError:
        return None
    if not t.cuda.is_available():
        return None
    F = t.nn.functional
    m = SimpleNamespace(abs=t.abs, exp=t.exp, relu=t.relu, cross_entropy=F.cross_entropy, huber=F.huber_loss, bce=F.binary_cross_entropy_with_logits)
    tensors = {k: t.tensor(a, device="cuda", requires_grad=k in w.wrt) for k, a in arrays.items()}
    loss = t.compile(lambda **given: w.loss(m, **given)) if compiled else lambda **given: w.loss(m, **given)

    def step() -> Any:
        for k in w.wrt:
            tensors[k].grad = None
        value = loss(**tensors)
        value.backward()
        return value.detach(), None
    return step, lambda f, rounds: by_events(cp, f, rounds)          # both on the legacy default stream


def jax(cp: Any, w: Workload, arrays: dict[str, np.ndarray]) -> Any:
    try:
        import jax as j
    except ImportError:
        return None
    if j.default_backend() != "gpu":
        return None
    from tests.benchmarks.__main__ import jax as on_any
    return on_any(w, arrays), by_clock


PEERS: dict[str, Callable[..., Any]] = {
    "graphc": graphc,
    "captured": lambda *given: graphc(*given, capture=True),
    "torch": torch,
    "torch.compile": lambda *given: torch(*given, compiled=True),
    "jax": jax,
}

if __name__ == "__main__":
    sys.exit(main())
