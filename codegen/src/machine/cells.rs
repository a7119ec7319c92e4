//! What the lanes of a row write into its memory for each other: its cells, and the keys of each lane.
//!
//! They write and read in turns, which are types: while some write, none reads. What was written is settled in between.

use super::team::Team;
use crate::mlir::builder::Val;

/// While the lanes of a row write its cells, and none reads one: [`Team::giving`].
pub(crate) struct Giving<'t, 'a, 'm> {
    team: &'t Team<'a, 'm>,
}

impl<'t, 'a, 'm> Giving<'t, 'a, 'm> {
    /// Writes a cell of the row.
    pub fn give(&self, word: Val<'m>, cell: Val<'m>) {
        self.team.b.store(word, self.team.cell(cell), 4);
    }

    /// Writes a cell of the row where the condition holds.
    pub fn give_where(&self, condition: Val<'m>, word: Val<'m>, cell: Val<'m>) {
        let address = self.team.cell(cell);
        self.team.warps.store_where(self.team.b, condition, word, address);
    }

    /// Writes the lane's keys, which other lanes may read.
    pub fn give_keys(&self, keys: &[Val<'m>]) {
        self.give_keys_from(self.team.word(0), keys);
    }

    /// Writes some of the lane's keys, from the one of this number on, a multiple of how many are written.
    pub fn give_keys_from(&self, number: Val<'m>, keys: &[Val<'m>]) {
        let b = self.team.b;
        let first = b.gep(self.team.own_keys(), b.extui(number, b.int(64)), b.int(32));
        for (four, words) in (0..).zip(keys.chunks(4)) {
            // Vectors of a power of two.
            let size = 1 << words.len().ilog2();
            for (from, words) in (0..).step_by(size).zip(words.chunks(size)) {
                let address = b.gep_const(first, 4 * four + from, b.int(32));
                b.store(b.gather_lanes(words), address, 4 * words.len().next_power_of_two() as u32);
            }
        }
    }

    /// The lane's keys, as it has written them: meanwhile they take no registers.
    pub fn kept_keys(&self, count: usize) -> Vec<Val<'m>> {
        self.kept_keys_from(self.team.word(0), count)
    }

    /// So many of the lane's keys, from the one of this number on, a multiple of how many there are.
    pub fn kept_keys_from(&self, number: Val<'m>, count: usize) -> Vec<Val<'m>> {
        let b = self.team.b;
        let first = b.gep(self.team.own_keys(), b.extui(number, b.int(64)), b.int(32));
        // Else the compiler would know what was written, and keep it.
        self.team.settle_memory();
        let mut keys = vec![];
        while keys.len() < count {
            let words = 1 << (count - keys.len()).min(4).ilog2();
            let address = b.gep_const(first, keys.len() as i32, b.int(32));
            let loaded = b.load(address, b.lanes_of(b.int(32), words), 4 * words, false);
            keys.extend((0..words).map(|word| b.extract(loaded, word)));
        }
        keys
    }

    /// The place of this number, which begins the lane's own part of them.
    pub fn place(&self, number: Val<'m>) -> Place<'m> {
        let (b, [places, _]) = (self.team.b, self.team.places());
        Place { next: b.gep(places, b.extui(b.shli(number, self.team.word(1)), b.int(64)), b.int(32)) }
    }

    /// Writes a column and its key to the next place of the lane where the condition holds. Elsewhere they go where nobody looks,
    /// which takes fewer instructions than a branch.
    pub fn give_place(&self, condition: Val<'m>, column: Val<'m>, key: Val<'m>, place: &mut Place<'m>) {
        let (b, [_, unchosen]) = (self.team.b, self.team.places());
        let at = b.select(condition, place.next, unchosen);
        b.store(column, at, 4);
        b.store(key, b.gep_const(at, 1, b.int(32)), 4);
        let words = b.select(condition, b.const_int(b.int(64), 2), b.const_int(b.int(64), 0));
        place.next = b.gep(place.next, words, b.int(32));
    }

    /// The address of a key of the lane that is number `member` where the own one is number `own`, all `i32`.
    pub fn key_of(&self, own: Val<'m>, member: Val<'m>, key: Val<'m>) -> Val<'m> {
        self.team.key_of(own, member, key)
    }

    /// Reads so many neighbouring keys, of which the first has a number that is a multiple of that, behind what was
    /// [written before](Self::overwriting).
    pub fn read_keys(&self, first: Val<'m>, count: u32) -> Vec<Val<'m>> {
        let b = self.team.b;
        let loaded = b.load(first, b.lanes_of(b.int(32), count), 4 * count, false);
        (0..count).map(|word| b.extract(loaded, word)).collect()
    }

    /// Writes neighbouring keys, of which the first has a number that is a multiple of how many there are.
    pub fn write_keys(&self, first: Val<'m>, keys: &[Val<'m>]) {
        self.team.b.store(self.team.b.gather_lanes(keys), first, 4 * keys.len() as u32);
    }

    /// Strikes the key out that is so many behind this address, where the condition holds.
    pub fn strike_where(&self, condition: Val<'m>, first: Val<'m>, behind: Val<'m>) {
        let b = self.team.b;
        let address = b.gep(first, b.extui(behind, b.int(64)), b.int(32));
        self.team.warps.store_where(b, condition, self.team.word(0), address);
    }

    /// What was written before this is overwritten by what is written behind, whichever lanes do.
    pub fn overwriting(&self) {
        self.team.settle_memory();
    }

    /// From here on the lanes read what was written.
    pub fn settled(self) -> Taking<'t, 'a, 'm> {
        self.team.settle_memory();
        Taking { team: self.team }
    }
}

/// Where a lane writes what it has chosen.
pub(crate) struct Place<'m> {
    next: Val<'m>,
}

/// While the lanes of a row read its cells, and none writes one: [`Giving::settled`].
pub(crate) struct Taking<'t, 'a, 'm> {
    team: &'t Team<'a, 'm>,
}

impl<'t, 'a, 'm> Taking<'t, 'a, 'm> {
    /// Reads a cell of the row.
    pub fn take(&self, cell: Val<'m>) -> Val<'m> {
        self.team.taken.set(true);
        self.team.b.load(self.team.cell(cell), self.team.b.int(32), 4, false)
    }

    /// Reads a key of the lane that is number `member` where the own one is number `own`, all `i32`.
    pub fn take_key(&self, own: Val<'m>, member: Val<'m>, key: Val<'m>) -> Val<'m> {
        self.team.taken.set(true);
        self.team.b.load(self.team.key_of(own, member, key), self.team.b.int(32), 4, false)
    }

    /// Reads the column and the key in the place of this number.
    pub fn take_place(&self, number: Val<'m>) -> [Val<'m>; 2] {
        let (b, [places, _]) = (self.team.b, self.team.places());
        self.team.taken.set(true);
        let at = b.gep(places, b.extui(b.shli(number, self.team.word(1)), b.int(64)), b.int(32));
        [0, 1].map(|word| b.load(b.gep_const(at, word, b.int(32)), b.int(32), 4, false))
    }

    /// From here on the lanes write cells again.
    pub fn giving(self) -> Giving<'t, 'a, 'm> {
        self.team.giving()
    }
}

impl<'a, 'm> Team<'a, 'm> {
    /// From here on the lanes write cells of the row. What they have read of them since memory was settled last is settled
    /// first: a lane that is ahead of another must not write what the other has yet to read.
    pub fn giving(&self) -> Giving<'_, 'a, 'm> {
        if self.taken.get() {
            self.settle_memory();
        }
        Giving { team: self }
    }

    fn cell(&self, cell: Val<'m>) -> Val<'m> {
        let cells = self.cells.expect("the kernel says how many cells it needs");
        self.b.gep(cells, self.b.extui(cell, self.b.int(64)), self.b.int(32))
    }

    /// The address of a key of the lane that is number `member` where the own one is number `own`, all `i32`.
    fn key_of(&self, own: Val<'m>, member: Val<'m>, key: Val<'m>) -> Val<'m> {
        let b = self.b;
        let lanes = b.muli(b.subi(member, own), self.word(self.keys_apart));
        b.gep(self.own_keys(), b.extsi(b.addi(lanes, key), b.int(64)), b.int(32))
    }

    /// The address of the lane's first key.
    fn own_keys(&self) -> Val<'m> {
        self.keys.expect("the kernel says how many keys it needs")
    }

    fn places(&self) -> [Val<'m>; 2] {
        self.places.expect("the kernel says how many places it needs")
    }
}
