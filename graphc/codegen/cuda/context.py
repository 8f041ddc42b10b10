"""What the text of kernels and of the host program share: how terms, names and dtypes are said."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from graphc.codegen.statements import Statements
from graphc.codegen.text import Printer
from graphc.ir.nodes import Size
from graphc.loops.device.statements import DeviceProgram, GroupKernel, Total
from graphc.loops.names import named
from graphc.loops.statements import Allocate, HostProgram
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term

__all__ = ["Context", "LabelCheck", "TYPES", "SIGN", "atom"]

LabelCheck = tuple[str, Size, tuple[int, ...]]
TYPES = {"float": "real", "wide": "float64", "int": "int64", "bool": "boolean"}
_ARRAYS = {"wide": "float64", "int": "int64", "bool": "bool"}
SIGN = {"sum": "+", "prod": "*"}


def atom(text: str) -> str:
    """An expression that may stand in a product."""
    return text if re.fullmatch(r"\w+|\([^()]*\)", text) else f"({text})"


class _Printer(Printer):
    """Terms of kernels: an array is a pointer, so that a place in it is one number."""

    def __init__(self, arrays: dict[str, tuple[tuple[Size, ...], str]], sizes: dict[Extent, str], wrong: str):
        super().__init__()
        self.arrays, self.names, self.offset, self.wrong = arrays, sizes, dict[str, str](), wrong
        self.shared: set[str] = set()                      # arrays in shared memory

    def parts(self, t: Term) -> tuple[str, int]:
        if t.op == "load":
            place = self.place(t.value, t.args)
            text = f"{t.value}[uint64({place})]" if t.value in self.shared else f"{t.value}[{place}]"              # no question whether it is below 0
            return (f"{text} != 0", 40) if t.kind == "bool" else (text, 100)
        if t.op == "checked":
            return f"checked({', '.join([*map(self, t.args), self.wrong])})", 100
        return super().parts(t)

    def place(self, name: str, index: Sequence[Term]) -> str:
        """The place of an element: row by row."""
        if name not in self.arrays or not index:
            return ", ".join(map(self, index)) or "0"
        sizes = self.arrays[name][0]
        while len(index) > 1 and index[0].is_const and index[0].value == 0:                                              # the first of the pieces
            sizes, index = sizes[1:], index[1:]
        text = self(index[0], 50) if len(index) > 1 or name in self.offset else self(index[0])
        for k, part in enumerate(index[1:], 1):
            text = f"{atom(text)}*{self(named(sizes[k], self.names), 61)}"
            if not (part.is_const and part.value == 0):
                text += f" + {self(part, 51)}"
        if name in self.offset:
            return self.offset[name] if text == "0" else f"{self.offset[name]} + {text}"
        return text


class Context(Statements):
    """A module that is being written: the functions that it uses, and its names."""

    print: _Printer

    def __init__(self, program: HostProgram, mapped: DeviceProgram, dtype: str, labels: Sequence[LabelCheck], own: Callable[[str], str],
                 stored: Mapping[str, str]):
        self.program, self.mapped, self.dtype, self.labels, self.own, self.stored = program, mapped, dtype, labels, own, stored
        self.sizes = program.sizes | program.rows
        self.wrong = own("wrong")                          # the flag of indices that are computed and run past what they index
        self.print = _Printer(program.arrays, self.sizes, self.wrong)
        self.same: dict[str, str] = {}                     # kernel -> the first that is equal but for names
        self.indexing: set[str] = set()                    # the kernels that are given it
        self.e, self.here = own("e"), own("here")
        self.library: set[str] = set()
        self.grids = 0
        self.parts: dict[str, str] = {}                    # total -> the grid that its parts come from

    def use(self, name: str, *arguments: Any) -> str:
        """The call of a function of groups (blocks, folds, tiles of graphc.codegen.cudalib)."""
        self.library.add(name)
        return f"{name}({', '.join(map(str, arguments))})"

    def combine(self, op: str, a: str, b: str, kind: str) -> str:
        if op in SIGN:
            return f"{a} {SIGN[op]} {b}"
        name = {"max": "maximum", "min": "minimum"}[op]
        return self.print.apply(name if kind != "int" else f"int_{name}", [a, b])

    def neutral(self, t: Total) -> str:
        return self.print(replace(t.neutral, kind="wide") if t.kind == "wide" else t.neutral)

    @staticmethod
    def has_team(k: GroupKernel) -> bool:
        """Whether several threads take a row."""
        return k.width is not None or k.alone

    def in_memory(self, k: GroupKernel, a: Allocate) -> bool:
        return not any(r.array == a.name and r.first is None for r in k.registers)

    def array(self, kind: str) -> str:
        """The dtype of arrays, as `run` says it."""
        return repr(_ARRAYS.get(kind, self.dtype))

    def kind(self, array: str) -> str:
        return TYPES[self.program.arrays[array][1]]

    def part(self, t: Total) -> str:
        return self.own(f"{t.name}_parts")

    def out(self, name: str) -> str:
        return self.program.results.get(name) or self.own(f"{name}_out")
