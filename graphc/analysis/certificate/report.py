"""The certificate as a table: for each result and dtype, how many numbers were judged and how far the worst is from the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import mpmath
import numpy as np

from graphc.analysis.certificate.reference import Answer

__all__ = ["Measure", "Row", "Report", "row_of"]

SHOWN = 24        # numbers of an input that the text of a failure spells out
FAILURES = 5      # failures that are spelled out


@dataclass(frozen=True)
class Measure:
    """One number that a kernel returned, beside what it should be."""

    at: str                              # the point's label
    entry: str
    found: float
    answer: Answer
    ulps: float
    allowed: float
    data: Mapping[str, np.ndarray]

    @property
    def excess(self) -> float:
        return self.ulps / self.allowed

    @property
    def ok(self) -> bool:
        return self.ulps <= self.allowed


@dataclass(frozen=True)
class Row:
    """All numbers of one result in one dtype. The worst is the one that is farthest beyond what it may err by."""

    result: str
    dtype: str
    points: int
    numbers: int
    wrong: int
    kinks: int
    median: float
    worst: float
    allowed: float
    at: str
    entry: str
    found: float
    exact: str
    data: Mapping[str, np.ndarray] = field(repr=False)

    @property
    def ok(self) -> bool:
        return not self.wrong

    @property
    def status(self) -> str:
        return "ok" if self.ok else f"WRONG, {self.wrong} of {self.numbers}"

    def failure(self) -> str:
        """What is wrong, with the data that show it."""
        shown = {n: repr(a.tolist()) if a.size <= SHOWN else f"{a.size} numbers, in .data" for n, a in self.data.items()}
        inputs = "\n".join(f"    {name} = {text}" for name, text in shown.items())
        return f"{self.result}{self.entry} in {self.dtype} is {self.found!r}, and {self.exact} in mathematics, at {self.at}:\n{inputs}"


def row_of(result: str, dtype: str, measures: Sequence[Measure]) -> Row:
    worst = max(measures, key=lambda m: m.excess)
    return Row(result, dtype, len({m.at for m in measures}), len(measures), sum(not m.ok for m in measures),
               sum(m.answer.kind == "kink" for m in measures), float(np.median([m.ulps for m in measures])), worst.ulps, worst.allowed,
               worst.at, worst.entry, worst.found, _text(worst.answer), worst.data)


def _text(answer: Answer) -> str:
    if answer.kind == "kink":
        return f"from {mpmath.nstr(answer.low, 17)} to {mpmath.nstr(answer.high, 17)}"
    return mpmath.nstr(answer.low, 17) if mpmath.isfinite(answer.low) else {1: "inf", -1: "-inf"}.get(int(mpmath.sign(answer.low) or 0), "infinite")


@dataclass(frozen=True)
class Report:
    """What `gc.check` found: `.ok`, `.rows`, `.untested` (what it did not look at, in words), and a table as text."""

    formula: str
    digits: int
    points: str
    rows: tuple[Row, ...]
    untested: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether something was judged, and all of it is right."""
        return bool(self.rows) and all(r.ok for r in self.rows)

    def __str__(self) -> str:
        head = ("result", "dtype", "numbers", "median", "worst", "allowed", "worst at", "")
        body = [(r.result, r.dtype, f"{r.numbers}" + f", {r.kinks} at kinks" * bool(r.kinks), _ulps(r.median), _ulps(r.worst), _ulps(r.allowed),
                 f"{r.entry} " * bool(r.entry) + f"at {r.at}", r.status) for r in self.rows]
        widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
        table = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in (head, *body)]
        wrong = [r for r in self.rows if not r.ok]
        failures = [f"\nWRONG: {r.failure()}" for r in wrong[:FAILURES]] + [f"\nand {len(wrong) - FAILURES} more rows"] * (len(wrong) > FAILURES)
        return "\n".join([f"formula    {self.formula}", f"judged by  the formula as written, in {self.digits} digits and more; errors in ulps",
                          f"points     {self.points}", "", *table, *failures, "", "not tested", *(f"  {line}" for line in self.untested)])


def _ulps(x: float) -> str:
    return f"{x:.2f}" if x < 100 else f"{x:.1e}"
