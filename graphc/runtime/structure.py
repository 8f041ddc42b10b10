"""The structure of results: a tensor alone, a list, a dict, or (value, gradients by name), filled from flat outputs and flattened for `out=`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.errors import BindingTypeError

__all__ = ["Structure"]

Fill = Callable[[Sequence[Any]], Any]


class Structure:
    """`shape` nests the indices of the flat outputs. `fill(values)` puts values in their places. `named` are the places in `out=` of a dict,
    `keys` the keys of dicts that have no literal, by the names that `text` gives them."""

    def __init__(self, shape: Any):
        self.shape = shape
        self.keys: dict[str, Any] = {}
        self.fill: Fill = eval(f"lambda values: {self.text('values[{}]'.format)}", {**self.keys})
        named = shape[1] if isinstance(shape, tuple) and len(shape) == 2 else shape
        self.named: dict[Any, int] = named if isinstance(named, dict) and all(isinstance(n, int) for n in named.values()) else {}

    def text(self, result: Callable[[int], str]) -> str:
        """The structure in Python, of what `result` writes for each output."""
        def written(shape: Any) -> str:
            if isinstance(shape, int):
                return result(shape)
            if isinstance(shape, dict):
                return f"{{{', '.join(f'{self.key(k)}: {written(s)}' for k, s in shape.items())}}}"
            parts = ", ".join(map(written, shape))
            return f"[{parts}]" if isinstance(shape, list) else f"({parts},)"
        return written(self.shape)

    def key(self, key: Any) -> str:
        """A key of a dict in `text`."""
        if type(key) in (str, int):
            return repr(key)
        name = next((n for n, k in self.keys.items() if k is key), f"key{len(self.keys)}")
        self.keys[name] = key
        return name

    def flatten(self, given: Any) -> dict[int, Any]:
        """The buffers of `out=` by flat index. A dict given for (value, gradients) means the gradients."""
        if isinstance(given, dict):
            try:
                return {self.named[k]: v for k, v in given.items()}
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


def _kind(given: Any) -> str:
    return f"a dict with keys {list(given)}" if isinstance(given, dict) else type(given).__name__
