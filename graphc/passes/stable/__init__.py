r"""stabilise: formulas that overflow or cancel, in the forms that do not. Tables of identities.

Each rule holds on the whole domain of its left side. What the left side loses to rounding, overflow or underflow the right
side keeps: log(sum(exp(x))) at 1000 is 1000 and not infinity. It runs before differentiation, so that derivatives are taken
of the good form; and again after, on what differentiation produced.

    wholes          inverse hyperbolic functions by logarithms, roots of quadratics: looked for before all others
    elements        one element against the others: cross-entropy
    bases           sums of powers of a number
    sums            sums of exponentials over a dim: log-sum-exp, softmax
    masks           and of those that weights or masks leave
    few             sums of two to four exponentials: log-add-exp, softplus
    softplus        where it underflows
    saturating      tanh, erf, 1 - exp of an exponential
    distributed     differences with such forms, written term by term
    logistic        the logistic function
    exponentials    hyperbolic functions, 1 + or - something small
    products        products and powers of exponentials
    special         erf, erfc, lgamma, cos
    weights         0 * log 0
    logarithms      logarithms of exponentials
    differences     logarithms of differences: the probability of an interval
    powers          logarithms of products and powers
    norms           norms, directions, differences of norms
    roots           square roots of sums of squares, differences of roots, saturating ratios
    moments         moments about a mean

The tables stand in order of preference, from the most particular to the most general. Quotients with a removable singularity are
found by their limit and not by a table: `passes.removable`; quotients, powers and logarithms of other sums of exponentials by `passes.quotients`.

Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. (2002), sections 1.14 and 27.8; Blanchard, Higham and
Higham, Accurately computing the log-sum-exp and softmax functions (2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import sympy as sp

from graphc.ir.nodes import Input, Node
from graphc.ir.verify import law
from graphc.ir.walk import topological
from graphc.passes.removable import fill_removable
from graphc.passes.rewrite import apply_rules, first_match
from graphc.passes.stable.table import STABLE, WHOLES, fill
from graphc.scalar.table import op

__all__ = ["STABLE", "WHOLES", "stabilise"]

# in order of preference
fill("elements bases sums masks few softplus saturating distributed logistic exponentials products special weights")
fill("logarithms differences powers norms roots moments wholes")


def stabilise(roots: Sequence[Node]) -> list[Node]:
    """The graph with its unstable formulas replaced."""
    if any(_has_root(n.body) for n in topological(roots) if not isinstance(n, Input)):
        roots = apply_rules(WHOLES, roots)
    roots = apply_rules(STABLE, roots)
    while (filled := fill_removable(roots)) != roots:
        roots = apply_rules(STABLE, filled)
    return roots


@cache
def _has_root(body: sp.Expr) -> bool:
    """Whether a square root is in a body: every formula among `wholes` has one."""
    return bool(body.has(op("sqrt")))


@law("stabilise", "no rule for stable forms matches")
def settled(node: Node) -> str | None:
    fired = first_match(STABLE, node)
    return None if fired is None else f"{fired[0].name} matches {fired[1]}"
