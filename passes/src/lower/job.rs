//! What lowering is asked for.

use super::rowwise::Rowwise;
use routefuse_ir::graph::NodeId;
use routefuse_ir::kernel::{Bounds, ValueId};
use routefuse_ir::op::OutOfRange;
use routefuse_ir::program::{Buffer, Program, Step};
use routefuse_ir::{Code, Diagnostic, Diagnostics};

/// One kernel to be made.
pub(crate) struct Job<'a> {
    /// The graph.
    pub(crate) rowwise: &'a Rowwise<'a>,
    /// The program that the kernel will be part of: what its buffers are.
    pub(crate) program: &'a Program,
    /// By node index: where a value lies that the kernel loads instead of computing it.
    pub(crate) memory: &'a [Option<Buffer>],
    /// What is stored, and where; of one row symbol, and none without elements.
    pub(crate) stores: &'a [(NodeId, Buffer)],
    /// By node index: the gather's indices are proved in range.
    pub(crate) proved: &'a [bool],
    /// The kernel's name.
    pub(crate) name: &'a str,
}

impl Job<'_> {
    /// What a gather has to check.
    pub(super) fn bounds(&self, id: NodeId, out_of_range: OutOfRange) -> Bounds {
        if self.proved[id.index()] { Bounds::Proved } else { Bounds::Checked(out_of_range) }
    }
}

/// A kernel, and the operations that it holds in order.
pub(crate) struct Lowered {
    pub(crate) step: Step,
    pub(crate) ops: Vec<NodeId>,
    /// Which of the kernel's values each value of the graph is; of what only moves elements, that is another one's.
    pub(crate) values: Vec<(NodeId, ValueId)>,
}

pub(super) fn internal(message: &str) -> Diagnostics {
    Diagnostic::new(Code::Internal, message).help("this is a defect; please report the graph").into()
}
