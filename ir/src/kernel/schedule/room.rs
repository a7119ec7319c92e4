//! What a kernel takes at once of a target's room: what it keeps of a row, and its arguments; and how much there is.

use super::Schedule;
use super::block_rows::Division;
use super::key_blocks::key_blocks;
use crate::kernel::abi::{self, slots};
use crate::kernel::analysis::{may_trap, sums_fit_a_word, sums_inputs};
use crate::kernel::phases::{MOST_CHUNKS, Phase, Phases, Place, Reach};
use crate::kernel::{Kernel, Role, RowOp, RowValue, ValueId, ValueKind};
use crate::op::ReduceOp;
use crate::target::{Target, TargetKind};
use crate::tensor_type::TensorType;

/// The most bytes of a host kernel's stack frame. Threads may have stacks of few pages, and a frame is not probed.
pub const MOST_FRAME: u64 = 64 << 10;

/// The most bytes of a frame for what is kept of a row; the rest is for what does not fit the registers. A kernel that keeps
/// more has all of it in *scratch memory*, which a plan makes when it is prepared.
pub const MOST_KEPT_IN_FRAME: u64 = 48 << 10;

/// The most bytes of a frame for what is kept of a block of rows: beside it lie vectors of what is narrow, of which a block has
/// up to [`MOST_UPRIGHT`] bytes.
pub const MOST_KEPT_OF_BLOCK: u64 = 44 << 10;

/// The most bytes of values that a block of rows has with a row in each lane.
pub const MOST_UPRIGHT: u64 = 12 << 10;

/// The most bytes of scratch memory that one call of a host kernel may use. As many calls run at once as there are processors.
pub const MOST_SCRATCH: u64 = 16 << 20;

/// Where kept memory begins on the host: at a cache line.
pub const LINE: u64 = 64;

/// The most columns of one value that a lane of a GPU may keep: twice the registers of any GPU, and code for each column is
/// written out.
pub const MOST_COLUMNS: u64 = 512;

/// The most chosen columns of one selection in a row: they go from lane to lane by cells of a word in shared memory, of which
/// a block has 48 KiB, and lanes of several warps exchange words there too.
pub const MOST_CHOSEN: u64 = 8192;

/// The most arguments of a GPU's kernel: CUDA has 32,764 bytes for them, eight each.
pub const MOST_SLOTS: u64 = 4095;

/// Something that a kernel takes of a target's room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// How much.
    pub amount: u64,
    /// How much there is.
    pub most: u64,
    /// Of what, for a sentence behind the amount.
    pub unit: &'static str,
}

/// All that the kernel takes by this schedule of room that is limited.
pub fn needs(kernel: &Kernel, schedule: &Schedule, target: Target) -> Vec<Need> {
    let mut needs = vec![];
    if target.kind() == TargetKind::Host {
        if let Schedule::Row { held, block_rows, .. } = schedule {
            needs.push(Need {
                amount: kept_bytes(kernel, held, *block_rows),
                most: MOST_SCRATCH,
                unit: "bytes of a row",
            });
        }
        return needs;
    }
    if let Schedule::Row { shapes, .. } = schedule {
        let columns = columns_of_a_lane(kernel, shapes.iter().map(|s| s.lanes).min().unwrap_or(1));
        needs.push(Need { amount: columns, most: MOST_COLUMNS, unit: "columns of a row in a lane" });
        needs.push(Need { amount: chosen_columns(kernel), most: MOST_CHOSEN, unit: "chosen columns of a row" });
    }
    if let (Schedule::AtOnce { shape, .. } | Schedule::InChunks { shape, .. }, Some(rows)) =
        (schedule, kernel.phases.as_ref().and_then(|p| p.rows()))
    {
        let columns = columns_of_a_lane(&rows.kernel, shape.lanes);
        needs.push(Need { amount: columns, most: MOST_COLUMNS, unit: "columns of a row in a lane" });
        needs.push(Need { amount: chosen_columns(&rows.kernel), most: MOST_CHOSEN, unit: "chosen columns of a row" });
    }
    needs.push(Need { amount: slots(kernel, target).len() as u64, most: MOST_SLOTS, unit: "arguments" });
    needs
}

/// The most words of 32 bits that a block shares: what each GPU of every target has without being asked.
pub const MOST_SHARED_WORDS: u64 = 48 * 256;

/// The most words of what rows leave for phases of the same block: a third of what the block may share, which exchanges of lanes
/// need as well.
const MOST_WORDS_AT_ONCE: u64 = MOST_SHARED_WORDS / 3;

/// The most words of what lanes of all rows of such a block give each other of chosen columns.
const MOST_CELLS_AT_ONCE: u64 = MOST_SHARED_WORDS / 12;

/// Running sums of phases behind rows of the same block, at most: each has a list of the few items.
const MOST_SUMS_AT_ONCE: u64 = 8;

/// Rows that a block has lanes for beside those that it does, at most, where a row has eight lanes: threads without rows, and those
/// that make a whole warp. Fewer lanes have fewer columns than eight, and fewer cells in all.
pub const MOST_ROWS_BESIDE: u64 = 24;

/// Whether a block has room for so many rows of a kernel and for the phases of what they make: what the rows leave, the cells that
/// their lanes have, who are those of so many rows, and the lists of items. Half of what a block may share is left to rows for shelves.
pub fn fits_at_once(phases: &Phases, rows: &Kernel, count: u64, rows_of_lanes: u64) -> bool {
    let cells = chosen_columns(rows).saturating_mul(rows_of_lanes);
    let sums = phases.list.iter().filter(|p| p.reach == Reach::EveryBlock && !sums_inputs(p));
    let sums = sums.flat_map(|p| &p.kernel.values).filter(|v| v.kind.is_row_value()).count() as u64;
    words_at_once(phases, count) <= MOST_WORDS_AT_ONCE && cells <= MOST_CELLS_AT_ONCE && sums <= MOST_SUMS_AT_ONCE
}

/// Words of what so many rows leave for phases of the same block, and of sums of inputs.
fn words_at_once(phases: &Phases, rows: u64) -> u64 {
    let of_rows = phases.shared.iter().filter(|ty| ty.row_symbol().is_some());
    let words = of_rows.map(|ty| words_of_rows(ty, rows)).fold(0, u64::saturating_add);
    words.saturating_add(words_before_items(phases))
}

/// Whether a memory of the block is there before items are looked at: sums of inputs are stored to it.
pub fn is_before_items(phases: &Phases, shared: u32) -> bool {
    let stores = |p: &Phase| {
        let mut params = p.kernel.params.iter().zip(&p.places);
        params.any(|(param, place)| param.role == Role::Output && *place == Place::Shared(shared))
    };
    phases.list.iter().any(|p| sums_inputs(p) && stores(p))
}

/// Words of what is there before items are looked at, and of what it takes to sum it; 0 where no inputs are summed.
pub fn words_before_items(phases: &Phases) -> u64 {
    if !phases.list.iter().any(sums_inputs) {
        return 0;
    }
    let shared = (0..).zip(&phases.shared).filter(|(at, _)| is_before_items(phases, *at));
    let words = shared.map(|(_, ty)| words_of_rows(ty, 1)).fold(0, u64::saturating_add);
    words.saturating_add(sum_words(phases)).saturating_add(2 * MOST_WARPS)
}

/// Words of one of the memories that each block has, to where the next one may begin: of so many rows, if it has rows.
pub fn words_of_rows(ty: &TensorType, rows: u64) -> u64 {
    let bytes = ty.row_elements().unwrap_or(u64::MAX).saturating_mul(ty.dtype.size()).saturating_mul(rows);
    bytes.div_ceil(16).saturating_mul(4)
}

/// Items that a lane of a warp that ranks has at a time, in the second of two launches.
pub const TURNS: u64 = 10;

/// Chunks whose counts of a bin are added up as 16 bits: each is of no more items than a block ranks at a time.
pub const CHUNKS_OF_A_ROW: u64 = 8;

/// The most bins whose counts of chunks are kept as 16 bits.
pub const MOST_PACKED_BINS: u64 = 512;

/// The most words of counts of all copies.
const MOST_WORDS_OF_COPIES: u64 = MOST_SHARED_WORDS / 2;

/// Copies of its counts that a block adds to, a power of two. Where items of a row are of several kinds side by side, some have few bins, and
/// lanes with the same column of neighbouring rows add to the same one: each of them to another copy.
pub fn copies_of_counts(phases: &Phases) -> u64 {
    let Some(counted) = phases.counted() else { return 1 };
    let index = counted.kernel.stores.first().and_then(|s| s.element());
    let is_several = |id: ValueId| matches!(counted.kernel.value(id).kind, ValueKind::Concat(_));
    if !index.is_some_and(is_several) {
        return 1;
    }
    let fits = |copies: &u64| phases.bins().saturating_mul(2 * copies) <= MOST_WORDS_OF_COPIES;
    [4, 2].into_iter().find(fits).unwrap_or(1)
}

/// Words of the counts that a block adds to: two rows for each copy.
pub fn words_of_counts(phases: &Phases) -> u64 {
    phases.bins().saturating_mul(2 * copies_of_counts(phases))
}

/// Words of 32 bits that a block of phases shares, in one launch and in two, where so many of its warps of so many lanes rank.
pub fn words_of_phases(phases: &Phases, warps: u64, lanes: u64) -> u64 {
    let bins = phases.bins();
    let counts = words_of_counts(phases);
    let pairs = pair_rows(bins, warps).saturating_mul(pair_words(bins)).saturating_add(local_words(bins));
    let ranking = pairs.saturating_add(bins.saturating_add(4)).saturating_add(tile(warps, lanes));
    let shared = phases.shared.iter().map(|ty| words_of_rows(ty, 1)).fold(0, u64::saturating_add);
    shared.saturating_add(counts.max(ranking)).saturating_add(sum_words(phases)).saturating_add(2 * MOST_WARPS + 4)
}

/// Items that a block ranks at a time in the second of two launches.
pub fn tile(warps: u64, lanes: u64) -> u64 {
    warps * lanes * TURNS
}

/// Words of a row of counts of 16 bits, a whole number of four words.
pub fn pair_words(bins: u64) -> u64 {
    bins.div_ceil(8).saturating_mul(4)
}

/// Words of where bins start among the items of a block, and where the last one ends.
pub fn local_words(bins: u64) -> u64 {
    pair_words(bins).saturating_mul(2).saturating_add(4)
}

/// Rows of counts of 16 bits: one for each warp that ranks, and afterwards one for each [`CHUNKS_OF_A_ROW`] chunks, and one more.
pub fn pair_rows(bins: u64, warps: u64) -> u64 {
    if packs(bins) { warps.max(MOST_CHUNKS / CHUNKS_OF_A_ROW + 1) } else { warps }
}

/// Whether counts of chunks are of 16 bits, where chunks are small enough: a row of them has room in one of 32 bits.
pub fn packs(bins: u64) -> bool {
    (4..=MOST_PACKED_BINS).contains(&bins)
}

/// Words of the columns of the largest running sum: one each where sums fit, else two.
pub fn sum_words(phases: &Phases) -> u64 {
    let every_block = phases.list.iter().filter(|p| p.reach == Reach::EveryBlock);
    let words = every_block.flat_map(|p| {
        let sums = p.kernel.values.iter().filter_map(|v| Some((v.kind.row_value()?, v.space.cols)));
        sums.map(move |(row, cols)| cols.saturating_mul(if sums_fit_a_word(p, row.value, cols) { 1 } else { 2 }))
    });
    words.max().unwrap_or(0)
}

/// Warps of a block at most, for which there is room to add up what each has.
pub const MOST_WARPS: u64 = 32;

/// The most lanes of a warp.
pub const MOST_LANES: u64 = 64;

/// Columns that the largest selection of a kernel chooses in a row, in all segments.
pub fn chosen_columns(kernel: &Kernel) -> u64 {
    let selects = |row: &RowValue| matches!(row.op, RowOp::TopK { .. });
    let selected = kernel.values.iter().filter(|v| v.kind.row_value().is_some_and(selects));
    selected.map(|v| v.space.cols).max().unwrap_or(0)
}

/// What some stores of a kernel take of the room that is limited, whichever stores are beside them: bytes of a row on the
/// host, and arguments.
pub struct Taken<'k> {
    kernel: &'k Kernel,
    held: &'k [ValueId],
    reached: Vec<bool>,
    used: Vec<bool>,
    bytes: u64,
    slots: u64,
}

impl<'k> Taken<'k> {
    /// What no store takes: the symbols' arguments. `held` is what the host's schedule keeps.
    pub fn new(kernel: &'k Kernel, held: &'k [ValueId]) -> Taken<'k> {
        let (reached, used) = (vec![false; kernel.values.len()], vec![false; kernel.params.len()]);
        Taken { kernel, held, reached, used, bytes: 0, slots: kernel.symbols.len() as u64 }
    }

    /// Adds what a store takes that the ones before do not.
    pub fn add_store(&mut self, store: usize) {
        let store = &self.kernel.stores[store];
        self.uses(store.param.0);
        if let Some(word) = self.kernel.error_word() {
            self.uses(word.0);
        }
        let mut open: Vec<ValueId> = store.operands().collect();
        while let Some(id) = open.pop() {
            if std::mem::replace(&mut self.reached[id.0 as usize], true) {
                continue;
            }
            let value = self.kernel.value(id);
            if value.kind.is_row_value() || self.held.binary_search(&id).is_ok() {
                self.bytes = self.bytes.saturating_add(kept_of(self.kernel, id, true));
            }
            match value.kind {
                ValueKind::Load(param) | ValueKind::Gather { table: param, .. } => self.uses(param.0),
                _ => {}
            }
            open.extend(value.kind.operands());
        }
    }

    fn uses(&mut self, param: u32) {
        if !std::mem::replace(&mut self.used[param as usize], true) {
            self.slots += 1 + u64::from(abi::strides(&self.kernel.params[param as usize]));
        }
    }

    /// Whether it is more than there is, on some target.
    pub fn is_too_much(&self) -> bool {
        self.bytes > MOST_SCRATCH || self.slots > MOST_SLOTS
    }
}

/// Bytes of the host's memory for what is kept of a row, or of a block of so many rows: row values, with what is needed on the
/// way to them, and the values that the schedule holds. No less than what code generation takes.
pub fn kept_bytes(kernel: &Kernel, held: &[ValueId], block_rows: u32) -> u64 {
    let traps = may_trap(kernel);
    let outlive = match block_rows {
        1 => None,
        _ => Division::of(kernel, held).map(|d| d.outlives()),
    };
    let times = |id: ValueId| match &outlive {
        Some(outlive) if outlive[id.0 as usize] => u64::from(block_rows),
        _ => 1,
    };
    let of = |id: ValueId| kept_of(kernel, id, traps[id.0 as usize]).saturating_mul(times(id));
    let rows = kernel.values().filter(|(_, v)| v.kind.is_row_value()).map(|(id, _)| id);
    held.iter().copied().chain(rows).fold(0, |sum, id| sum.saturating_add(of(id)))
}

/// Bytes of the host's memory for one value that is kept of a row, which may trap or not.
fn kept_of(kernel: &Kernel, id: ValueId, traps: bool) -> u64 {
    let lines = |elements: u64, size: u64| {
        let bytes = elements.checked_mul(size).and_then(|n| n.checked_next_multiple_of(LINE));
        bytes.unwrap_or(u64::MAX)
    };
    let value = kernel.value(id);
    // A column more, which nobody reads; rank keys have four bytes. And a byte for whether it trapped, where it may.
    let columns = value.space.cols.saturating_add(1);
    let own = lines(columns, value.dtype.size().max(4)).saturating_add(if traps { lines(columns, 1) } else { 0 });
    let on_the_way = match value.kind.row_value() {
        Some(RowValue { op: RowOp::Reduce(ReduceOp::Sum), value, width }) => {
            lines(width.saturating_add(1) / 2, kernel.value(*value).dtype.size()).saturating_mul(2)
        }
        // Keys up to the next power of two of blocks, the blocks' best, and the chosen columns to be sorted.
        Some(RowValue { op: op @ (RowOp::TopK { .. } | RowOp::TopKMask { .. }), width, .. }) => {
            let (block, count) = key_blocks(*width).unwrap_or((1, 1));
            let chosen = if let RowOp::TopK { k, .. } = op { k.saturating_mul(2) } else { 1 };
            let keys = lines(block.saturating_mul(count), 4).saturating_add(lines(count, 4));
            keys.saturating_add(lines(chosen, 4))
        }
        // For each bin, and for what has none, how many there were, or the next place and where the places end.
        Some(RowValue { op: RowOp::Rank { bins }, .. }) => lines(bins.saturating_add(1).saturating_mul(2), 4),
        Some(RowValue { op: RowOp::Reduce(_) | RowOp::CumSum, .. }) | None => 0,
    };
    own.saturating_add(on_the_way)
}

/// Bytes of scratch memory that a call of the host's code takes; 0 where what is kept lies in its frame. It does not depend on
/// the order of the kernel's values: rows are done in blocks only where that takes none, which the verifier of a scheduled
/// kernel holds.
pub fn scratch_bytes(kernel: &Kernel, held: &[ValueId], block_rows: u32) -> u64 {
    let kept = kept_bytes(kernel, held, block_rows);
    if kept > MOST_KEPT_IN_FRAME { kept } else { 0 }
}

/// Columns that each of a row's `lanes` lanes keeps of the widest operand of a row value.
pub fn columns_of_a_lane(kernel: &Kernel, lanes: u32) -> u64 {
    let operands = kernel.values.iter().filter_map(|v| v.kind.row_value()).map(|row| row.value);
    operands.map(|o| kernel.value(o).space.cols.div_ceil(u64::from(lanes))).max().unwrap_or(1)
}
