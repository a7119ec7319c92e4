//! The machine of `routefuse_ir::math` whose operations emit code.

use crate::mlir::builder::{Builder, FloatPredicate, IntPredicate, Val};
use routefuse_ir::math::ScalarMachine;
use routefuse_ir::target::TargetKind;

/// Emits every operation for `lanes` lanes.
pub(in crate::emit) struct LaneMachine<'a, 'm> {
    pub b: &'a Builder<'m>,
    pub lanes: u32,
    pub kind: TargetKind,
    /// The target passes a NaN on in one instruction: see [`ScalarMachine::nan_flows`].
    pub nan_flows: bool,
}

/// `x / y` with `f32`'s rounding on every target.
///
/// On AMD, LLVM's division refines the reciprocal that `v_rcp_f32` gives, and `v_div_scale_f32` is to keep subnormal
/// numbers out of that. AMD's instruction sets define its condition for a reciprocal below 2⁻¹²⁶ in `f64`, where it never
/// holds; without the scaling, a quotient next to a tie is rounded to the wrong side. So such divisors are scaled here,
/// together with the dividend: by a power of two, exactly, but for dividends so small that the quotient is zero anyway.
pub(in crate::emit) fn divide<'m>(b: &Builder<'m>, kind: TargetKind, lanes: u32, x: Val<'m>, y: Val<'m>) -> Val<'m> {
    if kind != TargetKind::Amdgpu {
        return b.divf(x, y);
    }
    let huge = b.cmpf(FloatPredicate::Oge, b.absf(y), b.const_f32(2f32.powi(125), lanes));
    let scale = b.select(huge, b.const_f32(0.0625, lanes), b.const_f32(1.0, lanes));
    b.divf(b.mulf(x, scale), b.mulf(y, scale))
}

impl<'m> LaneMachine<'_, 'm> {
    fn amount(&self, amount: u32) -> Val<'m> {
        let ty = self.b.lanes_of(self.b.int(32), self.lanes);
        self.b.const_int(ty, i64::from(amount))
    }
}

impl<'m> ScalarMachine for LaneMachine<'_, 'm> {
    type F32 = Val<'m>;
    type I32 = Val<'m>;
    type Bool = Val<'m>;

    fn f32(&mut self, value: f32) -> Val<'m> {
        self.b.const_f32(value, self.lanes)
    }
    fn i32(&mut self, value: i32) -> Val<'m> {
        let ty = self.b.lanes_of(self.b.int(32), self.lanes);
        self.b.const_int(ty, i64::from(value))
    }

    fn fadd(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.addf(a, b)
    }
    fn fsub(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.subf(a, b)
    }
    fn fmul(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.mulf(a, b)
    }
    fn fdiv(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        divide(self.b, self.kind, self.lanes, a, b)
    }
    fn fdiv_logistic(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        if self.kind != TargetKind::Nvptx {
            return self.fdiv(a, b);
        }
        // The sequence that `div.rn` is, without its check for exponents far apart: then b is 1, and every step is exact.
        let lanes: Vec<Val<'m>> =
            (0..self.lanes).map(|lane| self.b.rough_reciprocal(self.b.extract(b, lane))).collect();
        let rough = self.b.gather_lanes(&lanes);
        let (one, minus_b) = (self.f32(1.0), self.b.negf(b));
        let error = self.b.fma(minus_b, rough, one);
        let reciprocal = self.b.fma(rough, error, rough);
        let quotient = self.b.mulf(a, reciprocal);
        let rest = self.b.fma(minus_b, quotient, a);
        self.b.fma(reciprocal, rest, quotient)
    }
    fn nan_flows(&self) -> bool {
        self.nan_flows
    }
    fn fbelow(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        if self.nan_flows {
            return self.b.lesser_or_nan(a, b);
        }
        if self.kind == TargetKind::Nvptx {
            return self.b.lesser_number(a, b);
        }
        let inside = self.flt(a, b);
        self.b.select(inside, a, b)
    }
    fn ffma(&mut self, a: Val<'m>, b: Val<'m>, c: Val<'m>) -> Val<'m> {
        self.b.fma(a, b, c)
    }
    fn fabs(&mut self, a: Val<'m>) -> Val<'m> {
        self.b.absf(a)
    }
    fn fneg(&mut self, a: Val<'m>) -> Val<'m> {
        self.b.negf(a)
    }

    fn flt(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.cmpf(FloatPredicate::Olt, a, b)
    }
    fn fle(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.cmpf(FloatPredicate::Ole, a, b)
    }
    fn is_nan(&mut self, a: Val<'m>) -> Val<'m> {
        self.b.cmpf(FloatPredicate::Uno, a, a)
    }

    fn iadd(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.addi(a, b)
    }
    fn isub(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.subi(a, b)
    }
    fn iand(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.andi(a, b)
    }
    fn ior(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.ori(a, b)
    }
    fn ixor(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.xori(a, b)
    }
    fn iumin(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.minui(a, b)
    }
    fn ishl(&mut self, a: Val<'m>, amount: u32) -> Val<'m> {
        self.b.shli(a, self.amount(amount))
    }
    fn ishr(&mut self, a: Val<'m>, amount: u32) -> Val<'m> {
        self.b.shrui(a, self.amount(amount))
    }
    fn isar(&mut self, a: Val<'m>, amount: u32) -> Val<'m> {
        self.b.shrsi(a, self.amount(amount))
    }
    fn iult(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.cmpi(IntPredicate::Ult, a, b)
    }

    fn ieq(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.cmpi(IntPredicate::Eq, a, b)
    }
    fn iule(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.cmpi(IntPredicate::Ule, a, b)
    }
    fn isle(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.cmpi(IntPredicate::Sle, a, b)
    }
    fn isge(&mut self, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.cmpi(IntPredicate::Sge, a, b)
    }

    fn select_f32(&mut self, condition: Val<'m>, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.select(condition, a, b)
    }
    fn select_i32(&mut self, condition: Val<'m>, a: Val<'m>, b: Val<'m>) -> Val<'m> {
        self.b.select(condition, a, b)
    }

    fn bitcast_to_i32(&mut self, a: Val<'m>) -> Val<'m> {
        self.b.bitcast(a, self.b.lanes_of(self.b.int(32), self.lanes))
    }
    fn bitcast_to_f32(&mut self, a: Val<'m>) -> Val<'m> {
        self.b.bitcast(a, self.b.lanes_of(self.b.f32(), self.lanes))
    }
    fn int_to_f32(&mut self, a: Val<'m>) -> Val<'m> {
        self.b.sitofp(a, self.b.f32())
    }
}
