"""Random data that suit formulas: extents that their subscripts allow, labels in range, numbers in their domain.

Extents are distinct primes, so that no two axes can be taken for each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from graphc.errors import BindingError
from graphc.frontend.elementwise import located
from graphc.frontend.tensor import Tensor, describe
from graphc.ir.bind import Binder
from graphc.ir.interpret import interpret, size_of
from graphc.ir.nodes import Input, Node, Read
from graphc.ir.walk import inputs_of, topological
from graphc.scalar.symbols import Extent

__all__ = ["Sampler", "DISTRIBUTIONS", "intervals"]

PRIMES = tuple(sp.primerange(2, 120))
DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Any]] = {   # tried in turn until the formulas are finite
    "normal": lambda rng, shape: rng.normal(size=shape),
    "uniform in (0, 1)": lambda rng, shape: rng.uniform(0.05, 0.95, size=shape),
    "uniform in (1, 2)": lambda rng, shape: rng.uniform(1.05, 1.95, size=shape),
}
MIXED = 4             # so many float inputs may each have a distribution of their own


class Sampler:
    """Random arrays for the inputs of tensors, for which all are finite.

    >>> import graphc as gc
    >>> import numpy as np
    >>> x = gc.tensor("x", "n")
    >>> sampler = Sampler([gc.sum(gc.log(x))], np.random.default_rng(0))
    >>> sampler.extents, sampler.described
    ({'n': 2}, 'uniform in (0, 1)')
    """

    def __init__(self, tensors: Sequence[Tensor], rng: np.random.Generator, more: Sequence[Tensor] = (),
                 within: Mapping[str, tuple[float, float]] | None = None):
        """`more` have inputs that are drawn too; they need not be finite. `within` are intervals of inputs, by name."""
        self.roots = [t.node for t in (*tensors, *more)]
        self.inputs = inputs_of(self.roots)
        self.binder = Binder(self.inputs, self.roots)
        self.extents = _extents(self.inputs, self.binder)
        self.gathered = _gathered(self.roots)
        self.floats = [i for i in self.inputs if i.dtype == "float"]
        self.within = {i: within[i.name] for i in self.floats if within and i.name in within}
        self.distributions = self._suitable(tensors, rng)

    @property
    def described(self) -> str:
        names = list(dict.fromkeys(self.distributions.values()))
        said = names[0] if len(names) == 1 else ", ".join(f"{i.name} {d}" for i, d in self.distributions.items())
        return ", ".join([said, *(f"{i.name} in [{low:g}, {high:g}]" for i, (low, high) in self.within.items())])

    def admits(self, i: Input, v: float) -> bool:
        """Whether a number is in the interval of an input."""
        low, high = self.within.get(i, (-np.inf, np.inf))
        return low <= v <= high

    def draw(self, rng: np.random.Generator) -> dict[Input, np.ndarray]:
        """Arrays by input, floats in float64."""
        return self._draw(rng, self.distributions)

    def _suitable(self, tensors: Sequence[Tensor], rng: np.random.Generator) -> dict[Input, str]:
        for chosen in self._candidates():
            drawn = {i.name: a.astype(i.precision) if i.precision else a for i, a in self._draw(rng, chosen).items()}
            bound = self.binder.bind(drawn | {n: self.extents[n] for n in self.binder.needed})
            values = interpret([t.node for t in tensors], bound.arrays, bound.extents, np.float64)
            if all(np.isfinite(values[t.node]).all() for t in tensors):
                return chosen
        raise located(BindingError(f"{', '.join(map(describe, tensors))} is not finite for random data ({'; '.join(DISTRIBUTIONS)}); give data"))

    def _candidates(self) -> Iterator[dict[Input, str]]:
        for name in DISTRIBUTIONS:
            yield dict.fromkeys(self.floats, name)
        if 1 < len(self.floats) <= MIXED:
            for names in itertools.product(DISTRIBUTIONS, repeat=len(self.floats)):
                if len(set(names)) > 1:
                    yield dict(zip(self.floats, names, strict=True))

    def _draw(self, rng: np.random.Generator, distributions: Mapping[Input, str]) -> dict[Input, np.ndarray]:
        return {i: self._array(i, tuple(size_of(s, self.extents) for s in i.dims), rng, distributions) for i in self.inputs}

    def _array(self, i: Input, shape: tuple[int, ...], rng: np.random.Generator, distributions: Mapping[Input, str]) -> np.ndarray:
        if i.dtype == "bool":
            return rng.integers(0, 2, size=shape).astype(bool)
        if i.dtype == "int":
            below = i.below if i.below is not None else self.gathered.get(i, sp.Integer(5))
            return np.asarray(rng.integers(0, size_of(below, self.extents), size=shape), dtype=np.int64)
        drawn = np.asarray(DISTRIBUTIONS[distributions[i]](rng, shape))
        if i in self.within:
            low, high = self.within[i]
            drawn = rng.uniform(low, high, size=shape) if np.isfinite(high - low) else np.clip(drawn, low, high)
        return drawn.astype(i.precision or np.float64).astype(np.float64)


def intervals(within: Mapping[str, tuple[float, float]], inputs: Sequence[Input]) -> dict[str, tuple[float, float]]:
    """Intervals of float inputs by name, checked."""
    known = [i.name for i in inputs if i.dtype == "float"]
    for name, ends in within.items():
        if name not in known:
            raise located(BindingError(f"check: no float input is called {name}. They are {', '.join(known) or 'none'}"))
        if len(ends) != 2 or not ends[0] <= ends[1]:
            raise located(BindingError(f"check: the interval of {name} is {ends!r}; give (least, greatest)"))
    return {name: (float(low), float(high)) for name, (low, high) in within.items()}


def _extents(inputs: Sequence[Input], binder: Binder) -> dict[str, int]:
    sizes = [s for i in inputs for s in (*i.dims, *([i.below] if i.below is not None else []))]
    shown = [s.name for size in sizes for s in sorted(size.free_symbols, key=str) if isinstance(s, Extent)]
    names = list(dict.fromkeys([*shown, *binder.needed]))
    for start in range(len(PRIMES) - len(names)):
        extents = dict(zip(names, PRIMES[start:], strict=False))
        try:
            for requirement in binder.requirements:
                requirement.check(extents)
            return extents
        except BindingError:
            continue
    raise located(BindingError("no extents were found that suit the formula's subscripts; give data"))


def _gathered(roots: Sequence[Node]) -> dict[Input, Any]:
    """The dim that an integer input subscripts."""
    found = {}
    for node in topological(roots):
        for read in node.reads:
            for e, size in zip(read.index, read.operand.dims, strict=True):
                if isinstance(e, Read) and isinstance(e.operand, Input):
                    found[e.operand] = size
    return found
