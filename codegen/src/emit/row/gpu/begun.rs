//! What was done before the rows of a launch are.

use crate::mlir::builder::Val;

/// Whether the code before has waited for what is before the launch, and has let go what is behind it.
#[derive(Clone, Copy)]
pub(in crate::emit) enum Begun<'m> {
    /// It has not.
    No,
    /// It has. The launch has the rows.
    Launch,
    /// It has. The block has the rows from one on up to another, `i64`, and goes through them.
    Rows { first: Val<'m>, end: Val<'m> },
}

impl Begun<'_> {
    /// Whether the rows have to wait for what is before the launch, and to let go what is behind it.
    pub(super) fn is_to_begin(self) -> bool {
        matches!(self, Begun::No)
    }
}
