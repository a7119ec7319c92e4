//! Where each 8-byte argument of a kernel comes from.

use crate::args::WORKSPACE_ALIGN;
use routefuse_ir::dim::SymbolId;
use routefuse_ir::kernel::abi::{self, Slot};
use routefuse_ir::program::{Buffer, Program, Step};
use routefuse_ir::target::Target;
use routefuse_ir::{Alias, TensorType};
use smallvec::SmallVec;

/// Offsets of the intermediates in the workspace, in bytes.
pub(crate) type Offsets = SmallVec<[u64; 16]>;

/// One slot's value at launch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// The address of a port.
    Port(u32),
    /// The address of an intermediate.
    Intermediate(u32),
    /// The stride of a port's dim, in elements.
    Stride(u32, u32),
    /// Known beforehand: a stride of an intermediate.
    Fixed(u64),
    /// The extent of one of the program's symbols.
    Extent(u32),
}

/// The arguments of one step.
#[derive(Debug)]
pub(crate) struct StepSlots {
    pub(crate) sources: Box<[Source]>,
    /// The program's symbol that counts the rows.
    pub(crate) rows: Option<u32>,
    /// Bytes that one row reads and writes, without tables.
    pub(crate) row_bytes: u64,
    /// Every fixed row stride is a multiple of 16 bytes.
    pub(crate) fixed_aligned: bool,
    /// If all that it stores are guarded outputs: which, one bit an output. It has nothing to do when each is its input's
    /// view.
    pub(crate) guarded: Option<u64>,
    /// One call has all rows: they are done in order.
    pub(crate) ordered: bool,
    /// Bytes of scratch memory that a call of its code takes: as its schedule says, once it has one.
    pub(crate) scratch: u64,
}

impl StepSlots {
    /// `None` if the step names what the program does not have.
    pub(crate) fn new(step: &Step, program: &Program, target: Target) -> Option<StepSlots> {
        let (inputs, outputs) = (program.inputs.len(), program.outputs.len());
        let kernel = &*step.kernel;
        let symbol = |s: SymbolId| step.symbols.get(s.0 as usize).map(|s| s.0);
        if step.buffers.len() != kernel.params.len()
            || step.symbols.iter().any(|s| s.0 as usize >= program.symbols.len())
        {
            return None;
        }
        let port = |buffer: Buffer| match buffer {
            Buffer::Input(i) => (i < inputs).then_some(Some(i as u32)),
            Buffer::Output(i) => (i < outputs).then_some(Some((inputs + i) as u32)),
            Buffer::Intermediate(i) => (i < program.intermediates.len()).then_some(None),
            Buffer::ErrorWord => program.has_trap.then_some(Some((inputs + outputs) as u32)),
        };
        let slots = abi::slots(kernel, target);
        let sources = slots.iter().map(|slot| {
            Some(match *slot {
                Slot::Pointer(p) => match (port(step.buffers[p.0 as usize])?, step.buffers[p.0 as usize]) {
                    (Some(port), _) => Source::Port(port),
                    (None, Buffer::Intermediate(i)) => Source::Intermediate(i as u32),
                    (None, _) => return None,
                },
                Slot::Stride(p, dim) => match port(step.buffers[p.0 as usize])? {
                    Some(port) => Source::Stride(port, dim),
                    None => Source::Fixed(gapless_stride(&kernel.param(p).ty, dim)?),
                },
                Slot::Extent(s) => Source::Extent(symbol(s)?),
            })
        });
        let sources = sources.collect::<Option<Box<[Source]>>>()?;
        let aligned = |slot: &Slot, source: &Source| match (slot, source) {
            (Slot::Stride(p, 0), Source::Fixed(stride)) => {
                stride.wrapping_mul(kernel.param(*p).ty.dtype.size()).is_multiple_of(16)
            }
            _ => true,
        };
        let fixed_aligned = slots.iter().zip(&sources).all(|(slot, source)| aligned(slot, source));
        let row_bytes = kernel
            .params
            .iter()
            .filter(|p| kernel.rows.is_some() && p.ty.row_symbol() == kernel.rows)
            .map(|p| p.ty.row_elements().unwrap_or(0).saturating_mul(p.ty.dtype.size()))
            .fold(0, u64::saturating_add);
        let guarded = kernel.stores.iter().try_fold(0u64, |bits, store| match step.buffers[store.param.0 as usize] {
            Buffer::Output(o) if o < 64 && matches!(program.outputs[o].alias, Alias::Guarded(_)) => Some(bits | 1 << o),
            _ => None,
        });
        let rows = match kernel.rows {
            Some(s) => Some(symbol(s)?),
            None => None,
        };
        Some(StepSlots { sources, rows, row_bytes, fixed_aligned, guarded, ordered: kernel.is_ordered(), scratch: 0 })
    }

    /// The program's symbols that are passed.
    pub(crate) fn symbols(&self) -> impl Iterator<Item = u32> {
        self.sources.iter().filter_map(|s| if let Source::Extent(s) = s { Some(*s) } else { None })
    }
}

/// The stride of a dim of a row-major tensor without gaps.
fn gapless_stride(ty: &TensorType, dim: u32) -> Option<u64> {
    routefuse_ir::dim::const_product(ty.shape.get(dim as usize + 1..)?)
}

/// Lays out the intermediates and gives the workspace's bytes; `None` past 63 bits.
pub(crate) fn workspace(program: &Program, extents: &[u64], offsets: &mut Offsets) -> Option<u64> {
    let mut end = 0u64;
    for i in &program.intermediates {
        offsets.push(end);
        let rows = i.ty.row_symbol().map_or(1, |s| extents[s.0 as usize]);
        let bytes = rows.checked_mul(i.ty.row_elements()?)?.checked_mul(i.ty.dtype.size())?;
        end = end.checked_add(bytes)?.checked_next_multiple_of(WORKSPACE_ALIGN as u64)?;
        if end > i64::MAX as u64 {
            return None;
        }
    }
    Some(end)
}
