//! Stores that add where an index says.

use crate::emit::pull::Emitter;
use crate::emit::pull::index::Index;
use crate::emit::pull::known::Lanes;
use crate::mlir::builder::IntPredicate;
use routefuse_ir::DType;
use routefuse_ir::kernel::ParamId;
use routefuse_ir::op::OutOfRange;

impl<'m> Emitter<'_, 'm> {
    /// Adds the amount of every lane to the element of a parameter of rank 1 that the lane's index names, if there is one,
    /// atomically among all that run. What adds nothing touches nothing.
    pub fn add_at(&self, param: ParamId, index: &Index<'m>, at: (Lanes<'m>, DType), amount: Lanes<'m>) {
        let b = self.b;
        let (at, dtype) = at;
        if let Some(trap) = self.either(at.trap, amount.trap) {
            self.set_error_word(trap);
        }
        let element = self.memory_type(self.kernel.param(param).ty.dtype);
        let extent = self.kernel.param(param).ty.shape[0];
        let checked = self.checked(at, dtype, extent, OutOfRange::Pass, false);
        let lane_of = |value, lane| b.extract(value, if b.lanes(b.type_of(value)) == 1 { 0 } else { lane });
        for lane in 0..index.lanes() {
            let amount = lane_of(amount.value, lane);
            let some = b.cmpi(IntPredicate::Ne, amount, b.const_int(element, 0));
            let adds = checked.inside.map_or(some, |inside| b.andi(some, lane_of(inside, lane)));
            let place = checked.safe[if checked.safe.len() == 1 { 0 } else { lane as usize }];
            b.if_then(adds, |_| {
                self.scoped(|| {
                    let (pointer, align) = self.address(param, self.table_offset(param, &[place]), element);
                    b.atomic_add(pointer, amount, align as u32, self.kind);
                });
            });
        }
    }
}
