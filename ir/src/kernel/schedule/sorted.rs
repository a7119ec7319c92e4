//! What a selection by sorted lists takes ([`Selecting::Sorted`]), and whether a shape has it.

use super::room::chosen_columns;
use super::{RowShape, Selecting};
use crate::kernel::{Kernel, RowOp, RowValue};

/// The most keys of a lane: there is a mark for each.
pub const MOST_KEYS: u64 = 64;

/// The most that are selected: all of them lie in registers, with those that another lane sends.
pub const MOST_BEST: u64 = 32;

/// The most words of shared memory of a block: 48 KiB, which it has anywhere.
pub const MOST_WORDS: u64 = 12 << 10;

/// Words at the beginning of a block's memory that a table of scores lies among: those of magnitudes above zero come first, those below
/// zero 32 KiB later, so that the sign of a 16-bit float in its place is what has to be added to an offset, and what is in between has
/// room for cells.
pub const TABLE_WORDS: u64 = 12 << 10;

/// The word of the score of a NaN, behind the entries above zero.
pub const NAN_WORD: u64 = 4 << 10;

/// The first word between the entries of either sign that is free, and how many are.
pub const FREE_IN_TABLE: [u64; 2] = [NAN_WORD + 4, (4 << 10) - 4];

/// Columns that neighbours in memory are loaded by at once, 16 bytes of 16-bit elements: a lane has whole runs of them.
pub const RUN: u64 = 8;

/// Whether a shape selects `k` of segments by sorted lists where a lane has so many keys of each; else it does so in rounds.
pub fn applies(shape: RowShape, keys: u64, k: u64) -> bool {
    shape.selecting == Selecting::Sorted
        && (1..=MOST_BEST).contains(&k)
        && keys <= MOST_KEYS
        && u64::from(words_of_keys(keys)) * u64::from(shape.threads)
            <= most_words(shape).saturating_sub(table_words(shape))
}

/// Words of a table, with what lies in it; 0 where a shape has none.
pub fn table_words(shape: RowShape) -> u64 {
    if shape.table > 0 { TABLE_WORDS } else { 0 }
}

/// Words that a block of this shape may have: what its launch asks for, or [`MOST_WORDS`].
pub fn most_words(shape: RowShape) -> u64 {
    if shape.table > 0 { u64::from(shape.table) << 8 } else { MOST_WORDS }
}

/// Words of shared memory that a lane's keys take. They are written four at a time, and an odd number of fours is between
/// the first keys of neighbouring lanes, which so lie in different banks.
pub fn words_of_keys(keys: u64) -> u32 {
    let fours = keys.div_ceil(4) as u32;
    4 * (fours | 1)
}

/// Words of shared memory that a block of a shape that sorts lists takes at most: cells for the chosen columns of its rows,
/// and its lanes' keys. Where keys are `in_registers`, it takes in their place two words for each of the chosen columns, and two
/// for each lane.
pub fn words_of_block(kernel: &Kernel, shape: RowShape, in_registers: bool) -> u64 {
    let keys = |row: &RowValue| {
        let RowOp::TopK { k, .. } = row.op else { return 0 };
        let segments = (kernel.value(row.value).space.cols / row.width).next_power_of_two();
        let span = (u64::from(shape.lanes) / segments).max(1);
        let keys = row.width.next_power_of_two().div_ceil(span).next_multiple_of(RUN).min(MOST_KEYS);
        if applies(shape, keys, k) { u64::from(words_of_keys(keys)) } else { 0 }
    };
    let keys = kernel.values.iter().filter_map(|v| v.kind.row_value()).map(keys).max().unwrap_or(0);
    let cells = u64::from(shape.rows()) * chosen_columns(kernel);
    match (keys, in_registers) {
        // The cells lie in the table.
        _ if shape.table > 0 => TABLE_WORDS + u64::from(shape.threads) * keys,
        (0, _) => cells,
        (_, true) => 3 * cells + 2 * u64::from(shape.threads),
        (_, false) => cells + u64::from(shape.threads) * keys,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_lie_in_different_banks() {
        for keys in 1..=MOST_KEYS {
            let words = words_of_keys(keys);
            assert!(u64::from(words) >= keys && words.is_multiple_of(4) && words % 8 == 4, "{keys}: {words}");
            // Eight lanes that read or write four words each meet every bank once.
            let mut banks: Vec<u32> = (0..8).map(|lane| lane * words % 32 / 4).collect();
            banks.sort_unstable();
            banks.dedup();
            assert_eq!(banks.len(), 8, "{keys}: {words}");
        }
    }

    #[test]
    fn only_some_selections_are_by_sorted_lists() {
        let shape: RowShape = "lanes=4 threads=128 sorted".parse().expect("a shape");
        assert!(applies(shape, 64, 32) && applies(shape, 1, 1));
        assert!(!applies(shape, 65, 8) && !applies(shape, 32, 33) && !applies(shape, 32, 0));
        assert!(!applies(RowShape { threads: 256, ..shape }, 64, 8), "more shared memory than a block has");
        assert!(!applies(RowShape { selecting: Selecting::InMemory, ..shape }, 8, 8));
    }
}
