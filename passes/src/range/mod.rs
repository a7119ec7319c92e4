//! Range analysis: between which bounds each integer of a graph lies, and which gathers that proves in range.
//!
//! An interval holds for every element of a value, whatever the inputs hold. It comes from the dtype, constants, extents
//! and operations; a `select` knows in each arm what its condition says of it, so that a guarded index
//! (`select(0 <= i < E, i, 0)`) is in range. Arithmetic that may wrap gives the whole dtype.

mod interval;
mod proof;
mod refine;
mod transfer;

pub use interval::Interval;

use routefuse_ir::op::CompareOp;
use routefuse_ir::{Graph, NodeId};

/// The interval of every integer and bool of a graph.
#[derive(Clone, Debug, Default)]
pub struct Ranges(Vec<Option<Interval>>);

impl Ranges {
    /// Analyses a graph, in time linear in its size.
    pub fn of(g: &Graph) -> Ranges {
        let mut ranges = Ranges::default();
        for id in g.topological().unwrap_or_default() {
            ranges.learn(g, id);
        }
        ranges
    }

    /// Where the value lies; `None` for floats, and for nodes that were not analysed.
    pub fn get(&self, id: NodeId) -> Option<Interval> {
        self.0.get(id.index()).copied().flatten()
    }

    /// Analyses one node, whose operands are known.
    pub(crate) fn learn(&mut self, g: &Graph, id: NodeId) {
        let interval = transfer::interval(self, g, id);
        let index = id.index();
        if self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        self.0[index] = interval;
    }
}

/// What a comparison gives if it gives the same for all numbers of two intervals.
pub(crate) fn compare_ranges(op: CompareOp, a: Interval, b: Interval) -> Option<bool> {
    let known = |always: bool, never: bool| if always { Some(true) } else { never.then_some(false) };
    let apart = a.hi < b.lo || b.hi < a.lo;
    let one = a.lo == a.hi && a == b;
    match op {
        CompareOp::Eq => known(one, apart),
        CompareOp::Ne => known(apart, one),
        CompareOp::Lt => known(a.hi < b.lo, a.lo >= b.hi),
        CompareOp::Le => known(a.hi <= b.lo, a.lo > b.hi),
        CompareOp::Gt => known(a.lo > b.hi, a.hi <= b.lo),
        CompareOp::Ge => known(a.lo >= b.hi, a.hi < b.lo),
    }
}

#[cfg(test)]
mod tests;
