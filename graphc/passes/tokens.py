r"""Which rules cannot match, told without trying: what stands at the top of a subject's parts, against what a pattern asks for.

    token ::= name of a function | sum max ... (a reduction) | sum-twice | + | * | ^n | x (a value)

A pattern needs each of its tokens among those of the subject's parts. Most rules fail here, so a net of fifty layers is done in a second.
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from graphc.ir.nodes import Comprehension
from graphc.passes.parts import parts_of
from graphc.passes.pattern import Apply, Pattern, Reduced, Rule, is_inverse, name_of, split
from graphc.passes.subject import Subject, located, unfold
from graphc.scalar.symbols import Placeholder
from graphc.scalar.table import Op

__all__ = ["tokens_of", "needed", "needs"]

EXPONENTIAL = frozenset(("exp", "exp_sum", "^-1"))       # what the exponential of a pattern may be: see passes.match


def tokens_of(s: Subject) -> frozenset[str]:
    """The tokens of a site's parts: terms, factors or arguments."""
    e = s.expr
    if isinstance(e, sp.Add | sp.Mul):
        _, parts = parts_of(type(e), s)
    else:
        parts = [s._replace(expr=a) for a in e.args]
    if is_inverse(e):
        parts += parts_of(sp.Mul, s)[1]
    each = [_tokens(p) for p in parts]
    found = set[str]().union(*each, _twice(["sum" for tokens in each if "sum" in tokens]))
    return frozenset(found | {"exp"} if found & EXPONENTIAL else found)


def _tokens(s: Subject) -> set[str]:
    s = unfold(s)
    e = s.expr
    if isinstance(e, Placeholder):
        node = located(s).operand
        return {node.reduce or "x" if isinstance(node, Comprehension) else "x"}
    if isinstance(e, sp.Mul):
        _, parts = split(e)
        return {"*"} | (_tokens(s._replace(expr=parts[0])) if len(parts) == 1 else set())
    if isinstance(e, sp.Pow):
        return {f"^{e.exp}"}
    return {"+" if isinstance(e, sp.Add) else e.row.name if isinstance(e, Op) else "x"}


def needed(rule: Rule) -> frozenset[str]:
    """The tokens that a rule's left side asks for."""
    return frozenset(rule.needs.partition(":")[2].split()) if rule.needs else _asked(rule)


def needs(rule: Rule) -> str:
    """What graphc.passes.stable.needs says of a rule: the head of its left side and its tokens."""
    return f"{name_of(rule.lhs.head)}: {' '.join(sorted(_asked(rule)))}"


def _asked(rule: Rule) -> frozenset[str]:
    """In logarithms anything may be an exponential."""
    loose = getattr(getattr(rule.lhs.head, "row", None), "name", "") in ("log", "log1p")
    tokens = list(_needed(rule.lhs.args))
    return frozenset(tokens + _twice(tokens)) - ({"exp"} if loose else frozenset())


def _twice(tokens: list[str]) -> list[str]:
    """A token of its own where two parts are sums: most nodes have one, the product of a layer."""
    return ["sum-twice"] if tokens.count("sum") > 1 else []


def _needed(patterns: Iterable[Pattern]) -> Iterable[str]:
    for p in patterns:
        if isinstance(p, Reduced):
            yield p.kind
        elif isinstance(p, Apply):
            yield from _of(p)


def _of(p: Apply) -> Iterable[str]:
    if p.head is sp.Mul:
        if len(p.args) == 1:
            yield from _needed(p.args)
        else:
            yield "*"
    elif p.head is sp.Pow:
        yield f"^{getattr(p.args[1], 'value', '')}"
    else:
        yield "+" if p.head is sp.Add else p.head.row.name
