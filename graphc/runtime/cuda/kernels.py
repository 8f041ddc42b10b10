"""Kernels, compiled when a launch first asks for them: a function with the types of its arguments and its constants is one kernel.

    function, (types), {constants} -> PTX -> machine code -> something to launch

PTX takes a quarter of a second to make and is kept on disk beside generated modules.
"""

from __future__ import annotations

import functools
import importlib.metadata
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from graphc.codegen.cudalib.assemble import assemble
from graphc.codegen.cudalib.compile import Ptx, argument_type, compile
from graphc.runtime.cache import digest, kept

__all__ = ["Kernels", "Ptx", "ptx_of", "machine_code"]


class Kernels:
    """What a device launches; `load(ptx)` makes it."""

    def __init__(self, cc: tuple[int, int], load: Callable[[Ptx], Any]):
        self.cc, self.load = cc, load
        self.loaded: dict[Any, Any] = {}
        self._lock = threading.Lock()

    def get(self, kernel: Callable[..., Any], args: Sequence[Any], constants: Mapping[str, Any]) -> Any:
        types = tuple(map(argument_type, args))
        key = (kernel, types, *constants.items())
        found = self.loaded.get(key)
        if found is None:
            with self._lock:
                found = self.loaded[key] = self.load(ptx_of(kernel, types, self.cc, constants))
        return found


def ptx_of(kernel: Callable[..., Any], types: tuple[str, ...], cc: tuple[int, int], constants: Mapping[str, Any]) -> Ptx:
    """The PTX of a kernel, from disk if it has been made before; a kernel that is in no file is not kept."""
    file = Path(kernel.__code__.co_filename)
    if not file.is_file():
        return compile(kernel, types, cc, constants)
    module = file.read_bytes()
    what = repr((kernel.__qualname__, types, cc, sorted(constants.items()))).encode()
    path = kept(f"{kernel.__name__}_{digest(module, what, _tools())}.ptx", lambda: compile(kernel, types, cc, constants).text)
    return Ptx(path.read_text(encoding="utf-8"), kernel.__name__, types, cc)


def machine_code(ptx: Ptx) -> bytes:
    """For the capability that the PTX is of."""
    return assemble(ptx.text, f"sm_{ptx.cc[0]}{ptx.cc[1]}").code


@functools.cache
def _tools() -> bytes:
    """All that PTX depends on besides the kernel's module."""
    folder = Path(__file__).parent.parent.parent / "codegen"
    sources = b"".join(f.read_bytes() for name in ("mathlib", "cudalib") for f in sorted((folder / name).glob("*.py")))
    return sources + repr([(d, importlib.metadata.version(d)) for d in ("numba-cuda", "numba", "llvmlite")]).encode()
