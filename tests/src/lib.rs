//! Corpus, snapshots, differential and fault tests of routefuse.
//!
//! This library holds what the tests share and needs no LLVM: [random valid graphs](generator), [hostile values](hostile),
//! [inputs] made of a graph and a seed, [logits] of
//! every kind and the routing trace, [guarded memory](memory) and [pages]
//! to launch on, the [reduction](reduce) of graphs that
//! fail, and the [corpus].

pub mod corpus;
pub mod differential;
pub mod emulator;
pub mod generator;
pub mod gpu;
pub mod hostile;
pub mod inputs;
pub mod launch;
pub mod logits;
pub mod memory;
pub mod pages;
pub mod reduce;
pub mod skips;
pub mod tools;
