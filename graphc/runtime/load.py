"""Importing a generated module. Numba compiles it at import, by its explicit signature, or takes the machine code from its cache."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graphc.runtime.cache import module_file

__all__ = ["load"]

_lock = threading.RLock()


def load(source: str) -> tuple[Callable[..., Any], Path]:
    """The module's `run`, compiled, and its file."""
    path = module_file(source)
    name = f"graphc_{path.stem}"
    with _lock:
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
