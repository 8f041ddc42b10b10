"""Names for nodes: what text, pictures and generated code call them.

In order of preference: the user's name (an input's, one given with `.named`, W_bar for a cotangent); the target of the
user's assignment, where the node is the last operation made on the line `y = X @ W`; a mnemonic of what it computes (XW,
exp_y, sum_r). Names are ASCII identifiers, each once: a second one is called y_2.
"""

from __future__ import annotations

import keyword
import linecache
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping

import sympy as sp

from graphc.ir.classify import product_operands
from graphc.ir.nodes import Comprehension, Input, Node, Scatter
from graphc.ir.walk import consumers, topological
from graphc.scalar.symbols import Extent, Placeholder
from graphc.scalar.table import Op

__all__ = ["names_of", "identifier"]

LETTERS = frozenset("ijkl")                                   # of loops
LONGEST = 20
_ASSIGNMENT = re.compile(r"\s*([^\W\d]\w*)\s*(?::[^=]+)?=(?!=)")


def names_of(nodes: Iterable[Node], reserved: Collection[str] = (), preferred: Mapping[Node, str] | None = None,
             only: Collection[Node] | None = None) -> dict[Node, str]:
    """A name for each node, operands before what reads them. `reserved` names are not given; `preferred` ones are, if free.

    With `only`, the inputs and these nodes get names, and the others but stand on their lines.
    """
    order = list(dict.fromkeys(nodes))
    targets = _targets(order)
    if only is not None:
        order = [n for n in order if n in only or isinstance(n, Input)]
    namer, chosen = _Namer(order, reserved), set(order)
    inputs = [n for n in order if isinstance(n, Input)]
    totals_first = {n: n.origin.hint for n in reversed(order) if not n.origin.op}     # W_bar is the sum, W_bar_2 a term of it
    for wanted in ({n: n.name for n in inputs}, preferred or {}, {n: n.origin.hint for n in order if n.origin.op}, totals_first, targets):
        for node, name in wanted.items():
            if name and node in chosen:
                namer.give(node, name)
    for node in order:
        if node not in namer.names:
            namer.give(node, _mnemonic(node, namer.names))
    return {n: namer.names[n] for n in order}


class _Namer:
    def __init__(self, order: list[Node], reserved: Collection[str]):
        self.names: dict[Node, str] = {}
        self.taken = set(reserved)
        self.dims = LETTERS | {s.name for n in order for size in _sizes(n) for s in size.free_symbols if isinstance(s, Extent)}
        self.count: dict[str, int] = {}

    def give(self, node: Node, wish: str) -> None:
        if node in self.names:
            return
        name = base = identifier(wish)
        while name in self.taken or name in self.dims and not isinstance(node, Input):
            self.count[base] = self.count.get(base, 1) + 1
            name = f"{base}_{self.count[base]}"
        self.names[node] = name
        self.taken.add(name)


def _sizes(node: Node) -> Iterable[sp.Expr]:
    yield from node.dims
    if not isinstance(node, Input):
        yield from node.over
        yield node.body


def identifier(text: str) -> str:
    """A Python identifier in ASCII that is no keyword: `λ` is lam, `naïve` naive, `class` class_."""
    if not text.isascii():
        text = "".join(_ascii(c) for c in text)
    text = re.sub(r"\W", "_", text)
    if not text or text[0].isdigit():
        text = f"v{text}"
    return f"{text}_" if keyword.iskeyword(text) else text


def _ascii(character: str) -> str:
    if character.isascii():
        return character
    words = unicodedata.name(character, "").split()
    if words[:1] == ["GREEK"] and len(words) >= 4 and words[2] == "LETTER":
        letter = {"LAMDA": "LAM"}.get(words[3], words[3])
        return letter.lower() if words[1] == "SMALL" else letter.capitalize()
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return plain if plain.isalnum() else "_"


def _targets(order: Iterable[Node]) -> dict[Node, str]:
    """The node that the line `name = ...` ends with has that name.

    It is read by no other node of its line, and is an output or read by another line's formula (a derivative may have left out what the
    line really ends with). Where a pass has made several, it is the one with the most axes.
    """
    order = topological(order)                                            # a picture leaves out nodes that read others
    readers = consumers(order)
    ends: dict[tuple[str, int], Node] = {}
    for node in order:
        if isinstance(node, Input) or not node.origin.op or not node.origin.file:
            continue
        line = (node.origin.file, node.origin.line)
        reading = [(r.origin.file, r.origin.line) for r in readers[node] if r.origin.op]
        if line not in reading and (reading or not readers[node]) and (line not in ends or len(node.dims) >= len(ends[line].dims)):
            ends[line] = node
    found = {}
    for (file, number), node in ends.items():
        text = linecache.getline(file, number)
        match = _ASSIGNMENT.match(text)
        if match and ";" not in text:
            found[node] = match.group(1)
    return found


def _mnemonic(node: Node, names: Mapping[Node, str]) -> str:
    """What a node computes, from the names of what it reads."""
    assert not isinstance(node, Input)
    operands = [names.get(r.operand, "value") for r in node.reads]
    if isinstance(node, Comprehension) and product_operands(node):
        return _joined(operands, "product")
    if not operands:
        return _plain(node.origin.op, "constant")
    if isinstance(node, Scatter):
        return _short("scattered", operands[0])
    if node.reduce:
        return _short("mean" if node.origin.op.lower() == "mean" else node.reduce, operands[0])
    if node.origin.op.isidentifier() and node.origin.op not in ("T", "constant", "float", "array", "dot"):
        return _short(node.origin.op, operands[0])
    return _operation(node.body, operands)


def _operation(body: sp.Expr, operands: list[str]) -> str:
    if isinstance(body, Op):
        return _short(body.row.name.rstrip("_"), operands[0]) if body.row.arity == 1 else _plain(body.row.name.rstrip("_"), "value")
    if isinstance(body, sp.Pow):
        return _short({2: "square", 3: "cube", -1: "inverse"}.get(body.exp, "power"), operands[0])
    if isinstance(body, sp.Add):
        return "diff" if any(a.could_extract_minus_sign() for a in body.args) else "total"
    if isinstance(body, sp.Mul):
        factors = [a for a in body.args if a.free_symbols & body.atoms(Placeholder)]
        if any(isinstance(f, sp.Pow) and f.exp.could_extract_minus_sign() for f in factors):
            return "ratio"
        if len(factors) > 1:
            return _joined(operands, "product") if all(isinstance(f, Placeholder) for f in factors) else "product"
        return _short("minus" if body.as_coeff_Mul()[0] == -1 else "scaled", operands[0])
    return _short("read", operands[0])


def _joined(parts: list[str], otherwise: str) -> str:
    """XW for X and W"""
    text = "".join(parts)
    return text if len(text) <= 5 and text.isalpha() and not keyword.iskeyword(text) else otherwise


def _short(what: str, operand: str) -> str:
    text = f"{what}_{operand}"
    return text if len(text) <= LONGEST else _plain(what, "value")


def _plain(what: str, otherwise: str) -> str:
    return f"{what}_value" if what.isidentifier() else otherwise
