"""Random formulas: the gradient and its derivative against central differences of 40 digits."""

from __future__ import annotations

import mpmath
import numpy as np
from formulas import EXTENTS, formulas
from hypothesis import HealthCheck, given, settings

import graphc as gc
from graphc.ir.walk import inputs_of

DIGITS, STEP = 40, mpmath.mpf(10)**-13
CHECK = settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))


def evaluate(tensors, arrays, digits=None):
    """Values of tensors, of the inputs and extents that they need."""
    from graphc.ir.bind import extents_of
    roots = [t.node for t in tensors]
    needed = inputs_of(roots)
    bare = {str(d) for i in needed for d in i.dims}
    given = {i.name: arrays[i.name] for i in needed} | {n: EXTENTS[n] for n in extents_of(roots) if n not in bare}
    return gc.evaluate(tensors, digits=digits, **given)


def directions(arrays):
    rng = np.random.default_rng(1)
    return {n: rng.uniform(-1, 1, a.shape) for n, a in arrays.items() if a.dtype.kind == "f"}


def moved(arrays, along, step):
    """Data moved along a direction, in exact arithmetic."""
    exact = np.vectorize(mpmath.mpf, otypes=[object])
    return {n: exact(a) + exact(along[n]) * step if n in along else a for n, a in arrays.items()}


def slope(tensors, arrays, along):
    """d tensors / d step, by central differences."""
    from graphc.ir.interpret import interpret
    roots = [t.node for t in tensors]
    with mpmath.workdps(DIGITS):
        ends = []
        for sign in (1, -1):
            data = moved(arrays, along, sign * STEP)
            values = interpret(roots, {i: data[i.name] for i in inputs_of(roots)}, EXTENTS, digits=DIGITS)
            ends.append([values[r] for r in roots])
        return [np.asarray((a - b) / (2 * STEP), dtype=float) for a, b in zip(*ends, strict=True)]


def close(got, expected):
    expected = np.asarray(expected, dtype=float)
    np.testing.assert_allclose(np.asarray(got, dtype=float), expected, rtol=1e-9, atol=1e-9 * max(1.0, abs(expected).max(initial=0.0)))


@CHECK
@given(formulas())
def test_gradient(case):
    loss, arrays = case
    names = [n for n, a in arrays.items() if a.dtype.kind == "f"]
    gradients = dict(zip(names, evaluate(gc.grad(loss, names), arrays), strict=True))
    along = directions(arrays)
    for n in names:
        (expected,) = slope([loss], arrays, {n: along[n]})
        close(np.vdot(gradients[n], along[n]), expected)


@CHECK
@given(formulas())
def test_second_derivatives(case):
    """Forward over reverse, reverse over reverse and differences of the gradient agree."""
    loss, arrays = case
    names = [n for n, a in arrays.items() if a.dtype.kind == "f"]
    params = {i.name: gc.Tensor(i) for i in inputs_of([loss.node]) if i.name in names}
    gradients = [gc.grad(loss, params[n]) for n in names]
    along = directions(arrays)
    expected = slope(gradients, arrays, along)
    vectors = {n: gc.tensor(f"v_{n}", [int(str(d)) if str(d).isdigit() else d for d in params[n].dims]) for n in names}
    given = arrays | {f"v_{n}": v for n, v in along.items()}
    for h, e in zip(evaluate(gc.hvp(loss, [params[n] for n in names], [vectors[n] for n in names]), given), expected, strict=True):
        close(h, e)
    inner = None
    for g, n in zip(gradients, names, strict=True):
        inner = gc.sum(g * vectors[n]) if inner is None else inner + gc.sum(g * vectors[n])
    below = {i.name for i in inputs_of([inner.node])}
    for n, e in zip(names, expected, strict=True):
        if n in below:
            close(evaluate([gc.grad(inner, params[n])], given)[0], e)
        else:
            close(0 * e, e)


@CHECK
@given(formulas(steps=3))
def test_the_directional_derivative(case):
    loss, arrays = case
    names = [n for n, a in arrays.items() if a.dtype.kind == "f"]
    along = directions(arrays)
    params = [gc.Tensor(i) for n in names for i in inputs_of([loss.node]) if i.name == n]
    vectors = [gc.tensor(f"v_{p.name}", [int(str(d)) if str(d).isdigit() else d for d in p.dims]) for p in params]
    got = evaluate([gc.jvp(loss, params, vectors)], arrays | {f"v_{n}": v for n, v in along.items()})[0]
    close(got, slope([loss], arrays, along)[0])


@settings(CHECK, max_examples=15)
@given(formulas())
def test_compiled(case):
    """A Program gives the interpreter's numbers."""
    loss, arrays = case
    names = [n for n, a in arrays.items() if a.dtype.kind == "f"]
    program = gc.compile(loss, wrt=names)
    value, grads = program(**arrays, **{n: EXTENTS[n] for n in program.sizes})
    for got, expected in zip([value, *grads.values()], evaluate([loss, *gc.grad(loss, names)], arrays), strict=True):
        close(got, expected)
