"""The statements of a kernel for a GPU, besides those of graphc.loops.statements.

    kernel ::= rows, statements, totals          a group of threads takes a row after another; rows are independent of one another
    Over       a loop whose points the threads of a group share out; what it reduces, they fold
    Scan       a loop that reads what it has added up so far (see graphc.loops.device.scans)
    Once       what one thread of the group does for all
    Gather     a number of a row from what its pieces have found (see graphc.loops.device.pieces)
    Barrier    what was stored before is read after

Every other statement is done by all threads of the group alike, so that scalars of a row are the same in each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphc.ir.nodes import Size
from graphc.loops.statements import Allocate, Assign, For, Statement
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term

__all__ = ["Fold", "Over", "Scan", "Once", "When", "Gather", "Barrier", "Load", "Save", "Total", "Row", "Tile", "Maximum", "Online", "GroupKernel",
           "Cut", "Launch", "Alias", "Finish", "DeviceProgram"]


@dataclass(frozen=True)
class Fold:
    """After a loop: name = name op (what the threads found). With `part`, threads begin with the neutral element, in a variable of that name;
    else in `name` itself. `best` is the variable of the greatest value, where a position is looked for."""

    name: str
    op: str
    kind: str
    part: str = ""
    best: str = ""
    neutral: Term | None = None
    own: bool = False           # a total of the kernel: each thread keeps its own


@dataclass(frozen=True)
class Row:
    """A row of an array in registers: the variable, the array, the place of its first element (None: nothing but registers)."""

    name: str
    array: str
    first: Term | None
    kind: str = "float"


@dataclass(frozen=True)
class Tile:
    """Rows of an array in shared memory, a row every `step` places: the array, the names of the memory and the step, the size of a row. With a
    `column`, that one of each row, side by side."""

    array: str
    name: str
    step: str
    size: Size
    column: Term | None = None


@dataclass(frozen=True)
class Maximum:
    """One that is found as a loop goes: the greatest so far, `now`, of which `best` was before; the sums that are lowered to it, with the counts that
    go to them."""

    now: str
    best: str
    lowered: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Online:
    """The first folds of a loop, maxima, found as it goes (see graphc.loops.device.online): in each part of a row, `loop` has the greatest so far,
    and `steps` lower what has been added up. After the loop `ends` do so to the greatest of all."""

    loop: For
    maxima: tuple[Maximum, ...]
    steps: tuple[Assign, ...]
    ends: tuple[Assign, ...]


@dataclass(frozen=True)
class Over:
    """A loop whose points threads share out. `staged`: over points that each thread holds in registers; with `chunk`, the variable of where a part
    of the row begins that registers hold, for which they load rows before and save rows after. With `tiles`, `chunk` is where they begin."""

    loop: For
    folds: tuple[Fold, ...]
    staged: bool = False
    chunk: str = ""
    loads: tuple[Row, ...] = ()
    saves: tuple[Row, ...] = ()
    tiles: tuple[Tile, ...] = ()
    online: Online | None = None


@dataclass(frozen=True)
class Scan:
    """total = total op value at each point in order; at a point the sums are `before` and `now`. `made` computes the value, `rest` is done after.
    With a `fade`, by which the total is multiplied too, before or `after` that, `rest` does both anew from `before`. `loop` is all of it as it
    was."""

    loop: For
    made: tuple[Statement, ...]
    value: Term
    op: str
    total: Term
    before: str
    now: str
    neutral: Term
    rest: Over
    fade: Term | None = None
    after: bool = False


@dataclass(frozen=True)
class Once:
    body: tuple[Any, ...]


@dataclass(frozen=True)
class When:
    """What is done where a condition holds."""

    condition: Term
    body: tuple[Any, ...]


@dataclass(frozen=True)
class Gather:
    """A fold over the `number` pieces of a row, in order; `parts` are the places of the first one's numbers, its best and where that is, or one; the
    next piece's are `step` places further. With `over`, by that loop."""

    fold: Fold
    parts: tuple[Term, ...]
    number: Term
    step: Size
    over: Over | None = None


@dataclass(frozen=True)
class Barrier:
    pass


@dataclass(frozen=True)
class Load:
    row: Row


@dataclass(frozen=True)
class Save:
    row: Row


@dataclass(frozen=True)
class Total:
    """A result that all rows add to. Each block stores its part, which `finish` combines in order."""

    name: str
    op: str
    kind: str
    neutral: Term
    carried: bool = False


@dataclass(frozen=True)
class GroupKernel:
    """`rows` are the loops over which groups share out points, `width` the extent along a row that sets the number of threads in a group: None
    for one thread. A `flat` kernel has whole arrays as one row of elements. `alone`: one group does everything, and stores the `results`.
    `registers`: rows held, for which there is a variant of the kernel."""

    name: str
    arrays: tuple[str, ...]
    scalars: tuple[str, ...]
    sizes: tuple[str, ...]
    rows: tuple[For, ...]
    body: tuple[Any, ...]
    totals: tuple[Total, ...] = ()
    meaning: tuple[str, ...] = ()
    width: Size | None = None
    flat: bool = False
    alone: bool = False
    results: tuple[str, ...] = ()
    scratch: tuple[Allocate, ...] = ()
    shared: tuple[str, ...] = ()           # scratch with a place for each row; of any other, each group has its own
    registers: tuple[Row, ...] = ()
    held: int = 0
    work: int = 1                          # instructions of a loop's point, for how many of them are unrolled
    tile: Extent | None = None             # rows are those of a tile of this height
    deals: str = ""                        # an array whose places are dealt to threads, BUCKETS of them
    tiles: tuple[Tile, ...] = ()           # in shared memory, of a block's rows
    before: tuple[Statement, ...] = ()     # what is the same for all rows
    live: str = ""                         # with tiles: the variable that says whether a group has a row
    depth: Size | None = None              # a block takes neighbouring rows, of so many elements, side by side (see graphc.loops.device.columns)


@dataclass(frozen=True)
class Cut:
    """Rows in pieces: the variables of how many a row has and of the elements of one, the arrays between launches, and the launches."""

    number: str
    span: str
    arrays: tuple[Allocate, ...]
    kernels: tuple[GroupKernel, ...]


@dataclass(frozen=True)
class Launch:
    kernel: GroupKernel
    long: GroupKernel | None = None        # for rows that do not fit in registers
    cut: Cut | None = None                 # for few rows that are long


@dataclass(frozen=True)
class Alias:
    """An array in the memory of another: `made` is what it would be else, where the two are stored in different dtypes, or rows are in several
    pieces, of which `unless` is the variable."""

    name: str
    other: str
    made: Allocate
    unless: str = ""


@dataclass(frozen=True)
class Finish:
    """One block: the parts of totals, in order, then scalar statements by one thread. `results` are stored to arrays of one element."""

    name: str
    totals: tuple[Total, ...]
    body: tuple[Statement, ...]
    scalars: tuple[str, ...]
    sizes: tuple[str, ...]
    results: tuple[str, ...]


@dataclass(frozen=True)
class DeviceProgram:
    """`body`: Launch, Finish, Product, Allocate, Alias, ForTiles, Height. `scalars` are those that arrays of one element hold."""

    body: tuple[Any, ...]
    scalars: tuple[str, ...]
