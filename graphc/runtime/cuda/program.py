"""Programs for CUDA: arrays of the device in and out, by kernels of numba-cuda and matrix products of cuBLAS."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphc.codegen.cudalib.toolkit import require
from graphc.errors import BindingError, BindingTypeError, TargetError
from graphc.ir.bind import Bound, check_kind, convert, signature
from graphc.ir.nodes import Input
from graphc.loops.device.stored import Types
from graphc.runtime.cuda.bound import BoundDeviceCall
from graphc.runtime.cuda.device import Device, Lane
from graphc.runtime.cuda.halves import dtype_of, half_of
from graphc.runtime.cuda.listing import Listing
from graphc.runtime.cuda.plan import DevicePlan, Take
from graphc.runtime.cuda.save import ARCHITECTURES
from graphc.runtime.load import load
from graphc.runtime.plan import NUMBERS
from graphc.runtime.program import KINDS, Program

__all__ = ["CudaProgram", "EMULATOR"]

EMULATOR = "emulator"


@functools.cache
def device_of(which: int | str | None) -> Device:
    """The device, made once for all programs."""
    if which == EMULATOR:
        from graphc.runtime.cuda.emulated import Emulated
        return Emulated()
    from graphc.runtime.cuda.gpu import Gpu
    return Gpu(int(which or 0))


class CudaProgram(Program):
    """A Program on a CUDA device: `loss, grads = f(X=X_, W=W_)`.

    Inputs are arrays of CuPy, PyTorch, Numba, JAX or any library with `__cuda_array_interface__` or DLPack, which are used where they are; or
    arrays of NumPy, numbers and lists, which are sent. Results are CuPy arrays on the device; NumPy's, if every array given is NumPy's. float32 or
    float64 as the arrays are; float16 and bfloat16 arrays are read where they are and computed in float32, and gradients have the dtype of their
    parameter. `out=` takes C-contiguous arrays to write into.

    Work goes to `stream=` (of CuPy, PyTorch or Numba, or its address), else to the current stream of PyTorch, if a tensor of it is given, else of
    CuPy. A call returns when its work is enqueued; it waits for the device only if it checks labels, whose error must be raised, or if
    results go to NumPy. With `capture=True` the whole call is a CUDA graph (see graphc.runtime.cuda.plan).

    Raises BindingError where data do not fit, TargetError where there is no device or it cannot run this, DeviceError if it fails.
    """

    def __init__(self, *given: Any, names: Sequence[str], device: int | str | None = None, capture: bool = False):
        super().__init__(*given)
        if not (device is None or device == EMULATOR or isinstance(device, int) and not isinstance(device, bool) and device >= 0):
            raise TargetError(f"device= is the number of a CUDA device, or {EMULATOR!r}, given {device!r}")
        require("numba-cuda", "NVVM")
        self._which, self._capture = device, capture
        self._source_of = functools.cache(self._source_of)         # asked for in each plan
        self._listing = Listing(self._inputs, self._roots, names, self._source_of)
        self._last = Types(self._dtype or "float64")
        self._on_the_host = [x.input for x in self._binder.labels if not x.compiled]

    @property
    def path(self) -> Path:
        """The file of the generated module."""
        return load(self.source)[1]

    def __call__(self, *args: Any, out: Any = None, stream: Any = None, **inputs: Any) -> Any:
        device = device_of(self._which)
        values = [*args, *inputs.values()]
        if device.plain.issuperset(map(type, values)):
            with device.lock, device.on(stream):
                return super().__call__(*args, out=out, **inputs)
        with device.lock, device.on(stream, values):
            named = self._adopted(device, self._named(args, inputs))
            return super().__call__(out=out, **named)

    def _adopted(self, device: Device, named: Mapping[str, Any]) -> dict[str, Any]:
        """Arrays of other libraries as ours."""
        found = {}
        for name, value in named.items():
            try:
                found[name] = device.adopt(value)
            except (TypeError, ValueError, BufferError, NotImplementedError) as error:             # the last from PyTorch, for a tensor on "meta"
                declared = next((f"\n  declared at {i.origin}" for i in self._inputs if i.name == name), "")
                raise BindingTypeError(f"{name}: {type(value).__module__.split('.')[0]} does not hand this array over ({error}); give one of CuPy or "
                                       f"NumPy{declared}") from None
        return found

    def bind(self, *args: Any, out: Any = None, **inputs: Any) -> BoundDeviceCall:
        """A call without arguments: it computes from what these arrays then hold, into the same arrays each time: those of `out=`, and its own
        for the rest. With `capture=True` from the third call on it is one launch.

        The arrays must be such that kernels take them as they are: on the device, C-contiguous, floats of one dtype or halves, integers int64.
        Numbers stay what they are. BindingTypeError names one that would have to be copied. Two threads or streams need two bound calls.
        """
        device = device_of(self._which)
        with device.lock, device.on(None, [*args, *inputs.values()]):
            named = self._adopted(device, self._named(args, inputs))
            plan, values = self._check(named)
            given = self._structure.flatten(out)
            arrays = plan.arrays(Lane(device), values, given)                                      # in memory of their own
            for i, v, a in zip(self._inputs, values, arrays, strict=False):
                if i.dims and a.size and not (device.is_array(v) and device.address(a) == device.address(v)):
                    raise BindingTypeError(f"bind takes arrays that kernels read in place, and {signature(i)} would be copied: give a C-contiguous "
                                           f"{a.dtype} array on the device\n  declared at {i.origin}")
            targets = plan.targets(arrays[len(values):], given)
            return BoundDeviceCall(plan, Lane(device), arrays, targets, self._structure, lambda error: self._refuse(args, inputs, error))

    # --- kernels, without a device
    @property
    def ptx(self) -> str:
        """The kernels as PTX, for the dtype and the sizes of the last call: one module after another. See `ptx_for`."""
        return self.ptx_for()

    def ptx_for(self, cc: tuple[int, int] | None = None, **sizes: int) -> str:
        """The kernels as PTX, for a compute capability and for sizes: how many threads take a row, and how, depends on them.

        Without `cc` that of the device, and (8, 0) without one; a size that is not given is that of the last call, and 1024 before the first.

        >>> import graphc as gc
        >>> f = gc.compile(gc.sum(gc.param("x", "n")**2), target="cuda")                    # doctest: +SKIP
        >>> print(f.ptx_for((9, 0), n=4096))                                                # doctest: +SKIP
        """
        return self._listing.ptx(self._last, cc or self._capability(), sizes)

    def save(self, path: str | Path, sizes: Mapping[str, int] | Sequence[Mapping[str, int]] = (),
             architectures: Sequence[tuple[int, int]] = ARCHITECTURES) -> Path:
        """Write a folder with source, PTX and machine code, that is a Python package: it runs where CuPy is, without graphc.

        `sizes` are those to save kernels for: {"n": 128, "c": 1000}, or several such; without them those of all calls so far. The dtype is
        that of the last call. It needs no device. TargetError where no sizes are known, or nvJitLink is missing.
        """
        self._listing.save(Path(path), self._last, [sizes] if isinstance(sizes, Mapping) else sizes, architectures)
        return Path(path)

    def _capability(self) -> tuple[int, int]:
        try:
            return device_of(self._which).cc
        except TargetError:
            return ARCHITECTURES[0]

    def _signature(self, values: Sequence[Any]) -> Any:                                          # type: ignore[override]
        """None where something has to be looked at each time: a list, or integers that may not fit."""
        found: list[Any] = []
        looks = device_of(self._which).looks
        for v in values:
            kind = type(v)
            if kind in NUMBERS or kind is int and v.bit_length() < 64:
                found.append(kind)
            elif kind in looks and v.dtype != np.uint64:
                found += kind, *looks[kind](v)
            else:
                return None
        return tuple(found)

    def _check(self, named: Mapping[str, Any], values: Sequence[Any] = ()) -> tuple[DevicePlan, Sequence[Any]]:
        device = device_of(self._which)
        bound = self._binder.bind(named, labels=False, converted_by=self._seen)
        key, values = self._signature(values), [named[i.name] for i in self._inputs]
        halves = ((i.name, half_of(v)) for i, v in zip(self._inputs, values, strict=True) if i.dims or device.is_array(v))
        types = Types(self._dtype or bound.dtype.name, tuple((name, half) for name, half in halves if half))
        self._listing.note(types, bound.extents)
        plan = self._planned(device, bound, types, values)
        if key:
            self._keep(key, plan)
        return plan, values

    def _planned(self, device: Device, bound: Bound, types: Types, values: Sequence[Any]) -> DevicePlan:
        source = self._source_of(types)
        run, _ = load(source.text)
        arrays = [v for i, v in zip(self._inputs, values, strict=True) if i.dims]
        to_host = bool(arrays) and not any(map(device.is_array, arrays))
        results = tuple((shape, dtype_of(made or kind.name), dtype_of(handed or kind.name))
                        for (shape, kind), (made, handed) in zip(self._results(bound, types.real), source.halves, strict=True))
        checked = {x.input for x in self._binder.labels if x.compiled}
        kinds = map(dtype_of, self._listing.kinds(types))
        takes = tuple(Take(device, i, v, kind, i in checked) for i, v, kind in zip(self._inputs, values, kinds, strict=False))
        return DevicePlan(device, run, types, takes, results, tuple(bound.extents[name] for name in source.extents), to_host, self._capture)

    def _seen(self, i: Input, value: Any) -> Any:
        """What binding looks at."""
        device = device_of(self._which)
        try:
            ours = device.is_array(value)
        except BindingError as error:                # it is on another device
            raise BindingError(f"{signature(i)}: {error}\n  declared at {i.origin}") from None
        if not ours and not half_of(value):
            return convert(i, value)
        if ours and (i in self._on_the_host or value.dtype == np.uint64):
            return convert(i, device.download(value))
        kind = np.dtype(np.float32) if i.dtype == "float" and half_of(value) else value.dtype.newbyteorder("=")
        check_kind(i, kind)
        return _Seen(tuple(value.shape), kind if i.dtype == "float" else KINDS[i.dtype])

    def _on_host(self, named: Mapping[str, Any]) -> Mapping[str, Any]:
        device = device_of(self._which)
        with device.lock, device.on(None, list(named.values())):
            ours = self._adopted(device, named)
            return {k: _wide(device.download(v) if device.is_array(v) else v) for k, v in ours.items()}


@dataclass(frozen=True)
class _Seen:
    """An array on the device, as binding sees it."""

    shape: tuple[int, ...]
    dtype: np.dtype

    def astype(self, dtype: np.dtype, copy: bool = False) -> _Seen:
        return self


def _wide(a: Any) -> Any:
    return np.asarray(a).astype(np.float32) if half_of(a) else a
