//! What is held of a row: elements on the stack, or in scratch memory.

use crate::emit::pull::Held;
use crate::emit::pull::arithmetic::Indexing;
use crate::emit::pull::index::{Index, Ix, gcd, key, neighbours};
use crate::emit::pull::known::{Lanes, Nans};
use crate::emit::pull::lanewise::Lanewise;
use crate::emit::pull::types::memory_type;
use crate::mlir::builder::{Builder, IntPredicate, Val};
use melior::ir::Type;
use routefuse_ir::DType;
use routefuse_ir::kernel::schedule::room::LINE;
use std::cell::Cell;
use std::rc::Rc;

/// Alignment of what lies on the stack: a cache line.
pub(super) const ALIGN: u32 = LINE as u32;

/// All columns of a value, or of what is made of one, on the stack.
#[derive(Clone)]
pub(super) struct Columns<'m> {
    /// The first element. `bool` is a byte.
    pointer: Val<'m>,
    dtype: DType,
    /// What its NaNs are.
    nans: Nans,
    /// A byte for each `columns_of_trap` columns: whether a gather trapped on the way. Only where one may.
    traps: Option<(Val<'m>, u64)>,
    /// Where there is memory for a block of rows, elements and trap bytes from one to the next; 0 where a row's memory serves
    /// all.
    strides: (u64, u64),
}

impl<'m> Columns<'m> {
    /// The same memory, of which this is known.
    pub fn with_nans(&self, nans: Nans) -> Columns<'m> {
        Columns { nans, ..self.clone() }
    }

    /// The same elements, beside which no traps are written.
    pub fn without_traps(&self) -> Columns<'m> {
        Columns { traps: None, ..self.clone() }
    }

    /// Whether there is memory for every row of a block.
    pub fn are_of_block(&self) -> bool {
        self.strides.0 > 0
    }
}

/// Emits accesses to the stack.
#[derive(Clone)]
pub(super) struct Stack<'a, 'm> {
    b: &'a Builder<'m>,
    ix: Rc<Indexing<'a, 'm>>,
    lanewise: Rc<Lanewise<'a, 'm>>,
    /// Scratch memory, if it is that instead, and how many bytes of it are taken.
    scratch: Option<(Val<'m>, Rc<Cell<u64>>)>,
}

impl<'a, 'm> Stack<'a, 'm> {
    pub fn new(
        b: &'a Builder<'m>,
        ix: &Rc<Indexing<'a, 'm>>,
        lanewise: &Rc<Lanewise<'a, 'm>>,
        scratch: Option<Val<'m>>,
    ) -> Stack<'a, 'm> {
        let scratch = scratch.map(|base| (base, Rc::default()));
        Stack { b, ix: Rc::clone(ix), lanewise: Rc::clone(lanewise), scratch }
    }

    /// The type of rank keys.
    pub fn key_type(&self) -> Type<'m> {
        self.b.int(32)
    }

    /// Bytes of scratch memory that are taken.
    pub fn scratch_bytes(&self) -> u64 {
        self.scratch.as_ref().map_or(0, |(_, taken)| taken.get())
    }

    /// Memory for `count` elements of `size` bytes. To be asked for outside of loops.
    pub fn memory(&self, element: Type<'m>, size: u64, count: u64) -> Val<'m> {
        let Some((base, taken)) = &self.scratch else { return self.b.stack(element, count, ALIGN) };
        let at = taken.get();
        taken.set(at + (count * size).next_multiple_of(u64::from(ALIGN)));
        self.b.gep_const(*base, at as i32, self.b.int(8))
    }

    /// Memory for `count` elements of each of so many rows, and the elements from one row to the next; 0 for one row.
    pub fn memory_of_rows(&self, element: Type<'m>, size: u64, count: u64, rows: u64) -> (Val<'m>, u64) {
        if rows == 1 {
            return (self.memory(element, size, count), 0);
        }
        let stride = (count * size).next_multiple_of(u64::from(ALIGN)) / size;
        (self.memory(element, size, stride * rows), stride)
    }

    /// Room for `cols` elements, of each of so many rows. With `columns_of_trap` it remembers traps, one for as many columns.
    pub fn room(&self, dtype: DType, cols: u64, columns_of_trap: Option<u64>, rows: u64) -> Columns<'m> {
        let (pointer, stride) = self.memory_of_rows(memory_type(self.b, dtype), dtype.size(), cols, rows);
        let (mut traps, mut trap_stride) = (None, 0);
        if let Some(each) = columns_of_trap {
            let (pointer, stride) = self.memory_of_rows(self.b.int(8), 1, cols.div_ceil(each), rows);
            (traps, trap_stride) = (Some((pointer, each)), stride);
        }
        Columns { pointer, dtype, nans: Nans::Exact, traps, strides: (stride, trap_stride) }
    }

    /// The memory of a row of a block, by its number there.
    pub fn of_row(&self, columns: &Columns<'m>, number: Ix<'m>) -> Columns<'m> {
        let (stride, trap_stride) = columns.strides;
        let pointer = self.row_of(columns.pointer, memory_type(self.b, columns.dtype), stride, number);
        let traps = columns.traps.map(|(p, each)| (self.row_of(p, self.b.int(8), trap_stride, number), each));
        Columns { pointer, traps, strides: (0, 0), ..columns.clone() }
    }

    /// The address of a row of a block, by its number there, where rows are so many elements apart.
    pub fn row_of(&self, base: Val<'m>, element: Type<'m>, stride: u64, number: Ix<'m>) -> Val<'m> {
        if stride == 0 {
            return base;
        }
        let at = self.ix.times(number, stride);
        let pointer = at.base.map_or(base, |index| self.b.gep(base, index, element));
        self.b.gep_const(pointer, at.plus as i32, element)
    }

    /// The elements at these columns, one a lane.
    pub fn read(&self, from: &Columns<'m>, columns: &[Ix<'m>]) -> Lanes<'m> {
        let raw = self.read_at(from.pointer, memory_type(self.b, from.dtype), from.dtype.size(), columns);
        let value = if from.dtype == DType::Bool { self.is_set(raw) } else { raw };
        let trap = from.traps.map(|(pointer, each)| {
            let of: Vec<Ix<'m>> = columns.iter().map(|c| self.ix.divide(*c, each)).collect();
            let one = of.iter().all(|ix| ix.key() == of[0].key());
            self.is_set(self.read_at(pointer, self.b.int(8), 1, if one { &of[..1] } else { &of }))
        });
        Lanes { value, lanes: columns.len() as u32, nans: from.nans, trap }
    }

    /// Writes the elements at these neighbouring columns; their traps too, if there is one for each column.
    pub fn write(&self, to: &Columns<'m>, columns: &[Ix<'m>], lanes: Lanes<'m>) {
        let count = columns.len() as u32;
        let byte = self.b.int(8);
        let value = self.lanewise.spread(lanes.value, count);
        let value = if to.dtype == DType::Bool { self.b.extui(value, byte) } else { value };
        let element = memory_type(self.b, to.dtype);
        self.write_at(to.pointer, element, to.dtype.size(), columns[0], value);
        if let Some((pointer, 1)) = to.traps {
            let trap = self.lanewise.spread(lanes.trap.unwrap_or_else(|| self.b.const_bool(false)), count);
            self.write_at(pointer, byte, 1, columns[0], self.b.extui(trap, byte));
        }
    }

    /// Remembers whether a segment of columns trapped, of which there is one byte.
    pub fn write_trap(&self, to: &Columns<'m>, segment: Ix<'m>, trap: Option<Val<'m>>) {
        let (Some((pointer, _)), Some(trap)) = (to.traps, trap) else { return };
        let byte = self.b.int(8);
        self.write_at(pointer, byte, 1, segment, self.b.extui(trap, byte));
    }

    fn is_set(&self, bytes: Val<'m>) -> Val<'m> {
        self.b.cmpi(IntPredicate::Ne, bytes, self.b.const_int(self.b.type_of(bytes), 0))
    }

    /// Elements on the stack, with one load if they are neighbours.
    pub fn read_at(&self, base: Val<'m>, element: Type<'m>, size: u64, at: &[Ix<'m>]) -> Val<'m> {
        let load = |ix: Ix<'m>, lanes: u32| {
            let (pointer, align) = self.address(base, element, size, ix);
            self.b.load(pointer, self.b.lanes_of(element, lanes), align, false)
        };
        if neighbours(at) {
            return load(at[0], at.len() as u32);
        }
        self.b.gather_lanes(&at.iter().map(|ix| load(*ix, 1)).collect::<Vec<_>>())
    }

    /// Writes a scalar or neighbours to the stack, from this element on.
    pub fn write_at(&self, base: Val<'m>, element: Type<'m>, size: u64, at: Ix<'m>, value: Val<'m>) {
        let (pointer, align) = self.address(base, element, size, at);
        self.b.store(value, pointer, align);
    }

    fn address(&self, base: Val<'m>, element: Type<'m>, size: u64, at: Ix<'m>) -> (Val<'m>, u32) {
        let divisor = gcd(at.multiple.saturating_mul(size), at.plus.saturating_mul(size));
        let divisor = gcd(divisor, u64::from(ALIGN));
        let pointer = at.base.map_or(base, |index| self.b.gep(base, index, element));
        (self.b.gep_const(pointer, at.plus as i32, element), 1 << divisor.trailing_zeros())
    }
}

/// A value that is held on the stack.
pub(super) struct OnStack<'a, 'm> {
    pub stack: Stack<'a, 'm>,
    pub columns: Columns<'m>,
}

impl<'m> Held<'m> for OnStack<'_, 'm> {
    fn read(&self, index: &Index<'m>) -> Option<Lanes<'m>> {
        Some(self.stack.read(&self.columns, &index.column))
    }
}

/// A value that is held of every row of a block.
pub(super) struct OfBlock<'a, 'm> {
    pub stack: Stack<'a, 'm>,
    pub columns: Columns<'m>,
    /// The block's first row.
    pub first: Val<'m>,
}

impl<'m> Held<'m> for OfBlock<'_, 'm> {
    fn read(&self, index: &Index<'m>) -> Option<Lanes<'m>> {
        let number = |lane: usize| {
            let row = index.row_of(lane);
            row.base.filter(|base| key(*base) == key(self.first)).map(|_| Ix::constant(row.plus))
        };
        let of_lane = |lane: usize| {
            Some(self.stack.read(&self.stack.of_row(&self.columns, number(lane)?), &[index.column_of(lane)]))
        };
        if index.row.len() == 1 {
            return Some(self.stack.read(&self.stack.of_row(&self.columns, number(0)?), &index.column));
        }
        let lanes: Option<Vec<Lanes<'m>>> = (0..index.lanes() as usize).map(of_lane).collect();
        Some(self.stack.lanewise.joined(&lanes?))
    }
}
