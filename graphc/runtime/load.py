"""Importing a generated module. Numba compiles it at import, by its explicit signature, or takes the machine code from its cache."""

from __future__ import annotations

import gc
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphc.loops.statements import Split
from graphc.runtime.cache import module_file
from graphc.runtime.host import Host, parts_of

__all__ = ["Loaded", "Source", "load"]

_lock = threading.RLock()


@dataclass(frozen=True)
class Source:
    """A module's text; the extents that `run` takes besides arrays; its kernels that can run in parts, and the same for each call of one;
    whether `run` is compiled."""

    text: str
    extents: tuple[str, ...]
    kernels: Mapping[str, Split]
    calls: tuple[Split, ...]
    compiled: bool


class Loaded:
    """A module in memory: `run`, and the same in Python with kernels in parts."""

    def __init__(self, source: Source, dtype: str):
        run, self.path = load(source.text)
        self.run = run if source.compiled else None
        self.extents, self._calls = source.extents, source.calls
        self._in_parts = Host(run, source.kernels, dtype) if source.calls else run
        self._whole = run if source.compiled else Host(run, {name: s for name, s in source.kernels.items() if s.kinds}, dtype)

    def runner(self, extents: Mapping[str, int]) -> Callable[..., Any]:
        """What runs work of this size."""
        return self._in_parts if any(parts_of(s, extents) > 1 for s in self._calls) else self._whole


def load(text: str) -> tuple[Callable[..., Any], Path]:
    """The module's `run` and its file."""
    with _lock, _no_collection():
        path = module_file(text)
        name = f"graphc_{path.stem}"
        module = sys.modules.get(name)
        if module is None or getattr(module, "__file__", None) != str(path):
            spec = importlib.util.spec_from_file_location(name, path)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            try:
                spec.loader.exec_module(module)
            except BaseException:
                del sys.modules[name]
                raise
        return module.run, path


@contextmanager
def _no_collection() -> Iterator[None]:
    """Numba's start and a compilation make hundreds of thousands of objects that stay. Looking for garbage among them takes 0.2 s."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
