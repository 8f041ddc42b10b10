r"""What is the same along a row is read once, into a variable.

    for j: ... t[i] == j ...                     t_i = t[i];  for j: ... t_i == j ...
    b[i] = f(m);  for j: ... x[i, j]/b[i]        b_i = f(m);  b[i] = b_i;  for j: ... x[i, j]/b_i

The threads of a group need not wait for one that stores, and no compiler has to see that what a loop stores leaves it alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from graphc.loops.accesses import accesses, replaced, statements
from graphc.loops.device.independent import letter_of
from graphc.loops.statements import Assign, For, Statement, Store, values, var
from graphc.scalar.term import Term, walk

__all__ = ["in_variables"]


def in_variables(body: Sequence[Statement], rows: Collection[str], own: Callable[[str], str]) -> tuple[Statement, ...]:
    """The statements of a row with variables for elements at the row's own point; `rows` are the loops' variables."""
    found = list(accesses(body))
    written = {a.name for a in found if a.write}
    stores = Counter(a.name for a in found if a.write)
    done: list[Statement] = []
    variables: dict[Term, Term] = {}

    def at_row(index: Sequence[Term]) -> bool:
        return bool(index) and all(letter_of(x) in rows and x.op == "var" for x in index)

    def variable(t: Term) -> Term:
        return var(own(f"{t.value}_{''.join(x.value for x in t.args)}"), t.kind)

    inner = [a for s in body if isinstance(s, For) for a in accesses([s])]
    for a in inner:
        if a.name not in written and at_row(a.index):
            t = next(x for s in statements(body) for x in _loads(s) if x.value == a.name and x.args == a.index)
            if t not in variables:
                variables[t] = variable(t)
                done.append(Assign(variables[t].value, t))
    for s in body:
        s = replaced(s, variables)
        if isinstance(s, Store) and at_row(s.index) and stores[s.name] == 1:
            t = Term("load", s.index, s.name, s.value.kind)
            if any(x == t for other in statements(body) for x in _loads(other)):
                variables[t] = variable(t)
                done += [*([Assign(variables[t].value, s.value)] if s.value != variables[t] else []), replace(s, value=variables[t])]
                continue
        done.append(s)
    return tuple(done)


def _loads(s: Statement) -> list[Term]:
    return [x for v in values(s) for x in walk(v) if x.op == "load"]
