//! Outputs in an input's memory: what may share a kernel with them.
//!
//! An output that is in place, donated an input's memory or guarded may be the very view of that input. Within a kernel,
//! different elements are handled by different threads in any order, so an element that is overwritten may be read only
//! by the thread that overwrites it, before it does: at the same row and column, for a store of the same number of
//! columns, since pieces of stores of different numbers of columns belong to different threads. Whoever reads an
//! overwritten input elsewhere belongs to an earlier kernel.

use crate::fuse::walk::Walked;
use crate::lower::rowwise::Rowwise;
use routefuse_ir::graph::{Graph, NodeId};
use routefuse_ir::op::Op;

/// What computing and storing one value does to the inputs that some output overwrites.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    /// Columns of the store.
    pub(crate) cols: u64,
    /// Inputs that are read, each once; true if only at the row and column of the store.
    pub(crate) reads: Vec<(usize, bool)>,
    /// Inputs that the stores overwrite.
    pub(crate) writes: Vec<usize>,
}

/// By input: the position of the output that overwrites it.
pub(crate) fn overwritten(g: &Graph) -> Vec<Option<usize>> {
    let mut by = vec![None; g.inputs.len()];
    for (position, o) in g.outputs.iter().enumerate() {
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
        let mut reads: Vec<(usize, bool)> =
            walked.reads.iter().filter_map(|r| input(r.node).map(|i| (i, r.same_place))).collect();
        // Of several reads of one input, one elsewhere decides: false sorts first.
        reads.sort_unstable();
        reads.dedup_by_key(|r| r.0);
        Access { cols, reads, writes }
    }
}

/// An input that one of these overwrites while another thread may still read it, if they were one kernel.
pub(crate) fn conflict<'a>(members: impl Iterator<Item = &'a Access> + Clone) -> Option<usize> {
    members.clone().find_map(|writer| {
        let meets = |input: &usize| {
            members.clone().any(|reader| {
                reader.reads.iter().any(|(i, same_place)| i == input && !(*same_place && reader.cols == writer.cols))
            })
        };
        writer.writes.iter().copied().find(meets)
    })
}
