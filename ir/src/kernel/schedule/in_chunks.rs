//! What blocks share that do rows and count what they make.

use super::room::{MOST_SHARED_WORDS, chosen_columns, columns_of_a_lane, words_of_counts};
use super::sorted::words_of_block;
use super::{RowShape, Selecting};
use crate::kernel::Kernel;
use crate::kernel::phases::Phases;

/// Columns of the widest row value of rows that a block goes through and counts, at most: so a lane of any target's warp has few.
const MOST_COLUMNS_IN_CHUNKS: u64 = 1024;

/// Columns that are chosen in such a row, at most.
const MOST_CHOSEN_IN_CHUNKS: u64 = 64;

/// The most bins of such items: their counts leave the rows half of what a block may share.
const MOST_BINS_IN_CHUNKS: u64 = 2048;

/// Whether blocks that do rows of a kernel have room to count the items that they make, on any target. One warp has.
pub fn fits_in_chunks(phases: &Phases, rows: &Kernel) -> bool {
    columns_of_a_lane(rows, 1) <= MOST_COLUMNS_IN_CHUNKS
        && chosen_columns(rows) <= MOST_CHOSEN_IN_CHUNKS
        && phases.bins() <= MOST_BINS_IN_CHUNKS
}

/// Words that a block shares, at most, which does rows in this shape and counts what they make.
pub fn words_of_counting(phases: &Phases, rows: &Kernel, shape: RowShape, keys_in_registers: bool) -> u64 {
    let of_rows = match shape.selecting {
        Selecting::Sorted => words_of_block(rows, shape, keys_in_registers),
        // A list of a lane in memory has pairs of words.
        Selecting::InMemory => words_of_block(rows, shape, false) + 2 * MOST_PAIRS * u64::from(shape.threads),
        // Half of what a block may share are shelves, which only rows with a choice have.
        Selecting::InRegisters => {
            let shelves = if chosen_columns(rows) > 0 { MOST_SHARED_WORDS / 2 } else { 0 };
            words_of_block(rows, shape, false) + shelves
        }
    };
    of_rows.next_multiple_of(4) + words_of_counts(phases).next_multiple_of(4) + ROUNDED
}

/// Pairs of a lane's list in memory, at most.
const MOST_PAIRS: u64 = 12;

/// Words that are lost where parts of a block's memory begin at a multiple of four.
const ROUNDED: u64 = 32;
