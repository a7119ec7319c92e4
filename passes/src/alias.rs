//! Outputs in an input's memory: what may share a kernel with them.
//!
//! An output that is in place, donated an input's memory or guarded may be the very view of that input. Within a kernel,
//! different elements are handled by different threads in any order. An element that is overwritten may therefore be read in
//! two ways only ([`Place`]):
//!
//! - by the thread that overwrites it, before it does: at the same row and column, for a store of the same number of columns,
//!   since pieces of stores of different numbers of columns belong to different threads;
//! - by a row value of the same row. One team of lanes owns a row. It has computed every row value before it stores the first
//!   element of the row, and no other team stores there.
//!
//! Whoever reads an overwritten input elsewhere belongs to an earlier kernel.

use crate::fuse::walk::{Place, Walked};
use crate::lower::rowwise::Rowwise;
use routefuse_ir::graph::NodeId;
use routefuse_ir::op::Op;
use routefuse_ir::program::Program;

/// What computing and storing one value does to the inputs that some output overwrites.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    /// Columns of the store.
    pub(crate) cols: u64,
    /// Inputs that are read, and where. One may be read at several places.
    pub(crate) reads: Vec<(usize, Place)>,
    /// Inputs that the stores overwrite.
    pub(crate) writes: Vec<usize>,
}

/// By input: the position of the output that overwrites it.
pub(crate) fn overwritten(program: &Program) -> Vec<Option<usize>> {
    let mut by = vec![None; program.inputs.len()];
    for (position, o) in program.outputs.iter().enumerate() {
        if let Some(slot) = o.alias.input().and_then(|i| by.get_mut(i)) {
            *slot = Some(position);
        }
    }
    by
}

impl Access {
    /// The reads of a walk that meet an overwritten input.
    pub(crate) fn of(
        rowwise: &Rowwise,
        walked: &Walked,
        cols: u64,
        writes: Vec<usize>,
        overwritten: &[Option<usize>],
    ) -> Self {
        let input = |n: NodeId| match rowwise.node(n).op {
            Op::Input(i) if overwritten[i].is_some() => Some(i),
            _ => None,
        };
        let mut reads: Vec<(usize, Place)> =
            walked.reads.iter().filter_map(|r| input(r.node).map(|i| (i, r.place))).collect();
        reads.sort_unstable();
        reads.dedup();
        Access { cols, reads, writes }
    }

    /// The same, of what writes at places that nobody knows beforehand.
    pub(crate) fn elsewhere(mut self) -> Access {
        self.reads.iter_mut().for_each(|(_, place)| *place = Place::Elsewhere);
        self
    }
}

/// An input that one of these overwrites while another thread may still read it, if they were one kernel.
pub(crate) fn conflict<'a>(members: impl Iterator<Item = &'a Access> + Clone) -> Option<usize> {
    members.clone().find_map(|writer| {
        let meets = |input: &usize| {
            members.clone().any(|reader| {
                let clashes = |place: Place| match place {
                    Place::Own => reader.cols != writer.cols,
                    Place::Row => false,
                    Place::Elsewhere => true,
                };
                reader.reads.iter().any(|(i, place)| i == input && clashes(*place))
            })
        };
        writer.writes.iter().copied().find(meets)
    })
}
