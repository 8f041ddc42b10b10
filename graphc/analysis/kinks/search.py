"""The search behind `gc.kinks`: each node of the graph is visited under the selections around it, readers before what they read.

    relu(u), |u|, max(a, b), ...      the function table's conditions, written over what the node reads
    where(c, a, b)                    `graphc.analysis.kinks.boundary` at each comparison of c; then a where c holds, and b where it does not
    max over j, norm, std             ties; a root of a sum of squares at 0
    [c] used as a number              a step

What stands in a condition, in an index, under `stop_gradient` or in an argument that a row of the table holds constant is not looked at:
no derivative passes there. So the maximum that softmax subtracts, and how many elements attain it, are not seen; their choice cancels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sympy as sp

from graphc.analysis.kinks.boundary import UNDECIDED, Verdict, boundary, contradicts, never_zero, slope, solutions
from graphc.analysis.kinks.region import POSITIVE, Region
from graphc.ir.access import rewrite
from graphc.ir.build import comprehension, plain
from graphc.ir.formula import formula_of
from graphc.ir.idioms import first_extremum, reduction_call
from graphc.ir.nodes import Comprehension, Node, Operation, Origin
from graphc.ir.rows import choice_text
from graphc.ir.text import number_text
from graphc.ir.walk import topological
from graphc.scalar.choice import choice_of, without_choices
from graphc.scalar.symbols import Placeholder, axis_index, over_index, placeholder
from graphc.scalar.table import Op, op

__all__ = ["NonSmooth", "Search"]

ZERO = sp.Integer(0)
WIDTH = 80          # characters of a set's formula
NESTED = 4          # selections around a node that are kept in mind
_ROOTS = ("norm", "std")                                   # where(s > 0, sqrt(s), ...) of a sum of squares
_SIDES = {"lt": False, "gt": False, "le": True, "ge": True, "eq": True, "ne": False}      # whether c holds on its boundary
Path = tuple[tuple[sp.Expr, bool], ...]


@dataclass(frozen=True)
class NonSmooth:
    """A set where a formula is not smooth: `at` is its formula, `chosen` the derivative there, `choice` what may be chosen instead."""

    at: str
    function: str
    kind: str
    chosen: str
    choice: str
    origin: Origin
    certain: bool = True

    @property
    def what(self) -> str:
        return self.kind if self.certain else "may be a kink or a jump" if self.kind == "kink" else f"may be a {self.kind}"


class Search:
    """The rows of one root, as a function of `wrt`."""

    def __init__(self, root: Node, wrt: set[Node]):
        self.root, self.region = root, Region([root])
        self.order = topological([root])
        self.depends: set[Node] = set(wrt)
        for node in self.order:
            if any(r.operand in self.depends for r in node.reads):
                self.depends.add(node)
        self.paths: dict[Node, dict[Path, None]] = {root: {(): None}}
        self.readers: dict[Node, list[Operation]] = {}

    def rows(self) -> Iterator[NonSmooth]:
        """Readers come before what they read, so that all paths to a node are known when it is looked at."""
        found: dict[Node, list[NonSmooth]] = {}
        for node in reversed(self.order):
            if isinstance(node, Operation) and node in self.depends:
                for path in self.paths.get(node, ()):
                    found.setdefault(node, []).extend(_Visit(self, node, path).rows())
        for node in self.order:
            yield from dict.fromkeys(found.get(node, ()))

    def pass_on(self, node: Operation, k: int, path: Path) -> None:
        read = node.reads[k]
        self.readers.setdefault(read.operand, []).append(node)
        kept = path[-NESTED:] if self.region.is_inside(read, node) or read == plain(read.operand) and not node.over else ()
        self.paths.setdefault(read.operand, {})[kept] = None

    def is_flattened(self, node: Node) -> bool:
        """Whether everything that reads a node is flat where it is 0."""
        readers = self.readers.get(node, [])
        return node is not self.root and bool(readers) and all(_is_flat(r, node) for r in readers)


def _is_flat(reader: Operation, node: Node) -> bool:
    t = sp.Dummy()
    body = reader.body.xreplace({placeholder(k): t for k, r in enumerate(reader.reads) if r.operand is node})
    return reader.reduce is None and bool(body.diff(t).xreplace({t: ZERO}) == 0)


class _Visit:
    """One node, under the selections around it."""

    def __init__(self, search: Search, node: Operation, path: Path):
        self.search, self.region, self.node, self.path = search, search.region, node, path

    def rows(self) -> Iterator[NonSmooth]:
        node = self.node
        if found := first_extremum(node):
            self.search.pass_on(found.reduction, 0, ())
            yield self.row(f"ties of {self.written(found.reduction)}", node.origin.op, "kink", "1 for the first", 'ties="share"')
            return
        if node.origin.op in _ROOTS and node.body.has(op("where")):
            yield from self.root_of_a_sum()
            return
        if node.reduce in ("max", "min"):
            yield self.row(f"ties of {self.written(node)}", node.reduce, "kink", "an equal share each", 'ties="first"')
        yield from self.walk(node.body, self.path)

    def root_of_a_sum(self) -> Iterator[NonSmooth]:
        self.search.pass_on(self.node, 0, ())
        if self.region.sign(self.region.value[self.node]) < POSITIVE and not self.search.is_flattened(self.node):
            named = self.node if reduction_call(self.node) else self.node.reads[0].operand
            yield self.row(f"{self.written(named)} == 0", self.node.origin.op, "kink", "0", "")

    def walk(self, e: sp.Expr, path: Path, chosen: str = "") -> Iterator[NonSmooth]:
        """What happens in an expression whose value counts."""
        if isinstance(e, Placeholder):
            yield from self.operand(int(e.name[1:]), path)
        elif isinstance(e, op("at_kink")):
            yield from self.walk(e.args[2], path, _slope_of(e))
        elif isinstance(e, op("where")):
            yield from self.selection(e, path, chosen)
        elif isinstance(e, Op) and e.row.result == "bool":
            yield from self.steps(e)
        elif not e.is_Atom and not isinstance(e, op("stop_gradient")):
            if isinstance(e, Op):
                yield from self.table(e, path, chosen)
            elif isinstance(e, sp.Pow) and e.exp.is_number and 0 < e.exp < 1:
                yield from self.pointwise(e, op("eq")(e.base, ZERO), ("**", "singular", "inf", ""), path)
            for part in _differentiated(e):
                yield from self.walk(part, path)

    def operand(self, k: int, path: Path) -> Iterator[NonSmooth]:
        below = self.node.reads[k].operand
        if below in self.search.depends and below.dtype == "bool" and isinstance(below, Comprehension):
            yield from _Visit(self.search, below, ()).steps(below.body)
        elif below in self.search.depends:
            self.search.pass_on(self.node, k, path)

    # --- rows of the table
    def table(self, e: Op, path: Path, chosen: str) -> Iterator[NonSmooth]:
        for k, kink in enumerate(e.row.kinks):
            own = chosen if chosen and k == 0 else kink.chosen
            choice = choice_text(e.row).replace("`", "") if k == 0 else ""
            if kink.kind == "kink" and e == without_choices(self.node.body) and _is_zero_there(e) and self.search.is_flattened(self.node):
                continue
            yield from self.pointwise(e, kink.on(*e.args), (e.row.name, kink.kind, own, choice), path)

    def pointwise(self, e: sp.Expr, condition: sp.Expr, facts: tuple[str, str, str, str], path: Path) -> Iterator[NonSmooth]:
        """A set given by a condition on what the node reads, unless it is empty or not on this side of the selections around."""
        if not self.matters(e):
            return
        if isinstance(condition, op("eq")):
            d = self.value(condition.args[0]) - self.value(condition.args[1])
            found = solutions(d)
            if never_zero(self.region, d) or found and all(contradicts(path, at) for at in found):
                return
        yield self.row(self.written(self.node, condition), *facts)

    def matters(self, e: sp.Expr) -> bool:
        return any(self.node.reads[int(p.name[1:])].operand in self.search.depends for p in e.atoms(Placeholder))

    def value(self, e: sp.Expr) -> sp.Expr:
        return self.region.within(self.node, without_choices(e))

    # --- selections
    def selection(self, e: sp.Expr, path: Path, chosen: str) -> Iterator[NonSmooth]:
        condition, yes, no = e.args
        whole = self.value(condition)
        for owner, comparison, aligned in self.comparisons(self.node, condition):
            yield from self.side_change(owner, comparison, e, path, chosen, aligned)
        yield from self.walk(yes, (*path, (whole, True)))
        yield from self.walk(no, (*path, (whole, False)))

    def comparisons(self, node: Operation, condition: sp.Expr, aligned: bool = True) -> Iterator[tuple[Operation, Op, bool]]:
        """The comparisons of a condition, each with the node that has it, and whether that is read at this node's own indices."""
        if isinstance(condition, Placeholder):
            read = node.reads[int(condition.name[1:])]
            if isinstance(read.operand, Comprehension) and read.operand in self.search.depends:
                yield from self.comparisons(read.operand, read.operand.body, aligned and self.region.is_inside(read, node))
        elif isinstance(condition, Op) and condition.row.name in _SIDES:
            if _Visit(self.search, node, ()).matters(condition):
                yield node, condition, aligned
        else:
            for part in condition.args:
                yield from self.comparisons(node, part, aligned)

    def side_change(self, owner: Operation, comparison: Op, e: sp.Expr, path: Path, chosen: str, aligned: bool) -> Iterator[NonSmooth]:
        """What a selection does where one of its comparisons changes."""
        u, v = (self.region.within(owner, a) for a in comparison.args)
        yes, no = (self.value(a) for a in e.args[1:])
        found = solutions(u - v)
        if never_zero(self.region, u - v) or found and all(contradicts(path, at) for at in found):
            return
        verdict = boundary(self.region, u, v, yes, no) if aligned else UNDECIDED
        if verdict == UNDECIDED and comparison.row.name in ("eq", "ne"):
            verdict = Verdict("convention", False)
        if verdict.kind == "kink" and found and self.search.is_flattened(self.node) and _vanishes(yes, found):
            return
        if verdict.kind:
            side = self.taken(comparison, e.args[0], yes, no, found or [])
            at = op("eq")(*comparison.args)
            choice = {"clip": "at_bound in [0, 1]", **dict.fromkeys(("leaky_relu", "elu", "selu"), "at_zero")}.get(self.node.origin.op, "")
            yield self.row(self.written(owner, at), self.node.origin.op or "where", verdict.kind, chosen or side, choice, verdict.certain)

    def taken(self, comparison: Op, condition: sp.Expr, yes: sp.Expr, no: sp.Expr, found: list[dict[sp.Expr, sp.Expr]]) -> str:
        """The derivative of the branch that is taken on the boundary."""
        if condition != comparison and not isinstance(condition, Placeholder):
            return "of the branch taken"
        branch = yes if _SIDES[comparison.row.name] else no
        slopes = {slope(branch, at, leaf) for at in found for leaf in at}
        number = slopes.pop() if len(slopes) == 1 else None
        return number_text(number, "float") if number is not None else f"of the {'first' if branch is yes else 'second'} branch"

    def steps(self, condition: sp.Expr) -> Iterator[NonSmooth]:
        """A condition that is used as a number."""
        for owner, comparison, _ in self.comparisons(self.node, condition):
            yield self.row(self.written(owner, op("eq")(*comparison.args)), comparison.row.infix, "jump", "0", "")

    # --- text
    def row(self, at: str, function: str, kind: str, chosen: str, choice: str, certain: bool = True) -> NonSmooth:
        return NonSmooth(at, function, kind, chosen, choice, self.node.origin, certain)

    @staticmethod
    def written(node: Node, condition: sp.Expr | None = None) -> str:
        """The formula of a node, or of a condition on what it reads."""
        if condition is None or not isinstance(node, Operation):
            return formula_of(node, budget=WIDTH)
        rank = len(node.axes)
        mapping: dict[sp.Symbol, sp.Expr] = {over_index(k): axis_index(rank + k) for k in range(len(node.over))}
        reads = [rewrite(r, mapping) for r in node.reads]
        whole = comprehension((*node.axes, *node.over), (), None, condition.xreplace(mapping), reads, node.origin, "bool")
        return formula_of(whole, budget=WIDTH)


def _slope_of(e: Op) -> str:
    """The number that a user has chosen at a kink; "" where it is none."""
    choice = choice_of(e)
    number = choice[1] if choice else sp.Add(*(e.args[1].diff(p) for p in e.args[1].atoms(Placeholder)))
    return number_text(number, "float") if number.is_number else ""


def _differentiated(e: sp.Expr) -> Sequence[sp.Expr]:
    """The arguments that a derivative passes, where it passes any."""
    if not isinstance(e, Op) or not any(e.row.derivatives):
        return e.args
    return [a for a, d in zip(e.args, e.row.derivatives, strict=True) if d]


def _is_zero_there(e: Op) -> bool:
    """Whether a function's value at its kink is 0."""
    return e.row.name in ("relu", "abs", "hypot") or ZERO in e.args


def _vanishes(branch: sp.Expr, found: Sequence[dict[sp.Expr, sp.Expr]]) -> bool:
    return all(branch.xreplace(at) == 0 for at in found)
