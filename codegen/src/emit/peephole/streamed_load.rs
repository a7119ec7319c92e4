//! A load of neighbours that no other thread asks for passes by the caches.
//!
//! - **Machine:** those with [`Machine::load_once`](crate::machine::Machine::load_once): NVIDIA from sm_90 on. Whole 8 or 16
//!   bytes of an input that is read at the very index of a store.
//! - **Reason:** said, with figures, at the machine's method.
//! - **Test:** `peephole::tests`, and the snapshots `tests/snapshots/chains/sm_90/d_head_gate@mlir` and `@asm`.

use crate::emit::pull::index::{Index, Ix, neighbours};
use crate::emit::pull::types::memory_type;
use crate::emit::pull::{Pull, Shortcut};
use crate::mlir::builder::Val;
use routefuse_ir::DType;
use routefuse_ir::Layout;
use routefuse_ir::kernel::ParamId;

/// The peephole.
pub(in crate::emit) struct StreamedLoad;

impl<'m> Shortcut<'m> for StreamedLoad {
    fn load(&self, pull: &Pull<'_, 'm>, param: ParamId, index: &Index<'m>, offsets: &[Ix<'m>]) -> Option<Val<'m>> {
        let (p, space) = (pull.kernel.param(param), pull.kernel.param_space(param));
        let in_place = index.flat.is_some_and(|(_, cols)| space.per_row && cols == space.cols);
        let streams = pull.machine.has_load_once() && in_place && p.layout == Layout::Contiguous;
        if !streams || p.ty.dtype == DType::Bool || pull.memory.is_aliased(param) || !neighbours(offsets) {
            return None;
        }
        let element = memory_type(pull.b, p.ty.dtype);
        let (pointer, align) = pull.memory.address(param, offsets[0], element);
        let bytes = offsets.len() as u64 * p.ty.dtype.size();
        let whole = matches!(bytes, 8 | 16) && align >= bytes;
        whole.then(|| pull.machine.load_once(pull.b, pointer, pull.b.lanes_of(element, offsets.len() as u32), bytes))
    }
}
