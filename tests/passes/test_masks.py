"""Sums of exponentials of which weights and masks leave some out: values and gradients beside their definition in long double."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

import graphc as gc

N, D = 3, 5
LOGITS = np.array([[800.0, 799, 3, -5, 798.5], [-800, -801, -900, -800.5, -803], [0.5, -0.25, 2, 1, -3]])
MASK = np.array([[1, 0, 1, 1, 1], [0, 1, 1, 0, 1], [1, 1, 0, 1, 1]], bool)
VALUES = np.linspace(-2, 3, N * D).reshape(N, D)


def softmax_of(x, weights):
    """Softmax with weights, and its derivative in direction v: p (v - sum p v)."""
    x = np.where(weights != 0, x, -np.inf)
    return special.softmax(x + np.log(np.where(weights == 0, 1, weights)), axis=-1)


def total(t):
    return gc.sum(t, axis=-1, keepdims=True)


def by_product(x, m):
    e = gc.exp(x) * m
    return e / total(e)


def by_selection(x, m):
    e = gc.where(m > 0, gc.exp(x), 0)
    return e / total(e)


def by_factors(x, m):
    return gc.exp(x) / total(m * gc.exp(x)) * m


def by_selected_sum(x, m):
    return m * gc.exp(x) / total(gc.where(m > 0, gc.exp(x), 0))


def by_boolean(x, m):
    return (m > 0) * gc.exp(x) / total((m > 0) * gc.exp(x))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", [by_product, by_selection, by_factors, by_selected_sum, by_boolean])
def test_masked_softmax_is_right_where_the_exponentials_overflow(form, dtype):
    x, m, v = gc.param("x", "n d"), gc.tensor("m", "n d"), gc.tensor("v", "n d")
    f = gc.compile({"p": form(x, m), "x_bar": gc.grad(gc.sum(form(x, m) * v), x)}, wrt=(), dtype=dtype)
    data = LOGITS.astype(dtype)
    got = f(x=data, m=MASK.astype(dtype), v=VALUES.astype(dtype))
    p = softmax_of(data.astype(float), MASK.astype(float))
    tiny = np.finfo(dtype).tiny
    np.testing.assert_allclose(got["p"], p, rtol=4 * np.finfo(dtype).eps, atol=tiny)
    np.testing.assert_allclose(got["x_bar"], p * (VALUES - np.sum(p * VALUES, 1, keepdims=True)), rtol=1e-5 if dtype == "float32" else 1e-13,
                               atol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("garbage", [300.0, 1e4, 1e300])
@pytest.mark.parametrize("form", [by_product, by_selection, by_boolean])
def test_what_is_masked_may_be_of_any_size(form, garbage):
    x, m, v = gc.param("x", "n d"), gc.tensor("m", "n d"), gc.tensor("v", "n d")
    data = np.where(MASK, LOGITS, garbage)
    got = gc.compile({"p": form(x, m), "x_bar": gc.grad(gc.sum(form(x, m) * v), x)}, wrt=())(x=data, m=MASK.astype(float), v=VALUES)
    p = softmax_of(data, MASK.astype(float))
    np.testing.assert_allclose(got["p"], p, rtol=1e-15)
    np.testing.assert_allclose(got["x_bar"], p * (VALUES - np.sum(p * VALUES, 1, keepdims=True)), rtol=1e-13, atol=1e-15)


def test_a_row_that_is_masked_altogether_has_no_softmax():
    x, m = gc.param("x", "n d"), gc.tensor("m", "n d")
    for form in (by_product, by_selection):
        assert np.isnan(gc.compile(form(x, m), wrt=())(x=LOGITS, m=np.zeros((N, D)))).all()


def test_a_weight_that_is_zero_has_a_slope():
    x, w, v = gc.tensor("x", "n d"), gc.param("w", "n d"), gc.tensor("v", "n d")
    mean = gc.sum(v * w * gc.exp(x), axis=1) / gc.sum(w * gc.exp(x), axis=1)
    got = gc.compile({"mean": mean, "w_bar": gc.grad(gc.sum(mean), w)}, wrt=())(x=LOGITS, w=MASK.astype(float), v=VALUES)
    p = softmax_of(LOGITS, MASK.astype(float))
    wanted = np.sum(p * VALUES, 1, keepdims=True)
    scale = np.exp(LOGITS - special.logsumexp(np.where(MASK, LOGITS, -np.inf), axis=1, keepdims=True))
    np.testing.assert_allclose(got["mean"], wanted[:, 0], rtol=1e-14)
    np.testing.assert_allclose(got["w_bar"], scale * (VALUES - wanted), rtol=1e-12)


@pytest.mark.parametrize("masked", [300.0, 1e4])
def test_the_logarithm_of_a_weighted_sum_sees_what_the_weights_leave(masked):
    x, w = gc.param("x", "n d"), gc.param("w", "n d")
    logs = gc.log(gc.sum(w * gc.exp(x), axis=1))
    data, weights = np.where(MASK, LOGITS, masked), MASK * (1 + np.abs(VALUES))
    f = gc.compile({"logs": logs, "x_bar": gc.grad(gc.sum(logs), x)}, wrt=(), dtype="float32")
    got = f(x=data.astype(np.float32), w=weights.astype(np.float32))
    np.testing.assert_allclose(got["logs"], special.logsumexp(data, b=weights, axis=1), rtol=3e-7)
    np.testing.assert_allclose(got["x_bar"], softmax_of(data, weights), rtol=1e-4, atol=1e-30)


def test_padding_for_all_rows():
    x, m, v = gc.param("x", "n d"), gc.tensor("m", "d"), gc.tensor("v", "d")
    attended = (gc.exp(x) @ (m * v)) / (gc.exp(x) @ m)
    by_sums = gc.sum(m * v * gc.exp(x), axis=1) / gc.sum(m * gc.exp(x), axis=1)
    wanted = softmax_of(LOGITS, MASK[:1].astype(float)) @ VALUES[0]
    for form in (by_sums, attended):
        np.testing.assert_allclose(gc.compile(form, wrt=())(x=LOGITS, m=MASK[0].astype(float), v=VALUES[0]), wanted, rtol=1e-13)


def test_running_softmax_and_running_mean():
    x, v = gc.param("x", "n"), gc.param("v", "n")
    data, weights = np.array([800.0, 799, -800, 801, 3, 1500, -2]), np.linspace(-1, 2, 7)
    reach = np.tril(np.ones((7, 7)))
    p = softmax_of(np.where(reach > 0, data, -np.inf), reach)
    share, mean = gc.exp(x) / gc.cumsum(gc.exp(x)), gc.cumsum(v * gc.exp(x)) / gc.cumsum(gc.exp(x))
    got = gc.compile({"share": share, "mean": mean, "x_bar": gc.grad(gc.sum(mean**2), x), "v_bar": gc.grad(gc.sum(mean**2), v)}, wrt=())(x=data, v=weights)
    np.testing.assert_allclose(got["share"], np.diag(p), rtol=1e-14)
    np.testing.assert_allclose(got["mean"], p @ weights, rtol=1e-14)
    np.testing.assert_allclose(got["v_bar"], 2 * (p @ weights) @ p, rtol=1e-13)
    np.testing.assert_allclose(got["x_bar"], 2 * (p @ weights) @ (p * (weights - (p @ weights)[:, None])), rtol=1e-12, atol=1e-15)


def test_running_softmax_takes_one_scan():
    x = gc.param("x", "n")
    f = gc.compile(gc.sum((gc.exp(x) / gc.cumsum(gc.exp(x)))**2), wrt=(x,))
    assert "for j in range(n)" not in f.source


def test_a_product_with_a_matrix_of_exponentials_stays_one():
    cost, a, b = gc.param("C", "n m"), gc.tensor("a", "n"), gc.tensor("b", "m")
    K = gc.exp(-cost)
    u = a / (K @ (b / (K.T @ gc.sqrt(a))))                      # Sinkhorn's step: K is computed once, and used for each of its products
    source = gc.compile(gc.sum(u), wrt=(cost,)).source
    assert "times_exp" not in source and "greatest" not in source


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 900.0])
def test_one_and_a_weighted_sum(scale):
    """Multi-similarity and angular losses: log(1 + sum of m exp(x))."""
    x, m = gc.param("x", "n d"), gc.tensor("m", "n d")
    data = scale * VALUES
    for form in (gc.log(1 + gc.sum(m * gc.exp(x), axis=1)), gc.log1p(gc.sum(m * gc.exp(x), axis=1))):
        got = gc.compile({"v": form, "x_bar": gc.grad(gc.sum(form), x)}, wrt=())(x=data, m=MASK.astype(float))
        rows = np.where(MASK, data, -np.inf)
        wanted = np.logaddexp(0, special.logsumexp(rows, axis=1))
        np.testing.assert_allclose(got["v"], wanted, rtol=1e-14)
        np.testing.assert_allclose(got["x_bar"], np.exp(rows - wanted[:, None]), rtol=1e-12, atol=1e-300)


def test_a_step_of_a_hidden_markov_model():
    a, T, b = gc.param("a", "i"), gc.param("T", "i j"), gc.param("b", "j k")
    forward = gc.log(gc.sum(gc.exp(a)[:, None] * gc.exp(T) * gc.sum(gc.exp(b), axis=1)[None]))
    rng = np.random.default_rng(0)
    data = {"a": 800 * rng.normal(size=3), "T": 900 * rng.normal(size=(3, 5)), "b": 700 * rng.normal(size=(5, 7))}
    value, slopes = gc.compile(forward, wrt=(a, T, b))(**data)
    terms = data["a"][:, None, None] + data["T"][:, :, None] + data["b"][None]
    p = special.softmax(terms)
    np.testing.assert_allclose(value, special.logsumexp(terms), rtol=1e-15)
    np.testing.assert_allclose(slopes["a"], p.sum((1, 2)), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(slopes["b"], p.sum(0), rtol=1e-12, atol=1e-15)
