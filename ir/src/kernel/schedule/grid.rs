//! What a launch of a kernel is on a GPU: how many blocks, as numbers and as [formulas](crate::formula).

use super::{Part, Schedule, Selecting, Variant};
use crate::formula::Count;
use crate::kernel::phases::MOST_CHUNKS;
use crate::target::TargetKind;

/// The most blocks of a grid.
pub const MOST_BLOCKS: u64 = 2_147_483_647;

/// The most threads of a launch by HIP: `hipModuleLaunchKernel` takes fewer than 2³² in each dimension of a grid.
pub const MOST_HIP_THREADS: u64 = u32::MAX as u64;

/// The most threads of a launch, of all blocks together; `u64::MAX` where only the number of blocks has a limit.
pub const fn most_threads(kind: TargetKind) -> u64 {
    match kind {
        TargetKind::Amdgpu => MOST_HIP_THREADS,
        TargetKind::Host | TargetKind::Nvptx => u64::MAX,
    }
}

impl Schedule {
    /// Blocks of a launch over this many rows, more than none. `resident` is how many the GPU has at once, which bounds the grid of
    /// a [persistent](super::RowShape::persistent) shape. `None` if the numbers do not fit 63 bits.
    pub fn grid<C: Count>(&self, rows: C, variant: Variant, resident: impl FnOnce() -> C) -> Option<C> {
        match self.blocks_of_phases(variant) {
            Some((_, 1)) => return Some(C::number(1)),
            Some((of_a_block, most)) => return Some(rows.divided_up(of_a_block).at_most(C::number(most))),
            None => {}
        }
        let (times, per_block) = self.blocks_of_rows(variant)?;
        let blocks = rows.times(times)?.divided_up(per_block);
        Some(if self.is_persistent(variant) { blocks.at_most(resident()) } else { blocks })
    }

    /// Of phases, the rows for which a launch takes one block more, and the most blocks that it takes.
    pub fn blocks_of_phases(&self, variant: Variant) -> Option<(u64, u64)> {
        if matches!(self, Schedule::AtOnce { .. }) {
            return Some((1, 1));
        }
        if let Schedule::InChunks { rows_of_a_block, .. } = self {
            return Some(((*rows_of_a_block).max(1), MOST_CHUNKS));
        }
        let Schedule::Phased { rows_of_a_block: [whole, parts], .. } = self else { return None };
        Some(match Part::of_shape(variant.shape)? {
            Part::Few => (1, 1),
            Part::Whole => ((*whole).max(1), MOST_CHUNKS),
            Part::Counting | Part::Placing => ((*parts).max(1), MOST_CHUNKS),
        })
    }

    /// A grid strides over the rows: it is best as large as what is resident at once, and no larger.
    pub fn is_persistent(&self, variant: Variant) -> bool {
        self.shape(variant).is_some_and(|shape| shape.persistent)
    }

    /// The most blocks of a launch that is quicker as a programmatic dependent, on a GPU with so many multiprocessors. Blocks that
    /// come early where there is no multiprocessor for each of them crowd on a few, and are late there: an H100 then takes up to a
    /// fifth longer than without. Where rows are few, the kernel in front lets them go near its end, and blocks are small.
    ///
    /// Rows of chunks are all there at once, and what is longest about its rows says how long the launch is: crowded blocks are.
    ///
    /// `None` past 63 bits.
    pub fn most_dependent<C: Count>(&self, variant: Variant, multiprocessors: C) -> Option<C> {
        if matches!(self, Schedule::InChunks { .. }) && variant.shape == 0 {
            return Some(C::number(0));
        }
        let of_few = self.shape(variant).is_some_and(|shape| shape.selecting == Selecting::InRegisters);
        multiprocessors.times(if of_few { 4 } else { 1 })
    }

    /// Whether a launch of however many blocks lets the one behind it go when that is quicker, and not before. On an H100 the second
    /// launch of a router with an alignment ends 0.3 to 0.6 µs earlier as a dependent, behind up to 4,096 blocks.
    pub fn leads(&self) -> bool {
        matches!(self, Schedule::Row { .. })
    }

    /// The fewest blocks of a launch: phases have something to do for no rows, too.
    pub fn least_blocks(&self) -> u64 {
        u64::from(matches!(self, Schedule::Phased { .. } | Schedule::AtOnce { .. } | Schedule::InChunks { .. }))
    }

    /// Which of the launches that follow each other the one of this variant is, counted from 0.
    pub fn part(&self, variant: Variant) -> u8 {
        variant.shape - self.shapes_beside(variant.shape).start()
    }

    /// The rows of the launches that take a shape, by its number: at least, and at most. Without rows only phases are launched.
    pub fn rows_of_shape(&self, number: u8) -> (u64, Option<u64>) {
        if let Schedule::InChunks { .. } = self {
            return (0, None);
        }
        if let Schedule::Phased { few_rows, most_rows, .. } = self {
            return match Part::of_shape(number) {
                Some(Part::Few) => (0, *few_rows),
                Some(Part::Whole) => (few_rows.map_or(0, |few| few.saturating_add(1)), Some(*most_rows)),
                _ => (most_rows.saturating_add(1), None),
            };
        }
        if let Schedule::AtOnce { rows, .. } = self {
            return (0, Some(*rows));
        }
        let number = usize::from(number);
        let shapes = self.shapes();
        let before = shapes[..number.min(shapes.len())].iter().filter_map(|s| s.most_rows).max();
        (before.map_or(1, |most| most.saturating_add(1)), shapes.get(number).and_then(|s| s.most_rows))
    }
}
