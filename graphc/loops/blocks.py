r"""Blocks: the work of a row is done for a block of rows, step by step, so that functions run over long loops where rows are short.

    for i: for j: a[i, j] = exp(x[i, j] - m)          for each block of rows:
           for j: z += a[i, j]                            for its rows:      for j: a[i, j] = x[i, j] - m;  ...
           u = log(z)                         =           for its elements:  a[k] = exp(a[k])
           for j: a[i, j] *= u                            for its rows:      for j: z += a[i, j];  ...
                                                          for its rows:      u = log(z)
                                                          for its rows:      for j: a[i, j] *= u

A function is some twenty vector instructions, and ten times as many where a row of ten elements, or one number a row, leaves no vector full. The rows
of a block are contiguous, so a function of each element is one loop over all; a function of each row is a loop across rows. Numbers that a later step
reads are kept for the rows of the block. A block has about ELEMENTS elements, which stay in the first cache. In a row of LONG elements or more a
function is computed where it stands, and summed: the vectors are full there, and further loops over the row are spared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import sympy as sp

from graphc.loops.accesses import terms
from graphc.loops.around import can_sum, summed_at_once
from graphc.loops.passing import Step, all_terms, is_own, passed, rows_needed, uses, widened
from graphc.loops.statements import Accumulate, Allocate, Assign, Blocks, Flat, For, Kernel, Note, Stage, Statement, Store, var
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term, walk
from graphc.schedule.cost import functions

__all__ = ["in_blocks", "HEIGHT", "LONG"]

HEIGHT, ELEMENTS = 256, 2048                            # of a block, at most
LONG = 256


def in_blocks(kernel: Kernel, size: Callable[[sp.Expr], Term], own: Callable[[str], str]) -> Kernel:
    """The kernel with its rows in blocks, if functions stand in or between loops over a row, and its steps come apart. `size` makes a term of
    an extent, `own` names of variables."""
    *before, loop = kernel.body
    if not isinstance(loop, For) or not _is_row_loop(loop):
        return kernel
    scratch = {s.name for s in before if isinstance(s, Allocate)}
    carried = {s.name for s in before if isinstance(s, Assign)}
    steps = _Steps(loop, scratch, size, own).of(loop.body)
    wide, passing = rows_needed(steps, loop, scratch, carried), passed(steps, carried)
    if len(steps) < 2 or wide is None or passing is None:
        return kernel
    kept, steps = passing
    block, row = own("height"), own("row")
    stages = tuple(widened(step, wide, row) for step in steps)
    before = [replace(s, sizes=(Extent(block), *s.sizes)) if isinstance(s, Allocate) and s.name in wide else s for s in before]
    height = _height(loop, size)
    blocks = Blocks(loop, stages, kept, block, row, *map(own, ("begin", "end", "numbers", "elements", "element")))
    return replace(kernel, body=(Assign(block, height), *before, blocks))


def _is_row_loop(loop: For) -> bool:
    """Whether a body is the work of a row: loops that stand one after another, and numbers."""
    inner = [s for s in loop.body if isinstance(s, For)]
    simple = all(not s.reverse and not s.parts and not any(isinstance(x, For) for x in s.body) for s in inner)
    return bool(inner) and simple and not loop.reverse and not loop.parts


def _height(loop: For, size: Callable[[sp.Expr], Term]) -> Term:
    def whole(op: str, *args: Term | int) -> Term:
        return Term(op, tuple(Term("const", (), a, "int") if isinstance(a, int) else a for a in args), None, "int")
    width = size(sp.Add(*dict.fromkeys(s.extent for s in loop.body if isinstance(s, For))))
    return whole("maximum", 1, whole("minimum", HEIGHT, whole("floordiv", ELEMENTS, whole("maximum", 1, width))))


# --- steps ------------------------------------------------------------------------------------------------------------

class _Steps:
    """The body of a row as steps: functions of elements, functions of rows, and the rest."""

    def __init__(self, loop: For, scratch: set[str], size: Callable[[sp.Expr], Term], own: Callable[[str], str]):
        self.loop, self.scratch, self.size, self.own = loop, scratch, size, own
        self.done: list[Step] = [Stage(())]
        self.across = False
        self.reads: dict[Term, str] = {}
        self.named: Counter[str] = Counter()

    def of(self, body: Sequence[Statement]) -> list[Step]:
        waiting: dict[str, list[Statement]] = {}                           # where sums begin, with notes: until they are used
        notes: list[Statement] = []
        for piece in self.all_pieces(body):
            if isinstance(piece, Note):
                notes.append(piece)
            elif isinstance(piece, Assign) and piece.value.is_const:
                waiting[piece.name], notes = [*notes, piece], []
            else:
                used = [name for x in (piece.body if isinstance(piece, Flat) else (piece,)) for name, _ in uses(x)]
                begins = [s for name in dict.fromkeys(used) for s in waiting.pop(name, ())]
                if isinstance(piece, Flat) and piece.sums:
                    piece, begins = replace(piece, body=(*begins, *piece.body), sums=(*begins, *piece.sums)), []
                for s in (*begins, *notes, piece):
                    self.add(s)
                notes = []
        return [s for s in self.done if isinstance(s, Flat) or any(not isinstance(x, Note) for x in s.body)]

    def add(self, s: Statement | Flat) -> None:
        if isinstance(s, Flat):
            self.done += [s, Stage(())]
            self.across = False
            return
        functional = not isinstance(s, For) and any(functions(t) for t in terms(s))
        of_a_loop = isinstance(s, For) or isinstance(s, Assign) and s.value.kind == "int"      # its bounds are no numbers that a step passes on
        if of_a_loop and self.across or functional and not self.across:
            self.done.append(Stage(()))
            self.reads = {}
        self.across = not of_a_loop and (self.across or functional)
        self.append(-1, self.with_reads(s) if self.across else s)

    def append(self, k: int, s: Any) -> None:
        step = self.done[k]
        assert isinstance(step, Stage)
        self.done[k] = Stage((*step.body, s))

    def all_pieces(self, body: Sequence[Statement]) -> Iterator[Statement | Flat]:
        """Loops that store a function of one number, as the loops before, of, and after the function. What another loop puts at a point by the
        same function stands before it, and what sums it up belongs to it."""
        rest = list(body)
        while rest:
            given = rest.pop(0)
            s = _inlined(given)
            flat = self.flat(s)
            if flat is None or not isinstance(s, For) or s.single:
                yield given
                continue
            store, sums, point = replace(s, body=s.body[:1]), replace(s, body=s.body[1:]), None
            if not sums.body and rest and self.is_point(rest[0], flat):
                point = _inlined(rest.pop(0))
            if not sums.body and rest and can_sum(store, rest[0]):
                sums = rest.pop(0)                                         # type: ignore[assignment]
            loops = (store, point) if point else (store,)
            whole = summed_at_once(store, point, sums, self.size(s.extent), self.own) if sums.body else loops
            yield replace(flat, body=tuple(whole), arguments=tuple(map(self.arguments, loops)), sums=(sums,) if sums.body else ())

    def is_point(self, s: Statement, flat: Flat) -> bool:
        """Whether a statement stores the same function at one point."""
        return isinstance(s, For) and s.single and self.flat(_inlined(s)) == flat and len(_inlined(s).body) == 1

    def flat(self, s: Statement | None) -> Flat | None:
        """The function that a loop stores of its elements, if it does and else accumulates at most."""
        store = s.body[0] if isinstance(s, For) and (s.last is None or s.single) else None
        if not isinstance(s, For) or not isinstance(store, Store) or not self.is_element(store, s) \
                or not functions(replace(store.value, args=())) or not all(isinstance(x, Accumulate) for x in s.body[1:]):
            return None
        return Flat((), (), (), store.name, store.index[:-1], store.value.op)

    @staticmethod
    def arguments(s: Any) -> For:
        """The loop that stores what the function is of."""
        store, = s.body
        return replace(s, body=(replace(store, value=store.value.args[0]),))                     # type: ignore[no-any-return]

    def is_element(self, store: Store, inner: For) -> bool:
        """Whether an inner loop stores one element of the own row after another."""
        *first, last = store.index
        own = len(first) == 1 and is_own(first[0], self.loop) or not first and store.name in self.scratch
        at = {inner.first, var(inner.index, "int")} if inner.single else {var(inner.index, "int")}
        return own and last in at and [a.kind for a in store.value.args] == [store.value.kind] == ["float"]

    def with_reads(self, s: Any) -> Any:
        """A statement of a step across rows, in which elements of tables are numbers that the step before has read."""
        step = self.done[-1]
        assert isinstance(step, Stage)
        made = {name for x in step.body for name, written in uses(x) if written} | {x.name for x in step.body if isinstance(x, Store)}

        def visit(t: Term) -> Term:
            if t.op == "load" and len(t.args) > 1 and not any(p.value in made for p in walk(t) if p.op in ("load", "var")):
                if t not in self.reads:
                    self.named[t.value] += 1
                    self.reads[t] = self.own(f"{t.value}_at{f'_{k}' if (k := self.named[t.value]) > 1 else ''}")
                    self.append(-2, Assign(self.reads[t], t))
                return var(self.reads[t], t.kind)
            kept = 1 if t.op in ("where", "and_", "or_") else len(t.args)   # what is computed in any case
            return replace(t, args=(*map(visit, t.args[:kept]), *t.args[kept:]))
        return replace(s, **{f.name: visit(v) for f in fields(s) if isinstance(v := getattr(s, f.name), Term) and f.name != "target"})


def _inlined(s: Any) -> Any:
    """A loop whose numbers stand where they are used, if that is once."""
    if not isinstance(s, For):
        return s
    values: dict[str, Term] = {}
    used = Counter(t.value for term in all_terms(s.body) for t in walk(term) if t.op == "var")

    def visit(t: Term) -> Term:
        return values[t.value] if t.op == "var" and t.value in values else replace(t, args=tuple(map(visit, t.args)))
    body: list[Any] = []
    x: Any
    for x in s.body:
        x = replace(x, **{f.name: visit(v) for f in fields(x) if isinstance(v := getattr(x, f.name), Term)})
        if isinstance(x, Assign) and used[x.name] == 1 and not any(isinstance(b, Store) for b in body):
            values[x.name] = x.value
        else:
            body.append(x)
    return replace(s, body=tuple(body))
