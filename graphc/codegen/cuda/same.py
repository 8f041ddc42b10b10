"""Kernels that differ in names only are one kernel: a net of fifty equal layers compiles a handful."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Mapping

__all__ = ["firsts"]

_NAME = re.compile(r"[A-Za-z_]\w*")
_SAID = re.compile(r'""".*?"""|#[^\n]*', re.S)                             # what no compiler reads
_FIXED = frozenset("""cuda local array real float32 float64 int64 uint64 boolean math range abs min max inf nan checked
    THREADS COLUMNS DEEP WIDTH VECTOR BLOCK BUCKETS TILE""".split()) | frozenset(keyword.kwlist)


def firsts(texts: Mapping[str, str], functions: Collection[str]) -> dict[str, str]:
    """For each kernel the first that is the same but for its names; `functions` are called by their own."""
    fixed = _FIXED | {part for name in functions for part in name.split(".")}
    seen: dict[str, str] = {}
    return {name: seen.setdefault(_numbered(text, fixed), name) for name, text in texts.items()}


def _numbered(text: str, fixed: Collection[str]) -> str:
    """The text with its names numbered in the order in which they occur."""
    number: dict[str, str] = {}
    text = "\n".join(line.rstrip() for line in _SAID.sub("", text).splitlines() if line.strip())
    return _NAME.sub(lambda m: m[0] if m[0] in fixed else number.setdefault(m[0], f"_{len(number)}"), text)
