"""From DOT to SVG, PNG and PDF: the `dot` program where it is installed, else the Graphviz library that pygraphviz brings."""

from __future__ import annotations

import shutil
import subprocess
import warnings

from graphc.errors import RenderError

__all__ = ["draw", "FORMATS"]

FORMATS = ("svg", "png", "pdf", "dot")
PATIENCE = 120                         # seconds for a layout
_OPTIONS = {"png": "-Gdpi=144"}
_INSTALL = ("install the program (Debian: apt install graphviz; macOS: brew install graphviz) or the library (pip install pygraphviz); "
            "a picture saved as .dot needs neither")


def draw(source: str, format: str) -> bytes:
    """The picture in a format."""
    if format not in FORMATS:
        raise RenderError(f"a picture is one of {', '.join(FORMATS)}, not {format!r}")
    if format == "dot":
        return source.encode()
    program = shutil.which("dot")
    return _by_program(program, source, format) if program else _by_library(source, format)


def _by_program(program: str, source: str, format: str) -> bytes:
    command = [program, f"-T{format}", *([_OPTIONS[format]] if format in _OPTIONS else [])]
    try:
        done = subprocess.run(command, input=source.encode(), capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise RenderError(f"Graphviz did not finish in {PATIENCE} seconds; draw a part of the graph, or save it as .dot") from None
    except OSError as error:
        raise RenderError(f"{program} does not run ({error}); {_INSTALL}") from None
    if done.returncode or not done.stdout:
        raise RenderError(f"{program} failed: {done.stderr.decode(errors='replace').strip()[:300]}")
    return done.stdout


def _by_library(source: str, format: str) -> bytes:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pygraphviz
    except ImportError as error:
        missing = str(error)
        if "libgobject" in missing or "libglib" in missing:
            raise RenderError("pygraphviz misses a system library; install it (Debian: apt install libglib2.0-0) or the program dot (apt install "
                              "graphviz); a picture saved as .dot needs neither") from None
        raise RenderError(f"no Graphviz was found to draw {format}: {_INSTALL}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = pygraphviz.AGraph(string=source).draw(format=format, prog="dot", args=_OPTIONS.get(format, ""))
    except Exception as error:
        raise RenderError(f"Graphviz (by pygraphviz) failed: {str(error)[:300]}; {_INSTALL}") from None
    return bytes(image)
