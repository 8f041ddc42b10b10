"""A card, by CuPy: memory, streams, graphs, cuBLAS and loaded kernels. The only module that imports CuPy.

Arrays of other libraries come by DLPack, whose producer makes our stream wait for what it has under way; where there is only
`__cuda_array_interface__`, our stream waits for the one that it names. Neither copies, and neither waits on the host.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import numpy as np

from graphc.codegen.cudalib.toolkit import MEND, reason
from graphc.errors import BindingError, TargetError
from graphc.runtime.cuda.device import Device, is_torch, stream_handle
from graphc.runtime.cuda.errors import translated
from graphc.runtime.cuda.halves import on_host
from graphc.runtime.cuda.kernels import Kernels, Ptx, machine_code
from graphc.runtime.cuda.products import multiply

__all__ = ["Gpu", "cards"]

_CUDA, _MANAGED = 2, 13         # of DLPack's kinds of memory


def cupy() -> Any:
    try:
        return importlib.import_module("cupy")
    except Exception as error:      # CuPy without its libraries fails in other ways than ImportError
        raise TargetError(f"target 'cuda' runs by CuPy, which does not import here ({type(error).__name__}: {error}): {MEND}, or cuda12 with "
                          "a driver older than 580") from None


def cards() -> int:
    """How many devices there are: 0 without a driver."""
    return _cards()[0]


def _cards() -> tuple[int, str]:
    """The same, and why there is none."""
    runtime = cupy().cuda.runtime
    try:
        count = int(runtime.getDeviceCount())
    except Exception as error:      # "insufficient driver" where there is none at all
        return 0, f"no CUDA device that answers ({reason(error)}: usually there is no driver here, or one that is too old)"
    return count, f"{count} CUDA device{'s' * (count != 1)}, counted from 0" if count else "no CUDA device"


class _Named:
    """A stream by its address, as `__cuda_stream__` has it."""

    def __init__(self, handle: int):
        self.handle = handle

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.handle


class _Ordered:
    """An array's memory, when the stream that made it has been waited for."""

    def __init__(self, value: Any, interface: dict[str, Any]):
        self.kept = value
        self.__cuda_array_interface__ = {**interface, "stream": None}


class Gpu(Device):
    """Device `index` of the machine. TargetError where there is none."""

    def __init__(self, index: int = 0):
        self.cp, self.index = cupy(), index
        self.looks = {self.cp.ndarray: lambda v: (v.dtype, v.shape, v.flags.c_contiguous, v.data.device_id),
                      np.ndarray: lambda v: (v.dtype, v.shape)}
        super().__init__()
        count, found = _cards()
        if not 0 <= index < count:
            raise TargetError(f"device={index}: this machine has {found}. f.source, f.ptx, f.save() and f.explain() need none; "
                              "compile(..., device=\"emulator\") runs the same kernels on the processor, slowly")
        about = self.cp.cuda.runtime.getDeviceProperties(index)
        self.name = about["name"].decode()
        self.cc = (int(about["major"]), int(about["minor"]))
        self.processors = int(about["multiProcessorCount"])
        self._translated = translated(self.name, self.release)
        self._kernels = Kernels(self.cc, self._load)
        self._streams: dict[int, Any] = {}
        self._own = (self.cp.ndarray, np.ndarray, np.generic, float, int, list, tuple)

    # --- streams and errors
    def on(self, stream: Any, values: Sequence[Any] = ()) -> AbstractContextManager[Any]:
        if stream is None and not values and self.cp.cuda.runtime.getDevice() == self.index:
            return self._translated
        return self._elsewhere(stream, values)

    @contextmanager
    def _elsewhere(self, stream: Any, values: Sequence[Any]) -> Iterator[None]:
        handle = _torch_stream(values) if stream is None else stream_handle(stream)
        with self._translated, self.cp.cuda.Device(self.index):
            with nullcontext() if handle is None else self._stream(handle):
                yield

    def stream(self) -> int:
        return int(self.cp.cuda.get_current_stream().ptr)

    def again(self, replay: Callable[[], None]) -> bool:
        if self.cp.cuda.runtime.getDevice() != self.index:
            return False
        with self._translated:
            replay()
        return True

    def _stream(self, handle: int) -> Any:
        if handle not in self._streams:
            self._streams[handle] = self.cp.cuda.Stream.from_external(_Named(handle)) if handle else self.cp.cuda.Stream.null
        return self._streams[handle]

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        apart = self.cp.cuda.Stream(non_blocking=True)
        with apart:
            apart.begin_capture()
            try:
                work()
            except BaseException:
                with suppress(Exception):                              # of the recording that is broken off: the cause is what matters
                    apart.end_capture()
                raise
            return apart.end_capture().launch                          # type: ignore[no-any-return]

    # --- arrays
    def adopt(self, value: Any) -> Any:
        if type(value) in self.plain or isinstance(value, self._own):
            return value
        if is_torch(value):
            value = value.detach() if value.is_cuda else on_host(value)
        if hasattr(value, "__dlpack_device__"):
            return self.cp.from_dlpack(value) if value.__dlpack_device__()[0] in (_CUDA, _MANAGED) else value
        interface = getattr(value, "__cuda_array_interface__", None)
        if interface is None:
            return value
        if interface.get("stream") is not None:
            event = self._stream(interface["stream"]).record()
            self.cp.cuda.get_current_stream().wait_event(event)
        return self.cp.asarray(_Ordered(value, interface))

    def is_array(self, value: Any) -> bool:
        if not isinstance(value, self.cp.ndarray):
            return False
        if value.data.device_id != self.index:
            raise BindingError(f"an array is on device {value.data.device_id}, and the program runs on device {self.index}: move it, or compile with "
                               f"device={value.data.device_id}")
        return True

    def new(self, shape: tuple[int, ...], dtype: np.dtype) -> Any:
        return self.cp.ndarray(shape, dtype)

    def view(self, block: Any, start: int, shape: tuple[int, ...], dtype: np.dtype) -> Any:
        return self.cp.ndarray(shape, dtype, memptr=block.data + start)

    results_stay = True

    def handed(self, array: Any, shape: tuple[int, ...]) -> Any:
        return array if shape else array.reshape(())

    def release(self) -> None:
        super().release()
        self.cp.get_default_memory_pool().free_all_blocks()

    def copy(self, source: Any, target: Any) -> None:
        if isinstance(source, np.ndarray):
            target.set(np.ascontiguousarray(source, target.dtype).reshape(target.shape))
        elif source.dtype == target.dtype and source.flags.c_contiguous and target.flags.c_contiguous:
            target.data.copy_from_device_async(source.data, source.nbytes)
        else:
            target[...] = source.reshape(target.shape)

    def download(self, array: Any) -> np.ndarray:
        return np.asarray(self.cp.asnumpy(array))

    def address(self, array: Any) -> int:
        return int(array.data.ptr)

    # --- work
    def launch(self, kernel: Callable[..., Any], blocks: Any, threads: Any, *args: Any, **constants: Any) -> None:
        grid, block = _three(blocks), _three(threads)
        if 0 in grid:
            return
        words = tuple(np.uint64(a.data.ptr) if isinstance(a, self.cp.ndarray) else a if isinstance(a, np.generic) else np.int64(a) for a in args)
        self._kernels.get(kernel, args, constants)(grid, block, words)

    def _load(self, ptx: Ptx) -> Any:
        module = self.cp.cuda.function.Module()
        module.load(machine_code(ptx))
        return module.get_function(ptx.entry)

    def matmul(self, a: Any, b: Any, out: Any, add: bool) -> None:
        try:
            multiply(self.cp, a, b, out, add)
        except ImportError as error:
            raise TargetError(f"matrix products are cuBLAS's, which does not load here ({reason(error)}): {MEND}, or cuda12 with a driver older "
                              "than 580") from None


def _three(count: Any) -> tuple[int, ...]:
    return tuple(map(int, count)) if isinstance(count, tuple) else (int(count),)


def _torch_stream(values: Sequence[Any]) -> int | None:
    """The current stream of PyTorch, where a tensor of it on a device is given."""
    for v in values:
        if is_torch(v) and getattr(v, "is_cuda", False):
            torch = importlib.import_module("torch")
            return int(torch.cuda.current_stream(v.device).cuda_stream)
    return None
