//! What a row value needs on the stack: what it becomes, and what is needed on the way.

use super::stack::Columns;
use crate::mlir::builder::Val;

/// The memory of a row value: what it becomes, and what is needed on the way.
pub(super) struct Workspace<'m> {
    /// The result.
    pub out: Columns<'m>,
    /// A column of `out` that nobody reads.
    pub trash: u64,
    /// The keys of a segment, in blocks; 0 past the end.
    pub keys: Option<Val<'m>>,
    /// The best key of each of many blocks.
    pub maxima: Option<Val<'m>>,
    /// Ids to be sorted.
    pub sorted: Option<Val<'m>>,
    /// Half of a long segment, to be added up.
    pub halves: Option<Val<'m>>,
    /// A byte: whether a column of the segment trapped. Where one may.
    pub trap: Option<Val<'m>>,
}
