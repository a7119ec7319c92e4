//! The host: its machine code, its processor, and plans that it runs.

mod code;
mod elf;
mod memory_file;
pub(crate) mod parts;
mod plan;
pub(crate) mod processor;
mod scratch;

pub(crate) use code::HostCode;
pub use plan::HostPlan;
pub use processor::processor_lacks;
pub(crate) use scratch::Scratch;
