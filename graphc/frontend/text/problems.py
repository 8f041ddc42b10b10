"""How an error in a formula reads: the message, the line of the formula, a caret under the place.

    unknown name 'Wx'; did you mean 'W'?
        sum((X@Wx - Y)**2)
               ^^
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from graphc.errors import FormulaError
from graphc.frontend.elementwise import located

__all__ = ["problem", "pointed", "suggestion"]

WIDTH = 100   # of the excerpt of a long formula
AT = "\n  at "


def problem(message: str, text: str, start: int, end: int) -> Exception:
    """A FormulaError about text[start:end]."""
    return located(FormulaError(message + excerpt(text, start, end)))


def pointed(error: Exception, text: str, start: int, end: int) -> Exception:
    """An error that arose while text[start:end] was built, of the same class, with the place."""
    message, at, line = str(error).partition(AT)
    return located(type(error)(message + excerpt(text, start, end) + at + line))


def excerpt(text: str, start: int, end: int) -> str:
    """The line around a place and the caret under it."""
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", start)
    line = text[first:len(text) if last < 0 else last].replace("\t", " ")
    at, width = start - first, max(1, min(end, first + len(line)) - start)
    if len(line) > WIDTH:
        cut = max(0, min(at - WIDTH // 2, len(line) - WIDTH))
        piece = line[cut:cut + WIDTH]
        before, after = "..." * (cut > 0), "..." * (cut + WIDTH < len(line))
        line, at, width = before + piece + after, at - cut + len(before), min(width, WIDTH - (at - cut))
    return f"\n    {line.rstrip() if at < len(line.rstrip()) else line}\n    {' ' * at}{'^' * width}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'W'?`, or nothing."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.6) or [k for k in known if k.lower() == name.lower()]
    return f"; did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
