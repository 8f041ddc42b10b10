"""The tables of docs/performance.md: each stands between `<!-- NAME -->` and `<!-- end -->`, and a command with --write puts a new one there."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["DOCS", "finish", "machine", "replaced", "table", "write"]

DOCS = Path(__file__).resolve().parents[2] / "docs"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))


def machine(*packages: str) -> str:
    """The day, the processor, how busy it is, and the versions of what is measured."""
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in ("numpy", "numba", *packages))
    load = f", load {os.getloadavg()[0]:.1f} before" if hasattr(os, "getloadavg") else ""
    return (f"{datetime.date.today().isoformat()}, {_processor()}, {os.cpu_count()} cores{load}; CPython {platform.python_version()}, {versions}.")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.+)$", info.read_text(encoding="utf-8"), re.MULTILINE) if info.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


def replaced(page: str, name: str, text: str) -> str:
    """The page with that part's text in place of the old one."""
    part = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if len(part.findall(page)) != 1:
        raise ValueError(f"docs/performance.md has no single part <!-- {name} --> ... <!-- end -->")
    return part.sub(lambda m: f"{m[1]}{text.strip()}\n{m[2]}", page)


def write(name: str, text: str) -> None:
    page = DOCS / "performance.md"
    page.write_text(replaced(page.read_text(encoding="utf-8"), name, text), encoding="utf-8")


def finish(name: str, text: str) -> None:
    """Print a part and, with --write on the command line, put it into the page."""
    print(text)
    if "--write" in sys.argv[1:]:
        write(name, text)
