//! How rows and columns meet threads: data made by `routefuse-passes`, read by code generation and by the runtime.
//!
//! # Notation
//! Schedules are printed on one line, in dumps and in cache keys:
//!
//! ```text
//! flat threads=256 [cols=8 in_row=4 stores=0,2] [cols=9 across=2 stores=1]
//! row lanes=1 threads=1 held=v4,v9 [cols=9 in_row=16 stores=0,1,2]
//! row up to 2048 rows: lanes=32 threads=64; more: lanes=16 threads=128 held=v4 [cols=8 in_row=1 stores=0]
//! ```
//!
//! | term | meaning |
//! |---|---|
//! | `flat` | [`Schedule::Flat`]: nothing crosses lanes |
//! | `row` | [`Schedule::Row`]: lanes share a row, compute its row values once and keep them |
//! | `threads=256` | threads of a block; 1 on the host, where one thread loops over rows |
//! | `lanes=32` | the lanes that share a row: [`RowShape::lanes`] |
//! | `persistent` | a block goes on with further rows: [`RowShape::persistent`] |
//! | `up to 2048 rows: …; more: …` | two shapes, of which a launch chooses one by its number of rows |
//! | `held=v4,v9` | the values that are computed once a row and kept, beside row values; numbers are the kernel's |
//! | `[cols=8 …]` | a [`Domain`]: stores of 8 columns each, which share threads and values |
//! | `in_row=4` | a thread has 4 neighbouring columns of one row at a time: [`Piece::InRow`] |
//! | `across=2` | a thread has 2 neighbouring elements in row-major order, which may lie in two rows: [`Piece::AcrossRows`] |
//! | `rows=8` | a thread has the one column of 8 neighbouring rows: [`Piece::Rows`] |
//! | `stores=0,2` | positions in [`Kernel::stores`] |
//!
//! A [`Variant`] is printed as `align16/i32` (addresses and strides in bytes are multiples of 16; indices fit 32 bits),
//! `align1/i64` (nothing is assumed), with `/few` for the shape of few rows.

pub mod code_size;
pub mod room;
#[cfg(test)]
mod tests;
mod verify;

use super::{Kernel, ValueId};
use crate::target::TargetKind;
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
    fn pieces_of_a_row(&self) -> (u64, u64) {
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
        /// For up to `few_rows` rows: short chains of dependent instructions.
        few: RowShape,
        /// For more: few instructions a row.
        many: RowShape,
        /// The most rows for which `few` is chosen; 0 where both are one.
        few_rows: u64,
        /// Ascending; without the row values themselves.
        held: Vec<ValueId>,
        /// Every store is in one of them; all pieces are [`Piece::InRow`].
        domains: Vec<Domain>,
    },
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
}

impl Schedule {
    /// Threads a block.
    pub fn threads(&self, variant: Variant) -> u32 {
        match self {
            Schedule::Flat { threads, .. } => *threads,
            Schedule::Row { .. } => self.shape(variant).map_or(1, |s| s.threads),
        }
    }

    /// The shape of a row schedule.
    pub fn shape(&self, variant: Variant) -> Option<RowShape> {
        match self {
            Schedule::Flat { .. } => None,
            Schedule::Row { few, many, .. } => Some(if variant.few { *few } else { *many }),
        }
    }

    /// Its domains: every store is in one of them.
    pub fn domains(&self) -> &[Domain] {
        match self {
            Schedule::Flat { domains, .. } | Schedule::Row { domains, .. } => domains,
        }
    }

    /// The values that it holds, ascending, beside row values; a flat schedule holds none.
    pub fn held(&self) -> &[ValueId] {
        match self {
            Schedule::Flat { .. } => &[],
            Schedule::Row { held, .. } => held,
        }
    }

    /// The same, but for which values it holds; a flat schedule as it is.
    pub fn with_held(mut self, values: Vec<ValueId>) -> Schedule {
        if let Schedule::Row { held, .. } = &mut self {
            *held = values;
        }
        self
    }

    /// `(times, per_block)`: a launch over r rows takes ⌈r × times / per_block⌉ blocks. `None` if the numbers do not fit.
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
        }
    }

    /// The most rows for which variants of few rows are chosen; 0 if there are none.
    pub fn few_rows(&self) -> u64 {
        match self {
            Schedule::Flat { .. } => 0,
            Schedule::Row { few_rows, .. } => *few_rows,
        }
    }

    /// Blocks of a launch over this many rows; `None` if there are more than a grid takes (2³¹ − 1). A persistent shape may
    /// be launched with fewer.
    pub fn blocks(&self, rows: u64, variant: Variant) -> Option<u64> {
        let blocks = match self {
            Schedule::Flat { threads, domains } => {
                let most = domains.iter().map(|d| d.pieces(rows)).try_fold(0, |m, n| Some(n?.max(m)))?;
                most.div_ceil(u64::from(*threads))
            }
            Schedule::Row { .. } => {
                let shape = self.shape(variant)?;
                rows.div_ceil(u64::from(shape.threads / shape.lanes))
            }
        };
        Some(blocks).filter(|&b| b < 1 << 31)
    }

    /// What compiled code may assume at launch, the most special first; the last of each `few` assumes nothing else.
    pub fn variants(&self, kind: TargetKind) -> &'static [Variant] {
        match (kind, self) {
            (TargetKind::Host, _) => &Variant::HOST,
            (_, Schedule::Flat { .. }) => &Variant::GPU,
            (_, Schedule::Row { few_rows: 0, .. }) => &Variant::GPU_ROW,
            (_, Schedule::Row { .. }) => &Variant::GPU_FEW_AND_MANY,
        }
    }
}

impl RowShape {
    /// Rows that a block has at a time.
    pub fn rows(self) -> u32 {
        self.threads / self.lanes
    }
}

impl fmt::Display for RowShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grid = if self.persistent { " persistent" } else { "" };
        write!(f, "lanes={} threads={}{grid}", self.lanes, self.threads)
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

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Flat { threads, domains } => {
                write!(f, "flat threads={threads}")?;
                write_domains(f, domains)
            }
            Schedule::Row { few, many, few_rows, held, domains } => {
                write!(f, "row")?;
                if *few_rows > 0 {
                    write!(f, " up to {few_rows} rows: {few}; more:")?;
                }
                write!(f, " {many} held=")?;
                let held: Vec<String> = held.iter().map(|v| format!("v{}", v.0)).collect();
                write!(f, "{}", held.join(","))?;
                write_domains(f, domains)
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
    /// The shape of a row schedule for few rows.
    pub few: bool,
}

impl Variant {
    /// The variants of a flat schedule on a GPU, the most special first.
    pub const GPU: [Variant; 4] = [
        Variant { aligned: true, narrow: true, few: false },
        Variant { aligned: false, narrow: true, few: false },
        Variant { aligned: true, narrow: false, few: false },
        Variant { aligned: false, narrow: false, few: false },
    ];

    /// The variants of a row schedule of one shape on a GPU.
    pub const GPU_ROW: [Variant; 2] = [Variant::GPU[0], Variant::GPU[3]];

    /// The variants of a row schedule of two shapes on a GPU.
    pub const GPU_FEW_AND_MANY: [Variant; 4] = [
        Variant { few: true, ..Variant::GPU[0] },
        Variant { few: true, ..Variant::GPU[3] },
        Variant::GPU[0],
        Variant::GPU[3],
    ];

    /// The one variant of a host kernel: unaligned vector accesses cost nothing there.
    pub const HOST: [Variant; 1] = [Variant { aligned: false, narrow: false, few: false }];
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (aligned, index) =
            (if self.aligned { "align16" } else { "align1" }, if self.narrow { "i32" } else { "i64" });
        write!(f, "{aligned}/{index}{}", if self.few { "/few" } else { "" })
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
            (TargetKind::Host, Schedule::Row { held, .. }) => room::scratch_bytes(&self.kernel, held),
            _ => 0,
        }
    }

    /// What compiled code may assume at launch: see [`Schedule::variants`].
    pub fn variants(&self) -> &'static [Variant] {
        self.schedule.variants(self.target.kind())
    }
}
