"""Program: a compiled formula. Called with arrays by name, it returns NumPy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from graphc.errors import BindingError, BindingTypeError
from graphc.frontend.tensor import Tensor
from graphc.ir.bind import Binder, signature
from graphc.ir.interpret import size_of
from graphc.ir.nodes import Input, Node
from graphc.runtime.bound import BoundCall
from graphc.runtime.load import Loaded, Source
from graphc.runtime.nans import NonFinite, locate
from graphc.runtime.plan import Plan, signature_of
from graphc.runtime.structure import Structure

__all__ = ["Program", "Source", "Structure"]


_KINDS: dict[str, np.dtype] = {"float32": np.dtype(np.float32), "float64": np.dtype(np.float64), "int": np.dtype(np.int64),
                               "bool": np.dtype(np.bool_)}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_MOST_PLANS = 256


class Program:
    """A compiled formula: `loss, grads = f(X=X_, W=W_)`.

    Inputs are arrays, numbers or nested lists, by name or in the order of `f.inputs`; they are never modified. Results are NumPy arrays, and
    NumPy scalars where a result has no axes; float32 or float64 as the inputs are. `out=` takes C-contiguous arrays to write into, in
    the structure of the result, with None for those to allocate. Sizes may change from call to call without compiling again.
    C-contiguous arrays of one dtype (int64 for labels) cost least; `f.bind(...)` checks them once for many calls.

    Raises BindingError (a ValueError) where data do not fit, BindingTypeError (also a TypeError) for a wrong dtype, a missing or an unknown name.
    """

    def __init__(self, inputs: Sequence[Input], roots: Sequence[Node], outputs: Sequence[Tensor], structure: Structure,
                 source_of: Callable[[str], Source], explain: Callable[[], str], dtype: str | None = None):
        self._inputs, self._roots, self._structure = tuple(inputs), tuple(roots), structure
        self._source_of, self._explain, self._dtype = source_of, explain, dtype
        self._outputs = tuple(outputs)
        names = [i.name for i in inputs]
        self._pick = itemgetter(*names) if len(names) > 1 else lambda given: tuple(given[n] for n in names)
        self._binder = Binder(inputs, roots)
        self._loaded: dict[str, Loaded] = {}
        self._plans: dict[Any, Plan] = {}
        self._last = dtype or "float64"
        self._lock = threading.Lock()

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
        """The generated module, for the dtype of the last call (float64 before the first)."""
        return self._source_of(self._last).text

    @property
    def path(self) -> Path:
        """The file of the generated module."""
        return self._load(self._last).path

    def explain(self) -> str:
        """Each stage of the pipeline as text."""
        return self._explain()

    def __repr__(self) -> str:
        return f"<Program ({', '.join(map(signature, self._inputs))}) -> {len(self._roots)} output{'s' * (len(self._roots) != 1)}>"

    def __call__(self, *args: Any, out: Any = None, **inputs: Any) -> Any:
        values = self._in_order(args, inputs)
        plan = self._plans.get(signature_of(values))
        if plan is None:
            plan, values = self._check(self._named(args, inputs), values)
        self._last = plan.dtype
        given = self._structure.flatten(out) if out is not None else {}
        try:
            return self._structure.fill(plan.execute(values, given))
        except IndexError as error:
            self._refuse(args, inputs, error)

    def bind(self, *args: Any, out: Any = None, **inputs: Any) -> BoundCall:
        """A call without arguments: it computes from what these arrays then hold, into the same buffers each time.

        The arrays must be such that kernels take them as they are: C-contiguous, all floats of one dtype, integers int64. BindingTypeError
        names one that would have to be copied.

        >>> import graphc as gc, numpy as np
        >>> x = np.array([3.0, 4.0])
        >>> step = gc.compile(gc.sum(gc.param("x", "n")**2)).bind(x=x)
        >>> loss, grads = step()
        >>> x[0] = 0
        >>> loss, grads = step()
        >>> float(loss), grads["x"]
        (16.0, array([0., 8.]))
        """
        named = self._named(args, inputs)
        plan, values = self._check(named)
        for i, used in zip(self._inputs, values, strict=True):
            if i.dims and used.size and not (isinstance(named[i.name], np.ndarray) and np.may_share_memory(used, named[i.name])):
                raise BindingTypeError(f"bind takes arrays that kernels read in place, and {signature(i)} would be copied: give a C-contiguous "
                                       f"{used.dtype} array\n  declared at {i.origin}")
        values = [named[i.name] if k in plan.points else v for k, (i, v) in enumerate(zip(self._inputs, values, strict=True))]
        return BoundCall(plan, values, self._structure, self._structure.flatten(out), lambda error: self._refuse(args, inputs, error))

    def _in_order(self, args: tuple[Any, ...], inputs: Mapping[str, Any]) -> Sequence[Any]:
        """All inputs in order, if they are given all by position or all by name, and nothing else is."""
        try:
            if len(args) + len(inputs) == len(self._inputs):
                return args or self._pick(inputs)
        except KeyError:
            pass
        return ()

    def _check(self, named: Mapping[str, Any], values: Sequence[Any] = ()) -> tuple[Plan, Sequence[Any]]:
        """The plan of a call and the arguments that it takes, with all checks. Kept for their signature if kernels take the values as they are."""
        bound = self._binder.bind(named, labels=False)
        dtype = self._dtype or _NAMES[bound.dtype]
        loaded = self._load(dtype)
        used = [_argument(i, bound.arrays[i], dtype) for i in self._inputs]
        results = tuple((tuple(size_of(s, bound.extents) for s in r.dims), _KINDS[dtype if r.dtype == "float" else r.dtype]) for r in self._roots)
        points = tuple(k for k, i in enumerate(self._inputs) if not i.dims and _is_no_number(i, named[i.name]))
        plan = Plan(loaded.runner(bound.extents), dtype, results, tuple(bound.extents[name] for name in loaded.extents), points)
        key = signature_of(values)
        if key and all(u is v for i, u, v in zip(self._inputs, used, values, strict=True) if i.dims):
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            self._plans[key] = plan
        return plan, used

    def _refuse(self, args: tuple[Any, ...], inputs: Mapping[str, Any], error: IndexError) -> NoReturn:
        """A kernel met an index outside its dim: say whose."""
        self._binder.bind(self._named(args, inputs))
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
        bound = self._binder.bind(self._named(args, inputs))
        results = self._structure.flatten(self(*args, **inputs))
        return locate(self._inputs, self._roots, bound, self._dtype or _NAMES[bound.dtype], [results[k] for k in range(len(self._roots))])

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

    def _load(self, dtype: str) -> Loaded:
        if dtype not in self._loaded:
            with self._lock:
                if dtype not in self._loaded:
                    self._loaded[dtype] = Loaded(self._source_of(dtype), dtype)
        return self._loaded[dtype]


def _is_no_number(i: Input, given: Any) -> bool:
    """Whether what is given for an input without axes has to be made a number of its kind first."""
    return isinstance(given, np.ndarray) or i.dtype == "float" and isinstance(given, int)


def _argument(i: Input, a: np.ndarray, dtype: str) -> Any:
    """What `run` takes: a number, or a C-contiguous array that Numba sees as writable (it is not written)."""
    if i.dtype == "float" and a.dtype != _KINDS[dtype]:
        a = a.astype(dtype)
    if not i.dims:
        return a[()]
    if not a.flags.c_contiguous or not a.flags.aligned:
        a = np.array(a, order="C")
    if type(a) is not np.ndarray:
        a = a.view(np.ndarray)
    return a if a.flags.writeable else np.asarray(_Writable(a))


class _Writable:
    """A read-only array's memory, as NumPy sees it without the flag. Kernels do not write to inputs."""

    def __init__(self, a: np.ndarray):
        self.kept = a
        self.__array_interface__ = {**a.__array_interface__, "data": (a.__array_interface__["data"][0], False)}
