//! Graph to fewer, better kernels.
#![forbid(unsafe_code)]

pub mod canonicalise;
pub mod range;
