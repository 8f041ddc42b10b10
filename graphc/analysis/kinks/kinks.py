r"""gc.kinks: the sets where a loss is not smooth, and the derivative chosen there.

    kink         the derivative jumps          relu(x) at x == 0, ties of a maximum, |W| at W == 0, a norm at 0, a selection that bends
    jump         the value jumps               sign, floor, a comparison used as a number, where(c, a, b) with a != b at the boundary of c
    singular     the derivative is infinite    sqrt(x) at x == 0
    convention   a value by definition         xlogy(0, y)

The graph is the one that the user wrote. Pointwise kinks are columns of the function table; where a selection bends is decided by
`graphc.analysis.kinks.boundary`. A set is left out where it is empty (sqrt(x**2 + 1)), where a selection around it takes the other side
(|r| in Huber's loss), where only `stop_gradient` reads it, and where what reads it is flat there (relu(x)**2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.analysis.kinks.search import NonSmooth, Search
from graphc.frontend.derivatives import find_wrt, parameters_of
from graphc.frontend.elementwise import as_tensor
from graphc.frontend.index import settle
from graphc.frontend.tensor import Tensor
from graphc.ir.walk import inputs_of

__all__ = ["kinks", "Kinks", "NonSmooth"]


class Kinks(Sequence[NonSmooth]):
    """The rows that `gc.kinks` found, in the order of the formula; a table as text."""

    def __init__(self, rows: Sequence[NonSmooth]):
        self.rows = tuple(rows)

    def __getitem__(self, k: Any) -> Any:
        return self.rows[k]

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        if not self.rows:
            return "smooth everywhere"
        head = ("set", "function", "what", "derivative chosen", "to choose", "line")
        body = [(r.at, r.function, r.what, r.chosen, r.choice, str(r.origin) if r.origin.file else "") for r in self.rows]
        widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in (head, *body))

    __repr__ = __str__


def kinks(loss: Any, wrt: Any = None) -> Kinks:
    """Every set where a formula is not smooth in `wrt` (its parameters; all float inputs where it has none), with the subgradient chosen.

    Rows have `.at` (the set), `.function`, `.kind` ("kink", "jump", "singular" or "convention"), `.chosen`, `.choice`, `.origin`
    (file and line) and `.certain`: False where the arithmetic cannot tell what a selection does at its boundary.

    >>> import graphc as gc
    >>> W, x = gc.param("W", "d"), gc.tensor("x", "d")
    >>> print([(k.at, k.kind, k.chosen) for k in gc.kinks(gc.relu(x @ W) + gc.sum(abs(W)))])
    [('x@W == 0', 'kink', '0'), ('W == 0', 'kink', '0')]
    >>> gc.kinks(gc.sum(W**2))
    smooth everywhere
    """
    t = settle(as_tensor(loss))
    if wrt is None:
        wrt = parameters_of(t) or [Tensor(i) for i in inputs_of([t.node]) if i.dtype == "float"]
    return Kinks(list(Search(t.node, {w.node for w in find_wrt(t, wrt, "kinks")}).rows()))
