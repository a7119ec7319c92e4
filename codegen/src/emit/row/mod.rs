//! Row schedules: lanes own a row and keep values of it.

pub(in crate::emit) mod gpu;
pub(in crate::emit) mod host;
