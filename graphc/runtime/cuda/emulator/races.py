"""Accesses of different threads to one word, at least one of them a write, that nothing orders.

A barrier of the block orders its threads, `bar.warp.sync` those of a warp, and nothing orders blocks. For each word: the thread that wrote last,
and when; the thread that read last (SEVERAL if there were more since the barrier), and when. Words of shared memory that nothing wrote may not be
read. Of global memory, reads are kept and judged when an array is first written: most arrays are only read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graphc.runtime.cuda.emulator.types import KernelFault

if TYPE_CHECKING:
    from graphc.runtime.cuda.emulator.machine import Machine

__all__ = ["Races"]

NOBODY, SEVERAL, ATOMIC = -1, -2, -3
Moment = tuple[np.ndarray, np.ndarray]      # barriers that the block, and the warp, had passed


class Races:
    """Of one stretch of memory, in words of `grain` bytes. Narrower accesses are not judged."""

    def __init__(self, machine: Machine, size: int, grain: int = 4, shared: bool = False):
        self.machine, self.grain, self.words = machine, grain, size // grain + 1
        self.written = np.zeros(size, bool) if shared else None
        self.kept: list[tuple[np.ndarray, int, np.ndarray, Moment]] = []
        self.judging = False

    def access(self, offset: np.ndarray, width: int, lanes: np.ndarray, write: bool, atomic: bool = False) -> None:
        """Note an access; KernelFault if it races, or reads what nothing wrote."""
        if self.written is not None:
            self._initialised(offset, width, write and not atomic)
        if width < self.grain:
            return
        now = self.machine.epoch[self.machine.block[lanes]], self.machine.sync[lanes]
        if not self.judging:
            if not write:
                self.kept.append((offset, width, lanes, now))
                return
            self._begin()
        self._note(offset, width, lanes, now, write, atomic)

    def _initialised(self, offset: np.ndarray, width: int, write: bool) -> None:
        assert self.written is not None
        rows = self.written.reshape(-1, width)
        if write:
            rows[offset // width] = True
        elif not rows[offset // width].all():
            raise KernelFault("read of shared memory that nothing wrote")

    def _begin(self) -> None:
        self.writer, self.write_epoch, self.write_sync, self.reader, self.read_warp, self.read_block, self.read_epoch, self.read_sync = (
            np.full(self.words, NOBODY, np.int64) for _ in range(8))
        self.judging = True
        for offset, width, lanes, moment in self.kept:
            self._note(offset, width, lanes, moment, False, False)
        self.kept.clear()

    def _note(self, offset: np.ndarray, width: int, lanes: np.ndarray, now: Moment, write: bool, atomic: bool) -> None:
        for part in range(0, width, self.grain):
            word = (offset + part) // self.grain
            self._after_writes(word, lanes, now, write, atomic)
            if write:
                self._after_reads(word, lanes, now)
                self._write(word, lanes, now, atomic)
            else:
                self._read(word, lanes, now)

    def _after_writes(self, word: np.ndarray, lanes: np.ndarray, now: Moment, write: bool, atomic: bool) -> None:
        m, (epoch, sync), writer = self.machine, now, self.writer[word]
        other = (writer != lanes) & (writer != NOBODY) & ~((writer == ATOMIC) & atomic)
        if not other.any():
            return
        warp = (writer >= 0) & (m.warp[writer] == m.warp[lanes]) & (self.write_sync[word] < sync)
        barrier = (self.write_epoch[word] < epoch) & ((writer < 0) | (m.block[writer] == m.block[lanes]))
        self._fault(other & ~warp & ~barrier, word, lanes, f"{'write' if write else 'read'} by {{}} of a word that {{}} wrote", self.writer)

    def _after_reads(self, word: np.ndarray, lanes: np.ndarray, now: Moment) -> None:
        m, (epoch, sync), reader = self.machine, now, self.reader[word]
        other = (reader != lanes) & (reader != NOBODY)
        if not other.any():
            return
        warp = (self.read_warp[word] == m.warp[lanes]) & (self.read_sync[word] < sync)
        barrier = (self.read_epoch[word] < epoch) & (self.read_block[word] == m.block[lanes])
        self._fault(other & ~warp & ~barrier, word, lanes, "write by {} of a word that {} read", self.reader)

    def _fault(self, racing: np.ndarray, word: np.ndarray, lanes: np.ndarray, text: str, who: np.ndarray) -> None:
        for k in np.flatnonzero(racing)[:1]:
            other = int(who[word[k]])
            name = self.machine.thread(other) if other >= 0 else "an atomic operation" if other == ATOMIC else "several threads"
            raise KernelFault(f"race: {text.format(self.machine.thread(lanes[k]), name)}, with no barrier between them")

    def _write(self, word: np.ndarray, lanes: np.ndarray, now: Moment, atomic: bool) -> None:
        self.writer[word] = lanes
        if not atomic and (self.writer[word] != lanes).any():
            raise KernelFault("race: two threads store one word")
        if atomic:
            self.writer[word] = ATOMIC
        self.write_epoch[word], self.write_sync[word] = now

    def _read(self, word: np.ndarray, lanes: np.ndarray, now: Moment) -> None:
        m, fresh = self.machine, self.read_epoch[word] < now[0]
        for table, mine, again in ((self.reader, lanes, fresh), (self.read_warp, m.warp[lanes], fresh), (self.read_block, m.block[lanes], None)):
            before = table[word] if again is None else np.where(again, NOBODY, table[word])
            table[word] = mine
            more = (table[word] != mine) | ((before != NOBODY) & (before != mine))
            table[word[more]] = SEVERAL
        self.read_epoch[word], self.read_sync[word] = now
