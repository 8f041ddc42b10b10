"""NumPy's own functions on tensors build nodes: `np.sum(np.log(1 + np.exp(x)))`."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import FormulaError
from graphc.frontend.elementwise import located
from graphc.frontend.operators import binary, unary
from graphc.scalar.table import ROWS

__all__ = ["apply_ufunc", "apply_function"]

_OPERATORS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "true_divide": "/", "floor_divide": "//", "remainder": "%",
              "power": "**", "float_power": "**", "matmul": "@", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=",
              "equal": "==", "not_equal": "!=", "logical_and": "&", "logical_or": "|", "logical_xor": "^", "bitwise_and": "&",
              "bitwise_or": "|", "bitwise_xor": "^"}
_UNARY = {"negative": "neg", "absolute": "abs", "fabs": "abs", "logical_not": "~", "invert": "~"}
_RENAMED = {"rint": "round", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh",
            "acosh": "arccosh", "atanh": "arctanh", "pow": "power", "fmax": "maximum", "fmin": "minimum"}
_FUNCTIONS = frozenset("""sum prod max min mean var std argmax argmin cumsum cumprod where clip concatenate stack dot matmul outer trace einsum
    transpose swapaxes expand_dims squeeze reshape broadcast_to round""".split())
_FUNCTION_NAMES = {"amax": "max", "amin": "min", "concat": "concatenate", "around": "round", "permute_dims": "transpose"}


def apply_ufunc(ufunc: Any, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A NumPy ufunc called on a tensor."""
    import graphc
    name = ufunc.__name__
    if method == "reduce" and name in ("add", "multiply", "maximum", "minimum"):
        kind = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}[name]
        return getattr(graphc, kind)(*args, **{k: v for k, v in kwargs.items() if k in ("axis", "keepdims")})
    if method != "__call__" or any(v is not None for k, v in kwargs.items() if k in ("out", "where", "dtype") and v is not True):
        raise located(FormulaError(f"np.{name}{'' if method == '__call__' else '.' + method} with {', '.join(kwargs) or 'this method'} has no "
                                   "meaning for symbolic tensors; call the plain function"))
    if name in _OPERATORS:
        return binary(_OPERATORS[name], *args)
    if name in _UNARY:
        return unary(_UNARY[name], *args)
    name = _RENAMED.get(name, name)
    if name in ROWS or name == "square":
        return getattr(graphc, name)(*args)
    raise located(FormulaError(f"np.{name} is not a function of graphc; the functions are listed in docs/functions.md"))


def apply_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A NumPy function called on a tensor."""
    import graphc
    name = _FUNCTION_NAMES.get(function.__name__, function.__name__)
    if function is np.linalg.norm:
        x, order, *rest = [*args, None, None][:max(2, len(args))]
        return graphc.norm(x, ord=kwargs.get("ord", order), axis=kwargs.get("axis", rest[0] if rest else None),
                           keepdims=kwargs.get("keepdims", False))
    if name in _FUNCTIONS:
        return getattr(graphc, name)(*args, **kwargs)
    raise located(FormulaError(f"np.{function.__name__} is not a function of graphc; the functions are listed in docs/functions.md"))
