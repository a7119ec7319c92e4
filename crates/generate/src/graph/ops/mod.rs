//! Proposals of operations, a family a file, and how often each is made.

mod bins;
mod counting;
mod groups;
mod lookup;
mod movement;
mod packing;
mod rows;
mod scalar;

use super::Growing;
use routefuse_ir::NodeId;

/// Adds an operation, and casts in front of it; `None` if what was proposed is not valid.
pub(super) type Proposal = fn(&mut Growing<'_>) -> Option<NodeId>;

/// Operations that keep to their column, or move columns.
pub(super) const WITHIN_COLUMNS: &[(usize, Proposal)] = &[
    (5, |g| g.unary()),
    (7, |g| g.binary()),
    (3, |g| g.compare()),
    (1, |g| g.fma()),
    (3, |g| g.select()),
    (2, |g| g.cast()),
    (1, |g| g.philox()),
    (1, |g| g.iota()),
    (1, |g| g.rows()),
    (2, |g| g.broadcast()),
    (2, |g| g.reshape()),
    (2, |g| g.slice()),
    (3, |g| g.concat()),
    (4, |g| g.gather()),
    (1, |g| g.gather_row()),
    (2, |g| g.mask_rows()),
    (1, |g| g.pack()),
    (1, |g| g.unpack()),
    (1, |g| g.copy()),
];

/// Arithmetic of one or two operands.
pub(super) const ARITHMETIC: &[(usize, Proposal)] = &[(2, |g| g.unary()), (5, |g| g.binary()), (2, |g| g.compare())];

/// Operations on bins.
pub(super) const ON_BINS: &[(usize, Proposal)] = &[
    (3, |g| g.bin_count()),
    (1, |g| g.bin_any()),
    (1, |g| g.count_rows()),
    (2, |g| g.bin_starts()),
    (2, |g| g.bin_rank()),
    (4, |g| g.bin_scatter()),
    (2, |g| g.bin_of()),
];

/// Operations on rows.
pub(super) const ON_ROWS: &[(usize, Proposal)] = &[
    (6, |g| g.reduce()),
    (1, |g| g.argmax()),
    (1, |g| g.cumsum()),
    (2, |g| g.softmax()),
    (1, |g| g.dot()),
    (4, |g| g.topk()),
    (1, |g| g.topk_mask()),
    (4, |g| g.groups()),
    (2, |g| g.renorm()),
    (2, |g| g.chosen()),
];
