"""Compiled Programs, and every stage before them, against the oracle; gradients against differences."""

import numpy as np
import pytest
from papers import DATA, FORMULAS

import graphc as gc
from graphc.compiler import Compilation, compile
from graphc.ir.bind import Binder
from graphc.ir.interpret import interpret
from graphc.ir.walk import inputs_of

# Modules in float32 have the same text but for a type: these have every function and every kind of loop that the others have.
IN_FLOAT32 = """scalars dpo by_numpy list_mle beta_function running_totals student_t positions logistic_regression gaussian_crps choices wing total_variation
                embedding ridge_and_lasso vae_divergence cox entropy quadratic_forms multilayer""".split()


def arrays_for(loss, dtype=np.float64):
    names = [i.name for i in inputs_of([loss.node])]
    return {k: DATA[k].astype(dtype) if getattr(DATA[k], "dtype", None) == np.float64 else DATA[k] for k in names}


def close(got, wanted, rtol):
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol * max(1.0, np.abs(wanted).max(initial=0.0)))


@pytest.mark.parametrize("name", FORMULAS)
def test_compiled_value_and_gradients(name):
    loss = FORMULAS[name]()
    program, data = compile(loss), arrays_for(loss)
    value, grads = program(**data)
    gradients = gc.grad(loss)
    close(value, gc.evaluate(loss, **data), 1e-12)
    assert list(grads) == list(gradients)
    outputs = gc.evaluate([loss, *gradients.values()], **data)[1:]
    for got, wanted in zip(grads.values(), outputs, strict=True):
        close(got, wanted, 1e-11)
    if name not in IN_FLOAT32:
        return
    value32, grads32 = program(**arrays_for(loss, np.float32))
    close(value32, value, 2e-5)
    for k in grads:
        assert grads32[k].dtype == np.float32
        close(grads32[k], grads[k], 1e-4)


@pytest.mark.parametrize("name", FORMULAS)
def test_gradients_against_differences(name):
    loss = FORMULAS[name]()
    data = arrays_for(loss)
    rng = np.random.default_rng(1)
    for parameter, gradient in gc.grad(loss).items():
        direction = rng.normal(size=np.shape(data[parameter]))
        step = 1e-5
        up, down = (gc.evaluate(loss, **{**data, parameter: data[parameter] + s * step * direction}) for s in (1, -1))
        slope = (up - down) / (2 * step)
        whole = gc.evaluate([loss, gradient], **data)[1]
        np.testing.assert_allclose(np.sum(whole * direction), slope, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_every_stage_means_the_same(name):
    loss = FORMULAS[name]()
    data = arrays_for(loss)
    roots = [loss.node, *(g.node for g in gc.grad(loss).values())]
    stages = Compilation(roots, [""] * len(roots)).graphs
    values = {}
    for stage, graph in stages.items():
        bound = Binder(inputs_of(stages["share"]), graph).bind(data)
        found = interpret(graph, bound.arrays, bound.extents)
        values[stage] = [found[r] for r in graph]
    for stage, results in values.items():
        for got, wanted in zip(results, values["capture"], strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-10, err_msg=stage)


@pytest.mark.parametrize("name", ["literal_cross_entropy", "logistic_regression", "multilayer", "gaussian_mixture", "rbf", "student_t"])
def test_compiled_hessian_vector_products(name):
    loss = FORMULAS[name]()
    data = arrays_for(loss)
    parameter = next(iter(gc.grad(loss)))
    vector = np.random.default_rng(2).normal(size=np.shape(data[parameter]))
    dims = next(i.dims for i in inputs_of([loss.node]) if i.name == parameter)
    product = gc.hvp(loss, parameter, gc.tensor("direction", [str(s) for s in dims]))
    names = [i.name for i in inputs_of([product.node])]
    got = compile(product)(**{k: v for k, v in {**data, "direction": vector}.items() if k in names})
    step, slopes = 1e-5, []
    for sign in (1, -1):
        slopes.append(compile(loss, wrt=[parameter])(**{**data, parameter: data[parameter] + sign * step * vector})[1][parameter])
    np.testing.assert_allclose(got, (slopes[0] - slopes[1]) / (2 * step), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("x", [[[1, 3, 3], [2, 2, 0]], np.random.default_rng(0).integers(-3, 3, (5, 7))], ids=["small", "ties"])
def test_values_computed_again_at_two_points_have_a_variable_each(x):
    X = gc.param("X", "n d")
    hessian = gc.hessian(gc.sum(gc.max(abs(X), axis=1) ** 2), X)
    x = np.asarray(x, float)
    close(compile(hessian)(X=x), gc.evaluate(hessian, X=x), 1e-14)
