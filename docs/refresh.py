"""Refresh what the pages show: `python docs/refresh.py`. tests/test_docs.py checks that nothing is left to refresh.

A page's ```python blocks run in order, in one namespace, as a file `loss.py`. A ```text block right after one shows what it
prints; on docs/errors.md, the error that it raises. docs/functions.md is written from the function table, the pictures are drawn.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import graphc as gc

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n?```text\n(?P<shown>.*?)^```\n)?", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """The pages with code."""
    return [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").glob("*.md") if p.name != "functions.md")]


def refreshed(path: Path) -> str:
    """The page with every block run and what it shows brought up to date."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    may_raise = path.stem == "errors"

    def block(match: re.Match[str]) -> str:
        shows = match["shown"] is not None
        output = run(match["code"], namespace, may_raise and shows)
        if not shows:
            return match[0]
        start, end = (k - match.start() for k in match.span("shown"))
        return match[0][:start] + output + match[0][end:]

    return BLOCK.sub(block, path.read_text(encoding="utf-8"))


def run(code: str, namespace: dict[str, Any], may_raise: bool) -> str:
    """What the code prints; where it may raise, an error of graphc's ends the output."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(code, "loss.py", "exec"), namespace)
        except gc.GraphcError as error:
            if not may_raise:
                raise
            print(f"{type(error).__name__}: {error}")
    return printed.getvalue()


@contextlib.contextmanager
def scratch() -> Iterator[None]:
    """A folder for the files that pages write."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(here)


def pictures(folder: Path) -> None:
    """The losses of README and of the tour, forward and backward."""
    X, Y, W, lam = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c"), gc.scalar("lam")
    gc.render((gc.sum((X @ W - Y)**2) + lam * gc.sum(abs(W))).named("L"), folder / "loss.svg", backward=True)
    y, t = gc.param("y", "n c"), gc.labels("t", "n", below="c")
    s, j = gc.indices("s j")
    gc.render((-gc.Mean(gc.log(gc.exp(y[s, t[s]]) / gc.Sum(gc.exp(y[s, j]), j)), s)).named("L"), folder / "tour.svg", backward=True)


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    import functions
    (ROOT / "docs" / "functions.md").write_text(functions.page(), encoding="utf-8")
    for path in pages():
        with scratch():
            path.write_text(refreshed(path), encoding="utf-8")
    pictures(ROOT / "docs")


if __name__ == "__main__":
    main()
