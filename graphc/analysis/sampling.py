"""Random data that suit a loss: extents that its subscripts allow, labels in range, numbers in its domain.

Extents are distinct primes, so that no two axes can be taken for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from graphc.errors import BindingError
from graphc.frontend.elementwise import located
from graphc.frontend.tensor import Tensor, describe
from graphc.ir.bind import Binder, Bound
from graphc.ir.interpret import interpret, size_of
from graphc.ir.nodes import Input, Node, Read
from graphc.ir.walk import inputs_of, topological
from graphc.scalar.symbols import Extent

__all__ = ["bound_at_random", "random_data", "DISTRIBUTIONS"]

PRIMES = tuple(sp.primerange(3, 120))
DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Any]] = {   # tried in turn until the loss is finite
    "normal": lambda rng, shape: rng.normal(size=shape),
    "uniform in (0, 1)": lambda rng, shape: rng.uniform(0.05, 0.95, size=shape),
    "uniform in (1, 2)": lambda rng, shape: rng.uniform(1.05, 1.95, size=shape),
}


def random_data(loss: Tensor, rng: np.random.Generator, distribution: str = "normal") -> dict[str, np.ndarray]:
    """An array for each input of a loss: floats of a distribution, labels in range, extents distinct primes that suit its subscripts."""
    inputs = inputs_of([loss.node])
    extents = _extents(inputs, Binder(inputs, [loss.node]))
    gathered = _gathered(loss.node)
    return {i.name: _draw(i, tuple(size_of(s, extents) for s in i.dims), extents, gathered, rng, distribution) for i in inputs}


def _extents(inputs: Sequence[Input], binder: Binder) -> dict[str, int]:
    sizes = [s for i in inputs for s in (*i.dims, *([i.below] if i.below is not None else []))]
    names = list(dict.fromkeys(s.name for size in sizes for s in sorted(size.free_symbols, key=str) if isinstance(s, Extent)))
    for start in range(len(PRIMES) - len(names)):
        extents = dict(zip(names, PRIMES[start:], strict=False))
        try:
            for requirement in binder.requirements:
                requirement.check(extents)
            return extents
        except BindingError:
            continue
    raise located(BindingError("no extents were found that suit the formula's subscripts; give data"))


def _gathered(root: Node) -> dict[Input, Any]:
    """The dim that an integer input subscripts."""
    found = {}
    for node in topological([root]):
        for read in node.reads:
            for e, size in zip(read.index, read.operand.dims, strict=True):
                if isinstance(e, Read) and isinstance(e.operand, Input):
                    found[e.operand] = size
    return found


def _draw(i: Input, shape: tuple[int, ...], extents: Mapping[str, int], gathered: Mapping[Input, Any], rng: np.random.Generator,
          distribution: str) -> np.ndarray:
    if i.dtype == "bool":
        return rng.integers(0, 2, size=shape).astype(bool)
    if i.dtype == "int":
        below = i.below if i.below is not None else gathered.get(i, sp.Integer(5))
        return np.asarray(rng.integers(0, size_of(below, extents), size=shape), dtype=np.int64)
    return np.asarray(DISTRIBUTIONS[distribution](rng, shape), dtype=i.precision or "float64")


def bound_at_random(loss: Tensor, rng: np.random.Generator) -> tuple[Bound, str]:
    """Random data for which the loss is finite, and the name of their distribution."""
    binder = Binder(inputs_of([loss.node]), [loss.node])
    for distribution in DISTRIBUTIONS:
        bound = binder.bind(random_data(loss, rng, distribution))
        value = interpret([loss.node], bound.arrays, bound.extents, np.float64)[loss.node]
        if np.isfinite(value).all():
            return bound, distribution
    raise located(BindingError(f"{describe(loss)} is not finite for random data ({'; '.join(DISTRIBUTIONS)}); give data"))
