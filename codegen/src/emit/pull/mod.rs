//! The emitter's state: the kernel's arguments, what was emitted already, and arithmetic on indices.

pub(in crate::emit) mod cast;
pub(in crate::emit) mod evaluate;
pub(in crate::emit) mod gather;
pub(in crate::emit) mod held;
pub(in crate::emit) mod index;
pub(in crate::emit) mod known;
pub(in crate::emit) mod math;
pub(in crate::emit) mod memory;
pub(in crate::emit) mod movement;
pub(in crate::emit) mod scalar;
pub(in crate::emit) mod store;

use crate::emit::flat::gpu::Fork;
use crate::emit::peephole::bound_mask::RowOfBlock;
use crate::emit::pull::held::Kept;
use crate::emit::pull::index::{IndexKey, Ix, gcd, key};
use crate::emit::pull::known::Lanes;
use crate::emit::row::gpu::group::Group;
use crate::emit::row::gpu::spread::Spread;
use crate::mlir::builder::{Builder, IntPredicate, Val};
use melior::ir::Type;
use routefuse_ir::dim::SymbolId;
use routefuse_ir::kernel::abi::{Slot, slots};
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::kernel::{Kernel, ParamId, ValueId};
use routefuse_ir::op::Candidates;
use routefuse_ir::target::{Target, TargetKind};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// Index arithmetic that was emitted already; SSA values by [`key`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::emit) enum Arithmetic {
    /// `base + constant`.
    Plus(usize, u64),
    /// The sum of two values.
    Sum(usize, usize),
    /// `base × constant`.
    Times(usize, u64),
    /// `(base + constant) × value`.
    Product(usize, u64, usize),
    /// `(base + constant) / constant`.
    Quotient(usize, u64, u64),
    /// `(base + constant) % constant`.
    Remainder(usize, u64, u64),
    /// `base + constant < constant`.
    Below(usize, u64, u64),
    /// `base + constant − start` in `[start, end)`, else 0.
    Within(usize, u64, u64, u64),
    /// The address of an element of a parameter.
    Address(u32, usize),
    /// An argument in the index type.
    Argument(usize),
    /// A lane's number in the index type.
    Lane(usize),
    /// A value with the canonical NaN in place of any other.
    Settled(usize),
}

/// Rank keys of a value, by what counts as a candidate and where.
pub(in crate::emit) type KeysOf = (ValueId, Candidates, IndexKey);

/// What is visible at the insertion point.
#[derive(Clone, Default)]
struct Scope<'m> {
    values: HashMap<(ValueId, IndexKey), Lanes<'m>>,
    arithmetic: HashMap<Arithmetic, Val<'m>>,
    kept: HashMap<ValueId, Kept<'m>>,
    keys: HashMap<KeysOf, Lanes<'m>>,
    /// By the [`key`] of the row.
    forks: HashMap<usize, Fork<'m>>,
}

/// Emits one kernel.
pub(in crate::emit) struct Emitter<'a, 'm> {
    pub b: &'a Builder<'m>,
    pub kernel: &'a Kernel,
    pub variant: Variant,
    pub target: Target,
    pub kind: TargetKind,
    /// The kernel waits for the one before it.
    pub dependent_launch: bool,
    pub slots: Vec<Slot>,
    /// One for each slot, once the function is begun.
    pub arguments: RefCell<Vec<Val<'m>>>,
    scope: RefCell<Scope<'m>>,
    /// On the host, inside a loop over a block of rows: its row.
    pub row_of_block: Cell<Option<RowOfBlock<'m>>>,
    /// Of a row schedule on a GPU: the lanes of a row.
    pub group: OnceCell<Group<'a, 'm>>,
    /// Of a row schedule on a GPU: by segments and their columns.
    pub spreads: RefCell<HashMap<(u64, u64), Rc<Spread<'m>>>>,
    /// By value, whether a store depends on it.
    reached: Vec<bool>,
}

impl<'a, 'm> Emitter<'a, 'm> {
    pub fn new(b: &'a Builder<'m>, scheduled: &'a Scheduled, variant: Variant) -> Emitter<'a, 'm> {
        Emitter {
            b,
            kernel: &scheduled.kernel,
            variant,
            target: scheduled.target,
            kind: scheduled.target.kind(),
            dependent_launch: scheduled.target.has_dependent_launch(),
            slots: slots(&scheduled.kernel),
            arguments: RefCell::default(),
            scope: RefCell::default(),
            row_of_block: Cell::default(),
            group: OnceCell::new(),
            spreads: RefCell::default(),
            reached: reached(&scheduled.kernel),
        }
    }

    /// Runs `body`, which emits into a region of its own: what it emits is not visible after it.
    pub fn scoped<R>(&self, body: impl FnOnce() -> R) -> R {
        let outer = self.scope.borrow().clone();
        let result = body();
        *self.scope.borrow_mut() = outer;
        result
    }

    /// The value at this index, if it was emitted.
    pub fn known(&self, value: ValueId, index: &IndexKey) -> Option<Lanes<'m>> {
        self.scope.borrow().values.get(&(value, index.clone())).copied()
    }

    /// Remembers the value at this index.
    pub fn remember(&self, value: ValueId, index: IndexKey, lanes: Lanes<'m>) {
        self.scope.borrow_mut().values.insert((value, index), lanes);
    }

    /// Where a row schedule keeps the value, once it does.
    pub fn keeps(&self, value: ValueId) -> Option<Kept<'m>> {
        self.scope.borrow().kept.get(&value).cloned()
    }

    /// Whoever asks for the value from now on, in this scope, gets what is kept.
    pub fn keep(&self, value: ValueId, kept: Kept<'m>) {
        self.scope.borrow_mut().kept.insert(value, kept);
    }

    /// The rank keys of this, if they were emitted.
    pub fn known_keys(&self, of: &KeysOf) -> Option<Lanes<'m>> {
        self.scope.borrow().keys.get(of).copied()
    }

    /// Remembers rank keys.
    pub fn remember_keys(&self, of: KeysOf, keys: Lanes<'m>) {
        self.scope.borrow_mut().keys.insert(of, keys);
    }

    /// Whether a store depends on the value.
    pub fn is_reached(&self, value: ValueId) -> bool {
        self.reached[value.0 as usize]
    }

    /// The lanes of a row, of a row schedule on a GPU.
    pub fn group(&self) -> &Group<'a, 'm> {
        self.group.get().expect("a row schedule begins with its group")
    }

    /// What arithmetic would give is known.
    pub fn know(&self, what: Arithmetic, value: Val<'m>) {
        self.scope.borrow_mut().arithmetic.entry(what).or_insert(value);
    }

    /// A lane's number, `i32`, as 64 bits.
    pub fn widened_lane(&self, lane: Val<'m>) -> Val<'m> {
        self.once(Arithmetic::Lane(key(lane)), || self.b.extui(lane, self.b.int(64)))
    }

    /// A row that is one of two.
    pub fn forked(&self, fork: Fork<'m>) -> Ix<'m> {
        let (then, otherwise) = (self.materialise(fork.then), self.materialise(fork.otherwise));
        let row = self.b.select(fork.condition, then, otherwise);
        self.scope.borrow_mut().forks.insert(key(row), fork);
        Ix::value(row, 1)
    }

    /// The two that a row is one of.
    pub fn fork(&self, row: Ix<'m>) -> Option<Fork<'m>> {
        row.base.filter(|_| row.plus == 0).and_then(|base| self.scope.borrow().forks.get(&key(base)).copied())
    }

    /// What was emitted for it before, if that is visible.
    pub fn once(&self, what: Arithmetic, emit: impl FnOnce() -> Val<'m>) -> Val<'m> {
        if let Some(known) = self.scope.borrow().arithmetic.get(&what) {
            return *known;
        }
        let value = emit();
        self.scope.borrow_mut().arithmetic.insert(what, value);
        value
    }

    // Arguments.

    fn slot(&self, slot: Slot) -> Val<'m> {
        let position = self.slots.iter().position(|s| *s == slot).expect("the kernel has the slot");
        self.arguments.borrow()[position]
    }

    /// The base address of a parameter.
    pub fn pointer(&self, param: ParamId) -> Val<'m> {
        self.slot(Slot::Pointer(param))
    }

    /// The stride of a dim of a parameter.
    pub fn stride(&self, param: ParamId, dim: u32) -> Val<'m> {
        self.as_index(self.slot(Slot::Stride(param, dim)))
    }

    /// The extent of a symbol.
    pub fn extent(&self, symbol: SymbolId) -> Val<'m> {
        self.as_index(self.slot(Slot::Extent(symbol)))
    }

    /// The rows of the kernel.
    pub fn rows(&self) -> Val<'m> {
        self.kernel.rows.map_or_else(|| self.index_const(1), |symbol| self.extent(symbol))
    }

    /// A 64-bit argument in the index type.
    fn as_index(&self, argument: Val<'m>) -> Val<'m> {
        if !self.variant.narrow {
            return argument;
        }
        self.once(Arithmetic::Argument(key(argument)), || self.b.trunci(argument, self.index_type()))
    }

    // Index arithmetic.

    /// Bits of index arithmetic.
    pub fn index_bits(&self) -> u32 {
        if self.variant.narrow { 32 } else { 64 }
    }

    /// The type of index arithmetic.
    pub fn index_type(&self) -> Type<'m> {
        self.b.int(self.index_bits())
    }

    /// A constant of the index type.
    pub fn index_const(&self, value: u64) -> Val<'m> {
        self.b.const_int(self.index_type(), value as i64)
    }

    /// The SSA value of an index.
    pub fn materialise(&self, ix: Ix<'m>) -> Val<'m> {
        match ix.base {
            None => self.index_const(ix.plus),
            Some(base) => self.plus(base, ix.plus),
        }
    }

    fn plus(&self, base: Val<'m>, plus: u64) -> Val<'m> {
        if plus == 0 {
            return base;
        }
        self.once(Arithmetic::Plus(key(base), plus), || self.b.addi(base, self.index_const(plus)))
    }

    /// `x + y`.
    pub fn add(&self, x: Ix<'m>, y: Ix<'m>) -> Ix<'m> {
        let base = match (x.base, y.base) {
            (None, base) | (base, None) => base,
            (Some(a), Some(b)) => Some(self.once(Arithmetic::Sum(key(a), key(b)), || self.b.addi(a, b))),
        };
        Ix { base, plus: x.plus + y.plus, multiple: gcd(x.multiple, y.multiple) }
    }

    /// `x × factor`.
    pub fn times(&self, x: Ix<'m>, factor: u64) -> Ix<'m> {
        if factor == 1 {
            return x;
        }
        if factor == 0 {
            return Ix::constant(0);
        }
        let base = x.base.map(|base| {
            self.once(Arithmetic::Times(key(base), factor), || self.b.muli(base, self.index_const(factor)))
        });
        Ix { base, plus: x.plus * factor, multiple: x.multiple.checked_mul(factor).unwrap_or(x.multiple) }
    }

    /// `x × y`, where `multiple` divides `y`.
    pub fn product(&self, x: Ix<'m>, y: Val<'m>, multiple: u64) -> Ix<'m> {
        if x.base.is_none() && x.plus < 2 {
            return if x.plus == 0 { x } else { Ix::value(y, multiple) };
        }
        let what = Arithmetic::Product(x.base.map_or(0, key), x.plus, key(y));
        let product = self.once(what, || self.b.muli(self.materialise(x), y));
        Ix::value(product, multiple)
    }

    /// `x / divisor`.
    pub fn divide(&self, x: Ix<'m>, divisor: u64) -> Ix<'m> {
        let Some(base) = x.base else { return Ix::constant(x.plus / divisor) };
        if divisor == 1 {
            return x;
        }
        // Below `step`, what is added to a multiple of it changes no quotient by a multiple of it.
        let step = gcd(x.multiple, divisor);
        let low = if step == divisor { 0 } else { x.plus / step * step };
        let quotient = self.once(Arithmetic::Quotient(key(base), low, divisor), || {
            self.b.divui(self.plus(base, low), self.index_const(divisor))
        });
        if step == divisor {
            return Ix { base: Some(quotient), plus: x.plus / divisor, multiple: x.multiple / divisor };
        }
        Ix::value(quotient, 1)
    }

    /// `x % modulus`.
    pub fn remainder(&self, x: Ix<'m>, modulus: u64) -> Ix<'m> {
        let Some(base) = x.base else { return Ix::constant(x.plus % modulus) };
        let step = gcd(x.multiple, modulus);
        if step == modulus {
            return Ix::constant(x.plus % modulus);
        }
        let low = x.plus / step * step;
        let remainder = self.once(Arithmetic::Remainder(key(base), low, modulus), || {
            self.b.remui(self.plus(base, low), self.index_const(modulus))
        });
        Ix { base: Some(remainder), plus: x.plus - low, multiple: step }
    }

    /// `x < end`, or the answer if it is known.
    pub fn below(&self, x: Ix<'m>, end: u64) -> Result<bool, Val<'m>> {
        let Some(base) = x.base else { return Ok(x.plus < end) };
        if x.plus >= end {
            return Ok(false);
        }
        let step = gcd(x.multiple, end);
        let low = x.plus / step * step;
        Err(self.once(Arithmetic::Below(key(base), low, end), || {
            self.b.cmpi(IntPredicate::Ult, self.plus(base, low), self.index_const(end))
        }))
    }

    /// `x − start` if `x` is in `[start, end)`, else something in `[0, end − start)`.
    pub fn within(&self, x: Ix<'m>, start: u64, end: u64) -> Ix<'m> {
        let Some(base) = x.base else {
            return Ix::constant(if (start..end).contains(&x.plus) { x.plus - start } else { 0 });
        };
        let step = gcd(gcd(x.multiple, start), end);
        let low = x.plus / step * step;
        let moved = self.once(Arithmetic::Within(key(base), low, start, end), || {
            let bits = if low >= start {
                self.plus(base, low - start)
            } else {
                self.b.subi(base, self.index_const(start - low))
            };
            // Unsigned, so that what is before the start is far behind the end. No comparison: on a GPU its answer would take
            // one of seven predicates until all lanes are loaded.
            let extent = end - start;
            if extent.is_power_of_two() {
                self.b.andi(bits, self.index_const(extent - 1))
            } else {
                self.b.minui(bits, self.index_const(extent - step))
            }
        });
        Ix { base: Some(moved), plus: x.plus - low, multiple: step }
    }

    /// The address of element `at` of a parameter, and a divisor of the address in bytes, a power of two.
    pub fn address(&self, param: ParamId, at: Ix<'m>, element: Type<'m>) -> (Val<'m>, u64) {
        let size = self.kernel.param(param).ty.dtype.size();
        let aligned = if self.variant.aligned { 16 } else { size };
        let divisor = gcd(gcd(at.multiple.saturating_mul(size), at.plus.saturating_mul(size)), aligned);
        let align = 1 << divisor.trailing_zeros();
        // A constant index is 32 bits wide.
        let (dynamic, fixed) = match (at.base, i32::try_from(at.plus)) {
            (base, Ok(fixed)) => (base, fixed),
            (_, Err(_)) => (Some(self.materialise(at)), 0),
        };
        let pointer = self.pointer(param);
        let pointer = match dynamic {
            None => pointer,
            Some(base) => self.once(Arithmetic::Address(param.0, key(base)), || self.b.gep(pointer, base, element)),
        };
        (self.b.gep_const(pointer, fixed, element), align)
    }
}

/// By value, whether a store depends on it.
fn reached(kernel: &Kernel) -> Vec<bool> {
    let mut reached = vec![false; kernel.values.len()];
    for id in kernel.stores.iter().flat_map(|s| [Some(s.value), s.add_at]).flatten() {
        reached[id.0 as usize] = true;
    }
    for (id, value) in kernel.values().rev() {
        if reached[id.0 as usize] {
            value.kind.operands().iter().for_each(|o| reached[o.0 as usize] = true);
        }
    }
    reached
}
