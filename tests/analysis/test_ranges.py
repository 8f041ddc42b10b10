"""gc.range: what is proved holds at every point that is tried, and what is shown happens."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from formulas import EXTENTS, formulas
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import graphc as gc
from graphc.analysis.ranges.apply import apply, has_rule
from graphc.analysis.ranges.bounds import Bounds
from graphc.analysis.ranges.functions import DOMAINS
from graphc.analysis.ranges.intervals import FORMATS, MP, interval
from graphc.analysis.ranges.value import Value
from graphc.compiler import PASSES, Compilation
from graphc.ir.interpret import interpret
from graphc.ir.walk import inputs_of, topological
from graphc.scalar.arithmetic import Arithmetic
from graphc.scalar.table import ROWS

CHECK = settings(max_examples=20, suppress_health_check=list(HealthCheck), database=None, deadline=None)
F32 = FORMATS["float32"]


# --- the arithmetic -----------------------------------------------------------------------------------------------------

TABLE = sorted(n for n, r in ROWS.items() if r.definition is None)
LOGIC = ["where", "at_kink", "apart", "polygamma", *(n for n in TABLE if ROWS[n].result == "bool")]        # in the formulas below
ENDS = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 2.0, -0.5, 1e-30, 88.0, -104.0, 1e4, -1e4, 3.2]), st.floats(-50, 50, width=32), st.floats(-1e6, 1e6, width=32)).map(lambda x: float(np.float32(x)))
CASES = settings(max_examples=12, suppress_health_check=list(HealthCheck), database=None, deadline=None)


def value(name, *x):
    """f(x) by mpmath in 50 digits; None where it is no real number."""
    arithmetic = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b}
    rule = arithmetic.get(name) or ROWS[name].mpmath
    with mpmath.workdps(50):
        try:
            y = getattr(mpmath, rule)(*x) if isinstance(rule, str) else rule(*x) if name in arithmetic else rule(mpmath, *x)
        except (ZeroDivisionError, ValueError):
            return None
    return None if isinstance(y, mpmath.mpc) or mpmath.isnan(y) else y


def single(name, *x):
    """f(x) as the interpreter computes it in float32."""
    if name in ROWS:
        return Arithmetic(np.float32).apply(name, *map(np.float32, x))
    with np.errstate(all="ignore"):
        return {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}[name](*map(np.float32, x))


def inside(x, found):
    x = float(x) if isinstance(x, np.floating) else x
    return found.nan if x != x else x in found


def test_every_row_of_the_table_has_a_rule():
    assert [n for n in ROWS if not has_rule(n)] == []


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", *(n for n in TABLE if n not in LOGIC)])
def test_an_interval_holds_every_value(name):
    arity = ROWS[name].arity if name in ROWS else 2

    @CASES
    @given(st.lists(st.tuples(ENDS, ENDS, st.lists(st.floats(0, 1), min_size=3, max_size=3)), min_size=arity, max_size=arity))
    def check(boxes):
        args = [interval(min(a, b), max(a, b)) for a, b, _ in boxes]
        exact, computed = apply(name, args), apply(name, args, machine=F32)
        for k in range(5):
            x = [float(np.clip(np.float32(min(a, b) + (max(a, b) - min(a, b)) * [0, 1, *f][k]), min(a, b), max(a, b))) for a, b, f in boxes]
            x = [min(max(float(np.float32(e)), min(a, b)), max(a, b)) for e, (a, b, _) in zip(x, boxes, strict=True)]
            truth, machine = value(name, *map(mpmath.mpf, x)), single(name, *x)
            assert truth is None or MP.isinf(truth) or truth in exact, (x, truth, exact)
            assert machine is None or inside(machine, computed), (x, machine, computed)
    check()


def test_domains_are_those_of_the_table():
    assert {n for n, r in ROWS.items() if r.domain and r.arity == 1} == set(DOMAINS)


def test_rounding_is_outward():
    assert F32.rounded(interval(1)) == interval(1)
    tenth = F32.rounded(interval("0.1"))
    assert (tenth.low, tenth.high) == (np.nextafter(np.float32(0.1), np.float32(0)), np.float32(0.1))
    assert F32.rounded(interval(0, F32.largest * (1 + MP.mpf(2)**-40))).high == math.inf
    assert F32.rounded(interval(MP.mpf(10)**-60, 1)).low == 0 and F32.rounded(interval(-1, MP.mpf(10)**-60)).high == np.float32(1e-45)


# --- whole formulas -------------------------------------------------------------------------------------------------------

def graph(*tensors):
    return Compilation([t.node for t in tensors], [""] * len(tensors)).graphs[PASSES[-1][0]]


def bounds_of(roots, box, sizes):
    def given(i):
        low, high = box.get(i.name, (0, 10**9))
        return Value(interval(low, high), interval(low, high))
    return Bounds(roots, {i: given(i) for i in inputs_of(roots)}, sizes, F32)


def check_point(roots, bounds, arrays, extents, errors=True):
    """Every node's values in float32 and in many digits lie in its intervals, and as near as the error bound says."""
    point = {i: arrays[i.name] for i in inputs_of(roots)}
    computed = interpret(roots, point, extents, np.float32)
    truth = interpret(roots, point, extents, digits=40) if errors and all(np.isfinite(v).all() for v in computed.values() if v.dtype.kind == "f") else None
    for node in topological(roots):
        v = bounds.flat(bounds.values[node])
        for x in {float(x) for x in computed[node].flat}:
            assert inside(x, v.computed), (node, x, v.computed)
        if truth is None:
            continue
        for x, t in zip(computed[node].flat, truth[node].flat, strict=True):
            t = mpmath.mpf(float(t)) if not isinstance(t, mpmath.mpf) else t
            assert mpmath.isnan(t) or t in v.exact, (node, t, v.exact)
            if not v.vanishes and node.dtype == "float" and math.isfinite(v.error[0] + v.error[1]):
                assert abs(mpmath.mpf(float(x)) - t) <= v.error[0] * abs(t) + v.error[1] + 1e-36, (node, x, t, v.error)


@CHECK
@given(formulas(steps=5))
def test_intervals_hold_the_values_of_random_formulas(case):
    loss, arrays = case
    names = [n for n, a in arrays.items() if a.dtype.kind == "f"]
    roots = graph(loss, *gc.grad(loss, names))
    bounds = bounds_of(roots, dict.fromkeys(names, (-1.5, 1.5)), {n: (e, e) for n, e in EXTENTS.items()})
    rng = np.random.default_rng(3)
    for draw in (lambda shape: rng.choice([-1.5, 0.0, 1.5], size=shape), lambda shape: rng.uniform(-1.5, 1.5, size=shape)):
        data = {n: draw(a.shape).astype(np.float32) if n in names else a for n, a in arrays.items()}
        check_point(roots, bounds, data, EXTENTS)


NAIVE = {
    "exp": gc.exp, "log": gc.log, "reciprocal": lambda x: 1 / x, "sqrt": gc.sqrt, "square": lambda x: x**2, "cube": lambda x: x**3, "sinh": gc.sinh, "softplus": gc.softplus,
    "sigmoid": gc.sigmoid, "tanh": gc.tanh, "abs": abs, "shift": lambda x: x - 1, "logsumexp": lambda x: x - gc.logsumexp(x, axis=-1, keepdims=True), "softmax": lambda x: gc.softmax(x, axis=-1),
    "own softmax": lambda x: gc.exp(x - gc.max(x, -1, keepdims=True)) / gc.sum(gc.exp(x - gc.max(x, -1, keepdims=True)), -1, keepdims=True),
    "centre": lambda x: x - gc.mean(x, -1, keepdims=True), "over sum": lambda x: gc.exp(x) / gc.sum(gc.exp(x), -1, keepdims=True), "guarded log": lambda x: gc.where(x > 0, gc.log(x), 0),
    "guarded root": lambda x: gc.where(x >= 0.5, gc.sqrt(x - 0.5), x), "product": lambda x: gc.prod(x, -1, keepdims=True) * x, "expm1": gc.expm1, "cumsum": lambda x: gc.cumsum(x, -1),
    "less the least": lambda x: x - gc.min(x, -1, keepdims=True), "over the greatest": lambda x: x**2 / gc.max(x**2, -1, keepdims=True), "norm": lambda x: x / gc.norm(x, -1, keepdims=True),
    "log product": lambda x: gc.log(x * gc.exp(x)), "log ratio": lambda x: gc.log(x / (1 + x**2)), "difference": lambda x: gc.exp(x) - gc.exp(x**2), "sinc": lambda x: gc.sin(x) / x,
    "rest": lambda x: gc.exp(x) - 1 - x, "over log": lambda x: (x - 1) / gc.log(x), "entropy": lambda x: gc.xlogy(x, gc.softmax(x, -1)), "log softmax": lambda x: gc.log(gc.softmax(x, -1)),
    "unit": lambda x: x / gc.hypot(x, x[:, ::-1]), "long": lambda x: gc.norm(x, -1, keepdims=True), "log tail": lambda x: gc.log(gc.erfc(x)), "log one less": lambda x: gc.log(1 - gc.exp(-x)),
    "others": lambda x: gc.losses.cross_entropy(x, gc.argmax(x[:, ::-1], -1), reduction="none")[:, None] - x, "itself": lambda x: x - x, "silu": gc.silu, "log1p": gc.log1p, "pick": lambda x: x[:, :1] - x, "power": lambda x: abs(x)**1.5,
}


@settings(CHECK, max_examples=25)
@given(st.lists(st.sampled_from(sorted(NAIVE)), min_size=1, max_size=4), st.tuples(ENDS, ENDS), st.booleans(), st.booleans())
def test_what_cannot_happen_never_happens(steps, ends, stable, derivative):
    """Naive formulas over wide boxes: no infinity, NaN or number outside the interval of a node, in float32, at extreme and random points."""
    x = gc.param("x", "n d")
    t = x
    for s in steps:
        t = NAIVE[s](t)
    outputs = [t] + [gc.grad(gc.sum(t), x)] * derivative
    roots = graph(*outputs) if stable else [o.node for o in outputs]
    low, high = min(ends), max(ends)
    bounds = bounds_of(roots, {"x": (low, high)}, {"n": (1, 5), "d": (1, 7)})
    rng = np.random.default_rng(5)
    for k, extents in enumerate([{"n": 2, "d": 3}, {"n": 3, "d": 2}, {"n": 1, "d": 1}, {"n": 2, "d": 7}] * 2):
        shape = (extents["n"], extents["d"])
        drawn = [rng.choice([low, high], size=shape), rng.uniform(low, high, size=shape), np.full(shape, [low, high][k % 2]),
                 np.clip(rng.choice([-1, 1], size=shape) * 10.0**rng.integers(-45, 6, size=shape), low, high)][k % 4]
        data = np.clip(drawn.astype(np.float32), np.float32(low), np.float32(high))
        check_point(roots, bounds, {"x": data}, extents, errors=k < 2)


# --- gc.range ---------------------------------------------------------------------------------------------------------------

def row(found, name):
    return next(r for r in found.rows if r.name == name)


def finding(found, name, kind):
    return next(f for f in found.findings if (f.name, f.kind) == (name, kind))


@pytest.fixture(scope="module")
def cross_entropy():
    y, t = gc.param("y", "n c"), gc.labels("t", "n", below="c")
    return gc.losses.cross_entropy(y, t).named("L")


def test_softmax_cross_entropy_does_not_overflow(cross_entropy):
    found = gc.range(cross_entropy, y=(-1e4, 1e4), grad=["y"], sizes={"c": (2, 1000)})
    assert found.ok and found.safe
    assert {(r.overflow, r.nan) for r in found.rows} == {("cannot", "cannot")}
    assert (row(found, "z").low, row(found, "e").high) == (1, 1)
    assert row(found, "e").underflow == "can" and row(found, "z").underflow == "cannot"
    assert 0 <= row(found, "L").low and row(found, "L").high < 2e4 + 7
    assert row(found, "y_bar").low == -1 and row(found, "y_bar").high == 1


def test_one_class_has_no_others_and_a_loss_of_0(cross_entropy):
    """log of an empty sum is -inf, and softplus of that is 0."""
    alone, any_number = (gc.range(cross_entropy, y=(-1e4, 1e4), grad=["y"], **sizes) for sizes in ({"sizes": {"c": 1}}, {}))
    assert (row(alone, "L").low, row(alone, "L").high, row(alone, "y_bar").low, row(alone, "y_bar").high) == (0, 0, 0, 0)
    assert finding(alone, "u", "overflow").text == "is infinite, but what reads it is finite"
    for found in (alone, any_number):
        assert found.ok and found.safe and row(found, "z_bar").nan == row(found, "L").overflow == row(found, "y_bar").overflow == "cannot"


def test_softmax_is_at_most_1_and_its_shift_finite():
    x = gc.tensor("x", "n d")
    for f, low, high in ((gc.softmax(x), 0, 1), (gc.log_softmax(x), -2e4 - 23, 0), (gc.norm(x, axis=1), 0, 2e4 * 2**15.5), (gc.logsumexp(x, 1), -1e4, 1e4 + 23)):
        for as_written in (False, True):
            found = gc.range(f, x=(-1e4, 1e4), as_written=as_written)
            assert found.safe and low <= found.rows[-1].low <= found.rows[-1].high <= high


def test_the_naive_form_overflows_where_it_really_does():
    y, t = gc.param("y", "n c"), gc.labels("t", "n", below="c")
    e = gc.exp(y).named("e")
    L = gc.mean(gc.log(gc.sum(e, axis=1))) - gc.mean(y[gc.arange("n"), t])
    written, compiled = gc.range(L, y=(-1e4, 1e4), as_written=True), gc.range(L, y=(-1e4, 1e4))
    assert compiled.ok and not written.ok
    shown = finding(written, "e", "overflow")
    assert shown.text == "overflows for y >= 88.7228"
    assert np.isinf(gc.evaluate(e, y=shown.witness["y"])).any() and shown.witness["y"].dtype == np.float32
    assert gc.range(L, y=(-80, 80), sizes={"c": 10, "n": 7}, as_written=True).safe
    assert gc.range(L, y=(-1e4, 1e4), dtype="float64", as_written=True).findings[0].text == "overflows for y >= 709.783"


def test_scale_by_extents_cancels():
    x = gc.tensor("x", "n d")
    found = gc.range(gc.mean(x), x=(-1, 1)).rows[-1]
    assert (found.low, found.high) == (-1, 1)
    total = gc.range(gc.sum(x), x=(0, 1), sizes={"n": 1000, "d": (1, 10)}).rows[-1]
    assert (total.low, total.high, total.digits) == (0, 10_000, "cannot say")                    # 10,000 terms may err by 6e-4
    assert gc.range(gc.sum(x), x=(0, 1), sizes={"n": 100, "d": (1, 10)}).rows[-1].digits == "cannot"


def test_a_large_sum_overflows():
    x = gc.tensor("x", "n")
    found = gc.range(gc.sum(x), x=(0, 1e34))
    assert not found.ok and found.rows[-1].overflow == "can" and len(found.findings[0].witness["x"]) > 10_000
    assert gc.range(gc.sum(x), x=(0, 1e34), sizes={"n": 1000}).safe


X = gc.tensor("x", "n")
CASES_OF_TROUBLE = {                                                      # formula, interval of x, kind, status, and what is found
    "square": (X**2, (-1e20, 1e20), "overflow", "can", "overflows for x <= -1.84467e+19 and x >= 1.84467e+19"),
    "quotient": (1 / X, (-1, 1), "overflow", "can", "is infinite at x = "),
    "away from 0": (1 / X, (0.5, 1), "overflow", "cannot", ""),
    "log": (gc.log(X), (-1, 1), "nan", "can", "is NaN for x <= -1.4013e-45"),
    "cancellation": ((X + 1) - 1, (0, 1), "digits", "can", "loses 7 of 7 digits"),
    "absorbed": (gc.log(1 + X), (0, 1), "digits", "can", "loses 7 of 7 digits"),
    "no cancellation": (X + 1, (0, 1), "digits", "cannot", ""),
    "infinity less infinity": (gc.exp(X) - gc.exp(2 * X), (0, 100), "nan", "can", "is NaN for x >= 88.7228"),
    "itself": (X - X, (-1e30, 1e30), "overflow", "cannot", ""),
    "root": (gc.sqrt(X**2), (-10, 10), "nan", "cannot", ""),
    "guarded": (gc.where(X > 0, gc.log(X), 0), (-1, 1), "nan", "cannot", ""),
    "guarded twice": (gc.where(X > 0.1, gc.where(X < 1, gc.sqrt(1 - X) / X, 0), 1), (-10, 10), "overflow", "cannot", ""),
    "0 of 0": (X**2 / gc.max(X**2), (0, 1), "nan", "can", "is NaN for x <= "),
    "silu": (gc.silu(X), (-1e4, 1e4), "overflow", "cannot", ""),
    "bell": (gc.exp(-X**2), (-100, 100), "underflow", "can", "underflows"),
}


@pytest.mark.parametrize("case", CASES_OF_TROUBLE)
def test_kinds_of_trouble(case):
    formula, ends, kind, status, text = CASES_OF_TROUBLE[case]
    found = gc.range(formula, x=ends, as_written=True)
    assert getattr(found.rows[-1], kind) == status
    if text:
        assert text in finding(found, found.rows[-1].name, kind).text


def test_subdivision_narrows_what_reads_a_value_twice():
    silu, parabola = gc.range([gc.silu(X), X**2 - X], x=(-1e4, 1e4)).rows[-3], gc.range(X**2 - X, x=(-1e4, 1e4)).rows[-1]
    assert -0.4 < silu.low < -0.278 and silu.high == 1e4
    assert -0.6 < parabola.low < -0.25


@pytest.mark.parametrize("ends", [(-1, 1), (-1e30, 1e30)])
def test_a_norm_by_its_greatest_element_keeps_its_digits(ends):
    """Squares beside the greatest may underflow; their sum, which is 1 or more, does not show it. As written they overflow."""
    x = gc.tensor("x", "n d")
    formula, sizes = gc.sqrt(gc.sum(x**2, axis=1)), {"n": 3, "d": 13}
    last = gc.range(formula, x=ends, sizes=sizes).rows[-1]
    assert last.digits == last.nan == last.overflow == "cannot"
    assert ends[1] < 1e19 or not gc.range(formula, x=ends, sizes=sizes, as_written=True).ok


def test_what_is_selected_away_is_harmless():
    x = gc.tensor("x", "n")
    found = gc.range(gc.sum(gc.where(x > 0, gc.log(x), 0)), x=(-1, 1))
    assert found.ok and found.safe and {f.kind: f.harmless for f in found.findings} == {"overflow": True, "nan": True}
    naive = gc.range(1 / (1 + gc.exp(-x)), x=(-1e4, 1e4), as_written=True)
    assert naive.ok and finding(naive, "exp_neg_x", "overflow").text.endswith("but what reads it is finite")


def test_any_finite_number_and_what_cannot_be_said():
    x = gc.tensor("x", "n")
    assert not gc.range(x * x).ok
    found = gc.range(gc.sin(x) / (gc.sin(x)**2 + gc.cos(x)**2), x=(-1e4, 1e4))
    assert found.ok and not found.safe and found.rows[-1].overflow == "cannot say"


def test_table():
    x = gc.tensor("x", "n")
    text = str(gc.range(gc.exp(x).named("y"), x=(0, 100), as_written=True))
    assert text.splitlines()[0] == "ranges in float32  for x in [0, 100], n in 1..2147483648"
    assert text.splitlines()[-1] == "y  overflows for x >= 88.7228"
    assert "y[n] = exp(x[n])" in text and "test_ranges.py:" in text and "2.68812e+43" in text


def test_arguments_are_checked():
    x, t = gc.tensor("x", "n"), gc.labels("t", "n", below="n")
    L = gc.sum(x * t)
    for arguments, message in [
        (dict(z=1), r"no input is called z. The inputs are x\[n\], t\[n\]"), (dict(x=(2, 1)), "the lower end comes first"), (dict(x="a"), r"takes \(low, high\)"),
        (dict(x=(0, 1e39)), r"within float32, that is up to 3.403e\+38"), (dict(x=(0, math.nan)), "the ends are finite"), (dict(sizes={"m": 3}), "no dim is called m"),
        (dict(sizes={"n": 0}), "whole number from 1 on"), (dict(dtype="float16"), "not one of: float32, float64"),
    ]:
        with pytest.raises(gc.GraphcError, match=message):
            gc.range(L, **arguments)
    assert gc.range(L, x=np.array([1.0, 3.0, 2.0])).rows[-1].high == 3 * 3 * 2                   # an array gives its shape, too


def test_the_builtin_is_not_lost():
    import builtins
    assert gc.range is not builtins.range and "range" in gc.__all__


def test_on_the_command_line(capsys):
    from graphc.cli import main
    formula = ["range", "sum(x*exp(x))", "x=n", "--in", "x=0,100", "--size", "n=1,10"]
    assert main([*formula, "--dtype", "float64", "--wrt", "x"]) == 0 and "x_bar" in capsys.readouterr().out
    assert main(formula) == 1 and "exp_x    overflows for x >= 88.7228" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*formula, "--in", "x"])
    assert "NAME=LOW,HIGH" in capsys.readouterr().err
