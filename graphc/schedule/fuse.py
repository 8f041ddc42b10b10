r"""Fusion: the greedy rule that turns a graph into loops.

Among the nodes still to do, compute those with no index left; else open the loop that most of them share, take in every
node whose operands are done, or are in the same loop and read at that index; go on inside with the index bound.

Two nodes share a loop iff every edge between them reads that index at that index, and the operand is not being reduced over
it. A map is not taken in before something in the loop needs it: what waits is not kept in memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from graphc.errors import InternalError
from graphc.ir.access import same_size
from graphc.ir.nodes import Comprehension, Input, Node, Operation, Read, Scatter, Size, reads_in
from graphc.ir.walk import consumers, operands, topological
from graphc.schedule.library import library_products, matrix_product
from graphc.schedule.memory import is_cheap
from graphc.schedule.plan import Compute, Item, Library, Loop
from graphc.schedule.policy import CPU, Policy
from graphc.schedule.scan import Scan, along_symbol

__all__ = ["fuse"]


def fuse(roots: Sequence[Node], across: bool = False, policy: Policy = CPU) -> list[Item]:
    """The loop tree that computes the roots. With `across`, inside a row, sums over features go round the loops over what is summed for."""
    return _Fusion(roots, across, policy).run()


def features(roots: Sequence[Node]) -> dict[Size, Size]:
    """The extents of sums that are made for each pair of a row and another index, as in the distance of two points, with the extent of that
    index. Matrix products are not among them, nor sums over what is not the last dim of every input that has it."""
    order = topological(roots)
    first = {s for n in order if isinstance(n, Input) for s in n.dims[:-1]}
    return {n.over[0]: n.axes[1] for n in reversed(order) if isinstance(n, Comprehension) and n.reduce == "sum" and len(n.axes) == 2
            and len(n.over) == 1 and n.over[0] not in first and matrix_product(n) is None}


class _Fusion:
    def __init__(self, roots: Sequence[Node], across: bool, policy: Policy):
        order = topological(roots)
        self.policy = policy
        self.features = set(features(roots)) if across else set()
        self.roots = set(roots)
        self.users = consumers(order)
        self.done: set[Node] = {n for n in order if isinstance(n, Input)}
        self.todo = [n for n in order if not isinstance(n, Input)]
        self.library = library_products(order, policy)
        self.operands = {n: operands(n) for n in self.todo}
        self.bound: dict[Operation, dict[sp.Symbol, Loop]] = {n: {} for n in self.todo}

    def run(self) -> list[Item]:
        return self.block(self.todo, ())

    def block(self, pending: list[Operation], path: tuple[Loop, ...]) -> list[Item]:
        """The items of one loop body (or of the program)."""
        items: list[Item] = []
        while pending:
            pending = self.ready(pending, path, items)
            if not pending:
                break
            loop, joined = self.choose(pending, path)
            if not path:
                joined = self.early(joined) or joined
            for node, symbol in joined.items():
                self.bound[node][symbol] = loop
            loop.items = self.block(list(joined), (*path, loop))
            items.append(loop)
            for node in joined:
                reduced = [v for s, v in self.bound[node].items() if s.name[0] == "j"]
                if not any(v in path for v in reduced):
                    self.done.add(node)
            pending = [n for n in pending if n not in joined]
        return items

    def ready(self, pending: list[Operation], path: tuple[Loop, ...], items: list[Item]) -> list[Operation]:
        """Emit, in order, what can be computed here without another loop; return the rest."""
        rest = []
        for node in pending:
            complete = all(o in self.done for o in self.operands[node])
            if node in self.library:
                if complete and not path:
                    items.append(Library(node))
                    self.done.add(node)
                    continue
            elif complete and len(self.bound[node]) == len(node.ranges):                         # type: ignore[union-attr]
                items.append(Compute(node, self.bound[node], path))
                if not any(s.name[0] == "j" for s in self.bound[node]):
                    self.done.add(node)
                continue
            rest.append(node)
        return rest

    def choose(self, pending: list[Operation], path: tuple[Loop, ...]) -> tuple[Loop, dict[Operation, sp.Symbol]]:
        """The loop that most nodes can share, and those nodes with the index that it runs."""
        unbound = {n: dict.fromkeys(e for s, e in n.ranges.items() if s not in self.bound[n])                       # type: ignore[union-attr]
                   for n in pending if n not in self.library}
        extents = dict.fromkeys((e, isinstance(n, Scan) and n.reverse) for n, own in unbound.items() for e in own)
        best: tuple[tuple[bool, bool, int, int], Loop, dict[Operation, sp.Symbol]] | None = None
        for strict, together in self.attempts(pending, path):
            for rank, (extent, reverse) in enumerate(extents):
                outside = bool(path) and extent in self.features
                equal = {e for e, _ in extents if same_size(e, extent)}
                willing = [n for n in together if not equal.isdisjoint(unbound.get(n, ())) and (outside or not path or not self.has_feature(n))]
                able = self.join(willing, extent, strict and not outside, reverse)
                needed = self.needed(able)
                score = (bool(needed), outside, len(needed or able), -rank)
                if able and (best is None or score > best[0]):
                    best = (score, Loop(extent, reverse), needed or able)
            if best is not None and (best[0][0] or not self.policy.axes_first):
                return best[1], best[2]
        if best is not None:
            return best[1], best[2]
        raise InternalError(f"schedule: nothing can be computed of {[repr(n) for n in pending[:5]]}")

    def attempts(self, pending: list[Operation], path: tuple[Loop, ...]) -> list[tuple[bool, list[Operation]]]:
        """(strict, who may share a loop), in order. Where rows must be independent, a scatter, which makes them meet, has loops of its own
        with the maps that it reads."""
        if not self.policy.axes_first or path:
            return [(True, pending), (False, pending)]
        others: list[Operation] = [n for n in pending if not isinstance(n, Scatter)]
        tried = [(True, others), (False, others)]
        for scatter in (n for n in pending if isinstance(n, Scatter)):
            cone = set(topological([scatter]))
            tried.append((False, [n for n in pending if n in cone]))
        return tried

    def has_feature(self, node: Operation) -> bool:
        """Whether a loop over features must go round the others that the node still needs."""
        return bool(self.features) and any(node.ranges[s] in self.features for s in self.free(node))                # type: ignore[union-attr]

    def join(self, pending: list[Operation], extent: Size, strict: bool, reverse: bool) -> dict[Operation, sp.Symbol]:
        """Who can share a loop over an extent. A node that reads nothing in the loop is `strict` about its order in memory: it
        joins by its outermost index only."""
        joined: dict[Operation, sp.Symbol] = {}
        for node in pending:
            if node in self.library or any(o not in self.done and o not in joined for o in self.operands[node]):
                continue
            candidates = [s for s in self.free(node, reverse) if same_size(node.ranges[s], extent)]  # type: ignore[union-attr]
            if not candidates:
                continue
            wanted = self.required(node, joined)
            if wanted is None or self.is_apart(node, joined):
                continue
            if not wanted:
                leading = self.leading(node)
                if not strict or same_size(node.ranges[leading], extent):                        # type: ignore[union-attr]
                    joined[node] = leading if leading in candidates else candidates[0]
            elif len(wanted) == 1 and (symbol := next(iter(wanted))) in candidates:
                joined[node] = symbol
        return joined

    def is_apart(self, node: Operation, joined: dict[Operation, sp.Symbol]) -> bool:
        """Whether a node keeps out of a loop because of a running value, its own or another's: threads share out one at a time, and no loop inside;
        on a processor functions would be computed one by one."""
        scans = any(isinstance(n, Scan) and s == along_symbol(n) for n, s in joined.items())
        runs = isinstance(node, Scan) and len(self.free(node)) == 1
        if self.policy.axes_first:
            sums = any(n.reduce and s.name[0] == "i" for n, s in joined.items())
            return scans and (runs or bool(node.reduce) and self.free(node)[0].name[0] == "i") or runs and sums
        return scans and self.is_function(node) or runs and any(map(self.is_function, joined))

    @staticmethod
    def is_function(node: Operation) -> bool:
        """Whether a node is a map that is computed faster in vectors."""
        return isinstance(node, Comprehension) and node.is_map and not is_cheap(node)

    def early(self, joined: dict[Operation, sp.Symbol]) -> dict[Operation, sp.Symbol]:
        """Sums over rows that need a short loop of their own: what waits for them could else share the rows of the others. The number of
        labels that count is one: the gradient of every row is divided by it."""
        early: dict[Operation, sp.Symbol] = {}
        for node, symbol in joined.items():
            if symbol.name[0] != "j" or len(node.ranges) != 1:                                   # type: ignore[union-attr]
                continue
            cone = {n: joined[n] for n in topological([node]) if n in joined}                    # type: ignore[index]
            short = all(len(n.ranges) == 1 and (n is node or is_cheap(n)) for n in cone)         # type: ignore[union-attr]
            if short and self.blocks(node, {n for n in joined if n not in cone}):
                early |= cone
        return early

    def blocks(self, node: Operation, others: set[Operation]) -> bool:
        """Whether something waits for a sum over a loop that could share the loop with other nodes."""
        waiting: set[Node] = {node}
        for user in self.todo:
            if user not in self.done and any(o in waiting for o in self.operands[user]):
                waiting.add(user)
        return any(o in others and len(o.dims) > 0 for user in waiting for o in self.operands.get(user, ()))       # type: ignore[call-overload, arg-type]

    def free(self, node: Operation, reverse: bool | None = None) -> list[sp.Symbol]:
        """The indices of a node that a loop may bind next. A scan runs along its axis last, in its own direction."""
        free = [s for s in node.ranges if s not in self.bound[node]]                             # type: ignore[union-attr]
        if isinstance(node, Scan):
            if len(free) > 1:
                free.remove(along_symbol(node))
            elif reverse is not None and node.reverse != reverse:
                return []
        axes = [s for s in free if s.name[0] == "i"] if self.policy.axes_first else []
        return axes or free

    def leading(self, node: Operation) -> sp.Symbol:
        """The index, of those still to bind, that strides farthest through memory."""
        return min(self.free(node), key=lambda s: (_position(node, s), s.name[0] == "j", s.name))

    @staticmethod
    def required(node: Operation, joined: dict[Operation, sp.Symbol]) -> set[sp.Symbol] | None:
        """The indices at which a node must run so that it reads operands in the loop at the loop's index; None: it cannot."""
        wanted: set[sp.Symbol] = set()
        for read in _all_reads(node):
            if read.operand not in joined:
                continue
            symbol = joined[read.operand]
            if symbol.name[0] == "j":
                return None
            e = read.index[int(symbol.name[1:])]
            if isinstance(e, Read) or e not in node.ranges:                                      # type: ignore[union-attr]
                return None
            wanted.add(e)
        return wanted

    def needed(self, joined: dict[Operation, sp.Symbol]) -> dict[Operation, sp.Symbol]:
        """Without the maps that nothing in the loop uses yet."""
        keep: set[Operation] = set()
        for node in reversed(joined):
            waits = isinstance(node, Comprehension) and node.reduce is None and node not in self.roots
            users = self.users[node]
            if not waits or any(u in keep for u in users) or any(u in self.library for u in users):
                keep.add(node)
        return {n: s for n, s in joined.items() if n in keep}


def _all_reads(node: Operation) -> list[Read]:
    found = [r for read in node.reads for r in reads_in(read)]
    if isinstance(node, Scatter):
        found += [r for e in node.at if isinstance(e, Read) for r in reads_in(e)]
    return found


def _position(node: Operation, symbol: sp.Symbol) -> int:
    """The place of an index in the reads that it strides over; the result's axes count where there are none."""
    places = [k for r in node.reads for k, e in enumerate(r.index) if e == symbol]
    if places:
        return min(places)
    return int(symbol.name[1:])
