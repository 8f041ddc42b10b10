"""Every rule of the table: it fires on its left side, ends, keeps the value, and is right where the left side is not."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import mpmath
import numpy as np
import pytest

import graphc as gc
from graphc.frontend.tensor import Tensor
from graphc.ir.nodes import Input
from graphc.ir.verify import verify
from graphc.ir.walk import inputs_of, topological
from graphc.passes.adjoint import pullback
from graphc.passes.canonical import canonicalise
from graphc.passes.prepare import prepare
from graphc.passes.rewrite import apply_rules, first_match
from graphc.passes.stable import STABLE, WHOLES
from graphc.passes.stable import needs as written
from graphc.passes.stable.table import differentiated_as, row
from graphc.passes.tokens import needs

DIGITS = 900                                                    # enough for 1 + exp(-750), and for its derivative
RULES = [pytest.param(rule, id=name) for table in (WHOLES, STABLE) for name, rule in table.table.items()]
TABLE = {rule: table for table in (WHOLES, STABLE) for rule in table.table.values()}

# Where a rule's tensors may be: any number, or ...
POSITIVE, ABOVE_MINUS_ONE, UNIT, PROBABILITY, WEIGHT = "positive", "above -1", "between -1 and 1", "between 0 and 1", "a weight"
DOMAIN = {"z": POSITIVE, "log_one_plus.x": ABOVE_MINUS_ONE, "weight_times_log1p.z": ABOVE_MINUS_ONE, "log1p_minus_exp.x": "negative", "log_one_minus_exp.x": "negative", "log_one_minus_product_of_exp.x": "negative",
          **{f"{log}_product_of_complements.x": PROBABILITY for log in ("log_one_minus", "log1p_of_minus")},
          "weight_times_logsigmoid.z": "real", "weight_times_softplus.z": "real", "weight_times_logaddexp.z": "real", "weight_times_logaddexp.w": "real",
          "weight_times_logerfc.z": "real", "log_of_three_exp.z": "real", "log_of_four_exp.z": "real", "softmax_of_three.z": "real", "log_sum_exp_and_exp.z": "real",
          **{f"arcosh_by_{how}.x": "above 1" for how in ("logarithm", "the_small_root", "factors", "two_roots")}, "root_of_cube.x": POSITIVE, "square_of_root.x": POSITIVE, "cube_of_root.x": POSITIVE, "weight_times_log_and_more.w": "real",
          "log_product_of_three.x": POSITIVE, "log_product_of_three.y": POSITIVE, "quotient_of_squares.y": POSITIVE,
          "weight_times_log_ratio.w": POSITIVE, "weight_times_log_product.w": POSITIVE, "log_weighted_sum_exp.w": POSITIVE,
          "log_one_plus_weighted_sum_exp.x": "an exponent", "log1p_weighted_sum_exp.x": "an exponent",
          **{f"{r}.w": WEIGHT for r in ("weighted_softmax", "mean_with_weighted_softmax", "exp_over_weighted_sum_exp", "one_over_weighted_sum_exp",
                                        "weighted_sum_exp_times_exp", "log_one_plus_weighted_sum_exp", "log1p_weighted_sum_exp")}, "log_expm1.x": POSITIVE,
          "artanh_by_logarithm.x": UNIT, "difference_of_log1p.x": UNIT, "x_times_its_root.x": POSITIVE, "lgamma_recurrence.x": POSITIVE,
          "hypotenuse_of_three.z": "real", "log_sinh.x": POSITIVE, "log1p_of_cube.x": POSITIVE,
          "log1p_of_power.x": POSITIVE, "log_one_minus_exp_of_grouped.x": POSITIVE,
          "log_of_sum_over_its_term.x": POSITIVE, "log_of_sum_over_its_term.y": POSITIVE,
          **{f"log_{of}.x": POSITIVE for of in ("multiple_of_sinh", "over_sinh", "multiple_of_expm1", "over_expm1")},
          **{f"{r}.{v}": POSITIVE for r in ("log_quotient", "log_product", "log_cube", "log_sqrt", "log_reciprocal", "log_product_of_all") for v in "xy"}}
VALUES = {"an exponent": [-700.0, -40, -1.5, -1e-9, 1e-9, 0.7, 40, 750], "real": [-750.0, -40, -1.5, -1e-9, 1e-9, 0.7, 40, 750], POSITIVE: [1e-200, 1e-9, 0.25, 0.7, 1.5, 40, 750, 1e200],
          ABOVE_MINUS_ONE: [-0.9, -0.3, -1e-9, 1e-17, 1e-9, 0.7, 40, 1e200], "negative": [-750.0, -40, -1.5, -0.6, -0.1, -1e-3, -1e-9, -1e-17],
          "above 1": [1.001, 1.5, 2, 3, 10, 40, 750, 1e5], UNIT: [-0.999, -0.5, -1e-9, -1e-17, 1e-17, 1e-9, 0.5, 0.999],
          WEIGHT: [0.1, 0.2, 0.25, 0.5, 0.7, 1.5, 20, 1e5], PROBABILITY: [1e-200, 1e-17, 1e-9, 0.1, 0.4, 0.6, 0.9, 0.999]}
def chosen(x, weighted=False):
    """exp(x) where |x| > 2, as such or with a weight"""
    e = gc.where(abs(x) > 2, gc.exp(x), 0)
    return (2 + gc.sin(x)) * e if weighted else e


LARGE = [900.0, 899, 690, 3, -3, -800, 1e-9]


# Rules with a condition fire where values are related so; others as they stand.
RELATED = {"difference_of_roots": (lambda x: gc.sqrt(x + 1) - gc.sqrt(x), [1e-9, 0.5, 40, 1e9, 1e15]),
           "root_minus_its_main_term": (lambda x: gc.sqrt(x**2 - 4) - x, [2.5, 40, 1e5, 1e8, -3, -1e7]),
           "log_exp_minus_exp": (lambda x: gc.log(row("exp_difference", x, x - 1)), [-750, -1, 1e-9, 40, 1e5]),
           "log_one_plus_multiple_of_square": (lambda x: gc.log(1 + 3 * x**2), [1e-200, 1e-9, -0.5, 40, 1e200]),
           "log1p_of_multiple_of_square": (lambda x: gc.log1p(x**2 / 3), [1e-200, 1e-9, -0.5, 40, 1e200]),
           "bounded_square_of_scale": (lambda x: x**2 / (4 + x**2), [1e-200, 1e-9, -0.5, 40, 1e200]),
           "difference_of_sums": (lambda x: gc.sum(gc.softplus(x)) - gc.sum(x), [-700, -1, 1e-9, 40, 700]),
           "difference_of_means": (lambda x: gc.mean(gc.softplus(x)) - gc.mean(x), [-700, -1, 1e-9, 40, 700]),
           "difference_of_multiples": (lambda x: x * gc.lgamma(x + 1) - x * gc.lgamma(x), [1e-9, 0.3, 1.5, 40, 1e9]),
           "difference_of_weighted": (lambda x: row("times_log", x + 1, gc.softplus(x)) - (x + 1) * x, [-700, -1, 1e-9, 40, 700]),
           "arsinh_of_scale": (lambda x: gc.log(x + gc.sqrt(x**2 + 3)), [-1e200, -40, -1, 1e-9, 1e9]),
           "arsinh_of_scale_and_multiple": (lambda x: gc.log((x + gc.sqrt(x**2 + 4)) / 2), [-1e200, -40, -1, 1e-9, 1e9]),
           "hypotenuse_of_number": (lambda x: gc.sqrt(x**2 + 3), [-1e200, -40, -1, 1e-9, 1e9]),
           "hypotenuse_of_multiple": (lambda x: gc.sqrt(3 * x**2 + 2), [-1e200, -40, -1, 1e-9, 1e9]),
           "small_root_of_quadratic": (lambda x: (-(1 + x) + gc.sqrt((1 + x)**2 + 12 * x)) / (2 * x), [1e-200, 1e-9, 0.3, 40, 1e9]),
           "log_multiple_of_square_of_what_has_a_logarithm": (lambda x: gc.log(3 * gc.cosh(x)**2), [-1e5, -40, 1e-9, 1, 800]),
           "log_multiple_of_square": (lambda x: gc.log(3 * x**2), [1e-200, 1e-9, 0.577, -2.5, 40, 1e200]),
           "log_number_plus_square": (lambda x: gc.log(x**2 + 3), [-1e200, -40, -1, 1e-9, 1e9]),
           "absolute_value_of_exponentials": (lambda x: gc.abs(1 + gc.exp(x)), [-700, -1, 1e-9, 40, 700]),
           "log2_of_what_has_a_logarithm": (lambda x: gc.log2(1 + gc.exp(x)), [-700, -1, 1e-9, 40, 1e5]),
           "log10_of_what_has_a_logarithm": (lambda x: gc.log10(1 + x), [1e-200, -0.5, 1e-9, 40, 1e200]),
           "difference_of_reciprocals": (lambda x: 1 / x - 1 / (x + 1), [1e-9, 0.5, 40, 1e9, 1e100]),
           "hypotenuse_of_two_and_number": (lambda x: gc.sqrt(3 + x**2 + (2 * x)**2), [-1e200, -40, -1, 1e-9, 1e9]),
           "over_root_of_multiple": (lambda x: x / gc.sqrt(1 + 3 * x**2), [-1e200, -40, -1, 1e-9, 1e9]),
           "root_of_one_and_multiple_minus_one": (lambda x: gc.sqrt(1 + x**2 / 2) - 1, [-1e200, -40, -1, 1e-9, 1e9]),
           "saturating_ratio": (lambda x: x / (3 + x), [1e-200, 1e-9, -0.5, 40, 1e9, 1e200]),
           "softsign": (lambda x: x / (3 + gc.abs(x)), [1e-200, 1e-9, -0.5, 40, -1e9, 1e200]),
           "ratio_to_square": (lambda x: x / (3 + x**2), [1e-200, 1e-9, -0.5, 40, -1e9, 1e200]),
           "exp_times_weighted": (lambda x: gc.exp(-x) * row("times_log", gc.exp(2 * x), gc.softplus(x)), [-300, -1, 1e-9, 40, 700]),
           "product_of_sums_of_exp": (lambda x: gc.sum(gc.exp(x)) * gc.sum(gc.exp(-x)), [-700, -1, 1e-9, 40, 700]),
           "softplus_times_exp": (lambda x: gc.softplus(-2 * x) * gc.exp(x / 2), [-700, -1, 1e-9, 40, 400]),
           "exp_weighted_softplus": (lambda x: row("times_log", gc.exp(3 * x / 2), gc.softplus(-x)), [-400, -1, 1e-9, 40, 700]),
           "log_sigmoid_times_exp": (lambda x: gc.logsigmoid(2 * x) * gc.exp(x / 2), [-700, -1, 1e-9, 40, 400]),
           "exp_weighted_log_sigmoid": (lambda x: row("times_log", gc.exp(3 * x / 2), gc.logsigmoid(x)), [-400, -1, 1e-9, 40, 700]),
           "sum_exp_times_wider_exp": (lambda x: gc.sum(gc.exp(x)) * gc.exp(-x), [-700, -1, 1e-9, 40, 700]),
           "sign_of_exponentials": (lambda x: gc.sign(1 + gc.exp(x)), [-700, -1, 1e-9, 40, 700]),
           "log_sum_of_powers": (lambda x: gc.log(gc.sum(gc.power(2.0, x))), [-900.0, -1, 1e-9, 40, 1500]),
           "log_multiple_of_sum_of_powers": (lambda x: gc.log(gc.mean(gc.power(10.0, x))), [-400.0, -1, 1e-9, 40, 500]),
           "softmax_of_powers": (lambda x: gc.power(3.0, x) / gc.sum(gc.power(3.0, x)), [-400.0, -1, 1e-9, 40, 800]),
           "log_one_plus_power": (lambda x: gc.log(1 + gc.power(2.0, x)), [-900.0, -1, 1e-9, 40, 1500]),
           "norm_of_order_three": (lambda x: gc.sum(gc.abs(x)**3)**0.3, [1e-9, -0.5, 40, 3.0]),
           "norm_of_order_four": (lambda x: gc.sum(x**4)**0.25, [1e-9, -0.5, 40, 3.0]),
           "norm_of_order": (lambda x: gc.sum(gc.abs(x)**2.5)**0.4, [1e-9, -0.5, 40, 3.0]),
           "log_one_minus_exp_of_small": (lambda x: gc.log1mexp(gc.exp(x)), [-700, -1, 1e-9, 2, 700]),
           "log_of_selection": (lambda x: gc.log(gc.where(x < 0, gc.exp(x) / 2, 1 - gc.exp(-x) / 2)), [-700.0, -1, 1e-9, 40, 700]),
           "log_power": (lambda x: gc.log(x**2.5), [1e-200, 1e-9, 0.25, 1.5, 40, 1e200]),
           "log_multiple_of_softplus": (lambda x: gc.log(3 * gc.softplus(x)), [-700, -1, 1e-9, 40, 700]),
           "log_one_minus_power_of_sigmoid": (lambda x: gc.log1mexp(-2 * gc.logsigmoid(x)), [-700, -1, 1e-9, 40, 700]),
           "log_difference_of_sigmoids": (lambda x: gc.log(gc.sigmoid(x + 1) - gc.sigmoid(x - 0.5)), [-700, -1, 1e-9, 40, 700]),
           "log_difference_of_erf": (lambda x: gc.log(gc.erf(x / 8 + 0.5) - gc.erf(x / 8 - 0.25)), [-160.0, -24, -1, 1e-9, 1, 40, 160]),
           "log_half_difference_of_erf": (lambda x: gc.log((gc.erf(x / 8 + 0.5) - gc.erf(x / 8 - 0.25)) / 2), [-160.0, -24, -1, 1, 40, 160]),
           "log_half_difference_of_erfc": (lambda x: gc.log(gc.erfc(x) / 2 - gc.erfc(x + 1) / 2), [-20, -3, -0.5, 0.125, 5, 20]),
           "third_moment": (lambda x: gc.mean(x**3) - 3 * gc.mean(x) * gc.mean(x**2) + 2 * gc.mean(x)**3, [1e6 + 1, 1e6, 1e6 + 5, 1e6 + 3]),
           "difference_of_norms": (lambda x: gc.norm(x) - gc.norm(x + 1), [1e-9, -0.5, 40, 1e6]),
           **{f"{name}{kind}{end}": (functools.partial(form, w), values) for kind, w in (("masked", False), ("masked_weighted", True))
              for name, end, form, values in (("", "_softmax", lambda w, x: chosen(x, w) / gc.sum(chosen(x, w)), LARGE),
                                              ("mean_with_", "_softmax", lambda w, x: gc.sum(x * chosen(x, w)) / gc.sum(chosen(x, w)), LARGE),
                                              ("exp_over_", "_sum_exp", lambda w, x: gc.exp(x[0]) / gc.sum(chosen(x, w)), LARGE),
                                              ("one_over_", "_sum_exp", lambda w, x: 1 / gc.sum(chosen(x, w)), LARGE[2:]),
                                              ("", "_sum_exp_times_exp", lambda w, x: gc.exp(-x[0]) * gc.sum(chosen(x, w)), LARGE))},
           "mean_with_masked_softmax_of_selected": (lambda x: gc.sum(gc.where(abs(x) > 2, x * gc.exp(x), 0)) / gc.sum(chosen(x)), LARGE),
           "log_other_weighted_sum_exp": (lambda x: gc.log(gc.cumsum((2 + gc.sin(x)) * gc.exp(x))), [-700, 3, 40, 899, 900, 1e-9]),
           "log_product_of_exponentials": (lambda x: gc.log(gc.prod(1 + gc.exp(x))), [-700, 3, 40, 899, 900, 1e-9]),
           "one_minus_few_complements": (lambda x: 1 - (1 - x) * (1 - x**2) * (1 - x**3), [1e-17, 1e-9, 0.3, 0.5, 0.9, 0.999]),
           "one_minus_few_sigmoids": (lambda x: 1 - gc.sigmoid(x) * gc.sigmoid(2 * x) * gc.sigmoid(3 * x), [-700, -1, 1e-9, 12, 40, 700]),
           "log_exp_product_in_two_forms": (lambda x: gc.log(3 * differentiated_as(1 / (gc.exp(-x) * (1 + x**2)), gc.exp(x) / (1 + x**2))),
                                            [-700, -1, 1e-9, 40, 700]),
           "root_minus_one": (lambda x: gc.sqrt(1 + x) - 1, [-0.5, -1e-9, 1e-17, 1e-3, 40, 1e15])}
# Where the value or the slope jumps or is chosen, or squares of large values are taken on purpose.
SMALL_VALUES = {"log_product_of_all", "norm", "cosine_similarity", "direction", "variance", "covariance", "sum_of_squared_deviations"}


# Gradients whose terms cancel against each other where one element has nearly all the weight, as p_j (w_j - sum w p) and (1 - x_j^2 / |x|^2) / |x| do.
ABSOLUTE = {"softmax_weighted_sum": 1e-12, "power_of_softmax": 1e-12, "weighted_softmax": 1e-12, "mean_with_weighted_softmax": 1e-12, "root_of_softmax": 1e-12, "cosine_similarity": 1e-16, "direction": 1e-16,
            "difference_of_norms": 2.0**-52}                    # two directions, each rounded


def domain(rule, name):
    return DOMAIN.get(f"{rule.name}.{name}", DOMAIN.get(name, "real"))


def related(rule):
    """A left side on which the rule fires, and values of its one tensor."""
    program, values = RELATED[rule.name]
    return program(gc.tensor("x", "n")), {"x": np.array(values)}


def data_for(rule, ordinary=False):
    """Data for the rule's inputs, each of its domain; reduced dims have two elements."""
    rng = np.random.default_rng(3)
    found = {}
    for k, i in enumerate(inputs_of([rule.sides[0].node, rule.sides[1].node])):
        if i.dtype == "int":
            found[i.name] = rng.integers(0, 2, 8)
            continue
        values = np.array(VALUES[domain(rule, i.name)])
        if ordinary:
            low, high = {"negative": (-3, -0.1), "above 1": (1.1, 3), UNIT: (-0.9, 0.9), PROBABILITY: (0, 0.9)}.get(domain(rule, i.name), (-3, 3))
            values = np.clip(values, low, high) + rng.uniform(0.01, 0.02, 8)
        elif rule.name in SMALL_VALUES:
            values = np.clip(values, -1e3, 1e3)
        shift = np.roll(values, k)
        shape = [8 if str(s) == "n" else 2 if str(s) in ("c", "d") else int(s) for s in i.dims]
        found[i.name] = shift if len(shape) == 1 else np.stack([shift, rng.permutation(values)], axis=1)[:, :shape[1]]
    return found


def exact(nodes, data, rng=None):
    """The values in as many digits as it takes; with `rng`, of data moved by a rounding."""
    if rng is not None:
        data = {k: v * (1 + 2.0**-53 * rng.choice([-1, 1], v.shape)) if v.dtype.kind == "f" else v for k, v in data.items()}
    with mpmath.workdps(DIGITS):
        return gc.evaluate([Tensor(n) for n in nodes], digits=DIGITS, **data)


def raw_gradient(tensor, wrt):
    """The gradient of the formula as it stands."""
    scalar = gc.sum(tensor).node
    found = pullback([scalar], [None], [wrt])[0]
    return found or (0 * Tensor(wrt)).node


def right(got, want, moved, absolute=0.0):
    """Within 8 ULP, and as far as the exact answer moves when the data move by a rounding; where there is an answer."""
    def one(g, w, *near):
        if not mpmath.isfinite(w) or abs(w) > 1e300:
            return True
        allowed = 8 * 2.0**-52 * abs(w) + 8 * sum((abs(m - w) for m in near if mpmath.isfinite(m)), mpmath.mpf(0)) + max(mpmath.mpf(2)**-1070, absolute)
        return bool(abs(mpmath.mpf(float(g)) - w) <= allowed)
    with mpmath.workdps(DIGITS):
        return np.asarray(np.frompyfunc(one, 2 + len(moved), 1)(got, want, *moved), dtype=bool)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_fires_on_its_left_side_and_ends(rule):
    (lhs,) = canonicalise([(related(rule)[0] if rule.name in RELATED else rule.sides[0]).node])
    fired = first_match(TABLE[rule], lhs)
    assert fired is not None and fired[0].name == rule.name
    result = apply_rules(STABLE, apply_rules(WHOLES, [lhs]))
    verify(result, "stabilise")
    assert apply_rules(STABLE, result) == result
    assert result[0].dims == lhs.dims and result[0].dtype == lhs.dtype


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_does_not_fire_on_what_it_makes_or_finds_made(rule):
    for side in rule.sides[1:]:
        for node in topological([side.node]):
            fired = first_match(TABLE[rule], node)
            assert fired is None or fired[0] is not rule


@pytest.mark.parametrize("rule", RULES)
def test_both_sides_agree_on_ordinary_data(rule):
    data = data_for(rule, ordinary=True)
    if rule.name in RELATED:
        lhs, data = related(rule)
        sides = [lhs, Tensor(apply_rules(STABLE, apply_rules(WHOLES, [lhs.node]))[0])]
        data = {"x": np.array([2.5, 3.5, 7.5])}
    else:
        sides = list(rule.sides[:2])
    used = {i.name for i in inputs_of([sides[0].node])}
    lhs, rhs = gc.evaluate(sides, **{k: v for k, v in data.items() if k in used})
    assert np.isfinite(lhs).all()
    np.testing.assert_allclose(rhs, lhs, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_values_and_gradients_are_right_at_extremes(rule):
    lhs, data = related(rule) if rule.name in RELATED else (rule.sides[0], data_for(rule))
    used = inputs_of([lhs.node])
    x = next(i for i in used if i.name in ("x", "a"))
    data = {k: v for k, v in data.items() if k in {i.name for i in used}}
    literal = [lhs.node, raw_gradient(lhs, x)]
    wanted = exact(literal, data)
    moved = [exact(literal, data, np.random.default_rng(seed)) for seed in (1, 2)]
    better = [*prepare([lhs.node]), gc.grad(gc.sum(lhs), Tensor(x)).node]
    got = gc.evaluate([Tensor(n) for n in better], **data)
    for k, (g, w) in enumerate(zip(got, wanted, strict=True)):
        fine = right(g, w, [m[k] for m in moved], k * ABSOLUTE.get(rule.name, 0.0))
        assert fine.all(), (["value", "gradient"][k], {n: v[~fine] if v.shape == fine.shape else v for n, v in data.items()}, g[~fine], w[~fine])


def test_rules_are_named_by_identities():
    for name, rule in {**WHOLES.table, **STABLE.table}.items():
        assert name == rule.name and ("=" in rule.identity or "and 0" in rule.identity or "without" in rule.identity), name
        assert all(isinstance(i, Input) for i in inputs_of([rule.sides[0].node]))


def test_rules_fire_whatever_the_grouping():
    x, y, z = gc.tensor("x", "n"), gc.tensor("y", "n"), gc.tensor("z", "n")
    for tensor, wanted in ((gc.log(gc.exp(x) + (1 + gc.exp(y))), "logaddexp"), (gc.log(3 + gc.exp(x)), "logaddexp"), (gc.log(2 * gc.exp(x) + 3 * gc.exp(y)), "logaddexp"),
                           (gc.log(gc.exp(x) / (gc.exp(x) + gc.exp(y))), "logsigmoid"), (1 / (1 + 1 / gc.exp(x)), "sigmoid"), (gc.log(1 + gc.exp(x) * gc.exp(y)), "softplus"),
                           (gc.log(0.5 * (gc.exp(z) + gc.exp(-z))), "logcosh"), (gc.log((gc.exp(x) + gc.exp(y)) / 3), "logaddexp")):
        (node,) = prepare(canonicalise([tensor.node]))
        assert any(wanted in str(getattr(n, "body", "")) for n in topological([node])), gc.formula(tensor)


def test_part_of_a_sum_is_rewritten_with_its_sign():
    x, y, z = gc.tensor("x", "n"), gc.tensor("y", "n"), gc.tensor("z", "n")
    data = {"x": np.array([0.3, -2.0]), "y": np.array([1.1, 0.2]), "z": np.array([-0.7, 3.0])}
    for tensor in (1 + x - y**2 - gc.exp(x), z + gc.exp(x) - 1 - y, y - gc.softplus(x) + x * z, z - gc.logaddexp(x, y) + x, 3 - gc.sqrt(1 + x**2) - y + 1,
                   gc.sum(x) - gc.log(gc.sum(gc.exp(y))) + y[0] - z):
        (node,) = prepare([tensor.node])
        np.testing.assert_allclose(gc.evaluate(Tensor(node), **{k: v for k, v in data.items() if k in {i.name for i in inputs_of([node])}}),
                                   gc.evaluate(tensor, **{k: v for k, v in data.items() if k in {i.name for i in inputs_of([tensor.node])}}), rtol=1e-12)


def test_a_sum_is_matched_across_the_sums_that_it_reads():
    """A match within one of them is that sum's own, looked for where it was visited; one across them is the outer sum's."""
    x, y, z = gc.tensor("x", "n"), gc.tensor("y", "n"), gc.tensor("z", "n")
    data = {"x": [800.0], "y": [0.0], "z": [0.0]}
    for tensor in ((z + gc.softplus(x)) + (y - x), (z + gc.softplus(x)) - (x - y), (gc.softplus(x) - x) + y):
        (node,) = prepare([tensor.node])
        assert gc.evaluate(Tensor(node), **{i.name: data[i.name] for i in inputs_of([node])})[0] == 0, gc.formula(tensor)
        assert "softplus(-" in "".join(str(getattr(n, "body", "")) for n in topological([node])), gc.formula(tensor)


def test_what_rules_need_is_written_down():
    """GRAPHC_GOLDEN=write writes it anew. A rule that is not there is built with the first formula."""
    lines = [f'    "{name}": "{needs(rule)}",' for table in (WHOLES, STABLE) for name, rule in table.table.items()]
    path = Path(written.__file__)
    head = path.read_text(encoding="utf-8").partition("NEEDS")[0]
    text = head + "\n".join(["NEEDS = {", *lines, "}", ""])
    if os.environ.get("GRAPHC_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "out of date: run this test with GRAPHC_GOLDEN=write"
