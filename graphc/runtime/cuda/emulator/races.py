"""Accesses of different threads to one word, at least one of them a write, that nothing orders.

In shared memory a barrier of the block orders, and within a warp `bar.warp.sync`; words that nothing wrote may not be read. In global memory a
barrier orders threads of one block, `bar.warp.sync` those of a warp, and nothing orders blocks. For each word: the thread that wrote last,
and when; the thread that read last (SEVERAL if there were more since the barrier), and when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graphc.runtime.cuda.emulator.types import KernelFault

if TYPE_CHECKING:
    from graphc.runtime.cuda.emulator.machine import Machine

__all__ = ["SharedRaces", "GlobalRaces"]

NOBODY, SEVERAL, ATOMIC = -1, -2, -3


class SharedRaces:
    """Of the shared memory of all blocks."""

    def __init__(self, machine: Machine, size: int):
        self.machine, self.grain = machine, machine.program_grain
        words = machine.blocks * size // self.grain
        self.written = np.zeros(machine.blocks * size, bool)
        self.writer, self.write_epoch, self.write_sync, self.reader, self.read_warp, self.read_epoch, self.read_sync = (
            np.full(words, NOBODY, np.int64) for _ in range(7))

    def access(self, offset: np.ndarray, width: int, lanes: np.ndarray, write: bool, atomic: bool = False) -> None:
        """Note an access; KernelFault if it races, or reads what nothing wrote."""
        rows = self.written.reshape(-1, width)
        if not write or atomic:
            if not rows[offset // width].all():
                raise KernelFault("read of shared memory that nothing wrote")
        else:
            rows[offset // width] = True
        for part in range(0, width, self.grain):
            self._word((offset + part) // self.grain, lanes, write, atomic)

    def _word(self, word: np.ndarray, lanes: np.ndarray, write: bool, atomic: bool) -> None:
        m = self.machine
        epoch, warp, sync = m.epoch[m.block[lanes]], m.warp[lanes], m.sync[lanes]
        writer = self.writer[word]
        own = (writer == lanes) | ((writer == ATOMIC) & atomic)
        ordered = (writer >= 0) & (m.warp[writer] == warp) & (self.write_sync[word] < sync)
        if ((self.write_epoch[word] == epoch) & ~own & ~ordered).any():
            raise KernelFault("shared-memory race: a word that another thread wrote since the last barrier")
        if not write:
            self._note_read(word, lanes, epoch, warp, sync)
            return
        ordered = (self.read_warp[word] == warp) & (self.read_sync[word] < sync)
        if ((self.read_epoch[word] == epoch) & (self.reader[word] != lanes) & ~ordered).any():
            raise KernelFault("shared-memory race: a word is written that another thread read since the last barrier")
        self.writer[word] = lanes
        if not atomic and (self.writer[word] != lanes).any():
            raise KernelFault("shared-memory race: two threads store one word")
        if atomic:
            self.writer[word] = ATOMIC
        self.write_epoch[word], self.write_sync[word] = epoch, sync

    def _note_read(self, word: np.ndarray, lanes: np.ndarray, epoch: np.ndarray, warp: np.ndarray, sync: np.ndarray) -> None:
        for table, mine in ((self.reader, lanes), (self.read_warp, warp)):
            before = np.where(self.read_epoch[word] == epoch, table[word], NOBODY)
            table[word] = mine
            more = (table[word] != mine) | ((before != NOBODY) & (before != mine))
            table[word[more]] = SEVERAL
        self.read_epoch[word], self.read_sync[word] = epoch, sync


class GlobalRaces:
    """Of one array: conflicting plain accesses of different threads inside one launch."""

    def __init__(self, machine: Machine, size: int):
        self.machine, self.words = machine, size // 4 + 1
        self.writer: np.ndarray | None = None                  # made at the first write: most arrays are only read
        self.write_epoch: np.ndarray | None = None
        self.write_sync: np.ndarray | None = None

    def access(self, offset: np.ndarray, width: int, lanes: np.ndarray, write: bool) -> None:
        """Note an access; KernelFault if it races. Words are of four bytes; narrower accesses are noted and not judged."""
        if self.writer is None or self.write_epoch is None or self.write_sync is None:
            if not write:
                return
            self.writer, self.write_epoch, self.write_sync = np.full(self.words, NOBODY, np.int64), *np.zeros((2, self.words), np.int64)
        for part in range(0, width, 4):
            word = (offset + part) // 4
            self._judge(word, self.writer[word], lanes, width, write)
            if write:
                self.writer[word] = lanes
                if width >= 4 and (self.writer[word] != lanes).any():
                    raise KernelFault("global race: two threads store one word")
                self.write_epoch[word], self.write_sync[word] = self.machine.epoch[self.machine.block[lanes]], self.machine.sync[lanes]

    def _judge(self, word: np.ndarray, writer: np.ndarray, lanes: np.ndarray, width: int, write: bool) -> None:
        m = self.machine
        other = (writer >= 0) & (writer != lanes)
        if width < 4 or not other.any():
            return
        assert self.write_epoch is not None and self.write_sync is not None
        ordered = (m.warp[writer] == m.warp[lanes]) & (self.write_sync[word] < m.sync[lanes])
        unordered = other & ~ordered & ((m.block[writer] != m.block[lanes]) | (self.write_epoch[word] == m.epoch[m.block[lanes]]))
        if unordered.any():
            k = int(np.flatnonzero(unordered)[0])
            raise KernelFault(f"global race: {'write' if write else 'read'} by {m.thread(lanes[k])} of a word written by {m.thread(writer[k])}")
