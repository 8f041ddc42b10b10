"""What `gc.range` answers: rows, findings, and the table that they print as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import mpmath
import numpy as np

from graphc.analysis.ranges.intervals import MP
from graphc.analysis.ranges.witness import KINDS

__all__ = ["Ranges", "Row", "Finding", "CAN", "CANNOT", "UNKNOWN", "number"]

CAN, CANNOT, UNKNOWN = "can", "cannot", "cannot say"
_SHORT = {CAN: "CAN", CANNOT: "-", UNKNOWN: "?"}


@dataclass(frozen=True)
class Finding:
    """What goes wrong at a node, for which inputs; `witness` has arrays by name at which the interpreter shows it."""

    name: str
    node: str
    kind: str
    text: str
    witness: Mapping[str, np.ndarray] = field(repr=False, default_factory=dict)
    harmless: bool = False


@dataclass(frozen=True)
class Row:
    """A node: the interval of its values, and for each kind of trouble "can", "cannot" or "cannot say"."""

    name: str
    node: str
    at: str
    low: Any
    high: Any
    overflow: str = CANNOT
    nan: str = CANNOT
    underflow: str = CANNOT
    digits: str = CANNOT
    harmless: bool = False


@dataclass(frozen=True)
class Ranges:
    """What `gc.range` found: `.rows`, one a node, `.findings`, `.ok`, and a table as text."""

    dtype: str
    box: str
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """No node can overflow or be NaN, as far as is shown; one whose infinity what reads it turns into a number again does not count."""
        return not any(CAN in (r.overflow, r.nan) and not r.harmless for r in self.rows)

    @property
    def safe(self) -> bool:
        """No node can overflow or be NaN: this is proved."""
        return all(r.overflow == r.nan == CANNOT or r.harmless for r in self.rows)

    def __str__(self) -> str:
        head = ("node", "at", "least", "greatest", *KINDS)
        body = [(r.node, r.at, number(r.low), number(r.high), *(_SHORT[getattr(r, k)] for k in KINDS)) for r in self.rows]
        widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
        right = (False, False, True, True, False, False, False, False)
        lines = ["  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip() for row in (head, *body)]
        longest = max((len(f.name) for f in self.findings), default=0)
        notes = [f"{f.name.ljust(longest)}  {f.text}" for f in self.findings]
        legend = "- cannot (proved)   CAN (shown by a witness)   ? cannot say"
        return "\n".join([f"ranges in {self.dtype}  {self.box}", "", *lines, "", legend, *[""] * bool(notes), *notes])


def number(x: Any) -> str:
    """Six digits at most, without trailing zeros."""
    text = str(mpmath.nstr(MP.mpf(float(x) if isinstance(x, np.floating) else x), 6, min_fixed=-4, max_fixed=7, strip_zeros=True))
    return text.removesuffix(".0").replace(".0e", "e")
