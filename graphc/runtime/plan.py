"""Plans: what a call with one signature comes to. A signature is the dtype and shape of each array, and the type of each number.

Checking names, kinds and extents takes longer than a small kernel runs. So the first call with a signature binds, with all checks; where
nothing had to be converted, what was found is kept, and a later call with this signature goes to the kernels at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy import empty, may_share_memory, ndarray
from numpy.lib.array_utils import byte_bounds

from graphc.errors import BindingError, BindingTypeError
from graphc.loops.ways import Way

__all__ = ["Plan", "NUMBERS", "point", "keep_blocks_apart"]

NUMBERS = frozenset((float, bool, np.float32, np.float64, np.int64, np.bool_))
_FEW = 80


def point(value: Any) -> Any:
    """The number in an array without axes, a float for a whole number."""
    return value[()] if isinstance(value, ndarray) else float(value) if type(value) is int else value


@dataclass(frozen=True, slots=True)
class Plan:
    """`results` are the shape and dtype of each output, `numbers` the positions of those without axes; `points` the positions of inputs
    without axes that are given as arrays, or as whole numbers where floats are meant. `fresh` and `into` are its calls (see graphc.runtime.calls);
    there is no `into` where an input does not own its memory."""

    run: Callable[..., Any]
    module: tuple[str, Way]
    results: tuple[tuple[tuple[int, ...], np.dtype], ...]
    extra: tuple[int, ...]
    points: tuple[int, ...]
    fresh: Callable[..., Any]
    into: Callable[..., Any] | None
    numbers: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", tuple(k for k, (shape, _) in enumerate(self.results) if not shape))

    def execute(self, values: Sequence[Any], given: dict[int, Any]) -> list[Any]:
        """Run on arguments; the results are new arrays and numbers, or the user's buffers, whatever they are."""
        buffers = self.buffers(given, values)
        self.run(*self.arguments(values), *buffers, *self.extra)
        return self.hand_back(buffers, given)

    def arguments(self, values: Sequence[Any]) -> Sequence[Any]:
        """What `run` takes."""
        return [point(v) if k in self.points else v for k, v in enumerate(values)] if self.points else values

    def buffers(self, given: dict[int, Any], values: Sequence[Any]) -> list[ndarray]:
        """What `run` writes into: the user's buffers, checked, and new ones; one element for a number."""
        if not given:
            return [empty(shape or 1, kind) for shape, kind in self.results]
        found, theirs = [], []
        for k, (shape, kind) in enumerate(self.results):
            b = given.get(k)
            if b is None:
                found.append(empty(shape or 1, kind))
                continue
            if type(b) is not ndarray or b.shape != shape or b.dtype != kind or not b.flags.carray:
                b = _checked(b, shape, kind)
            theirs.append(b)
            found.append(b if shape else b.reshape(1))
        _keep_apart(theirs, values)
        return found

    def hand_back(self, buffers: list[Any], given: dict[int, Any]) -> list[Any]:
        """The results: numbers out of their buffers, and the user's buffers."""
        for k in self.numbers:
            buffers[k] = buffers[k][0]
        for k, b in given.items():
            if b is not None:
                buffers[k] = b
        return buffers


def _checked(buffer: Any, shape: tuple[int, ...], kind: np.dtype) -> ndarray:
    if not isinstance(buffer, ndarray) or buffer.shape != shape or buffer.dtype != kind or not buffer.flags.carray:
        given = type(buffer).__name__
        if isinstance(buffer, ndarray):
            given = f"{buffer.dtype} {buffer.shape}{' that is not aligned' * (not buffer.flags.aligned)}"
        raise BindingTypeError(f"a buffer of out= must be a writable C-contiguous {kind} array of shape {shape}, given {given}")
    return buffer if type(buffer) is ndarray else buffer.view(ndarray)


def _keep_apart(buffers: Sequence[ndarray], values: Sequence[Any]) -> None:
    """Buffers share memory with no input and with no other. An array that owns its memory shares it with its views alone, so where all do they
    are told apart by identity; else, since all are contiguous, by whether their blocks overlap."""
    owned, arrays = True, []
    for v in values:
        if type(v) is ndarray:
            arrays.append(v)
            owned = owned and v.flags.owndata
    for b in buffers:
        owned = owned and b.flags.owndata
    if owned:
        mine = {*map(id, buffers)}
        with_input, with_other = not mine.isdisjoint(map(id, arrays)), len(mine) < len(buffers)
    elif len(buffers) * (len(arrays) + len(buffers)) <= _FEW:
        with_input = any([may_share_memory(b, v) for b in buffers for v in arrays])
        with_other = any([may_share_memory(b, other) for k, b in enumerate(buffers) for other in buffers[:k]])
    else:
        with_input, with_other = _overlaps([byte_bounds(b) for b in buffers if b.size], [byte_bounds(a) for a in arrays if a.size])
    _refuse_shared(with_input, with_other)


def keep_blocks_apart(buffers: Sequence[tuple[int, int]], inputs: Sequence[tuple[int, int]]) -> None:
    """The same of blocks of memory, each given by its first address and the one after its last."""
    _refuse_shared(*_overlaps(buffers, inputs))


def _refuse_shared(with_input: bool, with_other: bool) -> None:
    if with_input:
        raise BindingError("a buffer of out= shares memory with an input; inputs are never modified, so give a buffer of its own")
    if with_other:
        raise BindingError("two buffers of out= share memory; give each result its own")


def _overlaps(buffers: Sequence[tuple[int, int]], inputs: Sequence[tuple[int, int]]) -> tuple[bool, bool]:
    """Whether a buffer overlaps an input, and another buffer, by one walk over all blocks in the order of their addresses."""
    blocks = sorted((*block, mine) for blocks, mine in ((inputs, False), (buffers, True)) for block in blocks)
    end = {False: 0, True: 0}
    found = {False: False, True: False}
    for low, high, mine in blocks:
        found[True] |= mine and low < end[True]
        found[False] |= low < end[not mine]
        end[mine] = max(end[mine], high)
    return found[False], found[True]
