"""Value and gradient, graphc beside PyTorch and JAX on this machine: `python -m tests.benchmarks [--threads N] [--rounds N] [NAME ...]`.

Agreement is checked first. Rounds are interleaved, so that a slow moment of the machine meets all; best and median are printed, in
microseconds, and graphc over the best peer. A peer that is not installed is left out.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="parts of workload names; all without")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    limit_threads(options.threads)
    from tests.benchmarks.workloads import WORKLOADS
    print(f"| workload | {' | '.join(f'{p}, best (median)' for p in PEERS)} | graphc / best peer |")
    print("|---" * (len(PEERS) + 2) + "|")
    for w in WORKLOADS:
        if not options.names or any(n in w.name for n in options.names):
            print(row(w, options.rounds), flush=True)


def limit_threads(n: int) -> None:
    """Before any library starts its pool."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GRAPHC_NUM_THREADS"):
        os.environ[name] = str(n)
    if n == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def row(w: Any, rounds: int) -> str:
    arrays = w.data(np.random.default_rng(0))
    steps = {name: step for name, make in PEERS.items() if (step := make(w, arrays)) is not None}
    agree({name: step() for name, step in steps.items()}, w)
    times: dict[str, list[float]] = {name: [] for name in steps}
    repeats = {name: max(1, int(0.05 / max(once(step), 1e-6))) for name, step in steps.items()}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                step()
            times[name].append((time.perf_counter() - start) / repeats[name] * 1e6)
    best = {name: min(t) for name, t in times.items()}
    cells = [f"{best[n]:,.1f} ({statistics.median(times[n]):,.1f})" if n in best else "-" for n in PEERS]
    others = [t for n, t in best.items() if n != "graphc"]
    return f"| {w.name} | {' | '.join(cells)} | {best['graphc'] / min(others):.2f} |" if others else f"| {w.name} | {' | '.join(cells)} | - |"


def once(step: Callable[[], Any]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def agree(results: dict[str, tuple[Any, dict[str, Any]]], w: Any) -> None:
    value, grads = results["graphc"]
    for name, (other, others) in results.items():
        np.testing.assert_allclose(float(value), float(other), rtol=2e-4, err_msg=f"{w.name}: {name}")
        for k in w.wrt:
            scale = np.abs(np.asarray(others[k])).max()
            np.testing.assert_allclose(grads[k], np.asarray(others[k]), rtol=2e-3, atol=2e-4 * scale, err_msg=f"{w.name}: {name}, {k}")


def graphc(w: Any, arrays: dict[str, np.ndarray]) -> Callable[[], Any]:
    import graphc as gc
    f = gc.compile(w.formula(), wrt=list(w.wrt))
    buffers = {k: np.empty_like(arrays[k]) for k in w.wrt}
    return lambda: f(**arrays, out=buffers)


def torch(w: Any, arrays: dict[str, np.ndarray]) -> Callable[[], Any] | None:
    try:
        import torch as t
        import torch.nn.functional as F
    except ImportError:
        return None
    t.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    m = SimpleNamespace(abs=t.abs, exp=t.exp, relu=t.relu, cross_entropy=F.cross_entropy, huber=F.huber_loss, bce=F.binary_cross_entropy_with_logits)
    tensors = {k: t.tensor(a, requires_grad=k in w.wrt) for k, a in arrays.items()}

    def step() -> Any:
        for k in w.wrt:
            tensors[k].grad = None
        value = w.loss(m, **tensors)
        value.backward()
        return value.detach(), {k: tensors[k].grad for k in w.wrt}
    return step


def jax(w: Any, arrays: dict[str, np.ndarray]) -> Callable[[], Any] | None:
    try:
        import jax as j
        import jax.numpy as jnp
    except ImportError:
        return None

    def cross_entropy(y: Any, t: Any) -> Any:
        return (j.nn.logsumexp(y, axis=1) - jnp.take_along_axis(y, t[:, None], axis=1)[:, 0]).mean()

    def huber(x: Any, y: Any) -> Any:
        r = jnp.abs(x - y)
        return jnp.where(r < 1, 0.5 * r**2, r - 0.5).mean()

    def bce(x: Any, y: Any) -> Any:
        return (jnp.maximum(x, 0) - x * y + jnp.log1p(jnp.exp(-jnp.abs(x)))).mean()
    m = SimpleNamespace(abs=jnp.abs, exp=jnp.exp, relu=j.nn.relu, cross_entropy=cross_entropy, huber=huber, bce=bce)
    fixed = {k: jnp.asarray(a) for k, a in arrays.items() if k not in w.wrt}
    params = {k: jnp.asarray(arrays[k]) for k in w.wrt}
    f = j.jit(j.value_and_grad(lambda p, fixed: w.loss(m, **p, **fixed)))

    def step() -> Any:
        return j.block_until_ready(f(params, fixed))
    return step


PEERS: dict[str, Callable[..., Any]] = {"graphc": graphc, "torch": torch, "jax": jax}

if __name__ == "__main__":
    main()
