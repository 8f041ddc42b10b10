"""What the text of statements is on every target."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import sympy as sp

from graphc.codegen.text import Printer
from graphc.ir.nodes import Size
from graphc.loops.statements import Assign, HostProgram, Note, Product, Track
from graphc.scalar.symbols import Extent

__all__ = ["Statements"]


class Statements(ABC):
    """Statements as lines. What a target says in its own way is in its subclass."""

    program: HostProgram
    sizes: dict[Extent, str]
    print: Printer

    def block(self, statements: Sequence[Any]) -> list[str]:
        """The lines of statements, notes beside what they are about."""
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
            case Track(op, target, best, value, position):
                sign = ">" if op == "argmax" else "<"
                return [f"value = {p(value)}", f"if value {sign} {p(best)} or (value != value and {p(best)} == {p(best)}):",
                        f"    {p(best)} = value", f"    {p(target)} = {p(position)}"]
        raise TypeError(f"no text for {type(s).__name__}")

    def product(self, s: Product) -> list[str]:
        """A product of two-dimensional views; a loop over the batch."""
        shape = s.shape
        out, a, b = s.parts
        operands = [self.view(s, s.a, a, shape.rows, shape.inner, transposed=shape.transpose_a),
                    self.view(s, s.b, b, shape.inner, shape.columns, transposed=shape.transpose_b),
                    self.view(s, s.out, out, shape.rows, shape.columns), *([f"{s.tile[0]} > 0"] if s.add else [])]
        lines = [self.matmul(operands)]
        for letter, size in reversed(list(zip(self.program.letters, shape.batch, strict=False))):
            lines = [f"for {letter} in range({self.print.size(size, self.sizes)}):", *("    " + x for x in lines)]
        return lines

    def view(self, s: Product, name: str, part: str, *groups: tuple[Size, ...], transposed: bool = False) -> str:
        """Those rows of an array that a product means, with an axis for each group of extents."""
        if transposed:
            groups = groups[::-1]
        letters = self.program.letters[:len(s.shape.batch)]
        start, stop = s.tile or ("", "")
        sizes = [self.print.size(sp.Mul(*group), self.sizes) for group in groups]
        if part != "all":
            sizes[0] = f"{stop} - {start}"
        cut = {"all": "", "rows": f"[{start}:{stop}]", "tile": f"[:{stop} - {start}]"}
        text = name + (f"[{', '.join(letters)}]" if letters else "") + cut[part]
        if any(len(group) != 1 for group in groups):
            text += f".reshape(({', '.join(sizes)}))"
        return text + (".T" if transposed else "")

    @abstractmethod
    def matmul(self, operands: Sequence[str]) -> str:
        """The call of the library: a, b, out, and whether it adds."""

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
