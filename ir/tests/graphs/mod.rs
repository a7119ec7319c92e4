//! Random valid graphs over every op, for property tests.

use proptest::prelude::*;
use routefuse_ir::op::{
    BinaryOp, Candidates, CompareOp, Denominator, GroupFill, GroupScore, OutOfRange, PackForm, ReduceOp, ScalarOp,
    TopKOrder, UnaryOp,
};
use routefuse_ir::{Alias, DType, Dim, Graph, GraphBuilder, Layout, Literal, NodeId, Op, TensorType, Verified};

/// Valid graphs, each made from a list of numbers that proptest shrinks.
pub fn graphs() -> impl Strategy<Value = Verified<Graph>> {
    proptest::collection::vec(any::<u64>(), 1..400).prop_map(|choices| {
        let graph = Maker::new(&choices).graph();
        graph.finish().unwrap_or_else(|e| panic!("the generator made an invalid graph:\n{e}"))
    })
}

/// Makes a graph by choices; when they run out, every choice is the first.
struct Maker<'a> {
    choices: std::slice::Iter<'a, u64>,
    b: GraphBuilder,
    dims: Vec<Dim>,
    inputs: Vec<NodeId>,
    layouts: Vec<Layout>,
    values: Vec<NodeId>,
}

impl<'a> Maker<'a> {
    fn new(choices: &'a [u64]) -> Maker<'a> {
        let mut maker = Maker {
            choices: choices.iter(),
            b: GraphBuilder::new("g"),
            dims: vec![],
            inputs: vec![],
            layouts: vec![],
            values: vec![],
        };
        let name = maker.odd_name("graph");
        maker.b = GraphBuilder::new(name);
        maker
    }

    fn bits(&mut self) -> u64 {
        self.choices.next().copied().unwrap_or(0)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Mostly a plain name, sometimes one that needs quotes; different for different `plain`.
    fn odd_name(&mut self, plain: &str) -> String {
        match self.below(8) {
            0 => format!("{plain} with \"blanks\" \\ and\nlines\u{7}"),
            1 => format!("é-{plain}"),
            2 => format!("{plain}.0"),
            3 => format!("0{plain}"),
            _ => plain.to_owned(),
        }
    }

    fn dtype(&mut self) -> DType {
        self.one_of(&DType::ALL)
    }

    fn int(&mut self) -> DType {
        let ints: Vec<DType> = DType::ALL.into_iter().filter(|d| d.is_int()).collect();
        self.one_of(&ints)
    }

    /// Any bits, with a preference for the ends of the range, NaNs and infinities.
    fn literal(&mut self, dtype: DType) -> Literal {
        let bits = self.bits();
        let top = 1u64 << (dtype.bits() - 1);
        match self.below(6) {
            0 => Literal::from_bits(dtype, u64::MAX),
            1 => Literal::from_bits(dtype, top),
            2 => Literal::from_bits(dtype, top - 1),
            3 if dtype.is_float() => {
                let special = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -0.0, 0.1, 1e-20, 1e-40];
                let value = self.one_of(&special);
                Literal::from_f64(dtype, value).unwrap_or(Literal::zero(dtype))
            }
            _ => Literal::from_bits(dtype, bits),
        }
    }

    fn ty(&self, v: NodeId) -> TensorType {
        self.b.ty(v).clone()
    }

    /// A value that fits, if there is one.
    fn pick(&mut self, fits: impl Fn(&TensorType) -> bool) -> Option<NodeId> {
        let fitting: Vec<NodeId> = self.values.iter().copied().filter(|v| fits(self.b.ty(*v))).collect();
        if fitting.is_empty() { None } else { Some(self.one_of(&fitting)) }
    }

    /// Any value, cast to a dtype.
    fn of_dtype(&mut self, dtype: DType, fits: impl Fn(&TensorType) -> bool) -> Option<NodeId> {
        if let Some(v) = self.pick(|t| t.dtype == dtype && fits(t)) {
            return Some(v);
        }
        let v = self.pick(fits)?;
        Some(self.b.cast(v, dtype))
    }

    fn shape(&mut self) -> Vec<Dim> {
        let rows = self.one_of(&[0usize, 1, 1, 1]);
        let row = Dim::from([1u64, 2, 8][self.below(3)]);
        let lead: Vec<Dim> = if rows == 1 { vec![self.one_of(&self.dims.clone())] } else { vec![] };
        let rank = self.below(3);
        lead.into_iter().chain(std::iter::repeat_n(row, rank)).collect()
    }

    fn graph(mut self) -> GraphBuilder {
        for plain in ["T", "S"] {
            let name = self.odd_name(plain);
            let symbol = self.b.symbol(name);
            self.dims.push(symbol.into());
        }
        for i in 0..1 + self.below(5) {
            let (name, dtype, shape) = (self.odd_name(&format!("in{i}")), self.dtype(), self.shape());
            let layout = if shape.is_empty() {
                self.one_of(&[Layout::Contiguous, Layout::Strided])
            } else {
                self.one_of(&[Layout::Contiguous, Layout::Rows, Layout::Strided])
            };
            let input = self.b.input_with_layout(&name, dtype, shape, layout);
            self.inputs.push(input);
            self.layouts.push(layout);
            self.values.push(input);
        }
        for i in 0..self.choices.len() / 5 {
            if let Some(v) = self.step() {
                if self.below(4) == 0 {
                    let name = self.odd_name(&format!("named{i}"));
                    if !self.values.contains(&v) {
                        self.b.name(v, &name);
                    }
                }
                self.values.push(v);
            }
        }
        self.outputs();
        if self.below(3) == 1 {
            self.addition();
        }
        self.b
    }

    fn outputs(&mut self) {
        let mut free = self.inputs.clone();
        for i in 0..1 + self.below(4) {
            let name = self.odd_name(&format!("out{i}"));
            let mut value = self.one_of(&self.values.clone());
            let kind = self.below(5);
            let same: Vec<NodeId> = free.iter().copied().filter(|f| self.ty(*f) == self.ty(value)).collect();
            if kind == 4 && !free.is_empty() {
                let input = self.one_of(&free);
                free.retain(|f| *f != input);
                value = self.b.copy(input);
                let position = self.b.input_position(input).unwrap_or(0);
                self.b.output_with(&name, value, Layout::Strided, Alias::Guarded(position));
            } else if kind >= 2 && !same.is_empty() {
                let input = self.one_of(&same);
                free.retain(|f| *f != input);
                let position = self.b.input_position(input).unwrap_or(0);
                let layout = self.layouts[position];
                let alias = if kind == 2 { Alias::InPlace(position) } else { Alias::Donates(position) };
                self.b.output_with(&name, value, layout, alias);
            } else {
                let scalar = self.ty(value).shape.is_empty();
                let layout = if scalar { Layout::Contiguous } else { self.one_of(&[Layout::Contiguous, Layout::Rows]) };
                self.b.output_with(&name, value, layout, Alias::None);
            }
        }
    }

    fn policy(&mut self, table: DType) -> OutOfRange {
        match self.below(5) {
            0 => OutOfRange::Pass,
            1 => OutOfRange::Clamp,
            2 => OutOfRange::Wrap,
            3 => OutOfRange::Trap,
            _ => OutOfRange::Fill(self.literal(table)),
        }
    }

    /// One op on values that fit it; `None` if there are none.
    fn step(&mut self) -> Option<NodeId> {
        let any = |_: &TensorType| true;
        match self.below(26) {
            0 => {
                let dtype = self.dtype();
                let literal = self.literal(dtype);
                Some(self.b.constant(literal))
            }
            1 => {
                let (dtype, shape) = (self.int(), self.shape());
                let axis = self.below(shape.len().max(1));
                (!shape.is_empty()).then(|| self.b.iota(dtype, shape, axis))
            }
            2 | 3 => {
                let op = UnaryOp::ALL[self.below(UnaryOp::ALL.len())].0;
                let x = match op {
                    UnaryOp::Not => self.pick(|t| !t.dtype.is_float())?,
                    UnaryOp::IsNan => self.pick(|t| t.dtype.is_float())?,
                    UnaryOp::Abs => self.pick(|t| t.dtype.is_signed() || t.dtype == DType::F32)?,
                    _ => self.of_dtype(DType::F32, any)?,
                };
                Some(self.b.unary(op, x))
            }
            4 | 5 => {
                let op = BinaryOp::ALL[self.below(BinaryOp::ALL.len())].0;
                let dtype = match op {
                    BinaryOp::And | BinaryOp::Or | BinaryOp::Xor => self.one_of(&[DType::Bool, DType::U16]),
                    BinaryOp::Rem | BinaryOp::Shl | BinaryOp::Shr => self.int(),
                    _ => self.one_of(&[DType::F32, DType::I64]),
                };
                let [a, b] = self.alike(dtype)?;
                Some(self.b.binary(op, a, b))
            }
            6 => {
                let op = CompareOp::ALL[self.below(CompareOp::ALL.len())].0;
                let dtype = self.one_of(&[DType::F32, DType::I32, DType::Bool, DType::U8]);
                let [a, b] = self.alike(dtype)?;
                Some(self.b.compare(op, a, b))
            }
            7 => {
                let [a, b] = self.alike(DType::F32)?;
                let op = self.one_of(&[ScalarOp::Fma, ScalarOp::Select]);
                if op == ScalarOp::Select {
                    let condition = self.b.compare(CompareOp::Lt, a, b);
                    return Some(self.b.select(condition, a, b));
                }
                Some(self.b.op(Op::Scalar(op), &[a, b, a]))
            }
            8 => {
                let [a, b] = self.alike(DType::U64)?;
                Some(self.b.op(Op::Scalar(ScalarOp::Philox), &[a, a, b]))
            }
            9 => {
                let (x, to) = (self.pick(any)?, self.dtype());
                Some(self.b.cast(x, to))
            }
            10 => {
                let x = self.pick(|t| t.dtype != DType::Bool)?;
                let size = self.ty(x).dtype.size();
                let fits: Vec<DType> =
                    DType::ALL.into_iter().filter(|d| d.size() == size && *d != DType::Bool).collect();
                let to = self.one_of(&fits);
                Some(self.b.bitcast(x, to))
            }
            11 => {
                let x = self.pick(|t| t.shape.len() < 3 && t.row_symbol().is_none())?;
                let lead = self.one_of(&self.dims.clone());
                let shape: Vec<Dim> = [lead].into_iter().chain(self.ty(x).shape).collect();
                Some(self.b.broadcast(x, shape))
            }
            12 => {
                let x = self.pick(|t| !t.shape.is_empty())?;
                let mut shape = self.ty(x).shape;
                shape.insert(1, Dim::Const(1));
                (shape.len() < 5).then(|| self.b.reshape(x, shape))
            }
            13 => {
                let x = self.pick(|t| inner(t).is_some_and(|n| n > 0))?;
                let n = inner(&self.ty(x))?;
                let start = self.below(n as usize) as u64;
                Some(self.b.slice(x, start, n))
            }
            14 => {
                let x = self.pick(|t| inner(t).is_some_and(|n| n < 64))?;
                let shape = self.ty(x).shape;
                let y = self.of_dtype(self.ty(x).dtype, |t| t.shape == shape)?;
                Some(if self.below(4) == 0 { self.b.concat(&[x]) } else { self.b.concat(&[x, y]) })
            }
            15 => {
                let table = self.pick(|t| (1..=2).contains(&t.shape.len()))?;
                let (rank, policy) = (self.ty(table).shape.len(), self.policy(self.ty(table).dtype));
                let dtype = self.int();
                let [i, j] = self.alike(dtype)?;
                Some(self.b.gather_with(table, &[i, j][..rank], policy))
            }
            16 => {
                let x = self.pick(|t| t.shape.len() == 2)?;
                let lead = self.ty(x).shape[0];
                let dtype = self.int();
                let i = self.of_dtype(dtype, |t| t.shape.len() == 2 && t.shape[0] == lead)?;
                let policy = self.policy(self.ty(x).dtype);
                Some(self.b.gather_row(x, i, policy))
            }
            17 => {
                let x = self.pick(|t| t.row_symbol().is_some())?;
                let fill = self.literal(self.ty(x).dtype);
                let n = self.b.int(DType::I32, 3);
                Some(self.b.mask_rows(x, n, fill))
            }
            18 => {
                let ids = self.of_dtype(DType::I64, any)?;
                let shape = self.ty(ids).shape;
                let dtype = self.one_of(&[DType::F32, DType::Bf16]);
                let weights = self.of_dtype(dtype, |t| t.shape == shape)?;
                let form = self.one_of(&[PackForm::Masked, PackForm::SignExtended]);
                Some(self.b.pack(ids, weights, form))
            }
            20.. => self.on_rows(),
            _ => {
                let x = self.of_dtype(DType::I32, any)?;
                let op = [Op::UnpackId, Op::UnpackWeight, Op::Copy][self.below(3)].clone();
                Some(self.b.op(op, &[x]))
            }
        }
    }

    /// One op on whole rows.
    fn on_rows(&mut self) -> Option<NodeId> {
        let rows = |t: &TensorType| inner(t).is_some_and(|n| n > 0);
        let matrix = |t: &TensorType| rows(t) && t.shape.len() == 2;
        let x = self.of_dtype(DType::F32, rows)?;
        let columns = inner(&self.ty(x))?;
        let k = 1 + self.below(columns.min(9) as usize) as u64;
        let candidates = Candidates::ALL[self.below(2)].0;
        Some(match self.below(10) {
            0 => {
                let op = ReduceOp::ALL[self.below(4)].0;
                self.b.reduce_inner(op, x)
            }
            1 => {
                let ints = self.of_dtype(DType::I64, |t| t.shape.len() > 1 && rows(t))?;
                let axis = 1 + self.below(self.ty(ints).shape.len() - 1);
                let op = ReduceOp::ALL[self.below(3)].0;
                self.b.reduce(op, ints, axis)
            }
            2 => self.b.argmax(x),
            3 => self.b.cumsum(x),
            4 if self.below(2) == 0 => self.b.softmax(x),
            4 => self.b.log_softmax(x),
            5 => self.b.dot(x, x),
            6 => {
                let order = TopKOrder::ALL[self.below(2)].0;
                self.b.topk(x, k, candidates, order)
            }
            7 => self.b.topk_mask(x, k, candidates),
            8 => {
                let x = self.of_dtype(DType::F32, matrix)?;
                let columns = inner(&self.ty(x))?;
                let groups = if columns.is_multiple_of(2) { 2 } else { 1 };
                let score = GroupScore::ALL[self.below(2)].0;
                let scores = self.b.group_score(x, groups, score);
                if self.below(3) == 0 {
                    return Some(scores);
                }
                let fill = GroupFill::ALL[self.below(3)].0;
                self.b.group_mask(x, scores, 1, fill)
            }
            _ => {
                let epsilon = self.literal(DType::F32);
                let rules = [
                    Denominator::Sum,
                    Denominator::PlusEpsilon(epsilon),
                    Denominator::Clamp(epsilon),
                    Denominator::Positive,
                ];
                let denominator = self.one_of(&rules);
                self.b.renorm(x, denominator)
            }
        })
    }

    /// A count of some integers, in place.
    fn addition(&mut self) -> Option<()> {
        let dtype = self.one_of(&[DType::I32, DType::U32, DType::I64, DType::U64]);
        let ints = self.int();
        let indices = self.of_dtype(ints, |_| true)?;
        let shape = self.ty(indices).shape;
        let amounts = self.of_dtype(dtype, |t| t.shape == shape || t.shape.is_empty())?;
        let name = self.odd_name("counts");
        let counts = self.b.input(&name, dtype, [Dim::Const(7)]);
        let added = self.b.atomic_add(counts, indices, amounts);
        let position = self.b.input_position(counts)?;
        let name = self.odd_name("added");
        self.b.output_with(&name, added, Layout::Contiguous, Alias::InPlace(position));
        Some(())
    }

    /// Two values of a dtype that an elementwise op takes together.
    fn alike(&mut self, dtype: DType) -> Option<[NodeId; 2]> {
        let a = self.of_dtype(dtype, |_| true)?;
        let shape = self.ty(a).shape;
        let b = self.of_dtype(dtype, |t| t.shape == shape || t.shape.is_empty() || shape.is_empty())?;
        Some([a, b])
    }
}

fn inner(t: &TensorType) -> Option<u64> {
    t.shape.last().and_then(|d| d.as_const())
}
