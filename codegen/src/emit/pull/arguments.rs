//! The kernel's arguments: what is promised of them, and which is which.

use super::job::Job;
use crate::mlir::builder::{Parameter, Val};
use routefuse_ir::dim::SymbolId;
use routefuse_ir::kernel::abi::{Slot, slots};
use routefuse_ir::kernel::{ParamId, Role};

/// One parameter for each slot, with what is promised of its memory.
pub(in crate::emit) fn parameters<'m>(job: Job<'_, 'm>) -> Vec<Parameter<'m>> {
    let Job { b, kernel, machine, variant } = job;
    let parameter = |slot: &Slot| match slot {
        Slot::Pointer(id) => {
            let param = kernel.param(*id);
            // Without these two promises on inputs none of their loads counts as invariant, which would let the assembler
            // move it before the wait. Outputs keep theirs, so that loads still move across stores.
            let waits = machine.waits_for_inputs() && param.role == Role::Input;
            Parameter {
                ty: b.pointer(),
                noalias: !kernel.is_aliased(*id) && !waits,
                readonly: param.role == Role::Input && !waits,
                align: if variant.aligned { 16 } else { 1 },
            }
        }
        Slot::Stride(..) | Slot::Extent(_) => Parameter::plain(b.int(64)),
    };
    slots(kernel, machine.target()).iter().map(parameter).collect()
}

/// The arguments, one for each slot.
pub(in crate::emit) struct Arguments<'m> {
    slots: Vec<Slot>,
    values: Vec<Val<'m>>,
    /// What is read may have been written by the same code.
    changes: bool,
}

impl<'m> Arguments<'m> {
    /// `values` are the function's arguments for the slots of the kernel, in their order.
    pub fn new(job: Job<'_, 'm>, values: &[Val<'m>]) -> Arguments<'m> {
        Arguments { slots: slots(job.kernel, job.machine.target()), values: values.to_vec(), changes: false }
    }

    /// Of a kernel that is a phase of another: what each slot is. Phases before it have written some of what it reads.
    pub fn of_phase(job: Job<'_, 'm>, value: impl Fn(Slot) -> Val<'m>) -> Arguments<'m> {
        let slots = slots(job.kernel, job.machine.target());
        let values = slots.iter().map(|slot| value(*slot)).collect();
        Arguments { slots, values, changes: true }
    }

    /// Whether what is read may change while the code runs.
    pub fn change(&self) -> bool {
        self.changes
    }

    fn of(&self, slot: Slot) -> Val<'m> {
        let position = self.slots.iter().position(|s| *s == slot).expect("the kernel has the slot");
        self.values[position]
    }

    /// The base address of a parameter.
    pub fn pointer(&self, param: ParamId) -> Val<'m> {
        self.of(Slot::Pointer(param))
    }

    /// The stride of a dim of a parameter, in elements, `i64`.
    pub fn stride(&self, param: ParamId, dim: u32) -> Val<'m> {
        self.of(Slot::Stride(param, dim))
    }

    /// The extent of a symbol, `i64`.
    pub fn extent(&self, symbol: SymbolId) -> Val<'m> {
        self.of(Slot::Extent(symbol))
    }
}
