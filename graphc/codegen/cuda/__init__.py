'''A loop program as a Python module of kernels for CUDA, and `run`, the host program in Python.

    def over_n(y, t, y_bar, L_part, n, c):        a kernel: a plain Python function, compiled for a card by graphc.codegen.cudalib
        i = group(THREADS)
        while i < n: ...
    def run(device, y, t, L_out, y_bar):          device.empty, device.launch, device.matmul, device.check_labels

Arrays are pointers to C-contiguous memory that begins at a multiple of 16 bytes; numbers are arrays of one element; extents are int64. Names in
capitals are constants that a launch gives: THREADS in a group that takes a row, WIDTH elements of it in each, VECTOR at a time, BLOCK threads;
COLUMNS that are neighbours, with DEEP threads in each.
The text of a kernel does not say how its arrays are stored: a pointer to halves is read and written as float32 (see graphc.codegen.cudalib.halves).
'''

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from graphc.codegen.cuda.context import LabelCheck
from graphc.codegen.cuda.host import Host
from graphc.codegen.cuda.kernels import Kernels
from graphc.codegen.cuda.same import firsts
from graphc.codegen.defined import defined
from graphc.errors import InternalError
from graphc.loops.device.statements import DeviceProgram, Finish, Launch
from graphc.loops.statements import ForTiles, HostProgram

__all__ = ["emit"]

TYPES = ("boolean", "cuda", "float32", "float64", "inlined", "int64", "uint64")           # as cudalib.names has them
TILES = ("neighbour", "odd", "fitting", "load_tile", "load_column")                       # of cudalib.tiles
STRIPS = ("strips", "across", "down")


def home_of(name: str) -> str:
    """The module of cudalib that has a function of groups."""
    if name in STRIPS or name.startswith("deep_"):
        return "strips"
    return "folds" if name.startswith(("fold_", "gathered_", "scan_")) else "tiles" if name in TILES else "blocks"


def emit(program: HostProgram, mapped: DeviceProgram, title: str, dtype: str, labels: Sequence[LabelCheck], own: Callable[[str], str],
         stored: Mapping[str, str] | None = None) -> str:
    """The module's source for float32 or float64. `own` makes names; `stored` are the arrays in half precision."""
    return _Module(program, mapped, dtype, labels, own, stored or {}).text(title)


class _Module(Kernels, Host):
    """A module: its kernels, then `run`."""

    def text(self, title: str) -> str:
        found = self.kernels(self.mapped.body)
        if len({k.name for k in found}) < len(found):
            raise InternalError(f"two kernels have one name among {', '.join(k.name for k in found)}")
        texts = {k.name: self.kernel(k) for k in found if not isinstance(k, Finish)}
        self.same = firsts(texts, {*self.library, *self.print.functions, *self.print.defined})
        run = self.run()
        kernels = [self.finish(k) if isinstance(k, Finish) else texts[k.name] for k in found if self.same.get(k.name, k.name) == k.name]
        own = [defined(self.print.defined[name], self.dtype, self.print) for name in sorted(self.print.defined)]
        parts = [*own, *kernels, run]
        return "\n\n\n".join([self.header(title, "\n".join(parts)), *parts]) + "\n"

    def kernels(self, body: Iterable[Any]) -> list[Any]:
        found: list[Any] = []
        for s in body:
            if isinstance(s, Launch):
                found += [s.kernel, *([s.long] if s.long else []), *(s.cut.kernels if s.cut else ())]
            elif isinstance(s, Finish):
                found.append(s)
            elif isinstance(s, ForTiles):
                found += self.kernels(s.body)
        return found

    def header(self, title: str, body: str) -> str:
        functions = sorted(self.print.functions)
        own = [f for f in functions if not f.startswith("math.")]
        lines = ['"""' + title.replace("\\", "\\\\").replace('"""', "'''").rstrip(), '"""', ""]
        lines += ["import math", ""] if any(f.startswith("math.") for f in functions) else []
        grids = sorted(set(re.findall(r"\bgrids\b", body)))
        types = [t for t in TYPES if t == self.dtype or re.search(rf"\b{t}\b", body)]
        lines += ["from graphc.codegen.cudalib import grids"] if grids else []
        for home in ("blocks", "folds", "strips", "tiles"):
            named = sorted(n for n in self.library if home_of(n) == home)
            lines += [f"from graphc.codegen.cudalib.{home} import {', '.join(named)}"] if named else []
        lines += [f"from graphc.codegen.cudalib.{self.dtype} import {', '.join(own)}"] if own else []
        lines += ["from graphc.codegen.cudalib.indices import checked"] if self.indexing else []
        lines += [f"from graphc.codegen.cudalib.names import {', '.join(types)}", "", f"real = {self.dtype}"]
        lines += ["inf, nan = float(\"inf\"), float(\"nan\")"] if re.search(r"\b(inf|nan)\b", body) else []
        return "\n".join(lines)
