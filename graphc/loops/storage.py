r"""Storage: an array that is no longer needed gives its memory to one that begins.

    z += (e[j] = exp(y[i, j] - m))                        y_bar[i, j] = exp(y[i, j] - m); z += y_bar[i, j]
    y_bar[i, j] = e[j]*z_bar + ...              becomes   y_bar[i, j] = y_bar[i, j]*z_bar + ...

A row of scratch may live in the row of an output that is made of it, and a tile of logits in the tile of their cotangents. In one kernel
that is right iff both are read and written at the kernel's own row only, and in each row every access to the first comes before all
to the second; where one inner loop has both, at the same element, the first one's before the second's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from graphc.ir.nodes import Size
from graphc.loops.accesses import replaced
from graphc.loops.statements import (
    Accumulate,
    Assign,
    Call,
    For,
    ForTiles,
    Kernel,
    Product,
    Statement,
    Store,
    Track,
    leaves,
    rebuilt,
)
from graphc.loops.uses import uses_of
from graphc.scalar.term import Term, walk

__all__ = ["share_storage"]

Index = tuple[Term, ...]
Arrays = Mapping[str, tuple[tuple[Size, ...], str]]


def share_storage(body: Sequence[Statement], arrays: Arrays, inputs: frozenset[str], outputs: frozenset[str],
                  own: Callable[[str], str]) -> list[Statement]:
    """The statements of `run` with fewer arrays. `own` makes a name for a variable."""
    users = Counter(name for s in leaves(body) for name in uses_of([s], arrays).arrays)
    scratch = frozenset(n for n in arrays if users[n] == 1) - inputs - outputs
    body = rebuilt(body, lambda s: [Call(_rows_in_place(s.kernel, arrays, inputs, scratch))] if isinstance(s, Call) else [s])
    done: list[Statement] = []
    for s in body:
        if isinstance(s, ForTiles):
            others = [*done, *body[len(done) + 1:]]
            s = replace(s, body=tuple(_shared(s.body, others, arrays, inputs | outputs, own)))
        done.append(s)
    return done


# --- a row of scratch in a row of an array ----------------------------------------------------------------------------

def _rows_in_place(kernel: Kernel, arrays: Arrays, inputs: frozenset[str], scratch: frozenset[str]) -> Kernel:
    """The kernel whose rows of scratch live, where they can, in the rows of what is made of them."""
    row = _row_loop(kernel)
    if row is None:
        return kernel
    used = [n for n in uses_of(kernel.body, arrays).arrays if n not in inputs]
    for old in (n for n in reversed(used) if n in scratch and _begins(row.body, n)):           # the last first: others may follow into its place
        for new in used:
            sizes, kind = arrays[new][0][1:], arrays[new][1]
            index = _row_index(row, new)
            if (sizes, kind) == arrays[old] and index is not None and _only_in(kernel, row, (old, new)) and _begins(row.body, new) \
                    and _follows(row.body, _By(old, ()), _By(new, (index,))):
                moved = _renamed(kernel, old, new, lambda at, index=index: (index, *at))          # type: ignore[misc]
                return _rows_in_place(replace(moved, meaning=(*kernel.meaning, f"{old} is kept in the rows of {new}")), arrays, inputs, scratch)
    return kernel


def _begins(body: Sequence[Statement], name: str) -> bool:
    """Whether the first access to an array is a store."""
    first = next(s for s in body if any(n == name for n, _ in _accesses(s)))
    if isinstance(first, For):
        return _begins(first.body, name)
    return isinstance(first, Store) and first.name == name and all(part.value != name for part in walk(first.value) if part.op == "load")


@dataclass(frozen=True)
class _By:
    """Accesses to an array, without the first indices, which are always the same."""

    name: str
    first: Index

    def of(self, statement: Statement) -> list[Index]:
        return [at[len(self.first):] for name, at in _accesses(statement) if name == self.name]


def _follows(body: Sequence[Statement], a: _By, b: _By) -> bool:
    """Whether in each run of a body all accesses to b come after those to a; in a loop, element by element."""
    at_a = [k for k, s in enumerate(body) if a.of(s)]
    at_b = [k for k, s in enumerate(body) if b.of(s)]
    if not at_a or not at_b:
        return False
    if at_b[0] != at_a[-1]:
        return at_b[0] > at_a[-1]
    both = body[at_b[0]]
    if not isinstance(both, For):
        return isinstance(both, Store) and both.name == b.name
    places = set(a.of(both)) | set(b.of(both))
    here = Term("var", (), both.index, "int")
    return len(places) == 1 and here in next(iter(places)) and (_follows(both.body, a, b))


def _row_loop(kernel: Kernel) -> For | None:
    """The loop over the kernel's rows: its last, after those that pack what it reads."""
    return next((s for s in reversed(kernel.body) if isinstance(s, For)), None)


def _row_index(row: For, name: str) -> Term | None:
    """The first index of all accesses to an array, if it is always the row's."""
    first = {at[0] for n, at in _accesses(row) if n == name}
    if len(first) != 1:
        return None
    index, here = first.pop(), Term("var", (), row.index, "int")
    in_tile = index.op == "sub" and index.args == (here, row.first)
    return index if index == here or in_tile else None


def _only_in(kernel: Kernel, row: For, names: Sequence[str]) -> bool:
    return not any(n in names for s in kernel.body if s is not row for n, _ in _accesses(s))


# --- a tile's array in another's --------------------------------------------------------------------------------------

def _shared(body: Sequence[Statement], others: Sequence[Statement], arrays: Arrays, given: frozenset[str],
            own: Callable[[str], str]) -> list[Statement]:
    """The statements of a tile, in which arrays of equal sizes whose lives follow one another are one."""
    away = set(uses_of(others, arrays).arrays)
    life: dict[str, list[int]] = {}
    for k, s in enumerate(body):
        for name in uses_of([s], arrays).arrays:
            if name not in given and name not in away:
                life.setdefault(name, []).append(k)
    body, lasting = list(body), {n: at for n, at in life.items() if len(at) > 1}
    for b in list(lasting):
        for a in [a for a in lasting if lasting[a][0] < lasting[b][0] >= lasting[a][-1] and arrays[a] == arrays[b]]:
            first: Statement | None = body[lasting[b][0]]
            if lasting[a][-1] == lasting[b][0]:
                first = _passing_on(body[lasting[b][0]], a, b, own)
            if first is not None:
                body[lasting[b][0]] = first
                for k in lasting[b]:
                    body[k] = _renamed(body[k], b, a, lambda at: at)
                lasting[a] = sorted({*lasting[a], *lasting.pop(b)})
                break
    return body


def _passing_on(s: Statement, a: str, b: str, own: Callable[[str], str]) -> Statement | None:
    """The call of a kernel that reads a row of a before it makes that row of b, if it can."""
    if not isinstance(s, Call) or (old := _row_loop(s.kernel)) is None or not _only_in(s.kernel, old, (a, b)):
        return None
    index = _row_index(old, a)
    if index is None or index != _row_index(old, b) or not _begins(old.body, b):
        return None
    row = _read_first(old, a, own(f"{a}_at"))
    if not _follows(row.body, _By(a, (index,)), _By(b, (index,))):
        return None
    body = tuple(row if x is old else x for x in s.kernel.body)
    meaning = tuple(m.replace(f"in the rows of {b}", f"in the rows of {a}") for m in s.kernel.meaning)
    return Call(replace(s.kernel, body=body, meaning=(*meaning, f"{b} is kept in {a}")))


def _read_first(row: For, name: str, local: str) -> For:
    """The loop whose single element of an array, such as that of a label, is read as soon as its place is known."""
    single = {t for s in row.body if isinstance(s, Assign) for t in _bare(s.value) if t.op == "load" and t.value == name}
    if len(single) != 1 or any(_stores(s, name) for s in row.body):
        return row
    element = single.pop()
    value = Term("var", (), local, element.kind)
    body = [replace(s, value=replaced(s.value, {element: value})) if isinstance(s, Assign) else s for s in row.body]
    needed = {t.value for place in element.args for t in walk(place) if t.op in ("var", "load")}
    known = [k for k, s in enumerate(body) if isinstance(s, Assign) and s.name in needed or any(_stores(s, n) for n in needed)]
    return replace(row, body=(*body[:(at := max(known, default=-1) + 1)], Assign(local, element), *body[at:]))


def _bare(t: Term) -> Iterator[Term]:
    """The parts of a term that are computed in any case."""
    yield t
    for part in t.args[:1] if t.op in ("where", "and_", "or_") else t.args:
        yield from _bare(part)


def _stores(s: Statement, name: str) -> bool:
    return isinstance(s, Store) and s.name == name or isinstance(s, For) and any(_stores(inner, name) for inner in s.body)


# --- statements -------------------------------------------------------------------------------------------------------

def _accesses(s: Statement) -> Iterator[tuple[str, Index]]:
    """The arrays and places that a kernel's statement reads and writes."""
    match s:
        case Store(name, index, value):
            yield name, index
            terms = (*index, value)
        case Assign(_, value):
            terms = (value,)
        case Accumulate(_, target, value):
            terms = (target, value)
        case Track(_, target, best, value, position):
            terms = (target, best, value, position)
        case For(body=body, first=first, last=last):
            for inner in body:
                yield from _accesses(inner)
            terms = tuple(filter(None, (first, last)))
        case _:
            return
    for t in terms:
        yield from ((part.value, part.args) for part in walk(t) if part.op == "load")


def _renamed(value: Any, old: str, new: str, place: Callable[[Index], Index]) -> Any:
    """A kernel, statement or term with one array in place of another."""
    def visit(x: Any) -> Any:
        if isinstance(x, tuple):
            return tuple(visit(part) for part in x)
        if isinstance(x, Product):
            out, a, b = (new if name == old else name for name in (x.out, x.a, x.b))
            return replace(x, out=out, a=a, b=b)
        if not isinstance(x, Term | Statement | Kernel):
            return x
        x = replace(x, **{f.name: visit(getattr(x, f.name)) for f in fields(x) if f.name in _PARTS})
        if isinstance(x, Term) and x.op == "load" and x.value == old:
            return replace(x, args=place(x.args), value=new)
        return Store(new, place(x.index), x.value) if isinstance(x, Store) and x.name == old else x
    return visit(value)


_PARTS = ("kernel", "body", "index", "target", "best", "value", "position", "args", "first", "last")           # where terms and statements stand
