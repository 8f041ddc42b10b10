"""Arguments: all of float32's, and those where trouble is to be expected.

float64, and more than one argument: bits at random, magnitudes at random, the interval, and around the points of trouble, a quarter each;
further arguments are related to the first, some so that the exact value is close to 0. float32: also the product of grids of corners.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np

from .cases import CASES, within

BLOCK = 2**15
Arrays = tuple[np.ndarray, ...]


def _around(points: tuple[float, ...], count: int, rng: np.random.Generator) -> np.ndarray:
    every = np.array([s * p for p in [*points, 0.0] for s in (1, -1)])
    p = rng.choice(every, count)
    near = p + np.where(p == 0, 1, p) * rng.choice([-1, 1], count) * 2.0**rng.uniform(-60, -1, count)
    return np.where(rng.random(count) < 0.2, p * (1 + rng.integers(-40, 40, count) * 2.0**-52), near)


# --- further arguments: of the generator, the first argument, and the case's name ---------------------------------------
def _related(rng: np.random.Generator, a: np.ndarray) -> Arrays:
    """Near the first argument, or of another magnitude."""
    factor = np.where(rng.random(len(a)) < 0.5, 2.0**rng.uniform(-30, 30, len(a)), 1 + 2.0**rng.uniform(-50, 0, len(a)))
    return a, a * factor * rng.choice([-1, 1], len(a))


def _power(rng: np.random.Generator, a: np.ndarray) -> Arrays:
    a, most = np.abs(a), np.finfo(a.dtype).maxexp
    far = rng.uniform(-1.05, 1.05, len(a)) * math.log(2) * most / np.log(a.astype(float))
    return a, np.where(rng.random(len(a)) < 0.7, far, rng.integers(-9, 20, len(a)) / 2)


def _near_one(rng: np.random.Generator, a: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """`exact`, a few units off, or up to half of it."""
    few = exact * (1 + rng.integers(-9, 10, len(a)) * float(np.finfo(a.dtype).eps))
    return np.where(rng.random(len(a)) < 0.5, few, exact * (1 + rng.choice([-1, 1], len(a)) * 2.0**rng.uniform(-50, -1, len(a))))


def _zero_of_sum(rng: np.random.Generator, a: np.ndarray) -> Arrays:
    """exp(a) + exp(b) = 1, for some."""
    a, b = _related(rng, a)
    some = (rng.random(len(a)) < 0.4) & (a < 0) & (a > -40)
    size = np.where(some, a, -1.0).astype(float)
    return a, np.where(some, _near_one(rng, a, np.log(-np.expm1(size))), b)


def _inverse(rng: np.random.Generator, a: np.ndarray, *more: np.ndarray) -> np.ndarray:
    product = a.astype(float)
    for b in more:
        product = product * b.astype(a.dtype)
    return _near_one(rng, a, 1 / product)


def _product(rng: np.random.Generator, a: np.ndarray) -> Arrays:
    return a, np.where(rng.random(len(a)) < 0.4, _inverse(rng, a), _related(rng, a)[1])


def _product3(rng: np.random.Generator, a: np.ndarray) -> Arrays:
    b = _related(rng, a)[1].astype(a.dtype)
    return a, b, np.where(rng.random(len(a)) < 0.4, _inverse(rng, a, b), _related(rng, a)[1])


def _ratio(rng: np.random.Generator, a: np.ndarray) -> Arrays:
    return a, np.where(rng.random(len(a)) < 0.4, _near_one(rng, a, a.astype(float)), _related(rng, a)[1])


def _total(rng: np.random.Generator, a: np.ndarray) -> Arrays:
    """m, 0 <= r < 1000, k = 1, 2, ...: some with m + log(k + r) near 0."""
    r, k = 2.0**rng.uniform(-60, 10, len(a)), np.floor(2.0**rng.uniform(0, 8, len(a)))
    r = r.astype(a.dtype).astype(float)
    return np.where(rng.random(len(a)) < 0.4, _near_one(rng, a, -np.log(k + r)), a), r, k


def _affine(rng: np.random.Generator, a: np.ndarray) -> Arrays:
    """a + b*c within the exponents that have a value, and beyond them, by terms below 1,000."""
    b, s = np.where(rng.random(len(a)) < 0.2, a, 2.0**rng.uniform(-8, 8, len(a))), rng.uniform(-800, 750, len(a))
    a = np.where((rng.random(len(a)) < 0.5) & (np.abs(a) < 1e3), a, 0)
    return a, b, ((s - a) / b).astype(b.dtype)


RELATIONS: dict[str, Callable[[np.random.Generator, np.ndarray], Arrays]] = {
    "power": _power, "xlogy": lambda rng, a: (a, np.abs(rng.permutation(a))), "times_log": lambda rng, a: (a, rng.permutation(a)),
    "apart": lambda rng, a: (a, rng.permutation(a)), "logaddexp": _zero_of_sum, "log_product": _product, "log_product3": _product3, "log_ratio": _ratio,
    "log_total": _total, "exp_affine": _affine, "inverse_total": lambda rng, a: (np.abs(a), np.floor(2.0**rng.uniform(-1, 8, len(a)))),
    "scaled": lambda rng, a: (a, 2.0**rng.integers(*((-119, 120) if a.dtype == np.float32 else (-960, 961)), len(a)).astype(float)),
}


@np.errstate(all="ignore")
def samples(name: str, count: int, dtype: str = "float64") -> Arrays:
    """Where trouble is to be expected."""
    case, rng, limits, n = CASES[name], np.random.default_rng(11), np.finfo(dtype), count // 4
    bits = rng.integers(0, 2**limits.bits, n, dtype=f"uint{limits.bits}").view(dtype)
    scales = rng.choice([-1, 1], n) * 2.0**rng.uniform(-40, math.log2(max(abs(case.low), case.high)) + 1, n)
    a = np.concatenate([bits.astype(float), scales, rng.uniform(case.low, case.high, n), _around(case.points, n, rng)]).astype(dtype)
    every = (a,) if case.arity == 1 else RELATIONS.get(case.row or name, _related)(rng, a)
    return within(name, tuple(x.astype(dtype) for x in every))


def corners(name: str, count: int) -> np.ndarray:
    """Values of float32 for each axis of a grid: both neighbours of powers of two, of integers and of the case's points, subnormals, and what is special."""
    case = CASES[name]
    powers = 2.0**np.concatenate([np.arange(-149.0, 128.0, 4), np.arange(-24.0, 24.0)])
    points = np.concatenate([powers, np.arange(1.0, 12.0), case.points, [88.73, 103.98, math.log(2), 1 / 3, math.sqrt(0.5), math.pi]]).astype(np.float32)
    near = np.concatenate([points, np.nextafter(points, np.float32(0)), np.nextafter(points, np.float32(np.inf))])
    least = np.float32(2.0**-149)
    near = np.unique(np.concatenate([near, -near, [0.0, 1e-40, least, np.inf]]).astype(np.float32))
    rest = samples(name, 4 * count, "float32")[0]
    every = np.concatenate([near if len(near) <= count // 2 else near[::-(-2 * len(near) // count)], rest[::4]])[:count]
    return np.concatenate([every, np.array([-0.0, -np.inf, np.nan], np.float32)])


def grid(name: str) -> Iterator[Arrays]:
    """All combinations of float32's corners, in blocks: 2000 x 2000, or 160 x 160 x 160."""
    arity = CASES[name].arity
    axes = [corners(name, 2000 if arity == 2 else 160)] * arity
    row = CASES[name].row or name
    if row in ("scaled", "inverse_total", "log_total"):                    # a power of two; a sum that is not negative, and a count
        axes[-1] = np.unique(samples(name, 4000, "float32")[-1])
    if row in ("inverse_total", "log_total"):
        axes[-2] = np.abs(axes[-2])
    for first in np.array_split(axes[0], 500 if arity == 2 else 10):
        yield within(name, tuple(g.ravel() for g in np.meshgrid(first, *axes[1:], indexing="ij")))


def strided(stride: int) -> Iterator[Arrays]:
    """Each so many-th value of float32, in blocks."""
    for start in itertools.count(0, BLOCK * stride):
        if start >= 2**32:
            return
        yield (np.arange(start, min(start + BLOCK * stride, 2**32), stride, dtype=np.uint64).astype(np.uint32).view(np.float32),)
