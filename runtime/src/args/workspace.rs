//! Memory between the kernels of one launch.

pub use routefuse_ir::program::WORKSPACE_ALIGN;
use std::fmt;
use std::ops::{Deref, DerefMut};

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; WORKSPACE_ALIGN]);

/// Zeroed bytes of the alignment that [`HostPlan::launch_with`](crate::HostPlan::launch_with) asks for. Any other suitably
/// aligned memory serves as well.
pub struct Workspace {
    lines: Vec<Line>,
    bytes: usize,
}

impl Workspace {
    /// This many bytes.
    pub fn new(bytes: usize) -> Workspace {
        Workspace { lines: vec![Line([0; WORKSPACE_ALIGN]); bytes.div_ceil(WORKSPACE_ALIGN)], bytes }
    }
}

impl Deref for Workspace {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the lines are initialised plain bytes without padding, and no fewer than `bytes`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.bytes) }
    }
}

impl DerefMut for Workspace {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: the lines are initialised plain bytes, no fewer than `bytes`, any bytes are lines, and the borrow is
        // exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.bytes) }
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Workspace({} bytes)", self.bytes)
    }
}
