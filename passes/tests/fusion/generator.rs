//! Random valid graphs.

use crate::agreement::Random;
use routefuse_ir::graph::Alias;
use routefuse_ir::infer::infer;
use routefuse_ir::op::{
    BinaryOp, Candidates, CompareOp, Denominator, GroupFill, GroupScore, OutOfRange, PackForm, ReduceOp, ScalarOp,
    TopKOrder, UnaryOp,
};
use routefuse_ir::{DType, Dim, Graph, GraphBuilder, Layout, Literal, NodeId, Op, Verified};

const DTYPES: [DType; 8] =
    [DType::I32, DType::F32, DType::I64, DType::U8, DType::Bf16, DType::U64, DType::Bool, DType::I16];

const CONSTANT: [i128; 6] = [0, 1, 2, 3, 7, 100];

struct Generator<'r> {
    b: GraphBuilder,
    r: &'r mut Random,
    values: Vec<NodeId>,
    shapes: Vec<Vec<Dim>>,
    layouts: Vec<Layout>,
    /// How many of 22 + this operations are on rows.
    on_rows: u64,
}

/// A graph with about this many operations.
pub fn graph(r: &mut Random, ops: u64) -> Verified<Graph> {
    let k = [4, 6, 1, 8, 3][r.below(5) as usize];
    make(r, ops, k, 0)
}

/// A graph with about this many operations, half of them on rows of up to 40 columns.
pub fn row_graph(r: &mut Random, ops: u64) -> Verified<Graph> {
    let k = [8, 12, 1, 2, 7, 16, 24, 33, 40][r.below(9) as usize];
    make(r, ops, k, 20)
}

fn make(r: &mut Random, ops: u64, k: u64, on_rows: u64) -> Verified<Graph> {
    let mut b = GraphBuilder::new("random");
    let (t, n) = (Dim::Sym(b.symbol("T")), Dim::Sym(b.symbol("N")));
    let k = Dim::Const(k);
    let shapes = vec![
        vec![t, k],
        vec![t],
        vec![],
        vec![t, 1.into()],
        vec![5.into()],
        vec![3.into(), 4.into()],
        vec![n, k],
        vec![n],
        vec![t, 2.into(), 3.into()],
        vec![t, 0.into()],
        vec![1.into(), k],
    ];
    let mut g = Generator { b, r, values: vec![], shapes, layouts: vec![], on_rows };
    let inputs = 3 + g.r.below(4);
    for i in 0..inputs {
        // The first shapes are the usual ones.
        let shape = g.r.below(1 + g.r.0 % g.shapes.len() as u64) as usize;
        let dtype = match i {
            0 => DType::I32,
            1 if on_rows > 0 => DType::F32,
            _ => DTYPES[g.r.below(8) as usize],
        };
        let shape = if on_rows > 0 && i < 2 { 0 } else { shape };
        let layout = if g.r.below(4) == 0 && !g.shapes[shape].is_empty() { Layout::Rows } else { Layout::Contiguous };
        let shape = g.shapes[shape].clone();
        let value = g.b.input_with_layout(&format!("in{i}"), dtype, shape, layout);
        g.values.push(value);
        g.layouts.push(layout);
    }
    for _ in 0..ops {
        (0..40).find_map(|_| g.op());
    }
    g.outputs();
    g.b.finish().unwrap_or_else(|d| panic!("an invalid graph was made: {d}"))
}

impl Generator<'_> {
    fn pick(&mut self) -> NodeId {
        // Late values more often, so that graphs are deep.
        let n = self.values.len() as u64;
        let i = self.r.below(n).max(self.r.below(n));
        self.values[i as usize]
    }

    /// A value of the same type, or a scalar of its dtype.
    fn like(&mut self, x: NodeId) -> NodeId {
        let ty = self.b.ty(x).clone();
        let fits: Vec<NodeId> = self
            .values
            .iter()
            .copied()
            .filter(|v| {
                let t = self.b.ty(*v);
                t.dtype == ty.dtype && (t.shape == ty.shape || t.shape.is_empty())
            })
            .collect();
        if self.r.below(4) == 0 || fits.is_empty() {
            return self.constant(ty.dtype);
        }
        fits[self.r.below(fits.len() as u64) as usize]
    }

    fn constant(&mut self, dtype: DType) -> NodeId {
        let value = CONSTANT[self.r.below(6) as usize];
        let literal = Literal::from_int(dtype, value).or_else(|| Literal::from_f64(dtype, value as f64 - 2.5));
        self.b.constant(literal.unwrap_or(Literal::zero(dtype)))
    }

    /// An integer value of this shape or a scalar.
    fn index(&mut self, shape: Option<&[Dim]>) -> Option<NodeId> {
        let fits: Vec<NodeId> = self
            .values
            .iter()
            .copied()
            .filter(|v| {
                let t = self.b.ty(*v);
                t.dtype.is_int() && shape.is_none_or(|s| t.shape == s || t.shape.is_empty())
            })
            .collect();
        (!fits.is_empty()).then(|| fits[self.r.below(fits.len() as u64) as usize])
    }

    fn policy(&mut self, dtype: DType) -> OutOfRange {
        match self.r.below(6) {
            0 => OutOfRange::Clamp,
            1 => OutOfRange::Wrap,
            2 => OutOfRange::Trap,
            3 => OutOfRange::Fill(Literal::from_bits(dtype, 1)),
            _ => OutOfRange::Pass,
        }
    }

    /// Adds an operation if a random one is valid.
    fn op(&mut self) -> Option<NodeId> {
        let x = self.pick();
        let ty = self.b.ty(x).clone();
        let inner = ty.shape.last().and_then(|d| d.as_const());
        let shape = self.shapes[self.r.below(self.shapes.len() as u64) as usize].clone();
        let (op, operands) = match self.r.below(22 + self.on_rows) {
            22.. => self.row_op(x)?,
            0 | 1 => {
                let ops = [UnaryOp::Neg, UnaryOp::Abs, UnaryOp::Not, UnaryOp::IsNan, UnaryOp::Exp, UnaryOp::Sqrt];
                (Op::Scalar(ScalarOp::Unary(ops[self.r.below(6) as usize])), vec![x])
            }
            2..=5 => {
                let op = BinaryOp::ALL[self.r.below(12) as usize].0;
                let y = self.like(x);
                (Op::Scalar(ScalarOp::Binary(op)), if self.r.below(4) == 0 { vec![y, x] } else { vec![x, y] })
            }
            6 => (Op::Scalar(ScalarOp::Compare(CompareOp::ALL[self.r.below(6) as usize].0)), vec![x, self.like(x)]),
            7 => {
                let y = self.like(x);
                let mut late = self.values.iter().rev().copied();
                let c = late.find(|v| self.b.ty(*v).dtype == DType::Bool)?;
                (Op::Scalar(ScalarOp::Select), vec![c, x, y])
            }
            8 => (Op::Scalar(ScalarOp::Cast(DTYPES[self.r.below(8) as usize])), vec![x]),
            9 => (Op::Scalar(ScalarOp::Bitcast(DTYPES[self.r.below(8) as usize])), vec![x]),
            10 => {
                let axis = self.r.below(shape.len().max(1) as u64) as usize;
                (Op::Iota { dtype: [DType::I32, DType::I64, DType::U8][self.r.below(3) as usize], shape, axis }, vec![])
            }
            11 | 12 => (Op::Broadcast { shape }, vec![x]),
            13 => {
                let rows = usize::from(ty.row_symbol().is_some());
                let mut shape = ty.shape[..rows].to_vec();
                let elements = ty.row_elements()?;
                if elements % 2 == 0 && self.r.below(2) == 0 {
                    shape.push(2.into());
                    shape.push((elements / 2).into());
                } else {
                    shape.push(elements.into());
                }
                (Op::Reshape { shape }, vec![x])
            }
            14 | 15 => {
                let start = self.r.below(inner?);
                (Op::Slice { start, stop: start + 1 + self.r.below(inner? - start) }, vec![x])
            }
            16 | 17 => {
                let outer = ty.shape.split_last()?.1.to_vec();
                let fits: Vec<NodeId> = self
                    .values
                    .iter()
                    .copied()
                    .filter(|v| {
                        let t = self.b.ty(*v);
                        t.dtype == ty.dtype && t.shape.split_last().is_some_and(|s| s.1 == outer)
                    })
                    .collect();
                let mut parts = vec![x];
                for _ in 0..self.r.below(3) {
                    parts.push(fits[self.r.below(fits.len() as u64) as usize]);
                }
                (Op::Concat, parts)
            }
            18 => {
                let first = self.index(None)?;
                let mut operands = vec![x, first];
                if ty.shape.len() == 2 {
                    let shape = self.b.ty(first).shape.clone();
                    operands.push(self.index(Some(&shape))?);
                }
                (Op::Gather { out_of_range: self.policy(ty.dtype) }, operands)
            }
            19 => (Op::GatherRow { out_of_range: self.policy(ty.dtype) }, vec![x, self.index(None)?]),
            20 => {
                let n = self.index(Some(&[]))?;
                (Op::MaskRows { fill: Literal::from_bits(ty.dtype, 1) }, vec![x, n])
            }
            _ => match self.r.below(4) {
                0 => (Op::Pack { form: PackForm::SignExtended }, vec![self.index(None)?, x]),
                1 => (Op::UnpackId, vec![x]),
                2 => (Op::UnpackWeight, vec![x]),
                _ => (Op::Copy, vec![x]),
            },
        };
        let types: Vec<_> = operands.iter().map(|o| self.b.ty(*o).clone()).collect();
        let symbols = ["T".to_owned(), "N".to_owned()];
        let result = infer(&op, &types, &symbols).ok()?;
        // Wide concatenations of concatenations would make every case slow.
        if result.shape.len() > 3 || result.row_elements()? > 64.max(2 * self.on_rows * 4) {
            return None;
        }
        let value = self.b.op(op, &operands);
        self.values.push(value);
        Some(value)
    }

    /// An operation on rows, which may fit or not.
    fn row_op(&mut self, x: NodeId) -> Option<(Op, Vec<NodeId>)> {
        let float = self.values.iter().rev().copied().find(|v| self.b.ty(*v).dtype == DType::F32);
        let x = if self.r.below(2) == 0 { float? } else { x };
        let shape = self.b.ty(x).shape.clone();
        let inner = shape.last()?.as_const()?;
        let candidates = Candidates::ALL[self.r.below(2) as usize].0;
        let k = 1 + self.r.below(inner.min(8));
        let groups = 1 + self.r.below(inner);
        Some(match self.r.below(20) {
            i @ 0..5 => {
                let axis = if i == 0 { self.r.below(shape.len() as u64) as usize } else { shape.len() - 1 };
                (Op::Reduce { op: ReduceOp::ALL[self.r.below(4) as usize].0, axis }, vec![x])
            }
            5 => (Op::ArgMax, vec![x]),
            6 => (Op::CumSum, vec![x]),
            7 => (Op::Softmax, vec![x]),
            8 => (Op::LogSoftmax, vec![x]),
            9 => (Op::Dot, vec![x, self.like(x)]),
            10..13 => (Op::TopK { k, candidates, order: TopKOrder::ALL[self.r.below(2) as usize].0 }, vec![x]),
            13 => (Op::TopKMask { k, candidates }, vec![x]),
            14 => (Op::GroupScore { groups, score: GroupScore::ALL[self.r.below(2) as usize].0 }, vec![x]),
            15 | 16 => {
                let scores: Vec<NodeId> = self
                    .values
                    .iter()
                    .copied()
                    .filter(|v| {
                        let t = self.b.ty(*v);
                        t.dtype == DType::F32 && t.shape.len() == 2 && t.shape[0] == shape[0]
                    })
                    .collect();
                let score = *scores.get(self.r.below(scores.len() as u64) as usize)?;
                let keep = 1 + self.r.below(3);
                (Op::GroupMask { keep, fill: GroupFill::ALL[self.r.below(3) as usize].0 }, vec![x, score])
            }
            17 => {
                let epsilon = Literal::f32([1e-20, 0.5, 0.0][self.r.below(3) as usize]);
                let rules = [
                    Denominator::Sum,
                    Denominator::PlusEpsilon(epsilon),
                    Denominator::Clamp(epsilon),
                    Denominator::Positive,
                ];
                (Op::Renorm { denominator: rules[self.r.below(4) as usize] }, vec![x])
            }
            // What was chosen.
            _ => {
                let chosen = |v: &&NodeId| self.b.ty(**v).dtype == DType::I32 && self.b.ty(**v).shape.len() == 2;
                let index = self.values.iter().rev().find(chosen).copied()?;
                (Op::GatherRow { out_of_range: self.policy(self.b.ty(x).dtype) }, vec![x, index])
            }
        })
    }

    /// Counts whatever integers there are.
    fn addition(&mut self) -> Option<()> {
        let index = self.index(None)?;
        let shape = self.b.ty(index).shape.clone();
        let dtype = [DType::I32, DType::I64, DType::U32, DType::U64][self.r.below(4) as usize];
        let amounts = self.values.iter().rev().copied().find(|v| {
            let t = self.b.ty(*v);
            t.dtype == dtype && (t.shape == shape || t.shape.is_empty())
        });
        let amounts = amounts.unwrap_or_else(|| self.constant(dtype));
        let counts = self.b.input("counts", dtype, [Dim::Const(1 + self.r.below(9))]);
        let added = self.b.atomic_add(counts, index, amounts);
        let place = self.b.input_position(counts)?;
        self.b.output_with("added", added, Layout::Contiguous, Alias::InPlace(place));
        Some(())
    }

    fn outputs(&mut self) {
        if self.on_rows > 0 && self.r.below(3) == 0 {
            self.addition();
        }
        let mut taken = Vec::new();
        for i in 0..1 + self.r.below(4) {
            let value = if i == 0 { self.values[self.values.len() - 1] } else { self.pick() };
            let ty = self.b.ty(value).clone();
            let name = format!("out{i}");
            // Half of the outputs lie in an input's memory where one fits.
            let inputs: Vec<NodeId> = self.values.iter().copied().filter(|v| self.b.ty(*v) == &ty).collect();
            let input = inputs.into_iter().find_map(|v| self.b.input_position(v).filter(|p| !taken.contains(p)));
            match input.filter(|_| self.r.below(2) == 0) {
                Some(p) => {
                    taken.push(p);
                    let alias = if self.r.below(2) == 0 { Alias::InPlace(p) } else { Alias::Donates(p) };
                    self.b.output_with(&name, value, self.layouts[p], alias);
                }
                None => {
                    let rows = self.r.below(4) == 0 && !ty.shape.is_empty();
                    let layout = if rows { Layout::Rows } else { Layout::Contiguous };
                    self.b.output_with(&name, value, layout, Alias::None);
                }
            }
        }
    }
}
