//! What a row value needs on the stack: what it becomes, and what is needed on the way.

use super::stack::{Columns, Stack};
use crate::emit::pull::index::Ix;
use crate::mlir::builder::Val;

/// The memory of a row value: what it becomes, and what is needed on the way.
#[derive(Clone)]
pub(super) struct Workspace<'m> {
    /// The result.
    pub out: Columns<'m>,
    /// A column of `out` that nobody reads.
    pub trash: u64,
    /// The keys of a segment, in blocks; 0 past the end.
    pub keys: Option<Val<'m>>,
    /// The best key of each of many blocks.
    pub maxima: Option<Val<'m>>,
    /// Where there are keys and best keys for a block of rows, elements from one to the next; else 0.
    pub strides: (u64, u64),
    /// Ids to be sorted.
    pub sorted: Option<Val<'m>>,
    /// Half of a long segment, to be added up.
    pub halves: Option<Val<'m>>,
    /// How many of each id were seen.
    pub seen: Option<Val<'m>>,
    /// A byte: whether a column of the segment trapped. Where one may.
    pub trap: Option<Val<'m>>,
}

impl<'m> Workspace<'m> {
    /// That of a row of a block, by its number there.
    pub fn of_row(&self, stack: &Stack<'_, 'm>, number: Ix<'m>) -> Workspace<'m> {
        let (keys, maxima) = self.strides;
        let i32 = stack.key_type();
        Workspace {
            out: stack.of_row(&self.out, number),
            keys: self.keys.map(|base| stack.row_of(base, i32, keys, number)),
            maxima: self.maxima.map(|base| stack.row_of(base, i32, maxima, number)),
            strides: (0, 0),
            ..self.clone()
        }
    }
}
