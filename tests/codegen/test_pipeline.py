"""What Numba makes machine code of, and when."""

import numpy as np

import graphc as gc
from graphc.codegen.mathlib.pipeline import Called


def test_a_kernel_becomes_machine_code_of_its_own_when_python_calls_it():
    y = gc.param("y", "n c")
    f = gc.compile(gc.sum(gc.logsumexp(1.375 * y, axis=1)))
    a = np.random.default_rng(3).normal(size=(7, 37))
    value, grads = f(y=a)
    np.testing.assert_allclose(value, gc.evaluate(gc.sum(gc.logsumexp(1.375 * y, axis=1)), y=a), rtol=1e-14)
    kernel = f._load(*f._last)._in_parts._run.__globals__["over_n"].kernel
    (types, made), = kernel.overloads.items()
    assert isinstance(made.library, Called) and not made.library._codegen._engine.is_symbol_defined(made.library.wrapper)
    on_disk = lambda: [x.name for x in f.path.parent.glob("__pycache__/*.nbi") if x.name.startswith(f"{f.path.stem}.over_n-")]
    assert not on_disk()
    y_bar = np.empty_like(a)
    places = {"y": a, "y_bar": y_bar, "first": 0, "last": 7}
    arguments = [places[name] for name in kernel.py_func.__code__.co_varnames[:kernel.py_func.__code__.co_argcount]]
    for _ in range(2):
        y_bar.fill(0)
        assert kernel(*arguments) == value
        np.testing.assert_array_equal(y_bar, grads["y"])
    assert kernel.nopython_signatures == [made.signature] and len(on_disk()) == 1
