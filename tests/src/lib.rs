//! Corpus, snapshots, differential and fault tests of routefuse.
//!
//! This library holds what the tests share and needs no LLVM: the [corpus], [logits] of every kind and the routing trace,
//! [guarded memory](memory) and [pages] to launch on, and the comparison of a graph's [forms](differential). Random
//! graphs, their reduction and the inputs of graphs come from the crate `routefuse-generate`.

pub mod bins;
pub mod corpus;
pub mod differential;
pub mod emulator;
pub mod gpu;
mod guides;
pub mod hip_stand_in;
pub mod launch;
pub mod limits;
pub mod logits;
pub mod memory;
pub mod pages;
pub mod routers;
pub mod shards;
pub mod skips;
pub mod tools;
