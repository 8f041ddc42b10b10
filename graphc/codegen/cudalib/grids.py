r"""Grids: how many blocks, threads in a block, threads a row and elements a thread, from extents alone.

    rows       a row of `width` elements is taken by `lanes` threads, each with `width / lanes` elements, in registers where `fits`
    pairs      the groups of a block, each with a row, share tiles of other rows, where rows fit in one
    elements   a thread takes 128 bits of each array at a time
    columns    a block takes neighbouring rows, `lanes` threads each, side by side
    points     a thread takes a row
    pieces     several blocks take a row, a part of it each
    alone      one block takes everything

A grid depends on extents and on nothing of the device: the parts of a sum are the same on every one, and so are its bits. What is more than a grid
takes at once, it takes in strides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isqrt

__all__ = ["Grid", "rows", "long_rows", "pairs", "elements", "columns", "points", "alone", "tile_rows", "dealt"]

MOST_BLOCKS = 2048          # some ten for each multiprocessor of a large device
BLOCK = 256
WARP = 32
BUSY = 1 << 16              # threads that keep a device busy
REGISTERS = 64              # of a thread, for rows
WIDEST = 8                  # elements of a row that a thread holds: with twice as many nvJitLink 13.5 takes 170 registers of sm_80, ptxas 13.0 102
LINES = 1500                # instructions of a loop that it unrolls
MOST_LANES = 512            # with up to 128 registers a thread
LONG = 512                  # threads for a row that does not fit
RESIDENT = 1 << 17          # threads for such rows: what blocks of them read again is still in the second-level cache
PIECE = 1 << 14             # the least elements of a piece of a row: a launch takes longer than less would
SHARE = 16                  # the least elements of a piece of a column that a thread takes
FEWEST = 4                  # pieces of a row: for less, further launches do not pay
SHARED = 24 << 10           # bytes of a block's tiles: eight blocks are at home on a multiprocessor
TILE = 1 << 24              # elements of a tile: 64 MB in float32


@dataclass(frozen=True)
class Grid:
    """`blocks` of `threads`; `lanes` threads take a row, each `width` elements of it, `vector` at a time."""

    blocks: int
    threads: int
    lanes: int = 1
    width: int = 1
    vector: int = 1
    fits: bool = True
    pieces: int = 1         # of a row, each of `span` elements
    span: int = 0
    tile: int = 0           # elements of shared memory for each array
    columns: int = 1        # neighbouring rows of a block
    buckets: int = 0        # that the places of a column are dealt to


def _power(least: int) -> int:
    """The least power of two that is not less."""
    return 1 << max(least - 1, 0).bit_length()


def _floor(most: int) -> int:
    """The greatest power of two that is not more."""
    return 1 << max(most, 1).bit_length() - 1


def _blocks(threads: int, block: int) -> int:
    return max(min(-(-threads // block), MOST_BLOCKS), 1)


def rows(number: int, width: int, held: int, size: int, work: int, stored: int = 0) -> Grid:
    """For `number` rows of `width` elements of `size` bytes, of which a group holds `held` rows in registers, with loops of at most `work`
    instructions an element; `stored` are the bytes of the smallest in memory. Rows that do not fit are taken in parts."""
    vector = 16 // (stored or size)
    while width % vector:
        vector //= 2
    most = max(min(_floor(REGISTERS * 4 // size // max(held, 1)), _floor(LINES // max(work, 1)), WIDEST * 4 // size), vector)
    lanes = _power(-(-width // most))
    if lanes > MOST_LANES:
        return Grid(_blocks(min(number * LONG, RESIDENT), LONG), LONG, LONG, vector, vector, False)
    while lanes < MOST_LANES and lanes * vector < width and (number * lanes < BUSY or lanes < 32):
        lanes *= 2
    threads = lanes if lanes > 32 else 128              # a group of several warps is a block
    return Grid(_blocks(number * lanes, threads), threads, lanes, max(_power(-(-width // lanes)), vector), vector)


def long_rows(number: int, width: int, held: int, size: int, work: int, stored: int = 0) -> Grid:
    """As `rows`; where rows are long, and so few that a block for each would leave most of a device idle, in pieces."""
    grid = rows(number, width, held, size, work, stored)
    return grid if grid.fits else _in_pieces(grid, number, width)


def _in_pieces(grid: Grid, number: int, width: int) -> Grid:
    """The grid with a block for each piece of a row. Pieces begin at multiples of what a block takes at once."""
    step, most = grid.threads * grid.vector, max(RESIDENT // LONG // max(number, 1), 1)
    span = -(-max(-(-width // most), PIECE) // step) * step
    pieces = -(-width // span)
    return replace(grid, blocks=number * pieces, pieces=pieces, span=span) if pieces >= FEWEST else grid


def pairs(number: int, width: int, features: int, arrays: int, size: int, stored: int = 0) -> Grid:
    """For `number` rows, each with `width` rows of `arrays` others, of at most so many `features`. Where rows are so few that each has a block, or
    a tile would have less than a warp's, they are read from memory."""
    grid = rows(number, width, 0, size, 1, stored)
    tile, lanes = SHARED // size // arrays, min(_power(width), WARP)
    if number * WARP < BUSY // 2 or tile // (features | 1) < WARP:
        return replace(grid, width=grid.vector, fits=False)
    return Grid(_blocks(number * lanes, BLOCK), BLOCK, lanes, grid.vector, grid.vector, tile=tile)


def elements(number: int, size: int, stored: int = 0) -> Grid:
    """For `number` elements of arrays whose largest have `size` bytes each, and the smallest `stored`."""
    vector = 16 // (stored or size)
    return Grid(_blocks(-(-number // vector), BLOCK), BLOCK, vector=vector)


def columns(outer: int, number: int, depth: int) -> Grid:
    """For `outer` times `number` neighbouring columns of `depth` elements: a warp's columns or, of so many that there are threads enough, more. Where
    blocks are few, in pieces of at least four elements for each piece: a block reads what all pieces of its columns have found."""
    side = min(_power(number), BLOCK)
    while side > WARP and outer * number * (BLOCK // side) < BUSY and BLOCK // side < depth:
        side //= 2
    lanes = max(min(BLOCK // side, _power(depth)), WARP // side, 1)
    strips = outer * -(-number // side)
    most = max(min(RESIDENT // BLOCK // max(strips, 1), isqrt(depth) // 2), 1)
    span = -(-max(-(-depth // most), SHARE * lanes) // lanes) * lanes
    pieces = -(-depth // span)
    pieces = pieces if pieces >= FEWEST else 1
    return Grid(min(max(strips * pieces, 1), MOST_BLOCKS), side * lanes, lanes, pieces=pieces, span=span, columns=side)


def points(number: int) -> Grid:
    return Grid(_blocks(number, 128), 128)


def alone(width: int, size: int = 0) -> Grid:
    """With the `size` of elements: one row of them, in pieces where it is long."""
    long = _in_pieces(rows(1, width, 0, size, 1), 1, width) if size else None
    lanes = min(max(_power(width), 32), LONG)
    return long if long is not None and long.pieces > 1 else Grid(1, lanes, lanes)


def tile_rows(number: int, row: int) -> int:
    """The rows of a tile of `number` rows, of each of which tiles hold `row` elements; a multiple of 8, so that tiles begin at aligned places."""
    return max(min(TILE // max(row, 1), number) + 7 & ~7, 8)


def dealt(columns: int, places: int) -> Grid:
    """For each of so many columns, the places of an array are dealt to `buckets` threads: a power of two."""
    buckets = _power(max(min(BUSY // max(columns, 1), places // max(columns, 1)), 1))
    return replace(points(buckets * columns), buckets=buckets)
