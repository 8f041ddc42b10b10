r"""stabilise: formulas that overflow or cancel, in the forms that do not. Tables of identities.

Each rule holds on the whole domain of its left side. What the left side loses to rounding, overflow or underflow the right
side keeps: log(sum(exp(x))) at 1000 is 1000 and not infinity. It runs before differentiation, so that derivatives are taken
of the good form; and again after, on what differentiation produced.

    sums            sums of exponentials: log-sum-exp, softmax, cross-entropy
    exponentials    the logistic function, hyperbolic functions, 1 + or - something small
    special         erf, erfc, lgamma, cos
    logarithms      logarithms of products and powers; 0 * log 0
    roots           square roots of sums of squares, norms, differences of roots, moments about a mean

The tables stand in order of preference, from the most particular to the most general. Quotients with a removable singularity are
found by their limit and not by a table: `passes.removable`.

Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. (2002), sections 1.14 and 27.8; Blanchard, Higham and
Higham, Accurately computing the log-sum-exp and softmax functions (2021).
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.nodes import Node
from graphc.ir.verify import law
from graphc.passes.removable import fill_removable
from graphc.passes.rewrite import apply_rules, first_match
from graphc.passes.stable.table import STABLE, fill

__all__ = ["STABLE", "stabilise"]

fill("sums exponentials special logarithms roots")        # in order of preference


def stabilise(roots: Sequence[Node]) -> list[Node]:
    """The graph with its unstable formulas replaced."""
    return fill_removable(apply_rules(STABLE, roots))


@law("stabilise", "no rule for stable forms matches")
def settled(node: Node) -> str | None:
    fired = first_match(STABLE, node)
    return None if fired is None else f"{fired[0].name} matches {fired[1]}"
