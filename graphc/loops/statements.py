"""The statements of a loop program. Expressions are the terms of graphc.scalar.term, with two more leaves:

    load name (index ...)     an element of an array              var name      a local variable

    kernel  ::= name, parameters, statements, results             one loop nest, or its rows from start to stop
    program ::= inputs, outputs, statements over whole arrays     allocates buffers, calls kernels and matrix products
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from graphc.ir.nodes import Size
from graphc.scalar.symbols import Extent
from graphc.scalar.term import Term
from graphc.schedule.library import MatrixProduct

__all__ = ["Assign", "Store", "Accumulate", "Track", "For", "Stage", "Around", "Flat", "Turned", "Blocks", "Short", "ForTiles", "Height", "Note",
           "Allocate", "Product", "Call", "Statement", "Split", "Kernel", "HostProgram", "load", "var", "leaves", "rebuilt", "values"]


def load(name: str, index: tuple[Term, ...], kind: str) -> Term:
    return Term("load", index, name, kind)


def var(name: str, kind: str) -> Term:
    return Term("var", (), name, kind)


@dataclass(frozen=True)
class Assign:
    name: str
    value: Term


@dataclass(frozen=True)
class Store:
    """name[index] = value"""

    name: str
    index: tuple[Term, ...]
    value: Term


@dataclass(frozen=True)
class Accumulate:
    """target = target op value; op: sum, prod, max, min; fade, a product that leaves 0 as it is"""

    op: str
    target: Term
    value: Term


@dataclass(frozen=True)
class Track:
    """The position of the greatest (least) value so far: if value beats best, best = value and target = position."""

    op: str
    target: Term
    best: Term
    value: Term
    position: Term


@dataclass(frozen=True)
class For:
    """The loop over an extent; with `first` and `last`, over the part of it from `first` up to, not including, `last`; a `single` one at `first`
    alone, if the extent has it. The `rest` of a loop are the parts of its extent that another loop before stands for where work is counted; with a
    `step`, which counts from 0 and is added to `first`, LLVM sees that no index is negative. With `parts`, which name
    a sum, its part in a chunk, and the rest that rounding leaves, in chunks: `chunk` names the variables that run over them and in them."""

    index: str
    extent: Size
    body: tuple[Statement, ...]
    reverse: bool = False
    first: Term | None = None
    last: Term | None = None
    parts: tuple[tuple[str, str, str], ...] = ()
    chunk: tuple[str, ...] = ()
    single: bool = False
    rest: bool = False
    step: str = ""


@dataclass(frozen=True)
class Stage:
    """A step of a block: the statements for each of its rows, with the kept numbers that they read and write. `sums` add to a place what the
    rows have added to a variable."""

    body: tuple[Statement, ...]
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    sums: tuple[Accumulate, ...] = ()


@dataclass(frozen=True)
class Around:
    """Steps of a block in a loop, whose own body is empty (see graphc.loops.lanes)."""

    loop: For
    steps: tuple[Stage | Around, ...]


@dataclass(frozen=True)
class Flat:
    """A step of a block that stores a function: for each row the loops `body`, or the loops `arguments`, name[index, j] =
    function(name[index, j]) for all elements, and the loops `sums`. Without an index, the array has one row for each of the block's. `short` chooses
    the loops over all elements; None leaves it to the kernel."""

    body: tuple[Statement, ...]
    arguments: tuple[Statement, ...]
    sums: tuple[Statement, ...]
    name: str
    index: tuple[Term, ...]
    function: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    short: bool | None = None

    @property
    def width(self) -> Size:
        """The elements of a row."""
        return self.arguments[0].extent                                    # type: ignore[union-attr]


@dataclass(frozen=True)
class Turned:
    """A step of a block that copies columns of a matrix, from the one at `column` on, to the rows of `copy` (see graphc.loops.turned)."""

    copy: str
    name: str
    column: Term


@dataclass(frozen=True)
class Blocks:
    """A loop over rows in blocks of `block` rows, from `begin` to `end`, each in steps (see graphc.loops.blocks, lanes); `row` counts in the block.
    Numbers `kept` from step to step have a place for each row in the array `numbers`. `elements` and `element` name what a function of all
    elements runs over."""

    loop: For
    steps: tuple[Stage | Flat | Around | Turned, ...]
    kept: tuple[str, ...]
    block: str
    row: str
    begin: str
    end: str
    numbers: str
    elements: str
    element: str


@dataclass(frozen=True)
class Short:
    """A loop over rows in one of two ways: `beside`, if the `extents` are short, as a test in the kernel says where nothing else does, or `along`
    (see graphc.loops.lanes, ways)."""

    loop: For
    extents: tuple[Size, ...]
    test: Term
    beside: tuple[Statement, ...]
    along: tuple[Statement, ...]


@dataclass(frozen=True)
class ForTiles:
    """Over blocks of `rows` rows of an extent, each from `start` to `stop`; once also where there are no rows. `carried` are scalars that
    sum over all tiles."""

    extent: Size
    rows: Extent
    start: str
    stop: str
    carried: tuple[str, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class Height:
    """The number of rows of a tile, of an extent, from the elements of a row that tiles hold, the elements of a row that products take from
    whole arrays, and the elements of the matrices that they read for each tile."""

    rows: Extent
    extent: Size
    held: Size
    streamed: Size
    whole: Size


@dataclass(frozen=True)
class Note:
    text: str


@dataclass(frozen=True)
class Allocate:
    name: str
    sizes: tuple[Size, ...]
    kind: str


@dataclass(frozen=True)
class Product:
    """out = a @ b, by the library. In tiles, `parts` says which rows of (out, a, b) are meant: "all", "rows" of the tile in a whole array,
    or the "tile" that an array holds; and `add` that tiles are summed: the first sets the result."""

    out: str
    a: str
    b: str
    shape: MatrixProduct
    parts: tuple[str, str, str] = ("all", "all", "all")
    tile: tuple[str, ...] = ()
    add: bool = False


@dataclass(frozen=True)
class Split:
    """How a kernel runs in parts. `rows` is the extent of its outermost loop. A row takes the sum
    over `work` of nanoseconds times extents. Results combine by `operations` in `kinds`; "wide" is double precision. `places` are extents
    as arguments show them: name, position, and the axis of an array."""

    rows: Size
    work: tuple[tuple[float, tuple[Size, ...]], ...]
    operations: tuple[str, ...]
    kinds: tuple[str, ...]
    places: tuple[tuple[str, int, int | None], ...]


@dataclass(frozen=True)
class Call:
    """results = kernel(arguments). `split` is the kernel's, in the extents of this call."""

    kernel: Kernel
    arguments: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    split: Split | None = None


Statement = Assign | Store | Accumulate | Track | For | Blocks | Short | ForTiles | Height | Note | Allocate | Product | Call


@dataclass(frozen=True)
class Kernel:
    """One loop nest as a function. Results named in `wide` are sums over the whole nest, carried in double precision. One with `bounds` runs
    over the rows from the first to the one before the second, its last arguments; the arrays `sliced` are cut to these rows, and the arrays `flat`
    are used element by element."""

    name: str
    arrays: tuple[str, ...]
    scalars: tuple[str, ...]
    sizes: tuple[str, ...]
    body: tuple[Statement, ...]
    results: tuple[str, ...]
    meaning: tuple[str, ...] = ()
    wide: tuple[str, ...] = ()
    split: Split | None = None
    bounds: tuple[str, ...] = ()
    sliced: tuple[str, ...] = ()
    flat: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostProgram:
    """`arrays` gives the sizes and the kind of every named array, `sizes` the variable of each extent,
    `results` the one-element array that takes each output without axes, `rows` the variables of the heights of tiles."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    results: dict[str, str]
    arrays: dict[str, tuple[tuple[Size, ...], str]]
    scalars: dict[str, str]
    body: tuple[Statement, ...]
    sizes: dict[Extent, str]
    letters: tuple[str, ...]
    rows: dict[Extent, str] = field(default_factory=dict)


def leaves(body: Iterable[Statement]) -> Iterator[Statement]:
    """The statements of a host program, those in tiles in place of the loop."""
    for s in body:
        if isinstance(s, ForTiles):
            yield from leaves(s.body)
        else:
            yield s


def rebuilt(body: Iterable[Statement], visit: Callable[[Statement], list[Statement]]) -> list[Statement]:
    """The statements of a host program, those in tiles first, each as `visit` makes it."""
    done: list[Statement] = []
    for s in body:
        done += visit(replace(s, body=tuple(rebuilt(s.body, visit))) if isinstance(s, ForTiles) else s)
    return done


def values(s: Statement) -> tuple[Term, ...]:
    """What a statement reads, beside the place that it adds to."""
    match s:
        case Assign(_, value):
            return (value,)
        case Store(_, index, value):
            return (*index, value)
        case Accumulate(_, target, value):
            return (*target.args, value)
        case Track(_, target, best, value, position):
            return (*target.args, *best.args, value, position)
        case For(first=first, last=last):
            return tuple(filter(None, (first, last)))
    return ()
