//! Where things are in the memory of a block.

use routefuse_ir::kernel::phases::Phases;
use routefuse_ir::kernel::schedule::room::{MOST_WARPS, sum_words, words_of_shared};

/// Words of 32 bits, from the beginning.
pub(super) struct Room {
    /// A running sum's columns, two words each.
    pub(super) sums: u32,
    /// A number of each warp, two words.
    pub(super) totals: u32,
    /// Rows of counts, a word for each bin.
    pub(super) counts: u32,
    /// What the phases name.
    pub(super) shared: Vec<u32>,
    /// All of them.
    pub(super) words: u32,
}

impl Room {
    /// For blocks of which so many warps share the items.
    pub(super) fn of(phases: &Phases, ranking: u32) -> Room {
        let totals = sum_words(phases) as u32;
        let counts = totals + 2 * MOST_WARPS as u32;
        let mut words = counts + (ranking + 1) * phases.bins() as u32;
        let place = |ty| {
            words = words.next_multiple_of(4);
            let at = words;
            words += words_of_shared(ty) as u32;
            at
        };
        let shared = phases.shared.iter().map(place).collect();
        Room { sums: 0, totals, counts, shared, words }
    }
}
