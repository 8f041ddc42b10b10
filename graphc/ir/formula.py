"""A graph as the formula that a user would write: 2*X.T @ (X@W - Y) + lam*sign(W).

    formula ::= (name = expression)* expression

Where the expression would grow long, what it uses more than once, or too deep below, is defined on a line of its own first,
so that the text is linear in the graph and no line is longer than a reader can take in.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.forms import Forms
from graphc.ir.names import names_of
from graphc.ir.nodes import Node
from graphc.ir.text import ELIDED, TextStyle
from graphc.ir.walk import topological
from graphc.ir.writer import Writer
from graphc.scalar.table import ROWS

__all__ = ["formula_of", "written"]

INLINE = 40          # nodes of a formula that may be written in one expression, whatever it repeats, if it is short
LINE = 60            # nodes of a line at most
DEEP = 30            # nodes below each other in a line at most
SHARED = 3           # nodes of a part from which on it is named when it is used twice
_FUNCTIONS = frozenset(ROWS) | frozenset("sum mean max min prod argmax argmin var std norm softmax size array eye arange T".split())


def formula_of(node: Node, budget: int = 0, letters: Sequence[str] = ()) -> str:
    """The formula of a node. With a budget, a text of at most so many characters, parts left out as "...".

    `letters` name the node's axes, where it is an element in index notation and not a tensor.
    """
    if budget:
        text = _elided(node, budget)
        return text if len(text) <= budget else text[:max(budget - len(ELIDED), 0)] + ELIDED
    return "\n".join(written(node, TextStyle(), letters))


def written(node: Node, style: TextStyle, letters: Sequence[str] = (), positional: bool = True) -> list[str]:
    """The lines of a formula: definitions, then the expression."""
    lines = _lines(node, style, letters, positional, INLINE)
    return lines if len(lines) == 1 and len(lines[0]) <= style.width else _lines(node, style, letters, positional, 0)


def _lines(node: Node, style: TextStyle, letters: Sequence[str], positional: bool, inline: int) -> list[str]:
    order = topological([node])
    cut = _Plan(Forms([node], positional=positional), node, inline, LINE).cut
    names = names_of(order, reserved=_FUNCTIONS, only=cut)
    named = {n: names[n] for n in order if n in cut}
    writer = Writer(Forms([node], named, positional), style, named)
    lines = [style.definition(name, writer.whole(n, name=False)) for n, name in named.items()]
    if letters and len(letters) == len(node.dims):
        writer.used += letters
        return [*lines, writer.element(node, [style.letter(x) for x in letters], writer.forms.own[node]).text]
    return [*lines, writer.whole(node, name=False).text]


def _elided(node: Node, budget: int) -> str:
    """The longest of a few tries that fits."""
    forms = Forms([node])
    for limit in (budget, budget // 3, budget // 6, 3):
        named = dict.fromkeys(_Plan(forms, node, limit, limit).cut, ELIDED)
        text = Writer(Forms([node], named), TextStyle(), named).whole(node, name=False).text
        if len(text) <= budget:
            break
    return text


class _Plan:
    """Which nodes get a line of their own: `cut`. Sizes count the nodes that a text shows, repetitions included."""

    def __init__(self, forms: Forms, root: Node, inline: int, line: int):
        self.cut: set[Node] = set()
        self.size: dict[Node, int] = {}
        self.depth: dict[Node, int] = {}
        self.children: dict[Node, list[tuple[Node, int]]] = {}
        self.order = self.shown(root, forms)
        self.measure(10**9, 10**9)
        if self.size[root] > inline or self.depth[root] > DEEP:
            self.cut = self.shared(root)
            self.measure(line, DEEP)
        self.cut.discard(root)

    def shown(self, root: Node, forms: Forms) -> list[Node]:
        """The nodes whose text the root's text contains, operands first."""
        def below(node: Node) -> list[Node]:
            self.children[node] = forms[node].printed()
            return [o for o, _ in self.children[node]]
        return topological([root], below)

    def measure(self, line: int, deep: int) -> None:
        """Sizes and depths, naming the largest operands of a text that passes a limit."""
        for node in self.order:
            children = self.children[node]
            self.add_up(node)
            for o, _ in sorted(children, key=lambda c: -self.size[c[0]]):
                if self.size[node] > line or self.depth[node] > deep:
                    if self.children[o]:
                        self.cut.add(o)
                        self.add_up(node)

    def add_up(self, node: Node) -> None:
        inside = [(o, count) for o, count in self.children[node] if o not in self.cut]
        self.size[node] = min(1 + len(self.children[node]) - len(inside) + sum(count * self.size[o] for o, count in inside), 10**9)
        self.depth[node] = 1 + max((self.depth[o] for o, _ in inside), default=0)

    def shared(self, root: Node) -> set[Node]:
        uses: dict[Node, int] = {}
        for children in self.children.values():
            for o, count in children:
                uses[o] = uses.get(o, 0) + count
        return {n for n, count in uses.items() if count > 1 and self.size[n] >= SHARED and n is not root}
