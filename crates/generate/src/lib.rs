//! Random graphs, kernels and inputs for every test crate and for the fuzzers.
//!
//! Everything here is a function of [`Choices`]: a list of decisions that comes from a seed, from the words that a property
//! test shrinks, or from the bytes of a fuzzer. The same choices always give the same result.
//!
//! | layer | module | what it makes |
//! |---|---|---|
//! | decisions | [`choices`] | numbers below a bound |
//! | data | [`data`] | elements that find mistakes, literals, the inputs of a graph |
//! | graphs | [`graph`] | valid graphs; one file for each family of operations, in the folder `graph/ops` |
//! | kernels | [`kernel`] | valid kernels with schedules; one file for each family of values |
//! | reduction | [`reduce`] | a small graph that still fails, of one that fails |
//! | coverage | [`coverage`] | which operations, dtypes and shapes a set of graphs or kernels holds |
//!
//! What a test wants of a graph is a [`graph::Profile`], what it wants of a kernel a [`kernel::Profile`].
//!
//! # A new operation
//! [`graph::Family::of`] matches every operation, so a new one does not compile before it has a family. Its proposal goes
//! into that family's file. `tests/reach.rs` fails until some graph holds it.

#![forbid(unsafe_code)]

pub mod choices;
pub mod coverage;
pub mod data;
pub mod graph;
pub mod kernel;
pub mod reduce;

pub use choices::Choices;
