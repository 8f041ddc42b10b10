r"""Maxima, and sums of exponentials below them, in one pass over a row.

    for j: m = max(m, y[j])                    for each part of a row:  now = max(m, max over the part of y[j])
    for j: z += exp(y[j] - m)                                           z = z exp(m - now);  m = now;  for j: z += exp(y[j] - m)

Threads do so each for what they take; then what each has added up is lowered to the maximum of all, as are the sums of a row's pieces. What is
lowered is a sum of multiples of exponentials of what the maximum is of. Where the greatest are counted apart, r += exp(y[j] - m) if y[j] != m,
k += [y[j] = m], those that no longer are the greatest go to the rest:  r = (r + k) exp(m - now), k = 0.
(Milakov and Gimelshein, Online normalizer calculation for softmax, 2018.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from graphc.loops.accesses import names_in, replaced
from graphc.loops.device.statements import GroupKernel, Maximum, Online, Over
from graphc.loops.statements import Accumulate, Assign, Note, var
from graphc.scalar.term import Term

__all__ = ["in_one_pass", "lowered", "same"]

ZERO = Term("const", (), 0, "float")


def lowered(total: Term, count: Term | None, best: Term, now: Term) -> Term:
    """A sum of multiples of exp(y - best) as one of exp(y - now); `count` is of those y that are `best`."""
    whole = total if count is None else Term("grouped", (Term("add", (total, count), None, "float"),), None, "float")
    scale = Term("exp", (Term("excess", (best, now), None, "float"),), None, "float")
    return same(best, now, total, Term("mul", (whole, scale), None, "float"))


def same(best: Term, now: Term, count: Term, other: Term = ZERO) -> Term:
    """A number where two maxima are the same, and what it is where they are not."""
    return Term("where", (Term("eq", (now, best), None, "bool"), count, other), None, "float")


def in_one_pass(kernel: GroupKernel, own: Callable[[str], str]) -> GroupKernel:
    """The kernel with such pairs of loops as one."""
    body, k = list(kernel.body), 0
    while k < len(body):
        last = next((n for n in range(k + 1, len(body)) if not isinstance(body[n], Note | Assign)), len(body))
        if last < len(body) and isinstance(body[k], Over) and isinstance(body[last], Over):
            body[k:last + 1] = _joined(body[k], body[k + 1:last], body[last], own) or body[k:last + 1]
        k += 1
    made = {f.name for s in body if isinstance(s, Over) and s.online is not None for f in s.folds[:len(s.online.maxima)]}
    return replace(kernel, body=tuple(s for s in body if not (isinstance(s, Assign) and s.name in made and s.value.is_const)))


def _joined(first: Over, between: Sequence[Any], second: Over, own: Callable[[str], str]) -> list[Any] | None:
    """The two loops as one between what it begins with and what follows from the maxima."""
    if not _alike(first, second):
        return None
    belows = {s.target: _Below.of(s.target, s.value, between) for s in first.loop.body if isinstance(s, Accumulate)}
    if not all(below.sums(second) for below in belows.values()):
        return None
    of_them = {n for below in belows.values() for n in below.made}
    follows = [s for s in between if isinstance(s, Assign) and s.name in of_them]
    nows, bests = ({m: var(own(f"{m.value}_{x}"), m.kind) for m in belows} for x in ("now", "part"))
    steps = [x for m, below in belows.items() for x in (*below.steps(bests[m], nows[m]), Assign(str(bests[m].value), nows[m]))]
    steps += [replaced(s, bests) for s in follows if names_in(s.value) <= {m.value for m in belows}]
    online = Online(
        replace(first.loop, body=tuple(replace(s, target=nows[s.target]) if isinstance(s, Accumulate) else s for s in first.loop.body)),
        tuple(Maximum(str(nows[m].value), str(bests[m].value), tuple(below.lowered.items())) for m, below in belows.items()),
        tuple(steps), tuple(x for m, below in belows.items() for x in below.steps(bests[m], m)))
    folds = sorted(first.folds, key=lambda f: [m.value for m in belows].index(f.name))
    loop = replace(second.loop, body=replaced(second.loop.body, bests))
    return [*(s for s in between if s not in follows), replace(second, loop=loop, folds=(*folds, *second.folds), online=online), *follows]


def _alike(first: Over, second: Over) -> bool:
    """Whether the loops are over the same points, the first for maxima alone, the second for sums, which threads begin as the row does."""
    adds = [s for s in first.loop.body if isinstance(s, Accumulate)]
    made = [s for s in first.loop.body if isinstance(s, Assign)]
    return replace(first.loop, body=()) == replace(second.loop, body=()) and len(adds) == len({s.target for s in adds}) == len(first.folds) > 0 \
        and len(made) + len(adds) == len(first.loop.body) and {*made} <= {*second.loop.body} \
        and all(f.op == op and not f.own and not f.part and not f.best for loop, op in ((first, "max"), (second, "sum")) for f in loop.folds)


@dataclass
class _Below:
    """Sums that can be lowered, with the count of the greatest that one leaves out. `value` is what the maximum is of, `bases` are the ways it is
    said, `made` what is made of it."""

    value: Term
    bases: set[Term]
    made: set[str]
    kinds: dict[str, str] = field(default_factory=dict)           # of variables that depend on the maximum: an exponential, the rest, a count
    lowered: dict[str, str] = field(default_factory=dict)
    counts: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, m: Term, value: Term, between: Sequence[Any]) -> _Below:
        """Below a maximum m of a value; what is between may be made of it."""
        made = {str(m.value)}
        for s in between:
            made |= {s.name} if isinstance(s, Assign) and names_in(s.value) & made else set()
        bases = {var(s.name, "float") for s in between if isinstance(s, Assign) and names_in(s.value) == {m.value}}
        return cls(value, {m, *bases}, made)

    def sums(self, over: Over) -> bool:
        """Whether all sums of a loop can be."""
        rests = []
        for s in over.loop.body:
            kind = self.kind(s.value)                                                            # type: ignore[union-attr]
            if kind is None:
                return False
            if isinstance(s, Assign):
                self.kinds[s.name] = kind
            elif isinstance(s, Accumulate) and s.op == "sum" and s.target.op == "var":
                self.lowered |= {str(s.target.value): ""} if kind in ("scaled", "rest") else {}
                rests += [str(s.target.value)] if kind == "rest" else []
                self.counts += [str(s.target.value)] if kind == "count" else []
            else:
                return False
        if len(rests) != len(self.counts) or len(rests) > 1 or not self.lowered:
            return False
        self.lowered |= dict(zip(rests, self.counts, strict=True))
        return True

    def kind(self, t: Term) -> str | None:
        """What a term is of the maximum: free of it, an exponential's multiple, the rest, a count; None if it is anything else."""
        if t.op == "var" and t.value in self.kinds:
            return self.kinds[str(t.value)]
        if not names_in(t) & (self.made | {n for n, kind in self.kinds.items() if kind != "free"}):
            return "free"
        greatest = {Term("eq", (self.value, base), None, "bool") for base in self.bases}
        match t:
            case Term(op="exp", args=(Term(op="excess", args=(x, base)),)) if x == self.value and base in self.bases:
                return "scaled"
            case Term(op="apart", args=(e, where)) if where in greatest and self.kind(e) == "scaled":
                return "rest"
            case Term(op="cast", args=(Term(op="where", args=(where, one, zero)),)) if where in greatest and (one.value, zero.value) == (1, 0):
                return "count"
            case Term(op="mul", args=(a, b)) if {self.kind(a), self.kind(b)} == {"free", "scaled"}:
                return "scaled"
            case Term(op="where", args=(where, *parts)) if self.kind(where) == "free" and all(x == ZERO or self.kind(x) == "scaled" for x in parts):
                return "scaled"
            case Term(op="div" | "neg" | "grouped", args=(a, *rest)) if self.kind(a) == "scaled" and all(self.kind(b) == "free" for b in rest):
                return "scaled"
        return None

    def steps(self, best: Term, now: Term) -> list[Assign]:
        """The sums, lowered from one maximum to another."""
        done = [Assign(name, lowered(var(name, "float"), var(k, "float") if k else None, best, now)) for name, k in self.lowered.items()]
        return [*done, *(Assign(k, same(best, now, var(k, "float"))) for k in self.counts)]
