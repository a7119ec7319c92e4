//! The rows that make the items, in the block that then does the phases of them, or counts them.
//!
//! Of few rows, warps have as many as there are, and the other warps meanwhile store what no row is needed for. What phases read of
//! rows is in the block's memory behind a barrier. Of many rows each block has a chunk, which its warps go through.

use super::Phased;
use crate::emit::peephole::Peepholes;
use crate::emit::row;
use crate::mlir::builder::Val;
use routefuse_ir::kernel::phases::Phase;
use routefuse_ir::kernel::schedule::RowShape;

/// Threads that share some work: the own number among them, and how many they are, `i64`.
#[derive(Clone, Copy)]
pub(super) struct Share<'m> {
    pub(super) thread: Val<'m>,
    pub(super) threads: Val<'m>,
}

impl<'m> Phased<'_, 'm> {
    /// All threads of the block.
    pub(super) fn everyone(&self) -> Share<'m> {
        Share { thread: self.thread, threads: self.long(self.threads.into()) }
    }

    /// Does the rows, and gives the threads that have none: numbers of others are negative.
    pub(super) fn do_rows(&self, phase: &Phase, (shape, peepholes): (RowShape, Peepholes)) -> Share<'m> {
        let b = self.b;
        let rows = match phase.kernel.rows {
            Some(symbol) => self.arguments.extent(phase.symbols[symbol.0 as usize]),
            None => self.long(1),
        };
        b.direct_loops(None);
        let domains = &self.domains[0];
        let arguments = self.arguments_of(phase);
        let how = row::gpu::Begun::Launch;
        row::gpu::emit_rows(self.job_of(phase), self.warps, shape, (domains, peepholes), arguments, how);
        b.direct_loops(self.job.machine.keeps_loop());
        // Whole warps have rows.
        let lanes = self.warps.lanes();
        let of_a_warp = u64::from(lanes / shape.lanes);
        let warps = b.shrui(b.addi(rows, self.long(of_a_warp - 1)), self.long(of_a_warp.trailing_zeros().into()));
        let busy = b.shli(warps, self.long(lanes.trailing_zeros().into()));
        Share { thread: b.subi(self.thread, busy), threads: b.subi(self.long(self.threads.into()), busy) }
    }

    /// Does the rows of the block's chunk, the first one and those before the last, of the index type. Ids are there behind a barrier.
    pub(super) fn do_rows_of_chunk(&self, phase: &Phase, (first, end): (Val<'m>, Val<'m>)) {
        let Some((shape, peepholes)) = self.first else { return };
        let b = self.b;
        let long = |row: Val<'m>| if b.type_of(row) == b.int(64) { row } else { b.extui(row, b.int(64)) };
        b.direct_loops(None);
        let how = row::gpu::Begun::Rows { first: long(first), end: long(end) };
        let arguments = self.arguments_of(phase);
        row::gpu::emit_rows(self.job_of(phase), self.warps, shape, (&self.domains[0], peepholes), arguments, how);
        b.direct_loops(self.job.machine.keeps_loop());
    }
}
