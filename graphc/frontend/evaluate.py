"""gc.evaluate: the interpreter on a user's data; and the binding of data to inputs that programs share."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import DimError, FormulaError
from graphc.frontend.elementwise import as_tensor, located
from graphc.frontend.index import settle
from graphc.frontend.tensor import Tensor, describe
from graphc.ir.bind import Binder
from graphc.ir.interpret import interpret
from graphc.ir.walk import inputs_of

__all__ = ["evaluate", "as_output"]


def evaluate(outputs: Any, /, digits: int | None = None, **inputs: Any) -> Any:
    """The value of a tensor (or a list, or a dict of tensors) by the interpreter, without compiling.

    Arrays and numbers in, NumPy out. With `digits`, arithmetic is mpmath's with so many decimal digits and results are arrays of mpf.

    >>> import graphc as gc
    >>> x = gc.tensor("x", "n")
    >>> float(gc.evaluate(gc.sum(x**2), x=[1.0, 2.0]))
    5.0
    """
    many = outputs if isinstance(outputs, dict) else dict(enumerate(outputs)) if isinstance(outputs, list | tuple) else {"": outputs}
    tensors = [as_output(t, key) for key, t in many.items()]
    roots = [t.node for t in tensors]
    bound = Binder(inputs_of(roots), roots).bind(inputs)
    values = interpret(roots, bound.arrays, bound.extents, bound.dtype, digits)
    results = [_result(values[t.node]) for t in tensors]
    if isinstance(outputs, dict):
        return dict(zip(outputs, results, strict=True))
    return results if isinstance(outputs, list | tuple) else results[0]


def as_output(value: Any, key: Any) -> Tensor:
    """A tensor that is computed, the output of that key of a dict or place in a list."""
    if not isinstance(value, Tensor) and _has_tensors(value):
        raise located(FormulaError(f"output {key!r} is a {type(value).__name__} of tensors; give each a name or a place of its own"))
    t = settle(as_tensor(value, "output"))
    if t.free:
        raise located(DimError(f"{describe(t)} has the free indices ({', '.join(t.free)}); reduce them (gc.Sum) or make axes of them (gc.array)"))
    return t


def _result(value: np.ndarray) -> Any:
    return value[()] if value.ndim == 0 else np.array(value)


def _has_tensors(value: Any) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return isinstance(value, Tensor) or any(map(_has_tensors, inside))
