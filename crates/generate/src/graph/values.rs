//! What operations are proposed of: values there are, constants, casts in front.

use super::Growing;
use crate::data::literal;
use routefuse_ir::infer::infer;
use routefuse_ir::op::ScalarOp;
use routefuse_ir::{DType, Dim, Literal, NodeId, Op, TensorType};

/// The inner extent, if the value has elements along it.
pub(super) fn inner(t: &TensorType) -> Option<u64> {
    t.shape.last().and_then(|d| d.as_const()).filter(|n| *n > 0)
}

impl Growing<'_> {
    /// Mostly what is common, sometimes any.
    pub(super) fn dtype(&mut self) -> DType {
        use DType::{Bf16, F16, F32, I32, I64};
        const COMMON: [DType; 9] = [I32, I32, I32, F32, F32, F32, I64, Bf16, F16];
        if self.c.one_in(3) { self.c.of(&DType::ALL) } else { self.c.of(&COMMON) }
    }

    /// As [`Growing::dtype`], until it is an integer.
    pub(super) fn integer(&mut self) -> DType {
        while !self.c.done() {
            let dtype = self.dtype();
            if dtype.is_int() {
                return dtype;
            }
        }
        DType::I32
    }

    pub(super) fn columns(&mut self) -> u64 {
        self.c.of(self.profile.columns)
    }

    pub(super) fn shape_of(&self, v: NodeId) -> Vec<Dim> {
        self.b.ty(v).shape.clone()
    }

    pub(super) fn dtype_of(&self, v: NodeId) -> DType {
        self.b.ty(v).dtype
    }

    /// Any value; recent ones more often, so that chains grow.
    pub(super) fn value(&mut self) -> NodeId {
        let n = self.pool.len();
        let window = self.c.of(self.profile.windows);
        self.pool[self.c.position(n.saturating_sub(window)..n)]
    }

    /// Any value that fits.
    pub(super) fn value_where(&mut self, fits: impl Fn(&TensorType) -> bool) -> Option<NodeId> {
        let found: Vec<NodeId> = self.pool.iter().copied().filter(|v| fits(self.b.ty(*v))).collect();
        self.c.any_of(&found)
    }

    /// Adds the operation if it is valid and not too large.
    pub(super) fn try_op(&mut self, op: Op, operands: &[NodeId]) -> Option<NodeId> {
        let types: Vec<TensorType> = operands.iter().map(|o| self.b.ty(*o).clone()).collect();
        let ty = infer(&op, &types, &self.symbols).ok()?;
        // Without a symbolic dim everything is columns of one row.
        if ty.shape.len() > 5 || ty.row_elements().is_none_or(|n| n > self.profile.max_row) {
            return None;
        }
        let v = self.b.op(op, operands);
        self.used.extend_from_slice(operands);
        self.pool.push(v);
        Some(v)
    }

    pub(super) fn scalar(&mut self, op: ScalarOp, operands: &[NodeId]) -> Option<NodeId> {
        self.try_op(Op::Scalar(op), operands)
    }

    /// The value as another dtype, if it is not of it.
    pub(super) fn to(&mut self, v: NodeId, dtype: DType) -> Option<NodeId> {
        let from = self.dtype_of(v);
        if from == dtype {
            return Some(v);
        }
        let bits = from.size() == dtype.size() && self.c.one_in(3);
        let op = if bits { ScalarOp::Bitcast(dtype) } else { ScalarOp::Cast(dtype) };
        self.scalar(op, &[v]).or_else(|| self.scalar(ScalarOp::Cast(dtype), &[v]))
    }

    pub(super) fn literal(&mut self, dtype: DType) -> Literal {
        literal(dtype, self.profile.constants.literals, self.c)
    }

    pub(super) fn constant(&mut self, dtype: DType) -> NodeId {
        let literal = self.literal(dtype);
        self.constant_of(literal)
    }

    pub(super) fn constant_of(&mut self, literal: Literal) -> NodeId {
        let v = self.b.constant(literal);
        self.pool.push(v);
        v
    }

    /// A second operand for one of this shape: a value of the same shape, or a scalar.
    pub(super) fn partner(&mut self, shape: &[Dim], dtype: DType) -> Option<NodeId> {
        let scalar = self.c.one_in(4);
        if self.c.one_in(self.profile.constants.one_in) {
            return Some(self.constant(dtype));
        }
        let same = self.value_where(|t| t.dtype == dtype && (t.shape == shape || (scalar && t.shape.is_empty())));
        match same {
            Some(v) if !self.c.one_in(6) => Some(v),
            _ => {
                let other = self.value_where(|t| t.shape == shape)?;
                self.to(other, dtype)
            }
        }
    }

    /// An integer value, cast if there is none.
    pub(super) fn index(&mut self) -> Option<NodeId> {
        let x = self.value_where(|t| t.dtype.is_int()).or_else(|| self.pool.first().copied())?;
        if self.dtype_of(x).is_int() {
            return Some(x);
        }
        let dtype = self.integer();
        self.to(x, dtype)
    }

    /// A value of `f32` with an inner dim; others are cast.
    pub(super) fn float(&mut self) -> Option<NodeId> {
        let cast = self.c.one_in(3);
        let x = match self.value_where(|t| inner(t).is_some() && t.dtype == DType::F32) {
            Some(x) if !cast => x,
            _ => self.value_where(|t| inner(t).is_some())?,
        };
        self.to(x, DType::F32)
    }
}
