"""graphc and its peers: each a function from a workload and its arrays to a step without arguments.

A step returns, in the library's own arrays, (value, gradients by name), or what the workload's task asks for. Each library gets its
arrays once, in advance. A peer raises Unable where a task has no form in it.

    call    "fresh"  into new arrays each time
            "out"    into the same buffers, where the library has such a way (PyTensor: its own)
            "bind"   and with inputs checked in advance (PyTensor: trusted)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tests.benchmarks import words
from tests.benchmarks.workloads import Workload

__all__ = ["PEERS", "Step", "Unable", "graphc"]

Step = Callable[[], Any]
Arrays = Mapping[str, Any]


class Unable(Exception):
    """The task has no form in this library."""


# --- graphc -------------------------------------------------------------------------------------------------------------

def graphc(w: Workload, arrays: Arrays, call: str) -> Step:
    import graphc as gc
    f = gc.compile(w.formula(), wrt=list(w.wrt) if w.task == "gradient" else ())
    if call == "fresh":
        return lambda: f(**arrays)
    out = buffers(f(**arrays))
    if w.task == "gradient":
        out = out[1]                                                       # the gradients; a value is a number
    return f.bind(**arrays, out=out) if call == "bind" else lambda: f(**arrays, out=out)


def buffers(result: Any) -> Any:
    """The arrays of a result, to write into; None for numbers."""
    if isinstance(result, dict):
        return {k: buffers(v) for k, v in result.items()}
    if isinstance(result, tuple):
        return tuple(map(buffers, result))
    return result if result.ndim else None


# --- PyTorch ------------------------------------------------------------------------------------------------------------

def torch(w: Workload, arrays: Arrays, call: str) -> Step:
    return _torch(w, arrays, words.TorchEager(), lambda f: f)


def torch_compile(w: Workload, arrays: Arrays, call: str) -> Step:
    import torch as t
    logging.getLogger("torch").setLevel(logging.CRITICAL)                  # what it cannot compile it raises, too
    t._dynamo.reset()                                                      # rows share their code, and it keeps a bounded number of versions
    return _torch(w, arrays, words.Torch(), lambda f: t.compile(f, dynamic=False))


def _torch(w: Workload, arrays: Arrays, m: Any, compiled: Callable[..., Any]) -> Step:
    import torch as t
    tensors = {k: t.tensor(a, requires_grad=k in w.wrt and w.task == "gradient") for k, a in arrays.items()}
    if w.task == "gradient":
        return _torch_gradient(w, tensors, compiled(lambda given: w.loss(m, **given)))
    if w.task == "values":
        f = compiled(lambda given: w.loss(m, **given))
        return t.no_grad()(lambda: f(tensors))
    y, others = tensors[w.wrt[0]], {k: x for k, x in tensors.items() if k not in (*w.wrt, "v")}
    if w.task == "product":
        f = compiled(lambda y, v: t.func.jvp(t.func.grad(lambda y: w.loss(m, y=y, **others)), (y,), (v,))[1])
        return lambda: f(y, tensors["v"])
    return _bound(compiled(_diagonal(w, m, t.func.vmap, lambda f: t.func.jacrev(t.func.grad(f)), t.diagonal)), y, others["t"])


def _torch_gradient(w: Workload, tensors: dict[str, Any], loss: Callable[..., Any]) -> Step:
    def step() -> Any:
        for k in w.wrt:
            tensors[k].grad = None
        value = loss(tensors)
        value.backward()
        return value.detach(), {k: tensors[k].grad for k in w.wrt}
    return step


def _diagonal(w: Workload, m: Any, vmap: Any, hessian: Any, diagonal: Any) -> Callable[..., Any]:
    """Row by row, as in each library's documentation: the whole Hessian has the rows squared."""
    def row(y: Any, t: Any) -> Any:
        return diagonal(hessian(lambda y: w.loss(m, y=y[None], t=t[None]))(y))
    return lambda y, t: vmap(row)(y, t) / t.shape[0]


def _bound(f: Callable[..., Any], *given: Any) -> Step:
    return lambda: f(*given)


# --- JAX ----------------------------------------------------------------------------------------------------------------

def jax(w: Workload, arrays: Arrays, call: str) -> Step:
    import jax as j
    m, given = words.Jax(), {k: j.numpy.asarray(a) for k, a in arrays.items()}
    params = {k: given.pop(k) for k in w.wrt}

    def loss(params: Any, given: Any) -> Any:
        return w.loss(m, **params, **given)

    def product(params: Any, given: Any) -> Any:
        v = {w.wrt[0]: given["v"]}
        return j.jvp(j.grad(lambda p: loss(p, {k: x for k, x in given.items() if k != "v"})), (params,), (v,))[1]
    rows = _diagonal(w, m, j.vmap, j.hessian, j.numpy.diagonal)
    tasks: dict[str, Callable[..., Any]] = {
        "gradient": j.value_and_grad(loss), "values": loss, "product": product, "diagonal": lambda p, g: rows(p[w.wrt[0]], g["t"])}
    f = j.jit(tasks[w.task])
    return lambda: j.block_until_ready(f(params, given))


# --- PyTensor -----------------------------------------------------------------------------------------------------------

def pytensor(w: Workload, arrays: Arrays, call: str) -> Step:
    import pytensor as p
    import pytensor.tensor as pt
    given = {k: pt.tensor(k, dtype=str(a.dtype), shape=(None,) * a.ndim) for k, a in arrays.items()}
    out = p.compile.io.Out
    f = p.function(list(given.values()), [out(x, borrow=call != "fresh") for x in _pytensor_outputs(w, given)], mode="NUMBA")
    f.trust_input = call == "bind"
    values = [np.asarray(a) for a in arrays.values()]
    return lambda: f(*values)


def _pytensor_outputs(w: Workload, given: dict[str, Any]) -> list[Any]:
    import pytensor.tensor as pt
    v = given.pop("v") if w.task == "product" else None
    loss = w.loss(words.PyTensor(), **given)
    if w.task == "values":
        return [loss[k] for k in sorted(loss)]
    wrt = [given[k] for k in sorted(w.wrt)]
    if w.task == "gradient":
        return [loss, *pt.grad(loss, wrt)]
    if w.task == "product":
        return [pt.grad((pt.grad(loss, wrt[0]) * v).sum(), wrt[0])]
    raise Unable("PyTensor has no vmap of gradients")


PEERS: dict[str, Callable[..., Step]] = {"torch": torch, "torch.compile": torch_compile, "jax": jax, "pytensor": pytensor}
