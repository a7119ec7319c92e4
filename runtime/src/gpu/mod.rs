//! Plans on GPUs.

pub mod cuda;
pub(crate) mod launch;
pub(crate) mod plan;
pub(crate) mod residency;
