"""gc.evaluate: the interpreter on a user's data; and the binding of data to inputs that programs share."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import DimError
from graphc.frontend.elementwise import as_tensor, located
from graphc.frontend.index import settle
from graphc.frontend.tensor import describe
from graphc.ir.bind import Binder
from graphc.ir.interpret import interpret
from graphc.ir.walk import inputs_of

__all__ = ["evaluate"]


def evaluate(outputs: Any, /, digits: int | None = None, **inputs: Any) -> Any:
    """The value of a tensor (or a list, or a dict of tensors) by the interpreter, without compiling.

    Arrays and numbers in, NumPy out. With `digits`, arithmetic is mpmath's with so many decimal digits and results are arrays of mpf.

    >>> import graphc as gc
    >>> x = gc.tensor("x", "n")
    >>> float(gc.evaluate(gc.sum(x**2), x=[1.0, 2.0]))
    5.0
    """
    if isinstance(outputs, dict):
        return dict(zip(outputs, evaluate(list(outputs.values()), digits=digits, **inputs), strict=True))
    single = not isinstance(outputs, list | tuple)
    tensors = [settle(as_tensor(t)) for t in ([outputs] if single else outputs)]
    for t in tensors:
        if t.free:
            raise located(DimError(f"{describe(t)} has the free indices ({', '.join(t.free)}); reduce them (gc.Sum) or make axes of them (gc.array)"))
    roots = [t.node for t in tensors]
    bound = Binder(inputs_of(roots), roots).bind(inputs)
    values = interpret(roots, bound.arrays, bound.extents, bound.dtype, digits)
    results = [_result(values[t.node]) for t in tensors]
    return results[0] if single else results


def _result(value: np.ndarray) -> Any:
    return value[()] if value.ndim == 0 else np.array(value)


