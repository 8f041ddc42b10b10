"""The text of statements for Numba."""

from __future__ import annotations

import re
from collections.abc import Sequence

from graphc.codegen.statements import Statements
from graphc.codegen.text import Printer
from graphc.loops.blocks import HEIGHT, LONG
from graphc.loops.passing import uses
from graphc.loops.sections import sectioned
from graphc.loops.split import in_python
from graphc.loops.statements import (
    Accumulate,
    Allocate,
    Around,
    Assign,
    Blocks,
    Call,
    Flat,
    For,
    ForTiles,
    Height,
    HostProgram,
    Product,
    Short,
    Stage,
    Statement,
    Store,
    Turned,
    leaves,
    load,
    var,
)
from graphc.scalar.term import Term, substituted

__all__ = ["CpuStatements", "is_compiled"]

_NUMPY_TYPES = {"float": "real", "int": "np.int64", "bool": "np.bool_"}
_MOST_COMPILED = 48          # statements: Numba takes about 0.1 s for each of a long function
_FEW_COMPILED = 24           # where sections leave two thirds of them or less
# the order of the first four LLVM may change, so that loops vectorise
_OF_REALS = {"sum": "plus", "prod": "times", "max": "greatest", "min": "least", "fade": "faded"}
_OF_INTEGERS = {"sum": "add", "prod": "mul", "max": "maximum", "min": "minimum"}


def is_compiled(program: HostProgram) -> bool:
    """Whether `run` is a compiled function. A long one is Python that calls sections, if it means the same there."""
    count = _calls(program)
    long = count > _MOST_COMPILED or count > _FEW_COMPILED and 3 * _calls(sectioned(program)) <= 2 * count
    return not long or not in_python(program)


def _calls(program: HostProgram) -> int:
    return sum(isinstance(s, Call | Product) for s in leaves(program.body))


class CpuStatements(Statements):
    """Loops, sums, calls and products of a program in one precision."""

    compiled = True                # whether the text that is being written is of compiled functions

    def __init__(self, program: HostProgram, dtype: str):
        self.program, self.dtype, self.sizes = program, dtype, program.sizes | program.rows
        self.over_tiles = {s.name for s in program.body if isinstance(s, Assign) and s.value.kind == "wide"}
        self.print = Printer()
        self.rows: Statement | None = None

    def statement(self, s: Statement) -> list[str]:
        p = self.print
        match s:
            case Store(name, index, value):
                return [f"{name}[{', '.join(map(p, index))}] = {p(value)}"]
            case Accumulate(op, target, value):
                if target.kind == "int":
                    return [f"{p(target)} = {p(Term(_OF_INTEGERS[op], (target, value), None, 'int'))}"]
                return [f"{p(target)} = {p.apply(_OF_REALS[op], [p(target), p(value)])}"]
            case For():
                return self.loop(s)
            case Blocks():
                return self.blocks(s)
            case Short(_, _, test, beside, along):
                ways = [["    " + x for x in self.block(way)] for way in (beside, along)]
                return [f"if {p(test)}:  # short rows, side by side", *ways[0], "else:", *ways[1]]
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
        return super().statement(s)

    def loop(self, s: For) -> list[str]:
        """A loop; in chunks, where it carries wide sums."""
        before, after = [f"{part} = real(0)" for _, part, _ in s.parts], [x for part in s.parts for x in self.add_part(*part)]
        return self.around(s, self.block(s.body), before, after)

    def around(self, s: For, body: Sequence[str], before: Sequence[str], after: Sequence[str]) -> list[str]:
        """The lines of a loop around a body; in chunks, with what comes before and after each, where it carries wide sums."""
        if s.single:
            test = f"if 0 <= {s.index} < {self.print.size(s.extent, self.sizes)}:"
            return [f"{s.index} = {self.print(s.first)}", test, *("    " + x for x in body)]                       # type: ignore[arg-type]
        start, stop = self.ends(s)
        body = ["    " + x for x in body]
        if s.step:
            counted = [f"for {s.step} in range({stop} - {start}):", f"    {s.index} = {self.print.apply('at', [start, s.step])}"]
            return [*counted, *body]
        if not s.parts:
            ends = f"{stop} - 1, -1, -1" if s.reverse else stop if start == "0" else f"{start}, {stop}"
            return [f"for {s.index} in range({ends}):", *body]
        chunk, step = s.chunk
        at = self.print.apply("at", [chunk, step])
        self.print.functions.add("CHUNK")
        inner = [f"for {step} in range(min(CHUNK, {stop} - {chunk})):", f"    {s.index} = {at}", *body]
        return [f"for {chunk} in range({start}, {stop}, CHUNK):", *("    " + x for x in (*before, *inner, *after))]

    def blocks(self, s: Blocks) -> list[str]:
        """Rows in blocks, each step by step."""
        start, stop = self.ends(s.loop)
        lines = [f"{s.end} = min({s.begin} + {s.block}, {stop})", *(x for step in s.steps for x in self.step(s, step))]
        kept = [f"{s.numbers} = np.empty({len(s.kept) * HEIGHT}, real)"] if s.kept else []
        return [*kept, f"for {s.begin} in range({start}, {stop}, {s.block}):", *("    " + x for x in lines)]

    def step(self, s: Blocks, step: Stage | Flat | Around | Turned) -> list[str]:
        match step:
            case Turned(copy, name, column):
                return [self.print.apply("turn", [name, self.print(substituted(column, s.loop.index, s.begin)), f"{copy}[:{s.end} - {s.begin}]"])]
            case Flat():
                return self.flat(s, step)
            case Around(loop, steps):
                parts = tuple(part for _, part, _ in loop.parts)
                before = self.rows_of(s, (), [f"{part} = real(0)" for part in parts], parts) if parts else []
                after = self.rows_of(s, parts, [x for part in loop.parts for x in self.add_part(*part)], ()) if parts else []
                return self.around(loop, [x for inner in steps for x in self.step(s, inner)], before, after)
            case Stage(body, _, _, sums):
                started = [f"{self.print(x.value)} = {self.print(Term('const', (), 0, x.value.kind))}" for x in sums]
                return [*started, *self.stage(s, step, body), *self.block(sums)]

    def stage(self, s: Blocks, step: Stage | Flat, statements: Sequence[Statement]) -> list[str]:
        found = {use for x in statements for use in uses(x)}
        reads, writes = [name for name in step.reads if (name, False) in found], [name for name in step.writes if (name, True) in found]
        return self.rows_of(s, reads, self.block(statements), writes)

    def rows_of(self, s: Blocks, reads: Sequence[str], lines: Sequence[str], writes: Sequence[str]) -> list[str]:
        """The rows of a block, one after another, with the numbers that they read and write."""
        place = {name: f"{s.numbers}[{f'{k * HEIGHT} + ' * (k > 0)}{s.row}]" for k, name in enumerate(s.kept)}
        body = [*(f"{name} = {place[name]}" for name in reads), *lines, *(f"{place[name]} = {name}" for name in writes)]
        if any(re.search(rf"\b{s.loop.index}\b", line.partition("  #")[0]) for line in body):
            body.insert(0, f"{s.loop.index} = {self.print.apply('at', [s.begin, s.row])}")
        return [f"for {s.row} in range({s.end} - {s.begin}):", *("    " + x for x in body)]

    def flat(self, s: Blocks, step: Flat) -> list[str]:
        """A function of each element: where it stands in long rows; in short ones, for all elements of a block in one loop."""
        first, last = (self.print(substituted(step.index[0], s.loop.index, end)) if step.index else text
                       for end, text in ((s.begin, ""), (s.end, f"{s.end} - {s.begin}")))
        element = load(s.elements, (var(s.element, "int"),), "float")
        short = [*self.stage(s, step, step.arguments), f"{s.elements} = {step.name}[{first}:{last}].reshape(-1)",
                 f"for {s.element} in range(len({s.elements})):", f"    {self.print(element)} = {self.print(Term(step.function, (element,)))}"]
        if step.sums:
            short += self.stage(s, step, step.sums)
        long = self.stage(s, step, step.body)
        is_short = bool(step.width < LONG) if step.width.is_Integer else step.short
        if is_short is not None:
            return short if is_short else long
        return [f"if {self.print.size(step.width, self.sizes)} < {LONG}:", *("    " + x for x in short), "else:", *("    " + x for x in long)]

    def add_part(self, total: str, part: str, rest: str) -> list[str]:
        """A part of a sum joins its total, which in float64 has no more digits than the part."""
        if self.dtype == "float32":
            return [f"{total} += {part}"]
        return [f"{total}, {rest} = {self.print.apply('add_part', [total, rest, part])}"]

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
        cast = wide if self.compiled else floats
        if cast and len(s.results) == 1:
            return [f"{s.results[0]} = real({call})"]
        return [f"{', '.join(s.results)} = {call}" if s.results else call, *(f"{r} = real({r})" for r in cast)]

    def product(self, s: Product) -> list[str]:
        """A product of matrices, or of a matrix whose rows are contiguous and a vector."""
        shape, (out, a, b) = s.shape, s.parts
        if shape.columns:
            return super().product(s)
        groups = (shape.inner, shape.rows) if shape.transpose_a else (shape.rows, shape.inner)
        matrix, vector, result = self.view(s, s.a, a, *groups), self.view(s, s.b, b, shape.inner), self.view(s, s.out, out, shape.rows)
        if not shape.transpose_a:
            return [self.print.apply("matvec", [matrix, vector, result])]
        return [self.print.apply("vecmat", [vector, matrix, result, *([f"{s.tile[0]} > 0"] if s.add else [])])]

    def matmul(self, operands: Sequence[str]) -> str:
        return self.print.apply("matmul", operands)
