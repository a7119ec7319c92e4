//! How a kernel is called: one 8-byte slot after another.
//!
//! On a GPU each slot is one kernel parameter. On the host the entry point is
//! `extern "C" fn(slots: *const u64, row_begin: u64, row_end: u64)`, so that threads can share the rows of one launch. Where
//! the kernel takes scratch memory ([`Scheduled::scratch_bytes`](super::schedule::Scheduled::scratch_bytes)), a fourth argument
//! is its address, a multiple of 64: memory that no other call uses at the same time, with any contents.

use super::{Kernel, Param, ParamId};
use crate::dim::SymbolId;
use crate::layout::Layout;

/// One 8-byte argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The base address of a parameter.
    Pointer(ParamId),
    /// The stride of a dim of a parameter, in elements. `Rows` has that of dim 0, `Strided` that of every dim.
    Stride(ParamId, u32),
    /// The extent of a symbol.
    Extent(SymbolId),
}

/// The slots of a kernel: for each parameter its pointer and strides, then every symbol's extent.
pub fn slots(kernel: &Kernel) -> Vec<Slot> {
    let mut slots = Vec::new();
    for (i, p) in kernel.params.iter().enumerate() {
        let id = ParamId(i as u32);
        slots.push(Slot::Pointer(id));
        slots.extend((0..strides(p)).map(|d| Slot::Stride(id, d)));
    }
    slots.extend((0..kernel.symbols.len() as u32).map(|s| Slot::Extent(SymbolId(s))));
    slots
}

/// The strides of a parameter that are slots.
pub(crate) fn strides(param: &Param) -> u32 {
    match param.layout {
        Layout::Contiguous => 0,
        Layout::Rows => 1,
        Layout::Strided => param.ty.shape.len() as u32,
    }
}

/// The symbol of a host artifact's entry point, and of a device artifact's kernel.
pub const ENTRY: &str = "routefuse_kernel";
