"""BoundDeviceCall: a Program with its arrays and buffers on a device, checked once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from graphc.runtime.cuda.device import Lane
from graphc.runtime.cuda.plan import DevicePlan
from graphc.runtime.structure import Structure

__all__ = ["BoundDeviceCall"]


class BoundDeviceCall:
    """`step = f.bind(X=X_, W=W_)`; `loss, grads = step()`, on the current stream or that of `stream=`.

    A call computes from what the arrays hold at that moment, and writes into the same arrays each time. Raises BindingError where an array
    now holds an index outside its dim.
    """

    def __init__(self, plan: DevicePlan, lane: Lane, arrays: Sequence[Any], inputs: int, structure: Structure,
                 refuse: Callable[[IndexError], NoReturn]):
        self._plan, self._lane, self._arrays, self._refuse = plan, lane, arrays, refuse
        self._results, self._fill = arrays[inputs:], structure.fill

    def __call__(self, stream: Any = None) -> Any:
        device, plan = self._plan.device, self._plan
        with device.lock, device.on(stream, ()):
            self._lane.arena.open()
            try:
                plan.perform(self._lane, self._arrays)
            except IndexError as error:
                self._refuse(error)
            return self._fill([device.handed(b, shape) for b, (shape, _, _) in zip(self._results, plan.results, strict=True)])
