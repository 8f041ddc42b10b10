"""Generated modules run as plain Python, in which tiles are two rows high and chunks three points long: every formula meets their edges."""

import math
import re

import numpy as np
import pytest
import scipy.special
from papers import DATA, FORMULAS

import graphc as gc
from graphc.ir.bind import Binder
from graphc.ir.walk import inputs_of
from graphc.scalar.table import ROWS


def _matmul(a, b, out, add=False):
    out[...] = a @ b + (out if add else 0)


def _checked(k, n):
    assert 0 <= k < n
    return k


def _stand_ins():
    """What generated code imports, in NumPy and SciPy."""
    scope = {"square": np.square, "sech_squared": lambda x: np.cosh(x)**-2, "powi": lambda x, n: x**n, "checked": _checked, "matmul": _matmul, "matvec": _matmul, "vecmat": _matmul, "tile_rows": lambda *sizes: 2,
             "plus": lambda a, b: a + b, "times": lambda a, b: a * b, "faded": lambda s, d: s * d if s else s, "greatest": np.maximum, "least": np.minimum, "select": lambda c, a, b: a if c else b, "check_labels": lambda *args: None,
             "at": lambda a, b: a + b, "CHUNK": 3, "add_part": lambda a, b, part: (a + part, b), "settled": lambda a, b: a + b, "boolean": np.bool_, "math": math, "np": np,
             **{t: getattr(np, t) for t in ("float32", "float64", "int64")}, "compiled": lambda **options: _same}
    for row in ROWS.values():
        name = row.jit.rpartition(".")[2]
        if name.isidentifier() and name not in scope and row.numpy:       # a formula's own function is in its module
            scope[name] = _resolve(row.numpy)
            scope[f"int_{name}"] = scope[name]
    scope["polygamma"] = scipy.special.polygamma
    return scope


def _same(function):
    return function


def _resolve(dotted):
    module, _, name = dotted.rpartition(".")
    return getattr(__import__(module, fromlist=[name]), name)


def run(loss, data):
    """Value and gradients by the module's text, run as Python."""
    program = gc.compile(loss)
    inputs = inputs_of([loss.node])
    bound = Binder(inputs, program._roots).bind(data)
    source = program._source_of(("float64", program._way_of(bound.extents)))
    scope = _stand_ins()
    exec(re.sub(r"^(import|from|@compiled) ?.*$", "", source.text, flags=re.M), scope)
    given = [bound.arrays[next(i for i in inputs if i.name == name)] for name in program.inputs]
    from graphc.ir.interpret import size_of
    outputs = [np.full(tuple(size_of(s, bound.extents) for s in r.dims) or 1, np.nan) for r in program._roots]
    with np.errstate(all="ignore"):
        scope["run"](*(a[()] if a.ndim == 0 else a for a in given), *outputs, *(bound.extents[n] for n in source.extents))
    return outputs


@pytest.mark.parametrize("name", FORMULAS)
def test_formula(name):
    loss = FORMULAS[name]()
    data = {i.name: DATA[i.name] for i in inputs_of([loss.node])}
    wanted = gc.evaluate([loss, *gc.grad(loss).values()], **data)
    for got, right in zip(run(loss, data), wanted, strict=True):
        np.testing.assert_allclose(got.reshape(np.shape(right)), right, rtol=1e-10, atol=1e-10 * max(1.0, np.abs(right).max(initial=0.0)))
