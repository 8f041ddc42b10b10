"""The folder of generated modules: `GRAPHC_CACHE`, or `graphc` in the platform's cache folder of the user.

A module's file name holds a hash of its source and of all that its machine code depends on (graphc's own helpers, Numba, NumPy, the
processor), so a file never changes once written, and Numba's cache beside it never goes stale. Files appear whole or not at all.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from graphc.errors import CacheError

__all__ = ["cache_folder", "digest", "kept", "module_file"]


def cache_folder() -> Path:
    """The folder, created private to the user where it does not exist."""
    given = os.environ.get("GRAPHC_CACHE")
    folder = Path(given) if given else _user_cache() / "graphc"
    way = "set GRAPHC_CACHE to a folder of yours that can be written"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = folder.resolve()
        status = folder.stat()
    except OSError as error:
        raise CacheError(f"the folder for generated kernels {folder} cannot be made ({error.strerror or error}); {way}") from None
    if not folder.is_dir():
        raise CacheError(f"the path for generated kernels {folder} is not a folder; {way}")
    if hasattr(os, "getuid") and (status.st_uid not in (os.getuid(), 0) or status.st_mode & 0o002):
        raise CacheError(f"the folder for generated kernels {folder} belongs to or can be written by other users, who could change what runs "
                         f"here; {way}")
    return folder


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@functools.cache
def _surroundings() -> bytes:
    """All that generated machine code depends on besides its source."""
    helpers = Path(__file__).parent.parent / "codegen" / "mathlib"
    sources = b"".join(f.read_bytes() for f in sorted(helpers.glob("*.py")))
    versions = [f"{name} {importlib.import_module(name).__version__}" for name in ("numba", "llvmlite", "numpy")]
    machine = [sys.version, platform.machine(), platform.processor(), os.environ.get("NUMBA_CPU_NAME", ""), os.environ.get("NUMBA_CPU_FEATURES", "")]
    return sources + "\n".join(versions + machine).encode()


def module_file(source: str) -> Path:
    """The file that holds a module's source, written if it is not there."""
    return kept(f"kernels_{digest(source.encode(), _surroundings())}.py", lambda: source)


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:24]


def kept(name: str, make: Callable[[], str]) -> Path:
    """The file of this name in the folder; if it is not there, made and written."""
    path = cache_folder() / name
    if path.exists():
        return path
    text = make()
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}", suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise CacheError(f"cannot write generated kernels into {path.parent} ({error.strerror or error}); set GRAPHC_CACHE to a folder that can "
                         "be written") from None
    return path
