"""Program: a compiled formula. Called with arrays by name, it returns NumPy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphc.errors import BindingError, BindingTypeError
from graphc.frontend.tensor import Tensor
from graphc.ir.bind import Binder, Bound, signature
from graphc.ir.interpret import size_of
from graphc.ir.nodes import Input, Node
from graphc.runtime.load import load
from graphc.runtime.nans import NonFinite, locate

__all__ = ["Program", "Structure"]


_KINDS: dict[str, np.dtype] = {"float32": np.dtype(np.float32), "float64": np.dtype(np.float64), "int": np.dtype(np.int64),
                               "bool": np.dtype(np.bool_)}
_NAMES = {kind: name for name, kind in _KINDS.items()}


class Structure:
    """How results are handed back: a tensor alone, a list, a dict, or (value, gradients by name). `shape` nests indices of the flat outputs."""

    def __init__(self, shape: Any):
        self.shape = shape

    def fill(self, values: Sequence[Any], shape: Any = None) -> Any:
        shape = self.shape if shape is None else shape
        if isinstance(shape, int):
            return values[shape]
        if isinstance(shape, dict):
            return {k: self.fill(values, s) for k, s in shape.items()}
        return type(shape)(self.fill(values, s) for s in shape)

    def flatten(self, given: Any, shape: Any = None) -> dict[int, Any]:
        """The buffers of `out=` by flat index. A dict given for (value, gradients) means the gradients."""
        shape = self.shape if shape is None else shape
        if given is None:
            return {}
        if isinstance(shape, int):
            return {shape: given}
        if isinstance(shape, tuple) and isinstance(given, dict):
            return self.flatten(given, shape[1])
        if isinstance(shape, dict):
            if not isinstance(given, dict) or not set(given) <= set(shape):
                raise BindingTypeError(f"out= must be a dict with keys among {list(shape)}, given {_kind(given)}")
            pairs = [(shape[k], v) for k, v in given.items()]
        else:
            if not isinstance(given, list | tuple) or len(given) != len(shape):
                raise BindingTypeError(f"out= must be a sequence of {len(shape)}, as the program returns, given {_kind(given)}")
            pairs = list(zip(shape, given, strict=True))
        return {k: v for s, g in pairs for k, v in self.flatten(g, s).items()}


def _kind(given: Any) -> str:
    return f"a dict with keys {list(given)}" if isinstance(given, dict) else type(given).__name__


class Program:
    """A compiled formula: `loss, grads = f(X=X_, W=W_)`.

    Inputs are arrays, numbers or nested lists, by name or in the order of `f.inputs`; they are never modified. Results are NumPy arrays, and
    NumPy scalars where a result has no axes; float32 or float64 as the inputs are. `out=` takes C-contiguous arrays to write into, in
    the structure of the result, with None for those to allocate. Sizes may change from call to call without compiling again.

    Raises BindingError (a ValueError) where data do not fit, BindingTypeError (also a TypeError) for a wrong dtype, a missing or an unknown name.
    """

    def __init__(self, inputs: Sequence[Input], roots: Sequence[Node], outputs: Sequence[Tensor], structure: Structure,
                 source_of: Callable[[str], tuple[str, tuple[str, ...]]], explain: Callable[[], str], dtype: str | None = None):
        self._inputs, self._roots, self._structure = tuple(inputs), tuple(roots), structure
        self._source_of, self._explain, self._dtype = source_of, explain, dtype
        self._outputs = tuple(outputs)
        self._binder = Binder(inputs, roots)
        self._loaded: dict[str, tuple[Callable[..., Any], Path, tuple[str, ...]]] = {}
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
        return self._source_of(self._last)[0]

    @property
    def path(self) -> Path:
        """The file of the generated module."""
        return self._load(self._last)[1]

    def explain(self) -> str:
        """Each stage of the pipeline as text."""
        return self._explain()

    def __repr__(self) -> str:
        return f"<Program ({', '.join(map(signature, self._inputs))}) -> {len(self._roots)} output{'s' * (len(self._roots) != 1)}>"

    def __call__(self, *args: Any, out: Any = None, **inputs: Any) -> Any:
        bound = self._binder.bind(self._named(args, inputs))
        dtype = self._dtype_of(bound)
        run, _, extra = self._load(dtype)
        self._last = dtype
        values = [self._argument(i, bound.arrays[i], dtype) for i in self._inputs]
        buffers = self._buffers(bound, dtype, out, values)
        try:
            run(*values, *(b.reshape(1) if b.ndim == 0 else b for b in buffers), *(bound.extents[name] for name in extra))
        except IndexError as error:
            raise BindingError(f"{error}: an index that the formula computes runs past the tensor that it subscripts") from None
        given = self._structure.flatten(out)
        results = [given[k] if given.get(k) is not None else b[()] if b.ndim == 0 else b for k, b in enumerate(buffers)]
        return self._structure.fill(results)

    def locate_nan(self, *args: Any, **inputs: Any) -> NonFinite | None:
        """The part of the formula that made a NaN or an infinity, and where, for a call that returns one; None where all outputs are finite.

        Takes what a call takes. `.formula`, `.index`, `.value`, `.operands` and `.origin` say what, where, from what and on which line;
        `str` says it in a sentence. An input with a NaN is named first. It interprets the compiled graph, derivatives included: slow.

        >>> import graphc as gc
        >>> x = gc.tensor("x", "n")
        >>> found = gc.compile(gc.sum(gc.exp(x) * gc.log(x))).locate_nan(x=[1.0, -2.0])
        >>> str(found).splitlines()[0]
        'log(x) is nan at [1] (n = 1), where x[1] = -2.0'
        """
        bound = self._binder.bind(self._named(args, inputs))
        results = self._structure.flatten(self(*args, **inputs))
        return locate(self._inputs, self._roots, bound, self._dtype_of(bound), [results[k] for k in range(len(self._roots))])

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

    def _dtype_of(self, bound: Bound) -> str:
        return self._dtype or _NAMES[bound.dtype]

    def _load(self, dtype: str) -> tuple[Callable[..., Any], Path, tuple[str, ...]]:
        if dtype not in self._loaded:
            with self._lock:
                if dtype not in self._loaded:
                    source, extra = self._source_of(dtype)
                    self._loaded[dtype] = (*load(source), extra)
        return self._loaded[dtype]

    def _argument(self, i: Input, a: np.ndarray, dtype: str) -> Any:
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

    def _buffers(self, bound: Bound, dtype: str, out: Any, arguments: Sequence[Any]) -> list[np.ndarray]:
        given = self._structure.flatten(out)
        buffers = []
        for k, root in enumerate(self._roots):
            shape = tuple(size_of(s, bound.extents) for s in root.dims)
            kind = _KINDS[dtype if root.dtype == "float" else root.dtype]
            buffer = given.get(k)
            buffers.append(np.empty(shape, kind) if buffer is None else _checked_buffer(buffer, shape, kind, arguments))
        for a in range(len(buffers)):
            for b in range(a):
                if given.get(a) is not None and given.get(b) is not None and np.shares_memory(buffers[a], buffers[b]):
                    raise BindingError("two buffers of out= share memory; give each result its own")
        return buffers


class _Writable:
    """A read-only array's memory, as NumPy sees it without the flag. Kernels do not write to inputs."""

    def __init__(self, a: np.ndarray):
        self.kept = a
        self.__array_interface__ = {**a.__array_interface__, "data": (a.__array_interface__["data"][0], False)}


def _checked_buffer(buffer: Any, shape: tuple[int, ...], kind: np.dtype, arguments: Sequence[Any]) -> np.ndarray:
    if (not isinstance(buffer, np.ndarray) or buffer.shape != shape or buffer.dtype != kind or not buffer.flags.c_contiguous
            or not buffer.flags.writeable):
        given = f"{buffer.dtype} {buffer.shape}" if isinstance(buffer, np.ndarray) else type(buffer).__name__
        raise BindingTypeError(f"a buffer of out= must be a writable C-contiguous {kind} array of shape {shape}, given {given}")
    if any(isinstance(a, np.ndarray) and np.shares_memory(a, buffer) for a in arguments):
        raise BindingError("a buffer of out= shares memory with an input; inputs are never modified, so give a buffer of its own")
    return buffer
