"""Value and gradient of each workload on a card: `python -m tests.cuda.gpu_rows ROUNDS FIRST NAME ...` prints rows of a table, FIRST of which are known.

    graphc, captured       bound calls, by events: launch by launch, and as one CUDA graph
    torch, torch.compile   by events, on the same arrays
    jax                    by the clock, since it has no events
    floor                  inputs read once and results written once, at the rate of copying, and matrix products at their rate, measured here

Arrays that fit in the second-level cache stay there between calls, so small rows may lie under their floor. A cell is empty where a library is missing,
has no CUDA, or cannot do this; the line before says why.
"""

from __future__ import annotations

import datetime
import gc as garbage
import importlib
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tests.benchmarks.workloads import WORKLOADS, Workload, cross_entropy, linear_cross_entropy, pointwise, positive

WARM, SECONDS = 3, 0.05             # calls before, and the time of a round
OURS, THEIRS = ("graphc", "captured"), ("torch", "torch.compile", "jax")
HEAD = f"| workload | {' | '.join(f'{p}, us' for p in (*OURS, *THEIRS))} | floor, us | floor / graphc | graphc / best peer |\n{'|---' * 9}|"
LOST = ("context is lost", "illegal memory access", "unspecified launch failure")
AGREE = {2: 3e-2, 4: 2e-3, 8: 1e-6}


# --- workloads

def workloads() -> list[Workload]:
    """Those that fill a card first; those of the processor; some of each in bfloat16."""
    large = [cross_entropy(16384, 1000), cross_entropy(8192, 4096), cross_entropy(4096, 32000), linear_cross_entropy(8192, 1024, 32000),
             pointwise("mse", lambda m, x, y: ((x - y) ** 2).mean(), 10**7), pointwise("huber", lambda m, x, y: m.huber(x, y), 10**7, positive),
             pointwise("bce_with_logits", lambda m, x, y: m.bce_with_logits(x, y), 10**7)]
    return [*large, *(narrow(w) for w in (*large[:5], cross_entropy(128, 1000))), *WORKLOADS]


def narrow(w: Workload) -> Workload:
    """The same of arrays in bfloat16."""
    kind = importlib.import_module("ml_dtypes").bfloat16
    return replace(w, name=f"{w.name}, bfloat16", data=lambda rng: {k: a.astype(kind) if a.dtype.kind == "f" else a for k, a in w.data(rng).items()})


def chosen(names: list[str]) -> list[Workload]:
    return [w for w in workloads() if not names or any(n in w.name for n in names)]


# --- rates and times

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
    return _median(taken, rounds)


def by_clock(step: Callable[[], Any], rounds: int) -> float:
    """The same of a step that waits."""
    def taken(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            step()
        return (time.perf_counter() - start) * 1e6 / calls
    return _median(taken, rounds)


def _median(taken: Callable[[int], float], rounds: int) -> float:
    taken(WARM)
    calls = min(max(1, int(SECONDS * 1e6 / max(taken(WARM), 1))), 2000)
    return statistics.median(taken(calls) for _ in range(rounds))


def rates(cp: Any, size: int = 1 << 28, side: int = 8192) -> dict[str, float]:
    """Bytes a microsecond of a copy, read and written; and operations a microsecond of products of square matrices, by the dtype of their elements."""
    from graphc.runtime.cuda.products import multiply
    source, target = cp.ndarray((size,), np.float32), cp.ndarray((size,), np.float32)
    source.data.memset_async(0, source.nbytes)
    found = {"copy": 2 * source.nbytes / by_events(cp, lambda: target.data.copy_from_device_async(source.data, source.nbytes), 5)}
    host = np.random.default_rng(0).standard_normal((side, side), dtype=np.float32)
    for kind in ("float32", "float16"):
        x, out = cp.asarray(host.astype(kind)), cp.ndarray((side, side), np.float32)
        found[kind] = 2 * side**3 / by_events(cp, lambda x=x, out=out: multiply(cp, x, x, out, False), 5)
    return found


def overhead(cp: Any, rounds: int = 50, calls: int = 100) -> str:
    """Microseconds until a call of a tiny program returns; the device is not waited for."""
    import graphc as gc
    L, data = gc.losses.mse(gc.param("x", "n"), gc.tensor("y", "n")), {k: cp.asarray(np.ones(64, np.float32)) for k in "xy"}
    plain, captured = (gc.compile(L, target="cuda", capture=c) for c in (False, True))
    bound = captured.bind(**data)

    def best(step: Callable[[], Any]) -> float:
        found = []
        for _ in range(rounds):
            cp.cuda.Device().synchronize()
            start = time.perf_counter()
            for _ in range(calls):
                step()
            found.append((time.perf_counter() - start) * 1e6 / calls)
        return min(found)
    return (f"a call takes of the processor: {best(lambda: plain(**data)):.1f} us; captured {best(lambda: captured(**data)):.1f}; "
            f"captured and bound {best(bound):.1f}")


def machine(cp: Any) -> str:
    about = cp.cuda.runtime.getDeviceProperties(0)
    versions = []
    for name in ("graphc", "cupy", "numba_cuda", "torch", "jax"):
        try:
            versions.append(f"{name} {getattr(importlib.import_module(name), '__version__', '')}")
        except Exception:                              # a library that cannot load here is no peer
            versions.append(f"no {name}")
    driver = cp.cuda.runtime.driverGetVersion()
    return (f"{datetime.date.today()}: {about['name'].decode()} (cc {about['major']}.{about['minor']}), "
            f"driver for CUDA {driver // 1000}.{driver % 1000 // 10}, {', '.join(versions)}")


# --- steps

def graphc(cp: Any, w: Workload, arrays: dict[str, Any], capture: bool) -> Callable[[], Any]:
    import graphc as gc
    f = gc.compile(w.formula(), wrt=list(w.wrt) if w.task == "gradient" else (), target="cuda", capture=capture)
    step = f.bind(**{k: cp.asarray(a) if a.ndim else a for k, a in arrays.items()})
    for _ in range(3):                                 # compiled, recorded
        step()
    return step


def peer(cp: Any, name: str, w: Workload, arrays: dict[str, Any]) -> Callable[[], Any]:
    """A step of another library on this card; an exception says why there is none."""
    from tests.benchmarks.peers import PEERS
    if name == "jax":
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        if importlib.import_module("jax").default_backend() != "gpu":
            raise LookupError("this JAX has no CUDA")
        return PEERS[name](w, arrays, "fresh")
    torch = importlib.import_module("torch")
    if not torch.cuda.is_available():
        raise LookupError("this PyTorch has no CUDA")
    torch.set_default_device("cuda")                   # on the legacy default stream, as CuPy is
    torch.backends.cuda.matmul.allow_tf32 = False
    given = {k: torch.tensor(a.astype(np.float32)).to(torch.bfloat16) if a.dtype.name == "bfloat16" else a for k, a in arrays.items()}
    return PEERS[name](w, given, "fresh")


def leaves(result: Any) -> Iterator[np.ndarray]:
    """The first elements of all arrays of a result, in float64."""
    if isinstance(result, dict):
        for k in sorted(result):
            yield from leaves(result[k])
    elif isinstance(result, tuple | list):
        for part in result:
            yield from leaves(part)
    else:
        flat = result.detach() if hasattr(result, "detach") else result
        flat = flat.reshape(-1)[:1 << 16]
        flat = flat.float().cpu().numpy() if hasattr(flat, "cpu") else flat.get() if hasattr(flat, "get") else np.asarray(flat)
        yield np.asarray(flat).astype(np.float64)


# --- rows

def row(cp: Any, w: Workload, rounds: int, rate: dict[str, float]) -> Iterator[str]:
    """Lines about what could not be measured, then the row."""
    arrays = {k: np.asarray(a) for k, a in w.data(np.random.default_rng(0)).items()}
    times: dict[str, float] = {}
    expected: list[np.ndarray] = []
    for name in (*OURS, *THEIRS):
        try:
            step = graphc(cp, w, arrays, name == "captured") if name in OURS else peer(cp, name, w, arrays)
            found = list(leaves(step()))
            times[name] = by_clock(step, rounds) if name == "jax" else by_events(cp, step, rounds)
            if wrong := differs(expected or found, found, w, arrays):
                yield f"{w.name}: {name} differs: {wrong}"
            expected = expected or found
            del step
        except Exception as error:
            if any(text in str(error) for text in LOST):
                raise
            yield f"{w.name}: {name}: {type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
    yield cells(w, arrays, times, rate)


def differs(expected: list[np.ndarray], found: list[np.ndarray], w: Workload, arrays: dict[str, Any]) -> str:
    """How far results are apart, where that is too far."""
    limit = AGREE[min(a.dtype.itemsize for a in arrays.values() if a.ndim)] * (10 if w.task != "gradient" else 1)
    for a, b in zip(expected, found, strict=True):
        scale = np.linalg.norm(a) or 1.0
        if not np.linalg.norm(a - b) <= limit * scale:
            return f"by {np.linalg.norm(a - b) / scale:.1e} of the norm"
    return ""


def cells(w: Workload, arrays: dict[str, Any], times: dict[str, float], rate: dict[str, float]) -> str:
    narrow = any(a.dtype.itemsize == 2 for a in arrays.values())
    traffic = sum(a.nbytes for a in arrays.values()) + sum(arrays[k].nbytes for k in w.wrt)
    floor = traffic / rate["copy"] + 2 * sum(map(math.prod, w.products)) / rate["float16" if narrow else "float32"]
    ours, theirs = ([times[n] for n in names if n in times] for names in (OURS, THEIRS))
    shown = [f"{times[n]:,.1f}" if n in times else "" for n in (*OURS, *THEIRS)]
    share = f"{floor / min(ours):.0%}" if ours else ""
    return f"| {w.name} | {' | '.join(shown)} | {floor:,.1f} | {share} | {f'{min(ours) / min(theirs):.2f}' if ours and theirs else ''} |"


def main(rounds: int, known: int, names: list[str]) -> int:
    import cupy as cp

    from graphc.runtime.cuda.gpu import cards
    if not cards():
        print("this machine has no CUDA device")
        return 1
    rate = rates(cp)
    if not known:
        print(machine(cp))
        print(f"copying {rate['copy'] * 1e-3:,.0f} GB/s, matrix products {rate['float32'] * 1e-6:,.1f} TFLOP/s in float32 (no TF32), "
              f"{rate['float16'] * 1e-6:,.1f} in float16", flush=True)
        print(overhead(cp), flush=True)
    for w in (w for w in workloads() if w.name in names):
        for line in row(cp, w, rounds, rate):
            print(line, flush=True)
        garbage.collect()
        cp.get_default_memory_pool().free_all_blocks()
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
