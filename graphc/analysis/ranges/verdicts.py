"""The verdict on each node and each kind of trouble: proved by `bounds`, shown by `witness`, or neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from graphc.analysis.ranges.bounds import Bounds
from graphc.analysis.ranges.intervals import Format, interval
from graphc.analysis.ranges.report import CAN, CANNOT, UNKNOWN, Finding, Ranges, Row, number
from graphc.analysis.ranges.roundoff import over
from graphc.analysis.ranges.simpler import Simpler
from graphc.analysis.ranges.value import Value
from graphc.analysis.ranges.witness import HALF, KINDS, Search, Witness
from graphc.ir.build import is_view
from graphc.ir.names import names_of
from graphc.ir.nodes import Input, Node
from graphc.ir.show import meaning_of
from graphc.ir.walk import consumers, inputs_of, topological

__all__ = ["Verdicts"]


class Verdicts:
    def __init__(self, roots: Sequence[Node], box: Mapping[Input, tuple[float, float]], sizes: Mapping[str, tuple[int, int]], machine: Format):
        self.roots, self.box, self.machine, self.sizes = roots, box, machine, sizes
        used = [i for i in inputs_of(roots)]
        self.bounds = Bounds(roots, {i: self.given(i) for i in used}, sizes, machine)
        self.search = Search(roots, {i: box[i] for i in used}, {n: sizes[n] for n in sizes}, machine)
        self.search.run()
        self.simpler = Simpler(self.search)
        self.order = [n for n in topological(roots) if isinstance(n, Input) or not is_view(n)]
        self.names = names_of(self.order)
        self.lines = meaning_of(self.order, self.names)
        self.harmless = self.find_harmless(roots)

    def given(self, i: Input) -> Value:
        low, high = self.box[i]
        x = interval(low, high)
        x = self.machine.rounded(x) if i.dtype == "float" else x
        return Value(x, x)

    def value(self, node: Node) -> Value:
        return self.bounds.flat(self.bounds.values[node])

    def status(self, node: Node, kind: str) -> str:
        witness = self.search.found.get((node, kind))
        if witness is not None and not isinstance(node, Input) and (kind != "underflow" or witness.source):
            return CAN
        v = self.value(node)
        proved = {"overflow": lambda: not self.bounds.but_for_masks(node).computed.infinite, "nan": lambda: not v.computed.nan,
                  "underflow": lambda: not v.vanishes, "digits": lambda: self.accurate(v)}
        return CANNOT if isinstance(node, Input) or proved[kind]() else UNKNOWN

    def accurate(self, v: Value) -> bool:
        if v.exact.empty:
            return True
        relative, absolute = v.error
        return relative + over(absolute, v.exact.least) <= self.machine.unit**HALF

    def find_harmless(self, roots: Sequence[Node]) -> set[Node]:
        """The nodes whose infinities end before a root, proved: what reads them is finite, or harmless itself."""
        order = topological(roots)
        readers, found = consumers(order), set()
        for node in reversed(order):
            if node not in roots and all(r in found or not self.loose(r) for r in readers[node]):
                found.add(node)
        return found

    def loose(self, node: Node) -> bool:
        computed = self.value(node).computed
        return computed.infinite or computed.nan

    def row(self, node: Node) -> Row:
        v = self.value(node)
        at = str(node.origin).rsplit("/", 1)[-1] if node.origin.file else ""
        return Row(self.names[node], self.lines[node], at, v.exact.low, v.exact.high, **{k: self.status(node, k) for k in KINDS},
                   harmless=node in self.harmless)

    def findings(self) -> list[Finding]:
        found = []
        for node in self.order:
            for kind in KINDS:
                witness = self.search.found.get((node, kind))
                if witness is not None and witness.source and not isinstance(node, Input):
                    found.append(self.finding(node, kind, witness))
        return found

    def finding(self, node: Node, kind: str, witness: Witness) -> Finding:
        mixed = [(i.name, witness.point[i]) for i in inputs_of([node]) if i.dtype == "float" and witness.point[i].size]
        where = "at a mixed " + ", ".join(f"{name} in [{number(a.min())}, {number(a.max())}]" for name, a in mixed)
        simple = self.simpler.simplified(node, kind, witness)
        if simple is not None:
            needed, witness = simple
            where = self.where(node, kind, needed, witness)
        harmless = kind in ("overflow", "nan") and node in self.harmless
        text = f"{self.verb(node, kind, witness)} {where}".rstrip() + ", but what reads it is finite" * harmless
        return Finding(self.names[node], self.lines[node], kind, text, {i.name: a for i, a in witness.point.items()}, harmless)

    def where(self, node: Node, kind: str, needed: Mapping[Input, float], witness: Witness) -> str:
        if len(needed) == 1:
            (i, _), = needed.items()
            low, high = self.simpler.thresholds(node, kind, i, witness)
            sides = [f"{i.name} {sign} {number(end)}" for sign, end in (("<=", low), (">=", high)) if end is not None]
            if sides:
                return f"for {' and '.join(sides)}"
        return "at " + ", ".join(f"{i.name} = {number(x)}" for i, x in needed.items()) if needed else ""

    def verb(self, node: Node, kind: str, witness: Witness) -> str:
        if kind == "digits":
            return f"loses {witness.digits:.0f} of {-np.log10(self.machine.unit):.0f} digits"
        exact = self.value(node).exact
        if kind == "overflow" and (exact.infinite or exact.greatest <= self.machine.largest):     # a pole, or what went wrong before
            return "is infinite"
        return {"overflow": "overflows", "nan": "is NaN", "underflow": "underflows"}[kind]

    def report(self) -> Ranges:
        box = [f"{i.name} in [{number(low)}, {number(high)}]" for i, (low, high) in self.box.items() if i.dtype == "float"]
        box += [f"{n} = {low}" if low == high else f"{n} in {low}..{high}" for n, (low, high) in self.sizes.items()]
        return Ranges(self.machine.name, "for " + ", ".join(box) if box else "", tuple(self.row(n) for n in self.order), tuple(self.findings()))
