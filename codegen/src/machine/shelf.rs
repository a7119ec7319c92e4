//! A row's shelf: words of shared memory that its lanes fill once and then read.

use super::team::Team;
use crate::mlir::builder::Val;

/// Words of a row's shelf.
#[derive(Clone, Copy)]
pub(crate) struct Shelf<'m> {
    first: Val<'m>,
}

impl<'m> Team<'_, 'm> {
    /// So many words of the row's shelf that nobody else has, if it has as many left.
    pub fn shelf(&self, words: u32) -> Option<Shelf<'m>> {
        let ((shelf, most), used) = (self.shelf?, self.shelved.get());
        let words = words.next_multiple_of(4);
        if words > most - used {
            return None;
        }
        self.shelved.set(used + words);
        Some(Shelf { first: self.b.gep_const(shelf, used as i32, self.b.int(32)) })
    }

    /// Puts words side by side, a power of two of them and four at most, on a shelf, the first one as this one, a multiple of how many
    /// they are. Lanes may put the same word in the same place. What is put can be read once memory is [settled](Self::settle_memory).
    pub fn put(&self, shelf: Shelf<'m>, at: Val<'m>, words: &[Val<'m>]) {
        let b = self.b;
        let address = b.gep(shelf.first, b.extui(at, b.int(64)), b.int(32));
        b.store(b.gather_lanes(words), address, 4 * words.len() as u32);
    }

    /// Words side by side on a shelf, as [`Self::put`] puts them.
    pub fn get_some(&self, shelf: Shelf<'m>, at: Val<'m>, count: u32) -> Vec<Val<'m>> {
        let (b, word) = (self.b, self.b.int(32));
        let words = b.load(b.gep(shelf.first, b.extui(at, b.int(64)), word), b.lanes_of(word, count), 4 * count, false);
        (0..count).map(|i| b.extract(words, i)).collect()
    }

    /// The word of this number on a shelf.
    pub fn get(&self, shelf: Shelf<'m>, at: Val<'m>) -> Val<'m> {
        let b = self.b;
        b.load(b.gep(shelf.first, b.extui(at, b.int(64)), b.int(32)), b.int(32), 4, false)
    }
}
