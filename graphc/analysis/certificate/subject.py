"""What a certificate is about: a compiled program, and for each of its results the formula that it should agree with.

    y            a result; judged by the formula itself
    dy/dw        for a scalar y, its gradient by an input w; for any other y, that of  s = sum(y_bar*y)  with an input y_bar of y's dims

A Program's gradients are those that it computes; of tensors, those by `wrt`, else by the parameters, else by all float inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphc.analysis.certificate.reference import Formula
from graphc.compiler import Program, compile
from graphc.errors import DifferentiationError, DimError, FormulaError
from graphc.frontend.declare import tensor
from graphc.frontend.derivatives import find_wrt, grad, jvp, parameters_of, vjp
from graphc.frontend.elementwise import as_tensor, located
from graphc.frontend.index import settle
from graphc.frontend.reduce import sum
from graphc.frontend.tensor import Tensor, describe
from graphc.ir.nodes import Input
from graphc.ir.walk import inputs_of

__all__ = ["Output", "Subject", "subject_of"]

UNNAMED = "value"


@dataclass
class Output:
    """One result: where the program returns it and its gradients, and the formulas that judge them."""

    name: str
    tensor: Tensor
    position: int
    scalar: Tensor | None = None                                       # what is differentiated
    gradients: dict[Input, int] = field(default_factory=dict)          # by input: positions

    def __post_init__(self) -> None:
        self.formula = Formula(self.tensor.node)
        self.slopes = Formula(self.scalar.node) if self.scalar is not None else None
        self.tangents = {w: tensor(f"{w.name}_dot", Tensor(w).dims) for w in self.gradients}
        self.forward = (Formula(jvp(self.scalar, [Tensor(w) for w in self.gradients], list(self.tangents.values())).node)
                        if self.scalar is not None and self.gradients else None)

    @property
    def short(self) -> str:
        return "" if self.name == UNNAMED else self.name

    def gradient_name(self, w: Input) -> str:
        return f"d{self.short}/d{w.name}"

    @property
    def reverse_name(self) -> str:
        return f"d{self.short} along u, reverse"

    @property
    def forward_name(self) -> str:
        return f"d{self.short} along u, forward"

    @property
    def results(self) -> list[str]:
        """The names of rows, in order."""
        return [self.name, *map(self.gradient_name, self.gradients), self.reverse_name, self.forward_name]


@dataclass
class Subject:
    program: Program
    outputs: list[Output]
    seeds: frozenset[Input] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def inputs(self) -> list[Input]:
        return inputs_of([t.node for t in self.program.outputs])

    def results(self, arrays: Mapping[str, Any], extents: Mapping[str, int]) -> dict[int, np.ndarray]:
        """What the compiled kernels return, by position."""
        returned = self.program(**arrays, **{n: extents[n] for n in self.program.sizes})
        return {k: np.asarray(v) for k, v in self.program._structure.flatten(returned).items()}


def subject_of(target: Any, wrt: Any) -> Subject:
    if isinstance(target, Program):
        if wrt is not None:
            raise located(DifferentiationError("check: a Program's gradients are chosen already; give wrt with the tensor, or to gc.compile"))
        return _compiled(target)
    return _formulas(target, wrt)


# --- a Program --------------------------------------------------------------------------------------------------------

def _compiled(program: Program) -> Subject:
    shape = program._structure.shape
    gradients: dict[str, int] = {}
    if isinstance(shape, tuple) and len(shape) == 2 and isinstance(shape[1], dict):
        shape, gradients = shape
    tensors = program.outputs
    by_name = {i.name: i for i in inputs_of([tensors[0].node])}
    known = {by_name[w]: k for w, k in gradients.items() if w in by_name}
    notes = [f"the gradient by {w}: it is no input, so its value cannot be changed" for w in gradients if w not in by_name]
    notes += ["gradients: the program computes none"] * (not gradients)
    outputs = [Output(name, tensors[k], k, tensors[k] if known and k == 0 else None, known if k == 0 else {})
               for name, k in _names(shape, tensors)]
    return Subject(program, outputs, notes=tuple(notes))


def _names(shape: Any, tensors: Sequence[Tensor]) -> list[tuple[str, int]]:
    pairs = list(shape.items()) if isinstance(shape, dict) else [("", k) for k in ([shape] if isinstance(shape, int) else shape)]
    return [(str(name) or tensors[k].name or (UNNAMED if len(pairs) == 1 else f"{UNNAMED}{k}"), k) for name, k in pairs]


# --- formulas ---------------------------------------------------------------------------------------------------------

def _formulas(target: Any, wrt: Any) -> Subject:
    tensors = [_whole(t) for t in (target.values() if isinstance(target, dict) else target if isinstance(target, list | tuple) else [target])]
    if not tensors:
        raise located(FormulaError("check needs at least one tensor"))
    names = [name for name, _ in _names({k: n for n, k in enumerate(target)} if isinstance(target, dict) else list(range(len(tensors))), tensors)]
    chosen = _chosen(tensors, wrt)
    taken = {i.name for i in inputs_of([t.node for t in tensors])}
    results, outputs, seeds = list(tensors), [], []
    for k, (name, y, by) in enumerate(zip(names, tensors, chosen, strict=True)):
        scalar, cotangents = y, []
        if by and y.ndim:
            seed = tensor(_free(f"{name}_bar", taken), y.dims)
            seeds.append(seed.node)
            scalar, cotangents = sum(y * seed), vjp(y, by, seed)
        elif by:
            cotangents = grad(y, by)
        outputs.append(Output(name, y, k, scalar if by else None, {w.node: len(results) + m for m, w in enumerate(by)}))      # type: ignore[misc]
        results += cotangents
    return Subject(compile(results, wrt=()), outputs, frozenset(seeds))                          # type: ignore[arg-type]


def _whole(value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        raise located(FormulaError(f"check takes a tensor, a list or dict of tensors, or a Program, not {type(value).__name__}"))
    t = settle(as_tensor(value))
    if t.free:
        raise located(DimError(f"{describe(t)} has the free indices ({', '.join(t.free)}); reduce them (gc.Sum) or make axes of them (gc.array)"))
    return t


def _chosen(tensors: Sequence[Tensor], wrt: Any) -> list[list[Tensor]]:
    """For each tensor the inputs that it is differentiated by."""
    if wrt is None:
        found = [parameters_of(t) or [Tensor(i) for i in inputs_of([t.node]) if i.dtype == "float"] if t.dtype == "float" else [] for t in tensors]
        if len(tensors) == 1 and tensors[0].dtype == "float" and not found[0]:
            raise located(DifferentiationError(f"check: {describe(tensors[0])} has no float input to differentiate by"))
        return found
    wanted = list(wrt) if isinstance(wrt, list | tuple) else [wrt]
    if not wanted:
        raise located(DifferentiationError("check: wrt names no tensor"))
    if len(tensors) == 1:
        return [_inputs_among(tensors[0], wanted)]
    below = [{i.name: i for i in inputs_of([t.node])} for t in tensors]
    return [_inputs_among(t, here) if (here := [w for w in wanted if _name(w) in names]) and t.dtype == "float" else []
            for t, names in zip(tensors, below, strict=True)]


def _name(w: Any) -> Any:
    return w.name if isinstance(w, Tensor) else w


def _inputs_among(t: Tensor, wanted: list[Any]) -> list[Tensor]:
    found = find_wrt(t, wanted, "check")
    for w in found:
        if not isinstance(w.node, Input):
            raise located(DifferentiationError(f"check: {describe(w)} is no input, so its value cannot be changed; name an input"))
    return found


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name
