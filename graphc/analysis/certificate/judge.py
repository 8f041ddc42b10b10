"""The judge: goes to points, asks the kernels and mathematics, and keeps every number with its distance."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import mpmath
import numpy as np

from graphc.analysis.certificate.points import Point, place
from graphc.analysis.certificate.reference import UNKNOWN, Answer, Formula, Reference, unit
from graphc.analysis.certificate.report import Measure, Report, row_of
from graphc.analysis.certificate.subject import Output, Subject
from graphc.analysis.certificate.ulps import FORMATS, TOLERANCE, Format, distance, half_ulp_away
from graphc.errors import BindingError
from graphc.frontend.elementwise import located
from graphc.ir.formula import formula_of
from graphc.ir.interpret import size_of
from graphc.ir.nodes import Input, Node
from graphc.ir.walk import topological
from graphc.scalar.table import Op

__all__ = ["Judge"]

BUDGET = 4_000_000    # of work at all extreme points together, and at each given one; a unit is about a microsecond
LARGEST = 1_000_000   # of one evaluation
PER_NODE, PER_CALL = 100, 20
ALL_ENTRIES = 64      # of a gradient, at random and given points; of larger ones
SAMPLED = 16          # are judged there, and
FEW = 3               # at each extreme point
MANY = 20             # wrong numbers of one result, after which no more are judged
MOVES = 8             # perturbations that measure a condition number


class Judge:
    """All numbers so far, by result and dtype, and what was left out."""

    def __init__(self, subject: Subject, digits: int, seed: int):
        self.subject, self.digits, self.seed = subject, digits, seed
        self.measures: dict[tuple[str, str], list[Measure]] = {}
        self.notes = list(subject.notes)
        self.tried: dict[str, int] = {}                   # points by kind
        self.outside = self.open = self.unsettled = 0     # points, numbers, numbers
        self.sampled: dict[str, str] = {}

    # --- points
    def at(self, p: Point) -> bool:
        """Judge everything at a point, if the formulas have a value there; whether they have."""
        cost = max(work((o.slopes or o.formula).root, p) for o in self.subject.outputs)
        if cost > LARGEST:
            raise located(BindingError(f"check: one evaluation at {p.label} takes about {cost:,} operations in mpmath, and {LARGEST:,} "
                                       "are as many as is sensible; give smaller data"))
        rng = np.random.default_rng([self.seed, sum(self.tried.values()) + self.outside])
        answers = [Reference(o.formula, p.arrays, p.extents, self.digits).values for o in self.subject.outputs]
        if not p.dtypes or any(a and all(v.kind == "undefined" for v in a) for a in answers):
            self.outside += 1
            return False
        self.tried[p.kind] = self.tried.get(p.kind, 0) + 1
        results = {d: self.subject.results(p.cast(d), p.extents) for d in p.dtypes}
        for o, a in zip(self.subject.outputs, answers, strict=True):
            _Station(self, p, o, results, rng).judge(a)
        return True

    def decided(self, result: str, dtype: str) -> bool:
        """Whether so much is wrong that more would only take time."""
        return sum(not m.ok for m in self.measures.get((result, dtype), ())) >= MANY

    def affordable(self, points: Sequence[Point]) -> list[Point]:
        """As many points as the budget allows, drawn from all."""
        if not points:
            return []
        rng = np.random.default_rng(self.seed)
        each = sum(work(f.root, points[0]) * (2 + 5 * FEW * len(o.gradients)) for o in self.subject.outputs for f in [o.slopes or o.formula])
        most = max(int(BUDGET // each), 8)
        return [points[k] for k in sorted(rng.choice(len(points), min(most, len(points)), replace=False))]

    # --- the report
    def report(self, points: str) -> Report:
        order = [n for o in self.subject.outputs for n in o.results]
        keys = sorted(self.measures, key=lambda k: (order.index(k[0]), k[1]))
        rows = tuple(row_of(*key, self.measures[key]) for key in keys)
        return Report("; ".join(formula_of(o.tensor.node, budget=100) for o in self.subject.outputs), self.digits, points, rows,
                      tuple(self._untested()))

    def _untested(self) -> Iterator[str]:
        yield from self.notes
        yield from (f"{name} in {dtype} at further points: {MANY} numbers are wrong" for name, dtype in self.measures if self.decided(name, dtype))
        if self.outside:
            yield f"{self.outside} points where the formula has no value"
        if self.open:
            yield f"{self.open} numbers that mathematics does not define (jumps, poles of no sign): whatever was returned"
        if self.unsettled:
            yield f"{self.unsettled} numbers too small beside others for any sensible number of digits"
        yield from (f"{name}: {text}" for name, text in self.sampled.items())
        yield "NaN in the data; infinities but those given"


def work(root: Node, p: Point) -> int:
    """About how long one evaluation takes, in microseconds: the points of all loops, more for functions, and something for each node."""
    total = 0
    for node in topological([root]):
        sizes = [size_of(s, p.extents) for s in (*node.dims, *getattr(node, "over", ()))]
        calls = 0 if isinstance(node, Input) else len(node.body.atoms(Op))
        total += math.prod(sizes) * (1 + PER_CALL * calls) + PER_NODE
    return total


class _Station:
    """One result and its gradients at one point."""

    def __init__(self, judge: Judge, p: Point, output: Output, results: dict[str, dict[int, np.ndarray]], rng: np.random.Generator):
        self.judged_by, self.p, self.output, self.results, self.rng = judge, p, output, results, rng
        self.data = {i.name: a for i, a in p.arrays.items()}
        finite = [float(np.abs(a[np.isfinite(a)]).max(initial=1.0)) for i, a in p.arrays.items() if i.dtype == "float"]
        self.largest = max(finite, default=1.0)
        self.moved = {(f, d): _Moved(f, p, FORMATS[d], judge.digits) for f in (output.formula, output.slopes) if f for d in results}

    def judge(self, answers: Sequence[Answer]) -> None:
        o = self.output
        self.values(answers)
        if o.slopes is None or not o.gradients or not all(mpmath.isfinite(a.low) for a in answers):
            return
        base = Reference(o.slopes, self.p.arrays, self.p.extents, self.judged_by.digits)
        for w in o.gradients:
            self.gradient(base, w)
        if self.p.kind in ("random", "given"):
            self.directions(base)

    def values(self, answers: Sequence[Answer]) -> None:
        o = self.output
        for dtype, found in self.results.items():
            y = found[o.position]
            for k, (x, answer) in enumerate(zip(y.reshape(-1), answers, strict=True)):
                self.measure((o.name, dtype), o.formula, place("", k, y.shape), x, answer, lambda r, k=k: r.values[k])        # type: ignore[misc]

    def gradient(self, base: Reference, w: Input) -> None:
        o, shape = self.output, self.p.arrays[w].shape
        for k in self.entries(base.formula, w):
            if all(self.judged_by.decided(o.gradient_name(w), d) for d in self.results):
                return
            along = {w: unit(shape, k)}
            answer = base.slope(along)
            for dtype, found in self.results.items():
                x = found[o.gradients[w]].reshape(-1)[k]
                self.measure((o.gradient_name(w), dtype), base.formula, place("", k, shape), x, answer, lambda r, along=along: r.slope(along))   # type: ignore[misc]

    def directions(self, base: Reference) -> None:
        """All entries of all gradients at once, in reverse and in forward mode."""
        o = self.output
        u = {w: self.rng.normal(size=self.p.arrays[w].shape) for w in o.gradients}
        answer = base.slope(u)
        assert o.forward is not None
        with mpmath.workdps(self.judged_by.digits):
            arrays: dict[Input, np.ndarray] = {**self.p.arrays, **{o.tangents[w].node: v for w, v in u.items()}}     # type: ignore[misc]
            tangent = o.forward.at(arrays, arrays, self.p.extents, self.judged_by.digits)[0]
            for dtype, found in self.results.items():
                parts = [mpmath.mpf(float(g)) * float(v) for w, k in o.gradients.items() for g, v in zip(found[k].flat, u[w].flat, strict=True)]
                scale = mpmath.fsum(map(abs, parts)) if all(map(mpmath.isfinite, parts)) else max(abs(answer.low), abs(answer.high))
                for name, x in ((o.reverse_name, mpmath.fsum(parts)), (o.forward_name, tangent)):
                    self.measure((name, dtype), base.formula, "", x, answer, lambda r: r.slope(u), scale)

    def entries(self, formula: Formula, w: Input) -> list[int]:
        """Entries of a gradient: all of a small one at a random or given point, else a sample with the one that is extreme."""
        size, judge = self.p.arrays[w].size, self.judged_by
        most = FEW if self.p.kind not in ("random", "given") else size if size <= ALL_ENTRIES else SAMPLED
        most = max(FEW, min(most, int(BUDGET // (5 * work(formula.root, self.p)))))
        if most >= size:
            return list(range(size))
        kinds = "extreme" if self.p.kind not in ("random", "given") else "random and given"
        judge.sampled[f"{self.output.gradient_name(w)} at {kinds} points"] = f"all but {most} of {size} entries, but for the sum along u"
        first = [self.p.focus[w]] if w in self.p.focus else []
        rest = [int(k) for k in self.rng.permutation(size) if k not in first]
        return sorted([*first, *rest][:most])

    def measure(self, row: tuple[str, str], formula: Formula, at: str, found: Any, answer: Answer, question: Callable[[Reference], Answer],
                scale: Any = None) -> None:
        """Keep one number. Its condition is asked for only where it is needed."""
        if self.judged_by.decided(*row):
            return
        format = FORMATS[row[1]]
        ulps = distance(found, answer, format, scale)
        if ulps is None:
            self.judged_by.open += answer.kind == "undefined"
            self.judged_by.unsettled += answer.kind == "unsettled"
            return
        allowed = TOLERANCE * math.sqrt(terms(formula.root, self.p)) * (self.largest if abs(answer.low) < format.least_normal else 1)
        if allowed < ulps < math.inf:
            allowed = max(allowed, self.moved[formula, row[1]].allowed(answer, question, scale))
        self.judged_by.measures.setdefault(row, []).append(Measure(self.p.label, at, float(found), answer, ulps, allowed, self.data))


class _Moved:
    """The point with each number moved by half of its last place: what the condition is measured by."""

    def __init__(self, formula: Formula, p: Point, format: Format, digits: int):
        self.formula, self.p, self.format, self.digits = formula, p, format, digits

    @cached_property
    def references(self) -> list[Reference]:
        rng = np.random.default_rng(0)
        return [Reference(self.formula, {i: half_ulp_away(a, self.format, rng) if i.dtype == "float" else a for i, a in self.p.arrays.items()},
                          self.p.extents, self.digits) for _ in range(MOVES)]

    def allowed(self, answer: Answer, question: Callable[[Reference], Answer], scale: Any) -> float:
        unit = self.format.ulp(scale if scale is not None else answer.low)
        moved = [max(abs(a.low - answer.low), abs(a.high - answer.high)) / unit for a in map(question, self.references) if a.kind not in UNKNOWN]
        return float(4 * max((m for m in moved if mpmath.isfinite(m)), default=mpmath.mpf(0)) * mpmath.sqrt(terms(self.formula.root, self.p)))


def terms(root: Node, p: Point) -> int:
    """The terms of the longest sum or product."""
    return max((math.prod(size_of(s, p.extents) for s in getattr(n, "over", ())) for n in topological([root])), default=1) or 1
