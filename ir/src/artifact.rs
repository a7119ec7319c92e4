//! Machine code of one kernel, with what a launch needs to know of it.

use crate::kernel::abi::Slot;
use crate::kernel::schedule::{Schedule, Variant};
use crate::target::Target;

/// What the bytes of an [`Artifact`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodeFormat {
    /// An ELF shared object for this host, loaded by `dlopen`.
    SharedObject,
    /// PTX text.
    Ptx,
    /// Machine code of one NVIDIA processor, which its driver made of PTX.
    Cubin,
    /// An AMD code object.
    Hsaco,
}

impl CodeFormat {
    /// The usual ending of a file of this format.
    pub fn extension(self) -> &'static str {
        match self {
            CodeFormat::SharedObject => "so",
            CodeFormat::Ptx => "ptx",
            CodeFormat::Cubin => "cubin",
            CodeFormat::Hsaco => "hsaco",
        }
    }
}

/// Compiled code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The target.
    pub target: Target,
    /// What the code assumes.
    pub variant: Variant,
    /// How rows and columns meet threads: the grid follows from it.
    pub schedule: Schedule,
    /// The arguments, in order.
    pub slots: Vec<Slot>,
    /// The symbol of the entry point.
    pub entry: String,
    /// What the bytes are.
    pub format: CodeFormat,
    /// The code.
    pub code: Vec<u8>,
}
