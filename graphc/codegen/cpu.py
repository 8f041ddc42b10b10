'''A loop program as a Python module for Numba.

The module opens with the formula, its inputs and outputs. Each kernel is one loop nest; its docstring says in index notation what
it computes. `run` is the host program: it calls kernels and matrix products, and is what a Program calls.
'''

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import sympy as sp

from graphc.codegen.text import Printer
from graphc.ir.nodes import Size
from graphc.loops.statements import (
    Accumulate,
    Allocate,
    Assign,
    Call,
    For,
    ForTiles,
    Height,
    HostProgram,
    Kernel,
    Note,
    Product,
    Statement,
    Store,
    Track,
    leaves,
)
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term

__all__ = ["emit"]

_TYPES = {"float": "real", "int": "int64", "bool": "boolean"}
_NUMPY_TYPES = {"float": "real", "int": "np.int64", "bool": "np.bool_"}
OTHERS = {"matmul": "matrix", "tile_rows": "matrix", "at": "chunks"}          # what is not in mathlib.float32 and mathlib.float64, and where
_REDUCE = {"sum": "+=", "prod": "*="}


def emit(program: HostProgram, title: str, dtype: str, across: HostProgram | None = None, few: Mapping[Size, Size] | None = None) -> str:
    """The module's source for float32 or float64. Where there are `few` features for each of many points (see schedule.fuse.features),
    `run` takes the way of the program `across`."""
    return _Module(program, dtype).text(title, across, few or {})


class _Module:
    def __init__(self, program: HostProgram, dtype: str):
        self.program, self.dtype, self.sizes = program, dtype, program.sizes | program.rows
        self.print = Printer()

    def text(self, title: str, across: HostProgram | None, few: Mapping[Size, Size]) -> str:
        if across is None:
            parts = [*self.kernels(), self.run(self.host(self.block(self.program.body)))]
        else:
            other = _Module(across, self.dtype)
            other.print = self.print
            parts = [*self.kernels(), *other.kernels(), self.way("along"), other.way("across"), self.run(self.choice(few))]
        return "\n\n\n".join([self.header(title, "\n".join(parts)), *parts]) + "\n"

    def header(self, title: str, body: str) -> str:
        functions = sorted(self.print.functions)
        std = [f for f in functions if f.startswith("math.")]
        own = [f for f in functions if not f.startswith("math.")]
        lines = ['"""' + title.replace("\\", "\\\\").replace('"""', "'''").rstrip(), '"""', ""]
        lines += ["import math", ""] if std else []
        types = [t for t in ("boolean", "float32", "float64", "int64") if t == self.dtype or re.search(rf"\b{t}\b", body)]
        lines += ["import numpy as np", f"from numba import {', '.join([*types, 'njit'])}"]
        modules: dict[str, list[str]] = {}
        for f in own:
            modules.setdefault(OTHERS.get(f, self.dtype), []).extend(["CHUNK", f] if f == "at" else [f])
        lines += [""] * bool(own)
        lines += [f"from graphc.codegen.mathlib.{m} import {', '.join(names)}" for m, names in sorted(modules.items())]
        lines += ["", f"real = {self.dtype}", "inf, nan = np.inf, np.nan",
                  'FLAGS = {"reassoc", "contract"}        # sums may be reordered for SIMD; infinities and NaN keep their meaning',
                  'kernel = njit(nogil=True, error_model="numpy", fastmath=FLAGS)']
        return "\n".join(lines)

    # --- functions
    def kernels(self) -> list[str]:
        return [self.kernel(k) for k in dict.fromkeys(s.kernel for s in leaves(self.program.body) if isinstance(s, Call))]

    def way(self, name: str) -> str:
        """One of two host programs, as a function that `run` calls."""
        inputs, outputs, extra = self.parameters()
        body = self.host(self.block(self.program.body))
        return "\n".join(["@kernel", f"def {name}({', '.join((*inputs, *outputs, *extra))}):", *("    " + x for x in body)])

    def choice(self, few: Mapping[Size, Size]) -> list[str]:
        """Few features and many points: inner loops run across points; else along features."""
        arguments = ", ".join(name for part in self.parameters() for name in part)
        sizes = [[self.print(t, outer=60) for t in (self.print.named(d, self.sizes), self.print.named(m, self.sizes))] for d, m in few.items()]
        test = " and ".join(f"{d}*({m} + 256) < 200*{m}" for d, m in sizes)
        shapes = self.shapes([i for i in self.program.inputs if i in self.program.arrays], [test])
        return [*shapes, f"if {test}:  # few features, many points", f"    across({arguments})", "else:", f"    along({arguments})"]

    def kernel(self, k: Kernel) -> str:
        lines = ["@kernel", f"def {k.name}({', '.join((*k.arrays, *k.scalars, *k.sizes))}):"]
        lines += self.docstring(k.meaning)
        body = self.block(k.body)
        if k.results:
            body.append(f"return {', '.join(self.result(r, k) for r in k.results)}")
        lines += ["    " + x for x in (*self.shapes(k.arrays, body), *body)]
        return "\n".join(lines)

    def result(self, name: str, k: Kernel) -> str:
        return f"real({name})" if name in k.wide and self.dtype == "float32" else name

    def docstring(self, meaning: Sequence[str]) -> list[str]:
        text = [m.replace("\\", "\\\\").replace('"""', "'''") for m in meaning]
        if not text:
            return []
        if len(text) == 1:
            return [f'    """{text[0]}"""']
        return [f'    """{text[0]}', *(f"    {m}" for m in text[1:]), '    """']

    def shapes(self, arrays: Sequence[str], body: Sequence[str]) -> list[str]:
        """n, d = X.shape for the first array that shows each extent, of those that the body names."""
        used = set(re.findall(r"\w+", "\n".join(body)))
        known: set[str] = set()
        lines = []
        for name in arrays:
            new: list[str] = []
            for size in self.program.arrays[name][0]:
                x = self.program.sizes.get(size, "_")                                            # type: ignore[arg-type]
                new.append("_" if x in known or x in new or x not in used else x)
            if any(x != "_" for x in new):
                known |= set(new) - {"_"}
                lines.append(f"{new[0]} = {name}.shape[0]" if len(new) == 1 else f"{', '.join(new)} = {name}.shape")
        return lines

    def parameters(self) -> tuple[list[str], list[str], list[str]]:
        """Of `run`: inputs, outputs, and the extents that no input shows."""
        p = self.program
        shaped = {self.sizes[s] for name in p.inputs if name in p.arrays for s in p.arrays[name][0] if isinstance(s, Extent)}
        return list(p.inputs), [p.results.get(o, o) for o in p.outputs], [s for s in p.sizes.values() if s not in shaped]

    def host(self, body: list[str]) -> list[str]:
        """Statements between the sizes that inputs show and the results without axes."""
        p = self.program
        body = [*body, *(f"{result}[0] = {o}" for o, result in p.results.items())]
        return [*self.shapes([i for i in p.inputs if i in p.arrays], body), *body]

    def run(self, body: list[str]) -> str:
        p = self.program
        inputs, outputs, extra = self.parameters()
        types = [self.type_of(i) for i in p.inputs] + [self.type_of(o, out=True) for o in p.outputs] + ["int64"] * len(extra)
        lines = [f"@njit([({', '.join(types)}{',' if len(types) == 1 else ''})], nogil=True, error_model=\"numpy\", cache=True)",
                 f"def run({', '.join((*inputs, *outputs, *extra))}):"]
        return "\n".join([*lines, *("    " + x for x in body)])

    def type_of(self, name: str, out: bool = False) -> str:
        if name in self.program.arrays:
            sizes, kind = self.program.arrays[name]
            return f"{_TYPES[kind]}[{', '.join([':'] * (len(sizes) - 1) + ['::1'])}]"
        kind = _TYPES[self.program.scalars[name]]
        return f"{kind}[::1]" if out else kind

    # --- statements
    def block(self, statements: Sequence[Statement]) -> list[str]:
        lines: list[str] = []
        note = ""
        for s in statements:
            if isinstance(s, Note):
                note = s.text
                continue
            new = self.statement(s)
            if note:
                if len(new) == 1 and len(new[0]) + len(note) < 100:
                    new[0] = f"{new[0]:<40}  # {note}"
                else:
                    new.insert(0, f"# {note}")
                note = ""
            lines += new
        return lines

    def statement(self, s: Statement) -> list[str]:
        p = self.print
        match s:
            case Assign(name, value):
                return [f"{name} = {p(value)}"]
            case Store(name, index, value):
                return [f"{name}[{', '.join(map(p, index))}] = {p(value)}"]
            case Accumulate(op, target, value):
                if op in _REDUCE:
                    return [f"{p(target)} {_REDUCE[op]} {p(value)}"]
                larger = Term({"max": "maximum", "min": "minimum"}[op], (target, value), None, target.kind)
                return [f"{p(target)} = {p(larger)}"]
            case Track(op, target, best, value, position):
                sign = ">" if op == "argmax" else "<"
                return [f"value = {p(value)}", f"if value {sign} {p(best)} or (value != value and {p(best)} == {p(best)}):",
                        f"    {p(best)} = value", f"    {p(target)} = {p(position)}"]
            case For():
                return self.loop(s)
            case ForTiles(extent, rows, start, stop, _, body):
                size, height = p.size(extent, self.sizes), self.sizes[rows]
                lines = [f"{stop} = min({start} + {height}, {size})", *self.block(body)]
                return [f"for {start} in range(0, max({size}, 1), {height}):", *("    " + x for x in lines)]
            case Height(rows, extent, held, streamed, whole):
                return [f"{self.sizes[rows]} = {p.apply('tile_rows', [p.size(x, self.sizes) for x in (extent, held, streamed, whole)])}"]
            case Allocate(name, sizes, kind):
                shape = ", ".join(p.size(x, self.sizes) for x in sizes) + "," * (len(sizes) == 1)
                return [f"{name} = np.empty(({shape}), {_NUMPY_TYPES[kind]})"]
            case Product():
                return self.product(s)
            case Call(kernel, arguments, results):
                call = f"{kernel.name}({', '.join(arguments)})"
                return [f"{', '.join(results)} = {call}" if results else call]
        raise TypeError(f"no text for {type(s).__name__}")

    def loop(self, s: For) -> list[str]:
        """A loop; in chunks, where it carries wide sums."""
        size = self.print.size(s.extent, self.sizes) if not s.bounds else ""
        body = ["    " + x for x in self.block(s.body)]
        if not s.parts:
            ends = f"{size} - 1, -1, -1" if s.reverse else size or ", ".join(s.bounds)
            return [f"for {s.index} in range({ends}):", *body]
        start, stop = s.bounds or ("0", size)
        chunk, step = s.chunk
        at = self.print.apply("at", [chunk, step])
        inner = [f"for {step} in range(min(CHUNK, {stop} - {chunk})):", f"    {s.index} = {at}", *body]
        parts = [f"{part} = real(0)" for _, part in s.parts], [f"{total} += {part}" for total, part in s.parts]
        return [f"for {chunk} in range({start}, {stop}, CHUNK):", *("    " + x for x in (*parts[0], *inner, *parts[1]))]

    def product(self, s: Product) -> list[str]:
        """A product of two-dimensional views; a loop over the batch."""
        shape = s.shape
        letters = self.program.letters[:len(shape.batch)]
        at = f"[{', '.join(letters)}]" if letters else ""
        start, stop = s.tile or ("", "")
        cut = {"all": "", "rows": f"[{start}:{stop}]", "tile": f"[:{stop} - {start}]"}

        def matrix(name: str, part: str, first: tuple[Size, ...], second: tuple[Size, ...], transposed: bool) -> str:
            if transposed:
                first, second = second, first
            sizes = [self.print.size(sp.Mul(*group), self.sizes) for group in (first, second)]
            if part != "all":
                sizes[0] = f"{stop} - {start}"
            text = name + at + cut[part]
            if len(first) != 1 or len(second) != 1:
                text += f".reshape(({', '.join(sizes)}))"
            return text + (".T" if transposed else "")
        out, a, b = s.parts
        operands = [matrix(s.a, a, shape.rows, shape.inner, shape.transpose_a), matrix(s.b, b, shape.inner, shape.columns, shape.transpose_b),
                    matrix(s.out, out, shape.rows, shape.columns, False), *([f"{start} > 0"] if s.add else [])]
        call = self.print.apply("matmul", operands)
        for k, letter in reversed(list(enumerate(letters))):
            head = f"for {letter} in range({self.print.size(shape.batch[k], self.sizes)}):"
            call = f"{head}\n" + "\n".join("    " + line for line in call.split("\n"))
        return call.split("\n")
