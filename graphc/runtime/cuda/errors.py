"""What a device reports, as errors of graphc.

CuPy raises errors of the driver, of the runtime, of cuBLAS and of its memory pool, each with the number that its library gives it. Most leave the
process as it was. Some end the device's context: every later call of any library fails then, and only a new process can use the device again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from graphc.errors import DeviceError, GraphcError, TargetError

__all__ = ["translated"]

_OLD = "; usually the driver is older than the toolkit: update it, or install graphc[cuda12]"
# CUDA's number -> what it means for a program, and the way out.
_TARGET = {
    35: f"the driver is older than the CUDA runtime{_OLD}",
    100: "there is no device",
    101: "there is no device of this number",
    200: f"the device does not take this machine code{_OLD}",
    209: f"the kernels have no code for this device's architecture{_OLD}",
    218: f"the driver cannot read the kernels' PTX{_OLD}",
    222: f"the kernels' PTX is of a newer toolkit than the driver{_OLD}",
}
_DEVICE = {
    2: "out of memory: free arrays (and cupy.get_default_memory_pool().free_all_blocks()), or give smaller batches",
    46: "the device is in use by another process, exclusively: choose another with device=",
    400: "the stream is none of this device, or is no more",
    701: "a kernel asks for more threads or registers than the device has; this is a bug of graphc, please report it with the formula",
    900: "the stream is being captured by the caller: call the program outside of the capture, or compile with capture=True",
    906: "the stream is being captured by the caller: call the program outside of the capture, or compile with capture=True",
}
_CUDA = ("CUDARuntimeError", "CUDADriverError")
_LOST = {700: "an address that is not the program's", 702: "a kernel that ran too long", 710: "an assertion", 714: "a fault of the hardware",
         715: "an illegal instruction", 716: "a misaligned address", 717: "an invalid address space", 718: "an invalid program counter",
         719: "a kernel that failed", 214: "an uncorrectable memory error"}


_NO_MEMORY, _CUBLAS_NO_MEMORY = 2, (1, 3)          # cuBLAS counts otherwise: it could not begin, or could not allocate


class translated:
    """Errors of the device inside, as TargetError (it cannot run this) or DeviceError (it failed). Without memory, scratch memory is released."""

    __slots__ = ("device", "release")

    def __init__(self, device: str, release: Callable[[], None]):
        self.device, self.release = device, release

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if not isinstance(error, Exception) or isinstance(error, GraphcError):
            return
        if _is_memory(error):
            self.release()
            raise DeviceError(f"{self.device}: {_DEVICE[_NO_MEMORY]} ({_short(error)})") from error
        found = _translation(self.device, error)
        if found is not None:
            raise found from error


def _is_memory(error: Exception) -> bool:
    kind, number = type(error).__name__, getattr(error, "status", None)
    return kind == "OutOfMemoryError" or kind in _CUDA and number == _NO_MEMORY or kind == "CUBLASError" and number in _CUBLAS_NO_MEMORY


def _translation(device: str, error: Exception) -> GraphcError | None:
    kind, number = type(error).__name__, getattr(error, "status", None)
    if kind == "CUBLASError":
        return DeviceError(f"{device}: cuBLAS refused a matrix product ({_short(error)})")
    if kind not in _CUDA:
        return None
    if number in _TARGET:
        return TargetError(f"{device}: {_TARGET[number]} ({_short(error)})")
    if number in _LOST:
        return DeviceError(f"{device}: the context is lost after {_LOST[number]} ({_short(error)}). Its arrays are gone for all libraries in this "
                           "process; start a new one to use the device again. Programs for the CPU still run")
    return DeviceError(f"{device}: {_DEVICE.get(number or 0, 'the device refused')} ({_short(error)})")


def _short(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error))
