"""Where in the user's program an operation was written."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from graphc.ir.nodes import Origin

__all__ = ["origin_here", "places"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_SHOWN: ContextVar[bool] = ContextVar("shown", default=True)


@contextmanager
def places(shown: bool) -> Generator[None]:
    """Whether origins name the caller's file and line: on the command line no file of the user's calls."""
    token = _SHOWN.set(shown)
    try:
        yield
    finally:
        _SHOWN.reset(token)


def origin_here(op: str, hint: str = "") -> Origin:
    """The nearest caller outside graphc. `losses.py` counts as graphc: an error names the user's line."""
    frame = sys._getframe(1) if _SHOWN.get() else None
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_PACKAGE):
            if file.startswith("<frozen"):
                break
            return Origin(op, file, frame.f_lineno, hint)
        frame = frame.f_back                                                                     # type: ignore[assignment]
    return Origin(op, hint=hint)
