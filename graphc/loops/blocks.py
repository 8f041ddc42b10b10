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
function is computed where it stands: the vectors are full there, and a second loop over the row is spared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

import sympy as sp

from graphc.loops.statements import Accumulate, Allocate, Assign, Blocks, Flat, For, Kernel, Note, Stage, Statement, Store, Track, var
from graphc.loops.uses import variables_of, within
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term, walk
from graphc.schedule.cost import functions

__all__ = ["in_blocks", "HEIGHT", "LONG"]

HEIGHT, ELEMENTS = 256, 2048                            # of a block, at most
LONG = 256

Step = Stage | Flat


def in_blocks(kernel: Kernel, size: Callable[[sp.Expr], Term], own: Callable[[str], str]) -> Kernel:
    """The kernel with its rows in blocks, if functions stand in or between loops over a row, and its steps come apart. `size` makes a term of
    an extent, `own` names of variables."""
    *before, loop = kernel.body
    if not isinstance(loop, For) or not _is_row_loop(loop):
        return kernel
    scratch = {s.name for s in before if isinstance(s, Allocate)}
    carried = {s.name for s in before if isinstance(s, Assign)}
    steps = _Steps(loop, scratch, own).of(loop.body)
    wide, passed = _wide(steps, loop, scratch, carried), _passed(steps, carried)
    if len(steps) < 2 or wide is None or passed is None:
        return kernel
    kept, steps = passed
    block, row = own("height"), own("row")
    stages = tuple(_widened(step, wide, row) for step in steps)
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

    def __init__(self, loop: For, scratch: set[str], own: Callable[[str], str]):
        self.loop, self.scratch, self.own = loop, scratch, own
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
                used = [name for x in (piece.body if isinstance(piece, Flat) else (piece,)) for name, _ in variables_of(x)]
                for first in [s for name in dict.fromkeys(used) for s in waiting.pop(name, ())]:
                    self.add(first)
                for s in (*notes, piece):
                    self.add(s)
                notes = []
        return [s for s in self.done if isinstance(s, Flat) or any(not isinstance(x, Note) for x in s.body)]

    def add(self, s: Statement | Flat) -> None:
        if isinstance(s, Flat):
            self.done += [s, Stage(())]
            self.across = False
            return
        functional = not isinstance(s, For) and any(functions(t) for t in _terms(s))
        if isinstance(s, For) and self.across or functional and not self.across:
            self.done.append(Stage(()))
            self.reads = {}
        self.across = not isinstance(s, For) and (self.across or functional)
        self.append(-1, self.with_reads(s) if self.across else s)

    def append(self, k: int, s: Any) -> None:
        step = self.done[k]
        assert isinstance(step, Stage)
        self.done[k] = Stage((*step.body, s))

    def all_pieces(self, body: Sequence[Statement]) -> Iterator[Statement | Flat]:
        """Loops that store a function of one number, as the loops before, of, and after the function. What another loop puts at a point by the
        same function stands before it."""
        skip = False
        for given, following in zip(body, (*body[1:], None), strict=True):
            if skip:
                skip = False
                continue
            s = _inlined(given)
            flat = self.flat(s)
            if flat is None or not isinstance(s, For) or s.single:
                yield given
                continue
            skip = isinstance(following, For) and following.single and self.flat(following) == flat and len(following.body) == 1 == len(s.body)
            whole = [replace(x, body=x.body[:1]) for x in (s, following)[:1 + skip] if isinstance(x, For)]
            yield replace(flat, body=tuple(whole), arguments=tuple(map(self.arguments, whole)))
            if s.body[1:]:
                yield replace(s, body=s.body[1:])

    def flat(self, s: Statement | None) -> Flat | None:
        """The function that a loop stores of its elements, if it does and else accumulates at most."""
        store = s.body[0] if isinstance(s, For) and (s.first is None or s.single) else None
        if not isinstance(s, For) or not isinstance(store, Store) or not self.is_element(store, s) \
                or not functions(replace(store.value, args=())) or not all(isinstance(x, Accumulate) for x in s.body[1:]):
            return None
        return Flat((), (), store.name, store.index[:-1], store.value.op)

    @staticmethod
    def arguments(s: Any) -> For:
        """The loop that stores what the function is of."""
        store, = s.body
        return replace(s, body=(replace(store, value=store.value.args[0]),))                     # type: ignore[no-any-return]

    def is_element(self, store: Store, inner: For) -> bool:
        """Whether an inner loop stores one element of the own row after another."""
        *first, last = store.index
        own = len(first) == 1 and _is_own(first[0], self.loop) or not first and store.name in self.scratch
        at = {inner.first, var(inner.index, "int")} if inner.single else {var(inner.index, "int")}
        return own and last in at and [a.kind for a in store.value.args] == [store.value.kind] == ["float"]

    def with_reads(self, s: Any) -> Any:
        """A statement of a step across rows, in which elements of tables are numbers that the step before has read."""
        step = self.done[-1]
        assert isinstance(step, Stage)
        made = {name for x in step.body for name, written in variables_of(x) if written} | {x.name for x in step.body if isinstance(x, Store)}

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
    used = Counter(t.value for term in _all_terms(s.body) for t in walk(term) if t.op == "var")

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


def _is_own(index: Term, loop: For) -> bool:
    here = var(loop.index, "int")
    return index == here or index.op == "sub" and index.args == (here, loop.first)


# --- what passes from step to step ------------------------------------------------------------------------------------

def _wide(steps: Sequence[Step], loop: For, scratch: set[str], carried: set[str]) -> set[str] | None:
    """The rows of scratch of which each row of a block needs its own; None if steps do not come apart: one reads or adds to what another makes
    in other rows."""
    users: dict[str, set[int]] = {}
    written, elsewhere = set[str](), set[str]()
    for k, step in enumerate(steps):
        for name, index, stored in _accesses(step):
            users.setdefault(name, set()).add(k)
            if stored:
                written.add(name)
            if name not in scratch and not (index and _is_own(index[0], loop)):
                elsewhere.add(name)
        for name in {name for s in step.body for name, _ in variables_of(s)} & carried:
            users.setdefault(name, set()).add(k)
    shared = {name for name, found in users.items() if len(found) > 1}
    if shared & written & elsewhere or shared & carried & {n for s in steps for x in s.body for n, w in variables_of(x) if w}:
        return None
    return shared & written & scratch | {s.name for s in steps if isinstance(s, Flat) and s.name in scratch}


def _passed(steps: Sequence[Step], carried: set[str]) -> tuple[tuple[str, ...], list[Step]] | None:
    """The numbers that a later step reads, and the steps with what they read and write of them; None if one is not a float."""
    made, kept = set[str](), dict[str, None]()
    reads: list[list[str]] = []
    for step in steps:
        own, needed = set[str](), dict[str, None]()
        for name, is_written in (use for s in step.body for use in variables_of(s)):
            if not is_written and name in made - own:
                needed[name] = None
            own |= {name} if is_written else set()
        made |= own - carried
        kept |= needed
        reads.append(list(needed))
    kinds = {t.value: t.kind for s in steps for term in _all_terms(s.body) for t in walk(term) if t.op == "var"}
    if any(kinds[name] != "float" for name in kept):
        return None
    passing: list[Step] = []
    for k, step in enumerate(steps):
        later = {name for names in reads[k + 1:] for name in names}
        written = dict.fromkeys(name for s in step.body for name, w in variables_of(s) if w and name in later)
        passing.append(replace(step, reads=tuple(reads[k]), writes=tuple(written)))
    return tuple(kept), passing


def _accesses(step: Step) -> Iterator[tuple[str, tuple[Term, ...], bool]]:
    """(array, index, whether it is written)"""
    for s in within(step.body):
        for t in (p for term in (*_terms(s), *(s.index if isinstance(s, Store) else ())) for p in walk(term) if p.op == "load"):
            yield t.value, t.args, False
        if isinstance(s, Store):
            yield s.name, s.index, True
        if isinstance(s, Accumulate | Track) and s.target.op == "load":
            yield s.target.value, s.target.args, True


def _terms(s: Any) -> list[Term]:
    return [v for f in fields(s) if isinstance(v := getattr(s, f.name), Term)]


def _all_terms(body: Sequence[Statement]) -> list[Term]:
    return [t for s in within(body) for t in (*_terms(s), *(s.index if isinstance(s, Store) else ()))]


def _widened(x: Any, wide: set[str], row: str) -> Any:
    """A step in which rows of scratch are those of the block's row."""
    if isinstance(x, tuple):
        return tuple(_widened(part, wide, row) for part in x)
    if isinstance(x, Term):
        at = (var(row, "int"),) if x.op == "load" and x.value in wide else ()
        return replace(x, args=(*at, *_widened(x.args, wide, row)))
    if isinstance(x, Store):
        at = (var(row, "int"),) if x.name in wide else ()
        return Store(x.name, (*at, *_widened(x.index, wide, row)), _widened(x.value, wide, row))
    if isinstance(x, Stage | Flat | For | Assign | Accumulate | Track):
        return replace(x, **{f.name: _widened(v, wide, row) for f in fields(x) if isinstance(v := getattr(x, f.name), Term | tuple)})
    return x
