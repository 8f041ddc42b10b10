r"""Columns of a matrix, copied to rows.

    rows[r, j] = columns[j, first + r]

In pieces of WIDTH columns' elements, which are written as one vector, so that loads and stores both stay within a few cache lines.
"""

from __future__ import annotations

from graphc.codegen.mathlib.chunks import at
from graphc.codegen.mathlib.compiled import compiled

__all__ = ["turn"]

WIDTH = 8


@compiled()
def turn(columns, first, rows):                                            # type: ignore[no-untyped-def]
    n = columns.shape[0]
    for begin in range(0, n - WIDTH + 1, WIDTH):
        for r in range(rows.shape[0]):
            for step in range(WIDTH):
                j = at(begin, step)
                rows[r, j] = columns[j, first + r]
    for j in range(n//WIDTH*WIDTH, n):
        for r in range(rows.shape[0]):
            rows[r, j] = columns[j, first + r]
