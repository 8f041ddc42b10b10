r"""The cost model: what a value costs to compute, and when computing it again is cheaper than keeping it.

    again iff  operations <= KEPT,   no function among them

Arithmetic and selection count one operation each, a power n - 1, an exponential or another function many. To keep an element is a store and
a load, and room in cache that others lose: about as much as KEPT operations in a vector loop.
"""

from __future__ import annotations

from collections import Counter

from graphc.scalar.term import Term, walk

__all__ = ["operations", "functions", "worth_keeping", "KEPT"]

KEPT = 8
_FREE = frozenset("const read index extent var load cast stop_gradient grouped checked".split())
_ARITHMETIC = frozenset("""add sub mul div neg powi where lt le gt ge eq ne and_ or_ not_ abs sign relu maximum minimum scaled""".split())


def operations(term: Term) -> int:
    """Arithmetic operations of a term."""
    return sum(_weight(t) for t in walk(term))


def functions(term: Term) -> Counter[str]:
    """The functions that a term calls: exp, log, ... """
    return Counter(t.op for t in walk(term) if t.op not in _FREE and t.op not in _ARITHMETIC and t.kind != "int")


def _weight(t: Term) -> int:
    if t.op not in _ARITHMETIC or t.kind == "int":                         # integers are indices
        return 0
    return int(t.value) - 1 if t.op == "powi" else 1


def worth_keeping(term: Term) -> bool:
    """Whether a value is better kept than computed again."""
    return bool(functions(term)) or operations(term) > KEPT
