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

    def __init__(self, plan: DevicePlan, lane: Lane, arrays: Sequence[Any], targets: Sequence[Any], structure: Structure,
                 refuse: Callable[[IndexError], NoReturn]):
        """`arrays` are what kernels are given, results last; `targets` where the results are handed to the user."""
        self._plan, self._lane, self._arrays, self._targets, self._refuse = plan, lane, arrays, targets, refuse
        self._apart = [(b, t) for b, t in zip(arrays[-len(targets):], targets, strict=True) if b is not t]
        self._fill, self._device = structure.fill, plan.device
        self._results = self._handed() if plan.device.results_stay else None

    def __call__(self, stream: Any = None) -> Any:
        lane = self._lane
        replay = lane.recording.replay
        if replay is None or lane.checks or stream is not None or not self._device.again(replay):
            self._perform(stream)
        return self._fill(self._results if self._results is not None else self._handed())

    def _perform(self, stream: Any) -> None:
        with self._device.lock, self._device.on(stream, ()):
            self._lane.arena.open()
            try:
                self._plan.perform(self._lane, self._arrays, self._convert)
            except IndexError as error:
                self._refuse(error)

    def _convert(self) -> None:
        for made, target in self._apart:
            self._plan.rounded(made, target)

    def _handed(self) -> list[Any]:
        return [self._device.handed(t, shape) for t, (shape, _, _) in zip(self._targets, self._plan.results, strict=True)]
