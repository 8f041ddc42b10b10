"""The structure of results: a tensor alone, a list, a dict, or (value, gradients by name), filled from flat outputs and flattened for `out=`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.errors import BindingTypeError

__all__ = ["Structure"]

Fill = Callable[[Sequence[Any]], Any]


class Structure:
    """`shape` nests the indices of the flat outputs. `fill(values)` puts values in their places."""

    def __init__(self, shape: Any):
        self.shape = shape
        self.fill = _filler(shape)
        named = shape[1] if isinstance(shape, tuple) and len(shape) == 2 else shape
        self._places = named if isinstance(named, dict) and all(isinstance(n, int) for n in named.values()) else {}

    def flatten(self, given: Any) -> dict[int, Any]:
        """The buffers of `out=` by flat index. A dict given for (value, gradients) means the gradients."""
        places = self._places
        if isinstance(given, dict):
            try:
                return {places[k]: v for k, v in given.items()}
            except KeyError:
                pass
        return self._flatten(given)

    def _flatten(self, given: Any, shape: Any = None) -> dict[int, Any]:
        shape = self.shape if shape is None else shape
        kind = type(shape)
        if given is None:
            return {}
        if kind is int:
            return {shape: given}
        if kind is tuple and isinstance(given, dict):
            return self._flatten(given, shape[1])
        if kind is dict:
            if not isinstance(given, dict) or not given.keys() <= shape.keys():
                raise BindingTypeError(f"out= must be a dict with keys among {list(shape)}, given {_kind(given)}")
            pairs = [(shape[k], v) for k, v in given.items()]
        else:
            if not isinstance(given, list | tuple) or len(given) != len(shape):
                raise BindingTypeError(f"out= must be a sequence of {len(shape)}, as the program returns, given {_kind(given)}")
            pairs = list(zip(shape, given, strict=True))
        if all(type(s) is int for s, _ in pairs):
            return dict(pairs)
        return {k: v for s, g in pairs for k, v in self._flatten(g, s).items()}


def _filler(shape: Any) -> Fill:
    if isinstance(shape, int):
        return lambda values: values[shape]
    if isinstance(shape, dict) and all(isinstance(s, int) for s in shape.values()):
        places = tuple(shape.items())
        return lambda values: {k: values[n] for k, n in places}
    kind = type(shape)
    parts = tuple(map(_filler, shape.values() if kind is dict else shape))
    if kind is tuple and len(parts) == 2:                                  # (value, gradients), often and in small programs
        first, second = shape
        if isinstance(first, int) and isinstance(second, dict):
            places = tuple(second.items())
            return lambda values: (values[first], {k: values[n] for k, n in places})
        one, other = parts
        return lambda values: (one(values), other(values))
    if kind is dict:
        names = tuple(shape)
        return lambda values: {k: part(values) for k, part in zip(names, parts, strict=True)}
    return lambda values: kind([part(values) for part in parts])


def _kind(given: Any) -> str:
    return f"a dict with keys {list(given)}" if isinstance(given, dict) else type(given).__name__
