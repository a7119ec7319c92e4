//! Arithmetic on indices. What was emitted for the same operands before is used again.

use super::index::{Ix, gcd, key};
use super::scopes::{ScopedMap, Scopes};
use crate::mlir::builder::{Builder, IntPredicate, Val};
use melior::ir::Type;
use routefuse_ir::kernel::schedule::Variant;
use std::rc::Rc;

/// What was emitted, by the identity of its operands ([`key`]).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Known {
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
    /// A 64-bit argument in the index type.
    Argument(usize),
    /// A 32-bit number as 64 bits.
    Widened(usize),
}

/// Emits index arithmetic, in 32 or 64 bits.
pub(in crate::emit) struct Indexing<'a, 'm> {
    b: &'a Builder<'m>,
    /// Indices have 32 bits.
    narrow: bool,
    known: ScopedMap<Known, Val<'m>>,
    /// Of a base, a number that it is below.
    ends: ScopedMap<usize, u64>,
    /// Of a base that is another and a constant, what that is.
    sums: ScopedMap<usize, (Val<'m>, u64)>,
}

impl<'a, 'm> Indexing<'a, 'm> {
    /// Arithmetic for code with these assumptions.
    pub fn new(b: &'a Builder<'m>, variant: Variant, scopes: &Rc<Scopes>) -> Indexing<'a, 'm> {
        Indexing {
            b,
            narrow: variant.narrow,
            known: ScopedMap::new(scopes),
            ends: ScopedMap::new(scopes),
            sums: ScopedMap::new(scopes),
        }
    }

    /// What was emitted for it before, if that is visible.
    fn once(&self, what: Known, emit: impl FnOnce() -> Val<'m>) -> Val<'m> {
        if let Some(known) = self.known.get(&what) {
            return known;
        }
        let value = emit();
        self.known.insert(what, value);
        value
    }

    fn know(&self, what: Known, value: Val<'m>) {
        if self.known.get(&what).is_none() {
            self.known.insert(what, value);
        }
    }

    /// Bits of index arithmetic.
    pub fn bits(&self) -> u32 {
        if self.narrow { 32 } else { 64 }
    }

    /// The type of index arithmetic.
    pub fn ty(&self) -> Type<'m> {
        self.b.int(self.bits())
    }

    /// A constant of the index type.
    pub fn constant(&self, value: u64) -> Val<'m> {
        self.b.const_int(self.ty(), value as i64)
    }

    /// The SSA value of an index.
    pub fn materialise(&self, ix: Ix<'m>) -> Val<'m> {
        match ix.base {
            None => self.constant(ix.plus),
            Some(base) => self.plus(base, ix.plus),
        }
    }

    fn plus(&self, base: Val<'m>, plus: u64) -> Val<'m> {
        if plus == 0 {
            return base;
        }
        let sum = self.once(Known::Plus(key(base), plus), || self.b.addi(base, self.constant(plus)));
        self.sums.insert(key(sum), (base, plus));
        sum
    }

    /// The same index without a sum with a constant that was emitted for it.
    pub fn apart(&self, ix: Ix<'m>) -> Ix<'m> {
        let Some((base, more)) = ix.base.and_then(|base| self.sums.get(&key(base))) else { return ix };
        Ix { base: Some(base), plus: ix.plus + more, multiple: gcd(ix.multiple, more) }
    }

    // From and to other integers.

    /// A 64-bit argument in the index type.
    pub fn of_argument(&self, argument: Val<'m>) -> Val<'m> {
        if !self.narrow {
            return argument;
        }
        self.once(Known::Argument(key(argument)), || self.b.trunci(argument, self.ty()))
    }

    /// A 64-bit integer in the index type.
    pub fn of_long(&self, long: Val<'m>) -> Val<'m> {
        if self.narrow { self.b.trunci(long, self.ty()) } else { long }
    }

    /// A value of the index type as a 64-bit integer.
    pub fn to_long(&self, value: Val<'m>) -> Val<'m> {
        if self.narrow { self.b.extui(value, self.b.int(64)) } else { value }
    }

    /// A small 32-bit number as an index.
    pub fn of_word(&self, word: Val<'m>) -> Ix<'m> {
        let wide = if self.narrow {
            word
        } else {
            self.once(Known::Widened(key(word)), || self.b.extui(word, self.b.int(64)))
        };
        Ix::value(wide, 1)
    }

    /// An index below 2³¹ as a 32-bit number.
    pub fn to_word(&self, ix: Ix<'m>) -> Val<'m> {
        match ix.base {
            None => self.b.const_int(self.b.int(32), i64::from(ix.plus as u32)),
            Some(_) if self.narrow => self.materialise(ix),
            Some(_) => self.b.trunci(self.materialise(ix), self.b.int(32)),
        }
    }

    // Arithmetic.

    /// `x + y`.
    pub fn add(&self, x: Ix<'m>, y: Ix<'m>) -> Ix<'m> {
        let base = match (x.base, y.base) {
            (None, base) | (base, None) => base,
            (Some(a), Some(b)) => Some(self.once(Known::Sum(key(a), key(b)), || self.b.addi(a, b))),
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
        let base =
            x.base.map(|base| self.once(Known::Times(key(base), factor), || self.b.muli(base, self.constant(factor))));
        Ix { base, plus: x.plus * factor, multiple: x.multiple.checked_mul(factor).unwrap_or(x.multiple) }
    }

    /// `x × y`, where `multiple` divides `y`.
    pub fn product(&self, x: Ix<'m>, y: Val<'m>, multiple: u64) -> Ix<'m> {
        if x.base.is_none() && x.plus < 2 {
            return if x.plus == 0 { x } else { Ix::value(y, multiple) };
        }
        let what = Known::Product(x.base.map_or(0, key), x.plus, key(y));
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
        let quotient = self.once(Known::Quotient(key(base), low, divisor), || {
            self.b.divui(self.plus(base, low), self.constant(divisor))
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
        let remainder = self.once(Known::Remainder(key(base), low, modulus), || {
            self.b.remui(self.plus(base, low), self.constant(modulus))
        });
        Ix { base: Some(remainder), plus: x.plus - low, multiple: step }
    }

    /// `x < end`, or the answer if it is known.
    pub fn below(&self, x: Ix<'m>, end: u64) -> Result<bool, Val<'m>> {
        let Some(base) = x.base else { return Ok(x.plus < end) };
        if x.plus >= end {
            return Ok(false);
        }
        if self.ends.get(&key(base)).is_some_and(|below| below + x.plus <= end) {
            return Ok(true);
        }
        let step = gcd(x.multiple, end);
        let low = x.plus / step * step;
        Err(self.once(Known::Below(key(base), low, end), || {
            self.b.cmpi(IntPredicate::Ult, self.plus(base, low), self.constant(end))
        }))
    }

    /// `x − start` if `x` is in `[start, end)`, else something in `[0, end − start)`.
    pub fn within(&self, x: Ix<'m>, start: u64, end: u64) -> Ix<'m> {
        let Some(base) = x.base else {
            return Ix::constant(if (start..end).contains(&x.plus) { x.plus - start } else { 0 });
        };
        if x.plus >= start && self.ends.get(&key(base)).is_some_and(|below| below + x.plus <= end) {
            return Ix { plus: x.plus - start, ..x };
        }
        let step = gcd(gcd(x.multiple, start), end);
        let low = x.plus / step * step;
        let moved = self.once(Known::Within(key(base), low, start, end), || {
            let bits =
                if low >= start { self.plus(base, low - start) } else { self.b.subi(base, self.constant(start - low)) };
            // Unsigned, so that what is before the start is far behind the end. No comparison: on a GPU its answer would take
            // one of seven predicates until all lanes are loaded.
            let extent = end - start;
            if extent.is_power_of_two() {
                self.b.andi(bits, self.constant(extent - 1))
            } else {
                self.b.minui(bits, self.constant(extent - step))
            }
        });
        Ix { base: Some(moved), plus: x.plus - low, multiple: step }
    }

    // What is known without arithmetic.

    /// `base` is below `end`.
    pub fn know_end(&self, base: Val<'m>, end: u64) {
        self.ends.insert(key(base), end);
    }

    /// `value` is `base / divisor`.
    pub fn know_quotient(&self, base: Val<'m>, divisor: u64, value: Val<'m>) {
        self.know(Known::Quotient(key(base), 0, divisor), value);
    }

    /// `value` serves as [`Self::within`] `[0, end)` of `base`.
    pub fn know_within(&self, base: Val<'m>, end: u64, value: Val<'m>) {
        self.know(Known::Within(key(base), 0, 0, end), value);
    }
}
