//! Flat schedules: nothing crosses lanes, and every piece is pulled by itself.

pub(super) mod gpu;
pub(super) mod host;
