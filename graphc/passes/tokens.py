r"""Which rules cannot match, told without trying: what stands at the top of a subject's parts, against what a pattern asks for.

    token ::= name of a function | sum max ... (a reduction) | sum-twice | + | * | *exp | ^n | x (a value) | +- (terms of both signs)

A pattern needs each of its tokens among those of the subject's parts. Most rules fail here, so a net of fifty layers is done in a second.
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy as sp

from graphc.ir.nodes import Comprehension
from graphc.passes.match import free_wilds
from graphc.passes.parts import ZERO, parts_of
from graphc.passes.pattern import Apply, Pattern, Reduced, Rule, Wild, is_inverse, name_of, split
from graphc.passes.subject import Subject, located, unfold
from graphc.scalar.symbols import Placeholder
from graphc.scalar.table import Op, op

__all__ = ["tokens_of", "needed", "needs"]

EXPONENTIAL = frozenset(("exp", "exp_sum", "exp_affine", "^-1"))       # what the exponential of a pattern may be: see passes.match


def tokens_of(s: Subject) -> frozenset[str]:
    """The tokens of a site's parts: terms, factors or arguments."""
    e = s.expr
    number, parts = parts_of(type(e), s) if isinstance(e, sp.Add | sp.Mul) else (ZERO, [s._replace(expr=a) for a in e.args])
    if is_inverse(e):
        factors = parts_of(sp.Mul, s)[1]
        parts += [*factors, *(f._replace(expr=f.expr.base) for f in factors if isinstance(f.expr, sp.Pow))]
    each = [_tokens(p) for p in parts]
    found = set[str]().union(*each, _twice(["sum" for tokens in each if "sum" in tokens]))
    if isinstance(e, sp.Add) and len(_signs_of(number).union(*map(_signs, parts))) > 1:
        found.add("+-")
    return frozenset(found | {"exp"} if found & EXPONENTIAL else found)


def _tokens(s: Subject) -> set[str]:
    s = unfold(s)
    e = s.expr
    if isinstance(e, Placeholder):
        node = located(s).operand
        return {node.reduce or "x" if isinstance(node, Comprehension) else "x"}
    if isinstance(e, sp.Mul):
        _, parts = split(e)
        if len(parts) == 1:
            return {"*"} | _tokens(s._replace(expr=parts[0]))
        return {"*", "*exp"} if any(_may_be_exponential(s._replace(expr=p)) for p in parts) else {"*"}
    if isinstance(e, sp.Pow):
        return {f"^{e.exp}"} | ({"power"} if not e.exp.is_Integer else {"^-1"} if e.exp < -1 else set())
    return {"+" if isinstance(e, sp.Add) else e.row.name if isinstance(e, Op) else "x"}


def _may_be_exponential(s: Subject) -> bool:
    """Whether a factor is an exponential, or is made of factors itself."""
    e = unfold(s).expr
    return isinstance(e, sp.Mul | sp.Pow) or isinstance(e, Op) and e.row.name in EXPONENTIAL


def _signs(s: Subject) -> set[int]:
    """The signs that a term's number may have: both for a product, whose factors may have numbers of their own."""
    s = unfold(s)
    number, core = s.expr.as_coeff_Mul()
    if isinstance(core, sp.Mul):
        return {1, -1}
    return {sign if number > 0 else -sign for sign in _signs(s._replace(expr=core))} if number != 1 else {1}


def _signs_of(number: sp.Expr) -> set[int]:
    return {sign for sign, excluded in ((1, number.is_nonpositive), (-1, number.is_nonnegative)) if not excluded}


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
    if rule.lhs.head is sp.Add and len(_signs_of(rule.lhs.constant).union(*map(_signs_needed, rule.lhs.args))) > 1:
        tokens.append("+-")
    found = frozenset(tokens + _twice(tokens))
    return found - {"exp", "*exp"} | ({"*"} if "*exp" in found else frozenset()) if loose else found


def _signs_needed(p: Pattern) -> set[int]:
    """The sign of a pattern's number, where no value takes it in."""
    if isinstance(p, Apply) and p.head is sp.Mul:
        return set() if len(free_wilds(p)) == 1 else _signs_of(p.constant)
    return set() if isinstance(p, Wild) else {1}


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
            yield "*exp" if any(isinstance(a, Apply) and a.head is op("exp") for a in p.args) else "*"
    elif p.head is sp.Pow:
        yield f"^{getattr(p.args[1], 'value', '')}"
    else:
        yield "+" if p.head is sp.Add else p.head.row.name
