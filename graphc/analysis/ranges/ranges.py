r"""Can a formula overflow? `gc.range`: an interval for every node, and what may go wrong there in float32 or float64.

    cannot       proved: the interval of all that the machine may compute has no infinity, no NaN, nothing below the least normal number,
                 or a bound of its rounding error leaves half of its digits right
    can          shown: the interpreter meets it at a point of the box, the witness
    cannot say   neither

`bounds` proves, `witness` shows, `verdicts` asks both, `report` writes the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.analysis.ranges.intervals import FORMATS, Format
from graphc.analysis.ranges.report import Finding, Ranges, Row
from graphc.analysis.ranges.verdicts import Verdicts
from graphc.compiler import PASSES, Compilation
from graphc.errors import BindingError, BindingTypeError, DimError, TargetError
from graphc.frontend.derivatives import find_wrt, parameters_of
from graphc.frontend.derivatives import grad as gradient
from graphc.frontend.elementwise import as_tensor, located
from graphc.frontend.index import settle
from graphc.frontend.tensor import Tensor, describe
from graphc.ir.bind import extents_of, known_labels, signature
from graphc.ir.nodes import Input, Node
from graphc.ir.walk import inputs_of
from graphc.scalar.symbols import Extent

__all__ = ["range", "Ranges", "Row", "Finding"]

LARGEST_SIZE = 2**31         # of a dim whose size is not given


def range(what: Any, /, *, dtype: str = "float32", sizes: Mapping[str, Any] | None = None, grad: Any = False,
          as_written: bool = False, **intervals: Any) -> Ranges:
    """Which parts of a formula can overflow, underflow, be NaN or lose their digits, and for which inputs.

    Inputs by name take (low, high), a number, or an array for its least and greatest; floats that are not named may be any finite
    number, labels any below their bound. `sizes` gives dims a size or (least, greatest); others lie between 1 and 2**31. `dtype`
    is "float32" or "float64". Looked at is the graph as it is compiled, in its stable forms; with `as_written` the formula as the
    user wrote it. `grad=True` adds the gradients by the parameters (by all float inputs where there are none), `grad=[W]` those by W.
    Data are taken to be exact. Sums are bounded for whatever order of their terms. The answer has `.ok`, `.safe`, `.rows` and
    `.findings`, and prints as a table. Raises BindingError for an interval that is none, or a name that is no input's.

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
    labels = known_labels(captured)
    box = {i: _interval(i, intervals.get(i.name), machine, (*i.ignore, *labels.get(i, ()))) for i in inputs}
    unknown = [n for n in intervals if n not in {i.name for i in inputs}]
    if unknown:
        known = ", ".join(map(signature, inputs)) or "none"
        raise located(BindingTypeError(f"range: no input is called {', '.join(unknown)}. The inputs are {known}"))
    return Verdicts(roots, box, extents, machine).report()


def _tensors(what: Any, grad: Any) -> list[Tensor]:
    given = what.outputs if hasattr(what, "outputs") else list(what.values()) if isinstance(what, dict) else what
    tensors = [settle(as_tensor(t)) for t in (given if isinstance(given, list | tuple) else [given])]
    for t in tensors:
        if t.free:
            raise located(DimError(f"range: {describe(t)} has the free indices ({', '.join(t.free)}); "
                                   "reduce them (gc.Sum) or make axes of them (gc.array)"))
    if grad is False:
        return tensors
    floats = [Tensor(i) for i in inputs_of([tensors[0].node]) if i.dtype == "float"]
    by = find_wrt(tensors[0], grad, "range") if grad is not True else parameters_of(tensors[0]) or floats
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


def _interval(i: Input, given: Any, machine: Format, besides: Sequence[int]) -> tuple[float, float]:
    if given is None:
        if i.dtype == "float":
            return -float(machine.largest), float(machine.largest)
        return (0, 1) if i.dtype == "bool" else (-2**63 if i.below is None else min(0, *besides, 0), 2**63 - 1)
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
