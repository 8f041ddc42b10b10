"""The work of a row as steps for all rows of a block (see graphc.loops.lanes)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from graphc.ir.nodes import Size
from graphc.loops.accesses import accesses, statements
from graphc.loops.passing import uses
from graphc.loops.statements import Accumulate, Allocate, Around, Assign, For, Kernel, Note, Stage, Statement, Store, Track, load, values, var
from graphc.loops.unpeel import unpeeled
from graphc.scalar.term import Term, walk

__all__ = ["Arrays", "Rows", "is_own"]

Arrays = Mapping[str, tuple[tuple[Size, ...], str]]
Step = Stage | Around


@dataclass(frozen=True)
class Rows:
    """The rows of a loop. `scratch` has the names in a block for rows of scratch, `whole` the index of the own row for arrays whose rows are
    copied to the block. What all rows add to the same place is summed on its way there, in `parts`."""

    loop: For
    bounds: tuple[str, ...]
    own: Callable[[str], str]
    scratch: dict[str, str]
    whole: dict[str, Term] = field(default_factory=dict)
    parts: dict[Term, str] = field(default_factory=dict)

    @classmethod
    def columns(cls, loop: For, kernel: Kernel, own: Callable[[str], str]) -> Rows:
        """Columns, in a kernel's body: rows that are next to one another as they are."""
        return cls(loop, kernel.bounds[:1], own, {name: name for name in _rows_of_scratch(loop, kernel)})

    @classmethod
    def short(cls, loop: For, kernel: Kernel, arrays: Arrays, own: Callable[[str], str]) -> Rows:
        """Short rows: those of scratch, and of the arrays of which a row reads or makes its own row alone, with others beside them."""
        scratch = {name: own(f"{name}_T") for name in _rows_of_scratch(loop, kernel)}
        whole = {name: at[0][0] for name, at in _places(loop.body).items() if name in arrays and name not in scratch and len(at[0]) > 1
                 and len({index[0] for index in at}) == 1 and is_own(at[0][0], loop, kernel.bounds[:1]) and arrays[name][1] == "float"
                 and arrays[name][0][0] == loop.extent}
        return cls(loop, kernel.bounds[:1], own, scratch, whole)

    def steps(self, arrays: Arrays) -> tuple[tuple[Step, ...], tuple[str, ...]] | None:
        """The steps, and the numbers that are kept for each row from step to step; None if rows meet in more than sums, or
        are copied and have no number of their own."""
        if self.loop.reverse or self.loop.parts or not self.meet_in_sums_alone():
            return None
        steps = _with_indices(self.of(self.loop.body), self.indices())
        kept = _kept(steps, self.carried)
        if kept is None or set(kept) <= {part for s in statements(self.loop.body) if isinstance(s, For) for _, part, _ in s.parts} and self.whole:
            return None
        return (*self.copies(arrays, back=False), *_passing(steps, kept), *self.copies(arrays, back=True)), kept

    @property
    def carried(self) -> set[str]:
        """The numbers that all rows add to."""
        made = {s.name for s in statements(self.loop.body) if isinstance(s, Assign)}
        made |= {part for s in statements(self.loop.body) if isinstance(s, For) for _, part, _ in s.parts}
        return {s.target.value for s in statements(self.loop.body) if isinstance(s, Accumulate) and s.target.op == "var"} - made

    @property
    def lane(self) -> Term:
        return var(self.own("row"), "int")

    def is_own(self, index: Sequence[Term]) -> bool:
        return any(is_own(a, self.loop, self.bounds) for a in index)

    def is_shared(self, s: Statement) -> bool:
        """Whether all rows add to one place."""
        if not isinstance(s, Accumulate):
            return False
        return s.target.value in self.carried if s.target.op == "var" else s.target.value not in self.scratch and not self.is_own(s.target.args)

    def is_scattered(self, s: Statement) -> bool:
        """Whether each row adds to a place that it looks up."""
        own = {self.loop.index} | {x.name for x in statements(self.loop.body) if isinstance(x, Assign)}
        return isinstance(s, Accumulate) and self.is_shared(s) and any(t.value in own for a in s.target.args for t in walk(a) if t.op == "var")

    def meet_in_sums_alone(self) -> bool:
        """Whether a row reads nothing that another makes, and nothing that all add to."""
        body = [s for s in statements(self.loop.body) if not isinstance(s, For | Note)]
        shared = [s for s in body if isinstance(s, Accumulate) and self.is_shared(s)]
        sums, places = {s.target.value for s in shared}, _places(self.loop.body)
        made = {a.name for a in accesses(self.loop.body) if a.write} - sums - {*self.scratch}
        own = [{tuple(k for k, a in enumerate(index) if is_own(a, self.loop, self.bounds)) for index in places[name]} for name in made]
        reads = {t.value for s in body for v in values(s) for t in walk(v) if t.op in ("load", "var")}
        return not any(isinstance(s, Track) for s in body) and all(s.op == "sum" for s in shared) and not reads & sums \
            and all(len(found) == 1 and () not in found for found in own)

    def of(self, body: Sequence[Statement]) -> tuple[Step, ...]:
        done: list[Step] = []
        for s in unpeeled(body):
            if isinstance(s, For) and not s.single:
                done.append(Around(replace(s, body=()), self.of(s.body)))
                continue
            if self.is_scattered(s):
                done += [self.joined(Stage(()), s), Stage(())]
                continue
            found, s = self.looked_up(s)
            last = done.pop() if done and isinstance(done[-1], Stage) else Stage(())
            done += [*([last, Stage(found)] if found else []), self.joined(Stage(()) if found else last, s)]             # type: ignore[arg-type]
        return tuple(done)

    def looked_up(self, s: Any) -> tuple[tuple[Assign, ...], Any]:
        """What reads the elements that each row looks up for itself, in a step before, and the statement with their names: LLVM makes vectors of
        arithmetic without look-ups. What is under a condition is read there."""
        if not isinstance(s, Assign | Store | Accumulate):
            return (), s
        found: dict[Term, str] = {}

        def visit(t: Term) -> Term:
            if t.op == "load" and t.kind == "float" and any(p.op == "load" for a in t.args for p in walk(a)):
                name = found.setdefault(t, self.own("_".join((t.value, "at", *(str(p.value) for a in t.args for p in walk(a) if p.op == "load")))))
                return var(name, t.kind)
            kept = 1 if t.op in ("where", "and_", "or_") else len(t.args)
            return replace(t, args=(*map(visit, t.args[:kept]), *t.args[kept:]))
        s = replace(s, value=visit(s.value))
        return tuple(Assign(name, self.placed(t)) for t, name in found.items()), s

    def indices(self) -> dict[str, Statement]:
        """The numbers that a row reads from arrays and that are no floats, as labels: they are read again where they are used."""
        return {s.name: self.placed(s) for s in statements(self.loop.body)
                if isinstance(s, Assign) and s.value.op == "load" and s.value.kind != "float" and not self.is_made(s.value.value)}

    def joined(self, step: Stage, s: Any) -> Stage:
        """The step with one statement more."""
        if self.is_shared(s) and s.target.op == "load" and not self.is_scattered(s):
            part = var(self.parts.setdefault(s.target, self.own(f"{s.target.value}_part{len(self.parts) or ''}")), s.target.kind)
            step = replace(step, sums=tuple(dict.fromkeys((*step.sums, replace(s, value=part)))))
            s = replace(s, target=part)
        return replace(step, body=(*step.body, self.placed(s)))

    def placed(self, x: Any) -> Any:
        """A statement or term in which elements of rows have their places in the block."""
        if isinstance(x, tuple):
            return tuple(map(self.placed, x))
        if isinstance(x, Term):
            name, args = self.place(x.value, self.placed(x.args)) if x.op == "load" else (x.value, self.placed(x.args))
            return replace(x, value=name, args=args)
        if isinstance(x, Store):
            return Store(*self.place(x.name, self.placed(x.index)), self.placed(x.value))
        return replace(x, **{f.name: self.placed(v) for f in fields(x) if isinstance(v := getattr(x, f.name), Term) or f.name == "body"})

    def place(self, name: str, index: tuple[Term, ...]) -> tuple[str, tuple[Term, ...]]:
        if name in self.scratch:
            return self.scratch[name], (*index, self.lane)
        return (self.copied(name), (*index[1:], self.lane)) if name in self.whole else (name, index)

    def copied(self, name: str) -> str:
        return self.own(f"{name}_T")

    def copies(self, arrays: Arrays, back: bool) -> tuple[Stage, ...]:
        """What copies rows to the block before its steps, or back after them."""
        def nest(name: str) -> Statement:
            sizes = arrays[name][0][1:]
            letters = [self.own(f"at_{k}") for k in range(len(sizes))]
            inner = tuple(var(x, "int") for x in letters)
            there, here = (name, (self.whole[name], *inner)), self.place(name, (self.whole[name], *inner))
            body: Statement = Store(*there, load(*here, "float")) if back else Store(*here, load(*there, "float"))
            for letter, extent in reversed(list(zip(letters, sizes, strict=True))):
                body = For(letter, extent, (body,))
            return body
        names = [name for name in self.whole if (self.is_made(name) if back else self.is_read(name))]
        return (Stage(tuple(map(nest, names))),) if names else ()

    def is_made(self, name: str) -> bool:
        return any(isinstance(s, Store) and s.name == name or isinstance(s, Accumulate) and s.target.op == "load" and s.target.value == name
                   for s in statements(self.loop.body))

    def is_read(self, name: str) -> bool:
        """Whether the first that a row does to its row of an array is not to make all of it."""
        for s in statements(self.loop.body):
            reads = any(t.op == "load" and t.value == name for v in values(s) for t in walk(v))
            if reads or isinstance(s, Accumulate) and s.target.op == "load" and s.target.value == name:
                return True
            if isinstance(s, Store) and s.name == name:
                return not self.makes_all(s)
        return False

    def makes_all(self, s: Store) -> bool:
        """Whether a statement stores each element of a row."""
        around = [var(x.index, "int") for x in statements(self.loop.body)
                  if isinstance(x, For) and not x.single and x.first is None and any(y is s for y in statements(x.body))]
        return len({*s.index[1:]}) == len(s.index) - 1 and all(a in around for a in s.index[1:])


def _places(body: Sequence[Statement]) -> dict[str, list[tuple[Term, ...]]]:
    """Where statements read and write each array."""
    places: dict[str, list[tuple[Term, ...]]] = {}
    for a in accesses(body):
        places.setdefault(a.name, []).append(a.index)
    return places


def _rows_of_scratch(loop: For, kernel: Kernel) -> list[str]:
    """The scratch of a kernel of which each row of a loop needs its own: what the loop alone writes and reads, at no place of its own."""
    inside, all_ = _places(loop.body), _places(kernel.body)
    written = {s.name for s in statements(loop.body) if isinstance(s, Store)}
    return [s.name for s in kernel.body if isinstance(s, Allocate) and s.name in written and len(inside[s.name]) == len(all_[s.name])
            and not any(is_own(a, loop, kernel.bounds[:1]) for index in inside[s.name] for a in index)]


def is_own(index: Term, loop: For, first: Sequence[str]) -> bool:
    """Whether an index is that of the own row, as it stands, or counted from the first row of a part or a tile."""
    here = var(loop.index, "int")
    return index == here or index.op == "sub" and index.args == (here, loop.first) \
        or index.op == "add" and any(index.args == (var(name, "int"), here) for name in first)


def _with_indices(steps: Sequence[Step], indices: Mapping[str, Statement]) -> tuple[Step, ...]:
    """The steps in which each reads the indices that it uses."""
    done: list[Step] = []
    for s in steps:
        if isinstance(s, Around):
            done.append(replace(s, steps=_with_indices(s.steps, indices)))
        else:
            body = tuple(x for x in s.body if not isinstance(x, Assign) or x.name not in indices)
            if any(not isinstance(x, Note) for x in body):
                done.append(replace(s, body=(*(indices[name] for name in _reads(replace(s, body=body)) if name in indices), *body)))
    return tuple(done)


def _kept(steps: Sequence[Step], carried: set[str]) -> tuple[str, ...] | None:
    """The numbers that a step reads and has not made itself; None if one is not a float."""
    reads = dict.fromkeys(name for step in _all(steps) if isinstance(step, Stage) for name in _reads(step))
    made = {name: kind for step in _all(steps) for name, kind in _made(step).items()}
    kept = tuple(name for name in reads if name in made and name not in carried)
    return kept if all(made[name] == "float" for name in kept) else None


def _reads(step: Stage) -> list[str]:
    """The variables that a step reads before it has made them."""
    own = {s.value.value for s in step.sums}
    found = dict[str, None]()
    for name, written in (use for s in step.body for use in uses(s)):
        if written:
            own.add(name)
        elif name not in own:
            found[name] = None
    return list(found)


def _made(step: Step) -> dict[str, str]:
    """The variables that a step makes or adds to, with their kinds."""
    if isinstance(step, Around):
        return {part: "float" for _, part, _ in step.loop.parts}
    return {s.name: s.value.kind for s in statements(step.body) if isinstance(s, Assign)} \
        | {s.target.value: s.target.kind for s in statements(step.body) if isinstance(s, Accumulate) and s.target.op == "var"}


def _passing(steps: Sequence[Step], kept: Sequence[str]) -> tuple[Step, ...]:
    """The steps with what they read and write of the numbers that are kept."""
    def passing(s: Step) -> Step:
        if isinstance(s, Around):
            return replace(s, steps=_passing(s.steps, kept))
        return replace(s, reads=tuple(name for name in _reads(s) if name in kept), writes=tuple(name for name in _made(s) if name in kept))
    return tuple(map(passing, steps))


def _all(steps: Sequence[Step]) -> Iterator[Step]:
    for s in steps:
        yield s
        if isinstance(s, Around):
            yield from _all(s.steps)
