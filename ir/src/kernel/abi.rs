//! How a kernel is called: one 8-byte slot after another.
//!
//! On a GPU each slot is one kernel parameter. On the host the entry point is
//! `extern "C" fn(slots: *const u64, row_begin: u64, row_end: u64)`, so that threads can share the rows of one launch. Where
//! the kernel takes scratch memory ([`Scheduled::scratch_bytes`](super::schedule::Scheduled::scratch_bytes)), a fourth argument
//! is its address, a multiple of 64: memory that no other call uses at the same time, with any contents.
//!
//! A host kernel whose rows are done in order, because it ranks ids ([`Kernel::counted_for_parts`]), can share them among threads by two
//! further functions. [`COUNT`] counts the ids of some rows, and [`PART`] does rows that are not the first ones, if it is given the
//! counts of all rows before. Counts are `i32[bins + 1]`; the last is of ids of no bin, whatever it says.

use super::{Kernel, Param, ParamId};
use crate::dim::SymbolId;
use crate::layout::Layout;
use crate::target::Target;

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

/// The slots of a kernel in code for a target: for each parameter its pointer and strides, then every symbol's extent.
///
/// Where a kernel's first arguments are in registers when it begins, and the others are in memory
/// ([`Abilities::preloaded_words`](crate::target::Abilities::preloaded_words)), the extents come first: nothing of a row can
/// be asked for before they are known.
pub fn slots(kernel: &Kernel, target: Target) -> Vec<Slot> {
    let mut slots = Vec::new();
    let extents = (0..kernel.symbols.len() as u32).map(|s| Slot::Extent(SymbolId(s)));
    let extents_first = target.abilities().preloaded_words > 0;
    if extents_first {
        slots.extend(extents.clone());
    }
    for (i, p) in kernel.params.iter().enumerate() {
        let id = ParamId(i as u32);
        slots.push(Slot::Pointer(id));
        slots.extend((0..strides(p)).map(|d| Slot::Stride(id, d)));
    }
    if !extents_first {
        slots.extend(extents);
    }
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

/// Elements that 32-bit indices reach, with room for the threads past the end and for a grid's stride of rows: what a variant
/// that is [`narrow`](super::schedule::Variant::narrow) assumes of every tensor, and of the rows.
pub const NARROW_ELEMENTS: u64 = (1 << 31) - (1 << 20);

/// Bytes of shared memory of a block that code says itself. A kernel of which blocks have more says nothing, and its launches ask for
/// all of it: [`Schedule::dynamic_shared_bytes`](super::schedule::Schedule::dynamic_shared_bytes).
pub const STATIC_SHARED_BYTES: u32 = 48 << 10;

/// The symbol of a host artifact's entry point, and of a device artifact's kernel.
pub const ENTRY: &str = "routefuse_kernel";

/// `extern "C" fn(slots: *const u64, row_begin: u64, row_end: u64, counts: *mut i32)`: how often each bin is among the ids of these
/// rows, and at the end how many are of none.
pub const COUNT: &str = "routefuse_count";

/// `extern "C" fn(slots: *const u64, row_begin: u64, row_end: u64, before: *const i32, scratch: *mut u8)`: as the entry point, behind
/// rows whose ids were counted so. Scratch memory is asked for as by the entry point.
pub const PART: &str = "routefuse_part";
