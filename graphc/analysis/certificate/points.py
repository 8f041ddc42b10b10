"""Points to judge a formula at. `Sampler` gives the numbers that are not extreme.

    given      the user's data
    random     every number random; three for each dtype
    extreme    one number of one input, or all of them, is each of EXTREMES in turn; the rest random
    mixed      half of all numbers are extreme, drawn from those of EXTREMES at which the formula has a value
    tied       all numbers of an input are equal; all inputs are equal

Extreme points are float32 numbers where they can be, so that one answer judges both dtypes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphc.analysis.certificate.sampling import Sampler
from graphc.ir.nodes import Input

__all__ = ["Point", "EXTREMES", "random_points", "extreme_points", "mixed_points", "tied_points", "place", "rounded"]

_MAGNITUDES = (3 * 2.0**-149, 2.0**-126, 1.0, 20.0, 40.0, 100.0, 700.0, 1e4, 1e30, 3 * 2.0**-1074, 2.0**-1022, 1e200)
EXTREMES = (0.0, *(s * m for m in _MAGNITUDES for s in (1, -1)))
RANDOM, COMBINATIONS = 3, 12


@dataclass(frozen=True)
class Point:
    """Data, what they are called in a report, the dtypes to check there, and the entry that was made extreme."""

    label: str
    arrays: Mapping[Input, np.ndarray]
    extents: Mapping[str, int]
    dtypes: tuple[str, ...]
    kind: str
    focus: Mapping[Input, int] = field(default_factory=dict)
    value: float | None = None

    def cast(self, dtype: str) -> dict[str, np.ndarray]:
        """The arrays by name, as a program takes them in a dtype."""
        return {i.name: a.astype(i.precision or dtype) if i.dtype == "float" else a for i, a in self.arrays.items()}


def place(name: str, k: int, shape: Sequence[int]) -> str:
    """`W[0, 2]`, the k-th entry."""
    return f"{name}[{', '.join(str(int(n)) for n in np.unravel_index(k, tuple(shape)))}]" if len(shape) else name


def rounded(arrays: Mapping[Input, np.ndarray], dtype: str) -> dict[Input, np.ndarray]:
    """Floats as a dtype has them, in float64."""
    with np.errstate(over="ignore", under="ignore"):
        return {i: a.astype(dtype).astype(np.float64) if i.dtype == "float" else a for i, a in arrays.items()}


def _fits(v: float, dtype: str) -> bool:
    """Whether a number is about as large in a dtype."""
    with np.errstate(over="ignore", under="ignore"):
        return bool(np.isclose(float(np.dtype(dtype).type(v)), v, rtol=1e-6, atol=0))


def random_points(sampler: Sampler, rng: np.random.Generator, dtypes: Sequence[str]) -> Iterator[Point]:
    for k in range(RANDOM):
        for dtype in dtypes:
            yield Point(f"random {k + 1}", rounded(sampler.draw(rng), dtype), sampler.extents, (dtype,), "random")


def extreme_points(sampler: Sampler, rng: np.random.Generator, dtypes: Sequence[str], inputs: Sequence[Input]) -> Iterator[Point]:
    """Each extreme at one entry of each input, then in all of its entries."""
    for everywhere in (False, True):
        for i in inputs:
            for v in dict.fromkeys((*(v for v in EXTREMES if sampler.admits(i, v)), *sampler.within.get(i, ()))):
                drawn = sampler.draw(rng)
                if (everywhere and drawn[i].size < 2) or not drawn[i].size:
                    continue
                yield _with_extreme(sampler, drawn, rng, dtypes, i, v, everywhere)


def _with_extreme(sampler: Sampler, drawn: dict[Input, np.ndarray], rng: np.random.Generator, dtypes: Sequence[str], i: Input, v: float,
                  everywhere: bool) -> Point:
    shape, k = drawn[i].shape, int(rng.integers(drawn[i].size))
    drawn[i] = np.full(shape, v) if everywhere else np.where(np.arange(drawn[i].size).reshape(shape) == k, v, drawn[i])
    label = f"{i.name if everywhere else place(i.name, k, shape)} = {v:.6g}"
    fitting = tuple(d for d in dtypes if _fits(v, i.precision or d))
    return Point(label, rounded(drawn, fitting[0]) if fitting else drawn, sampler.extents, fitting, "extreme", {i: k}, v)


def mixed_points(sampler: Sampler, rng: np.random.Generator, dtypes: Sequence[str], admissible: Mapping[Input, Sequence[float]]) -> Iterator[Point]:
    """Extremes of all inputs together."""
    for k in range(COMBINATIONS if any(admissible.values()) else 0):
        drawn, focus = sampler.draw(rng), {}
        for i, values in admissible.items():
            usable = [v for v in values if all(_fits(v, i.precision or d) for d in dtypes)]
            if usable and drawn[i].size:
                chosen = rng.random(drawn[i].shape) < 0.5
                drawn[i] = np.where(chosen, rng.choice(usable, drawn[i].shape), drawn[i])
                focus[i] = int(np.argmax(chosen))
        yield Point(f"mixed {k + 1}", rounded(drawn, dtypes[0]), sampler.extents, tuple(dtypes), "mixed", focus)


def tied_points(sampler: Sampler, rng: np.random.Generator, dtypes: Sequence[str], inputs: Sequence[Input]) -> Iterator[Point]:
    for i in inputs:
        drawn = sampler.draw(rng)
        if drawn[i].size > 1:
            drawn[i] = np.full(drawn[i].shape, drawn[i].flat[0])
            yield Point(f"{i.name} all equal", rounded(drawn, dtypes[0]), sampler.extents, tuple(dtypes), "tied", {i: 0})
    if len(inputs) > 1:
        drawn = sampler.draw(rng)
        first: Any = float(drawn[inputs[0]].flat[0]) if drawn[inputs[0]].size else 1.0
        drawn |= {i: np.full(drawn[i].shape, first) for i in inputs if sampler.admits(i, first)}
        yield Point("all inputs equal", rounded(drawn, dtypes[0]), sampler.extents, tuple(dtypes), "tied")
