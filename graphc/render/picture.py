"""Picture: what gc.render returns. Its text is DOT; other formats are drawn when asked for."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from graphc.errors import RenderError
from graphc.render.backends import FORMATS, draw

__all__ = ["Picture", "format_of"]

LARGE = 300                            # nodes and edges grow a layout's time faster than their number


class Picture:
    """A drawn graph: `str(picture)` is DOT, `picture.bytes("png")`, `picture.save("loss.svg")`; a notebook shows it."""

    def __init__(self, source: str, nodes: int = 0):
        self.source, self.nodes = source, nodes

    def __str__(self) -> str:
        return self.source

    def __repr__(self) -> str:
        return f"<Picture of {self.nodes} nodes; .save('name.svg') writes it>"

    def bytes(self, format: str = "svg") -> bytes:
        """The picture as svg, png, pdf or dot."""
        if format != "dot" and self.nodes > LARGE:
            raise RenderError(f"the picture has {self.nodes} nodes, and above {LARGE} a layout takes minutes and cannot be read: render a part "
                              "(an intermediate tensor), or save it as .dot for a tool of your own")
        return draw(self.source, format)

    def save(self, path: str | os.PathLike[str], format: str | None = None) -> Path:
        """Write the picture; the format is the file's suffix unless given. Nothing is left half-written."""
        target = Path(path)
        content = self.bytes(format or format_of(target))
        _write(target, content)
        return target

    def _repr_svg_(self) -> str | None:
        try:
            return self.bytes("svg").decode()
        except Exception:                                                  # a notebook shows the repr instead of a traceback
            return None


def format_of(path: Path) -> str:
    suffix = path.suffix[1:].lower()
    suffix = {"gv": "dot"}.get(suffix, suffix)
    if suffix not in FORMATS:
        raise RenderError(f"the suffix of {path} says no format: end it in {', '.join('.' + f for f in FORMATS)}, or give format=")
    return suffix


def _write(path: Path, content: bytes) -> None:
    """By a temporary file beside the target, so that a reader never sees half of it."""
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise RenderError(f"cannot write {path}: {error.strerror or error}") from None


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
