//! How rows and columns meet threads: data made by `routefuse-passes`, read by code generation and by the runtime.

use super::Kernel;
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
    Flat {
        /// Elements, a power of two.
        width: u32,
    },
    /// One column (the domain has no other) of `width` neighbouring rows. The last may be short.
    Rows {
        /// Rows, a power of two.
        width: u32,
    },
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
    /// The pieces of this many rows. `None` if they do not fit 63 bits.
    pub fn pieces(&self, rows: u64) -> Option<u64> {
        match self.piece {
            Piece::InRow { width } => rows.checked_mul(self.cols.div_ceil(u64::from(width))),
            Piece::Flat { width } => Some(rows.checked_mul(self.cols)?.div_ceil(u64::from(width))),
            Piece::Rows { width } => Some(rows.div_ceil(u64::from(width))),
        }
        .filter(|&n| n <= i64::MAX as u64)
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
}

impl Schedule {
    /// Threads a block.
    pub fn threads(&self) -> u32 {
        match self {
            Schedule::Flat { threads, .. } => *threads,
        }
    }

    /// Blocks of a launch over this many rows; `None` if there are more than a grid takes (2³¹ − 1).
    pub fn blocks(&self, rows: u64) -> Option<u64> {
        match self {
            Schedule::Flat { threads, domains } => {
                let most = domains.iter().map(|d| d.pieces(rows)).try_fold(0, |m, n| Some(n?.max(m)))?;
                Some(most.div_ceil(u64::from(*threads))).filter(|&b| b < 1 << 31)
            }
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schedule::Flat { threads, domains } => {
                write!(f, "flat threads={threads}")?;
                for d in domains {
                    let (kind, width) = match d.piece {
                        Piece::InRow { width } => ("in_row", width),
                        Piece::Flat { width } => ("flat", width),
                        Piece::Rows { width } => ("rows", width),
                    };
                    write!(f, " [cols={} {kind}={width} stores=", d.cols)?;
                    let stores: Vec<String> = d.stores.iter().map(u32::to_string).collect();
                    write!(f, "{}]", stores.join(","))?;
                }
                Ok(())
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
}

impl Variant {
    /// The variants of a GPU kernel, the most special first.
    pub const GPU: [Variant; 4] = [
        Variant { aligned: true, narrow: true },
        Variant { aligned: false, narrow: true },
        Variant { aligned: true, narrow: false },
        Variant { aligned: false, narrow: false },
    ];

    /// The one variant of a host kernel: unaligned vector accesses cost nothing there.
    pub const HOST: [Variant; 1] = [Variant { aligned: false, narrow: false }];
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", if self.aligned { "align16" } else { "align1" }, if self.narrow { "i32" } else { "i64" })
    }
}

/// A kernel with its schedule for one target: what code generation takes.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// The kernel.
    pub kernel: crate::Verified<Kernel>,
    /// Its schedule.
    pub schedule: Schedule,
    /// The target the schedule was made for.
    pub target: crate::target::Target,
}
