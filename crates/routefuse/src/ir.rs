//! What a graph is made of, what it means, and what it becomes.
//!
//! The front page of [`routefuse_ir`] is the definition of all of this.

pub use routefuse_ir::artifact::{Artifact, CodeFormat};
#[cfg(feature = "graphs")]
pub use routefuse_ir::graph::{Input, Node, Output};
pub use routefuse_ir::kernel::abi::Slot;
pub use routefuse_ir::kernel::schedule::{
    LaunchKind, Piece, RowShape, Schedule, Scheduled, Selecting, Variant, shapes_text,
};
pub use routefuse_ir::kernel::{Kernel, ValueKind};
pub use routefuse_ir::program::{Port, Program};
pub use routefuse_ir::target::TargetKind;
pub use routefuse_ir::{Alias, BoundTerm, Dim, DimBound, Layout, Literal, Op, SymbolId, TensorType, bound, interp, op};
#[cfg(feature = "graphs")]
pub use routefuse_ir::{GraphBuilder, NodeId, json};
