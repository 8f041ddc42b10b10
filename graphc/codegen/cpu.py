'''A loop program as a Python module for Numba.

The module opens with the formula, its inputs and outputs. Each kernel is one loop nest; its docstring says in index notation what
it computes. `run` is the host program: it calls kernels and matrix products, and is what a Program calls.
'''

from __future__ import annotations

import re
from collections.abc import Sequence

import sympy as sp

from graphc.codegen.text import Printer
from graphc.ir.nodes import Size
from graphc.loops.split import in_python
from graphc.loops.statements import (
    Accumulate,
    Allocate,
    Assign,
    Call,
    For,
    HostProgram,
    Kernel,
    Note,
    Product,
    Statement,
    Store,
    Track,
)
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term

__all__ = ["emit", "is_compiled"]

_TYPES = {"float": "real", "int": "int64", "bool": "boolean"}
_NUMPY_TYPES = {"float": "real", "int": "np.int64", "bool": "np.bool_"}
LabelCheck = tuple[str, Size, tuple[int, ...]]
_MOST_COMPILED = 48          # statements: Numba takes about 0.1 s for each of a long function
_REDUCE = {"sum": "+=", "prod": "*="}


def is_compiled(program: HostProgram) -> bool:
    """Whether `run` is a compiled function. A long one stays Python, if it means the same there."""
    return sum(isinstance(s, Call | Product) for s in program.body) <= _MOST_COMPILED or not in_python(program)


def emit(program: HostProgram, title: str, dtype: str, labels: Sequence[LabelCheck] = ()) -> str:
    """The module's source for float32 or float64. `run` begins with a check of the `labels`: name, bound, and the values let through."""
    return _Module(program, dtype, labels).text(title)


class _Module:
    def __init__(self, program: HostProgram, dtype: str, labels: Sequence[LabelCheck]):
        self.program, self.dtype, self.sizes, self.labels = program, dtype, program.sizes, labels
        self.print = Printer()
        self.rows: Statement | None = None

    def text(self, title: str) -> str:
        kernels = dict.fromkeys(s.kernel for s in self.program.body if isinstance(s, Call))
        parts = [self.kernel(k) for k in kernels] + [self.run()]
        return "\n\n\n".join([self.header(title, "\n".join(parts)), *parts]) + "\n"

    def header(self, title: str, body: str) -> str:
        functions = sorted(self.print.functions)
        std = [f for f in functions if f.startswith("math.")]
        own = [f for f in functions if not f.startswith("math.")]
        lines = ['"""' + title.replace("\\", "\\\\").replace('"""', "'''").rstrip(), '"""', ""]
        lines += ["import math", ""] if std else []
        types = [t for t in ("boolean", "float32", "float64", "int64") if t == self.dtype or re.search(rf"\b{t}\b", body)]
        lines += ["import numpy as np", f"from numba import {', '.join([*types, 'njit'])}"]
        if own or self.labels:
            lines.append("")
        if own:
            lines.append(f"from graphc.codegen.mathlib.{self.dtype} import {', '.join(own)}")
        if self.labels:
            lines.append("from graphc.codegen.mathlib.labels import check_labels")
        lines += ["", f"real = {self.dtype}", "inf, nan = np.inf, np.nan",
                  'FLAGS = {"reassoc", "contract"}        # sums may be reordered for SIMD; infinities and NaN keep their meaning',
                  f'kernel = njit(nogil=True, error_model="numpy", fastmath=FLAGS{"" if is_compiled(self.program) else ", cache=True"})']
        if "@rows_kernel" in body:
            lines.append('rows_kernel = njit(nogil=True, error_model="numpy", fastmath=FLAGS, cache=True)        # may run on parts of the rows')
        return "\n".join(lines)

    # --- functions
    def kernel(self, k: Kernel) -> str:
        self.rows = k.body[-1] if k.split else None
        parameters = (*k.arrays, *k.scalars, *k.sizes, *(("first", "last") if k.split else ()))
        lines = ["@rows_kernel" if k.split else "@kernel", f"def {k.name}({', '.join(parameters)}):"]
        lines += self.docstring(k.meaning)
        lines += ["    " + x for x in self.shapes(k.arrays)]
        if k.split and k.split.sliced:
            lines.append(f"    {', '.join(k.split.sliced)} = {', '.join(f'{a}[first:last]' for a in k.split.sliced)}")
        lines += ["    " + x for x in self.block(k.body)]
        if k.results:
            lines.append(f"    return {', '.join(self.result(r, k) for r in k.results)}")
        return "\n".join(lines)

    def result(self, name: str, k: Kernel) -> str:
        return f"real({name})" if name in k.wide and self.dtype == "float32" and not k.split else name

    def docstring(self, meaning: Sequence[str]) -> list[str]:
        text = [m.replace("\\", "\\\\").replace('"""', "'''") for m in meaning]
        if not text:
            return []
        if len(text) == 1:
            return [f'    """{text[0]}"""']
        return [f'    """{text[0]}', *(f"    {m}" for m in text[1:]), '    """']

    def shapes(self, arrays: Sequence[str], wanted: set[str] | None = None) -> list[str]:
        """n, d = X.shape for the first array that shows each extent."""
        known: set[str] = set()
        lines = []
        for name in arrays:
            sizes = self.program.arrays[name][0]
            new = [self.sizes[s] if isinstance(s, Extent) and self.sizes[s] not in known else "_" for s in sizes]
            new = [x if new.index(x) == k or x == "_" else "_" for k, x in enumerate(new)]
            if any(x != "_" for x in new):
                known |= set(new) - {"_"}
                if len(new) == 1:
                    lines.append(f"{new[0]} = {name}.shape[0]")
                else:
                    lines.append(f"{', '.join(new)} = {name}.shape")
        return lines

    def run(self) -> str:
        p = self.program
        outputs = [p.results.get(o, o) for o in p.outputs]
        shaped = {self.sizes[s] for name in p.inputs if name in p.arrays for s in p.arrays[name][0] if isinstance(s, Extent)}
        extra = [s for s in p.sizes.values() if s not in shaped]
        parameters = [*p.inputs, *outputs, *extra]
        types = [self.type_of(i) for i in p.inputs] + [self.type_of(o, out=True) for o in p.outputs] + ["int64"] * len(extra)
        compiled = f"@njit([({', '.join(types)}{',' if len(types) == 1 else ''})], nogil=True, error_model=\"numpy\", cache=True)"
        lines = [*([compiled] if is_compiled(p) else []),
                 f"def run({', '.join(parameters)}):"]
        lines += ["    " + x for x in self.shapes([i for i in p.inputs if i in p.arrays])]
        lines += ["    " + x for label in self.labels for x in self.check(*label)]
        lines += ["    " + x for x in self.block(p.body)]
        lines += [f"    {result}[0] = {o}" for o, result in p.results.items()]
        return "\n".join(lines)

    def check(self, name: str, below: Size, others: tuple[int, ...]) -> list[str]:
        """The check of a label input: of each of its rows, or of one number."""
        letters = self.program.letters[:len(self.program.arrays[name][0]) - 1] if name in self.program.arrays else ()
        vector = f"{name}[{', '.join(letters)}]" if letters else name if name in self.program.arrays else f"({name},)"
        lines = [f"check_labels({vector}, {self.print.size(below, self.sizes)}{f', {others}' if others else ''})"]
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
                    return [f"{p(target)} {_REDUCE[op]} {p(value)}"]
                larger = Term({"max": "maximum", "min": "minimum"}[op], (target, value), None, target.kind)
                return [f"{p(target)} = {p(larger)}"]
            case Track(op, target, best, value, position):
                sign = ">" if op == "argmax" else "<"
                return [f"value = {p(value)}", f"if value {sign} {p(best)} or (value != value and {p(best)} == {p(best)}):",
                        f"    {p(best)} = value", f"    {p(target)} = {p(position)}"]
            case For(index, extent, body, reverse):
                size = "last - first" if s is self.rows else p.size(extent, self.sizes)
                return [f"for {index} in range({f'{size} - 1, -1, -1' if reverse else size}):", *("    " + x for x in self.block(body))]
            case Allocate(name, sizes, kind):
                shape = ", ".join(p.size(x, self.sizes) for x in sizes) + "," * (len(sizes) == 1)
                return [f"{name} = np.empty(({shape}), {_NUMPY_TYPES[kind]})"]
            case Product():
                return self.product(s)
            case Call():
                return self.call(s)
        raise TypeError(f"no text for {type(s).__name__}")

    def call(self, s: Call) -> list[str]:
        """A kernel that can run in parts is called on all rows; Numba would compile it once more for a literal 0. Its sums come back in double
        precision, and all its floats as Python's where `run` is Python."""
        arguments = [*s.arguments, *(["int64(0)", self.print.size(s.split.rows, self.sizes)] if s.split else [])]
        call = f"{s.kernel.name}({', '.join(arguments)})"
        wide = [r for r, kind in zip(s.results, s.split.kinds, strict=True) if kind == "wide"] if s.split and self.dtype == "float32" else []
        cast = wide if is_compiled(self.program) else [r for r in s.results if self.program.scalars[r] == "float"]
        if cast and len(s.results) == 1:
            return [f"{s.results[0]} = real({call})"]
        return [f"{', '.join(s.results)} = {call}" if s.results else call, *(f"{r} = real({r})" for r in cast)]

    def product(self, s: Product) -> list[str]:
        """np.dot on two-dimensional views; a loop over the batch."""
        shape = s.shape
        letters = self.program.letters[:len(shape.batch)]
        at = f"[{', '.join(letters)}]" if letters else ""

        def matrix(name: str, first: tuple[Size, ...], second: tuple[Size, ...], transposed: bool) -> str:
            if transposed:
                first, second = second, first
            text = name + at
            if len(first) != 1 or len(second) != 1:
                text += f".reshape(({self.print.size(sp.Mul(*first), self.sizes)}, {self.print.size(sp.Mul(*second), self.sizes)}))"
            return text + (".T" if transposed else "")
        call = (f"np.dot({matrix(s.a, shape.rows, shape.inner, shape.transpose_a)}, {matrix(s.b, shape.inner, shape.columns, shape.transpose_b)}, "
                f"{matrix(s.out, shape.rows, shape.columns, False)})")
        for k, letter in reversed(list(enumerate(letters))):
            head = f"for {letter} in range({self.print.size(shape.batch[k], self.sizes)}):"
            call = f"{head}\n" + "\n".join("    " + line for line in call.split("\n"))
        return call.split("\n")
