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
from graphc.analysis.bounds import Bounds, Value
from graphc.analysis.intervals import DOMAINS, FORMATS, MP, apply, interval
from graphc.compiler import PASSES, Compilation
from graphc.ir.interpret import interpret
from graphc.ir.walk import inputs_of, topological
from graphc.scalar.table import ROWS

CHECK = settings(max_examples=40, suppress_health_check=list(HealthCheck), database=None, deadline=None)
F32 = FORMATS["float32"]


# --- the arithmetic -----------------------------------------------------------------------------------------------------

UNARY = sorted(n for n, r in ROWS.items() if r.arity == 1 and n not in ("not_",))
BINARY = ["add", "sub", "mul", "div", "maximum", "minimum", "hypot", "logaddexp", "arctan2", "power", "xlogy", "floordiv", "mod"]
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
    tensors = [gc.scalar(f"x{k}") for k in range(len(x))]
    made = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b, "floordiv": lambda a, b: a // b, "mod": lambda a, b: a % b}
    f = made.get(name) or getattr(gc, name, None)
    return None if f is None else gc.evaluate(f(*tensors), **{t.name: np.float32(e) for t, e in zip(tensors, x, strict=True)})


def inside(x, found):
    x = float(x) if isinstance(x, np.floating) else x
    return found.nan if x != x else x in found


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_an_interval_holds_every_value(name):
    arity = 2 if name in BINARY else 1

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
    assert {n for n, r in ROWS.items() if r.domain} - {"power"} == set(DOMAINS)


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
        low, high = box.get(i.name, (0, EXTENTS.get(str(i.below), 2) - 1))
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
    "itself": lambda x: x - x, "silu": gc.silu, "log1p": gc.log1p, "pick": lambda x: x[:, :1] - x, "power": lambda x: abs(x)**1.5,
}


@settings(CHECK, max_examples=80)
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
