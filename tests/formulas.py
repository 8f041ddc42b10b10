"""Random well-typed formulas with data for them.

    formula ::= input | map formula | formula op formula | reduce formula | formula @ input | formula[labels]
             |  where(formula > formula, formula, formula) | slices, transposes, reshapes, joins | sums of index notation

Everything is smooth but for kinks (relu, abs, max, where) that random data do not meet, and grows slowly, so that values can be
compared at a relative tolerance. Extents are small distinct primes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

import graphc as gc
from graphc.ir.interpret import size_of

__all__ = ["formulas", "EXTENTS"]

EXTENTS = {"n": 5, "d": 3, "c": 2}
MOST = 150                     # elements of any tensor
DIMS = ["", "n", "d", "n d", "d n", "c n d", "n n", "d 1", "1 n", "n 2", "3"]

MAPS: dict[str, Callable[[Any], Any]] = {
    "sin": gc.sin, "cos": gc.cos, "tanh": gc.tanh, "sigmoid": gc.sigmoid, "softplus": gc.softplus, "arctan": gc.arctan, "erf": gc.erf, "silu": gc.silu,
    "gelu": gc.gelu, "relu": gc.relu, "abs": abs, "elu": gc.elu, "leaky_relu": gc.leaky_relu, "arcsinh": gc.arcsinh, "logsigmoid": gc.logsigmoid,
    "negative": lambda x: -x, "affine": lambda x: 0.5 * x + 1, "reciprocal": lambda x: 1 / (1.5 + x * x), "sqrt": lambda x: gc.sqrt(1 + x**2),
    "log1p": lambda x: gc.log1p(x**2), "bell": lambda x: gc.exp(-x**2), "square": lambda x: gc.tanh(x)**2, "power": lambda x: (1.2 + gc.sin(x))**1.7,
    "clip": lambda x: gc.clip(x, -0.613, 0.741), "guarded log": lambda x: gc.where(x > 0.1, gc.log(x), x), "expm1": lambda x: gc.expm1(gc.tanh(x)),
    "sum of itself": lambda x: x + gc.sin(x), "one more": lambda x: x - 1,
}
PAIRS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / (1.5 + b**2), "maximum": gc.maximum, "minimum": gc.minimum,
    "where": lambda a, b: gc.where(a > b + 0.0123, a * b, gc.sin(a)), "where, one side": lambda a, b: gc.where(b > 0.0123, a, 0), "arctan2": lambda a, b: gc.arctan2(a, 2 + b),
    "hypot": lambda a, b: gc.hypot(a, 1 + b), "logaddexp": gc.logaddexp, "power": lambda a, b: (1.5 + gc.tanh(a))**gc.tanh(b),
}
REDUCTIONS: dict[str, Callable[..., Any]] = {
    "sum": gc.sum, "mean": gc.mean, "max": gc.max, "min": gc.min, "prod": lambda x, axis, keepdims: gc.prod(gc.sin(x), axis, keepdims), "var": lambda x, axis, keepdims: gc.var(x, axis, keepdims=keepdims),
    "std": lambda x, axis, keepdims: gc.sqrt(gc.var(x, axis, keepdims=keepdims) + 0.1), "logsumexp": gc.logsumexp,
    "norm": lambda x, axis, keepdims: gc.norm(x, axis, keepdims=keepdims),
}
ALONG: dict[str, Callable[..., Any]] = {
    "softmax": gc.softmax, "log_softmax": gc.log_softmax, "cumsum": gc.cumsum, "cumprod": lambda x, axis: gc.cumprod(gc.sin(x), axis),
    "centre": lambda x, axis: x - gc.mean(x, axis, keepdims=True),
}


@dataclass
class _Maker:
    """Draws tensors, and keeps the data of the inputs that it declares."""

    draw: Any
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    seed: int = 0

    def extents(self, t: Any) -> tuple[int, ...]:
        return tuple(size_of(s, EXTENTS) for s in t.sizes)

    def input(self, dims: Any) -> Any:
        """A parameter with random data between -1.5 and 1.5."""
        t = gc.param(f"x{len(self.arrays)}", dims)
        rng = np.random.default_rng([self.seed, len(self.arrays)])
        self.arrays[t.name] = rng.uniform(-1.5, 1.5, self.extents(t))
        return t

    def labels(self, dims: Any, below: Any) -> Any:
        t = gc.labels(f"t{len(self.arrays)}", dims, below=below)
        rng = np.random.default_rng([self.seed, len(self.arrays)])
        self.arrays[t.name] = rng.integers(0, size_of(below.size, EXTENTS), self.extents(t))
        return t

    def choose(self, options: Any) -> Any:
        return self.draw(st.sampled_from(list(options)))

    def axes(self, t: Any) -> Any:
        every = list(range(-t.ndim, t.ndim))
        return self.choose([None, *every, *[(a, b) for a in range(t.ndim) for b in range(t.ndim) if a != b]])

    def partner(self, t: Any) -> Any:
        """Something that broadcasts against t: an input of its trailing dims, some of them 1, or t itself, changed."""
        kind = self.choose(["input", "input", "map", "reverse", "reduced"])
        if kind == "map":
            return self.map(t)
        if kind == "reverse" and t.ndim:
            return t[::-1]
        if kind == "reduced" and t.ndim:
            return REDUCTIONS[self.choose(REDUCTIONS)](t, self.choose(range(t.ndim)), True)
        if not t.ndim:
            return self.input(self.choose(DIMS))
        dims = [1 if self.draw(st.integers(0, 3)) == 0 else d for d in t.dims[self.draw(st.integers(0, t.ndim)):]]
        return self.input(dims)

    # --- steps: each makes a tensor of a tensor
    def map(self, t: Any) -> Any:
        return MAPS[self.choose(MAPS)](t)

    def pair(self, t: Any) -> Any:
        a, b = (t, self.partner(t)) if self.draw(st.booleans()) else (self.partner(t), t)
        return PAIRS[self.choose(PAIRS)](a, b)

    def reduce(self, t: Any) -> Any:
        return REDUCTIONS[self.choose(REDUCTIONS)](t, self.axes(t), self.draw(st.booleans())) if t.ndim else self.map(t)

    def along(self, t: Any) -> Any:
        return ALONG[self.choose(ALONG)](t, self.choose(range(t.ndim))) if t.ndim else self.map(t)

    def product(self, t: Any) -> Any:
        if not t.ndim:
            return self.pair(t)
        kind = self.choose(["right", "vector", "left", "gram", "einsum"])
        if kind == "vector":
            return t @ self.input([t.dims[-1]])
        if kind == "left" and t.ndim > 1:
            return self.input(["c", t.dims[-2]]) @ t
        if kind == "gram" and t.ndim == 2:
            return t @ t.T
        if kind == "einsum" and t.ndim == 2:
            return gc.einsum(self.choose(["ij,jk->ki", "ij,jk->k", "ij,jk->ijk"]), t, self.input([t.dims[1], "c"]))
        return t @ self.input([t.dims[-1], "c"])

    def gather(self, t: Any) -> Any:
        if not t.ndim or t.sizes[0] == 1:
            return self.map(t)
        labels = self.labels(self.choose(["n", "d", "c d"]), t.dims[0])
        return t[labels] if t.ndim == 1 or self.draw(st.booleans()) else t[labels, -1]

    def view(self, t: Any) -> Any:
        if not t.ndim or t.sizes[0] == 1:
            return t[None]
        return self.choose([lambda: t.T, lambda: t[::-1], lambda: t[1:], lambda: t[:-1] - t[1:], lambda: t[-1], lambda: t[..., None], lambda: gc.reshape(t, -1),
                            lambda: gc.concatenate([t, gc.sin(t)]), lambda: gc.stack([t, t * t], axis=-1), lambda: t[::2]])()

    def indexed(self, t: Any) -> Any:
        if not t.ndim or t.sizes[0] == 1:
            return self.map(t)
        i, j = gc.indices("i j")
        return self.choose([
            lambda: gc.array(gc.Sum(gc.exp(-(t[i] - t[j])**2), j), i),
            lambda: gc.array(gc.Max(gc.where(i >= j, t[j], gc.sin(t[i])), j), i),
            lambda: gc.array(gc.Sum(gc.where(i == j, t[i], 0.1 * t[j]), i), j),
            lambda: gc.Sum(t[i] * (i + 1.0), i),
        ])()

    def step(self, t: Any) -> Any:
        kinds = [self.map, self.map, self.pair, self.pair, self.reduce, self.along, self.product, self.gather, self.view, self.indexed]
        result = self.choose(kinds)(t)
        return result if int(np.prod(self.extents(result))) <= MOST else gc.mean(result, axis=0)


@st.composite
def formulas(draw: Any, steps: int = 6) -> tuple[Any, dict[str, np.ndarray]]:
    """A scalar formula of at most so many steps, and arrays for its inputs; each depends on at least one parameter."""
    make = _Maker(draw, seed=draw(st.integers(0, 2**20)))
    t = make.input(draw(st.sampled_from(DIMS)))
    for _ in range(draw(st.integers(2, steps))):
        t = make.step(t)
    return gc.sum(gc.sin(t)), _used(t, make.arrays)


def _used(t: Any, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    from graphc.ir.walk import inputs_of
    names = {i.name for i in inputs_of([t.node])}
    return {n: a for n, a in arrays.items() if n in names}
