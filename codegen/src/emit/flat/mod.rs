//! Flat schedules: nothing crosses lanes.

pub(in crate::emit) mod gpu;
pub(in crate::emit) mod host;
