//! The interpreters: what graphs, kernels and programs mean.
//!
//! `run` *is* the definition of a graph's outputs; every target agrees with it bit for bit. [`kernel::run`] reads a
//! fused kernel as its own documentation says, and [`program::run`] a whole program, so that a pass can be judged
//! without a machine.
//!
//! Arguments are contiguous: a layout, like an alias, says where elements lie and not what they are.
//!
//! # Traps
//! A graph traps if any element of a gather with the policy `trap`, in an operation that some output depends on, has an
//! index out of range. A kernel traps if such an element is asked for.

mod bind;
#[cfg(feature = "graphs")]
mod bins;
#[cfg(feature = "graphs")]
mod graph;
pub mod kernel;
#[cfg(feature = "graphs")]
mod movement;
pub mod program;
#[cfg(feature = "graphs")]
mod row;
mod value;

#[cfg(feature = "graphs")]
pub use bind::{check_size, extents};
#[cfg(feature = "graphs")]
pub use graph::{run, run_until};
pub use program::extents as program_extents;

use crate::tensor::Tensor;

/// What a run gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// In the order in which the graph declares them.
    pub outputs: Vec<Tensor>,
    /// The error word was set: a gather with the policy `trap` met an index out of range.
    pub trapped: bool,
}

/// The most elements that a value may have here: the interpreter spends eight bytes on each.
pub const MAX_ELEMENTS: u64 = 1 << 31;

#[cfg(all(test, feature = "graphs"))]
mod tests;
