r"""Can a formula overflow? `gc.range`: an interval for every node, and what may go wrong there in float32 or float64.

    cannot       proved: the interval of all that the machine may compute has no infinity, no NaN, nothing below the least normal number,
                 or a bound of its rounding error leaves half of its digits right
    can          shown: the interpreter meets it at a point of the box, the witness
    cannot say   neither

`bounds` proves, `witness` shows, and this module asks both and writes the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mpmath
import numpy as np

from graphc.analysis.bounds import Bounds, Value
from graphc.analysis.intervals import FORMATS, MP, Format, interval
from graphc.analysis.roundoff import over
from graphc.analysis.witness import HALF, KINDS, Search, Witness
from graphc.compiler import PASSES, Compilation
from graphc.errors import BindingError, BindingTypeError, DimError, TargetError
from graphc.frontend.derivatives import grad as gradient
from graphc.frontend.derivatives import parameters_of
from graphc.frontend.elementwise import as_tensor, located
from graphc.frontend.index import settle
from graphc.frontend.tensor import Tensor, describe
from graphc.ir.bind import extents_of, signature
from graphc.ir.build import is_view
from graphc.ir.names import names_of
from graphc.ir.nodes import Input, Node
from graphc.ir.show import meaning_of
from graphc.ir.walk import consumers, inputs_of, topological
from graphc.scalar.symbols import Extent

__all__ = ["range", "Ranges", "Row", "Finding", "LARGEST_SIZE"]

LARGEST_SIZE = 2**31         # of a dim whose size is not given
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
        body = [(r.node, r.at, _number(r.low), _number(r.high), *(_SHORT[getattr(r, k)] for k in KINDS)) for r in self.rows]
        widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
        right = (False, False, True, True, False, False, False, False)
        lines = ["  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip() for row in (head, *body)]
        longest = max((len(f.name) for f in self.findings), default=0)
        notes = [f"{f.name.ljust(longest)}  {f.text}" for f in self.findings]
        legend = "- cannot (proved)   CAN (shown by a witness)   ? cannot say"
        return "\n".join([f"ranges in {self.dtype}  {self.box}", "", *lines, "", legend, *[""] * bool(notes), *notes])


def range(what: Any, /, *, dtype: str = "float32", sizes: Mapping[str, Any] | None = None, grad: bool = False,
          as_written: bool = False, **intervals: Any) -> Ranges:
    """Which parts of a formula can overflow, underflow, be NaN or lose their digits, and for which inputs.

    Inputs by name take (low, high), a number, or an array for its least and greatest; floats that are not named may be any finite
    number, labels any below their bound. `sizes` gives dims a size or (least, greatest); others lie between 1 and 2**31. Looked at
    is the graph as it is compiled, in its stable forms; with `as_written` the formula as the user wrote it. `grad` adds the gradients by the
    parameters (by all float inputs where there are none). Data are taken to be exact. Sums are bounded for whatever order of
    their terms. Raises BindingError for an interval that is none, or a name that is no input's.

    >>> import graphc as gc
    >>> y = gc.tensor("y", "n c")
    >>> L = gc.sum(gc.log(gc.sum(gc.exp(y), axis=1)))
    >>> gc.range(L, y=(-1e4, 1e4)).ok, gc.range(L, y=(-1e4, 1e4), as_written=True).ok
    (True, False)
    >>> gc.range(L, y=(-1e4, 1e4), as_written=True).findings[0].text
    'overflows for y >= 88.7228'

    Interval arithmetic: Moore, Kearfott and Cloud, Introduction to Interval Analysis, 2009. Errors: Higham, Accuracy and Stability of
    Numerical Algorithms, 2002.
    """
    if dtype not in FORMATS:
        raise located(TargetError(f"range: dtype {dtype!r} is not one of: {', '.join(FORMATS)}"))
    tensors = _tensors(what, grad)
    captured = [t.node for t in tensors]
    roots = captured if as_written else Compilation(captured, [""] * len(captured)).graphs[PASSES[-1][0]]
    machine, inputs = FORMATS[dtype], inputs_of(captured)
    extents = _sizes(captured, inputs, intervals, sizes or {})
    box = {i: _interval(i, intervals.get(i.name), machine) for i in inputs}
    unknown = [n for n in intervals if n not in {i.name for i in inputs}]
    if unknown:
        raise located(BindingTypeError(f"range: no input is called {', '.join(unknown)}. The inputs are {', '.join(map(signature, inputs)) or 'none'}"))
    return _Analysis(roots, box, extents, machine).report()


def _tensors(what: Any, grad: bool) -> list[Tensor]:
    given = what.outputs if hasattr(what, "outputs") else list(what.values()) if isinstance(what, dict) else what
    tensors = [settle(as_tensor(t)) for t in (given if isinstance(given, list | tuple) else [given])]
    for t in tensors:
        if t.free:
            raise located(DimError(f"range: {describe(t)} has the free indices ({', '.join(t.free)}); reduce them (gc.Sum) or make axes of them (gc.array)"))
    if not grad:
        return tensors
    by = parameters_of(tensors[0]) or [Tensor(i) for i in inputs_of([tensors[0].node]) if i.dtype == "float"]
    return [*tensors, *gradient(tensors[0], by)]


def _sizes(roots: Sequence[Node], inputs: Sequence[Input], data: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    shown = {s.name: int(n) for i in inputs if isinstance(data.get(i.name), np.ndarray) and np.ndim(data[i.name]) == len(i.dims)
             for s, n in zip(i.dims, data[i.name].shape, strict=True) if isinstance(s, Extent)}
    names = list(dict.fromkeys([*extents_of(roots), *(s.name for i in inputs if i.below is not None for s in i.below.free_symbols)]))
    strange = [n for n in given if n not in names]
    if strange:
        raise located(BindingTypeError(f"range: no dim is called {', '.join(map(str, strange))}. The dims are {', '.join(names) or 'none'}"))
    found = {}
    for n in names:
        size = given.get(n, shown.get(n, (1, LARGEST_SIZE)))
        low, high = size if isinstance(size, tuple | list) else (size, size)
        if not all(hasattr(e, "__index__") for e in (low, high)) or not 1 <= low <= high:
            raise located(BindingError(f"range: the size of dim {n} is a whole number from 1 on, or a pair (least, greatest), not {size!r}"))
        found[n] = (int(low), int(high))
    return found


def _interval(i: Input, given: Any, machine: Format) -> tuple[float, float]:
    if given is None:
        if i.dtype == "float":
            return -float(machine.largest), float(machine.largest)
        return (0, 1) if i.dtype == "bool" else (min(0, *i.ignore, 0), LARGEST_SIZE - 1) if i.below is not None else (-2**63, 2**63 - 1)
    try:
        values = np.asarray(given, dtype=float)
        ends = (float(values.min()), float(values.max()))
    except (TypeError, ValueError):
        raise located(BindingTypeError(f"range: {i.name} takes (low, high), a number or an array, not {given!r}")) from None
    if isinstance(given, tuple) and values.shape == (2,) and values[0] > values[1]:
        raise located(BindingError(f"range: the interval of {i.name} is {given!r}; the lower end comes first"))
    if not all(abs(e) <= float(machine.largest) for e in ends):
        raise located(BindingError(f"range: the interval of {i.name} is {given!r}; the ends are finite and within {machine.name}, "
                                   f"that is up to {float(machine.largest):.4g}. Leave {i.name} out for any finite number"))
    return ends


# --- verdicts -----------------------------------------------------------------------------------------------------------------

class _Analysis:
    def __init__(self, roots: Sequence[Node], box: Mapping[Input, tuple[float, float]], sizes: Mapping[str, tuple[int, int]], machine: Format):
        self.roots, self.box, self.machine, self.sizes = roots, box, machine, sizes
        used = [i for i in inputs_of(roots)]
        self.bounds = Bounds(roots, {i: self.given(i) for i in used}, sizes, machine)
        self.search = Search(roots, {i: box[i] for i in used}, {n: sizes[n] for n in sizes}, machine)
        self.search.run()
        self.order = [n for n in topological(roots) if isinstance(n, Input) or not is_view(n)]
        self.names = names_of(self.order)
        self.lines = meaning_of(self.order, self.names)
        self.harmless = self.find_harmless(roots)

    def given(self, i: Input) -> Value:
        low, high = self.box[i]
        if i.below is not None and low == 0:
            high = min(high, int(self._below(i)) - 1)
        x = interval(low, high)
        x = self.machine.rounded(x) if i.dtype == "float" else x
        return Value(x, x)

    def _below(self, i: Input) -> Any:
        size = i.below
        assert size is not None
        return size if size.is_Integer else self.sizes[size.name][1] if isinstance(size, Extent) else LARGEST_SIZE

    def value(self, node: Node) -> Value:
        return self.bounds.flat(self.bounds.values[node])

    def status(self, node: Node, kind: str) -> str:
        witness = self.search.found.get((node, kind))
        if witness is not None and not isinstance(node, Input) and (kind != "underflow" or witness.source):
            return CAN
        v = self.value(node)
        proved = {"overflow": lambda: not v.computed.infinite, "nan": lambda: not v.computed.nan, "underflow": lambda: not v.vanishes,
                  "digits": lambda: self.accurate(v)}
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
        return Row(self.names[node], self.lines[node], at, v.exact.low, v.exact.high, *(self.status(node, k) for k in KINDS),
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
        where = "at a mixed " + ", ".join(f"{name} in [{_number(a.min())}, {_number(a.max())}]" for name, a in mixed)
        simple = self.search.simplified(node, kind, witness)
        if simple is not None:
            needed, witness = simple
            where = self.where(node, kind, needed, witness)
        harmless = kind in ("overflow", "nan") and node in self.harmless
        text = f"{self.verb(node, kind, witness)} {where}".rstrip() + ", but what reads it is finite" * harmless
        return Finding(self.names[node], self.lines[node], kind, text, {i.name: a for i, a in witness.point.items()}, harmless)

    def where(self, node: Node, kind: str, needed: Mapping[Input, float], witness: Witness) -> str:
        if len(needed) == 1:
            (i, value), = needed.items()
            ends = self.search.threshold(node, kind, i, value, witness)
            if ends is not None:
                return f"for {i.name} >= {_number(ends[0])}" if value > self.search.calm(i) else f"for {i.name} <= {_number(ends[1])}"
        return "at " + ", ".join(f"{i.name} = {_number(x)}" for i, x in needed.items()) if needed else ""

    def verb(self, node: Node, kind: str, witness: Witness) -> str:
        if kind == "digits":
            return f"loses {witness.digits:.0f} of {-np.log10(self.machine.unit):.0f} digits"
        if kind == "overflow" and self.value(node).exact.infinite:
            return "is infinite"
        return {"overflow": "overflows", "nan": "is NaN", "underflow": "underflows"}[kind]

    def report(self) -> Ranges:
        box = [f"{i.name} in [{_number(low)}, {_number(high)}]" for i, (low, high) in self.box.items() if i.dtype == "float"]
        box += [f"{n} = {low}" if low == high else f"{n} in {low}..{high}" for n, (low, high) in self.sizes.items()]
        return Ranges(self.machine.name, "for " + ", ".join(box) if box else "", tuple(self.row(n) for n in self.order), tuple(self.findings()))


def _number(x: Any) -> str:
    """Six digits at most, without trailing zeros."""
    text = str(mpmath.nstr(MP.mpf(x), 6, min_fixed=-4, max_fixed=7, strip_zeros=True))
    return text.removesuffix(".0").replace(".0e", "e")
