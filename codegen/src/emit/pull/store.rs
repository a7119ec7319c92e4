//! The one way in which a piece is stored: all its values are pulled, and then each is stored, or put or added where an index says.

use super::Pull;
use super::index::{Index, Ix};
use super::known::Lanes;
use super::types::memory_type;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::{Bounds, ParamId, Store, ValueId};
use routefuse_ir::op::OutOfRange;

/// A store whose value was pulled at the lanes of a piece.
#[derive(Clone, Copy)]
pub(in crate::emit) struct Pulled<'m> {
    /// The output.
    pub param: ParamId,
    /// The kernel's value that is stored.
    pub id: ValueId,
    /// The value; the amount where it is added.
    pub value: Lanes<'m>,
    /// Of a store that adds or puts, the index of the element, and its dtype.
    pub at: Option<(Lanes<'m>, DType)>,
    /// The element is put, not added to.
    pub puts: bool,
}

impl<'m> Pull<'_, 'm> {
    /// Pulls all that these stores of the kernel store at an index. Everything is read before anything is stored, since an
    /// output may lie in an input that is read at the same row and column. `seen` is what is seen of a value.
    pub fn pull(&self, stores: &[u32], index: &Index<'m>, seen: impl Fn(Lanes<'m>) -> Lanes<'m>) -> Vec<Pulled<'m>> {
        let pull = |store: &u32| {
            let store @ Store { param, value: id, add_at: _, put_at } = self.kernel.stores[*store as usize];
            let value = seen(self.evaluate(id, index));
            let at = store.element().map(|id| (self.evaluate(id, index), self.kernel.value(id).dtype));
            Pulled { param, id, value, at, puts: put_at.is_some() }
        };
        stores.iter().map(pull).collect()
    }

    /// Stores what was pulled at this index.
    pub fn store(&self, pulled: &Pulled<'m>, index: &Index<'m>) {
        self.b.made_for(pulled.id.0, || match pulled.at {
            Some(at) if pulled.puts => self.put_at(pulled.param, index, at, pulled.value),
            Some(at) => self.add_at(pulled.param, index, at, pulled.value),
            None => {
                let bits = self.bits_to_store(pulled.param, index.lanes(), pulled.value);
                self.memory.write(pulled.param, index, bits);
            }
        });
    }

    /// All stores of a piece.
    pub fn piece(&self, stores: &[u32], index: &Index<'m>) {
        self.pull(stores, index, |value| value).iter().for_each(|pulled| self.store(pulled, index));
    }

    /// A value as it is in memory, on this many lanes; sets the error word where a gather trapped.
    pub fn bits_to_store(&self, param: ParamId, lanes: u32, value: Lanes<'m>) -> Val<'m> {
        let dtype = self.kernel.param(param).ty.dtype;
        let value = self.lanewise.settled(value);
        self.note_trap(value.trap);
        let raw = self.lanewise.spread(value.value, lanes);
        if dtype == DType::Bool { self.b.extui(raw, memory_type(self.b, dtype)) } else { raw }
    }

    /// Adds the amount of every lane to the element of a parameter of rank 1 that the lane's index names, if there is one,
    /// atomically among all that run. What adds nothing touches nothing.
    pub fn add_at(&self, param: ParamId, index: &Index<'m>, (at, dtype): (Lanes<'m>, DType), amount: Lanes<'m>) {
        let b = self.b;
        self.note_trap(self.lanewise.either(at.trap, amount.trap));
        let element = memory_type(self.b, self.kernel.param(param).ty.dtype);
        let extent = self.kernel.param(param).ty.shape[0];
        let checked = self.checked(at, dtype, extent, Bounds::Checked(OutOfRange::Pass));
        let lane_of = |value, lane| b.extract(value, if b.lanes(b.type_of(value)) == 1 { 0 } else { lane });
        for lane in 0..index.lanes() {
            let amount = lane_of(amount.value, lane);
            let some = b.cmpi(IntPredicate::Ne, amount, b.const_int(element, 0));
            let adds = checked.inside.map_or(some, |inside| b.andi(some, lane_of(inside, lane)));
            let element_at = checked.safe[if checked.safe.len() == 1 { 0 } else { lane as usize }];
            b.if_then(adds, |_| self.scopes.scoped(|| self.add_to(param, element_at, amount)));
        }
    }

    /// Adds to an element of a parameter of rank 1, atomically among all that run.
    pub fn add_to(&self, param: ParamId, at: Ix<'m>, amount: Val<'m>) {
        let element = memory_type(self.b, self.kernel.param(param).ty.dtype);
        let (pointer, align) = self.memory.address(param, self.memory.table_offset(param, &[at]), element);
        self.b.atomic_add(pointer, amount, align as u32, self.machine.atomic_scope());
    }

    /// Stores the value of every lane as the element of a parameter of rank 1 that the lane's index names, if there is one.
    pub fn put_at(&self, param: ParamId, index: &Index<'m>, (at, dtype): (Lanes<'m>, DType), value: Lanes<'m>) {
        let b = self.b;
        self.note_trap(at.trap);
        let bits = self.bits_to_store(param, index.lanes(), value);
        let element = memory_type(self.b, self.kernel.param(param).ty.dtype);
        let extent = self.kernel.param(param).ty.shape[0];
        let checked = self.checked(at, dtype, extent, Bounds::Checked(OutOfRange::Pass));
        let lane_of = |value, lane| b.extract(value, if b.lanes(b.type_of(value)) == 1 { 0 } else { lane });
        for lane in 0..index.lanes() {
            let element_at = checked.safe[if checked.safe.len() == 1 { 0 } else { lane as usize }];
            let put = || {
                self.scopes.scoped(|| {
                    let (pointer, align) =
                        self.memory.address(param, self.memory.table_offset(param, &[element_at]), element);
                    b.store(lane_of(bits, lane), pointer, align as u32);
                });
            };
            match checked.inside {
                Some(inside) => b.if_then(lane_of(inside, lane), |_| put()),
                None => put(),
            }
        }
    }

    /// Sets the error word where a lane trapped.
    pub fn note_trap(&self, trap: Option<Val<'m>>) {
        let (Some(trap), Some(word)) = (trap, self.kernel.error_word()) else { return };
        let lanes = self.b.lanes(self.b.type_of(trap));
        let any = (1..lanes).fold(self.b.extract(trap, 0), |any, lane| self.b.ori(any, self.b.extract(trap, lane)));
        self.b.if_then(any, |b| {
            // Several threads may store the same 1.
            b.store(b.const_int(b.int(32), 1), self.memory.pointer(word), 4);
        });
    }
}
