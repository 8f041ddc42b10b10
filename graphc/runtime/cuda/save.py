"""Saving a program: a folder that is a Python package, which runs where CuPy is and graphc is not (see graphc.runtime.cuda.saved)."""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from graphc.codegen.cudalib import grids
from graphc.codegen.cudalib.assemble import assemble
from graphc.errors import BindingTypeError
from graphc.runtime.cuda import products, saved
from graphc.runtime.cuda.trace import Launched

__all__ = ["ARCHITECTURES", "save"]

ARCHITECTURES = ((8, 0), (9, 0), (10, 0))          # machine code for these; PTX of the first, for all later ones


def save(folder: Path, text: str, kernels: Iterable[Launched], shapes: str, table: Mapping[str, Any],
         architectures: Sequence[tuple[int, int]]) -> None:
    """Write the module's text, the kernels, their table and what runs them. `shapes` are Python functions of the arrays' shapes. Nothing is written
    before all is compiled; the kernels of a program that was saved here before go."""
    if not folder.name.isidentifier():
        other = folder.with_name("saved_loss")
        raise BindingTypeError(f"{folder.name!r} is to be the name of a Python package, and cannot be one: save to a folder such as {str(other)!r}")
    if not architectures:
        raise BindingTypeError("architectures= names the compute capabilities to save machine code for, such as [(9, 0)]")
    found: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    for k, launched in enumerate(kernels):
        key = saved.key_of(launched.name, launched.types, dict(launched.constants))
        found[key] = _kernel(files, f"{launched.name}_{k}", launched, architectures)
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("*.ptx"), *folder.glob("*.cubin")) if (folder / "saved.json").exists() else ():
        old.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    _write(folder / "kernels.py", text)
    _write(folder / "host.py", _host(text, shapes))
    _write(folder / "saved.json", json.dumps({**table, "kernels": found}, indent=1) + "\n")
    for module, name in ((saved, "__init__"), (grids, "grids"), (products, "products")):
        shutil.copyfile(str(module.__file__), folder / f"{name}.py")


def _kernel(files: dict[str, bytes], name: str, launched: Launched, architectures: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """One kernel's files, and its line of the table."""
    ptx, cubins = launched.ptx(min(architectures)), {}
    files[f"{name}.ptx"] = ptx.text.encode()
    for major, minor in architectures:
        file = cubins[f"{major}{minor}"] = f"{name}.sm_{major}{minor}.cubin"
        files[file] = assemble(ptx.text, f"sm_{major}{minor}").code
    return {"entry": ptx.entry, "ptx": f"{name}.ptx", "cubin": cubins}


def _host(text: str, shapes: str) -> str:
    """`run` alone, in which the name of a kernel is its name."""
    functions = [f for f in ast.parse(text).body if isinstance(f, ast.FunctionDef)]
    run = next(f for f in functions if f.name == "run")
    names = [f'{f.name} = "{f.name}"' for f in functions if f.name != "run"]
    body = ast.get_source_segment(text, run) or ""
    imports = ["import math", ""] * ("math." in body)
    head = ['"""The host program. `kernels.py` has what it launches."""', "", *imports, "from . import grids", "", *names]
    return "\n".join([*head, "", "", shapes, "", "", body, ""])


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
