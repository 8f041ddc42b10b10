"""What the text of statements is on every target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.codegen.text import Printer
from graphc.loops.statements import Assign, Note, Track

__all__ = ["Statements"]


class Statements:
    """Statements as lines. What a target says in its own way is in its subclass."""

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
