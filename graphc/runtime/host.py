"""The host program in Python: the body of `run`, with each kernel that can run in parts in parts.

The compiled `run` calls kernels on all rows at once, which is best for small work. Its Python function has the same text; here it gets
other globals, in which a kernel's name means the kernel in parts and `real` a NumPy type. Which of the two a call takes depends on extents
alone. A long `run` is Python that calls sections (see graphc.loops.sections), which are compiled.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping
from time import perf_counter
from types import FunctionType
from typing import Any

import numpy as np

from graphc.config import num_threads
from graphc.ir.interpret import size_of
from graphc.loops.statements import Split
from graphc.runtime.threads import Helpers, combined, in_parts

__all__ = ["Host", "parts_of"]

_KINDS = {"wide": np.float64, "int": np.int64, "bool": np.bool_}
LEAST_NS = 3_000_000        # beside which the host's Python, up to 150 us where it is not in the caches, is less than 5 %
_FLOATS = (float, np.floating)
PART_NS = 2_000_000         # the work of a part, in the limit
PARTS = 8                   # besides: enough for the threads of a small machine to end at about the same time


def parts_of(split: Split, extents: Mapping[str, int]) -> int:
    """Into how many parts a kernel is cut: by its work, and 1 for little."""
    rows = size_of(split.rows, extents)
    row_ns = sum(ns * math.prod(size_of(e, extents) for e in sizes) for ns, sizes in split.work)
    work = rows * row_ns
    return min(PARTS + int(work / PART_NS), rows) if work >= LEAST_NS else 1


class Host:
    """`run` in Python; `splits` are the kernels to run in parts, by name."""

    def __init__(self, run: Any, splits: Mapping[str, Split], dtype: str):
        self._real = np.dtype(dtype).type
        function = getattr(run, "py_func", run)
        numbers = {"real": self._real, "float32": np.float32, "float64": np.float64, "int64": np.int64, "boolean": np.bool_}
        scope = function.__globals__ | numbers | {"check_labels": _check_labels, "matmul": _matmul, "matvec": np.dot, "vecmat": _matmul}
        scope |= {name: scope[name].py_func for name in ("tile_rows",) if name in scope}
        scope |= {name: _Parts(scope[name], split, self._real) for name, split in splits.items()}
        parts = {name: f.py_func.__code__ for name, f in function.__globals__.items() if hasattr(f, "py_func")}       # of the host program
        scope |= {name: FunctionType(code, scope) for name, code in parts.items() if not splits.keys().isdisjoint(code.co_names)}
        self._run = FunctionType(function.__code__, scope)

    def __call__(self, *args: Any) -> None:
        with np.errstate(all="ignore"):
            self._run(*[self._real(a) if isinstance(a, _FLOATS) else a for a in args])


class _Parts:
    """A kernel as the host calls it: kernel(..., first, last)."""

    def __init__(self, kernel: Callable[..., Any], split: Split, real: type):
        self.kernel, self.split = kernel, split
        self.kinds = [_KINDS.get(kind, real) for kind in split.kinds]
        self.plan = functools.lru_cache(256)(self._plan)

    def __call__(self, *args: Any) -> Any:
        kernel, given = self.kernel, args[:-2]
        parts, helpers = self.plan(*[given[k] if axis is None else given[k].shape[axis] for _, k, axis in self.split.places])
        threads = min(num_threads(), len(parts))
        helped = threads > 1 and helpers.wanted()
        start = perf_counter()
        found = in_parts(lambda k: kernel(*given, *parts[k]), len(parts), threads) if helped else [kernel(*given, *part) for part in parts]
        if threads > 1:
            helpers.note(helped, perf_counter() - start)
        if len(self.kinds) == 1:
            return self.kinds[0](combined(self.split.operations[0], found))
        columns = zip(*found, strict=True) if self.kinds else ()
        return [kind(combined(o, c)) for o, c, kind in zip(self.split.operations, columns, self.kinds, strict=True)]

    def _plan(self, *sizes: int) -> tuple[list[tuple[int, int]], Helpers]:
        """The first row of each part and the one after its last. They are Python's numbers: Numba takes 4 us to see the type of one of NumPy."""
        extents = {name: int(size) for (name, _, _), size in zip(self.split.places, sizes, strict=True)}
        rows, parts = size_of(self.split.rows, extents), parts_of(self.split, extents)
        return list(itertools.pairwise(rows * k // parts for k in range(parts + 1))), Helpers()


def _matmul(a: np.ndarray, b: np.ndarray, out: np.ndarray, add: bool = False) -> None:
    """What the compiled one does."""
    if add:
        out += a @ b
    else:
        np.dot(a, b, out)


def _check_labels(labels: Any, bound: int, others: tuple[int, ...] = ()) -> None:
    """What the generated check does, in NumPy."""
    t = np.asarray(labels)
    if t.size and (t.min() < 0 or t.max() >= bound):
        wrong = (t < 0) | (t >= bound)
        for value in others:
            wrong &= t != value
        if wrong.any():
            raise IndexError("a label is outside its bound")
