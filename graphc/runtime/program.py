"""Program: a compiled formula. What programs of all targets share: their description, what a call is given, and who is to blame when it fails."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from graphc.errors import BindingError, BindingTypeError
from graphc.frontend.tensor import Tensor
from graphc.ir.bind import Binder, Bound, signature
from graphc.ir.interpret import size_of
from graphc.ir.nodes import Input, Node
from graphc.runtime.load import Source
from graphc.runtime.nans import NonFinite, locate
from graphc.runtime.structure import Structure

__all__ = ["Program", "Source", "Structure", "KINDS"]

KINDS: dict[str, np.dtype] = {"float32": np.dtype(np.float32), "float64": np.dtype(np.float64), "int": np.dtype(np.int64),
                              "bool": np.dtype(np.bool_)}
_MOST_PLANS = 256


class Program(ABC):
    """A compiled formula: `loss, grads = f(X=X_, W=W_)`.

    Inputs are arrays, numbers or nested lists, by name or in the order of `f.inputs`; they are never modified. Results are NumPy arrays, and
    NumPy scalars where a result has no axes; float32 or float64 as the inputs are. `out=` takes C-contiguous arrays to write into, in
    the structure of the result, with None for those to allocate. Sizes may change from call to call, and compile nothing but what short
    rows, long rows or few features need, when the first call has them (see graphc.loops.ways).
    C-contiguous arrays of one dtype (int64 for labels) cost least; `f.bind(...)` checks them once for many calls. A program for CUDA
    takes and returns arrays of the device (see graphc.runtime.cuda.program.CudaProgram).

    Raises BindingError (a ValueError) where data do not fit, BindingTypeError (also a TypeError) for a wrong dtype, a missing or an unknown name.
    """

    _signature: Callable[[Sequence[Any]], Any]         # of values that can be used as they are; None where one cannot
    _last: Any                                         # of which module the last call was

    def __init__(self, inputs: Sequence[Input], roots: Sequence[Node], outputs: Sequence[Tensor], structure: Structure,
                 source_of: Callable[[Any], Any], explain: Callable[[], str], dtype: str | None = None):
        self._inputs, self._roots, self._structure = tuple(inputs), tuple(roots), structure
        self._source_of, self._explain, self._dtype = source_of, explain, dtype
        self._outputs = tuple(outputs)
        names = [i.name for i in inputs]
        self._pick = itemgetter(*names) if len(names) > 1 else lambda given: tuple(given[n] for n in names)
        self._binder = Binder(inputs, roots)
        self._plans: dict[Any, Any] = {}

    @property
    def inputs(self) -> dict[str, tuple[str, ...]]:
        """The dims of each input, by name, in the order of positional arguments."""
        return {i.name: tuple(str(s) for s in i.dims) for i in self._inputs}

    @property
    def sizes(self) -> tuple[str, ...]:
        """The dims that no input shows; their sizes are given by name when the program is called."""
        return tuple(self._binder.needed)

    @property
    def outputs(self) -> list[Tensor]:
        """The tensors that the program computes, gradients last: gc.formula and gc.render take them."""
        return list(self._outputs)

    @property
    def source(self) -> str:
        """The generated module, for the dtype and sizes like those of the last call (float64 and long rows before the first)."""
        return self._source_of(self._last).text

    @property
    @abstractmethod
    def path(self) -> Path:
        """The file of the generated module."""

    def explain(self) -> str:
        """Each stage of the pipeline as text."""
        return self._explain()

    def __repr__(self) -> str:
        return f"<Program ({', '.join(map(signature, self._inputs))}) -> {len(self._roots)} output{'s' * (len(self._roots) != 1)}>"

    def __call__(self, *args: Any, out: Any = None, **inputs: Any) -> Any:
        values = self._in_order(args, inputs)
        plan = self._plans.get(self._signature(values))
        if plan is None:
            plan, values = self._check(self._named(args, inputs), values)
        self._last = plan.dtype
        given = self._structure.flatten(out) if out is not None else {}
        try:
            return self._structure.fill(plan.execute(values, given))
        except IndexError as error:
            self._refuse(args, inputs, error)

    @abstractmethod
    def bind(self, *args: Any, out: Any = None, **inputs: Any) -> Callable[[], Any]:
        """A call without arguments: it computes from what these arrays then hold, into the same buffers each time."""

    @abstractmethod
    def _check(self, named: Mapping[str, Any], values: Sequence[Any] = ()) -> tuple[Any, Sequence[Any]]:
        """The plan of a call and the arguments that it takes, with all checks. Kept for their signature if the values can be used as they are."""

    def _in_order(self, args: tuple[Any, ...], inputs: Mapping[str, Any]) -> Sequence[Any]:
        """All inputs in order, if they are given all by position or all by name, and nothing else is."""
        try:
            if len(args) + len(inputs) == len(self._inputs):
                return args or self._pick(inputs)
        except KeyError:
            pass
        return ()

    def _results(self, bound: Bound, dtype: str) -> tuple[tuple[tuple[int, ...], np.dtype], ...]:
        """The shape and dtype of each output."""
        return tuple((tuple(size_of(s, bound.extents) for s in r.dims), KINDS[dtype if r.dtype == "float" else r.dtype]) for r in self._roots)

    def _on_host(self, named: Mapping[str, Any]) -> Mapping[str, Any]:
        """What was given, where the checks of this processor can read it."""
        return named

    def _keep(self, key: Any, plan: Any) -> None:
        """Keep what a call with this signature comes to."""
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        self._plans[key] = plan

    def _refuse(self, args: tuple[Any, ...], inputs: Mapping[str, Any], error: IndexError) -> NoReturn:
        """A kernel met an index outside its dim: say whose."""
        self._binder.bind(self._on_host(self._named(args, inputs)))
        raise BindingError(f"{error}: an index that the formula computes runs past the tensor that it subscripts") from None

    def locate_nan(self, *args: Any, **inputs: Any) -> NonFinite | None:
        """The part of the formula that made a NaN or an infinity, and where, for a call that returns one; None where all outputs are finite.

        Takes what a call takes. `.formula`, `.index`, `.value`, `.operands` and `.origin` say what, where, from what and on which line;
        `str` says it in a sentence. An input with a NaN is named first. It interprets the compiled graph, derivatives included: slow.

        >>> import graphc as gc
        >>> x = gc.tensor("x", "n")
        >>> found = gc.compile(gc.sum(gc.exp(x) + gc.log(x))).locate_nan(x=[1.0, -2.0])
        >>> str(found).splitlines()[0]
        'log(x) is nan at [1] (n = 1), where x[1] = -2.0'
        """
        given = self._on_host(self._named(args, inputs))
        bound = self._binder.bind(given)
        results = self._structure.flatten(self(**given))
        return locate(self._inputs, self._roots, bound, self._dtype or bound.dtype.name, [results[k] for k in range(len(self._roots))])

    def _named(self, args: tuple[Any, ...], inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        if not args:
            return inputs
        if len(args) > len(self._inputs):
            raise BindingTypeError(f"{len(args)} positional inputs given, and the program has {len(self._inputs)}: "
                                   f"{', '.join(map(signature, self._inputs))}")
        positional = {i.name: a for i, a in zip(self._inputs, args, strict=False)}
        twice = set(positional) & set(inputs)
        if twice:
            raise BindingTypeError(f"given both by position and by name: {', '.join(sorted(twice))}")
        return positional | dict(inputs)
