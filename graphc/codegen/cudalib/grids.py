r"""Grids: how many blocks, threads in a block, threads a row and elements a thread, from extents alone.

    rows       a row of `width` elements is taken by `lanes` threads, each with `width / lanes` elements, in registers where `fits`
    elements   a thread takes 128 bits of each array at a time
    points     a thread takes a row
    alone      one block takes everything

A grid depends on extents and on nothing of the device: the parts of a sum are the same on every one, and so are its bits. What is more than a grid
takes at once, it takes in strides.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Grid", "rows", "elements", "points", "alone", "tile_rows", "segments", "buckets"]

MOST_BLOCKS = 2048          # some ten for each multiprocessor of a large device
BLOCK = 256
BUSY = 1 << 16              # threads that keep a device busy
REGISTERS = 64              # of a thread, for rows
MOST_LANES = 512
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


def _power(least: int) -> int:
    """The least power of two that is not less."""
    return 1 << max(least - 1, 0).bit_length()


def _blocks(threads: int, block: int) -> int:
    return max(min(-(-threads // block), MOST_BLOCKS), 1)


def rows(number: int, width: int, held: int, size: int) -> Grid:
    """For `number` rows of `width` elements of `size` bytes, of which a group holds `held` rows in registers."""
    vector = 16 // size
    while width % vector:
        vector //= 2
    most = max(_power(REGISTERS * 4 // size // max(held, 1) + 1) // 2, vector)
    lanes = _power(-(-width // most))
    while lanes < MOST_LANES and lanes * vector < width and (number * lanes < BUSY or lanes < 32):
        lanes *= 2
    fits, lanes = lanes <= MOST_LANES, min(lanes, MOST_LANES)
    threads = lanes if lanes > 32 else 128              # a group of several warps is a block
    each = max(_power(-(-width // lanes)), vector)
    return Grid(_blocks(number * lanes, threads), threads, lanes, each, vector, fits)


def elements(number: int, size: int) -> Grid:
    """For `number` elements of arrays whose largest have `size` bytes each."""
    vector = 16 // size
    return Grid(_blocks(-(-number // vector), BLOCK), BLOCK, vector=vector)


def points(number: int) -> Grid:
    return Grid(_blocks(number, 128), 128)


def alone(width: int) -> Grid:
    lanes = min(max(_power(width), 32), MOST_LANES)
    return Grid(1, lanes, lanes)


def tile_rows(number: int, row: int) -> int:
    """The rows of a tile of `number` rows, of each of which tiles hold `row` elements; a multiple of 8, so that tiles begin at aligned places."""
    return max(min(TILE // max(row, 1), number) + 7 & ~7, 8)


def segments(columns: int, length: int) -> int:
    """Into how many segments the `length` rows of so many columns are cut."""
    return max(min(BUSY // max(columns, 1), length // 32, 1024), 1)


def buckets(columns: int, places: int) -> int:
    """To how many threads, for each of so many columns, the places of an array are dealt: a power of two."""
    return _power(max(min(BUSY // max(columns, 1), places // max(columns, 1)), 1))
