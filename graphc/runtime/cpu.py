"""Programs for the CPU: NumPy in, NumPy out, by kernels of Numba."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphc.errors import BindingTypeError
from graphc.ir.bind import signature
from graphc.ir.nodes import Input
from graphc.loops.ways import Way
from graphc.runtime.bound import BoundCall
from graphc.runtime.calls import Calls, owned
from graphc.runtime.load import Loaded
from graphc.runtime.plan import Plan
from graphc.runtime.program import KINDS, Program

__all__ = ["CpuProgram"]


class CpuProgram(Program):
    """A Program whose kernels Numba compiled for this processor."""

    def __init__(self, *given: Any, way_of: Callable[[Mapping[str, int]], Way], **named: Any):
        super().__init__(*given, **named)
        self._way_of = way_of
        self._last = self._dtype or "float64", Way()
        self._loaded: dict[tuple[str, Way], Loaded] = {}
        self._lock = threading.Lock()
        self._calls = Calls([len(i.dims) for i in self._inputs], [len(r.dims) for r in self._roots], self._structure)

    @property
    def path(self) -> Path:
        """The file of the generated module."""
        return self._load(*self._last).path

    def __call__(self, *args: Any, out: Any = None, **inputs: Any) -> Any:
        values: Any = None
        plan = None
        try:
            if len(args) + len(inputs) == len(self._inputs):
                values = args or self._pick(inputs)
                plan = self._plans[self._calls.signature(*values)]
        except (AttributeError, KeyError, TypeError):                      # something new, or that kernels cannot take as it is
            pass
        if plan is None:
            plan, values = self._check(self._named(args, inputs), values or ())
        self._last = plan.module
        try:
            if out is None:
                return plan.fresh(*values)
            if plan.into is not None:
                try:
                    results = plan.into(*values, out)
                except (AttributeError, KeyError, TypeError):              # raised before the work
                    results = None
                if results is not None:
                    return results
            return self._structure.fill(plan.execute(values, self._structure.flatten(out)))
        except IndexError as error:
            self._refuse(args, inputs, error)

    def bind(self, *args: Any, out: Any = None, **inputs: Any) -> BoundCall:
        """A call without arguments: it computes from what these arrays then hold, into the same buffers each time.

        The arrays must be such that kernels take them as they are: C-contiguous, all floats of one dtype, integers int64. BindingTypeError
        names one that would have to be copied.

        >>> import graphc as gc, numpy as np
        >>> x = np.array([3.0, 4.0])
        >>> step = gc.compile(gc.sum(gc.param("x", "n")**2)).bind(x=x)
        >>> loss, grads = step()
        >>> x[0] = 0
        >>> loss, grads = step()
        >>> float(loss), grads["x"]
        (16.0, array([0., 8.]))
        """
        named = self._named(args, inputs)
        plan, values = self._check(named)
        for i, used in zip(self._inputs, values, strict=True):
            if i.dims and used.size and not (isinstance(named[i.name], np.ndarray) and np.may_share_memory(used, named[i.name])):
                raise BindingTypeError(f"bind takes arrays that kernels read in place, and {signature(i)} would be copied: give a C-contiguous "
                                       f"{used.dtype} array\n  declared at {i.origin}")
        values = [named[i.name] if k in plan.points else v for k, (i, v) in enumerate(zip(self._inputs, values, strict=True))]
        return BoundCall(plan, values, self._structure, self._structure.flatten(out), lambda error: self._refuse(args, inputs, error))

    def _check(self, named: Mapping[str, Any], values: Sequence[Any] = ()) -> tuple[Plan, Sequence[Any]]:
        bound = self._binder.bind(named, labels=False)
        dtype = self._dtype or bound.dtype.name
        way = self._way_of(bound.extents)
        loaded = self._load(dtype, way)
        used = [_argument(i, bound.arrays[i], dtype) for i in self._inputs]
        points = tuple(k for k, i in enumerate(self._inputs) if not i.dims and _is_no_number(i, named[i.name]))
        results = self._results(bound, dtype)
        run, extra = loaded.runner(bound.extents), tuple(bound.extents[name] for name in loaded.extents)
        fresh, into = self._calls.plan(run, results, extra, points, run is loaded.run)
        arrays = [(u, v) for i, u, v in zip(self._inputs, used, values or used, strict=True) if i.dims]
        plan = Plan(run, (dtype, way), results, extra, points, fresh, into if all(u.flags.num == owned(u.shape) for u, _ in arrays) else None)
        if all(u is v for u, v in arrays) and len(values) == len(used):
            try:
                self._keep(self._calls.signature(*values), plan)
            except TypeError:                                              # a number of a kind that has to be made another
                pass
        return plan, used

    def _load(self, dtype: str, way: Way) -> Loaded:
        if (dtype, way) not in self._loaded:
            with self._lock:
                if (dtype, way) not in self._loaded:
                    self._loaded[dtype, way] = Loaded(self._source_of((dtype, way)), dtype)
        return self._loaded[dtype, way]


def _is_no_number(i: Input, given: Any) -> bool:
    """Whether what is given for an input without axes has to be made a number of its kind first."""
    return isinstance(given, np.ndarray) or i.dtype == "float" and isinstance(given, int)


def _argument(i: Input, a: np.ndarray, dtype: str) -> Any:
    """What `run` takes: a number, or a C-contiguous array that Numba sees as writable (it is not written)."""
    if i.dtype == "float" and a.dtype != KINDS[dtype]:
        a = a.astype(dtype)
    if not i.dims:
        return a[()]
    if not a.flags.c_contiguous or not a.flags.aligned:
        a = np.array(a, order="C")
    if type(a) is not np.ndarray:
        a = a.view(np.ndarray)
    return a if a.flags.writeable else np.asarray(_Writable(a))


class _Writable:
    """A read-only array's memory, as NumPy sees it without the flag. Kernels do not write to inputs."""

    def __init__(self, a: np.ndarray):
        self.kept = a
        self.__array_interface__ = {**a.__array_interface__, "data": (a.__array_interface__["data"][0], False)}
