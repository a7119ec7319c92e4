//! About how much machine code a schedule of a kernel makes: what bounds the time that compiling it takes.
//!
//! Code generation writes out a value once for every place at which it is asked for: for each piece of columns, and for each
//! map of columns or index on the way to it. So a kernel of a few values can be much code.
//! [`CodeSize`] walks the kernel as code generation does, and counts instead of emitting. The count is an estimate, of
//! roughly the machine instructions, and it is a function of the kernel, the schedule and the kind of target alone: no
//! clock, no compiler.
//!
//! The walk ends as soon as the count passes a limit, so a kernel that would be refused is known in as many steps as one
//! that just fits.

mod columns;
mod fits;
mod gpu;
mod host;
#[cfg(test)]
mod tests;
mod walk;

use super::Scheduled;
use super::block_rows::Division;
use super::{Schedule, Variant};
use crate::kernel::{Kernel, ValueId};
use crate::target::{Target, TargetKind};
use walk::Walk;

/// The most instructions, as [`CodeSize`] counts them, of one variant of one kernel. LLVM takes less than ten seconds for as
/// many on one core of a server of 2023, its slowest passes on the worst kernels included. The routers and chains that
/// engines run have at most 4,000.
pub const MOST_INSTRUCTIONS: u64 = 25_000;

/// The most bytes of vectors that a host kernel has at once because it reads all before it stores any: what does not fit the
/// registers lies in its frame, which has [`MOST_FRAME`](super::room::MOST_FRAME) bytes in all.
pub const MOST_STORED: u64 = 32 << 10;

/// The most values that lie one behind the other between a store and what it reads: code generation goes from a value to its
/// operands on the stack of the thread that compiles, of which a thread of a pool has 2 MiB.
pub const MOST_DEPTH: u64 = 256;

/// The keys that a lane of a GPU sorts together at most; more are several lists.
pub const LIST: u64 = 16;

/// The rounds of a GPU's selection that are written out at most; more are a loop.
pub const UNROLLED: u64 = 64;

/// The count for some stores of a kernel.
pub struct CodeSize<'k> {
    walk: Walk<'k>,
    schedule: &'k Schedule,
    target: Target,
    variant: Variant,
    /// Of rows that the host does in blocks.
    division: Option<Division<'k>>,
}

impl<'k> CodeSize<'k> {
    /// Nothing of the kernel yet, in one variant of its schedule for the target.
    pub fn new(kernel: &'k Kernel, schedule: &'k Schedule, target: Target, variant: Variant) -> CodeSize<'k> {
        CodeSize::with_limit(MOST_INSTRUCTIONS, kernel, (schedule, target), variant)
    }

    fn with_limit(
        limit: u64,
        kernel: &'k Kernel,
        (schedule, target): (&'k Schedule, Target),
        variant: Variant,
    ) -> CodeSize<'k> {
        let in_blocks = schedule.block_rows() > 1;
        let division = if in_blocks { Division::of(kernel, schedule.held()) } else { None };
        CodeSize { walk: Walk::new(kernel, target, limit), schedule, target, variant, division }
    }

    /// The count for all stores of the kernel, which ends where there are more instructions than `limit`.
    pub fn up_to(limit: u64, scheduled: &'k Scheduled, variant: Variant) -> CodeSize<'k> {
        let Scheduled { kernel, schedule, target } = scheduled;
        let mut size = CodeSize::with_limit(limit, kernel, (schedule, *target), variant);
        size.add_stores();
        size
    }

    /// Adds all stores.
    pub fn add_stores(&mut self) {
        stores_by_domain(self.walk.kernel).into_iter().for_each(|store| self.add_store(store));
    }

    /// Adds what a store needs beyond what is there for the others. Stores of one domain come one after the other: see
    /// [`stores_by_domain`].
    pub fn add_store(&mut self, position: usize) {
        match self.target.kind() {
            TargetKind::Host => host::add_store(&mut self.walk, self.schedule, self.division.as_ref(), position),
            TargetKind::Nvptx | TargetKind::Amdgpu => {
                gpu::add_store(&mut self.walk, (self.schedule, self.variant), self.target, position);
            }
        }
    }

    /// The instructions, about. More than the limit of the count means only that: the rest is not counted.
    pub fn instructions(&self) -> u64 {
        self.walk.total
    }

    /// Whether it is more than a kernel may have.
    pub fn is_too_large(&self) -> bool {
        self.walk.total > MOST_INSTRUCTIONS || self.walk.most_stored > MOST_STORED
    }

    /// Bytes that the host has at once before it stores the first of them: see [`MOST_STORED`].
    pub fn stored_at_once(&self) -> u64 {
        self.walk.most_stored
    }

    /// The value that most of the instructions are for, with their number.
    pub fn largest(&self) -> Option<(ValueId, u64)> {
        let (position, count) = self.walk.of_value.iter().enumerate().max_by_key(|(_, n)| **n)?;
        (*count > 0).then_some((ValueId(position as u32), *count))
    }
}

/// The stores of a kernel as positions, with those of one number of columns, which share a loop, one after the other; among them
/// those of one value.
pub fn stores_by_domain(kernel: &Kernel) -> Vec<usize> {
    let mut order: Vec<usize> = (0..kernel.stores.len()).collect();
    order.sort_by_cached_key(|position| {
        let store = &kernel.stores[*position];
        let first = kernel.stores.iter().position(|other| other.value == store.value);
        (kernel.store_cols(store), first, *position)
    });
    order
}

/// Of every value, how many values lie one behind the other on the longest way from it to what is read; a held value or a row
/// value is there when it is asked for, so it is the first on the ways of its users.
pub fn depths(kernel: &Kernel, held: &[ValueId]) -> Vec<u64> {
    let mut depths: Vec<u64> = Vec::with_capacity(kernel.values.len());
    for (_, value) in kernel.values() {
        let behind = |o: &ValueId| {
            let there = kernel.value(*o).kind.is_row_value() || held.binary_search(o).is_ok();
            if there { 1 } else { depths[o.0 as usize] }
        };
        depths.push(1 + value.kind.operands().iter().map(behind).max().unwrap_or(0));
    }
    depths
}
