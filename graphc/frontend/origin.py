"""Where in the user's program an operation was written."""

from __future__ import annotations

import os
import sys

from graphc.ir.nodes import Origin

__all__ = ["origin_here"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def origin_here(op: str, hint: str = "") -> Origin:
    """The nearest caller outside graphc. `losses.py` counts as graphc: an error names the user's line."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_PACKAGE):
            if file.startswith("<frozen"):
                break
            return Origin(op, file, frame.f_lineno, hint)
        frame = frame.f_back                                                                     # type: ignore[assignment]
    return Origin(op, hint=hint)
