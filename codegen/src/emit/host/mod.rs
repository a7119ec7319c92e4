//! Row schedules on the host: one lane owns a row, which lies on the stack.

pub(super) mod scratch;
