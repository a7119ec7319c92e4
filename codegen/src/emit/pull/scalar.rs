//! Scalar ops, lane by lane.

use super::known::{Lanes, Nans};
use super::lanewise::Lanewise;
use super::types::value_type;
use crate::machine::quotients::Near;
use crate::mlir::builder::{FloatPredicate, IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::math::{self, order};
use routefuse_ir::op::{BinaryOp, CompareOp, ScalarOp, UnaryOp};

/// Lanes of 32 bits that are a good part of a thread's registers.
const MANY_LANES: u32 = 32;

impl<'m> Lanewise<'_, 'm> {
    /// One scalar op on operands of these dtypes. One lane serves all.
    pub fn scalar(&self, op: ScalarOp, operands: &[Lanes<'m>], dtypes: &[DType]) -> Lanes<'m> {
        let lanes = operands.iter().map(|x| x.lanes).max().unwrap_or(1);
        let trap = operands.iter().fold(None, |trap, x| self.either(trap, x.trap));
        let condition = (op == ScalarOp::Select && self.machine.keeps_one_answer()).then(|| operands[0].value);
        if let (ScalarOp::Binary(BinaryOp::Div), DType::F32, [x, y]) = (op, dtypes[0], operands)
            && x.lanes > 1
            && y.lanes == 1
        {
            return self.quotients(*x, *y, Near::default());
        }
        let operands: Vec<Lanes<'m>> = operands
            .iter()
            .map(|x| Lanes { value: self.spread(x.value, lanes), lanes, nans: x.nans, trap: None })
            .collect();
        let dtype = dtypes[0];
        let (x, y) = (operands[0], operands.get(1).copied());
        let y = y.unwrap_or(x);
        let result = match op {
            ScalarOp::Unary(op) if dtype == DType::F32 => self.unary_float_in_pieces(op, x),
            ScalarOp::Unary(op) => Lanes::exact(self.unary_integer(op, x.value, dtype), lanes),
            ScalarOp::Binary(op) if dtype == DType::F32 => self.free(self.binary_float(op, x.value, y.value), lanes),
            ScalarOp::Binary(op) => Lanes::exact(self.binary_integer(op, x.value, y.value, dtype), lanes),
            ScalarOp::Compare(op) => Lanes::exact(self.compare(op, x.value, y.value, dtype), lanes),
            ScalarOp::Fma => self.free(self.machine.multiply_add(self.b, x.value, y.value, operands[2].value), lanes),
            ScalarOp::Select => self.choose(condition.unwrap_or(x.value), y, operands[2]),
            ScalarOp::Cast(to) => self.cast(x, dtype, to),
            ScalarOp::Bitcast(to) => self.bits_as(x, dtype, to),
            ScalarOp::Philox => Lanes::exact(self.philox(x.value, y.value, operands[2].value), lanes),
        };
        Lanes { trap, ..result }
    }

    /// Quotients by one divisor, `f32`.
    pub fn quotients(&self, x: Lanes<'m>, y: Lanes<'m>, known: Near<'m>) -> Lanes<'m> {
        let divide = |x: Lanes<'m>| self.machine.divide_by_one(self.b, [x.value, y.value], known);
        let quotients = self.many_in_pieces(x, |x| self.free(divide(x), x.lanes));
        let settled = known.settles() && self.machine.settles_quotients();
        let nans = if settled { Nans::Canonical } else { quotients.nans };
        Lanes { trap: self.either(x.trap, y.trap), nans, ..quotients }
    }

    /// The exponential of an `f32` that is not above 0, on a machine that lets NaNs flow.
    pub fn exp_not_above_0(&self, x: Lanes<'m>) -> Lanes<'m> {
        Lanes { nans: Nans::Free, value: math::exp_not_above_0(&mut self.math(x.lanes), x.value), ..x }
    }

    /// The exponential of an `f32` that is a number and not above 0.
    pub fn exp_of_number_not_above_0(&self, x: Lanes<'m>) -> Lanes<'m> {
        Lanes { nans: Nans::Free, value: math::exp_of_number_not_above_0(&mut self.math(x.lanes), x.value), ..x }
    }

    /// The exponential of what `f32`s, which are numbers, are below the largest of them, which is finite.
    pub fn exp_of_difference(&self, x: Lanes<'m>, largest: Val<'m>) -> Lanes<'m> {
        let largest = self.spread(math::in_units(&mut self.math(1), largest), x.lanes);
        Lanes { nans: Nans::Free, value: math::exp_of_difference(&mut self.math(x.lanes), x.value, largest), ..x }
    }

    /// The sigmoid of a `bf16` or an `f16` that was widened, on a machine that lets NaNs flow.
    pub fn sigmoid_of_16_bits(&self, x: Lanes<'m>) -> Lanes<'m> {
        let sigmoid = |x: Lanes<'m>| self.free(math::sigmoid_of_16_bits(&mut self.math(x.lanes), x.value), x.lanes);
        Lanes { trap: x.trap, ..self.in_pieces(x, sigmoid) }
    }

    /// What `f32` arithmetic made.
    fn free(&self, value: Val<'m>, lanes: u32) -> Lanes<'m> {
        Lanes { nans: Nans::Free, ..Lanes::exact(value, lanes) }
    }

    /// As [`Self::unary_float`], in pieces if it is long.
    fn unary_float_in_pieces(&self, op: UnaryOp, x: Lanes<'m>) -> Lanes<'m> {
        match op {
            UnaryOp::Neg | UnaryOp::Abs | UnaryOp::Floor | UnaryOp::Ceil | UnaryOp::Trunc => self.unary_float(op, x),
            _ => self.in_pieces(x, |x| self.unary_float(op, x)),
        }
    }

    /// As [`Self::in_pieces`], for what is done sooner together as long as the lanes are not many.
    pub fn many_in_pieces(&self, x: Lanes<'m>, of: impl Fn(Lanes<'m>) -> Lanes<'m>) -> Lanes<'m> {
        if x.lanes < MANY_LANES { of(x) } else { self.in_pieces(x, of) }
    }

    /// What takes many registers on the way, of as many lanes at a time as the machine has registers for.
    fn in_pieces(&self, x: Lanes<'m>, of: impl Fn(Lanes<'m>) -> Lanes<'m>) -> Lanes<'m> {
        let whole = |most: u32| x.lanes <= most && x.lanes.is_power_of_two();
        let Some(most) = self.machine.lanes_at_once().filter(|most| !whole(*most)) else { return of(x) };
        let b = self.b;
        let lanes: Vec<Val<'m>> = (0..x.lanes).map(|lane| b.extract(x.value, lane)).collect();
        let (mut done, mut nans) = (vec![], Nans::Exact);
        let finish = || {
            if x.lanes > most {
                self.machine.finish(b)
            }
        };
        while done.len() < lanes.len() {
            finish();
            let left = &lanes[done.len()..];
            let piece = &left[..1 << left.len().min(most as usize).ilog2()];
            let piece = Lanes { value: b.gather_lanes(piece), lanes: piece.len() as u32, ..x };
            let of_piece = of(piece);
            done.extend((0..piece.lanes).map(|lane| b.extract(of_piece.value, lane)));
            nans = of_piece.nans;
        }
        finish();
        Lanes { value: b.gather_lanes(&done), nans, ..x }
    }

    fn unary_float(&self, op: UnaryOp, x: Lanes<'m>) -> Lanes<'m> {
        let mut machine = self.math(x.lanes);
        let m = &mut machine;
        // The functions of `math` end in a selection of the canonical NaN.
        let settled = |value| Lanes { nans: Nans::Canonical, ..Lanes::exact(value, x.lanes) };
        // But some of them do not where a NaN comes out of their arithmetic.
        let flowing = |value| if self.machine.nan_flows() { self.free(value, x.lanes) } else { settled(value) };
        match op {
            UnaryOp::Neg => self.free(self.b.negf(x.value), x.lanes),
            UnaryOp::Abs => self.free(self.b.absf(x.value), x.lanes),
            UnaryOp::Sqrt => self.free(self.machine.square_root(self.b, x.value), x.lanes),
            UnaryOp::Exp => settled(math::exp(m, x.value)),
            UnaryOp::Exp2 => settled(math::exp2(m, x.value)),
            UnaryOp::Log => settled(math::log(m, x.value)),
            UnaryOp::Log2 => settled(math::log2(m, x.value)),
            UnaryOp::Rsqrt => self.free(math::rsqrt(m, x.value), x.lanes),
            UnaryOp::Floor => self.free(math::floor(m, x.value), x.lanes),
            UnaryOp::Ceil => self.free(math::ceil(m, x.value), x.lanes),
            UnaryOp::Round => self.free(math::round(m, x.value), x.lanes),
            UnaryOp::Trunc => self.free(math::trunc(m, x.value), x.lanes),
            UnaryOp::Sigmoid => flowing(math::sigmoid(m, x.value)),
            UnaryOp::Softplus => flowing(math::softplus(m, x.value)),
            UnaryOp::Tanh => settled(math::tanh(m, x.value)),
            UnaryOp::Erf => settled(math::erf(m, x.value)),
            // `not` has no float form.
            UnaryOp::IsNan | UnaryOp::Not => Lanes::exact(self.b.cmpf(FloatPredicate::Uno, x.value, x.value), x.lanes),
        }
    }

    /// Integers, `bool`, and `is_nan` of the 16-bit floats; no other unary op takes these dtypes.
    fn unary_integer(&self, op: UnaryOp, x: Val<'m>, dtype: DType) -> Val<'m> {
        let b = self.b;
        let ty = b.type_of(x);
        let zero = b.const_int(ty, 0);
        match (op, dtype) {
            (UnaryOp::IsNan, _) => {
                // Above infinity once the sign is gone.
                let infinity = if dtype == DType::F16 { 0x7c00 } else { 0x7f80 };
                let magnitude = b.andi(x, b.const_int(ty, 0x7fff));
                b.cmpi(IntPredicate::Ugt, magnitude, b.const_int(ty, infinity))
            }
            (UnaryOp::Not, _) => b.not(x),
            (UnaryOp::Abs, dtype) if !dtype.is_signed() => x,
            (UnaryOp::Abs, _) => {
                let negative = b.cmpi(IntPredicate::Slt, x, zero);
                b.select(negative, b.subi(zero, x), x)
            }
            (UnaryOp::Neg, _) => b.subi(zero, x),
            (
                UnaryOp::Sqrt
                | UnaryOp::Exp
                | UnaryOp::Log
                | UnaryOp::Exp2
                | UnaryOp::Log2
                | UnaryOp::Rsqrt
                | UnaryOp::Sigmoid
                | UnaryOp::Softplus
                | UnaryOp::Tanh
                | UnaryOp::Erf
                | UnaryOp::Floor
                | UnaryOp::Ceil
                | UnaryOp::Round
                | UnaryOp::Trunc,
                _,
            ) => x,
        }
    }

    fn binary_float(&self, op: BinaryOp, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        let lanes = self.b.lanes(self.b.type_of(x));
        match op {
            BinaryOp::Add => self.b.addf(x, y),
            BinaryOp::Sub => self.b.subf(x, y),
            BinaryOp::Mul => self.b.mulf(x, y),
            BinaryOp::Div => self.machine.divide(self.b, x, y),
            BinaryOp::Min(rule) => order::min(&mut self.math(lanes), x, y, rule),
            BinaryOp::Max(rule) => order::max(&mut self.math(lanes), x, y, rule),
            BinaryOp::Rem => math::fmod(&mut self.math(lanes), x, y),
            BinaryOp::DivFloor => math::div_floor(&mut self.math(lanes), x, y),
            BinaryOp::RemFloor => math::rem_floor(&mut self.math(lanes), x, y),
            // No other binary op takes floats.
            BinaryOp::And | BinaryOp::Or | BinaryOp::Xor | BinaryOp::Shl | BinaryOp::Shr => x,
        }
    }

    fn binary_integer(&self, op: BinaryOp, x: Val<'m>, y: Val<'m>, dtype: DType) -> Val<'m> {
        let (b, signed) = (self.b, dtype.is_signed());
        match op {
            BinaryOp::Add => b.addi(x, y),
            BinaryOp::Sub => b.subi(x, y),
            BinaryOp::Mul => b.muli(x, y),
            BinaryOp::Div => self.divide_integer(x, y, signed, true),
            BinaryOp::Rem => self.divide_integer(x, y, signed, false),
            BinaryOp::DivFloor => self.divide_floor(x, y, signed, true),
            BinaryOp::RemFloor => self.divide_floor(x, y, signed, false),
            BinaryOp::Min(_) if signed => b.minsi(x, y),
            BinaryOp::Min(_) => b.minui(x, y),
            BinaryOp::Max(_) if signed => b.maxsi(x, y),
            BinaryOp::Max(_) => b.maxui(x, y),
            BinaryOp::And => b.andi(x, y),
            BinaryOp::Or => self.machine.or(b, x, y, self.signs),
            BinaryOp::Xor => b.xori(x, y),
            BinaryOp::Shl | BinaryOp::Shr => {
                let ty = b.type_of(x);
                let last = b.const_int(ty, i64::from(dtype.bits()) - 1);
                let fits = b.cmpi(IntPredicate::Ule, y, last);
                // Not a selection by `fits`: LLVM 22 would make the pair one PTX shift, which looks at the low 32 bits of
                // a 64-bit amount only.
                let amount = b.minui(y, last);
                match op {
                    BinaryOp::Shl => b.select(fits, b.shli(x, amount), b.const_int(ty, 0)),
                    // A shift by the width less one leaves what every larger amount leaves.
                    _ if signed => b.shrsi(x, amount),
                    _ => b.select(fits, b.shrui(x, amount), b.const_int(ty, 0)),
                }
            }
        }
    }

    /// Truncated division; by 0 all ones, remainder `x`; the least integer by −1 wraps to itself, remainder 0.
    fn divide_integer(&self, x: Val<'m>, y: Val<'m>, signed: bool, quotient: bool) -> Val<'m> {
        let b = self.b;
        let ty = b.type_of(x);
        let (zero, one, ones) = (b.const_int(ty, 0), b.const_int(ty, 1), b.const_int(ty, -1));
        let by_zero = b.cmpi(IntPredicate::Eq, y, zero);
        let mut divisor = b.select(by_zero, one, y);
        if signed {
            let least = b.const_int(ty, 1 << (b.width(b.element(ty)) - 1));
            let overflows = b.andi(b.cmpi(IntPredicate::Eq, x, least), b.cmpi(IntPredicate::Eq, y, ones));
            divisor = b.select(overflows, one, divisor);
        }
        match (quotient, signed) {
            (true, true) => b.select(by_zero, ones, b.divsi(x, divisor)),
            (true, false) => b.select(by_zero, ones, b.divui(x, divisor)),
            (false, true) => b.select(by_zero, x, b.remsi(x, divisor)),
            (false, false) => b.select(by_zero, x, b.remui(x, divisor)),
        }
    }

    /// Division that rounds down, by way of the truncated one: where that leaves a remainder of the other sign than the
    /// divisor, the quotient is one less and the remainder a divisor more.
    fn divide_floor(&self, x: Val<'m>, y: Val<'m>, signed: bool, quotient: bool) -> Val<'m> {
        let b = self.b;
        let truncated = self.divide_integer(x, y, signed, quotient);
        if !signed {
            return truncated;
        }
        let zero = b.const_int(b.type_of(x), 0);
        let remainder = if quotient { self.divide_integer(x, y, signed, false) } else { truncated };
        let signs_differ = b.cmpi(IntPredicate::Slt, b.xori(remainder, y), zero);
        let uneven = b.cmpi(IntPredicate::Ne, remainder, zero);
        // By 0 the remainder is x, and nothing is to be done.
        let divides = b.cmpi(IntPredicate::Ne, y, zero);
        let differs = b.andi(b.andi(signs_differ, uneven), divides);
        let floor = if quotient { b.subi(truncated, b.const_int(b.type_of(x), 1)) } else { b.addi(truncated, y) };
        b.select(differs, floor, truncated)
    }

    /// Ordered comparisons, false with a NaN; `ne` is not `eq`.
    fn compare(&self, op: CompareOp, x: Val<'m>, y: Val<'m>, dtype: DType) -> Val<'m> {
        use {FloatPredicate as F, IntPredicate as I};
        if dtype == DType::F32 {
            let predicate = match op {
                CompareOp::Eq => F::Oeq,
                CompareOp::Ne => F::Une,
                CompareOp::Lt => F::Olt,
                CompareOp::Le => F::Ole,
                CompareOp::Gt => F::Ogt,
                CompareOp::Ge => F::Oge,
            };
            return self.b.cmpf(predicate, x, y);
        }
        let predicate = match (op, dtype.is_signed()) {
            (CompareOp::Eq, _) => I::Eq,
            (CompareOp::Ne, _) => I::Ne,
            (CompareOp::Lt, true) => I::Slt,
            (CompareOp::Le, true) => I::Sle,
            (CompareOp::Gt, true) => I::Sgt,
            (CompareOp::Ge, true) => I::Sge,
            (CompareOp::Lt, false) => I::Ult,
            (CompareOp::Le, false) => I::Ule,
            (CompareOp::Gt, false) => I::Ugt,
            (CompareOp::Ge, false) => I::Uge,
        };
        self.b.cmpi(predicate, x, y)
    }

    /// The same bits as another dtype.
    fn bits_as(&self, x: Lanes<'m>, from: DType, to: DType) -> Lanes<'m> {
        let x = if from == DType::F32 && to != DType::F32 { self.settled(x) } else { x };
        let value = self.b.bitcast(x.value, self.b.lanes_of(value_type(self.b, to), x.lanes));
        let nans = if from == to { x.nans } else { Nans::Exact };
        Lanes { value, nans, ..x }
    }

    /// Philox4x32-10: the key is the seed, the counter (position, offset), low words first; the first output word.
    fn philox(&self, seed: Val<'m>, offset: Val<'m>, position: Val<'m>) -> Val<'m> {
        const MULTIPLIERS: [i64; 2] = [0xd251_1f53, 0xcd9e_8d57];
        const WEYL: [i64; 2] = [0x9e37_79b9, 0xbb67_ae85];
        let b = self.b;
        let long = b.type_of(seed);
        let (i32, i64) = (b.int(32), b.int(64));
        let short = b.with_lanes(i32, long);
        let high_low = |x: Val<'m>| [b.trunci(b.shrui(x, b.const_int(long, 32)), i32), b.trunci(x, i32)];
        let product = |factor: i64, x: Val<'m>| high_low(b.muli(b.extui(x, i64), b.const_int(long, factor)));
        let ([mut c1, mut c0], [mut c3, mut c2]) = (high_low(position), high_low(offset));
        let [mut k1, mut k0] = high_low(seed);
        for _ in 0..10 {
            let ([high0, low0], [high1, low1]) = (product(MULTIPLIERS[0], c0), product(MULTIPLIERS[1], c2));
            (c0, c1, c2, c3) = (b.xori(b.xori(high1, c1), k0), low1, b.xori(b.xori(high0, c3), k1), low0);
            (k0, k1) = (b.addi(k0, b.const_int(short, WEYL[0])), b.addi(k1, b.const_int(short, WEYL[1])));
        }
        c0
    }
}
