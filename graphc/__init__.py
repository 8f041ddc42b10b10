"""graphc: a symbolic computational-graph compiler. Losses as mathematics; gradients as formulas; kernels to read.

>>> import graphc as gc
>>> X, Y, W, lam = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c"), gc.scalar("lam")
>>> L = gc.sum((X @ W - Y)**2) + lam * gc.sum(abs(W))
>>> gc.formula(gc.grad(L, W))
'2*X.T @ (X@W - Y) + lam*sign(W)'
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from graphc import losses
from graphc.compiler import Program, compile
from graphc.errors import (
    BindingError,
    CacheError,
    DeviceError,
    DifferentiationError,
    DimError,
    DtypeError,
    FormulaError,
    GraphcError,
    InternalError,
    RenderError,
    TargetError,
)
from graphc.frontend.declare import dims, labels, param, scalar, size, tensor
from graphc.frontend.derivatives import grad, hessian, hvp, jacobian, jvp, stop_gradient, vjp
from graphc.frontend.evaluate import evaluate
from graphc.frontend.functions import *  # noqa: F403
from graphc.frontend.functions import __all__ as _functions
from graphc.frontend.index import Index, array, indices
from graphc.frontend.linear import cumprod, cumsum, dot, einsum, matmul, norm, outer, trace
from graphc.frontend.reduce import (
    Max,
    Mean,
    Min,
    Prod,
    Sum,
    argmax,
    argmin,
    log_softmax,
    logsumexp,
    max,
    mean,
    min,
    prod,
    softmax,
    std,
    sum,
    var,
)
from graphc.frontend.shape import (
    arange,
    broadcast_to,
    concatenate,
    expand_dims,
    eye,
    one_hot,
    reshape,
    squeeze,
    stack,
    swapaxes,
    transpose,
)
from graphc.frontend.tensor import Dim, Tensor
from graphc.printing import formula, latex
from graphc.render import render

if _TYPE_CHECKING:
    from graphc.analysis.certificate.certificate import check
    from graphc.analysis.kinks.kinks import kinks
    from graphc.analysis.ranges.ranges import range
    from graphc.frontend.text import parse

__version__ = "0.1.0"
__all__ = [
    *_functions,
    "BindingError", "CacheError", "DeviceError", "Dim", "DifferentiationError", "DimError", "DtypeError", "FormulaError", "GraphcError", "Index",
    "InternalError", "Max", "Mean", "Min", "Prod", "Program", "RenderError", "Sum", "TargetError", "Tensor", "arange", "argmax", "argmin",
    "array", "broadcast_to", "check", "compile", "concatenate", "cumprod", "cumsum", "dims", "dot", "einsum", "evaluate", "expand_dims", "eye",
    "formula", "grad", "hessian", "hvp", "indices", "jacobian", "jvp", "kinks", "labels", "latex", "log_softmax", "logsumexp", "losses", "matmul",
    "max", "mean", "min", "norm", "one_hot", "outer", "param", "parse", "prod", "range", "render", "reshape", "scalar", "size", "softmax", "squeeze",
    "stack", "std", "stop_gradient", "sum", "swapaxes", "tensor", "trace", "transpose", "var", "vjp",
]

_LATER = {"check": "graphc.analysis.certificate.certificate", "kinks": "graphc.analysis.kinks.kinks", "parse": "graphc.frontend.text",
          "range": "graphc.analysis.ranges.ranges"}          # where names are that few programs use


def __getattr__(name: str) -> _Any:
    if name not in _LATER:
        raise AttributeError(f"module 'graphc' has no attribute {name!r}")
    globals()[name] = found = getattr(_import_module(_LATER[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
