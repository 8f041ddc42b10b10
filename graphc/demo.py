"""The main job: the losses of the lecture "Neural networks: details" (rows L5 to L13), each through the whole pipeline.

For each row: the formula as text -> gradient -> compiled kernels, whose values and gradients are checked at random points in 50 digits
-> NAME.py (the kernels), NAME.svg and NAME.png (forward and backward graph). Rows with numbers in the lecture must give those.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphc.analysis.certificate.certificate import check
from graphc.errors import RenderError

__all__ = ["demo", "ROWS", "DemoRow"]


@dataclass(frozen=True)
class DemoRow:
    name: str
    row: str
    formula: str
    declarations: dict[str, str]
    wrt: tuple[str, ...]
    data: dict[str, Any] = field(default_factory=dict)          # the lecture's numbers,
    value: float | None = None                                  # and what they give
    gradients: dict[str, Any] = field(default_factory=dict)


def _lecture_l13() -> dict[str, Any]:
    """The script of row L13: np.random.seed(2), Y (2,5), X (2,3), W (3,5), lam 0.5."""
    random = np.random.RandomState(2)
    return {"Y": random.randn(2, 5), "X": random.randn(2, 3), "W": random.randn(3, 5), "lam": 0.5}


_L13 = _lecture_l13()
_RESIDUAL = _L13["X"] @ _L13["W"] - _L13["Y"]
_LINEAR = {"X": "n d", "W": "d c", "Y": "n c"}

ROWS = (
    DemoRow("matrices", "L5", "0.5*sum((X@W)**2)", {"X": "n d", "W": "d c"}, ("X", "W"),
            {"X": [[2.0], [0.0]], "W": [[1.0, 2.0]]}, 10.0, {"X": [[10.0], [0.0]], "W": [[4.0, 8.0]]}),
    DemoRow("cross_entropy", "L8", '-Sum(log(exp(y[s, t[s]]) / Sum(exp(y[s, j]), j)), s) / size("n")', {"y": "n c", "t": "n int<c"}, ("y",)),
    DemoRow("multi_label", "L9", "-mean(Y*log(sigmoid(X@W)) + (1 - Y)*log(1 - sigmoid(X@W)))", _LINEAR, ("W",)),
    DemoRow("regression_l2", "L10", 'Sum((y[s, i] - g[s, i])**2, s, i) / size("n")', {"y": "n c", "g": "n c"}, ("y",)),
    DemoRow("regression_l1", "L11", 'Sum(abs(y[s, i] - g[s, i]), s, i) / size("n")', {"y": "n c", "g": "n c"}, ("y",)),
    DemoRow("tensors", "L13", "sum((X@W - Y)**2) + lam*sum(abs(W))", {**_LINEAR, "lam": ""}, ("W",), _L13,
            float((_RESIDUAL**2).sum() + 0.5*np.abs(_L13["W"]).sum()), {"W": 2*_L13["X"].T @ _RESIDUAL + 0.5*np.sign(_L13["W"])}),
)
_HEAD = ("row", "loss", "worst, ulps", "gradient", "lecture", "files")


def demo(folder: str | Path) -> bool:
    """Do all rows, write what they make to a folder and print a table; whether everything is right."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    results = [_one(row, target) for row in ROWS]
    table = [_HEAD, *(cells for cells, _, _ in results)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        print("  ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)).rstrip())
    problems = list(dict.fromkeys(p for _, _, p in results if p))
    print(*(f"\n{p}" for p in problems), f"\nkernels and pictures are in {target}/", sep="")
    return all(ok for _, ok, _ in results)


def _one(row: DemoRow, folder: Path) -> tuple[tuple[str, ...], bool, str]:
    """(cells of the table, whether right, why a picture is missing)"""
    from graphc.compiler import compile
    from graphc.frontend.text import parse
    loss = parse(row.formula, **row.declarations).named("L")
    report = check(loss, wrt=list(row.wrt), dtype="float64", extreme=False)
    error = max(r.worst for r in report.rows)
    program = compile(loss, wrt=list(row.wrt))
    lecture = _as_in_the_lecture(row, program)
    (folder / f"{row.name}.py").write_text(program.source, encoding="utf-8", newline="\n")
    suffixes, problem = _pictures(loss, row, folder)
    cells = (row.row, row.name, f"{error:.1f}", "ok" if report.ok else "WRONG", {None: "", True: "ok", False: "WRONG"}[lecture],
             f"{row.name}.py {suffixes}")
    return cells, report.ok and lecture is not False, problem


def _as_in_the_lecture(row: DemoRow, program: Any) -> bool | None:
    """Whether the lecture's numbers give what the lecture says; None where it has none."""
    if row.value is None:
        return None
    value, gradients = program(**row.data)
    pairs = [(value, row.value), *((gradients[name], g) for name, g in row.gradients.items())]
    return all(np.allclose(found, expected, rtol=1e-12, atol=0) for found, expected in pairs)


def _pictures(loss: Any, row: DemoRow, folder: Path) -> tuple[str, str]:
    """Draw the forward and backward graph, with the lecture's numbers where it has some; the suffixes written, and why not all were."""
    from graphc.render import render
    written: list[str] = []
    problem = ""
    for suffix in (".svg", ".png", ".dot"):
        if suffix == ".dot" and written:
            break
        try:
            render(loss, str(folder / (row.name + suffix)), wrt=list(row.wrt), backward=True, values=row.data or None)
            written.append(suffix)
        except RenderError as error:
            problem = str(error)
    return " ".join(written), problem
