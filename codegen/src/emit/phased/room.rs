//! Where things are in the memory of a block.

use super::tables::ENTRY;
use routefuse_ir::kernel::analysis::sums_inputs;
use routefuse_ir::kernel::phases::{MOST_FEW, Phases, Reach};
use routefuse_ir::kernel::schedule::Part;
use routefuse_ir::kernel::schedule::room::{
    MOST_WARPS, is_before_items, local_words, pair_rows, pair_words, sum_words, tile, words_of_counts, words_of_rows,
};

/// Words of 32 bits, from the beginning.
pub(super) struct Room {
    /// A running sum's columns, two words each.
    pub(super) sums: u32,
    /// A number of each warp, two words.
    pub(super) totals: u32,
    /// Copies of two rows of counts, a word for each bin: not in the second of two launches.
    pub(super) counts: u32,
    /// Rows of counts of 16 bits.
    pub(super) pairs: u32,
    /// Where bins start among the items that the block ranks at a time.
    pub(super) local: u32,
    /// What is added to an item's place among those to give its rank, for each bin.
    pub(super) base: u32,
    /// The items that the block ranks at a time, in the order of bins. Of few items, lists of entries for each lane.
    pub(super) ordered: u32,
    /// What the phases name.
    pub(super) shared: Vec<u32>,
    /// All of them.
    pub(super) words: u32,
}

/// Words of the lists of entries of few items.
fn few_words(phases: &Phases) -> u64 {
    let every_block = phases.list.iter().filter(|p| p.reach == Reach::EveryBlock && !sums_inputs(p));
    let sums = every_block.flat_map(|p| &p.kernel.values).filter(|v| v.kind.is_row_value()).count();
    sums.max(1) as u64 * MOST_FEW * u64::from(ENTRY)
}

impl Room {
    /// Of one block that does so many rows, behind what their lanes share.
    pub(super) fn at_once(phases: &Phases, rows: u64) -> Room {
        let mut room = Room::of(phases, Part::Few, 1, 1);
        for (at, ty) in room.shared.iter_mut().zip(&phases.shared).filter(|(_, ty)| ty.row_symbol().is_some()) {
            *at = room.words;
            room.words += words_of_rows(ty, rows) as u32;
        }
        room
    }

    /// For blocks of which so many warps of so many lanes rank in the second of two launches.
    pub(super) fn of(phases: &Phases, part: Part, ranking: u32, lanes: u32) -> Room {
        let (bins, ranking) = (phases.bins(), u64::from(ranking));
        let mut words = 0;
        let mut place = |count: u64| {
            let at = words;
            words = (words + count as u32).next_multiple_of(4);
            at
        };
        // Of few items, what would be in memory of every block is a function; sums of inputs are there all the same.
        let is_there = |is_before: bool, count: u64| match part {
            Part::Few if !is_before => 0,
            // The first of two launches counts and does nothing of what every block does.
            Part::Counting => 0,
            _ => count,
        };
        let has_sums = phases.list.iter().any(sums_inputs);
        let (sums, totals) = (place(is_there(has_sums, sum_words(phases))), place(is_there(has_sums, 2 * MOST_WARPS)));
        let placing = |count: u64| if part == Part::Placing { count } else { 0 };
        let counts = place(if matches!(part, Part::Whole | Part::Counting) { words_of_counts(phases) } else { 0 });
        let pairs = place(placing(pair_rows(bins, ranking) * pair_words(bins)));
        let (local, base) = (place(placing(local_words(bins))), place(placing(bins)));
        let ordered = place(match part {
            Part::Few => few_words(phases),
            _ => placing(tile(ranking, lanes.into())),
        });
        let of_shared = |(at, ty)| place(is_there(is_before_items(phases, at), words_of_rows(ty, 1)));
        let shared = (0..).zip(&phases.shared).map(of_shared).collect();
        Room { sums, totals, counts, pairs, local, base, ordered, shared, words }
    }
}
