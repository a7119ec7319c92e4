//! Which file of the folder `ops` proposes an operation.

use routefuse_ir::Op;
use routefuse_ir::op::ScalarOp;

/// A family of operations: one file of `graph/ops`, but for what is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// `graph/inputs.rs`.
    Inputs,
    /// `graph/values.rs`.
    Constants,
    /// `ops/scalar.rs`: one element of each operand.
    Scalar,
    /// `ops/movement.rs`: elements at other places.
    Movement,
    /// `ops/lookup.rs`: elements that an index or a device scalar names.
    Lookup,
    /// `ops/packing.rs`.
    Packing,
    /// `ops/rows.rs`: whole rows.
    Rows,
    /// `ops/groups.rs`: groups of experts.
    Groups,
    /// `ops/counting.rs`: an input as an output.
    Counting,
    /// `ops/bins.rs`: all rows.
    Bins,
}

impl Family {
    /// The family of this operation. A new operation does not compile before it has one here; then its proposal goes into the
    /// family's file and, if it has one of its own, into the lists of `ops/mod.rs`.
    pub fn of(op: &Op) -> Family {
        match op {
            Op::Input(_) => Family::Inputs,
            Op::Const(_) => Family::Constants,
            Op::Scalar(
                ScalarOp::Unary(_)
                | ScalarOp::Binary(_)
                | ScalarOp::Compare(_)
                | ScalarOp::Fma
                | ScalarOp::Select
                | ScalarOp::Cast(_)
                | ScalarOp::Bitcast(_)
                | ScalarOp::Philox,
            ) => Family::Scalar,
            Op::Iota { .. }
            | Op::Rows { .. }
            | Op::Broadcast { .. }
            | Op::Reshape { .. }
            | Op::Slice { .. }
            | Op::Concat
            | Op::Copy => Family::Movement,
            Op::Gather { .. } | Op::GatherRow { .. } | Op::MaskRows { .. } => Family::Lookup,
            Op::Pack { .. } | Op::UnpackId | Op::UnpackWeight => Family::Packing,
            Op::Reduce { .. }
            | Op::ArgMax { .. }
            | Op::CumSum
            | Op::Softmax
            | Op::LogSoftmax
            | Op::Dot
            | Op::TopK { .. }
            | Op::TopKMask { .. }
            | Op::Renorm { .. } => Family::Rows,
            Op::GroupScore { .. } | Op::GroupMask { .. } => Family::Groups,
            Op::AtomicAdd => Family::Counting,
            Op::BinCount { .. }
            | Op::BinAny { .. }
            | Op::CountRows
            | Op::BinStarts { .. }
            | Op::BinRank { .. }
            | Op::BinScatter { .. }
            | Op::BinOf { .. } => Family::Bins,
        }
    }
}
