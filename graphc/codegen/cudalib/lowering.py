"""What numba-cuda is told while it compiles: the capability, instead of a device; and what of a function may be fused.

numba-cuda knows fastmath as all or nothing, and NVVM contraction as all or nothing. graphc's functions allow contraction (a*b + c in one
instruction) or nothing: rounding errors are what compensated sums compute. So NVVM may contract, and a product in a function that does
not allow it becomes an instruction that NVVM leaves alone (see `instructions`).

A function of Numba's CPU target is compiled as a device function, without its fastmath: numba-cuda would take it for approximate division.
"""

from __future__ import annotations

import threading
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from graphc.codegen.cudalib.instructions import replace
from graphc.codegen.cudalib.toolkit import tool

__all__ = ["without_device"]

_lock = threading.RLock()
_CONTRACTED = "__graphc_contracts__"


@contextmanager
def without_device(cc: tuple[int, int], kernel: Callable[..., Any]) -> Iterator[None]:
    """Compilation for a capability, with no driver; the kernel itself allows contraction. One thread at a time."""
    setattr(kernel, _CONTRACTED, True)
    device = types.SimpleNamespace(compute_capability=cc)
    with _lock, ExitStack() as stack:
        for module in map(tool, ("dispatcher", "api", "compiler")):
            if hasattr(module, "get_current_device"):
                stack.enter_context(patch.object(module, "get_current_device", lambda: device))
        context, lower = tool("target").CUDATypingContext, tool("lowering").Lower
        stack.enter_context(patch.object(context, "resolve_value_type", _resolver(context.resolve_value_type)))
        stack.enter_context(patch.object(lower, "post_lower", _rounding(lower.post_lower)))
        yield


def _resolver(original: Callable[..., Any]) -> Callable[..., Any]:
    """Functions of the CPU target as device functions."""
    import numba.core.dispatcher as cpu
    device = tool("dispatcher").CUDADispatcher

    def resolve(self: Any, value: Any) -> Any:
        if isinstance(value, cpu.Dispatcher) and not isinstance(value, device):
            value = _device_function(value, device)
        return original(self, value)
    return resolve


def _device_function(function: Any, device: Any) -> Any:
    """The device function of a CPU function: one for all kernels."""
    found = function.__dict__.get("_graphc_device")
    if found is None:
        if "contract" in (function.targetoptions.get("fastmath") or ()):
            setattr(function.py_func, _CONTRACTED, True)
        inline = function.targetoptions.get("forceinline", False)
        found = device(function.py_func, {"device": True, "debug": False, "opt": True, "forceinline": inline})
        function._graphc_device = found
    return found


def _rounding(original: Callable[..., Any]) -> Callable[..., Any]:
    """After a function is lowered: instructions that mean something else to NVVM are replaced."""
    def post_lower(self: Any) -> Any:
        result = original(self)
        replace(self.module, self.function, getattr(self.func_ir.func_id.func, _CONTRACTED, False))
        return result
    return post_lower
