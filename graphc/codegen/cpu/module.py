'''A loop program as a Python module for Numba.

The module opens with the formula, its inputs and outputs. Each kernel is one loop nest; its docstring says in index notation what
it computes. `run` is the host program: it calls kernels and matrix products, and is what a Program calls.
'''

from __future__ import annotations

import re
from collections.abc import Sequence

from graphc.codegen.cpu.statements import CpuStatements, is_compiled
from graphc.codegen.defined import defined
from graphc.ir.nodes import Size
from graphc.loops.chunks import chunk_sums
from graphc.loops.sections import Section, sectioned
from graphc.loops.statements import (
    Blocks,
    Call,
    HostProgram,
    Kernel,
    Short,
    leaves,
)
from graphc.scalar.symbols import Extent

__all__ = ["emit"]

_TYPES = {"float": "real", "int": "int64", "bool": "boolean"}
LabelCheck = tuple[str, Size, tuple[int, ...]]
OTHERS = {"matmul": "matrix", "tile_rows": "matrix", "check_labels": "labels", "matvec": "vectors", "vecmat": "vectors", "turn": "turn",
          **dict.fromkeys(("CHUNK", "at", "add_part", "settled"), "chunks")}             # what is not in mathlib.float32 and mathlib.float64


def emit(program: HostProgram, title: str, dtype: str, labels: Sequence[LabelCheck] = ()) -> str:
    """The module's source for float32 or float64. `run` begins with a check of the `labels`: name, bound, and the values let through."""
    return _Module(program, dtype, labels).text(title)


class _Module(CpuStatements):
    def __init__(self, program: HostProgram, dtype: str, labels: Sequence[LabelCheck] = ()):
        super().__init__(program, dtype)
        self.labels = labels
        self.compiled = is_compiled(program)
        self.host = program.body if self.compiled else sectioned(program).body

    def text(self, title: str) -> str:
        parts = [*self.kernels(), self.run(self.body())]
        parts = self.definitions() + parts
        return "\n\n\n".join([self.header(title, "\n".join(parts)), *parts]) + "\n"

    def definitions(self) -> list[str]:
        """Functions of the formula's own: a series near a point, the formula elsewhere."""
        return [defined(self.print.defined[name], self.dtype, self.print) for name in sorted(self.print.defined)]

    def header(self, title: str, body: str) -> str:
        functions = sorted(self.print.functions)
        std = [f for f in functions if f.startswith("math.")]
        own = [f for f in functions if not f.startswith("math.")]
        lines = ['"""' + title.replace("\\", "\\\\").replace('"""', "'''").rstrip(), '"""', ""]
        lines += ["import math", ""] if std else []
        types = [t for t in ("boolean", "float32", "float64", "int64") if t == self.dtype or re.search(rf"\b{t}\b", body)]
        lines += ["import numpy as np", f"from numba import {', '.join(types)}"]
        modules: dict[str, list[str]] = {"compiled": ["compiled"]}
        for f in own:
            modules.setdefault(OTHERS.get(f, self.dtype), []).append(f)
        lines += ["", *(f"from graphc.codegen.mathlib.{m} import {', '.join(names)}" for m, names in sorted(modules.items()))]
        lines += ["", f"real = {self.dtype}", "inf, nan = np.inf, np.nan",
                  'FLAGS = {"contract"}        # a*b + c may be fused; the order of operations, infinities and NaN keep their meaning',
                  f"kernel = compiled(fastmath=FLAGS{'' if self.compiled else ', cache=True'})"]
        if "@rows_kernel" in body:
            lines.append("rows_kernel = compiled(fastmath=FLAGS, cache=True)        # may run on parts of the rows")
        if "@section" in body:
            lines.append("section = compiled(cache=True)        # statements of `run` that repeat")
        if self.print.defined:
            lines.append("inlined = compiled(forceinline=True)")
        return "\n".join(lines)

    def kernels(self) -> list[str]:
        every = dict.fromkeys(s.kernel for body in (self.program.body, self.host) for s in leaves(body) if isinstance(s, Call))
        return [self.section(k) if isinstance(k, Section) else self.kernel(k) for k in every]

    def section(self, s: Section) -> str:
        """A section of the host: compiled, where the rest is Python."""
        self.compiled = True
        body = self.block(s.body)
        self.compiled = False
        lines = ["@section", f"def {s.name}({', '.join((*s.arrays, *s.scalars, *s.sizes))}):"]
        return "\n".join([*lines, *("    " + x for x in (*self.shapes(s.arrays, body), *body))])

    def kernel(self, k: Kernel) -> str:
        loop = k.body[-1].loop if isinstance(k.body[-1], Blocks | Short) else k.body[-1]
        self.rows = loop if k.split and not k.flat else None
        parameters = dict.fromkeys((*k.arrays, *k.scalars, *k.sizes, *k.bounds))
        lines = ["@rows_kernel" if k.split else "@kernel", f"def {k.name}({', '.join(parameters)}):"]
        lines += self.docstring(k.meaning)
        body = self.block(k.body)
        if self.dtype == "float64":
            body = [*(f"{rest} = real(0)" for rest in chunk_sums(k.body).values()), *body]
        if k.results:
            body.append(f"return {', '.join(self.result(r, k) for r in k.results)}")
        rows = ":".join(k.bounds)
        cut = [f"{', '.join(k.sliced)} = {', '.join(f'{a}[{rows}]' for a in k.sliced)}"] if k.sliced else []
        cut += [f"{', '.join(k.flat)} = {', '.join(f'{a}.reshape(-1)' for a in k.flat)}"] if k.flat else []
        lines += ["    " + x for x in (*self.shapes(k.arrays, body), *cut, *body)]
        return "\n".join(lines)

    def result(self, name: str, k: Kernel) -> str:
        rest = chunk_sums(k.body).get(name)
        if rest and self.dtype == "float64":
            return self.print.apply("settled", [name, rest])
        return f"real({name})" if name in k.wide and self.dtype == "float32" and not k.split else name

    def docstring(self, meaning: Sequence[str]) -> list[str]:
        text = [m.replace("\\", "\\\\").replace('"""', "'''") for m in meaning]
        if not text:
            return []
        if len(text) == 1:
            return [f'    """{text[0]}"""']
        return [f'    """{text[0]}', *(f"    {m}" for m in text[1:]), '    """']

    def parameters(self) -> tuple[list[str], list[str], list[str]]:
        """Of `run`: inputs, outputs, and the extents that no input shows."""
        p = self.program
        shaped = {self.sizes[s] for name in p.inputs if name in p.arrays for s in p.arrays[name][0] if isinstance(s, Extent)}
        return list(p.inputs), [p.results.get(o, o) for o in p.outputs], [s for s in p.sizes.values() if s not in shaped]

    def body(self) -> list[str]:
        """The statements of the host program, and the results without axes."""
        return [*self.block(self.host), *(f"{result}[0] = {o}" for o, result in self.program.results.items())]

    def run(self, body: list[str]) -> str:
        p = self.program
        inputs, outputs, extra = self.parameters()
        types = [self.type_of(i) for i in p.inputs] + [self.type_of(o, out=True) for o in p.outputs] + ["int64"] * len(extra)
        lines = [f"@compiled(({', '.join(types)}{',' if len(types) == 1 else ''}), cache=True)"]
        lines = [*lines[:self.compiled], f"def run({', '.join((*inputs, *outputs, *extra))}):"]
        body = [*(x for label in self.labels for x in self.check(*label)), *body]
        return "\n".join([*lines, *("    " + x for x in (*self.shapes(inputs, body), *body))])

    def check(self, name: str, below: Size, others: tuple[int, ...]) -> list[str]:
        """The check of a label input: of each of its rows, or of one number."""
        letters = self.program.letters[:len(self.program.arrays[name][0]) - 1] if name in self.program.arrays else ()
        vector = f"{name}[{', '.join(letters)}]" if letters else name if name in self.program.arrays else f"({name},)"
        lines = [self.print.apply("check_labels", [vector, self.print.size(below, self.sizes), *([str(others)] if others else [])])]
        for k, letter in reversed(list(enumerate(letters))):
            lines = [f"for {letter} in range({name}.shape[{k}]):", *("    " + x for x in lines)]
        return lines

    def type_of(self, name: str, out: bool = False) -> str:
        if name in self.program.arrays:
            sizes, kind = self.program.arrays[name]
            return f"{_TYPES[kind]}[{', '.join([':'] * (len(sizes) - 1) + ['::1'])}]"
        kind = _TYPES[self.program.scalars[name]]
        return f"{kind}[::1]" if out else kind
