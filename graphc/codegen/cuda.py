'''A loop program as a Python module of kernels for CUDA, and `run`, the host program in Python.

    def over_n(y, t, y_bar, L_part, n, c):        a kernel: a plain Python function, compiled for a card by graphc.codegen.cudalib
        i = group(THREADS)
        while i < n: ...
    def run(device, y, t, L_out, y_bar):          device.empty, device.launch, device.matmul, device.check_labels

Arrays are pointers to C-contiguous memory that begins at a multiple of 16 bytes; numbers are arrays of one element; extents are int64. Names in
capitals are constants that a launch gives: THREADS in a group that takes a row, WIDTH elements of it in each, VECTOR at a time, BLOCK threads.
'''

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import sympy as sp

from graphc.codegen.defined import defined
from graphc.codegen.text import Printer
from graphc.errors import TargetError
from graphc.ir.nodes import Size
from graphc.loops.device.statements import Barrier, DeviceProgram, Finish, Fold, GroupKernel, Launch, Load, Once, Over, Row, Save, Segments, Total, When
from graphc.loops.names import named
from graphc.loops.statements import Accumulate, Allocate, Assign, For, ForTiles, Height, HostProgram, Note, Product, Store, Track
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term

__all__ = ["emit"]

LabelCheck = tuple[str, Size, tuple[int, ...]]
_NUMPY_TYPES = {"float": "real", "wide": "float64", "int": "int64", "bool": "boolean"}
_ARRAYS = {"wide": "float64", "int": "int64", "bool": "bool"}
_SIGN = {"sum": "+", "prod": "*"}


def emit(program: HostProgram, mapped: DeviceProgram, title: str, dtype: str, labels: Sequence[LabelCheck], own: Callable[[str], str]) -> str:
    """The module's source for float32 or float64. `own` makes names."""
    return _Module(program, mapped, dtype, labels, own).text(title)


class _Printer(Printer):
    """Terms of kernels: an array is a pointer, so that a place in it is one number."""

    def __init__(self, arrays: dict[str, tuple[tuple[Size, ...], str]], sizes: dict[Extent, str], wrong: str):
        super().__init__()
        self.arrays, self.names, self.offset, self.wrong = arrays, sizes, dict[str, str](), wrong

    def parts(self, t: Term) -> tuple[str, int]:
        if t.op == "load":
            text = f"{t.value}[{self.place(t.value, t.args)}]"
            return (f"{text} != 0", 40) if t.kind == "bool" else (text, 100)
        if t.op == "checked":
            return f"checked({', '.join([*map(self, t.args), self.wrong])})", 100
        return super().parts(t)

    def place(self, name: str, index: Sequence[Term]) -> str:
        """The place of an element: row by row."""
        if name not in self.arrays or not index:
            return ", ".join(map(self, index)) or "0"
        sizes = self.arrays[name][0]
        text = self(index[0], 50) if len(index) > 1 or name in self.offset else self(index[0])
        for k, part in enumerate(index[1:], 1):
            text = f"{_atom(text)}*{self(named(sizes[k], self.names), 61)}"
            if not (part.is_const and part.value == 0):
                text += f" + {self(part, 51)}"
        if name in self.offset:
            return self.offset[name] if text == "0" else f"{self.offset[name]} + {text}"
        return text


class _Module:
    def __init__(self, program: HostProgram, mapped: DeviceProgram, dtype: str, labels: Sequence[LabelCheck], own: Callable[[str], str]):
        self.program, self.mapped, self.dtype, self.labels, self.own = program, mapped, dtype, labels, own
        self.sizes = program.sizes | program.rows
        self.wrong = own("wrong")                          # the flag of indices that are computed and run past what they index
        self.print = _Printer(program.arrays, self.sizes, self.wrong)
        self.indexing: set[str] = set()                    # the kernels that are given it
        self.e, self.here = own("e"), own("here")
        self.library: set[str] = set()
        self.grids = 0
        self.parts: dict[str, str] = {}                    # total -> the grid that its parts come from

    def use(self, name: str, *arguments: Any) -> str:
        """The call of a function of graphc.codegen.cudalib.blocks."""
        self.library.add(name)
        return f"{name}({', '.join(map(str, arguments))})"

    def text(self, title: str) -> str:
        found = self.kernels(self.mapped.body)
        texts = {k.name: self.kernel(k) for k in found if not isinstance(k, Finish)}
        run = self.run()
        kernels = [self.finish(k) if isinstance(k, Finish) else texts[k.name] for k in found]
        own = [defined(self.print.defined[name], self.dtype, self.print) for name in sorted(self.print.defined)]
        parts = [*own, *kernels, run]
        return "\n\n\n".join([self.header(title, "\n".join(parts)), *parts]) + "\n"

    def kernels(self, body: Iterable[Any]) -> list[Any]:
        found: list[Any] = []
        for s in body:
            if isinstance(s, Launch):
                found += [s.kernel, *([s.long] if s.long else [])]
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
        types = [t for t in ("boolean", "cuda", "float32", "float64", "inlined", "int64") if t == self.dtype or re.search(rf"\b{t}\b", body)]
        lines += ["from graphc.codegen.cudalib import grids"] if grids else []
        lines += [f"from graphc.codegen.cudalib.blocks import {', '.join(sorted(self.library))}"] if self.library else []
        lines += [f"from graphc.codegen.cudalib.{self.dtype} import {', '.join(own)}"] if own else []
        lines += ["from graphc.codegen.cudalib.indices import checked"] if self.indexing else []
        lines += [f"from graphc.codegen.cudalib.names import {', '.join(types)}", "", f"real = {self.dtype}"]
        lines += ["inf, nan = float(\"inf\"), float(\"nan\")"] if re.search(r"\b(inf|nan)\b", body) else []
        return "\n".join(lines)

    # --- kernels
    def kernel(self, k: GroupKernel) -> str:
        body = self.body(k)
        self.indexing |= {k.name} if any("checked(" in x for x in body) else set()
        parameters = [*k.arrays, *k.scalars, *(self.part(t) for t in k.totals), *(self.out(r) for r in k.results),
                      *(a.name for a in k.scratch if self.in_memory(k, a)), *([self.own("size")] if k.flat else []), *k.sizes,
                      *([self.wrong] if k.name in self.indexing else [])]
        lines = [f"def {k.name}({', '.join(parameters)}):", *self.docstring(k.meaning)]
        lines += ["    " + x for x in (*(f"{s} = {s}[0]" for s in k.scalars), *body)]
        return "\n".join(lines)

    def in_memory(self, k: GroupKernel, a: Allocate) -> bool:
        return not any(r.array == a.name and r.first is None for r in k.registers)

    def body(self, k: GroupKernel) -> list[str]:
        threads = "THREADS" if self.has_team(k) else "1"
        self.group = k
        self.print.offset = {}
        team = self.has_team(k)
        lines = [f"{self.here} = {self.use('lane', threads)}"] if team else []
        for r in k.registers:
            lines.append(f"{r.name} = cuda.local.array(WIDTH, real)")
        for a in k.scratch:
            if self.in_memory(k, a) and a.name not in k.shared:
                size = self.print.size(sp.Mul(*a.sizes), self.sizes)
                lines.append(f"{a.name}_at = {self.use('group', threads)}*{_atom(size)}")
                self.print.offset[a.name] = f"{a.name}_at"
        lines += [f"{t.name} = {self.neutral(t)}" for t in k.totals]
        lines += self.flat(k) if k.flat else self.rows(k, threads)
        for t in k.totals:
            lines += self.give(t)
        for r in k.results:
            lines += [f"if {self.here} == 0:", f"    {self.out(r)}[0] = {r}"] if team else [f"{self.out(r)}[0] = {r}"]
        return lines

    @staticmethod
    def has_team(k: GroupKernel) -> bool:
        """Whether several threads take a row."""
        return k.width is not None or k.alone

    def neutral(self, t: Total) -> str:
        return self.print(replace(t.neutral, kind="wide") if t.kind == "wide" else t.neutral)

    def give(self, t: Total) -> list[str]:
        """A block's part of a total, stored; over tiles, added to what tiles before have found."""
        kind = _NUMPY_TYPES[t.kind]
        part, at = self.part(t), self.use("block")
        folded = self.use(f"fold_{t.op}", t.name, kind, "BLOCK")
        lines = [f"{t.name} = {folded}", f"if {self.use('lane', 'BLOCK')} == 0:"]
        if t.carried:
            start = self.bound()
            lines += [f"    if {start} > 0:", f"        {t.name} = {self.combine(t.op, f'{part}[{at}]', t.name, t.kind)}"]
        return [*lines, f"    {part}[{at}] = {t.name}"]

    def bound(self) -> str:
        """The variable of a tile's first row."""
        return next(s.start for s in self.mapped.body if isinstance(s, ForTiles))

    def combine(self, op: str, a: str, b: str, kind: str) -> str:
        if op in _SIGN:
            return f"{a} {_SIGN[op]} {b}"
        name = {"max": "maximum", "min": "minimum"}[op]
        return self.print.apply(name if kind != "int" else f"int_{name}", [a, b])

    def rows(self, k: GroupKernel, threads: str) -> list[str]:
        """The loop over a group's rows."""
        body = self.block(k.body)
        if not k.rows:
            return body
        letters = [loop.index for loop in k.rows]
        extents = [self.print.size(loop.extent, self.sizes) for loop in k.rows]
        first = k.rows[0].first
        if len(k.rows) == 1:
            r, split = letters[0], []
            start = f"{self.print(first)} + " if first is not None else ""
            stop = self.print(k.rows[0].last) if first is not None else extents[0]               # type: ignore[arg-type]
        else:
            if first is not None:
                raise TargetError("rows of a tile with two axes")           # the mapper makes none
            r, start, stop = self.own("row"), "", "*".join(map(_atom, extents))
            split = self.split(r, letters, extents)
        loop = [*split, *body, f"{r} += {self.use('groups', threads)}"]
        return [f"{r} = {start}{self.use('group', threads)}", f"while {r} < {stop}:", *("    " + x for x in loop)]

    @staticmethod
    def split(r: str, letters: Sequence[str], extents: Sequence[str]) -> list[str]:
        """The indices of a row's number."""
        lines, rest = [], r
        for k in range(len(letters) - 1, 0, -1):
            size = _atom(extents[k])
            lines.append(f"{letters[k]} = {rest} % {size}")
            rest = f"{rest}//{size}"
        return [f"{letters[0]} = {rest}", *reversed(lines)]

    def flat(self, k: GroupKernel) -> list[str]:
        """Every thread takes VECTOR elements of each array, then the next that no other takes."""
        size, first = self.own("size"), self.own("place")
        loads, saves = self.flat_rows(k)
        lines = [f"{a}_row = cuda.local.array(VECTOR, {self.kind(a)})" for a in dict.fromkeys((*loads, *saves))]
        lines += [f"{first} = {self.use('group', 1)}*VECTOR", f"while {first} < {size}:"]
        body = [self.use("load_part", f"{a}_row", a, first, size, "VECTOR") for a in loads]
        wide = [t for t in k.totals if t.kind == "wide"]
        parts = {t.name: self.own(f"{t.name}_part_of") for t in wide}
        body += [f"{part} = real(0)" for part in parts.values()]
        at = Term("add", (Term("var", (), first, "int"), Term("var", (), self.e, "int")), None, "int")
        inner = self.block([_flattened(s, set(loads) | set(saves), parts, self.e, at) for s in k.body])
        body += [f"for {self.e} in range(VECTOR):", f"    if {first} + {self.e} < {size}:", *("        " + x for x in inner)]
        body += [self.use("save_part", f"{a}_row", a, first, size, "VECTOR") for a in saves]
        body += [f"{name} += {part}" for name, part in parts.items()]
        return [*lines, *("    " + x for x in (*body, f"{first} += {self.use('groups', 1)}*VECTOR"))]

    def flat_rows(self, k: GroupKernel) -> tuple[list[str], list[str]]:
        """The arrays of reals that a flat kernel loads, and those that it saves."""
        from graphc.loops.device.independent import accesses
        found = [a for a in accesses(k.body) if self.program.arrays[a.name][1] == "float"]
        saves = list(dict.fromkeys(a.name for a in found if a.write))
        first = {a.name: a.write for a in reversed(found)}
        return [n for n in dict.fromkeys(a.name for a in found) if not first[n] or n not in saves], saves

    def array(self, kind: str) -> str:
        """The dtype of arrays, as `run` says it."""
        return repr(_ARRAYS.get(kind, self.dtype))

    def kind(self, array: str) -> str:
        return _NUMPY_TYPES[self.program.arrays[array][1]]

    def finish(self, f: Finish) -> str:
        counts = dict.fromkeys(self.parts[t.name] for t in f.totals)
        parameters = [*(self.part(t) for t in f.totals), *f.scalars, *(self.out(r) for r in f.results),
                      *(f"{g}_blocks" for g in counts), *f.sizes]
        lines = [f"{s} = {s}[0]" for s in f.scalars]
        for t in f.totals:
            arguments = (self.part(t), f"{self.parts[t.name]}_blocks", self.neutral(t), _NUMPY_TYPES[t.kind], "BLOCK")
            found = self.use(f"combined_{t.op}", *arguments)
            lines.append(f"{t.name} = {f'real({found})' if t.kind == 'wide' and self.dtype == 'float32' else found}")
        body = self.block([*f.body])
        lines += body
        stores = [f"{self.out(r)}[0] = {r}" for r in f.results]
        if f.totals:
            stores = [f"if {self.use('lane', 'BLOCK')} == 0:", *("    " + x for x in stores)]
        return "\n".join([f"def {f.name}({', '.join(parameters)}):", *("    " + x for x in (*lines, *stores))])

    def part(self, t: Total) -> str:
        return self.own(f"{t.name}_parts")

    def out(self, name: str) -> str:
        return self.program.results.get(name) or self.own(f"{name}_out")

    def docstring(self, meaning: Sequence[str]) -> list[str]:
        text = [m.replace("\\", "\\\\").replace('"""', "'''") for m in meaning]
        if len(text) < 2:
            return [f'    """{m}"""' for m in text]
        return [f'    """{text[0]}', *(f"    {m}" for m in text[1:]), '    """']

    # --- statements
    def block(self, statements: Sequence[Any]) -> list[str]:
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

    def statement(self, s: Any) -> list[str]:
        p = self.print
        match s:
            case Assign(name, value):
                return [f"{name} = {p(value)}"]
            case Store(name, index, value):
                return [f"{name}[{p.place(name, index)}] = {p(value)}"]
            case Accumulate(op, target, value):
                if op in _SIGN:
                    return [f"{p(target)} {_SIGN[op]}= {p(value, 61 if op == 'prod' else 0)}"]
                return [f"{p(target)} = {p(Term({'max': 'maximum', 'min': 'minimum'}[op], (target, value), None, target.kind))}"]
            case Track(op, target, best, value, position):
                sign = ">" if op == "argmax" else "<"
                return [f"value = {p(value)}", f"if value {sign} {p(best)} or (value != value and {p(best)} == {p(best)}):",
                        f"    {p(best)} = value", f"    {p(target)} = {p(position)}"]
            case For(index, extent, body, reverse, first, last):
                start, stop = "0" if first is None else p(first), p.size(extent, self.sizes) if last is None else p(last)
                ends = f"{stop} - 1, -1, -1" if reverse else stop if start == "0" else f"{start}, {stop}"
                return [f"for {index} in range({ends}):", *("    " + x for x in self.block(body))]
            case Over():
                return self.over(s)
            case Once(body):
                return [f"if {self.here} == 0:", *("    " + x for x in self.block(body))]
            case When(condition, body):
                return [f"if {p(condition)}:", *("    " + x for x in self.block(body))]
            case Barrier():
                return [self.use("barrier", "THREADS")]
            case Load(row):
                return [self.use("load_row", row.name, row.array, *self.ends(row))]
            case Save(row):
                return [self.use("save_row", row.name, row.array, *self.ends(row))]
        raise TypeError(f"no text for {type(s).__name__}")

    def ends(self, row: Row) -> tuple[str, ...]:
        """Where a row begins, its size, and how threads share it out."""
        assert row.first is not None and self.group.width is not None
        return (self.print.place(row.array, row.first.args), self.print.size(self.group.width, self.sizes), self.here, "THREADS", "WIDTH", "VECTOR")

    def over(self, s: Over) -> list[str]:
        """A loop that the group shares out, and its folds."""
        loop, lines = s.loop, []
        for f in s.folds:
            if f.part:
                lines.append(f"{f.part} = {self.print(f.neutral)}")                              # type: ignore[arg-type]
        first = "0" if loop.first is None else self.print(loop.first)
        stop = self.print.size(loop.extent, self.sizes) if loop.last is None else self.print(loop.last)
        body = self.block(loop.body)
        if s.staged:
            place = self.use("at", self.e, self.here, "THREADS", "VECTOR")
            begin = f"{s.chunk} + " if s.chunk else ""
            inner = [f"for {self.e} in range(WIDTH):", f"    {loop.index} = {begin}{place}", f"    if {loop.index} < {stop}:"]
            lines += self.chunks(s, stop, [*inner, *("        " + x for x in body)]) if s.chunk else [*inner, *("        " + x for x in body)]
        else:
            start = self.here if first == "0" else f"{first} + {self.here}"
            lines += [f"{loop.index} = {start}", f"while {loop.index} < {stop}:", *("    " + x for x in (*body, f"{loop.index} += THREADS"))]
        for f in s.folds:
            lines += self.fold(f)
        return lines

    def chunks(self, s: Over, stop: str, inner: list[str]) -> list[str]:
        """A loop over parts of a row: loaded, worked on, saved."""
        def rows(function: str, found: Sequence[Row]) -> list[str]:
            return [self.use(function, r.name, r.array, f"{self.print.place(r.array, r.first.args)} + {s.chunk}", f"{stop} - {s.chunk}",   # type: ignore[union-attr]
                             self.here, "THREADS", "WIDTH", "VECTOR") for r in found]
        body = [*rows("load_row", s.loads), *inner, *rows("save_row", s.saves), f"{s.chunk} += THREADS*WIDTH"]
        return [f"{s.chunk} = 0", f"while {s.chunk} < {stop}:", *("    " + x for x in body)]

    def fold(self, f: Fold) -> list[str]:
        kind = _NUMPY_TYPES[f.kind]
        if f.best:
            return [f"{f.best}, {f.name} = {self.use(f'fold_{f.op}', f.best, f.name, kind, 'THREADS')}"]
        if f.own:
            return [f"{f.name} = {self.combine(f.op, f.name, f.part, f.kind)}"] if f.part else []
        found = self.use(f"fold_{f.op}", f.part or f.name, kind, "THREADS")
        return [f"{f.name} = {self.combine(f.op, f.name, found, f.kind) if f.part else found}"]

    # --- the host program
    def run(self) -> str:
        p = self.program
        shaped = {self.sizes[s] for name in p.inputs if name in p.arrays for s in p.arrays[name][0] if isinstance(s, Extent)}
        extra = [s for s in p.sizes.values() if s not in shaped]
        body = [*self.checks(), *self.host(self.mapped.body)]
        made = [s for s in self.mapped.scalars if s not in p.results]
        body = [*(f"{s} = device.empty((1,), {self.array(p.scalars[s])})" for s in made), *body]
        outputs = [p.results.get(o, o) for o in p.outputs]
        lines = [f"def run({', '.join(('device', *p.inputs, *outputs, *extra))}):"]
        return "\n".join([*lines, *("    " + x for x in (*self.shapes(p.inputs, body), *body))])

    def checks(self) -> list[str]:
        return [f"{name} = device.check_labels({name!r}, {name}, {self.print.size(below, self.sizes)}, {others})"
                for name, below, others in self.labels]

    def shapes(self, arrays: Sequence[str], body: Sequence[str]) -> list[str]:
        """n, d = X.shape for the first of some arrays that shows each extent, of those that the body names."""
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
                lines.append(f"{', '.join(new)}{',' * (len(new) == 1)} = {name}.shape")
        return lines

    def host(self, body: Iterable[Any]) -> list[str]:
        lines: list[str] = []
        p = self.print
        p.offset = {}
        for s in body:
            match s:
                case Allocate(name, sizes, kind):
                    lines.append(f"{name} = device.empty(({self.shape(sizes)}), {self.array(kind)})")
                case Launch():
                    lines += self.launch(s)
                case Segments(name, columns, length):
                    lines.append(f"{name} = grids.segments({p.size(columns, self.sizes)}, {p.size(length, self.sizes)})")
                case Finish():
                    lines += self.launch_finish(s)
                case Product():
                    lines += self.product(s)
                case ForTiles(extent, rows, start, stop, _, inner):
                    size, height = p.size(extent, self.sizes), self.sizes[rows]
                    loop = [f"{stop} = min({start} + {height}, {size})", *self.host(inner)]
                    before = [x for x in loop if re.match(r"\w+ = device\.empty|\w+ = grids\.", x)]
                    lines += [*before, f"for {start} in range(0, max({size}, 1), {height}):", *("    " + x for x in loop if x not in before)]
                case Height(rows, extent, held, streamed, whole):
                    sizes_ = ", ".join(p.size(x, self.sizes) for x in (extent, held))
                    lines.append(f"{self.sizes[rows]} = grids.tile_rows({sizes_})")
                case _:
                    raise TypeError(f"no text for {type(s).__name__}")
        return lines

    def shape(self, sizes: Sequence[Size]) -> str:
        return ", ".join(self.print.size(x, self.sizes) for x in sizes) + "," * (len(sizes) == 1)

    def launch(self, s: Launch) -> list[str]:
        k, p = s.kernel, self.print
        self.grids += 1
        grid = self.own("grid" if self.grids == 1 else f"grid_{self.grids}")
        lines = [f"{grid} = {self.grid(k)}"]
        if k.deals:
            columns = sp.Mul(*(loop.extent for loop in k.rows[1:]))
            lines.insert(0, f"BUCKETS = grids.buckets({p.size(columns, self.sizes)}, {p.size(sp.Mul(*p.arrays[k.deals][0]), self.sizes)})")
        for t in k.totals:
            self.parts[t.name] = grid
            lines.append(f"{self.part(t)} = device.empty(({grid}.blocks,), {self.array(t.kind)})")
        memory = [a for a in (s.long or k).scratch if self.in_memory(s.long or k, a)]
        for a in memory:
            group = [] if a.name in k.shared else [f"{grid}.blocks*{grid}.threads//{grid}.lanes"]
            shape = ", ".join([*group, *(self.print.size(x, self.sizes) for x in a.sizes)])
            new = f"device.empty(({shape}{',' * (len(a.sizes) + len(group) == 1)}), {self.array(a.kind)})"
            lines.append(f"{a.name} = {new}{f' if not {grid}.fits else None' if not any(self.in_memory(k, b) for b in k.scratch if b.name == a.name) else ''}")
        if s.long is None:
            return [*lines, self.call(k, grid)]
        return [*lines, f"if {grid}.fits:", f"    {self.call(k, grid)}", "else:", f"    {self.call(s.long, grid)}"]

    def grid(self, k: GroupKernel) -> str:
        p = self.print
        number = p.size(sp.Mul(*(loop.extent for loop in k.rows)), self.sizes) if k.rows else "1"
        if k.rows and k.rows[0].first is not None:
            number = self.sizes[k.tile]                                                          # type: ignore[index]
        size = "4" if self.dtype == "float32" else "8"
        if k.alone:
            return f"grids.alone({p.size(k.width, self.sizes) if k.width is not None else 1})"
        if k.flat:
            return f"grids.elements({number}, {size})"
        if k.width is None:
            return f"grids.points({number})"
        return f"grids.rows({number}, {p.size(k.width, self.sizes)}, {k.held}, {size}, {k.work})"

    def call(self, k: GroupKernel, grid: str) -> str:
        p = self.program
        scratch = [a.name for a in k.scratch if self.in_memory(k, a)]
        size = [*([self.print.size(sp.Mul(*(loop.extent for loop in k.rows)), self.sizes)] if k.flat else []), *k.sizes]
        arguments = [*k.arrays, *k.scalars, *(self.part(t) for t in k.totals), *(p.results.get(r, r) for r in k.results), *scratch, *size]
        constants = {"THREADS": f"{grid}.lanes", "WIDTH": f"{grid}.width", "VECTOR": f"{grid}.vector", "BLOCK": f"{grid}.threads"}
        wanted = {"THREADS": self.has_team(k), "WIDTH": bool(k.registers), "VECTOR": bool(k.registers) or k.flat, "BLOCK": bool(k.totals)}
        given = ["device.wrong"] * (k.name in self.indexing) + ["BUCKETS=BUCKETS"] * bool(k.deals)
        given += [f"{c}={v}" for c, v in constants.items() if wanted[c]]
        return f"device.launch({', '.join([k.name, f'{grid}.blocks', f'{grid}.threads', *arguments, *given])})"

    def launch_finish(self, f: Finish) -> list[str]:
        counts = dict.fromkeys(self.parts[t.name] for t in f.totals)
        arguments = [*(self.part(t) for t in f.totals), *f.scalars, *(self.program.results.get(r, r) for r in f.results),
                     *(f"{g}.blocks" for g in counts), *f.sizes]
        threads = "256" if f.totals else "1"
        return [f"device.launch({', '.join([f.name, '1', threads, *arguments, *(['BLOCK=256'] if f.totals else [])])})"]

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
        lines = [f"device.matmul({', '.join(operands)})"]
        for k, letter in reversed(list(enumerate(letters))):
            lines = [f"for {letter} in range({self.print.size(shape.batch[k], self.sizes)}):", *("    " + x for x in lines)]
        return lines


def _atom(text: str) -> str:
    """An expression that may stand in a product."""
    return text if re.fullmatch(r"\w+", text) else f"({text})"


def _flattened(x: Any, rows: set[str], parts: dict[str, str], e: str, at: Term) -> Any:
    """A statement with its arrays' rows at e, other arrays' elements at their place, and narrow parts in place of wide totals."""
    if isinstance(x, tuple):
        return tuple(_flattened(p, rows, parts, e, at) for p in x)
    here = (Term("var", (), e, "int"),)
    match x:
        case Term(op="load", value=name) if name in rows:
            return Term("load", here, f"{name}_row", x.kind)
        case Term(op="load", value=name):
            return Term("load", (at,), name, x.kind)
        case Term():
            return replace(x, args=_flattened(x.args, rows, parts, e, at)) if x.args else x
        case Assign(name, value):
            return Assign(name, _flattened(value, rows, parts, e, at))
        case Store(name, _, value) if name not in rows:
            return Store(name, (at,), _flattened(value, rows, parts, e, at))
        case Store(name, _, value):
            return Store(f"{name}_row", here, _flattened(value, rows, parts, e, at))
        case Accumulate(op, target, value):
            return Accumulate(op, replace(target, value=parts.get(target.value, target.value)), _flattened(value, rows, parts, e, at))
    return x
