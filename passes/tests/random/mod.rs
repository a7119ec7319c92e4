//! Valid graphs, and inputs that hurt, from a list of numbers: what proptest shrinks.

use routefuse_ir::graph::Output;
use routefuse_ir::op::{
    BinaryOp, Candidates, CompareOp, Denominator, GroupFill, GroupScore, OutOfRange, PackForm, ReduceOp, ScalarOp,
    TopKOrder, UnaryOp,
};
use routefuse_ir::{
    Alias, DType, Dim, Graph, GraphBuilder, Layout, Literal, NodeId, Op, Tensor, TensorType, infer::infer,
};

/// Numbers to choose by; zeros at the end, which choose the first of everything.
pub struct Choices<'a>(pub &'a [u64]);

impl Choices<'_> {
    pub fn below(&mut self, n: usize) -> usize {
        (self.number() % n as u64) as usize
    }

    pub fn number(&mut self) -> u64 {
        let (first, rest) = self.0.split_first().map_or((0, self.0), |(f, r)| (*f, r));
        self.0 = rest;
        first
    }

    fn of<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    fn done(&self) -> bool {
        self.0.is_empty()
    }
}

const COLUMNS: u64 = 6;
const EXPERTS: u64 = 9;

/// The most operations of a graph.
const OPS: usize = 28;

/// A graph over inputs of every dtype and several shapes. `trap`: gathers may trap.
pub fn graph(c: &mut Choices, trap: bool) -> Graph {
    let mut b = GraphBuilder::new("random");
    let t = Dim::Sym(b.symbol("T"));
    let k = Dim::Const(COLUMNS);
    let mut values = Vec::new();
    for dtype in DType::ALL {
        values.push(b.input(&format!("{dtype}_in"), dtype, [t, k]));
    }
    values.push(b.input("row", DType::F32, [t, Dim::Const(1)]));
    values.push(b.input("bias", DType::I32, [k]));
    values.push(b.input("tokens", DType::I64, [t]));
    for (name, dtype) in [("n32", DType::I32), ("n64", DType::I64), ("nu64", DType::U64), ("scale", DType::F32)] {
        values.push(b.input(name, dtype, []));
    }
    values.push(b.input("map", DType::I32, [Dim::Const(EXPERTS)]));
    values.push(b.input("replicas", DType::I16, [Dim::Const(EXPERTS), Dim::Const(4)]));
    values.push(b.input("prices", DType::F32, [Dim::Const(EXPERTS)]));
    values.push(b.input("by_row", DType::U8, [t]));
    let inputs = values.len();
    // Drawn first: the numbers may be used up at the end.
    let some: Vec<u64> = if c.below(4) > 0 { vec![] } else { (0..4).map(|_| c.number()).collect() };
    let adds = c.below(3) == 2;
    let mut left = OPS;
    while left > 0 && !c.done() {
        left -= 1;
        let of = if c.below(4) == 3 { idiom } else { operation };
        values.extend(of(c, &mut b, &values, [t, k], trap));
    }
    let added = if adds { addition(c, &mut b, &values) } else { None };
    // Mostly everything that nothing else uses, so that no mistake is lost; or the last value and some before it, so that
    // some of the graph is dead.
    let mut g = b.into_graph();
    let mut stored = vec![values[values.len() - 1]];
    if some.is_empty() {
        stored.extend(values[inputs..].iter().filter(|v| g.users(**v).is_empty()));
    } else {
        stored.extend(some.iter().map(|i| values[*i as usize % values.len()]));
    }
    for (i, node) in stored.into_iter().enumerate() {
        let name = format!("out{i}");
        g.outputs.push(Output { name, node, layout: Layout::Contiguous, alias: Alias::None, span: None });
    }
    if let Some((node, position)) = added {
        let alias = Alias::InPlace(position);
        g.outputs.push(Output { name: "load".into(), node, layout: Layout::Contiguous, alias, span: None });
    }
    g
}

/// A count of whatever integers there are, of one each or of amounts that are there; and the position of the counts.
fn addition(c: &mut Choices, b: &mut GraphBuilder, values: &[NodeId]) -> Option<(NodeId, usize)> {
    let dtype = c.of(&[DType::I32, DType::I64, DType::U32, DType::U64]);
    let integers: Vec<NodeId> = values.iter().copied().filter(|v| b.ty(*v).dtype.is_int()).collect();
    let indices = integers[integers.len() - 1 - c.below(integers.len().min(5))];
    let shape = b.ty(indices).shape.clone();
    let amounts = values.iter().rev().copied().find(|v| b.ty(*v).dtype == dtype && b.ty(*v).shape == shape);
    let one = literal(c, dtype);
    let amounts = amounts.filter(|_| c.below(2) == 0).unwrap_or_else(|| b.constant(one));
    let counts = b.input("counts", dtype, [Dim::Const(EXPERTS)]);
    let position = b.input_position(counts)?;
    fitting(b, Op::AtomicAdd, &[counts, indices, amounts]).map(|node| (node, position))
}

/// An operation on rows, which may fit or not.
fn on_rows(c: &mut Choices, b: &GraphBuilder, values: &[NodeId], x: NodeId, y: NodeId) -> (Op, Vec<NodeId>) {
    let floats: Vec<NodeId> = values.iter().copied().filter(|v| b.ty(*v).dtype == DType::F32).collect();
    let wants_f32 = b.ty(x).dtype != DType::F32 && c.below(2) == 0;
    let x = if wants_f32 { floats[floats.len() - 1 - c.below(floats.len().min(3))] } else { x };
    let candidates = c.of(Candidates::ALL).0;
    let k = 1 + c.below(6) as u64;
    let (rank, groups) = (b.ty(x).shape.len(), [1, 2, 3, COLUMNS][c.below(4)]);
    match c.below(16) {
        i @ (0 | 1) => {
            let op = c.of(&ReduceOp::ALL).0;
            (Op::Reduce { op, axis: if i == 0 { c.below(rank.max(1)) } else { rank.max(1) - 1 } }, vec![x])
        }
        2 => (Op::ArgMax, vec![x]),
        3 => (Op::CumSum, vec![x]),
        4 => (Op::Softmax, vec![x]),
        5 => (Op::LogSoftmax, vec![x]),
        6 => (Op::Dot, vec![x, c.of(&floats)]),
        7..10 => (Op::TopK { k, candidates, order: c.of(TopKOrder::ALL).0 }, vec![x]),
        10 | 11 => (Op::TopKMask { k, candidates }, vec![x]),
        12 => (Op::GroupScore { groups, score: c.of(GroupScore::ALL).0 }, vec![x]),
        13 => (Op::GroupMask { keep: 1 + c.below(3) as u64, fill: c.of(GroupFill::ALL).0 }, vec![x, c.of(&floats)]),
        14 => {
            let epsilon = literal(c, DType::F32);
            let rules = [
                Denominator::Sum,
                Denominator::PlusEpsilon(epsilon),
                Denominator::Clamp(epsilon),
                Denominator::Positive,
            ];
            (Op::Renorm { denominator: c.of(&rules) }, vec![x])
        }
        // What was chosen.
        _ => (Op::GatherRow { out_of_range: OutOfRange::Pass }, vec![x, y]),
    }
}

/// A value of an operation whose operands fit; `None` if some tries found none.
fn operation(c: &mut Choices, b: &mut GraphBuilder, values: &[NodeId], [t, k]: [Dim; 2], trap: bool) -> Option<NodeId> {
    for _ in 0..6 {
        let recent = |c: &mut Choices| {
            // Chains are what rules are about: mostly the last few values.
            let from = values.len().saturating_sub([usize::MAX, 6, 2, 1][c.below(4)]);
            values[from + c.below(values.len() - from)]
        };
        let x = recent(c);
        let dtype = b.ty(x).dtype;
        let shapes = [
            vec![t, k],
            vec![t, Dim::Const(1)],
            vec![t, Dim::Const(2), Dim::Const(3)],
            vec![t, Dim::Const(2), k],
            vec![t],
            vec![k],
            vec![Dim::Const(2), k],
            vec![t, Dim::Const(300)],
        ];
        let policies = [OutOfRange::Pass, OutOfRange::Clamp, OutOfRange::Wrap, OutOfRange::Trap];
        let policy = |c: &mut Choices, dtype: DType| match c.below(5) {
            4 => OutOfRange::Fill(literal(c, dtype)),
            3 if !trap => OutOfRange::Pass,
            i => policies[i],
        };
        let (op, operands) = match c.below(28) {
            0..3 => (Op::Scalar(ScalarOp::Unary(c.of(&UnaryOp::ALL).0)), vec![x]),
            3..6 => (Op::Scalar(ScalarOp::Binary(c.of(&BinaryOp::ALL).0)), vec![x, recent(c)]),
            6..10 => {
                let constant = literal(c, dtype);
                let constant = b.constant(constant);
                let pair = if c.below(4) == 0 { vec![constant, x] } else { vec![x, constant] };
                let op = if c.below(4) == 0 {
                    ScalarOp::Compare(c.of(&CompareOp::ALL).0)
                } else {
                    ScalarOp::Binary(c.of(&BinaryOp::ALL).0)
                };
                (Op::Scalar(op), pair)
            }
            10 => (Op::Scalar(ScalarOp::Compare(c.of(&CompareOp::ALL).0)), vec![x, recent(c)]),
            11 => {
                let arm = literal(c, dtype);
                let arm = if c.below(2) == 0 { recent(c) } else { b.constant(arm) };
                let arms = if c.below(2) == 0 { [x, arm] } else { [arm, x] };
                (Op::Scalar(ScalarOp::Select), vec![recent(c), arms[0], arms[1]])
            }
            12 | 13 => (Op::Scalar(ScalarOp::Cast(c.of(&DType::ALL))), vec![x]),
            14 => (Op::Scalar(ScalarOp::Bitcast(c.of(&DType::ALL))), vec![x]),
            15 => {
                let one = literal(c, DType::F32);
                let one = b.constant(one);
                let third = if c.below(2) == 0 { one } else { recent(c) };
                (Op::Scalar(ScalarOp::Fma), vec![x, recent(c), third])
            }
            16 => {
                let shape = c.of(&shapes);
                let axis = c.below(shape.len());
                let dtypes: Vec<DType> = DType::ALL.into_iter().filter(|d| d.is_int()).collect();
                (Op::Iota { dtype: c.of(&dtypes), shape, axis }, vec![])
            }
            17 => (Op::Broadcast { shape: c.of(&shapes) }, vec![x]),
            18 => (Op::Reshape { shape: c.of(&shapes) }, vec![x]),
            19 => {
                let start = c.below(COLUMNS as usize) as u64;
                (Op::Slice { start, stop: start + 1 + c.below(4) as u64 }, vec![x])
            }
            20 => {
                let parts = 1 + c.below(3);
                (Op::Concat, std::iter::once(x).chain((1..parts).map(|_| recent(c))).collect())
            }
            21 => {
                let tables: Vec<NodeId> = (1..=4).map(|i| values[values.len().min(23) - i]).collect();
                let table = c.of(&tables);
                let rank = b.ty(table).shape.len();
                let indices = std::iter::once(x).chain((1..rank).map(|_| recent(c)));
                let operands: Vec<NodeId> = std::iter::once(table).chain(indices).collect();
                if c.below(3) == 0 {
                    (Op::GatherRow { out_of_range: policy(c, dtype) }, vec![x, recent(c)])
                } else {
                    (Op::Gather { out_of_range: policy(c, b.ty(table).dtype) }, operands)
                }
            }
            22 => (Op::MaskRows { fill: literal(c, dtype) }, vec![x, recent(c)]),
            24.. => {
                let y = recent(c);
                on_rows(c, b, values, x, y)
            }
            _ => match c.below(6) {
                0 => (Op::Pack { form: PackForm::Masked }, vec![x, recent(c)]),
                1 => (Op::Pack { form: PackForm::SignExtended }, vec![x, recent(c)]),
                2 => (Op::UnpackId, vec![x]),
                3 => (Op::UnpackWeight, vec![x]),
                4 => {
                    let words: Vec<NodeId> = values.iter().copied().filter(|v| b.ty(*v).dtype == DType::U64).collect();
                    (Op::Scalar(ScalarOp::Philox), vec![c.of(&words), c.of(&words), c.of(&words)])
                }
                _ => (Op::Copy, vec![x]),
            },
        };
        if let Some(value) = fitting(b, op, &operands) {
            return Some(value);
        }
    }
    None
}

/// The op, if its operands fit.
fn fitting(b: &mut GraphBuilder, op: Op, operands: &[NodeId]) -> Option<NodeId> {
    let types: Vec<TensorType> = operands.iter().map(|o| b.ty(*o).clone()).collect();
    let small = |ty: &TensorType| ty.row_elements().is_some_and(|n| n <= 600) && ty.shape.len() <= 3;
    infer(&op, &types, &[]).is_ok_and(|ty| small(&ty)).then(|| b.op(op, operands))
}

/// A few operations that rules look for together, which chance alone rarely puts side by side.
fn idiom(c: &mut Choices, b: &mut GraphBuilder, values: &[NodeId], [t, k]: [Dim; 2], trap: bool) -> Option<NodeId> {
    let last = values[values.len() - 1 - c.below(4)];
    let integers: Vec<NodeId> = values.iter().copied().filter(|v| b.ty(*v).dtype.is_int()).collect();
    let x = if b.ty(last).dtype.is_int() && c.below(2) == 0 { last } else { c.of(&integers) };
    let dtype = b.ty(x).dtype;
    let scalar = |c: &mut Choices, b: &GraphBuilder| {
        let all: Vec<NodeId> = integers.iter().copied().filter(|v| b.ty(*v).shape.is_empty()).collect();
        c.of(&all)
    };
    let policy = if trap && c.below(2) == 0 { OutOfRange::Trap } else { OutOfRange::Pass };
    let map = values[19];
    let binary = |op| Op::Scalar(ScalarOp::Binary(op));
    let constant = |c: &mut Choices, b: &mut GraphBuilder, dtype| {
        let l = literal(c, dtype);
        b.constant(l)
    };
    match c.below(8) {
        // A guarded index: select(x < c0 and x >= c1, x, c2), in every variation.
        0 => {
            let mut conditions = [x; 2];
            for condition in &mut conditions {
                let bound = constant(c, b, dtype);
                let op = c.of(&CompareOp::ALL).0;
                *condition = if c.below(3) == 0 { b.compare(op, bound, x) } else { b.compare(op, x, bound) };
            }
            let op = c.of(&[BinaryOp::And, BinaryOp::Or]);
            let mut both = b.binary(op, conditions[0], conditions[1]);
            if c.below(3) == 0 {
                both = b.unary(UnaryOp::Not, both);
            }
            let wide = c.of(&[dtype, DType::I64]);
            let arm = b.cast(x, wide);
            let other = constant(c, b, wide);
            Some(if c.below(2) == 0 { b.select(both, arm, other) } else { b.select(both, other, arm) })
        }
        // A look-up by one index for all.
        1 => {
            let s = scalar(c, b);
            let index = b.broadcast(s, [t, k]);
            Some(b.gather_with(map, &[index], policy))
        }
        // A value that is dropped, of which only a trap is left.
        2 => {
            let looked_up = b.gather_with(map, &[x], policy);
            let zero = b.constant(Literal::i32(0));
            let op = c.of(&[BinaryOp::Mul, BinaryOp::And]);
            let y = b.binary(op, looked_up, zero);
            fitting(b, binary(BinaryOp::Add), &[y, x]).or(Some(y))
        }
        // A part of what was joined.
        3 => {
            let joined = fitting(b, Op::Concat, &[last, last])?;
            let inner = b.ty(joined).shape.last().and_then(|d| d.as_const()).unwrap_or(1);
            let start = c.below(inner as usize) as u64;
            let stop = start + 1 + c.below((inner - start) as usize) as u64;
            fitting(b, Op::Slice { start, stop }, &[joined])
        }
        // Indices that move.
        4 => {
            let shape = c.of(&[
                vec![k],
                vec![t, Dim::Const(1)],
                vec![Dim::Const(2), k],
                vec![t, k],
                vec![Dim::Const(3), Dim::Const(1)],
            ]);
            let axis = c.below(shape.len());
            let iota = b.iota(c.of(&[DType::I32, DType::U8, DType::I64]), shape, axis);
            let moved = match c.below(3) {
                0 => Op::Broadcast { shape: c.of(&[vec![t, k], vec![t, Dim::Const(2), k], vec![Dim::Const(3), k]]) },
                1 => Op::Reshape {
                    shape: c.of(&[
                        vec![t, Dim::Const(2), Dim::Const(3)],
                        vec![t, k, Dim::Const(1)],
                        vec![Dim::Const(3), Dim::Const(4)],
                    ]),
                },
                _ => Op::Slice { start: c.below(3) as u64, stop: 5 },
            };
            fitting(b, moved, &[iota]).or(Some(iota))
        }
        // Division by a power of two, of what may or may not be negative.
        5 => {
            let bound = b.constant(Literal::from_bits(dtype, SPECIAL[c.below(4)]));
            let op = c.of(&[BinaryOp::Max, BinaryOp::And, BinaryOp::Min, BinaryOp::Shr, BinaryOp::Rem]);
            let bounded = b.binary(op, x, bound);
            let power = b.constant(Literal::from_bits(dtype, 1 << c.below(6)));
            Some(b.binary(c.of(&[BinaryOp::Div, BinaryOp::Rem]), bounded, power))
        }
        // Arithmetic of f32 that changes little: the zeros tell which constants are identities.
        6 => {
            let floats: Vec<NodeId> = values.iter().copied().filter(|v| b.ty(*v).dtype == DType::F32).collect();
            let y = c.of(&floats);
            let one = b.constant(Literal::f32(c.of(&[0.0, -0.0, 1.0, -1.0, 8.0])));
            let op = c.of(&[BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Div, BinaryOp::Min]);
            let z = if c.below(4) == 0 { b.binary(op, one, y) } else { b.binary(op, y, one) };
            Some(if c.below(2) == 0 { z } else { b.unary(c.of(&[UnaryOp::Neg, UnaryOp::Abs, UnaryOp::Sigmoid]), z) })
        }
        // Rows past any of the scalars.
        _ => {
            let fill = literal(c, b.ty(last).dtype);
            let n = scalar(c, b);
            fitting(b, Op::MaskRows { fill }, &[last, n])
        }
    }
}

/// Bits at which rules and ranges have their edges.
const SPECIAL: [u64; 24] = [
    0,
    1,
    2,
    3,
    7,
    8,
    9,
    15,
    16,
    31,
    32,
    255,
    256,
    0x7f,
    0x80,
    0xffff,
    0x7fff,
    0x8000,
    0x7fff_ffff,
    0x8000_0000,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
    u64::MAX - 8,
];

/// Floats by name: zeros, ones, powers of two, infinities, NaN with payloads, denormals, midpoints of 16-bit rounding.
const SPECIAL_F32: [u32; 24] = [
    0,
    0x8000_0000,
    0x3f80_0000,
    0xbf80_0000,
    0x4000_0000,
    0x3f00_0000,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0x7fc0_0001,
    0xffc0_0000,
    0x7f80_0001,
    1,
    0x807f_ffff,
    0x0080_0000,
    0x7f7f_ffff,
    0x7f00_0000,
    0x3f80_8000,
    0x3f81_8000,
    0x4780_0000,
    0x3eaa_aaab,
    0x0040_0000,
    0xc2f0_0000,
    0x4f00_0000,
];
const SPECIAL_16: [u64; 16] = [
    0, 0x8000, 0x3f80, 0x3c00, 0xbf80, 0x7f80, 0x7c00, 0xff80, 0xfc00, 0x7fc0, 0x7e00, 0x7fc1, 0x7e01, 0xffc0, 1,
    0x807f,
];

fn bits(dtype: DType, choice: u64) -> u64 {
    let (kind, pick) = (choice % 4, (choice / 4) as usize);
    match dtype {
        _ if kind == 3 => choice >> 2,
        DType::F32 => u64::from(SPECIAL_F32[pick % SPECIAL_F32.len()]),
        DType::F16 | DType::Bf16 => SPECIAL_16[pick % SPECIAL_16.len()],
        _ => SPECIAL[pick % SPECIAL.len()],
    }
}

/// Half of them those that rules ask for: identities and what absorbs.
fn literal(c: &mut Choices, dtype: DType) -> Literal {
    let simple: &[u64] = match dtype {
        DType::F32 => &[0, 0x8000_0000, 0x3f80_0000, 0xbf80_0000, 0x4100_0000],
        DType::F16 | DType::Bf16 => &[0, 0x8000],
        _ => &[0, 1, u64::MAX, 8],
    };
    let choice = c.number();
    let simple = simple[(choice >> 8) as usize % simple.len()];
    Literal::from_bits(dtype, if choice & 128 == 0 { simple } else { bits(dtype, choice) })
}

/// Inputs for this many rows.
pub fn inputs(g: &Graph, rows: u64, mut seed: u64) -> Vec<Tensor> {
    let mut next = move || {
        // splitmix64 (Steele, Lea and Flood, OOPSLA 2014)
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let tensor = |i: usize| {
        let ty = g.input_type(i);
        let shape: Vec<u64> = ty.shape.iter().map(|d| d.as_const().unwrap_or(rows)).collect();
        let n: u64 = shape.iter().product();
        let element = |_| Literal::from_bits(ty.dtype, bits(ty.dtype, next())).bits();
        Tensor::from_bits(ty.dtype, &shape, (0..n).map(element).collect::<Vec<u64>>())
    };
    (0..g.inputs.len()).map(tensor).collect()
}
