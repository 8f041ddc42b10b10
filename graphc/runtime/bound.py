"""BoundCall: a Program with its arrays and buffers, checked once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from graphc.runtime.plan import Plan
from graphc.runtime.structure import Structure

__all__ = ["BoundCall"]


class BoundCall:
    """`step = f.bind(X=X_, W=W_)`; `loss, grads = step()`.

    A call computes from what the arrays hold at that moment and writes into the same buffers each time: those of `out=`, and its own for
    the rest. Results without axes are numbers. Two threads need two bound calls.

    Raises BindingError where an array now holds an index outside its dim.
    """

    __slots__ = ("_run", "_arguments", "_points", "_buffers", "_numbers", "_results", "_fill", "_refuse")

    def __init__(self, plan: Plan, values: Sequence[Any], structure: Structure, given: dict[int, Any], refuse: Callable[[IndexError], NoReturn]):
        self._run, self._fill, self._refuse = plan.run, structure.fill, refuse
        self._buffers = plan.buffers(given, values)
        kept = [v.view() if isinstance(v, np.ndarray) else v for v in values]       # a view keeps its shape whatever becomes of the array's
        self._arguments = [*plan.arguments(kept), *self._buffers, *plan.extra]
        self._points = [(k, kept[k]) for k in plan.points if isinstance(kept[k], np.ndarray)]
        self._results = plan.hand_back(list(self._buffers), given)
        self._numbers = [(k, self._buffers[k]) for k in plan.numbers if given.get(k) is None]

    def __call__(self) -> Any:
        for k, point in self._points:
            self._arguments[k] = point[()]
        try:
            self._run(*self._arguments)
        except IndexError as error:
            self._refuse(error)
        results = self._results
        for k, buffer in self._numbers:
            results[k] = buffer[0]
        return self._fill(results)
