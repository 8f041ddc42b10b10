"""A stand-in for CuPy on a machine without a GPU: what graphc.runtime.cuda asks of CuPy, on the memory of this process.

Memory has addresses, and is nobody's when its last array is gone; a kernel gets the words that `cuModule`'s launch would be given, and the
emulator executes its PTX on what lies at these addresses. Streams keep what is enqueued in order; a stream that captures runs nothing. `log` has what a test wants to see: allocations, copies,
launches, products, waits. It says nothing of CuPy itself or of a card.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import time
import weakref
from types import ModuleType, SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np

from graphc.runtime.cuda.emulator.decode import Kernel
from graphc.runtime.cuda.emulator.machine import launch

ALIGNED = 512
CUDA_TYPES = {0: np.dtype(np.float32), 1: np.dtype(np.float64), 2: np.dtype(np.float16), 14: np.dtype(ml_dtypes.bfloat16)}         # as cuBLAS numbers them


class CUDARuntimeError(RuntimeError):
    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status = status


class OutOfMemoryError(MemoryError):
    pass


class Cupy(ModuleType):
    """`sys.modules["cupy"] = Cupy(devices=1)`; `limit` bytes of memory a device."""

    def __init__(self, devices: int = 1, capability: tuple[int, int] = (9, 0), limit: int = 1 << 30):
        super().__init__("cupy")
        self.log: list[tuple[Any, ...]] = []
        self.blocks: dict[int, np.ndarray] = {}
        self.limit, self.capability = limit, capability
        self.device, self.broken = 0, None
        self.ndarray, self.uint64, self.int64 = _array_of(self), np.uint64, np.int64
        self.null = self.current = Stream(self, 0)
        stream = type("Stream", (Stream,), {"__init__": lambda s, non_blocking=False: Stream.__init__(s, self, 7), "null": self.null,
                                            "from_external": lambda other: Stream(self, other.__cuda_stream__()[1])})
        about = {"name": b"Stand-in", "major": capability[0], "minor": capability[1], "multiProcessorCount": 132}
        self.cuda = SimpleNamespace(
            Stream=stream, Device=lambda index=None: _Device(self, self.device if index is None else index),
            Event=Event, get_elapsed_time=lambda start, stop: (stop.at - start.at) * 1e3, get_current_stream=lambda: self.current, function=SimpleNamespace(Module=lambda: Module(self)),
            runtime=SimpleNamespace(getDeviceCount=lambda: devices, getDevice=lambda: self.device, getDeviceProperties=lambda index: about,
                                    driverGetVersion=lambda: 13000))
        self.cuda.cublas, self.cuda.device = SimpleNamespace(gemmEx=self.gemm), SimpleNamespace(get_cublas_handle=lambda: 1)

    def do(self, step: Any, *note: Any) -> None:
        """Enqueue."""
        if self.broken is not None:
            raise CUDARuntimeError(self.broken, "cudaErrorIllegalAddress: an illegal memory access was encountered")
        self.log.append((*note, self.current.ptr))
        step() if self.current.tape is None else self.current.tape.append((step, note))

    def counted(self, what: str) -> int:
        return sum(entry[0] == what for entry in self.log)

    def get_default_memory_pool(self) -> Any:
        return SimpleNamespace(free_all_blocks=lambda: self.log.append(("free all",)))

    def from_dlpack(self, value: Any) -> Any:
        self.log.append(("dlpack", self.current.ptr))
        return value.ours

    def asarray(self, value: Any, dtype: Any = None) -> Any:
        interface = getattr(value, "__cuda_array_interface__", None)
        if interface is not None:
            a = self.ndarray(interface["shape"], np.dtype(interface["typestr"]), memptr=Pointer(self, interface["data"][0]))
            a.kept = value
            return a
        if isinstance(value, self.ndarray):
            return value if dtype is None or value.dtype == dtype else self.asarray(value.host.astype(dtype))
        host = np.asarray(value, dtype)
        a = self.ndarray(host.shape, host.dtype)
        a.set(host)
        return a

    def ascontiguousarray(self, a: Any) -> Any:
        return a if a.flags.c_contiguous else self.asarray(np.ascontiguousarray(a.host))

    def asnumpy(self, a: Any) -> np.ndarray:
        if self.current.tape is not None:
            raise CUDARuntimeError(900, "cudaErrorStreamCaptureUnsupported")
        self.do(lambda: None, "wait")
        return a.host.copy()

    def gemm(self, handle: int, op_a: int, op_b: int, m: int, n: int, k: int, alpha: int, a: int, a_type: int, lda: int,
             b: int, b_type: int, ldb: int, beta: int, c: int, c_type: int, ldc: int, compute: int, algorithm: int) -> None:
        """cuBLAS's gemmEx, by columns: c = alpha * op(a) @ op(b) + beta * c; halves are added up in float32."""
        wide = np.float64 if a_type == 1 else np.float32
        one, scale = ((ctypes.c_double if a_type == 1 else ctypes.c_float).from_address(x).value for x in (alpha, beta))
        assert (handle, one, compute, algorithm) == (1, 1.0, 70 if a_type == 1 else 68, -1) and a_type == b_type and c_type in (0, a_type)

        def columns(address: int, kind: int, rows: int, count: int, leading: int) -> np.ndarray:
            assert leading >= rows
            return np.ndarray((rows, count), CUDA_TYPES[kind], _bytes(self, address), strides=(CUDA_TYPES[kind].itemsize, CUDA_TYPES[kind].itemsize * leading))

        def step() -> None:
            left = columns(a, a_type, k, m, lda).T if op_a else columns(a, a_type, m, k, lda)
            right = columns(b, b_type, n, k, ldb).T if op_b else columns(b, b_type, k, n, ldb)
            out = columns(c, c_type, m, n, ldc)
            product = left.astype(wide) @ right.astype(wide)
            out[...] = product + scale * out.astype(wide) if scale else product
        self.do(step, "gemm", (n, k), (k, m))


def _array_of(cp: Cupy) -> type:
    """cupy.ndarray: `host` is its memory as NumPy sees it."""
    class ndarray:
        def __init__(self, shape: Any, dtype: Any = float, memptr: Any = None):
            shape, dtype = (shape,) if isinstance(shape, int) else tuple(shape), np.dtype(dtype)
            size = int(np.prod(shape)) * dtype.itemsize
            self.data = memptr if memptr is not None else cp_memory(cp, size)
            self.host = np.ndarray(shape, dtype, _bytes(cp, self.data.ptr)[:max(size, 0)]) if size else np.empty(shape, dtype)
            self.device = SimpleNamespace(id=cp.device)

        @classmethod
        def of(cls, host: np.ndarray) -> Any:
            made = cls.__new__(cls)
            made.host, made.data, made.device = host, Pointer(cp, host.ctypes.data), SimpleNamespace(id=cp.device)
            return made

        def part(self, host: np.ndarray) -> Any:
            """An array in this one's memory."""
            made = self.of(host)
            made.data.owner = self.data.owner
            return made
        shape = property(lambda a: a.host.shape)
        dtype = property(lambda a: a.host.dtype)
        size = property(lambda a: a.host.size)
        nbytes = property(lambda a: a.host.nbytes)
        flags = property(lambda a: a.host.flags)
        T = property(lambda a: a.part(a.host.T))

        def reshape(self, *shape: Any) -> Any:
            made = self.host.reshape(*shape)
            assert not made.size or np.shares_memory(made, self.host), "a reshape that copies"
            return self.part(made)

        def copy(self) -> Any:
            return cp.asarray(self.host.copy())

        def astype(self, dtype: Any, copy: bool = True) -> Any:
            return self if self.dtype == dtype and not copy else cp.asarray(self.host.astype(dtype))

        def get(self) -> np.ndarray:
            return cp.asnumpy(self)

        def __getitem__(self, key: Any) -> Any:
            return self.part(self.host[key])

        def __setitem__(self, key: Any, value: Any) -> None:
            source = value.host
            cp.do(lambda: np.copyto(self.host[key], source, casting="unsafe"), "copy", source.nbytes)

        def set(self, host: np.ndarray) -> None:
            assert host.flags.c_contiguous and host.shape == self.shape and host.dtype == self.dtype
            kept = host.copy()
            cp.do(lambda: np.copyto(self.host, kept), "send", host.nbytes)
    return ndarray


class Pointer:
    """An address; the block there is free when no pointer to its `owner` is left."""

    def __init__(self, cp: Cupy, ptr: int, owner: Any = None):
        self.cp, self.ptr, self.device_id, self.owner = cp, ptr, cp.device, owner

    def __add__(self, offset: int) -> Pointer:
        return Pointer(self.cp, self.ptr + offset, self.owner)

    def copy_from_device_async(self, source: Pointer, size: int) -> None:
        self.cp.do(lambda: np.copyto(_bytes(self.cp, self.ptr)[:size], _bytes(self.cp, source.ptr)[:size]), "copy", size)

    def memset_async(self, value: int, size: int) -> None:
        self.cp.do(lambda: _bytes(self.cp, self.ptr)[:size].fill(value), "memset", size)


def cp_memory(cp: Cupy, size: int) -> Pointer:
    """A block of poisoned memory at an aligned address."""
    if size > cp.limit:
        raise OutOfMemoryError(f"Out of memory allocating {size} bytes")
    if size:
        cp.log.append(("allocate", size))
    raw = np.full(size + ALIGNED, 0xFF, np.uint8)
    start = -raw.ctypes.data % ALIGNED
    block, owner = raw[start:start + max(size, 1)], _Owner()
    address = block.ctypes.data
    cp.blocks[address] = block
    weakref.finalize(owner, cp.blocks.pop, address, None)
    return Pointer(cp, address, owner)


class _Owner:
    pass


def _bytes(cp: Cupy, ptr: int) -> np.ndarray:
    """The memory from an address to the end of its block."""
    for block in reversed(cp.blocks.values()):
        if 0 <= ptr - block.ctypes.data < block.size:
            return block[ptr - block.ctypes.data:]
    raise CUDARuntimeError(700, f"cudaErrorIllegalAddress: {ptr:#x} is nobody's")


class Event:
    def record(self) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None:
        pass


class Stream:
    def __init__(self, cp: Cupy, ptr: int):
        self.cp, self.ptr, self.tape = cp, ptr, None
        self.outer: list[Any] = []

    def __enter__(self) -> Stream:
        self.outer.append(self.cp.current)
        self.cp.current = self
        return self

    def __exit__(self, *_: Any) -> None:
        self.cp.current = self.outer.pop()

    def record(self) -> Any:
        self.cp.log.append(("event", self.ptr))
        return ("event", self.ptr)

    def wait_event(self, event: Any) -> None:
        self.cp.log.append(("wait event", event[1], self.ptr))

    def begin_capture(self) -> None:
        self.tape = []

    def end_capture(self) -> Any:
        tape, self.tape = self.tape, None

        def replay() -> None:
            self.cp.log.append(("graph", self.cp.current.ptr))
            for step, _ in tape:
                step()
        return SimpleNamespace(launch=replay, tape=tape)


class _Device:
    def __init__(self, cp: Cupy, index: int):
        self.cp, self.id = cp, index
        self.compute_capability = f"{cp.capability[0]}{cp.capability[1]}"

    def synchronize(self) -> None:
        pass

    def __enter__(self) -> None:
        self.before, self.cp.device = self.cp.device, self.id

    def __exit__(self, *_: Any) -> None:
        self.cp.device = self.before


class Module:
    """Machine code is PTX here."""

    def __init__(self, cp: Cupy):
        self.cp = cp

    def load(self, code: bytes) -> None:
        if b".entry" not in code:
            raise CUDARuntimeError(209, "CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available for execution on the device")
        self.text = code.decode()

    def get_function(self, entry: str) -> Any:
        kernel = Kernel(self.text, entry)

        def start(grid: tuple[int, ...], block: tuple[int, ...], words: tuple[Any, ...]) -> None:
            assert all(isinstance(w, np.generic) for w in words) and 0 not in grid
            self.cp.do(lambda: launch(kernel, grid, block, [_bytes(self.cp, int(w)) if isinstance(w, np.uint64) else w for w in words]),
                       "launch", entry, tuple(map(int, words)))
        return start


@contextlib.contextmanager
def standing_in(monkeypatch: Any, **about: Any) -> Any:
    """CuPy's place is taken, and machine code is PTX."""
    from graphc.runtime.cuda import gpu, program
    cp = Cupy(**about)
    monkeypatch.setitem(sys.modules, "cupy", cp)
    monkeypatch.setattr(gpu, "machine_code", lambda ptx: ptx.text.encode())
    program.device_of.cache_clear()
    try:
        yield cp
    finally:
        program.device_of.cache_clear()
