"""What a command works on: a formula with declarations, or a tensor or a program in a Python file; and data from a file."""

from __future__ import annotations

import contextlib
import os
import re
import runpy
import sys
import traceback
from collections.abc import Generator, Sequence
from typing import Any

from graphc.errors import GraphcError
from graphc.frontend.origin import places

__all__ = ["UsageError", "load_target", "load_data"]

_FILE = re.compile(r"(?P<path>.+\.py)(?::(?P<name>[^\W\d]\w*))?\Z")
USUAL = ("L", "loss")     # what a result is called


class UsageError(GraphcError):
    """A command line that asks for what is not there."""


def load_target(target: str, declarations: Sequence[str]) -> Any:
    """The Tensor (or Program) that a command line names."""
    file = _FILE.match(target)
    if file is None:
        return _formula(target.strip(), declarations)
    if declarations:
        raise UsageError(f"declarations ({' '.join(declarations)}) belong to a formula, and {target} is a Python file")
    return _chosen(file["path"], file["name"], _run(file["path"]))


def _formula(text: str, declarations: Sequence[str]) -> Any:
    from graphc.frontend.text import parse
    named: dict[str, str] = {}
    for word in declarations:
        name, sign, value = word.partition("=")
        if not sign:
            raise UsageError(f"{word!r} is no declaration: write NAME=DIMS, as in X=n,d, or {word}= for a scalar (and quote the formula as one word)")
        if name in named:
            raise UsageError(f"{name} is declared twice: {name}={named[name]} and {word}")
        named[name] = value
    result = parse(text, **named)
    free = [name for name in USUAL if name not in named]
    return result.named(free[0]) if free and result.node not in [t.node for t in result.tensors.values()] else result


# --- Python files -----------------------------------------------------------------------------------------------------

def _run(path: str) -> dict[str, Any]:
    """The names that a script leaves. What it prints goes to standard error, so that output pipes."""
    if not os.path.isfile(path):
        raise UsageError(f"there is no file {path}")
    try:
        with _as_script(path), places(shown=True), contextlib.redirect_stdout(sys.stderr):
            return runpy.run_path(path, run_name="__main__")
    except GraphcError:
        raise
    except SystemExit as error:
        raise UsageError(f"{path} ended itself (sys.exit({error.code!r})) before it could be asked for a tensor") from None
    except Exception as error:
        raise UsageError(f"{path} failed:{_place(error, path)} {type(error).__name__}: {error}") from error


@contextlib.contextmanager
def _as_script(path: str) -> Generator[None]:
    """sys.argv and sys.path as Python sets them for a script."""
    argv, folders = sys.argv, sys.path[:]
    sys.argv, sys.path[:0] = [path], [os.path.dirname(os.path.abspath(path))]
    try:
        yield
    finally:
        sys.argv, sys.path[:] = argv, folders


def _place(error: Exception, path: str) -> str:
    if isinstance(error, SyntaxError):
        return ""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
    return f" line {lines[-1]}:" if lines else ""


def _chosen(path: str, name: str | None, names: dict[str, Any]) -> Any:
    """The tensor or program called `name`; without a name the usual one, or the only one."""
    candidates = {k: v for k, v in names.items() if _is_target(v) and not k.startswith("_")}
    if name is not None:
        if name in candidates:
            return candidates[name]
        problem = f"is a {type(names[name]).__name__}, not a tensor or a program" if name in names else "is not in it"
        raise UsageError(f"{path}: {name} {problem}; {_listed(path, candidates)}")
    usual = [candidates[k] for k in USUAL if k in candidates] or list(candidates.values()) * (len(candidates) == 1)
    if not usual:
        raise UsageError(f"{path} has no tensor called {' or '.join(USUAL)}; {_listed(path, candidates)}")
    return usual[0]


def _is_target(value: Any) -> bool:
    from graphc.frontend.tensor import Tensor
    program = sys.modules.get("graphc.runtime.program")          # only a file that compiled has one
    return isinstance(value, Tensor) or program is not None and isinstance(value, program.Program)


def _listed(path: str, candidates: dict[str, Any]) -> str:
    return f"choose one with {path}:NAME among {', '.join(candidates)}" if candidates else "it leaves no tensor and no program behind"


# --- data -------------------------------------------------------------------------------------------------------------

def load_data(path: str) -> dict[str, Any]:
    """The arrays of an .npz file by name."""
    import zipfile

    import numpy as np
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise UsageError(f"{path} holds one array; data are several by name: numpy.savez({path!r}, X=X, W=W)")
        with archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} is no .npz file of plain arrays, as numpy.savez writes it: {error}") from None
