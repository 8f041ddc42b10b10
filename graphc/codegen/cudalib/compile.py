"""A Python function to PTX, by numba-cuda and NVVM, with no device and no driver.

    ptx = compile(kernel, ("float32*", "float32*", "int64"), cc=(9, 0), constants={"THREADS": 256})
    ptx.text, ptx.entry

A kernel is a plain Python function. An argument is a pointer to the first element of an array ("float32*"; "float16*" and "bfloat16*" are read as
float32, see `halves`), or a number ("int64"). A constant is
a global name of the kernel: the kernel is compiled as if the module said `THREADS = 256`, and reads it as a literal.

The text is the same on every run and every machine: numba-cuda counts functions in its symbols, which get plain names here.
"""

from __future__ import annotations

import functools
import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.codegen.cudalib.contract import fused
from graphc.codegen.cudalib.lowering import without_device
from graphc.codegen.cudalib.toolkit import tool
from graphc.errors import TargetError
from graphc.loops.device.stored import HALVES

__all__ = ["Ptx", "compile", "argument_type"]

LEAST = (8, 0)                  # the oldest compute capability
FREE = 256                      # threads that may have 255 registers each


@dataclass(frozen=True)
class Ptx:
    """A compiled kernel: the name of its entry, its arguments, the capability it is for."""

    text: str
    entry: str
    arguments: tuple[str, ...]
    cc: tuple[int, int]


def argument_type(value: Any) -> str:
    """How `compile` calls an argument of a launch: an array is a pointer, an int is int64, a NumPy scalar is of its own dtype."""
    if type(value) is int:
        return "int64"
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return _name(value.dtype, "" if isinstance(value, np.generic) else "*")
    raise TypeError(f"a kernel takes arrays, ints and NumPy scalars, not {type(value).__name__}")


@functools.cache
def _name(dtype: np.dtype, ending: str) -> str:
    """Remembered: NumPy makes it anew each time."""
    return f"{dtype.name}{ending}"


def compile(function: Callable[..., Any], arguments: Sequence[str], cc: tuple[int, int] = (8, 0), constants: Mapping[str, Any] | None = None) -> Ptx:
    """The PTX of a kernel for a compute capability, (8, 0) or newer. TargetError for an older one, and where the tools are missing; Numba's own
    errors for a kernel that it cannot type."""
    if cc < LEAST:
        raise TargetError(f"kernels are for cards of compute capability {LEAST[0]}.{LEAST[1]} and newer (Ampere, 2020), not {cc[0]}.{cc[1]}: "
                          "older ones lack instructions, such as a maximum that keeps NaN. Choose another device, or target='cpu'")
    compiler, kinds = tool("compiler"), tool("types")
    kernel = _with_constants(function, constants or {})
    signature = tuple(_type(kinds, a) for a in arguments)
    with without_device(cc, kernel):
        result = compiler.compile_cuda(kernel, kinds.void, signature, nvvm_options={"opt": 3, "fma": 1}, cc=cc, abi="numba")
        library, symbol = result.library, result.fndesc.llvm_func_name
        library._entry_name = symbol
        compiler.kernel_fixup(library.get_function(symbol), False)
        text = library.get_asm_str(cc=cc)
    text = _bounded(_readable(text, symbol, function.__name__), (constants or {}).get("THREADS", 1))
    return Ptx(text, function.__name__, tuple(arguments), cc)


def _bounded(text: str, threads: int) -> str:
    """The text of a kernel for large blocks, for which the assembler has to make do with the registers of a multiprocessor: 255 are too many."""
    return re.sub(r"(?m)^\{", f".maxntid {threads}, 1, 1\n{{", text, count=1) if threads > FREE else text


def _type(kinds: Any, name: str) -> Any:
    if name.rstrip("*") in HALVES:
        from graphc.codegen.cudalib.halves import Halves  # which makes types of numba-cuda
        return Halves(name.rstrip("*"))
    kind = getattr(kinds, {"bool": "boolean", "bool*": "uint8"}.get(name, name.rstrip("*")))          # a bit of an array is a byte
    return kinds.CPointer(kind) if name.endswith("*") else kind


def _with_constants(function: Callable[..., Any], constants: Mapping[str, Any]) -> Callable[..., Any]:
    """The function with other global names."""
    if unknown := sorted(set(constants) - set(function.__code__.co_names)):
        raise TypeError(f"{function.__name__} reads no global name {', '.join(unknown)}")
    scope = {**function.__globals__, **constants}
    return types.FunctionType(function.__code__, scope, function.__name__, function.__defaults__, function.__closure__)


# --- names ------------------------------------------------------------------------------------------------------------

_ENVIRONMENT = re.compile(r"^\.common \.global .*_ZN08NumbaEnv.*\n", re.M)         # of Python functions, which kernels do not use
_ROUNDED = re.compile(r"(?m)^(\t(?:@!?%p\d+ )?)(add|sub|mul)\.(f32|f64)(?= )")
_SYMBOL = re.compile(r"\b(_ZN\w+|_cudapy_\w+)")


def _readable(text: str, symbol: str, name: str) -> str:
    """The text with the names of the source. Sums and products say that they are rounded: ptxas may not fuse what NVVM did not."""
    text = _ROUNDED.sub(r"\1\2.rn.\3", fused(_ENVIRONMENT.sub("", text)))
    text = text.replace(f"{symbol}_param_", "p").replace(symbol, name)
    names: dict[str, str] = {}
    for match in _SYMBOL.finditer(text):
        if match[0] not in names:
            names[match[0]] = f"{_plain(match[0])}_{len(names)}"
    return _SYMBOL.sub(lambda m: names[m[0]], text)


def _plain(symbol: str) -> str:
    """The last name of a symbol: _ZN4file3expB2v1... is exp; shared memory is `shared`."""
    if symbol.startswith("_cudapy_"):
        return "shared" if "smem" in symbol else "local"
    at, name = 3, "function"
    while found := re.match(r"\d+", symbol[at:]):
        at += len(found[0])
        name, at = symbol[at:at + int(found[0])], at + int(found[0])
    return name
