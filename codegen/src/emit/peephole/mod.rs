//! Patterns that are emitted otherwise than by their operands.

pub(in crate::emit) mod bound_mask;
