"""What the names of a formula may stand for, besides its tensors: an allowlist, so that a formula from a stranger computes and does no more.

    variables   pi e inf nan                     (a tensor or an index of that name goes first)
    functions   the language's own, by the names that Python has for them, and the losses; a name before `(` is always a function
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from functools import cache
from typing import Any

__all__ = ["CONSTANTS", "functions", "losses"]

CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan}
_REDUCTIONS = "Sum Prod Max Min Mean sum prod max min mean var std argmax argmin logsumexp softmax log_softmax".split()
_DERIVATIVES = "grad vjp jvp jacobian hessian hvp stop_gradient".split()
_SYNONYMS = {"ln": "log", "amax": "max", "amin": "min", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2",
             "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "pow": "power", "tr": "trace", "absolute": "abs"}


@cache
def functions() -> dict[str, Callable[..., Any]]:
    """The functions that a formula may call, by name."""
    from graphc.frontend import declare, derivatives, index, linear, reduce, shape
    from graphc.frontend import functions as pointwise
    table = {name: getattr(module, name) for module, names in (
        (pointwise, pointwise.__all__), (linear, linear.__all__), (shape, shape.__all__), (reduce, _REDUCTIONS),
        (derivatives, _DERIVATIVES), (index, ["array"]), (declare, ["size"])) for name in names}
    table |= {name: f for name, f in losses().items() if name not in table}
    return table | {short: table[name] for short, name in _SYNONYMS.items() if short not in table}


@cache
def losses() -> dict[str, Callable[..., Any]]:
    """The loss library by name. It is written in the language, a layer above this one: found by its name when a formula is read."""
    library = importlib.import_module("graphc.losses")
    return {name: getattr(library, name) for name in library.__all__}
