//! How rows and columns meet threads: data made by `routefuse-passes`, read by code generation and by the runtime.
//!
//! # Notation
//! Schedules are printed on one line, in dumps and in cache keys:
//!
//! ```text
//! flat threads=256 [cols=8 in_row=4 stores=0,2] [cols=9 across=2 stores=1]
//! row lanes=1 threads=1 block_rows=8 held=v4,v9 [cols=9 in_row=16 stores=0,1,2]
//! row up to 2048 rows: lanes=32 threads=64; more: lanes=4 threads=128 sorted held=v4 [cols=8 in_row=1 stores=0]
//! ```
//!
//! | term | meaning |
//! |---|---|
//! | `flat` | [`Schedule::Flat`]: nothing crosses lanes |
//! | `row` | [`Schedule::Row`]: lanes share a row, compute its row values once and keep them |
//! | `threads=256` | threads of a block; 1 on the host, where one thread loops over rows |
//! | `lanes=32` | the lanes that share a row: [`RowShape::lanes`] |
//! | `at_once rows=4` | [`Schedule::AtOnce`]: one block does rows and then phases, of up to 4 rows |
//! | `in_chunks` | [`Schedule::InChunks`]: of two launches, the first one does rows and counts what they make |
//! | `persistent` | a block goes on with further rows: [`RowShape::persistent`] |
//! | `table=192` | scores come from a table, of which a block has one among 192 KiB that its launch asks for: [`RowShape::table`] |
//! | `lists_in_memory`, `sorted` | how the best columns are found: [`Selecting`]; nothing for [`Selecting::InRegisters`] |
//! | `up to 2048 rows: …; more: …` | several shapes, of which a launch takes the first that is for as many rows as it has |
//! | `block_rows=8` | on the host, rows that are done together: [`Schedule::Row::block_rows`] |
//! | `held=v4,v9` | the values that are computed once a row and kept, beside row values; numbers are the kernel's |
//! | `[cols=8 …]` | a [`Domain`]: stores of 8 columns each, which share threads and values |
//! | `in_row=4` | a thread has 4 neighbouring columns of one row at a time: [`Piece::InRow`] |
//! | `across=2` | a thread has 2 neighbouring elements in row-major order, which may lie in two rows: [`Piece::AcrossRows`] |
//! | `rows=8` | a thread has the one column of 8 neighbouring rows: [`Piece::Rows`] |
//! | `stores=0,2` | positions in [`Kernel::stores`] |
//!
//! A [`Variant`] is printed as `align16/i32` (addresses and strides in bytes are multiples of 16; indices fit 32 bits),
//! `align1/i64` (nothing is assumed), with `/shape1` for the second shape of a row schedule, and so on.

pub mod block_rows;
pub mod code_size;
mod grid;
pub mod holdings;
pub mod in_chunks;
pub mod key_blocks;
pub mod laid;
mod launch_kind;
mod launches;
pub mod room;
mod shape_text;
pub mod sorted;
#[cfg(test)]
mod tests;
pub mod tuning;
mod verify;

use super::phases::FEW_THREADS;
use super::{Kernel, ValueId};
use crate::target::TargetKind;
pub use grid::{MOST_BLOCKS, MOST_HIP_THREADS, most_threads};
pub use launch_kind::LaunchKind;
pub use launches::Launches;
pub use shape_text::{NoShape, shape_of, shapes_text};
use std::fmt;

/// What one thread (or one step of the host's loop) handles of a [`Domain`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// Up to `width` neighbouring columns of one row. On a GPU `width` divides the columns. On the host a row is cut into
    /// pieces of `width` and then of falling powers of two.
    InRow {
        /// Columns, a power of two.
        width: u32,
    },
    /// `width` neighbouring elements in row-major order; they may lie in two or more rows. The last may be short. GPU only.
    AcrossRows {
        /// Elements, a power of two.
        width: u32,
    },
    /// One column (the domain has no other) of `width` neighbouring rows. The last may be short.
    Rows {
        /// Rows, a power of two.
        width: u32,
    },
}

impl Piece {
    /// Its columns, elements or rows: what one thread has as lanes of a vector.
    pub fn width(self) -> u32 {
        match self {
            Piece::InRow { width } | Piece::AcrossRows { width } | Piece::Rows { width } => width,
        }
    }
}

/// Stores of one number of columns, which share the loop and their values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Domain {
    /// Columns of each store.
    pub cols: u64,
    /// Positions in [`Kernel::stores`].
    pub stores: Vec<u32>,
    /// What one thread handles.
    pub piece: Piece,
}

impl Domain {
    /// `(n, parts)`: a row is n of as many pieces as make `parts` rows.
    pub fn pieces_of_a_row(&self) -> (u64, u64) {
        match self.piece {
            Piece::InRow { width } => (self.cols.div_ceil(u64::from(width)), 1),
            Piece::AcrossRows { width } => (self.cols, u64::from(width)),
            Piece::Rows { width } => (1, u64::from(width)),
        }
    }

    /// The pieces of this many rows. `None` if they do not fit 63 bits.
    pub fn pieces(&self, rows: u64) -> Option<u64> {
        let (times, parts) = self.pieces_of_a_row();
        Some(rows.checked_mul(times)?.div_ceil(parts)).filter(|&n| n <= i64::MAX as u64)
    }
}

/// How a kernel's work meets the machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Schedule {
    /// Nothing crosses lanes. Thread p handles piece p of every domain that has one; on the host, one thread loops over
    /// rows.
    Flat {
        /// Threads a block; 1 on the host.
        threads: u32,
        /// Every store is in one of them.
        domains: Vec<Domain>,
    },
    /// Lanes share a row, as a team. Row values and the values in `held` are computed once a row and kept: on a GPU in the
    /// lanes' registers, on the host, where one lane has the whole row, on the stack,
    /// or in scratch memory where that would be too much. What else a store asks for is pulled.
    Row {
        /// At least one and at most [`MOST_SHAPES`], for more and more rows: the first ones have short chains of dependent
        /// instructions, the last ones few instructions a row.
        shapes: Vec<RowShape>,
        /// On the host, rows that are done together: [`block_rows::BLOCK_ROWS`], of which what is narrow has one in each lane
        /// and the rest is as [`block_rows`] says; the rows that are left over are done one by one, or as
        /// [`block_rows::Division::repeats_last_row`] says. 1: all are done one by one.
        block_rows: u32,
        /// Ascending; without the row values themselves.
        held: Vec<ValueId>,
        /// Every store is in one of them; all pieces are [`Piece::InRow`].
        domains: Vec<Domain>,
    },
    /// Phases in one launch or in two ([`phases`](super::phases)), on a GPU.
    Phased {
        /// The most rows of a launch of one block of [`FEW_THREADS`] that does nothing for each bin; none where there is no such launch.
        few_rows: Option<u64>,
        /// Threads of a block, whole warps: of one launch, and of two.
        threads: [u32; 2],
        /// The most rows of one launch, in which every block goes through all items, or one block where no row asks for counts
        /// ([`counts_alone`](super::analysis::counts_alone)); more of them are two.
        most_rows: u64,
        /// Which of them there are.
        launches: Launches,
        /// Rows for which a launch takes one block more, up to [`MOST_CHUNKS`](super::phases::MOST_CHUNKS) of them: of one launch,
        /// and of two.
        rows_of_a_block: [u64; 2],
        /// Warps of a block that share its items where there are two launches, a power of two; else one has them.
        warps: u32,
        /// For each phase, every store is in one of them.
        domains: Vec<Vec<Domain>>,
    },
    /// One block that does all rows of its first phase, as [`Schedule::Row`] would, and then the phases of the few items that they
    /// make, on a GPU.
    AtOnce {
        /// The most rows of a launch.
        rows: u64,
        /// How lanes share rows. Its threads are those of the block: they have a row each, and some are left for what no row is
        /// needed for.
        shape: RowShape,
        /// Of the first phase, as [`Schedule::Row::held`].
        held: Vec<ValueId>,
        /// For each phase, every store is in one of them.
        domains: Vec<Vec<Domain>>,
    },
    /// Two launches, on a GPU: in the first one each block does some neighbouring rows of the first phase, as [`Schedule::Row`] would,
    /// and counts the items that they make, which are its chunk. The second one is that of [`Schedule::Phased`].
    InChunks {
        /// Rows for which both launches take one block more, up to [`MOST_CHUNKS`](super::phases::MOST_CHUNKS) of them.
        rows_of_a_block: u64,
        /// How lanes share rows in the first launch. A block goes through its rows in a loop.
        shape: RowShape,
        /// Threads of a block of the second launch, whole warps.
        threads: u32,
        /// Warps of such a block that share its items, a power of two.
        warps: u32,
        /// Of the first phase, as [`Schedule::Row::held`].
        held: Vec<ValueId>,
        /// For each phase, every store is in one of them.
        domains: Vec<Vec<Domain>>,
    },
}

/// What one launch of phases is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The whole kernel.
    Whole,
    /// The first of two: each block counts a chunk of the items.
    Counting,
    /// The second of two.
    Placing,
    /// The whole kernel, of few items.
    Few,
}

impl Part {
    /// That of a variant of this shape.
    pub fn of_shape(shape: u8) -> Option<Part> {
        [Part::Whole, Part::Counting, Part::Placing, Part::Few].get(usize::from(shape)).copied()
    }
}

/// The most shapes of one row schedule: each is compiled.
pub const MOST_SHAPES: usize = 4;

/// How lanes find the best columns of a segment. Each way gives the same columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Selecting {
    /// A round for each of the chosen, over sorted lists of (key, column) in the lanes' registers: the shortest chain of
    /// dependent instructions.
    #[default]
    InRegisters,
    /// The same over lists in shared memory, where they are of a length for which that takes fewer instructions.
    InMemory,
    /// Lists of keys alone are sorted, merged, and exchanged between the lanes; the chosen keys' columns are found afterwards.
    /// The fewest instructions a row where a row has few lanes.
    Sorted,
}

/// How lanes share rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowShape {
    /// Lanes of a row, a power of two; 1 on the host. Up to a warp they talk by shuffles; more (the *block* schedule: all
    /// threads of a block) through shared memory.
    pub lanes: u32,
    /// Threads of a block, a multiple of `lanes` and, on a GPU, of the warp.
    pub threads: u32,
    /// A block goes on with the rows that lie a whole grid further, so that any grid will do; else it has
    /// [`RowShape::rows`] rows.
    pub persistent: bool,
    /// How the best columns are found.
    pub selecting: Selecting,
    /// KiB of shared memory of a block that looks [scores up in a table](crate::kernel::analysis::score_table), which its launch asks
    /// for; 0 where all that is computed is computed.
    pub table: u32,
    /// The most rows of a launch for which this shape is taken; none for the last shape.
    pub most_rows: Option<u64>,
}

impl Schedule {
    /// Threads a block.
    pub fn threads(&self, variant: Variant) -> u32 {
        match self {
            Schedule::Flat { threads, .. } => *threads,
            Schedule::Phased { .. } if Part::of_shape(variant.shape) == Some(Part::Few) => FEW_THREADS,
            Schedule::Phased { threads, .. } => threads[usize::from(variant.shape > 0)],
            Schedule::AtOnce { shape, .. } => shape.threads,
            Schedule::InChunks { shape, threads, .. } => {
                if variant.shape == 0 {
                    shape.threads
                } else {
                    *threads
                }
            }
            Schedule::Row { .. } => self.shape(variant).map_or(1, |s| s.threads),
        }
    }

    /// Bytes of shared memory that a launch asks for, beside what the code says itself.
    pub fn dynamic_shared_bytes(&self, variant: Variant) -> u32 {
        self.shape(variant).map_or(0, |shape| shape.table << 10)
    }

    /// The shape of a row schedule.
    pub fn shape(&self, variant: Variant) -> Option<RowShape> {
        match self {
            Schedule::Flat { .. } | Schedule::Phased { .. } => None,
            Schedule::AtOnce { shape, .. } => Some(*shape),
            Schedule::InChunks { shape, .. } => (variant.shape == 0).then_some(*shape),
            Schedule::Row { shapes, .. } => shapes.get(usize::from(variant.shape)).copied(),
        }
    }

    /// Its domains: every store is in one of them. Those of phases are not here.
    pub fn domains(&self) -> &[Domain] {
        match self {
            Schedule::Phased { .. } | Schedule::AtOnce { .. } | Schedule::InChunks { .. } => &[],
            Schedule::Flat { domains, .. } | Schedule::Row { domains, .. } => domains,
        }
    }

    /// The values that it holds, ascending, beside row values; a flat schedule holds none.
    pub fn held(&self) -> &[ValueId] {
        match self {
            Schedule::Flat { .. } | Schedule::Phased { .. } => &[],
            Schedule::Row { held, .. } | Schedule::AtOnce { held, .. } | Schedule::InChunks { held, .. } => held,
        }
    }

    /// Rows that the host's loop does together.
    pub fn block_rows(&self) -> u32 {
        match self {
            Schedule::Row { block_rows, .. } => *block_rows,
            _ => 1,
        }
    }

    /// The same, but for which values it holds; a flat schedule as it is.
    pub fn with_held(mut self, values: Vec<ValueId>) -> Schedule {
        if let Schedule::Row { held, .. } | Schedule::AtOnce { held, .. } | Schedule::InChunks { held, .. } = &mut self
        {
            *held = values;
        }
        self
    }

    /// `(times, per_block)`: a launch over r rows takes ⌈r × times / per_block⌉ blocks. `None` if the numbers do not fit, and of
    /// phases, whose blocks are not as many as the rows ask for.
    pub fn blocks_of_rows(&self, variant: Variant) -> Option<(u64, u64)> {
        match self {
            Schedule::Flat { threads, domains } => {
                // Pieces of a row as a fraction; the domain with the most of them decides, for any number of rows.
                let wide = |x: u64, y: u64| u128::from(x) * u128::from(y);
                let pieces = domains.iter().map(Domain::pieces_of_a_row);
                let (times, parts) = pieces.max_by(|a, b| wide(a.0, b.1).cmp(&wide(b.0, a.1)))?;
                Some((times, parts.checked_mul(u64::from(*threads))?))
            }
            Schedule::Row { .. } => Some((1, u64::from(self.shape(variant)?.rows()))),
            Schedule::Phased { .. } | Schedule::AtOnce { .. } | Schedule::InChunks { .. } => None,
        }
    }

    /// Its shapes, for more and more rows; only a row schedule has any.
    pub fn shapes(&self) -> &[RowShape] {
        match self {
            Schedule::Row { shapes, .. } => shapes,
            _ => &[],
        }
    }

    /// The number of the shape that a launch over this many rows takes: [`Variant::shape`].
    pub fn shape_for(&self, rows: u64) -> u8 {
        let fewer = self.shapes().iter().filter(|s| s.most_rows.is_some_and(|most| most < rows));
        fewer.count() as u8
    }

    /// The same with this shape alone, for any number of rows; a flat schedule as it is.
    pub fn with_shape(self, shape: RowShape) -> Schedule {
        self.with_shapes(vec![shape.any_rows()])
    }

    /// The same with these shapes; a flat schedule as it is.
    pub fn with_shapes(mut self, list: Vec<RowShape>) -> Schedule {
        if let Schedule::Row { shapes, .. } = &mut self {
            *shapes = list;
        }
        self
    }

    /// Blocks of a launch over this many rows; `None` if there are more than a grid takes ([`MOST_BLOCKS`]). A persistent shape may
    /// be launched with fewer: see [`Schedule::grid`].
    pub fn blocks(&self, rows: u64, variant: Variant) -> Option<u64> {
        Some(self.grid(rows, variant, || u64::MAX)?.max(self.least_blocks())).filter(|&blocks| blocks <= MOST_BLOCKS)
    }
}

impl RowShape {
    /// For any number of rows, each block for its own, with lists in registers.
    pub fn of(lanes: u32, threads: u32) -> RowShape {
        RowShape { lanes, threads, persistent: false, selecting: Selecting::InRegisters, table: 0, most_rows: None }
    }

    /// The same for any number of rows.
    pub fn any_rows(self) -> RowShape {
        RowShape { most_rows: None, ..self }
    }

    /// Rows that a block has at a time.
    pub fn rows(self) -> u32 {
        self.threads / self.lanes
    }
}

fn write_domains(f: &mut fmt::Formatter<'_>, domains: &[Domain]) -> fmt::Result {
    for d in domains {
        let (kind, width) = match d.piece {
            Piece::InRow { width } => ("in_row", width),
            Piece::AcrossRows { width } => ("across", width),
            Piece::Rows { width } => ("rows", width),
        };
        write!(f, " [cols={} {kind}={width} stores=", d.cols)?;
        let stores: Vec<String> = d.stores.iter().map(u32::to_string).collect();
        write!(f, "{}]", stores.join(","))?;
    }
    Ok(())
}

fn write_phases(f: &mut fmt::Formatter<'_>, domains: &[Vec<Domain>]) -> fmt::Result {
    domains.iter().try_for_each(|of_phase| {
        write!(f, " phase")?;
        write_domains(f, of_phase)
    })
}

fn held_text(held: &[ValueId]) -> String {
    held.iter().map(|v| format!("v{}", v.0)).collect::<Vec<_>>().join(",")
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Flat { threads, domains } => {
                write!(f, "flat threads={threads}")?;
                write_domains(f, domains)
            }
            Schedule::Row { shapes, block_rows, held, domains } => {
                write!(f, "row {}", shapes_text(shapes))?;
                if *block_rows > 1 {
                    write!(f, " block_rows={block_rows}")?;
                }
                write!(f, " held={}", held_text(held))?;
                write_domains(f, domains)
            }
            Schedule::Phased {
                few_rows,
                threads: [whole, parts],
                most_rows,
                launches,
                rows_of_a_block: [one, two],
                warps,
                domains,
            } => {
                write!(f, "phased")?;
                if let Some(rows) = few_rows {
                    write!(f, " few_rows={rows}")?;
                }
                write!(f, " threads={whole},{parts} most_rows={most_rows}")?;
                f.write_str(match launches {
                    Launches::Any => "",
                    Launches::One => " one_launch",
                    Launches::Two => " two_launches",
                })?;
                write!(f, " rows_of_a_block={one},{two} warps={warps}")?;
                write_phases(f, domains)
            }
            Schedule::InChunks { rows_of_a_block, shape, threads, warps, held, domains } => {
                write!(f, "in_chunks rows_of_a_block={rows_of_a_block} {shape}, threads={threads} warps={warps}")?;
                write!(f, " held={}", held_text(held))?;
                write_phases(f, domains)
            }
            Schedule::AtOnce { rows, shape, held, domains } => {
                write!(f, "at_once rows={rows} {shape} held={}", held_text(held))?;
                write_phases(f, domains)
            }
        }
    }
}

/// What is assumed of addresses and sizes at launch. A plan has a handful of these, all built by `prepare`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Variant {
    /// Every base address, and every row stride in bytes, is a multiple of 16.
    pub aligned: bool,
    /// Every element offset fits 31 bits, so 32-bit index arithmetic does.
    pub narrow: bool,
    /// The number of the row schedule's shape; 0 for a flat schedule.
    pub shape: u8,
}

impl Variant {
    /// The variants of a flat schedule on a GPU, the most special first.
    pub const GPU: [Variant; 4] = [
        Variant { aligned: true, narrow: true, shape: 0 },
        Variant { aligned: false, narrow: true, shape: 0 },
        Variant { aligned: true, narrow: false, shape: 0 },
        Variant { aligned: false, narrow: false, shape: 0 },
    ];

    /// The variants of a row schedule on a GPU, two a shape, of as many shapes as there may be.
    pub const GPU_ROW: [Variant; 2 * MOST_SHAPES] = {
        let mut variants = [Variant::GPU[0]; 2 * MOST_SHAPES];
        let mut i = 0;
        while i < variants.len() {
            let assumed = if i % 2 == 0 { Variant::GPU[0] } else { Variant::GPU[3] };
            variants[i] = Variant { shape: (i / 2) as u8, ..assumed };
            i += 1;
        }
        variants
    };

    /// The one variant of a host kernel: unaligned vector accesses cost nothing there.
    pub const HOST: [Variant; 1] = [Variant { aligned: false, narrow: false, shape: 0 }];
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (aligned, index) =
            (if self.aligned { "align16" } else { "align1" }, if self.narrow { "i32" } else { "i64" });
        write!(f, "{aligned}/{index}")?;
        if self.shape > 0 { write!(f, "/shape{}", self.shape) } else { Ok(()) }
    }
}

/// A kernel with its schedule for one target. Code generation takes it [verified](Scheduled::verify).
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// The kernel.
    pub kernel: crate::Verified<Kernel>,
    /// Its schedule.
    pub schedule: Schedule,
    /// The target the schedule was made for.
    pub target: crate::target::Target,
}

impl Scheduled {
    /// Bytes of scratch memory that a call of the compiled code takes: see [`room::scratch_bytes`]. 0 for a GPU.
    pub fn scratch_bytes(&self) -> u64 {
        match (self.target.kind(), &self.schedule) {
            (TargetKind::Host, Schedule::Row { held, block_rows, .. }) => {
                room::scratch_bytes(&self.kernel, held, *block_rows)
            }
            _ => 0,
        }
    }

    /// What compiled code may assume at launch: see [`Schedule::variants`].
    pub fn variants(&self) -> &'static [Variant] {
        self.schedule.variants(self.target.kind())
    }
}
