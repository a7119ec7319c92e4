//! A row's elements on the stack.

use crate::emit::pull::Emitter;
use crate::emit::pull::index::{Ix, gcd, neighbours};
use crate::emit::pull::known::{Lanes, Nans};
use crate::mlir::builder::{IntPredicate, Val};
use melior::ir::Type;
use routefuse_ir::DType;

/// Alignment of what lies on the stack: a cache line.
const ALIGN: u32 = 64;

/// All columns of a value, or of what is made of one, on the stack.
#[derive(Clone)]
pub(in crate::emit) struct Scratch<'m> {
    /// The first element. `bool` is a byte.
    pointer: Val<'m>,
    dtype: DType,
    /// What its NaNs are.
    nans: Nans,
    /// A byte for each `columns_of_trap` columns: whether a gather trapped on the way. Only where one may.
    traps: Option<(Val<'m>, u64)>,
}

impl<'m> Scratch<'m> {
    /// The same memory, of which this is known.
    pub fn with_nans(&self, nans: Nans) -> Scratch<'m> {
        Scratch { nans, ..self.clone() }
    }
}

impl<'m> Emitter<'_, 'm> {
    /// Room for `cols` elements. With `columns_of_trap` it remembers traps, one for as many columns.
    pub fn new_scratch(&self, dtype: DType, cols: u64, columns_of_trap: Option<u64>) -> Scratch<'m> {
        let pointer = self.b.stack(self.memory_type(dtype), cols, ALIGN);
        let traps = columns_of_trap.map(|each| (self.b.stack(self.b.int(8), cols.div_ceil(each), ALIGN), each));
        Scratch { pointer, dtype, nans: Nans::Exact, traps }
    }

    /// The elements at these columns, one a lane.
    pub fn read_scratch(&self, scratch: &Scratch<'m>, columns: &[Ix<'m>]) -> Lanes<'m> {
        let raw = self.read_stack(scratch.pointer, self.memory_type(scratch.dtype), scratch.dtype.size(), columns);
        let value = if scratch.dtype == DType::Bool { self.is_set(raw) } else { raw };
        let trap = scratch.traps.map(|(pointer, each)| {
            let of: Vec<Ix<'m>> = columns.iter().map(|c| self.divide(*c, each)).collect();
            let one = of.iter().all(|ix| ix.key() == of[0].key());
            self.is_set(self.read_stack(pointer, self.b.int(8), 1, if one { &of[..1] } else { &of }))
        });
        Lanes { value, lanes: columns.len() as u32, nans: scratch.nans, trap }
    }

    /// Writes the elements at these neighbouring columns; their traps too, if there is one for each column.
    pub fn write_scratch(&self, scratch: &Scratch<'m>, columns: &[Ix<'m>], lanes: Lanes<'m>) {
        let count = columns.len() as u32;
        let byte = self.b.int(8);
        let value = self.spread(lanes.value, count);
        let value = if scratch.dtype == DType::Bool { self.b.extui(value, byte) } else { value };
        let element = self.memory_type(scratch.dtype);
        self.write_stack(scratch.pointer, element, scratch.dtype.size(), columns[0], value);
        if let Some((pointer, 1)) = scratch.traps {
            let trap = self.spread(lanes.trap.unwrap_or_else(|| self.b.const_bool(false)), count);
            self.write_stack(pointer, byte, 1, columns[0], self.b.extui(trap, byte));
        }
    }

    /// Remembers whether a segment of columns trapped, of which the scratch has one byte.
    pub fn write_trap(&self, scratch: &Scratch<'m>, segment: Ix<'m>, trap: Option<Val<'m>>) {
        let (Some((pointer, _)), Some(trap)) = (scratch.traps, trap) else { return };
        let byte = self.b.int(8);
        self.write_stack(pointer, byte, 1, segment, self.b.extui(trap, byte));
    }

    fn is_set(&self, bytes: Val<'m>) -> Val<'m> {
        self.b.cmpi(IntPredicate::Ne, bytes, self.b.const_int(self.b.type_of(bytes), 0))
    }

    /// Elements on the stack, with one load if they are neighbours.
    pub fn read_stack(&self, base: Val<'m>, element: Type<'m>, size: u64, at: &[Ix<'m>]) -> Val<'m> {
        let load = |ix: Ix<'m>, lanes: u32| {
            let (pointer, align) = self.stack_address(base, element, size, ix);
            self.b.load(pointer, self.b.lanes_of(element, lanes), align, false)
        };
        if neighbours(at) {
            return load(at[0], at.len() as u32);
        }
        self.b.gather_lanes(&at.iter().map(|ix| load(*ix, 1)).collect::<Vec<_>>())
    }

    /// Writes a scalar or neighbours to the stack, from this element on.
    pub fn write_stack(&self, base: Val<'m>, element: Type<'m>, size: u64, at: Ix<'m>, value: Val<'m>) {
        let (pointer, align) = self.stack_address(base, element, size, at);
        self.b.store(value, pointer, align);
    }

    fn stack_address(&self, base: Val<'m>, element: Type<'m>, size: u64, at: Ix<'m>) -> (Val<'m>, u32) {
        let divisor = gcd(at.multiple.saturating_mul(size), at.plus.saturating_mul(size));
        let divisor = gcd(divisor, u64::from(ALIGN));
        let pointer = at.base.map_or(base, |index| self.b.gep(base, index, element));
        (self.b.gep_const(pointer, at.plus as i32, element), 1 << divisor.trailing_zeros())
    }
}
