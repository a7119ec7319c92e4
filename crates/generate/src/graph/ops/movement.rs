//! Operations that move elements and compute nothing.

use crate::graph::Growing;
use routefuse_ir::{Dim, NodeId, Op};

impl Growing<'_> {
    pub(super) fn iota(&mut self) -> Option<NodeId> {
        let like = self.value();
        let shape = if self.c.one_in(3) { self.any_shape() } else { self.shape_of(like) };
        let axis = self.c.below(shape.len().max(1));
        let dtype = self.integer();
        self.try_op(Op::Iota { dtype, shape, axis }, &[])
    }

    /// How many rows a value has.
    pub(super) fn rows(&mut self) -> Option<NodeId> {
        let like = self.value();
        let (shape, dtype) = (self.shape_of(like), self.integer());
        self.try_op(Op::Rows { dtype, shape }, &[])
    }

    pub(super) fn broadcast(&mut self) -> Option<NodeId> {
        let x = self.value();
        let mut shape = self.shape_of(x);
        for dim in &mut shape {
            if *dim == Dim::Const(1) && self.c.one_in(2) {
                *dim = self.c.of(&[0, 2, 3, 8, 17]).into();
            }
        }
        if shape.first().is_none_or(|d| d.as_const().is_some()) && self.c.one_in(2) {
            if shape.is_empty() || self.c.one_in(3) {
                shape.insert(0, self.columns().into());
            }
            let row = self.row_dim();
            shape.insert(0, row);
        }
        self.try_op(Op::Broadcast { shape }, &[x])
    }

    pub(super) fn reshape(&mut self) -> Option<NodeId> {
        let x = self.value();
        let from = self.shape_of(x);
        let symbolic = usize::from(self.b.ty(x).row_symbol().is_some());
        let n = self.b.ty(x).row_elements()?;
        let mut shape = from[..symbolic].to_vec();
        let divisors: Vec<u64> = (1..=n.max(1)).filter(|d| n > 0 && n.is_multiple_of(*d)).collect();
        match self.c.below(4) {
            0 => shape.push(n.into()),
            1 if n == 1 => {}
            2 => shape.extend([Dim::Const(1), Dim::Const(n)]),
            _ => {
                let d = self.c.any_of(&divisors)?;
                shape.extend([d.into(), Dim::Const(n / d)]);
                if self.c.one_in(3) {
                    shape.push(1.into());
                }
            }
        }
        self.try_op(Op::Reshape { shape }, &[x])
    }

    pub(super) fn slice(&mut self) -> Option<NodeId> {
        let x = self.value_where(|t| t.shape.last().is_some_and(|d| d.as_const().is_some_and(|n| n > 0)))?;
        let inner = self.shape_of(x).last()?.as_const()?;
        let start = self.c.range(0..inner);
        let stop = self.c.range(start + 1..inner + 1);
        self.try_op(Op::Slice { start, stop }, &[x])
    }

    /// One to four parts: values, casts of them, and constants in columns of their own, none among them.
    pub(super) fn concat(&mut self) -> Option<NodeId> {
        let first = self.value_where(|t| t.shape.last().is_some_and(|d| d.as_const().is_some()))?;
        let (shape, dtype) = (self.shape_of(first), self.dtype_of(first));
        let outer = &shape[..shape.len() - 1];
        let mut parts = vec![first];
        for _ in 0..self.c.below(4) {
            let fits = |s: &[Dim]| s.len() == shape.len() && &s[..s.len() - 1] == outer;
            let part = match self.c.below(4) {
                0 => {
                    let value = self.constant(dtype);
                    let mut shape = shape.clone();
                    *shape.last_mut()? = self.c.of(&[0, 1, 2, 3]).into();
                    self.try_op(Op::Broadcast { shape }, &[value])?
                }
                1 => self.value_where(|t| fits(&t.shape) && t.dtype == dtype)?,
                _ => self.value_where(|t| fits(&t.shape))?,
            };
            parts.push(self.to(part, dtype)?);
        }
        self.try_op(Op::Concat, &parts)
    }

    pub(super) fn copy(&mut self) -> Option<NodeId> {
        let x = self.value();
        self.try_op(Op::Copy, &[x])
    }
}
