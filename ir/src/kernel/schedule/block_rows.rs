//! Rows that the host does together: what of a kernel is computed row by row, and what for a block of rows at once.
//!
//! A row of few columns fills no vector, and a row after the other waits for its own results. So where a kernel has narrow
//! values that no wide one needs, such as the weights of the chosen experts, these are computed for a block of rows with a row
//! in each lane. What is wide comes first, row by row, and what is asked for later is kept of every row of the block.
//!
//! What is computed row by row is done in *phases*: all rows of a block go through one before any goes through the next. A phase
//! ends where a row would wait for its own result, so that the processor has other rows to go on with: behind a row value that
//! wide values ask for, as far as all that is kept for that fits the nearest cache, and before the rounds of a long top-k, of
//! which each waits for the one before and which are done for several rows at a time.

use super::holdings::Holdings;
use super::key_blocks::key_blocks;
use crate::kernel::analysis::{may_trap, reached};
use crate::kernel::{Kernel, RowOp, Store, ValueId, ValueKind};

/// Rows of a block: as many as a vector of the host has lanes.
pub const BLOCK_ROWS: u32 = 8;

/// The most columns of what has a row in each lane. Code is written out for every column.
pub const NARROW: u64 = 16;

/// The most rows left over of which what has a row in each lane is done one by one even where the last could be repeated.
pub const MOST_ONE_BY_ONE: u32 = 1;

/// The most bytes of all that has a row in each lane, of a block, where there is code for a block in which the last row is
/// repeated: code grows with it, and of what is longer a launch of few rows is no great part.
const MOST_REPEATED: u64 = 2 << 10;

/// Which of a kernel's values are computed row by row where rows are done in blocks.
#[derive(Clone, Debug)]
pub struct Division<'k> {
    kernel: &'k Kernel,
    holdings: Holdings<'k>,
    /// By value, whether it may trap.
    traps: Vec<bool>,
    /// By value.
    by_row: Vec<bool>,
    /// By value, in which phase it is computed if it is computed row by row and kept.
    phases: Vec<u32>,
    /// The last phase.
    last: u32,
}

/// The most bytes of what outlives its phase for more phases than the rounds of top-ks need: the nearest cache of most processors.
const MOST_IN_CACHE: u64 = 32 << 10;

impl<'k> Division<'k> {
    /// Of a schedule that holds these values. `None` where rows are better done one after the other, or must be.
    pub fn of(kernel: &'k Kernel, held: &[ValueId]) -> Option<Division<'k>> {
        kernel.rows?;
        if kernel.is_ordered() {
            return None;
        }
        let reached = reached(kernel);
        let mut by_row = vec![false; kernel.values.len()];
        // Whether a value that is computed row by row, or what is stored so, asks for it.
        let mut is_asked_for = vec![false; kernel.values.len()];
        let wide = |store: &&Store| Self::stores_by_row(kernel.store_cols(store));
        for id in kernel.stores.iter().filter(wide).flat_map(Store::operands) {
            is_asked_for[id.0 as usize] = true;
        }
        for (id, value) in kernel.values().rev().filter(|(id, _)| reached[id.0 as usize]) {
            let at = id.0 as usize;
            let of_wide = value.kind.row_value().is_some_and(|row| kernel.value(row.value).space.cols > NARROW);
            by_row[at] = is_asked_for[at] || of_wide;
            if by_row[at] {
                value.kind.operands().iter().for_each(|o| is_asked_for[o.0 as usize] = true);
            }
        }
        let phases_that_end_at = |ends: &dyn Fn(ValueId) -> bool| {
            let mut phase = 0;
            let mut phases = Vec::with_capacity(by_row.len());
            for (id, value) in kernel.values() {
                phases.push(phase);
                let at = id.0 as usize;
                phase += u32::from(reached[at] && by_row[at] && value.space.per_row && ends(id));
            }
            (phases, phase)
        };
        let rounds = |id: ValueId| goes_round(kernel, id);
        let (phases, last) = phases_that_end_at(&|id| {
            rounds(id) || (kernel.value(id).kind.is_row_value() && is_asked_for[id.0 as usize])
        });
        // What a wide store writes to an input's memory could be read later in the block.
        let clobbers = kernel.stores.iter().any(|s| wide(&s)) && kernel.params.iter().any(|p| p.aliases.is_some());
        let computes = kernel.values().any(|(id, value)| {
            let works = matches!(
                value.kind,
                ValueKind::Scalar(..) | ValueKind::Gather { .. } | ValueKind::GatherRow { .. } | ValueKind::RowValue(_)
            );
            reached[id.0 as usize] && !by_row[id.0 as usize] && value.space.per_row && works
        });
        let gains = computes || kernel.values().any(|(id, _)| reached[id.0 as usize] && rounds(id));
        if clobbers || !gains {
            return None;
        }
        let few = phases_that_end_at(&rounds);
        let mut division =
            Division { kernel, holdings: Holdings::of(kernel, held), traps: may_trap(kernel), by_row, phases, last };
        let outlives = division.outlives();
        let bytes = kernel.values().filter(|(id, _)| outlives[id.0 as usize]).map(|(id, value)| {
            let keys = value.kind.row_value().filter(|_| division.goes_round(id)).map_or(0, |row| row.width);
            value.space.cols.saturating_mul(value.dtype.size()).saturating_add(keys.saturating_mul(4))
        });
        if bytes.fold(0, u64::saturating_add).saturating_mul(u64::from(BLOCK_ROWS)) > MOST_IN_CACHE {
            (division.phases, division.last) = few;
        }
        Some(division)
    }

    /// What is held of a row.
    pub fn holdings(&self) -> &Holdings<'k> {
        &self.holdings
    }

    /// Whether a value is computed row by row.
    pub fn is_by_row(&self, id: ValueId) -> bool {
        self.by_row[id.0 as usize]
    }

    /// Whether the stores of so many columns are done row by row.
    pub fn stores_by_row(cols: u64) -> bool {
        cols > NARROW
    }

    /// The phase in which a value that is kept is computed.
    pub fn phase(&self, id: ValueId) -> u32 {
        self.phases[id.0 as usize]
    }

    /// The last phase; what is stored row by row is stored in it.
    pub fn last_phase(&self) -> u32 {
        self.last
    }

    /// Whether a value is a long top-k whose rounds are done for several rows at a time.
    pub fn goes_round(&self, id: ValueId) -> bool {
        self.is_by_row(id) && goes_round(self.kernel, id)
    }

    /// Whether rows that are left over, if there are more than [`MOST_ONE_BY_ONE`], are done as a block in whose further lanes
    /// is the last row again. So they are where that is little, all work has a row in each lane and nothing is added to memory:
    /// then it costs no more than a whole block, and what is written twice is equal.
    pub fn repeats_last_row(&self) -> bool {
        let reached = reached(self.kernel);
        let has_wide =
            self.kernel.values().any(|(id, value)| reached[id.0 as usize] && self.is_by_row(id) && value.space.per_row);
        let stores_once = |s: &Store| s.element().is_some() || Self::stores_by_row(self.kernel.store_cols(s));
        !has_wide && !self.kernel.stores.iter().any(stores_once) && self.upright_bytes() <= MOST_REPEATED
    }

    /// Bytes of all that has a row in each lane: what a block needs at once at most.
    pub fn upright_bytes(&self) -> u64 {
        let reached = reached(self.kernel);
        let upright = self.kernel.values().filter(|(id, value)| {
            reached[id.0 as usize] && !self.is_by_row(*id) && value.space.per_row && value.space.cols <= NARROW
        });
        let bytes = upright.map(|(_, value)| value.space.cols * value.dtype.size().max(4) * u64::from(BLOCK_ROWS));
        bytes.fold(0, u64::saturating_add)
    }

    /// By value, whether it is held of every row of a block, because it is asked for behind its phase.
    pub fn outlives(&self) -> Vec<bool> {
        let mut outlives: Vec<bool> = self.kernel.values().map(|(id, _)| self.goes_round(id)).collect();
        for (id, value) in self.kernel.values() {
            if self.is_by_row(id) && self.holdings.holds(id) {
                self.mark(&mut outlives, Some(self.phase(id)), value.kind.operands());
            }
        }
        for store in &self.kernel.stores {
            let phase = Self::stores_by_row(self.kernel.store_cols(store)).then_some(self.last);
            self.mark(&mut outlives, phase, store.operands().collect());
        }
        outlives
    }

    /// Marks what is held from before this phase, or for a row in each lane, and asked for by way of these.
    fn mark(&self, outlives: &mut [bool], phase: Option<u32>, mut waiting: Vec<ValueId>) {
        let mut seen = vec![false; outlives.len()];
        while let Some(id) = waiting.pop() {
            if std::mem::replace(&mut seen[id.0 as usize], true) {
                continue;
            }
            let value = self.kernel.value(id);
            // Rank keys serve who ranks, row by row; whoever else asks, as for traps, computes the value again.
            let keys = self.holdings.only_ranked(id) && !value.kind.is_row_value();
            let is_read = self.is_by_row(id) && self.holdings.holds(id) && (phase.is_some() || !keys);
            if is_read && value.space.per_row {
                outlives[id.0 as usize] |= phase.is_none_or(|phase| self.phase(id) < phase);
            }
            if !is_read || (keys && self.traps[id.0 as usize]) {
                waiting.extend(value.kind.operands());
            }
        }
    }
}

/// Whether a value is a top-k that takes rounds over one long segment.
fn goes_round(kernel: &Kernel, id: ValueId) -> bool {
    let value = kernel.value(id);
    value.kind.row_value().is_some_and(|row| {
        let one = kernel.value(row.value).space.cols == row.width && key_blocks(row.width).is_some();
        matches!(row.op, RowOp::TopK { .. }) && one && value.space.per_row
    })
}
