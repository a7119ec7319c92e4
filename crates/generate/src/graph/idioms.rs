//! A few operations that rewriting rules look for together, which chance alone rarely puts side by side.

use super::Growing;
use super::values::inner;
use routefuse_ir::op::{BinaryOp, CompareOp, NanRule, OutOfRange, ScalarOp, UnaryOp};
use routefuse_ir::{DType, Dim, Literal, NodeId, Op};

impl Growing<'_> {
    /// One of the idioms; `None` if what it needs is not there.
    pub(super) fn idiom(&mut self) -> Option<NodeId> {
        match self.c.below(8) {
            0 => self.guarded_index(),
            1 => self.look_up_by_one_index(),
            2 => self.dropped_look_up(),
            3 => self.part_of_what_was_joined(),
            4 => self.moving_indices(),
            5 => self.division_by_a_power_of_two(),
            6 => self.arithmetic_that_changes_little(),
            _ => self.rows_past_a_scalar(),
        }
    }

    /// An integer: half of the time one of the last four values.
    fn recent_integer(&mut self) -> Option<NodeId> {
        let last = self.recent();
        if self.dtype_of(last).is_int() && self.c.one_in(2) {
            return Some(last);
        }
        self.value_where(|t| t.dtype.is_int())
    }

    /// One of the last four values.
    fn recent(&mut self) -> NodeId {
        let n = self.pool.len();
        self.pool[self.c.position(n.saturating_sub(4)..n)]
    }

    fn integer_scalar(&mut self) -> Option<NodeId> {
        self.value_where(|t| t.dtype.is_int() && t.shape.is_empty())
    }

    /// A table of `i32`.
    fn map(&mut self) -> Option<NodeId> {
        let fits = |v: &NodeId| self.dtype_of(*v) == DType::I32 && matches!(self.b.ty(*v).shape[..], [Dim::Const(_)]);
        let fits: Vec<NodeId> = self.inputs.iter().copied().filter(fits).collect();
        self.c.any_of(&fits)
    }

    fn trap_or_pass(&mut self) -> OutOfRange {
        if self.profile.traps && self.c.one_in(2) { OutOfRange::Trap } else { OutOfRange::Pass }
    }

    /// `select(x < c0 and x >= c1, x, c2)`, in every variation.
    fn guarded_index(&mut self) -> Option<NodeId> {
        let x = self.recent_integer()?;
        let dtype = self.dtype_of(x);
        let mut conditions = [x; 2];
        for condition in &mut conditions {
            let bound = self.constant(dtype);
            let op = ScalarOp::Compare(self.c.of(&CompareOp::ALL).0);
            let operands = if self.c.one_in(3) { [bound, x] } else { [x, bound] };
            *condition = self.scalar(op, &operands)?;
        }
        let op = self.c.of(&[BinaryOp::And, BinaryOp::Or]);
        let mut both = self.scalar(ScalarOp::Binary(op), &conditions)?;
        if self.c.one_in(3) {
            both = self.scalar(ScalarOp::Unary(UnaryOp::Not), &[both])?;
        }
        let wide = self.c.of(&[dtype, DType::I64]);
        let arm = self.scalar(ScalarOp::Cast(wide), &[x])?;
        let other = self.constant(wide);
        let arms = if self.c.one_in(2) { [arm, other] } else { [other, arm] };
        self.scalar(ScalarOp::Select, &[both, arms[0], arms[1]])
    }

    /// A look-up by one index for all.
    fn look_up_by_one_index(&mut self) -> Option<NodeId> {
        let (map, index) = (self.map()?, self.integer_scalar()?);
        let shape = vec![self.row_dim(), self.columns().into()];
        let index = self.try_op(Op::Broadcast { shape }, &[index])?;
        let out_of_range = self.trap_or_pass();
        self.try_op(Op::Gather { out_of_range }, &[map, index])
    }

    /// A value that is dropped, of which only a trap is left.
    fn dropped_look_up(&mut self) -> Option<NodeId> {
        let (map, x) = (self.map()?, self.recent_integer()?);
        let out_of_range = self.trap_or_pass();
        let looked_up = self.try_op(Op::Gather { out_of_range }, &[map, x])?;
        let zero = self.constant_of(Literal::i32(0));
        let op = self.c.of(&[BinaryOp::Mul, BinaryOp::And]);
        let y = self.scalar(ScalarOp::Binary(op), &[looked_up, zero])?;
        self.scalar(ScalarOp::Binary(BinaryOp::Add), &[y, x]).or(Some(y))
    }

    /// A slice of a concat.
    fn part_of_what_was_joined(&mut self) -> Option<NodeId> {
        let last = self.recent();
        let joined = self.try_op(Op::Concat, &[last, last])?;
        let inner = inner(self.b.ty(joined))?;
        let start = self.c.range(0..inner);
        let stop = self.c.range(start + 1..inner + 1);
        self.try_op(Op::Slice { start, stop }, &[joined])
    }

    /// An iota, moved.
    fn moving_indices(&mut self) -> Option<NodeId> {
        let (t, k) = (self.row_dim(), Dim::Const(self.columns()));
        let two: Dim = 2.into();
        let shapes = [vec![k], vec![t, 1.into()], vec![two, k], vec![t, k], vec![3.into(), 1.into()]];
        let shape = self.c.of(&shapes);
        let axis = self.c.below(shape.len());
        let dtype = self.c.of(&[DType::I32, DType::U8, DType::I64]);
        let iota = self.try_op(Op::Iota { dtype, shape, axis }, &[])?;
        let moved = match self.c.below(3) {
            0 => Op::Broadcast { shape: self.c.of(&[vec![t, k], vec![t, two, k], vec![3.into(), k]]) },
            1 => {
                let shapes = [vec![t, two, 3.into()], vec![t, k, 1.into()], vec![3.into(), 4.into()]];
                Op::Reshape { shape: self.c.of(&shapes) }
            }
            _ => Op::Slice { start: self.c.range(0..3), stop: 5 },
        };
        self.try_op(moved, &[iota]).or(Some(iota))
    }

    /// Division by a power of two, of what may or may not be negative.
    fn division_by_a_power_of_two(&mut self) -> Option<NodeId> {
        let x = self.recent_integer()?;
        let dtype = self.dtype_of(x);
        let bound = self.constant(dtype);
        let rule = NanRule::Number;
        let op = self.c.of(&[
            BinaryOp::Max(rule),
            BinaryOp::And,
            BinaryOp::Min(rule),
            BinaryOp::Shr,
            BinaryOp::Rem,
            BinaryOp::RemFloor,
        ]);
        let bounded = self.scalar(ScalarOp::Binary(op), &[x, bound])?;
        let power = Literal::from_bits(dtype, 1 << self.c.below(6));
        let power = self.constant_of(power);
        let op = self.c.of(&[BinaryOp::Div, BinaryOp::Rem, BinaryOp::DivFloor, BinaryOp::RemFloor]);
        self.scalar(ScalarOp::Binary(op), &[bounded, power])
    }

    /// Arithmetic of `f32`: the zeros tell which constants are identities.
    fn arithmetic_that_changes_little(&mut self) -> Option<NodeId> {
        let y = self.value_where(|t| t.dtype == DType::F32)?;
        let one = Literal::f32(self.c.of(&[0.0, -0.0, 1.0, -1.0, 8.0]));
        let one = self.constant_of(one);
        let min = BinaryOp::Min(self.c.of(NanRule::ALL).0);
        let op = self.c.of(&[BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Div, min]);
        let operands = if self.c.one_in(4) { [one, y] } else { [y, one] };
        let z = self.scalar(ScalarOp::Binary(op), &operands)?;
        if self.c.one_in(2) {
            return Some(z);
        }
        let op = self.c.of(&[UnaryOp::Neg, UnaryOp::Abs, UnaryOp::Sigmoid, UnaryOp::Round]);
        self.scalar(ScalarOp::Unary(op), &[z])
    }

    /// Rows past any of the scalars.
    fn rows_past_a_scalar(&mut self) -> Option<NodeId> {
        let (last, n) = (self.recent(), self.integer_scalar()?);
        let fill = self.literal(self.dtype_of(last));
        self.try_op(Op::MaskRows { fill }, &[last, n])
    }
}
