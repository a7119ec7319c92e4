//! Three lessons. Each is a program that the tests compile and run.
//!
//! 1. [`first_plan`]: a graph from its text, a plan, a launch.
//! 2. [`bundles`]: compile on one machine, serve on another that has no compiler.
//! 3. [`reasons`]: what became of a graph, and why.
//!
//! These modules hold nothing but their text.

pub mod bundles;
pub mod first_plan;
pub mod reasons;
