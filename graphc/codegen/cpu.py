'''A loop program as a Python module for Numba.

The module opens with the formula, its inputs and outputs. Each kernel is one loop nest; its docstring says in index notation what
it computes. `run` is the host program: it calls kernels and matrix products, and is what a Program calls.
'''

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import sympy as sp

from graphc.codegen.defined import defined
from graphc.codegen.text import Printer
from graphc.ir.nodes import Size
from graphc.loops.blocks import HEIGHT, LONG
from graphc.loops.chunks import chunk_sums
from graphc.loops.names import named
from graphc.loops.split import in_python
from graphc.loops.statements import (
    Accumulate,
    Allocate,
    Assign,
    Blocks,
    Call,
    Flat,
    For,
    ForTiles,
    Height,
    HostProgram,
    Kernel,
    Note,
    Product,
    Stage,
    Statement,
    Store,
    Track,
    leaves,
    load,
    var,
)
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term, substituted

__all__ = ["emit", "is_compiled"]

_TYPES = {"float": "real", "int": "int64", "bool": "boolean"}
_NUMPY_TYPES = {"float": "real", "int": "np.int64", "bool": "np.bool_"}
LabelCheck = tuple[str, Size, tuple[int, ...]]
OTHERS = {"matmul": "matrix", "tile_rows": "matrix", "check_labels": "labels",           # what is not in mathlib.float32 and mathlib.float64
          **dict.fromkeys(("CHUNK", "at", "add_part", "settled"), "chunks")}
_MOST_COMPILED = 48          # statements: Numba takes about 0.1 s for each of a long function
_REDUCE = {"sum": ("plus", "+="), "prod": ("times", "*=")}        # of reals: an addition that LLVM may reorder, and vectorise


def is_compiled(program: HostProgram) -> bool:
    """Whether `run` is a compiled function. A long one stays Python, if it means the same there."""
    return sum(isinstance(s, Call | Product) for s in leaves(program.body)) <= _MOST_COMPILED or not in_python(program)


def emit(program: HostProgram, title: str, dtype: str, labels: Sequence[LabelCheck] = (), across: HostProgram | None = None,
         few: Mapping[Size, Size] | None = None) -> str:
    """The module's source for float32 or float64. `run` begins with a check of the `labels`: name, bound, and the values let through. Where
    there are `few` features for each of many points (see schedule.fuse.features), it takes the way of the program `across`."""
    return _Module(program, dtype, labels).text(title, across, few or {})


class _Module:
    def __init__(self, program: HostProgram, dtype: str, labels: Sequence[LabelCheck] = ()):
        self.program, self.dtype, self.sizes, self.labels = program, dtype, program.sizes | program.rows, labels
        self.over_tiles = {s.name for s in program.body if isinstance(s, Assign) and s.value.kind == "wide"}
        self.print = Printer()
        self.rows: Statement | None = None

    def text(self, title: str, across: HostProgram | None, few: Mapping[Size, Size]) -> str:
        if across is None:
            parts = [*self.kernels(), self.run(self.body())]
        else:
            other = _Module(across, self.dtype)
            other.print = self.print
            parts = [*self.kernels(), *other.kernels(), self.way("along"), other.way("across"), self.run(self.choice(few))]
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
        lines += ["import numpy as np", f"from numba import {', '.join([*types, 'njit'])}"]
        modules: dict[str, list[str]] = {}
        for f in own:
            modules.setdefault(OTHERS.get(f, self.dtype), []).append(f)
        lines += [""] * bool(own)
        lines += [f"from graphc.codegen.mathlib.{m} import {', '.join(names)}" for m, names in sorted(modules.items())]
        lines += ["", f"real = {self.dtype}", "inf, nan = np.inf, np.nan",
                  'FLAGS = {"contract"}        # a*b + c may be fused; the order of operations, infinities and NaN keep their meaning',
                  f'kernel = njit(nogil=True, error_model="numpy", fastmath=FLAGS{"" if is_compiled(self.program) else ", cache=True"})']
        if "@rows_kernel" in body:
            lines.append('rows_kernel = njit(nogil=True, error_model="numpy", fastmath=FLAGS, cache=True)        # may run on parts of the rows')
        if self.print.defined:
            lines.append('inlined = njit(error_model="numpy", forceinline=True)')
        return "\n".join(lines)

    # --- functions
    def kernels(self) -> list[str]:
        return [self.kernel(k) for k in dict.fromkeys(s.kernel for s in leaves(self.program.body) if isinstance(s, Call))]

    def way(self, name: str) -> str:
        """One of two host programs, as a function that `run` calls."""
        inputs, outputs, extra = self.parameters()
        body = self.body()
        lines = ["@kernel", f"def {name}({', '.join((*inputs, *outputs, *extra))}):"]
        return "\n".join([*lines, *("    " + x for x in (*self.shapes(inputs, body), *body))])

    def choice(self, few: Mapping[Size, Size]) -> list[str]:
        """Few features and many points: inner loops run across points; else along features."""
        arguments = ", ".join(name for part in self.parameters() for name in part)
        sizes = [[self.print(t, outer=60) for t in (named(d, self.sizes), named(m, self.sizes))] for d, m in few.items()]
        test = " and ".join(f"{d}*({m} + 256) < 200*{m}" for d, m in sizes)
        return [f"if {test}:  # few features, many points", f"    across({arguments})", "else:", f"    along({arguments})"]

    def kernel(self, k: Kernel) -> str:
        rows = k.body[-1].loop if isinstance(k.body[-1], Blocks) else k.body[-1]
        self.rows = rows if k.split else None
        parameters = (*k.arrays, *k.scalars, *k.sizes, *(("first", "last") if k.split else ()))
        lines = ["@rows_kernel" if k.split else "@kernel", f"def {k.name}({', '.join(parameters)}):"]
        lines += self.docstring(k.meaning)
        sliced = k.split.sliced if k.split else ()
        body = self.block(k.body)
        if self.dtype == "float64":
            body = [*(f"{rest} = real(0)" for rest in chunk_sums(k.body).values()), *body]
        if k.results:
            body.append(f"return {', '.join(self.result(r, k) for r in k.results)}")
        cut = [f"{', '.join(sliced)} = {', '.join(f'{a}[first:last]' for a in sliced)}"] if sliced else []
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

    def shapes(self, arrays: Sequence[str], body: Sequence[str]) -> list[str]:
        """n, d = X.shape for the first of some arrays (and numbers) that shows each extent, of those that the body names."""
        used = set(re.findall(r"\w+", "\n".join(body)))
        known: set[str] = set()
        lines = []
        for name in (a for a in arrays if a in self.program.arrays):
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

    def body(self) -> list[str]:
        """The statements of the host program, and the results without axes."""
        return [*self.block(self.program.body), *(f"{result}[0] = {o}" for o, result in self.program.results.items())]

    def run(self, body: list[str]) -> str:
        p = self.program
        inputs, outputs, extra = self.parameters()
        types = [self.type_of(i) for i in p.inputs] + [self.type_of(o, out=True) for o in p.outputs] + ["int64"] * len(extra)
        lines = [f"@njit([({', '.join(types)}{',' if len(types) == 1 else ''})], nogil=True, error_model=\"numpy\", cache=True)"]
        lines = [*lines[:is_compiled(p)], f"def run({', '.join((*inputs, *outputs, *extra))}):"]
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
                    function, sign = _REDUCE[op]
                    if target.kind == "int":
                        return [f"{p(target)} {sign} {p(value)}"]
                    p.functions.add(function)
                    return [f"{p(target)} = {function}({p(target)}, {p(value)})"]
                larger = Term({"max": "maximum", "min": "minimum"}[op], (target, value), None, target.kind)
                return [f"{p(target)} = {p(larger)}"]
            case Track(op, target, best, value, position):
                sign = ">" if op == "argmax" else "<"
                return [f"value = {p(value)}", f"if value {sign} {p(best)} or (value != value and {p(best)} == {p(best)}):",
                        f"    {p(best)} = value", f"    {p(target)} = {p(position)}"]
            case For():
                return self.loop(s)
            case Blocks():
                return self.blocks(s)
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
            case Call():
                return self.call(s)
        raise TypeError(f"no text for {type(s).__name__}")

    def loop(self, s: For) -> list[str]:
        """A loop; in chunks, where it carries wide sums."""
        if s.single:
            test = f"if 0 <= {s.index} < {self.print.size(s.extent, self.sizes)}:"
            return [f"{s.index} = {self.print(s.first)}", test, *("    " + x for x in self.block(s.body))]         # type: ignore[arg-type]
        start, stop = self.ends(s)
        body = ["    " + x for x in self.block(s.body)]
        if not s.parts:
            ends = f"{stop} - 1, -1, -1" if s.reverse else stop if start == "0" else f"{start}, {stop}"
            return [f"for {s.index} in range({ends}):", *body]
        chunk, step = s.chunk
        at = self.print.apply("at", [chunk, step])
        self.print.functions.add("CHUNK")
        inner = [f"for {step} in range(min(CHUNK, {stop} - {chunk})):", f"    {s.index} = {at}", *body]
        lines = [*(f"{part} = real(0)" for _, part, _ in s.parts), *inner, *(self.add_part(*part) for part in s.parts)]
        return [f"for {chunk} in range({start}, {stop}, CHUNK):", *("    " + x for x in lines)]

    def blocks(self, s: Blocks) -> list[str]:
        """Rows in blocks, each step by step."""
        start, stop = self.ends(s.loop)
        lines = [f"{s.end} = min({s.begin} + {s.block}, {stop})"]
        for step in s.steps:
            lines += self.flat(s, step) if isinstance(step, Flat) else self.stage(s, step, step.body)
        kept = [f"{s.numbers} = np.empty({len(s.kept) * HEIGHT}, real)"] if s.kept else []
        return [*kept, f"for {s.begin} in range({start}, {stop}, {s.block}):", *("    " + x for x in lines)]

    def stage(self, s: Blocks, step: Stage | Flat, statements: Sequence[Statement]) -> list[str]:
        """The rows of a block, one after another."""
        place = {name: f"{s.numbers}[{f'{k * HEIGHT} + ' * (k > 0)}{s.row}]" for k, name in enumerate(s.kept)}
        body = [*(f"{name} = {place[name]}" for name in step.reads), *self.block(statements), *(f"{place[name]} = {name}" for name in step.writes)]
        if any(re.search(rf"\b{s.loop.index}\b", line) for line in body):
            body.insert(0, f"{s.loop.index} = {self.print.apply('at', [s.begin, s.row])}")
        return [f"for {s.row} in range({s.end} - {s.begin}):", *("    " + x for x in body)]

    def flat(self, s: Blocks, step: Flat) -> list[str]:
        """A function of each element: where it stands in long rows; in short ones, for all elements of a block in one loop."""
        first, last = (self.print(substituted(step.index[0], s.loop.index, end)) if step.index else text
                       for end, text in ((s.begin, ""), (s.end, f"{s.end} - {s.begin}")))
        element = load(s.elements, (var(s.element, "int"),), "float")
        short = [*self.stage(s, step, step.arguments), f"{s.elements} = {step.name}[{first}:{last}].reshape(-1)",
                 f"for {s.element} in range(len({s.elements})):", f"    {self.print(element)} = {self.print(Term(step.function, (element,)))}"]
        width = step.body[0].extent                                        # type: ignore[union-attr]
        long = self.stage(s, step, step.body)
        if width.is_Integer:
            return short if width < LONG else long
        return [f"if {self.print.size(width, self.sizes)} < {LONG}:", *("    " + x for x in short), "else:", *("    " + x for x in long)]

    def add_part(self, total: str, part: str, rest: str) -> str:
        """A part of a sum joins its total, which in float64 has no more digits than the part."""
        if self.dtype == "float32":
            return f"{total} += {part}"
        return f"{total}, {rest} = {self.print.apply('add_part', [total, rest, part])}"

    def ends(self, s: For) -> tuple[str, str]:
        """The first index of a loop and the one after the last."""
        if s is self.rows:
            return "0", "last - first"
        start = "0" if s.first is None else self.print(s.first)
        return start, self.print.size(s.extent, self.sizes) if s.last is None else self.print(s.last)

    def call(self, s: Call) -> list[str]:
        """A kernel that can run in parts is called on all rows; Numba would compile it once more for a literal 0. Its sums come back in double
        precision, and all its floats as Python's where `run` is Python."""
        arguments = [*s.arguments, *(["int64(0)", self.print.size(s.split.rows, self.sizes)] if s.split else [])]
        call = f"{s.kernel.name}({', '.join(arguments)})"
        wide = [r for r, kind in zip(s.results, s.split.kinds, strict=True) if kind == "wide"] if s.split and self.dtype == "float32" else []
        floats = [r for r in s.results if self.program.scalars[r] == "float" and r not in self.over_tiles]
        cast = wide if is_compiled(self.program) else floats
        if cast and len(s.results) == 1:
            return [f"{s.results[0]} = real({call})"]
        return [f"{', '.join(s.results)} = {call}" if s.results else call, *(f"{r} = real({r})" for r in cast)]

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
