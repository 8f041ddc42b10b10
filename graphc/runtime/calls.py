"""A call in Python of its own: straight lines where loops over inputs and results would take longer than a small kernel runs.

For two arrays and a number given, a number and an array returned, it reads

    def signature(a0, a1, a2):
        return type(a0), a0.dtype, a0.shape, a0.flags.num, type(a1), a1.dtype, a1.shape, a1.flags.num, number(a2)

    def fresh(a0, a1, a2):                  into new arrays
        r0, r1 = empty(s0, k0), empty(s1, k1)
        run(a0, a1, a2, r0, r1)
        return (r0[0], {'W': r1})

    def into(a0, a1, a2, out):              into buffers; None or an error where they have to be looked at more closely
        r1 = out['W']
        if r1.shape != s1 or r1.flags.num != f1 or r1 is a0 or r1 is a1:
            return None
        ...

A compiled `run` refuses arrays of other types than its own; one in Python does not, and there types are compared as well. Arrays that own their
memory are apart if they are not the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import empty, ndarray

from graphc.runtime.plan import NUMBERS, point
from graphc.runtime.structure import Structure

__all__ = ["Calls", "owned"]

_OWNED, _COLUMN = np.empty((2, 2)).flags.num, np.empty(2).flags.num      # C-contiguous, aligned, writable, owner of its memory; both orders at once
_MOST_PAIRS = 32                                # of arrays that are compared one by one
_Pair = tuple[Callable[..., Any], Callable[..., Any]]


class Calls:
    """`inputs` and `results` are the numbers of their axes."""

    def __init__(self, inputs: Sequence[int], results: Sequence[int], structure: Structure):
        self.inputs, self.results, self.structure = inputs, results, structure
        self.arrays = [k for k, axes in enumerate(results) if axes]
        self.made = functools.cache(self._made)
        parts = ", ".join(f"type(a{k}), a{k}.dtype, a{k}.shape, a{k}.flags.num" if axes else f"number(a{k})" for k, axes in enumerate(inputs))
        self.signature = eval(f"lambda {self._names('a', inputs)}: ({parts}{',' * (parts != '')})", {"number": _number})

    def buffers(self, out: Any) -> tuple[Any, ...] | None:
        """The buffers of all results with axes, in order, if `out` gives those and no others."""
        given = {k: b for k, b in self.structure.flatten(out).items() if b is not None}
        return tuple(given[k] for k in self.arrays) if given.keys() == set(self.arrays) else None

    def plan(self, run: Callable[..., Any], results: Sequence[tuple[tuple[int, ...], np.dtype]], extra: Sequence[int],
             points: tuple[int, ...], compiled: bool) -> _Pair:
        """`fresh` and `into` for results of these shapes and dtypes. `points` are the inputs that are made a number first, `extra` the extents
        that `run` takes besides."""
        return self.made(points, len(extra), compiled)(run, *(shape or 1 for shape, _ in results), *(kind for _, kind in results),
                                                        *(owned(shape) for shape, _ in results), *extra)

    def _made(self, points: tuple[int, ...], extents: int, compiled: bool) -> Callable[..., _Pair]:
        scope = {"empty": empty, "point": point, "ndarray": ndarray, "buffers": self.buffers, **self.structure.keys}
        exec("\n".join(self.text(points, extents, compiled)), scope)
        return scope["plan"]

    def text(self, points: tuple[int, ...], extents: int, compiled: bool) -> list[str]:
        """The lines of a function that makes `fresh` and `into`."""
        every, given, extras = range(len(self.results)), self._names("a", self.inputs), self._names("e", range(extents))
        values = "".join(f"point(a{k}), " if k in points else f"a{k}, " for k in range(len(self.inputs)))
        work = [f"run({values}{self._names('r', every)}{extras})",
                f"return {self.structure.text(lambda k: f'r{k}' if self.results[k] else f'r{k}[0]')}"]
        made = {k: f"r{k} = empty(s{k}, k{k})" for k in every}
        numbers = [made[k] for k in every if not self.results[k]]
        unfit = [f"r{k}.shape != s{k} or r{k}.flags.num != f{k}" for k in self.arrays]
        unfit += [] if compiled else [f"type(r{k}) is not ndarray or r{k}.dtype is not k{k}" for k in self.arrays]
        into = [*self._unpacked(), f"if {' or '.join([*unfit, self._shared()])}:", "    return None", *numbers, *work]
        return [f"def plan(run, {self._names('s', every)}{self._names('k', every)}{self._names('f', every)}{extras}):",
                f"    def fresh({given}):", *("        " + x for x in (*made.values(), *work)),
                f"    def into({given}out):", *("        " + x for x in into),
                "    return fresh, into"]

    def _unpacked(self) -> list[str]:
        """The buffers by name, out of a dict at once."""
        places = {k: key for key, k in self.structure.named.items()}
        general = ["given = buffers(out)", "if given is None:", "    return None", f"{self._names('r', self.arrays, self.arrays)}= given"]
        if not self.arrays or [*places] != self.arrays:
            return general if self.arrays else general[:3]
        picked = (f"    r{k} = out[{self.structure.key(places[k])}]" for k in self.arrays)
        return [f"if type(out) is not dict or len(out) != {len(places)}:", *("    " + x for x in general), "else:", *picked]

    @staticmethod
    def _names(letter: str, over: Sequence[Any], numbers: Sequence[int] | None = None) -> str:
        return "".join(f"{letter}{k}, " for k in (range(len(over)) if numbers is None else numbers))

    def _shared(self) -> str:
        """That a buffer is an input or another buffer."""
        pairs = [f"r{k} is a{i}" for k in self.arrays for i, axes in enumerate(self.inputs) if axes == self.results[k]]
        pairs += [f"r{k} is r{i}" for k in self.arrays for i in self.arrays if i < k and self.results[i] == self.results[k]]
        if len(pairs) <= _MOST_PAIRS:
            return " or ".join(pairs) or "False"
        ours, theirs = (", ".join(f"id({letter}{k})" for k in over) for letter, over in (("r", self.arrays), ("a", range(len(self.inputs)))))
        return f"len(ids := {{{ours}}}) < {len(self.arrays)} or not ids.isdisjoint(({theirs},))"


def owned(shape: tuple[int, ...]) -> int:
    """The flags of a C-contiguous array of its own."""
    return _COLUMN if 0 in shape or sum(n != 1 for n in shape) < 2 else _OWNED


def _number(value: Any) -> Any:
    """What is to be known of what is given for an input without axes."""
    kind = type(value)
    if kind in NUMBERS or kind is int and value.bit_length() < 64:
        return kind
    if kind is ndarray and value.flags.carray:
        return value.dtype, value.shape
    raise TypeError
