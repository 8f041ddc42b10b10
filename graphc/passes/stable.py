r"""stabilise: formulas that overflow or cancel, in the forms that do not. A table of identities.

Each rule holds on the whole domain of its left side. What the left side loses to rounding, overflow or underflow the right
side keeps: log(sum(exp(x))) at 1000 is 1000 and not infinity. It runs before differentiation, so that derivatives are taken
of the good form; and again after, on what differentiation produced.

Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. (2002), sections 1.14 and 27.8; Blanchard, Higham and
Higham, Accurately computing the log-sum-exp and softmax functions (2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.nodes import Node
from graphc.ir.verify import law
from graphc.passes.pattern import Rules
from graphc.passes.rewrite import apply_rules, first_match

__all__ = ["STABLE", "stabilise"]

STABLE = Rules()
rule = STABLE.rule
Sides = tuple[Any, ...]


def stabilise(roots: Sequence[Node]) -> list[Node]:
    """The graph with its unstable formulas replaced."""
    return apply_rules(STABLE, roots)


@law("stabilise", "no rule for stable forms matches")
def settled(node: Node) -> str | None:
    fired = first_match(STABLE, node)
    return None if fired is None else f"{fired[0].name} matches {fired[1]}"


# --- sums of exponentials ---------------------------------------------------------------------------------------------
# The last tensors are the forms that users who know write themselves: shifted by a maximum already.

@rule(x="n d", m=("n", 1))
def log_sum_exp(gc: Any, x: Any, m: Any) -> Sides:
    """log Σ exp(x) = m + log Σ exp(x - m), with m = max x held constant: its derivative is 0"""
    return (gc.log(gc.sum(gc.exp(x), "d")), gc.logsumexp(x, "d"),
            gc.log(gc.sum(gc.exp(x - gc.stop_gradient(m)), "d")),
            gc.log(gc.sum(gc.exp(x - gc.max(x, "d", keepdims=True)), "d")))


@rule(x="n d", m=("n", 1))
def softmax(gc: Any, x: Any, m: Any) -> Sides:
    """exp(x) / Σ exp(x) = exp(x - m) / Σ exp(x - m), with m = max x held constant"""
    shifted, by_user = gc.exp(x - gc.stop_gradient(m)), gc.exp(x - gc.max(x, "d", keepdims=True))
    return (gc.exp(x) / gc.sum(gc.exp(x), "d", keepdims=True), gc.softmax(x, "d"),
            shifted / gc.sum(shifted, "d", keepdims=True), by_user / gc.sum(by_user, "d", keepdims=True))


@rule(x="n d")
def log_one_plus_sum_exp(gc: Any, x: Any) -> Sides:
    """log(1 + Σ exp(x)) = softplus(log Σ exp(x))"""
    return gc.log(1 + gc.sum(gc.exp(x), "d")), gc.softplus(gc.logsumexp(x, "d"))


@rule(x="n d")
def log1p_sum_exp(gc: Any, x: Any) -> Sides:
    """log1p(Σ exp(x)) = softplus(log Σ exp(x))"""
    return gc.log1p(gc.sum(gc.exp(x), "d")), gc.softplus(gc.logsumexp(x, "d"))


@rule()
def log_add_exp(gc: Any, x: Any, y: Any) -> Sides:
    """log(exp(x) + exp(y)) = max(x, y) + log1p(exp(-|x - y|))"""
    return gc.log(gc.exp(x) + gc.exp(y)), gc.logaddexp(x, y)


# --- logarithms of exponentials and of products with them -------------------------------------------------------------

@rule()
def log_exp(gc: Any, x: Any) -> Sides:
    """log(exp(x)) = x"""
    return gc.log(gc.exp(x)), x


@rule()
def log_exp_quotient(gc: Any, x: Any, z: Any) -> Sides:
    """log(exp(x) / z) = x - log(z), for z > 0 as the left side needs: the logarithm of a softmax"""
    return gc.log(gc.exp(x) / z), x - gc.log(z)


@rule()
def log_exp_product(gc: Any, x: Any, z: Any) -> Sides:
    """log(z * exp(x)) = x + log(z): a density with its normalisation"""
    return gc.log(gc.exp(x) * z), x + gc.log(z)


@rule()
def log_cosh(gc: Any, x: Any) -> Sides:
    """log(cosh(x)) = log((exp(x) + exp(-x)) / 2) = x + log(1 + exp(-2 x)) - log(2)"""
    return gc.log(gc.cosh(x)), x + gc.softplus(-2 * x) - gc.log(2)


# --- one plus or minus something small --------------------------------------------------------------------------------

@rule()
def log_one_plus_exp(gc: Any, x: Any) -> Sides:
    """log(1 + exp(x)) = softplus(x)"""
    return gc.log(1 + gc.exp(x)), gc.softplus(x)


@rule()
def log1p_exp(gc: Any, x: Any) -> Sides:
    """log1p(exp(x)) = softplus(x)"""
    return gc.log1p(gc.exp(x)), gc.softplus(x)


@rule()
def log_one_plus(gc: Any, x: Any) -> Sides:
    """log(1 + x) = log1p(x): 1 + x rounds x away where it is small"""
    return gc.log(1 + x), gc.log1p(x)


@rule()
def exp_minus_one(gc: Any, x: Any) -> Sides:
    """exp(x) - 1 = expm1(x)"""
    return gc.exp(x) - 1, gc.expm1(x)


@rule()
def one_minus_exp(gc: Any, x: Any) -> Sides:
    """1 - exp(x) = -expm1(x)"""
    return 1 - gc.exp(x), -gc.expm1(x)


# --- the logistic function --------------------------------------------------------------------------------------------

@rule()
def one_over_one_plus_exp(gc: Any, x: Any) -> Sides:
    """1 / (1 + exp(x)) = σ(-x)"""
    return 1 / (1 + gc.exp(x)), gc.sigmoid(-x)


@rule()
def exp_over_one_plus_exp(gc: Any, x: Any) -> Sides:
    """exp(x) / (1 + exp(x)) = σ(x)"""
    return gc.exp(x) / (1 + gc.exp(x)), gc.sigmoid(x)


@rule()
def exp_times_sigmoid(gc: Any, x: Any) -> Sides:
    """exp(x) σ(-x) = σ(x)"""
    return gc.exp(x) * gc.sigmoid(-x), gc.sigmoid(x)


@rule()
def one_minus_sigmoid(gc: Any, x: Any) -> Sides:
    """1 - σ(x) = σ(-x)"""
    return 1 - gc.sigmoid(x), gc.sigmoid(-x)


@rule()
def log_sigmoid(gc: Any, x: Any) -> Sides:
    """log(σ(x)) = -softplus(-x)"""
    return gc.log(gc.sigmoid(x)), gc.logsigmoid(x)


@rule()
def log1p_minus_sigmoid(gc: Any, x: Any) -> Sides:
    """log1p(-σ(x)) = log(σ(-x))"""
    return gc.log1p(-gc.sigmoid(x)), gc.logsigmoid(-x)


# --- the hyperbolic tangent -------------------------------------------------------------------------------------------

@rule()
def tanh_by_exponentials(gc: Any, x: Any) -> Sides:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)) = tanh(x)"""
    return (gc.exp(x) - gc.exp(-x)) / (gc.exp(x) + gc.exp(-x)), gc.tanh(x)


@rule()
def tanh_by_expm1(gc: Any, x: Any) -> Sides:
    """(exp(x) - 1) / (exp(x) + 1) = tanh(x / 2)"""
    return gc.expm1(x) / (1 + gc.exp(x)), gc.tanh(x / 2)


@rule()
def tanh_by_sigmoid(gc: Any, x: Any) -> Sides:
    """2 σ(x) - 1 = tanh(x / 2)"""
    return 2 * gc.sigmoid(x) - 1, gc.tanh(x / 2)


@rule()
def minus_tanh_by_sigmoid(gc: Any, x: Any) -> Sides:
    """1 - 2 σ(x) = -tanh(x / 2)"""
    return 1 - 2 * gc.sigmoid(x), -gc.tanh(x / 2)


# --- limits at 0 ------------------------------------------------------------------------------------------------------

@rule()
def x_log_x(gc: Any, x: Any) -> Sides:
    """x log(x), and its limit 0 at x = 0: the convention of entropies"""
    return x * gc.log(x), gc.xlogy(x, x)
