//! One operation more.

use super::Growing;
use rand::Rng;
use rand::seq::IndexedRandom;
use routefuse_ir::op::{BinaryOp, CompareOp, OutOfRange, PackForm, ScalarOp, UnaryOp};
use routefuse_ir::{DType, Dim, NodeId, Op};

impl Growing {
    /// Adds an operation (and casts in front of it); false if what was proposed is not valid.
    pub(super) fn grow(&mut self) -> bool {
        if self.on_rows > 0 && self.rng.random_range(0..100) < self.on_rows {
            return self.on_rows().is_some();
        }
        let made = match self.rng.random_range(0..42) {
            0..5 => self.unary(),
            5..12 => self.binary(),
            12..15 => self.compare(),
            15 => self.fma(),
            16..19 => self.select(),
            19..21 => self.cast(),
            21 => self.philox(),
            22 => self.iota(),
            23..25 => self.broadcast(),
            25..27 => self.reshape(),
            27..29 => self.slice(),
            29..32 => self.concat(),
            32..36 => self.gather(),
            36 => self.gather_row(),
            37..39 => self.mask_rows(),
            39 => self.pack(),
            40 => self.unpack(),
            _ => {
                let x = self.value();
                self.try_op(Op::Copy, &[x])
            }
        };
        made.is_some()
    }

    fn scalar(&mut self, op: ScalarOp, operands: &[NodeId]) -> Option<NodeId> {
        self.try_op(Op::Scalar(op), operands)
    }

    fn unary(&mut self) -> Option<NodeId> {
        let (op, _) = *UnaryOp::ALL.choose(&mut self.rng)?;
        let mut x = self.value();
        if self.one_in(2) && !matches!(op, UnaryOp::Not) {
            x = self.to(x, DType::F32)?;
        }
        let op = Op::Scalar(ScalarOp::Unary(op));
        self.try_op(op.clone(), &[x]).or_else(|| {
            let x = self.to(x, DType::F32)?;
            self.try_op(op, &[x])
        })
    }

    fn operands(&mut self) -> Option<(NodeId, NodeId)> {
        let mut a = self.value();
        if self.one_in(4) {
            let dtype = self.dtype();
            a = self.to(a, dtype)?;
        }
        // 16-bit floats are not computed with.
        if matches!(self.dtype_of(a), DType::F16 | DType::Bf16) {
            a = self.to(a, DType::F32)?;
        }
        let (shape, dtype) = (self.shape_of(a), self.dtype_of(a));
        let b = self.partner(&shape, dtype)?;
        Some(if self.one_in(2) { (a, b) } else { (b, a) })
    }

    fn binary(&mut self) -> Option<NodeId> {
        let (op, _) = *BinaryOp::ALL.choose(&mut self.rng)?;
        let (a, b) = self.operands()?;
        self.scalar(ScalarOp::Binary(op), &[a, b])
    }

    fn compare(&mut self) -> Option<NodeId> {
        let (op, _) = *CompareOp::ALL.choose(&mut self.rng)?;
        let (a, b) = self.operands()?;
        self.scalar(ScalarOp::Compare(op), &[a, b])
    }

    fn fma(&mut self) -> Option<NodeId> {
        let a = self.value();
        let a = self.to(a, DType::F32)?;
        let shape = self.shape_of(a);
        let (b, c) = (self.partner(&shape, DType::F32)?, self.partner(&shape, DType::F32)?);
        self.scalar(ScalarOp::Fma, &[a, b, c])
    }

    fn select(&mut self) -> Option<NodeId> {
        let a = self.value();
        let (shape, dtype) = (self.shape_of(a), self.dtype_of(a));
        let b = self.partner(&shape, dtype)?;
        let condition = self.partner(&shape, DType::Bool)?;
        self.scalar(ScalarOp::Select, &[condition, a, b])
    }

    fn cast(&mut self) -> Option<NodeId> {
        let x = self.value();
        let from = self.dtype_of(x);
        if self.one_in(3) {
            let same_width: Vec<DType> = DType::ALL.into_iter().filter(|d| d.size() == from.size()).collect();
            let to = *same_width.choose(&mut self.rng)?;
            return self.scalar(ScalarOp::Bitcast(to), &[x]);
        }
        // The same dtype too: a cast from f32 to f32 makes NaNs canonical.
        let to = *DType::ALL.as_slice().choose(&mut self.rng)?;
        self.scalar(ScalarOp::Cast(to), &[x])
    }

    fn philox(&mut self) -> Option<NodeId> {
        let x = self.value();
        let position = self.to(x, DType::U64)?;
        let shape = self.shape_of(position);
        let (seed, offset) = (self.partner(&shape, DType::U64)?, self.partner(&shape, DType::U64)?);
        self.scalar(ScalarOp::Philox, &[seed, offset, position])
    }

    fn iota(&mut self) -> Option<NodeId> {
        let like = self.value();
        let shape = if self.one_in(3) { self.any_shape() } else { self.shape_of(like) };
        let axis = self.rng.random_range(0..shape.len().max(1));
        let dtype = self.integer();
        self.try_op(Op::Iota { dtype, shape, axis }, &[])
    }

    fn broadcast(&mut self) -> Option<NodeId> {
        let x = self.value();
        let mut shape = self.shape_of(x);
        for dim in &mut shape {
            if *dim == Dim::Const(1) && self.one_in(2) {
                *dim = [0, 2, 3, 8, 17][self.rng.random_range(0..5)].into();
            }
        }
        if shape.first().is_none_or(|d| d.as_const().is_some()) && self.one_in(2) {
            if shape.is_empty() || self.one_in(3) {
                shape.insert(0, self.columns().into());
            }
            let row = self.row_dim();
            shape.insert(0, row);
        }
        self.try_op(Op::Broadcast { shape }, &[x])
    }

    fn reshape(&mut self) -> Option<NodeId> {
        let x = self.value();
        let from = self.shape_of(x);
        let symbolic = usize::from(self.b.ty(x).row_symbol().is_some());
        let n = self.b.ty(x).row_elements()?;
        let mut shape = from[..symbolic].to_vec();
        let divisors: Vec<u64> = (1..=n.max(1)).filter(|d| n > 0 && n.is_multiple_of(*d)).collect();
        match self.rng.random_range(0..4) {
            0 => shape.push(n.into()),
            1 if n == 1 => {}
            2 => shape.extend([Dim::Const(1), Dim::Const(n)]),
            _ => {
                let d = *divisors.choose(&mut self.rng)?;
                shape.extend([d.into(), Dim::Const(n / d)]);
                if self.one_in(3) {
                    shape.push(1.into());
                }
            }
        }
        self.try_op(Op::Reshape { shape }, &[x])
    }

    fn slice(&mut self) -> Option<NodeId> {
        let x = self.value_where(|t| t.shape.last().is_some_and(|d| d.as_const().is_some_and(|n| n > 0)))?;
        let inner = self.shape_of(x).last()?.as_const()?;
        let start = self.rng.random_range(0..inner);
        let stop = self.rng.random_range(start + 1..inner + 1);
        self.try_op(Op::Slice { start, stop }, &[x])
    }

    fn concat(&mut self) -> Option<NodeId> {
        let first = self.value_where(|t| t.shape.last().is_some_and(|d| d.as_const().is_some()))?;
        let (shape, dtype) = (self.shape_of(first), self.dtype_of(first));
        let outer = &shape[..shape.len() - 1];
        let mut parts = vec![first];
        for _ in 0..self.rng.random_range(0..4) {
            let fits = |s: &[Dim]| s.len() == shape.len() && &s[..s.len() - 1] == outer;
            let part = match self.rng.random_range(0..4) {
                0 => {
                    let value = self.constant(dtype);
                    let mut shape = shape.clone();
                    *shape.last_mut()? = [0, 1, 2, 3][self.rng.random_range(0..4)].into();
                    self.try_op(Op::Broadcast { shape }, &[value])?
                }
                1 => self.value_where(|t| fits(&t.shape) && t.dtype == dtype)?,
                _ => self.value_where(|t| fits(&t.shape))?,
            };
            parts.push(self.to(part, dtype)?);
        }
        self.try_op(Op::Concat, &parts)
    }

    pub(super) fn policy(&mut self, dtype: DType) -> OutOfRange {
        match self.rng.random_range(0..12) {
            0..4 => OutOfRange::Pass,
            4..6 => OutOfRange::Fill(self.literal(dtype)),
            6..8 => OutOfRange::Clamp,
            8..10 => OutOfRange::Wrap,
            _ => OutOfRange::Trap,
        }
    }

    pub(super) fn index(&mut self) -> Option<NodeId> {
        let x = self.value_where(|t| t.dtype.is_int()).or_else(|| Some(self.pool[0]))?;
        if self.dtype_of(x).is_int() {
            return Some(x);
        }
        let dtype = self.integer();
        self.to(x, dtype)
    }

    fn gather(&mut self) -> Option<NodeId> {
        let inputs = self.inputs.clone();
        let of_input = !self.one_in(4);
        let table = if self.one_in(4) {
            let dtype = self.dtype();
            let shape = match self.rng.random_range(0..6) {
                0 => vec![Dim::Const(1)],
                1 => vec![self.row_dim()],
                2 => vec![self.rng.random_range(1..300).into()],
                3 => vec![self.row_dim(), self.rng.random_range(1..9).into()],
                _ => vec![self.rng.random_range(1..40).into(), self.rng.random_range(1..9).into()],
            };
            self.declare_of(dtype, shape)
        } else if of_input {
            *inputs.choose(&mut self.rng)?
        } else {
            self.value_where(|t| (1..=2).contains(&t.shape.len()))?
        };
        let rank = self.shape_of(table).len();
        let first = self.index()?;
        let mut operands = vec![table, first];
        if rank == 2 {
            let shape = self.shape_of(first);
            let dtype = self.integer();
            let same = self.one_in(2);
            let second = if same { self.partner(&shape, self.dtype_of(first)) } else { self.partner(&shape, dtype) };
            operands.push(second?);
        }
        let out_of_range = self.policy(self.dtype_of(table));
        self.try_op(Op::Gather { out_of_range }, &operands)
    }

    fn gather_row(&mut self) -> Option<NodeId> {
        let x = self.value_where(|t| t.shape.len() == 2)?;
        let rows = self.shape_of(x)[0];
        let index = self.value_where(|t| t.shape.len() == 2 && t.shape[0] == rows && t.dtype.is_int());
        let index = match index {
            Some(i) => i,
            None => {
                let other = self.value_where(|t| t.shape.len() == 2 && t.shape[0] == rows)?;
                let dtype = self.integer();
                self.to(other, dtype)?
            }
        };
        let out_of_range = self.policy(self.dtype_of(x));
        self.try_op(Op::GatherRow { out_of_range }, &[x, index])
    }

    fn mask_rows(&mut self) -> Option<NodeId> {
        let x = self.value_where(|t| t.row_symbol().is_some())?;
        let n = match self.value_where(|t| t.shape.is_empty() && t.dtype.is_int()) {
            Some(n) if !self.one_in(5) => n,
            _ => {
                let dtype = self.integer();
                self.declare_of(dtype, vec![])
            }
        };
        let fill = self.literal(self.dtype_of(x));
        self.try_op(Op::MaskRows { fill }, &[x, n])
    }

    fn pack(&mut self) -> Option<NodeId> {
        let ids = self.index()?;
        let shape = self.shape_of(ids);
        let dtype = if self.one_in(2) { DType::F32 } else { DType::Bf16 };
        let weights = self.partner(&shape, dtype)?;
        let form = if self.one_in(2) { PackForm::Masked } else { PackForm::SignExtended };
        self.try_op(Op::Pack { form }, &[ids, weights])
    }

    fn unpack(&mut self) -> Option<NodeId> {
        let x = self.value();
        let x = self.to(x, DType::I32)?;
        let op = if self.one_in(2) { Op::UnpackId } else { Op::UnpackWeight };
        self.try_op(op, &[x])
    }
}
