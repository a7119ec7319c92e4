"""Accesses that nothing puts in order: of waves of a workgroup between two barriers, of workgroups in a whole launch.

The emulator runs all resident waves side by side, so code without a barrier that it needs gives the right bits here all the same.
With a `Races`, each access of LDS and of global memory is compared with the last ones of the same bytes, and two that may come in any
order are an error if one of them stores, or if one is an atomic operation and the other is not.
"""

from __future__ import annotations

import numpy as np

from .words import EmuError, i64


LOAD, STORE, ATOMIC = range(3)
NAMES = ("load", "store", "atomic operation")
AGAINST = ((STORE, ATOMIC), (LOAD, STORE, ATOMIC), (LOAD, STORE))  # kinds that one of each kind must not meet
WAVES, GROUPS = 0xFF, 1 << 62  # several waves of a workgroup, several workgroups: in place of the number of one


def stamp(group, wave, interval):
    """Who accesses, and when: the workgroup, how many barriers it is behind, the wave in it. Never 0."""
    return (group + 1) << 32 | interval << 8 | wave


def unordered(one, other):
    """Which of these stamps, 0 where there is none, are of accesses that nothing puts in order."""
    x = one ^ other
    return (one != 0) & ((x >> 32 != 0) | ((x >> 8 == 0) & (x != 0)))


class Shadow:
    """The last accesses of some memory, by its bytes. Accesses of whole words have tables of their own, a quarter as large."""

    def __init__(self, size):
        self.size = size
        self.words = self.tables(size // 4 + 5)
        self.bytes = None  # most kernels access nothing else than words

    @staticmethod
    def tables(size):
        return [np.zeros(size, i64) for _ in NAMES]

    def touch(self, kind, first, count, own):
        """`first`: the first byte of each lane's `count` bytes; `own`: each lane's stamp. Gives a byte with a race and the kind and the
        stamp that it met there, or none."""
        own = own[:, None]
        at = first[:, None] + np.arange(count)
        whole = count % 4 == 0 and not (first & 3).any()
        if whole:
            words = (first >> 2)[:, None] + np.arange(count // 4)
            race = self.note(self.words, kind, words, own, 4)
            return race or (self.bytes and self.meet(self.bytes, kind, at, own, 1))
        if self.bytes is None:
            self.bytes = self.tables(self.size + 20)
        return self.note(self.bytes, kind, at, own, 1) or self.meet(self.words, kind, at >> 2, own, 4)

    @staticmethod
    def meet(tables, kind, at, own, unit):
        for other in AGAINST[kind]:
            stamps = tables[other][at]
            bad = unordered(stamps, own)
            if bad.any():
                return int(at[bad][0]) * unit, other, int(stamps[bad][0])
        return None

    @classmethod
    def note(cls, tables, kind, at, own, unit):
        if race := cls.meet(tables, kind, at, own, unit):
            return race
        table = tables[kind]
        before = table[at] if kind != STORE else 0
        table[at] = own
        if kind == STORE:  # another lane of this instruction may have stored there
            now = table[at]
            bad = now != own
            return (int(at[bad][0]) * unit, STORE, int(now[bad][0])) if bad.any() else None
        for stamps in (table[at], before):
            x = stamps ^ own
            waves = (stamps != 0) & (x >> 8 == 0) & (x != 0)
            groups = (stamps != 0) & (x >> 32 != 0)
            if waves.any():
                table[at[waves]] = (np.broadcast_to(own, at.shape) | WAVES)[waves]
            if groups.any():
                table[at[groups]] = GROUPS
        return None


class Races:
    """What one launch accesses: `regions` are the address, the size and the name of each buffer. To those that begin at the addresses
    `flags` several waves may store the same."""

    def __init__(self, regions, groups_at_once, lds, flags=()):
        sizes = np.array([0, *[-(-n // 16) * 16 + 16 for _, n, _ in regions]], i64)
        self.names = [name for _, _, name in regions]
        self.starts = np.array([a for a, _, _ in regions], np.uint64)
        self.offsets = np.cumsum(sizes)
        self.flags = np.isin(self.starts, np.array(flags, np.uint64))
        self.memory = Shadow(int(self.offsets[-1]))
        self.lds_size = -(-lds // 16) * 16
        self.lds_rows = groups_at_once
        self.lds = None

    def begin(self):
        """Other workgroups have the LDS."""
        self.lds = Shadow(self.lds_rows * self.lds_size)

    def global_access(self, kind, addr, count, own):
        region = np.searchsorted(self.starts, addr, side="right") - 1
        if kind == STORE and self.flags[region].any():
            looked_at = ~self.flags[region]
            region, addr, own = region[looked_at], addr[looked_at], own[looked_at]
        first = self.offsets[region] + (addr - self.starts[region]).astype(i64)
        if race := self.memory.touch(kind, first, count, own):
            region = int(np.searchsorted(self.offsets, race[0], side="right")) - 1
            self.fail(kind, own, f"byte {race[0] - int(self.offsets[region])} of {self.names[region]}", race)

    def lds_access(self, kind, row, addr, count, own):
        if race := self.lds.touch(kind, row.astype(i64) * self.lds_size + addr.astype(i64), count, own):
            self.fail(kind, own, f"byte {race[0] % self.lds_size:#x} of LDS", race)

    @staticmethod
    def fail(kind, own, where, race):
        def who(s):
            group, wave = (s >> 32) - 1, s & 0xFF
            if s & GROUPS:
                return "several workgroups"
            return f"workgroup {group}, " + ("several waves" if wave == WAVES else f"wave {wave}")

        _, met, other = race
        some = who(int(own.ravel()[0]))
        raise EmuError(f"a race: a {NAMES[kind]} ({some}, and others) of {where} and a {NAMES[met]} ({who(other)}) come in any order")
