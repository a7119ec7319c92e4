//! Values on lanes, lane by lane: constants, NaNs made canonical, and one of two. Nothing here knows what a value is of.

use super::index::key;
use super::job::Job;
use super::known::{Lanes, Nans};
use super::math::MathMachine;
use super::scopes::{ScopedMap, Scopes};
use super::types::value_type;
use crate::machine::Machine;
use crate::machine::canonical::with_canonical_nan;
use crate::mlir::builder::{Builder, FloatPredicate, Val};
use routefuse_ir::kernel::{Kernel, Value, ValueKind};
use routefuse_ir::op::{BinaryOp, ScalarOp};
use routefuse_ir::{DType, Literal, math};
use std::rc::Rc;

/// The canonical quiet NaN of `f32`.
pub(in crate::emit) const NAN: u32 = math::F32_NAN.to_bits();

/// How an owner widens `bf16` to `f32` where it knows better than lane by lane.
pub(in crate::emit) type WidenBf16<'m> = fn(&Builder<'m>, Lanes<'m>) -> Option<Val<'m>>;

/// Emits what is done to values lane by lane.
pub(in crate::emit) struct Lanewise<'a, 'm> {
    pub b: &'a Builder<'m>,
    pub machine: &'a dyn Machine,
    /// The kernel somewhere shifts or extends by a sign: see [`Machine::or`].
    pub(super) signs: bool,
    pub(super) widen_bf16: Option<WidenBf16<'m>>,
    /// By the identity of a value, the same with the canonical NaN in place of any other.
    settled: ScopedMap<usize, Val<'m>>,
}

impl<'a, 'm> Lanewise<'a, 'm> {
    /// For the values of one kernel.
    pub fn new(job: Job<'a, 'm>, scopes: &Rc<Scopes>, widen_bf16: Option<WidenBf16<'m>>) -> Lanewise<'a, 'm> {
        let Job { b, kernel, machine, .. } = job;
        Lanewise { b, machine, signs: extends_signs(kernel), widen_bf16, settled: ScopedMap::new(scopes) }
    }

    /// The machine that emits the functions of `math` on so many lanes.
    pub fn math(&self, lanes: u32) -> MathMachine<'a, 'm> {
        MathMachine { b: self.b, machine: self.machine, lanes }
    }

    /// A constant on one lane.
    pub fn constant(&self, literal: Literal) -> Lanes<'m> {
        if literal.dtype() != DType::F32 {
            let ty = value_type(self.b, literal.dtype());
            return Lanes::exact(self.b.const_int(ty, literal.bits() as i64), 1);
        }
        let bits = literal.bits() as u32;
        let canonical = bits == NAN || !f32::from_bits(bits).is_nan();
        let nans = if canonical { Nans::Canonical } else { Nans::Exact };
        Lanes { nans, ..Lanes::exact(self.b.const_f32_bits(bits, 1), 1) }
    }

    /// With the bits that the definition says: a NaN that arithmetic made becomes the canonical one.
    pub fn settled(&self, x: Lanes<'m>) -> Lanes<'m> {
        if x.nans != Nans::Free {
            return x;
        }
        if self.machine.hides_vectors(x.lanes) {
            return self.settled_by_comparison(x);
        }
        let value = with_canonical_nan(self.b, x.value);
        Lanes { value, nans: Nans::Canonical, ..x }
    }

    /// As [`Self::settled`], with two instructions in place of four: LLVM cannot know what operation the value is from.
    fn settled_by_comparison(&self, x: Lanes<'m>) -> Lanes<'m> {
        let value = self.settled.get(&key(x.value)).unwrap_or_else(|| {
            let hidden = self.machine.opaque_vector(self.b, x.value);
            let is_nan = self.b.cmpf(FloatPredicate::Uno, hidden, hidden);
            self.b.select(is_nan, self.b.const_f32_bits(NAN, x.lanes), hidden)
        });
        self.settled.insert(key(x.value), value);
        Lanes { value, nans: Nans::Canonical, ..x }
    }

    /// Both with NaNs of which one thing can be said when either is chosen, and what that is.
    pub fn agree(&self, x: Lanes<'m>, y: Lanes<'m>) -> (Lanes<'m>, Lanes<'m>, Nans) {
        match x.nans.or(y.nans) {
            Nans::Exact => (self.settled(x), self.settled(y), Nans::Exact),
            nans => (x, y, nans),
        }
    }

    /// On `lanes` lanes; one serves all.
    pub fn spread(&self, value: Val<'m>, lanes: u32) -> Val<'m> {
        if self.b.lanes(self.b.type_of(value)) == lanes { value } else { self.b.splat(value, lanes) }
    }

    /// `x` where `condition` (one answer, or one a lane), else `y`, with the traps of the chosen one.
    pub fn choose(&self, condition: Val<'m>, x: Lanes<'m>, y: Lanes<'m>) -> Lanes<'m> {
        let (x, y, nans) = self.agree(x, y);
        let answers = self.b.lanes(self.b.type_of(condition));
        let lanes = answers.max(x.lanes).max(y.lanes);
        let value = self.machine.select(self.b, condition, self.spread(x.value, lanes), self.spread(y.value, lanes));
        let trap = (x.trap.is_some() || y.trap.is_some()).then(|| {
            let or_none = |trap: Option<Val<'m>>| self.spread(trap.unwrap_or_else(|| self.b.const_bool(false)), lanes);
            self.b.select(condition, or_none(x.trap), or_none(y.trap))
        });
        Lanes { value, lanes, nans, trap }
    }

    /// The lanes of all, one after the other.
    pub fn joined(&self, runs: &[Lanes<'m>]) -> Lanes<'m> {
        let nans = runs.iter().fold(Nans::Canonical, |nans, run| nans.or(run.nans));
        let all = |of: &dyn Fn(&Lanes<'m>) -> Val<'m>| {
            let lanes = runs.iter().flat_map(|run| (0..run.lanes).map(move |lane| (run, lane)));
            let lanes: Vec<Val<'m>> = lanes.map(|(run, lane)| self.b.extract(of(run), lane)).collect();
            self.b.gather_lanes(&lanes)
        };
        let value = all(&|run| if nans == Nans::Exact { self.settled(*run).value } else { run.value });
        let trap = runs
            .iter()
            .any(|run| run.trap.is_some())
            .then(|| all(&|run| self.spread(run.trap.unwrap_or_else(|| self.b.const_bool(false)), run.lanes)));
        Lanes { value, lanes: runs.iter().map(|run| run.lanes).sum(), nans, trap }
    }

    /// The traps of either.
    pub fn either(&self, x: Option<Val<'m>>, y: Option<Val<'m>>) -> Option<Val<'m>> {
        match (x, y) {
            (Some(x), Some(y)) => {
                let lanes = self.b.lanes(self.b.type_of(x)).max(self.b.lanes(self.b.type_of(y)));
                Some(self.b.ori(self.spread(x, lanes), self.spread(y, lanes)))
            }
            (trap, None) | (None, trap) => trap,
        }
    }
}

/// Whether a value is shifted or extended by its sign.
fn extends_signs(kernel: &Kernel) -> bool {
    let extends = |v: &Value| match &v.kind {
        ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Shr), _) => v.dtype.is_signed(),
        ValueKind::Scalar(ScalarOp::Cast(to), operands) => {
            let from = kernel.value(operands[0]).dtype;
            from.is_signed() && to.is_int() && to.size() > from.size()
        }
        _ => false,
    };
    kernel.values.iter().any(extends)
}
