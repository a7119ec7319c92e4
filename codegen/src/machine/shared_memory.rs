//! What the lanes of a row share of a block's memory, and where it lies.

use super::Warps;
use routefuse_ir::kernel::schedule::RowShape;

/// Shared memory of a team, in 32-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SharedMemory {
    /// Cells of a row, which any of its lanes may give and take: a word each.
    pub cells: u32,
    /// Pairs of a lane, which are its own: two words each.
    pub pairs: u32,
    /// Words of a lane for its keys, which any lane of the row may read; a multiple of four.
    pub keys: u32,
    /// Places of a row, for a chosen column with its key, which any of its lanes may give and take: two words each. Where there
    /// are some, each lane has one more, for what is not chosen.
    pub places: u32,
    /// Words that a table of scores lies among, at the beginning, and the first one in between that is free: 0 where there is none.
    pub table: [u32; 2],
    /// Words of a row's shelf, which its lanes fill once and then read; a multiple of four.
    pub shelf: u32,
}

impl SharedMemory {
    /// Words that a block of this shape needs.
    pub fn words(self, shape: RowShape, warps: &dyn Warps) -> u32 {
        self.words_before_shelves(shape, warps) + self.shelf * shape.rows()
    }

    pub(super) fn words_before_shelves(self, shape: RowShape, warps: &dyn Warps) -> u32 {
        let unchosen = if self.places > 0 { 2 * shape.threads } else { 0 };
        let words = self.words_before_unchosen(shape, warps) + unchosen;
        if self.shelf > 0 { words.next_multiple_of(4) } else { words }
    }

    pub(super) fn words_before_unchosen(self, shape: RowShape, warps: &dyn Warps) -> u32 {
        self.words_before_places(shape, warps) + 2 * self.places * shape.rows()
    }

    pub(super) fn words_before_places(self, shape: RowShape, warps: &dyn Warps) -> u32 {
        self.words_before_keys(shape, warps) + self.keys * shape.threads
    }

    pub(super) fn words_before_keys(self, shape: RowShape, warps: &dyn Warps) -> u32 {
        (self.words_before_pairs(shape, warps) + 2 * self.pairs * shape.threads).max(self.table[0])
    }

    /// Words that exchanges need, which come first.
    pub(super) fn exchange_words(shape: RowShape, warps: &dyn Warps) -> u32 {
        if shape.lanes > warps.lanes() { 2 * shape.lanes } else { 0 }
    }

    /// Cells lie between the two parts of a table.
    pub(super) fn words_before_cells(self, shape: RowShape, warps: &dyn Warps) -> u32 {
        Self::exchange_words(shape, warps) + self.table[1]
    }

    pub(super) fn words_before_pairs(self, shape: RowShape, warps: &dyn Warps) -> u32 {
        (self.words_before_cells(shape, warps) + shape.rows() * self.cells).next_multiple_of(4)
    }
}
