"""Binding: a user's data against the inputs of a graph. What does not fit is named by tensor, dim and line.

    float inputs    float32 or float64 arrays, or Python numbers and lists; all are computed in the widest precision given
    int inputs      any integer arrays, as int64; labels are checked to lie below their bound
    bool inputs     bool arrays

A symbolic dim gets its extent from the first array that has it, and every other must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from graphc.errors import BindingError, BindingTypeError, DimError
from graphc.ir.access import bounds, inside
from graphc.ir.classify import is_guarded
from graphc.ir.nodes import Comprehension, Input, Node, Read
from graphc.ir.walk import topological
from graphc.scalar.symbols import Extent, Placeholder
from graphc.scalar.table import op

__all__ = ["Bound", "Binder", "Labels", "Requirement", "requirements", "known_labels", "label_bounds"]


@dataclass
class Bound:
    arrays: dict[Input, np.ndarray]
    extents: dict[str, int]
    dtype: np.dtype


@dataclass(frozen=True)
class Requirement:
    """low <= value must hold between extents when a program is called."""

    expression: sp.Expr
    message: str

    def check(self, extents: Mapping[str, int]) -> None:
        from graphc.ir.interpret import size_of
        if size_of(self.expression, extents) < 0:
            sizes = ", ".join(f"{k} = {v}" for k, v in extents.items())
            raise BindingError(f"{self.message}, which does not hold for {sizes}")


@dataclass(frozen=True)
class Labels:
    """Every value lies in [0, below) or is one of `others`. Generated code checks it where inputs show the bound."""

    input: Input
    below: sp.Expr
    others: tuple[int, ...]
    compiled: bool


class Binder:
    """What calling a graph checks, found once: `Binder(inputs, roots).bind({"X": ...})`."""

    def __init__(self, inputs: Sequence[Input], roots: Sequence[Node]):
        self.inputs = tuple(inputs)
        self.labels = label_bounds(inputs, roots)
        self.requirements = requirements(roots)
        shown = {s.name for i in self.inputs for s in i.dims if isinstance(s, Extent)}
        mentioned = {s.name for i in self.inputs for size in i.dims for s in size.free_symbols}          # n + 1 = 4 says what n is
        used = [n for n in extents_of(roots) if n not in shown]
        bounds_ = {s.name for i in self.inputs if i.below is not None for s in i.below.free_symbols}
        self.needed = [n for n in used if n not in mentioned]
        self.allowed = {*used, *bounds_} - shown

    def bind(self, given: Mapping[str, Any], labels: bool = True, converted_by: Callable[[Input, Any], Any] | None = None) -> Bound:
        """Check and convert data for all inputs. Without `labels`, those that generated code checks are left to it. `converted_by` stands for
        `convert` where data may be other than NumPy's."""
        extents = {n: _size(n, given[n]) for n in self.allowed if n in given}
        owner = {n: "the call" for n in extents}
        check_names(self.inputs, {k: v for k, v in given.items() if k not in extents}, [n for n in self.needed if n not in given])
        converted = {i: (converted_by or convert)(i, given[i.name]) for i in self.inputs}
        dtype = common_dtype(self.inputs, converted)
        arrays = {}
        for i in self.inputs:
            a = converted[i]
            arrays[i] = a.astype(dtype, copy=False) if i.dtype == "float" else a
            learn_dims(i, arrays[i].shape, extents, owner)
        match_dims(self.inputs, arrays, extents)
        for check in self.labels:
            if labels or not check.compiled:
                check_labels(check, arrays[check.input], extents)
        for r in self.requirements:
            r.check(extents)
        return Bound(arrays, extents, dtype)


def extents_of(roots: Sequence[Node]) -> list[str]:
    """The names of all dims that a graph uses."""
    found: dict[str, None] = {}
    for node in topological(roots):
        expressions = [*node.dims, *getattr(node, "over", ())] + ([] if isinstance(node, Input) else [node.body])
        for e in expressions:
            found |= dict.fromkeys(sorted(s.name for s in e.free_symbols if isinstance(s, Extent)))
    return list(found)


def _size(name: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < 0:
        raise BindingTypeError(f"the size of dim {name} is a whole number, given {value!r}")
    return int(value.__index__())


def check_names(inputs: Sequence[Input], given: Mapping[str, Any], sizes: Sequence[str] = ()) -> None:
    """Every input is given, and nothing else; `sizes` are dims that no array shows and that must be given as numbers."""
    names = [i.name for i in inputs]
    missing = [n for n in names if n not in given] + [f"{n} (the size of a dim that no input has)" for n in sizes]
    extra = [n for n in given if n not in names]
    if missing or extra:
        parts = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"unknown: {', '.join(extra)}"] * bool(extra)
        raise BindingTypeError(f"{'; '.join(parts)}. The inputs are {', '.join(map(signature, inputs)) or 'none'}")


def signature(i: Input) -> str:
    return f"{i.name}[{', '.join(map(str, i.dims))}]" if i.dims else i.name


def convert(i: Input, value: Any) -> np.ndarray:
    """An input's data as an array of its kind; Python numbers are weak and take the precision of the arrays."""
    if isinstance(value, bool | np.bool_) and i.dtype != "bool":
        raise BindingTypeError(f"{signature(i)} needs {i.dtype} numbers, given a bool; write 1.0 or 0.0\n  declared at {i.origin}")
    try:
        if type(value).__module__.split(".")[0] == "torch":
            value = value.detach().cpu().numpy() if hasattr(value, "detach") else value
        a = np.asarray(value)
    except Exception as error:
        raise BindingTypeError(f"{signature(i)} needs an array, given {type(value).__name__}: {error}\n  declared at {i.origin}") from None
    if not a.dtype.isnative:
        a = a.astype(a.dtype.newbyteorder("="))
    weak = not hasattr(value, "dtype")
    if weak and a.dtype.kind in "iu" and i.dtype == "float":
        a = a.astype(np.float64)
    if not (weak and not a.size and i.dtype == "int"):
        check_kind(i, a.dtype, weak)
    if i.dtype == "float":
        return a.astype(i.precision) if i.precision else _Weak(a) if weak else a
    if i.dtype == "int":
        if a.dtype == np.uint64 and a.size and a.max() > np.iinfo(np.int64).max:
            raise BindingError(f"{signature(i)} has a value above 2**63 - 1")
        return a.astype(np.int64, copy=False)
    return a


def check_kind(i: Input, given: np.dtype, weak: bool = False) -> None:
    """Data of this dtype are of an input's kind; `weak` are Python's numbers, which have no precision of their own."""
    problem = None
    if i.dtype == "float" and given not in (np.float32, np.float64):
        problem = f"float32 or float64, given {given} ({_float_way(given)})"
    elif i.dtype == "int" and given.kind not in "iu":
        problem = f"integers, given {given}; convert with .astype(int) if the values are whole"
    elif i.dtype == "bool" and given != np.bool_:
        problem = f"bool values, given {given}; compare first, as in x > 0"
    if problem:
        raise BindingTypeError(f"{signature(i)} needs {problem}\n  declared at {i.origin}")
    if i.precision and not weak and given != i.precision:
        raise BindingTypeError(f"{signature(i)} is declared {i.precision}, given {given}\n  declared at {i.origin}")


def _float_way(given: np.dtype) -> str:
    if given.kind in "iu":
        return "integer data: convert with .astype(float), or declare it with gc.labels"
    return "a ragged or non-numeric list" if given == np.dtype(object) else "use float32 or float64"


class _Weak(np.ndarray):
    """Marks data that came as Python numbers, whose precision gives way."""

    def __new__(cls, a: np.ndarray) -> _Weak:
        return np.asarray(a).view(cls)


def common_dtype(inputs: Sequence[Input], converted: Mapping[Input, np.ndarray]) -> np.dtype:
    strong = [converted[i].dtype for i in inputs if i.dtype == "float" and not isinstance(converted[i], _Weak)]
    for i in inputs:
        if isinstance(converted[i], _Weak):
            converted[i] = converted[i].view(np.ndarray)                                         # type: ignore[index]
    return np.result_type(*strong) if strong else np.dtype(np.float64)


def learn_dims(i: Input, shape: tuple[int, ...], extents: dict[str, int], owner: dict[str, str]) -> None:
    """Learn the extents of named dims from a shape; refuse one that disagrees."""
    if len(shape) != len(i.dims):
        raise BindingError(f"{signature(i)} has {len(i.dims)} axes, given an array of shape {shape}\n  declared at {i.origin}")
    for k, (size, n) in enumerate(zip(i.dims, shape, strict=True)):
        if isinstance(size, Extent):
            known = extents.setdefault(size.name, n)
            first = owner.setdefault(size.name, f"{i.name} (axis {k})")
            if known != n:
                raise BindingError(f"dim {size.name} is {known} in {first} and {n} in {i.name} (axis {k}, shape {shape})\n  declared at {i.origin}")


def match_dims(inputs: Iterable[Input], arrays: Mapping[Input, np.ndarray], extents: dict[str, int]) -> None:
    """Check the dims that are numbers or products and sums of names; one with a single unknown name gives its extent: n + 1 = 4, so n = 3."""
    from graphc.ir.interpret import size_of
    waiting = [(i, k) for i in inputs for k, size in enumerate(i.dims) if not isinstance(size, Extent)]
    while waiting:
        unknown = {(i, k): sorted(s.name for s in i.dims[k].free_symbols if s.name not in extents) for i, k in waiting}
        i, k = min(waiting, key=lambda at: len(unknown[at]))
        size, n, names = i.dims[k], arrays[i].shape[k], unknown[i, k]
        waiting.remove((i, k))
        if len(names) > 1:
            raise DimError(f"{signature(i)}: the size of dim {size} does not say what {' and '.join(names)} are, and no other input has them")
        if names:
            extents[names[0]] = _solved(size, n, names[0], extents)
        if size_of(size, extents) != n:
            raise BindingError(f"{i.name} (axis {k}) is declared with size {size}{f' = {size_of(size, extents)}' if size.free_symbols else ''}, "
                               f"given shape {arrays[i].shape}\n  declared at {i.origin}")


def _solved(size: sp.Expr, n: int, name: str, extents: Mapping[str, int]) -> int:
    """The extent that makes a size equal n, or the nearest whole number below, which does not."""
    (symbol,) = (s for s in size.free_symbols if s.name == name)
    line = sp.Poly(size.xreplace({s: sp.Integer(extents[s.name]) for s in size.free_symbols - {symbol}}), symbol)
    if line.degree() != 1:
        raise DimError(f"the dim {size} does not say what {name} is, and no other input has it")
    slope, offset = (int(c) for c in line.all_coeffs())
    return max((n - offset) // slope, 0)


def known_labels(roots: Sequence[Node]) -> dict[Input, tuple[int, ...]]:
    """Label values that a formula treats apart: those it compares the labels with (`t != -100`)."""
    found: dict[Input, set[int]] = {}
    for node in topological(roots):
        if not isinstance(node, Comprehension) or len(node.reads) != 1 or not isinstance(node.reads[0].operand, Input):
            continue
        i = node.reads[0].operand
        for e in node.body.atoms(op("eq"), op("ne")):
            for a, b in (e.args, e.args[::-1]):
                if isinstance(a, Placeholder) and b.is_Integer:
                    found.setdefault(i, set()).add(int(b))
    return {i: tuple(sorted(v)) for i, v in found.items()}


def label_bounds(inputs: Sequence[Input], roots: Sequence[Node]) -> list[Labels]:
    """The bounds of label inputs, and the values outside that are let through."""
    shown = {s for i in inputs for size in i.dims for s in size.free_symbols}
    compared = known_labels(roots)
    return [Labels(i, i.below, (*i.ignore, *compared.get(i, ())), i.below.free_symbols <= shown) for i in inputs if i.below is not None]


def check_labels(labels: Labels, a: np.ndarray, extents: Mapping[str, int]) -> None:
    i = labels.input
    if not a.size or not {s.name for s in labels.below.free_symbols} <= set(extents):
        return
    from graphc.ir.interpret import size_of
    bound = size_of(labels.below, extents)
    low, high = a.min(), a.max()
    if 0 <= low and high < bound:
        return
    wrong = (a < 0) | (a >= bound)
    for value in labels.others:
        wrong &= a != value
    if wrong.any():
        at = tuple(int(x) for x in np.argwhere(wrong)[0])
        where = f"{i.name}[{', '.join(map(str, at))}]" if at else i.name
        raise BindingError(f"{where} = {a[at]} is not in [0, {i.below}{f' = {bound}' if labels.below.free_symbols else ''}). Labels count from 0; "
                           f"a value to leave out is declared with gc.labels(..., ignore=...) or ignore_index\n  declared at {i.origin}")


def requirements(roots: Sequence[Node]) -> list[Requirement]:
    """What must hold between extents: subscripts that stay inside, reductions that are not empty."""
    found: dict[sp.Expr, Requirement] = {}
    for node in topological(roots):
        if isinstance(node, Input):
            continue
        if node.reduce in ("max", "min", "argmax", "argmin"):
            for size in node.over:
                if not size.is_Integer:
                    found.setdefault(size - 1, Requirement(size - 1, f"{node.reduce} over dim {size} needs at least one element ({node.origin})"))
        for size in node.ranges.values():
            if any(c.is_negative for c in size.atoms(sp.Integer)):
                found.setdefault(size, Requirement(size, f"the extent {size} must not be negative ({node.origin})"))
        for k, read in enumerate(node.reads):
            for e, size in zip(read.index, read.operand.dims, strict=True):
                if isinstance(e, Read) or inside(e, size, node.ranges) is True or is_guarded(node, k):
                    continue
                limits = bounds(e, node.ranges)
                if limits is None:
                    continue
                empty = sp.Mul(*node.ranges.values())
                if empty == 0:
                    continue
                for expression in (sp.expand(limits[0]), sp.expand(size - 1 - limits[1])):
                    message = f"the subscript of {_name(read.operand)} must stay inside dim {size} ({node.origin})"
                    found.setdefault(expression, Requirement(expression, message))
    return [r for e, r in found.items() if not (e.is_Integer and e >= 0)]


def _name(node: Node) -> str:
    return node.name if isinstance(node, Input) else node.origin.hint or node.origin.op or "a tensor"
