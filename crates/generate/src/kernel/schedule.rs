//! Schedules of a kernel: any that code generation has to take, not those that the passes would choose.

use super::Growing;
use routefuse_ir::kernel::ValueId;
use routefuse_ir::kernel::schedule::block_rows::{BLOCK_ROWS, Division};
use routefuse_ir::kernel::schedule::room::scratch_bytes;
use routefuse_ir::kernel::schedule::sorted::{MOST_WORDS, words_of_block};
use routefuse_ir::kernel::schedule::{Domain, Piece, RowShape, Schedule, Selecting};
use std::collections::BTreeSet;

impl Growing<'_> {
    pub(super) fn schedule(&mut self, host: bool) -> Schedule {
        let domains = self.domains(host);
        if !self.profile.row_values {
            return Schedule::Flat { threads: if host { 1 } else { 64 }, domains };
        }
        let operands: BTreeSet<ValueId> =
            self.kernel.values.iter().filter(|v| v.kind.is_row_value()).flat_map(|v| v.kind.operands()).collect();
        let shape = if host {
            RowShape::of(1, 1)
        } else {
            // A lane keeps at most 512 columns.
            let widest = operands.iter().map(|o| self.kernel.value(*o).space.cols).max().unwrap_or(1);
            let least = widest.div_ceil(512).next_power_of_two() as u32;
            let lanes = self.c.of(&[1, 4, 8, 16, 32, 32, 64, 128, 256]).max(least);
            let ways = [Selecting::InRegisters, Selecting::InMemory, Selecting::Sorted, Selecting::Sorted];
            // Sorted lists are for the lanes of a warp, of any GPU's.
            let selecting = self.c.of(if lanes > 32 { &ways[..2] } else { &ways });
            let shape = RowShape { persistent: self.c.one_in(2), selecting, ..RowShape::of(lanes, lanes.max(64)) };
            let fits = |in_registers| words_of_block(&self.kernel, shape, in_registers) <= MOST_WORDS;
            let fits = selecting != Selecting::Sorted || fits(false) && fits(true);
            if fits { shape } else { RowShape { selecting: Selecting::InRegisters, ..shape } }
        };
        let held = self.kernel.values().filter(|(_, v)| !v.kind.is_row_value()).map(|(id, _)| id);
        let held = held.filter(|id| operands.contains(id) || self.c.percent(30)).collect::<Vec<_>>();
        let may =
            host && Division::of(&self.kernel, &held).is_some() && scratch_bytes(&self.kernel, &held, BLOCK_ROWS) == 0;
        let in_blocks = may && self.c.one_in(2);
        let block_rows = if in_blocks { BLOCK_ROWS } else { 1 };
        Schedule::Row { shapes: vec![shape], block_rows, held, domains }
    }

    /// Stores of equal numbers of columns together, in pieces of any kind that is allowed there.
    fn domains(&mut self, host: bool) -> Vec<Domain> {
        let mut domains: Vec<Domain> = vec![];
        for (i, store) in self.kernel.stores.iter().enumerate() {
            let cols = self.kernel.store_cols(store);
            if let Some(domain) = domains.iter_mut().find(|d| d.cols == cols) {
                domain.stores.push(i as u32);
                continue;
            }
            let flat = !self.profile.row_values;
            let width = self.c.of(&[1u32, 2, 4, 8, 16]);
            let dividing = 1u32 << cols.trailing_zeros().min(width.trailing_zeros());
            let piece = match self.c.below(3) {
                0 if cols == 1 && flat => Piece::Rows { width },
                1 if !host && flat => Piece::AcrossRows { width },
                _ => Piece::InRow { width: if host { width } else { dividing } },
            };
            domains.push(Domain { cols, stores: vec![i as u32], piece });
        }
        domains
    }
}
