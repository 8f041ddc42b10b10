"""Program.locate_nan: the first value that is not finite, in the kernel's dtype, forward and backward; what does no harm is not named."""

import numpy as np
import pytest

import graphc as gc
from graphc.ir.bind import Binder
from graphc.ir.walk import inputs_of
from graphc.runtime.nans import locate

INF, NAN = np.inf, np.nan
X, Y, W, b = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c"), gc.param("b", "c")
x, m, p, s = gc.tensor("x", "n"), gc.tensor("m", "n"), gc.param("p", "n"), gc.scalar("s")
t = gc.labels("t", "n", below="c")
RNG = np.random.default_rng(0)
DATA = {"X": RNG.normal(size=(5, 3)), "Y": RNG.normal(size=(5, 7)), "W": RNG.normal(size=(3, 7)), "b": RNG.normal(size=7)}


def put(a, at, value):
    a = np.array(a, dtype=float)
    a[at] = value
    return a


# formula, data, (formula part, index, value, operands' values, words of the sentence)
CASES = {
    "log of a negative": (lambda: gc.sum(x + gc.log(m)), {"x": [1.0, 2.0, 3.0], "m": [1.0, -2.0, 0.0]},
                          ("log(m)", (1,), NAN, [-2.0], ["log(m) is nan at [1] (n = 1), where m[1] = -2.0", __file__])),
    "overflow": (lambda: gc.sum(gc.exp(x)), {"x": [1.0, 2.0, 1000.0]}, ("exp(x)", (2,), INF, [1000.0], [])),
    "a NaN of infinities": (lambda: gc.sum(gc.exp(x) - gc.cosh(m)), {"x": [1.0, 800.0], "m": [1.0, 900.0]}, ("exp(x)", (1,), INF, [800.0], [])),
    "a zero divided": (lambda: gc.sum(x / m), {"x": [0.0, 1.0, 0.0], "m": [1.0, 2.0, 0.0]}, ("x/m", (2,), NAN, [0.0, 0.0], ["x[2] = 0.0, m[2] = 0.0"])),
    "the side that is taken": (lambda: gc.sum(gc.where(x > 0, gc.log(x), 1 / (x + 2))), {"x": [0.0, 1.0, -2.0]}, ("1/(x + 2)", (2,), INF, [0.0], [])),
    "a sum that overflows": (lambda: gc.sum(x), {"x": np.full(5, 1e308)}, ("sum(x)", (), INF, [], ["its 5 terms are finite in float64"])),
    "a product that overflows": (lambda: gc.prod(x), {"x": np.full(5, 1e100)}, ("prod(x)", (), INF, [], ["the prod is not"])),
    "a cumulative product": (lambda: gc.sum(gc.cumprod(x)), {"x": np.full(5, 1e100)}, ("cumprod(x)", (3,), INF, [], [])),
    "a matrix product": (lambda: gc.sum(gc.tanh(X @ W) * (X @ W)), {"X": put(DATA["X"], (3, 1), 1e308), "W": put(DATA["W"], (1, 2), 10)},
                         ("X@W", (3, 2), INF, [1e308, 10.0], ["n = 3, c = 2", "X[3, 1] = 1e+308"])),
    "an input with a NaN": (lambda: gc.sum((X @ W - Y)**2), {**DATA, "X": put(DATA["X"], (3, 2), NAN)},
                            ("X", (3, 2), NAN, [], ["the input X has a NaN at [3, 2] (n = 3, d = 2)"])),
    "an infinite input": (lambda: gc.sum(x * m), {"x": [1.0, 0.0], "m": [2.0, -INF]}, ("m", (1,), -INF, [], ["the input m has the value -inf"])),
    "a scalar": (lambda: gc.log(s), {"s": -1.0}, ("log(s)", (), NAN, [-1.0], ["log(s) is nan, where s = -1.0"])),
    "a gather": (lambda: gc.sum(gc.log((X @ W)[gc.arange("n"), t])), {**DATA, "X": abs(DATA["X"]), "W": put(abs(DATA["W"]), (slice(None), 4), -1), "t": [0, 1, 4, 2, 4]},
                 (None, (2,), NAN, [None], [])),
}


KERNELS = ("log of a negative", "a matrix product", "a cumulative product")          # the others are spared the compiler


def without_kernels(formula, data):
    """What `locate_nan` does, the outputs computed by the interpreter."""
    program = gc.compile(formula, wrt=())
    data = {k: v for k, v in data.items() if k in program.inputs}
    nodes = [formula.node]
    return locate(inputs_of(nodes), program._roots, Binder(inputs_of(nodes), nodes).bind(data), "float64", [gc.evaluate(formula, **data)])


@pytest.mark.parametrize("name", CASES)
def test_forward(name):
    build, data, (formula, index, value, operands, words) = CASES[name]
    found = without_kernels(build(), data) if name not in KERNELS else gc.compile(build(), wrt=()).locate_nan(**data)
    assert formula is None or found.formula == formula
    assert found.index == index and len(found.dims) == len(index)
    np.testing.assert_equal(found.value, value)
    assert len(found.operands) == len(operands) and all(v is None or o.value == v for o, v in zip(found.operands, operands, strict=True))
    assert all(np.isfinite(o.value) for o in found.operands)
    for word in words:
        assert word in str(found)
    assert found.origin.file == __file__


def test_backward():
    """The loss is finite, its gradient is not: the derivative's own division is named, with the line of the root."""
    program = gc.compile(gc.sum(gc.sqrt(p)))
    found = program.locate_nan(p=[1.0, 0.0, 4.0])
    assert np.isfinite(program(p=[1.0, 0.0, 4.0])[0])
    assert (found.index, found.value) == ((1,), INF) and str(found).startswith("in the derivative, ")
    assert found.origin.file == __file__ and found.operands[0].value == 0.0


def test_a_scatter_that_overflows():
    E = gc.param("E", "c d")
    found = gc.compile(gc.grad(gc.sum(E[t]**2), E)).locate_nan(E=np.full((3, 2), 6e307), t=[0, 1, 1])
    assert (found.index, found.value) == ((1, 0), INF) and "its 2 terms are finite" in str(found)


@pytest.mark.parametrize("build, data", [
    (lambda: gc.sum(gc.log(1 + gc.exp(x))), {"x": [1000.0, -1000.0]}),                       # the stable kernel does not overflow
    (lambda: gc.sum(1 / (1 + gc.exp(gc.exp(x)))), {"x": [1000.0, 0.0]}),                     # 1/inf is 0
    (lambda: gc.sum(gc.where(x > 0, gc.log(x), 0)), {"x": [0.0, -1.0, 1.0]}),                # not taken
    (lambda: gc.logsumexp(x + m), {"x": [1.0, 2.0], "m": [-INF, 0.0]}),                      # a mask
    (lambda: gc.sum(gc.minimum(x, 1.0)), {"x": [INF, 0.0]}),
])
def test_no_harm(build, data):
    program = gc.compile(build(), wrt=())
    assert np.isfinite(program(**data)) and program.locate_nan(**data) is None


def test_float32_overflows_where_float64_does_not():
    program = gc.compile(gc.sum(x**2 - 1))
    assert program.locate_nan(x=[1e30, 1.0]) is None
    found = program.locate_nan(x=np.array([1e30, 1.0], dtype=np.float32))
    assert (found.formula, found.index, str(found.operands[0])) == ("x**2", (0,), "x[0] = 1e+30")


def test_behind_what_is_infinite_without_harm():
    """exp(x) overflows first in the graph, but 1/exp(x) is 0: the logarithm is what counts."""
    program = gc.compile(gc.sum(1 / (1 + gc.exp(gc.exp(x))) + gc.log(m)))
    assert program.locate_nan(x=[1000.0, 1.0], m=[1.0, -1.0]).formula == "log(m)"


def test_by_position_and_in_structures():
    program = gc.compile({"a": gc.sum(x), "b": [gc.log(x)][0]})
    assert program.locate_nan([1.0, -1.0]).formula == "log(x)"
    with pytest.raises(gc.BindingError):
        program.locate_nan(y=[1.0])


def test_what_the_kernel_alone_computes():
    """Results at the edge of the range may depend on the order of a sum: then the output is named, and the reason."""
    L = gc.sum(x)
    bound = Binder(inputs_of([L.node]), [L.node]).bind({"x": [1.0, 2.0]})
    found = locate(inputs_of([L.node]), [L.node], bound, "float64", [np.float64(INF)])
    assert (found.formula, found.value) == ("sum(x)", INF) and "evaluated node by node it is 3.0" in str(found)
