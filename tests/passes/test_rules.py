"""Every rule of every table: it fires on its left side, ends, keeps the value, and is better than what it replaces."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import graphc as gc
from graphc.frontend.tensor import Tensor
from graphc.ir.nodes import Input
from graphc.ir.verify import verify
from graphc.ir.walk import inputs_of, topological
from graphc.passes.adjoint import pullback
from graphc.passes.prepare import prepare
from graphc.passes.rewrite import apply_rules, first_match
from graphc.passes.stable import STABLE

RULES = [pytest.param(rule, id=name) for name, rule in STABLE.table.items()]
DIGITS = 800                                                    # enough for 1 + exp(-750)
EXTREME = np.array([-750.0, -40.0, -1e-9, 1e-9, 40.0, 750.0])
# sums of terms that may cancel; tanh'(x) = (1 - tanh x) (1 + tanh x)
ABSOLUTE = {"log_cosh": 1e-15, "log_sum_exp": 1e-15, "log_exp_product": 1e-13, "log_exp_quotient": 1e-13,
            "tanh_by_exponentials": 1e-34, "tanh_by_expm1": 1e-17, "tanh_by_sigmoid": 1e-17, "minus_tanh_by_sigmoid": 1e-17}


def domain(rule, name):
    """What a pattern tensor may be: an argument of log alone is positive; of log(1 + x), above -1."""
    return {"z": "positive", "log_one_plus.x": "above -1", "x_log_x.x": "positive"}.get(
        name if name == "z" else f"{rule.name}.{name}", "real")


def data_for(rule, values):
    """Data for the left side's inputs, made of `values`; reduced dims have as many."""
    rng = np.random.default_rng(3)
    found = {}
    for i in inputs_of([rule.sides[0].node, rule.sides[1].node]):
        a = values if len(i.dims) == 1 else np.stack([values, rng.permutation(values)], axis=1)
        if domain(rule, i.name) == "positive":
            a = np.abs(a) + 1e-3 * (rng.uniform() + 0.1)
        elif domain(rule, i.name) == "above -1":
            a = np.maximum(a, -0.9)
        found[i.name] = rng.permutation(a) if i.name != "x" else a
    return found


def exact(nodes, data):
    """The values in as many digits as it takes, as float64."""
    with mpmath.workdps(DIGITS):
        values = gc.evaluate([Tensor(n) for n in nodes], digits=DIGITS, **data)
    with np.errstate(over="ignore"):
        return [np.vectorize(float, otypes=[float])(v) for v in values]


def raw_gradient(tensor, wrt):
    """The gradient of the formula as it stands."""
    scalar = gc.sum(tensor).node
    return pullback([scalar], [None], [wrt])[0]


def close(got, want, rule):
    with np.errstate(invalid="ignore"):
        return (got == want) | (np.abs(got - want) <= 1e-13 * np.abs(want) + ABSOLUTE.get(rule.name, 1e-300))


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_fires_on_its_left_side_and_ends(rule):
    lhs = rule.sides[0].node
    fired = first_match(STABLE, lhs)
    assert fired is not None and fired[0].lhs == rule.lhs
    result = apply_rules(STABLE, [lhs])
    verify(result, "stabilise")
    assert apply_rules(STABLE, result) == result
    assert result[0].dims == lhs.dims and result[0].dtype == lhs.dtype


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_does_not_fire_on_what_it_makes_or_finds_made(rule):
    for side in rule.sides[1:]:
        for node in topological([side.node]):
            fired = first_match(STABLE, node)
            assert fired is None or fired[0] is not rule


@pytest.mark.parametrize("rule", RULES)
def test_both_sides_agree_on_ordinary_data(rule):
    data = data_for(rule, np.random.default_rng(1).normal(size=7))
    used = {i.name for i in inputs_of([rule.sides[0].node])}
    lhs, rhs = gc.evaluate(list(rule.sides[:2]), **{k: v for k, v in data.items() if k in used})
    assert np.isfinite(lhs).all()
    np.testing.assert_allclose(rhs, lhs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("rule", RULES)
def test_values_and_gradients_are_right_at_extremes_where_the_literal_formula_is_not(rule):
    lhs = rule.sides[0]
    used = inputs_of([lhs.node])
    x = next(i for i in used if i.name == "x")
    data = {k: v for k, v in data_for(rule, EXTREME).items() if k in {i.name for i in used}}
    literal = [lhs.node, raw_gradient(lhs, x)]
    wanted = exact(literal, data)
    better = [*prepare([lhs.node]), gc.grad(gc.sum(lhs), Tensor(x)).node]
    got = gc.evaluate([Tensor(n) for n in better], **data)
    naive = gc.evaluate([Tensor(n) for n in literal], **data)
    for g, w in zip(got, wanted, strict=True):
        assert close(g, w, rule).all(), (g, w)
    assert not all(close(g, w, rule).all() for g, w in zip(naive, wanted, strict=True)) or rule.name == "x_log_x"


def test_the_limit_of_x_log_x():
    x = gc.tensor("x", "n")
    stable = Tensor(prepare([gc.sum(x * gc.log(x)).node])[0])
    assert gc.evaluate(stable, x=[0.0, 1.0, np.e]) == pytest.approx(np.e)


def test_rules_are_named_by_identities():
    for name, rule in STABLE.table.items():
        assert name == rule.name and "=" in rule.identity or "limit" in rule.identity
        assert all(isinstance(i, Input) for i in inputs_of([rule.sides[0].node]))
