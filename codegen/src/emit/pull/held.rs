//! Values that a row schedule computes once a row and keeps.

use crate::emit::pull::Emitter;
use crate::emit::pull::index::Index;
use crate::emit::pull::known::Lanes;
use crate::emit::row::gpu::InLanes;
use crate::emit::row::host::stack::Scratch;
use routefuse_ir::kernel::ValueId;
use std::rc::Rc;

/// Where a value is kept.
#[derive(Clone)]
pub(in crate::emit) enum Kept<'m> {
    /// All its columns lie on the host's stack.
    Scratch(Scratch<'m>),
    /// There are the rank keys of its columns, of candidates of all kinds: nobody asks for more.
    Keys(Scratch<'m>),
    /// In the registers of a GPU's lanes.
    Lanes(Rc<InLanes<'m>>),
}

impl<'m> Emitter<'_, 'm> {
    /// The value at this index, if it is kept. The index names only what the value depends on.
    pub fn kept(&self, id: ValueId, index: &Index<'m>) -> Option<Lanes<'m>> {
        match self.keeps(id)? {
            Kept::Scratch(scratch) => Some(self.read_scratch(&scratch, &index.column)),
            // Whoever wants its traps computes it again.
            Kept::Keys(_) => None,
            Kept::Lanes(lanes) => Some(self.read_lanes(&lanes, &index.column)),
        }
    }
}
