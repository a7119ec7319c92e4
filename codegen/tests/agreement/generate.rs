//! Random verified kernels.

use crate::data::Case;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use routefuse_ir::dim::SymbolId;
use routefuse_ir::eval::row::is_key;
use routefuse_ir::graph::{Layout, TensorType};
use routefuse_ir::infer::infer;
use routefuse_ir::kernel::schedule::{Domain, Piece, RowShape, Schedule};
use routefuse_ir::kernel::{ColumnMap, Kernel, Param, ParamId, Role, Space, Store, Term, Value, ValueId, ValueKind};
use routefuse_ir::op::{BinaryOp, Candidates, CompareOp, Op, OutOfRange, ReduceOp, ScalarOp, TopKOrder, UnaryOp};
use routefuse_ir::{DType, Dim, Literal};
use std::collections::BTreeSet;

const COLUMNS: [u64; 8] = [1, 2, 3, 4, 6, 8, 9, 12];

struct Generator<'r> {
    rng: &'r mut StdRng,
    kernel: Kernel,
    /// Extents of inner dims, and the most columns of a value.
    columns: &'static [u64],
    most: u64,
    /// With row values.
    rows: bool,
}

/// What rows are wide, with odd ones, and ones past what is written out.
const WIDE: [u64; 16] = [1, 2, 3, 5, 8, 9, 16, 17, 24, 32, 40, 72, 128, 160, 256, 384];

/// Wider still.
const WIDEST: [u64; 8] = [1, 8, 300, 512, 513, 896, 2048, 4096];

/// A kernel without row values, with flat schedules.
pub fn case(rng: &mut StdRng) -> Case {
    any_case(rng, &COLUMNS, 24, false)
}

/// A kernel with row values, with row schedules.
pub fn row_case(rng: &mut StdRng) -> Case {
    if rng.random_bool(0.1) { any_case(rng, &WIDEST, 4096, true) } else { any_case(rng, &WIDE, 512, true) }
}

fn any_case(rng: &mut StdRng, columns: &'static [u64], most: u64, rows: bool) -> Case {
    let seed = rng.random();
    let mut symbols = vec!["T".to_owned()];
    if rng.random_bool(0.3) {
        symbols.push("V".to_owned());
    }
    let kernel = Kernel { name: "random".to_owned(), symbols, rows: Some(SymbolId(0)), ..Kernel::default() };
    let mut g = Generator { rng, kernel, columns, most, rows };
    for _ in 0..g.rng.random_range(2..6) {
        g.input();
    }
    if g.rng.random_bool(0.3) {
        g.param(Role::ErrorWord, TensorType::scalar(DType::U32), Layout::Contiguous);
    }
    for _ in 0..g.rng.random_range(4..24) {
        g.value();
    }
    for _ in 0..g.rng.random_range(1..4) {
        g.output();
    }
    if g.rng.random_bool(0.3) {
        g.adding_output();
    }
    let (host, gpu) = (g.schedule(true), g.schedule(false));
    let kernel = g.kernel.verify().unwrap_or_else(|e| panic!("the generator made a wrong kernel: {e:?}"));
    Case { kernel, host_schedule: host, gpu_schedule: gpu, rows: vec![0, 1, 2, 5, 33], seed }
}

impl Generator<'_> {
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        *from.choose(self.rng).expect("not empty")
    }

    fn param(&mut self, role: Role, ty: TensorType, layout: Layout) -> ParamId {
        let name = format!("p{}", self.kernel.params.len());
        self.kernel.params.push(Param { name, role, ty, layout, aliases: None });
        ParamId(self.kernel.params.len() as u32 - 1)
    }

    fn layout(&mut self, rank: usize) -> Layout {
        if rank == 0 {
            return Layout::Contiguous;
        }
        self.pick(&[Layout::Contiguous, Layout::Contiguous, Layout::Contiguous, Layout::Rows, Layout::Strided])
    }

    fn input(&mut self) {
        let dtype = self.pick(&DType::ALL);
        let mut shape: Vec<Dim> = vec![];
        match self.rng.random_range(0..10) {
            0..5 => shape.push(SymbolId(0).into()),
            5 if self.kernel.symbols.len() > 1 => shape.push(SymbolId(1).into()),
            _ => {}
        }
        if self.rng.random_bool(0.8) {
            shape.push(self.pick(self.columns).into());
        }
        if self.rng.random_bool(0.2) {
            shape.push(self.pick(&[2u64, 3, 4]).into());
        }
        let layout = self.layout(shape.len());
        self.param(Role::Input, TensorType::new(dtype, shape), layout);
    }

    fn push(&mut self, kind: ValueKind, dtype: DType, space: Space) {
        self.kernel.values.push(Value { kind, dtype, space, name: String::new() });
    }

    fn any(&mut self) -> Option<ValueId> {
        let n = self.kernel.values.len() as u32;
        // Recent values, so that kernels get deep.
        (n > 0).then(|| ValueId(n - 1 - self.rng.random_range(0..n.min(8))))
    }

    fn value(&mut self) {
        if self.rows && self.rng.random_bool(0.35) {
            return self.row_value();
        }
        match self.rng.random_range(0..20) {
            0 => {
                let dtype = self.pick(&DType::ALL);
                let bits = crate::data::hostile(dtype, self.rng);
                self.push(ValueKind::Const(Literal::from_bits(dtype, bits)), dtype, Space { per_row: false, cols: 1 });
            }
            1 => {
                let dtype = self.pick(&[DType::I32, DType::I64, DType::U64, DType::U8]);
                self.push(ValueKind::Row, dtype, Space { per_row: true, cols: 1 });
            }
            2 => {
                let dtype = self.pick(&[DType::I32, DType::I64, DType::U16]);
                let cols = self.pick(self.columns);
                self.push(ValueKind::Column, dtype, Space { per_row: false, cols });
            }
            3..7 => self.load(),
            7 => self.remap(),
            8 => self.concat(),
            9 | 10 => self.gather(),
            11 => self.gather_row(),
            _ => self.scalar(),
        }
    }

    fn load(&mut self) {
        let p = ParamId(self.rng.random_range(0..self.kernel.params.len() as u32));
        let param = self.kernel.param(p);
        let foreign = param.ty.row_symbol().is_some_and(|s| s != SymbolId(0));
        if param.role == Role::Input && !foreign {
            let (dtype, space) = (param.ty.dtype, self.kernel.param_space(p));
            self.push(ValueKind::Load(p), dtype, space);
        }
    }

    fn remap(&mut self) {
        let Some(v) = self.any() else { return };
        let (dtype, space) = (self.kernel.value(v).dtype, self.kernel.value(v).space);
        let map = match self.rng.random_range(0..4) {
            0 => {
                let cols = self.rng.random_range(1..=space.cols);
                ColumnMap::offset(cols, self.rng.random_range(0..=space.cols - cols))
            }
            1 => ColumnMap { cols: self.pick(self.columns), base: self.rng.random_range(0..space.cols), terms: vec![] },
            // Each column several times, or all columns several times.
            2 => {
                let times = self.pick(&[2u64, 3, 4]);
                let term = Term { div: times, modulo: space.cols, mul: 1 };
                ColumnMap { cols: space.cols * times, base: 0, terms: vec![term] }
            }
            _ => {
                let term = Term { div: 1, modulo: space.cols, mul: 1 };
                ColumnMap { cols: space.cols * 2, base: 0, terms: vec![term] }
            }
        };
        if map.cols <= self.most {
            let space = Space { per_row: space.per_row, cols: map.cols };
            self.push(ValueKind::Remap(v, map), dtype, space);
        }
    }

    fn concat(&mut self) {
        let Some(v) = self.any() else { return };
        let first = self.kernel.value(v).clone();
        let groups = (1..=first.space.cols).filter(|g| first.space.cols.is_multiple_of(*g)).collect::<Vec<_>>();
        let groups = if self.rng.random_bool(0.7) { 1 } else { self.pick(&groups) };
        let mut parts = vec![(v, first.space.cols / groups)];
        let mut per_row = first.space.per_row;
        for (id, other) in self.kernel.values() {
            if other.dtype == first.dtype
                && other.space.cols % groups == 0
                && parts.len() < 4
                && self.rng.random_bool(0.5)
            {
                parts.push((id, other.space.cols / groups));
                per_row |= other.space.per_row;
            }
        }
        let cols = groups * parts.iter().map(|(_, w)| w).sum::<u64>();
        if cols <= self.most {
            self.push(ValueKind::Concat(parts), first.dtype, Space { per_row, cols });
        }
    }

    fn policy(&mut self, dtype: DType) -> OutOfRange {
        let bits = crate::data::hostile(dtype, self.rng);
        let fill = OutOfRange::Fill(Literal::from_bits(dtype, bits));
        let policy = self.pick(&[OutOfRange::Pass, fill, OutOfRange::Clamp, OutOfRange::Wrap, OutOfRange::Trap]);
        if policy == OutOfRange::Trap && self.kernel.error_word().is_none() { OutOfRange::Pass } else { policy }
    }

    fn integers(&self) -> Vec<ValueId> {
        self.kernel.values().filter(|(_, v)| v.dtype.is_int()).map(|(id, _)| id).collect()
    }

    fn gather(&mut self) {
        let indices = self.integers();
        let table = ParamId(self.rng.random_range(0..self.kernel.params.len() as u32));
        let param = self.kernel.param(table).clone();
        let rank = param.ty.shape.len();
        if indices.is_empty() || param.role != Role::Input || !(1..=2).contains(&rank) {
            return;
        }
        let chosen: Vec<ValueId> = (0..rank).map(|_| self.pick(&indices)).collect();
        let Some(space) = self.pointwise(&chosen) else { return };
        let out_of_range = self.policy(param.ty.dtype);
        let kind = ValueKind::Gather { table, indices: chosen, out_of_range, proved: false };
        self.push(kind, param.ty.dtype, space);
    }

    fn gather_row(&mut self) {
        let indices = self.integers();
        let Some(value) = self.any().filter(|_| !indices.is_empty()) else { return };
        let index = self.pick(&indices);
        let (dtype, space) = (self.kernel.value(value).dtype, self.kernel.value(index).space);
        let per_row = self.kernel.value(value).space.per_row || space.per_row;
        let out_of_range = self.policy(dtype);
        let kind = ValueKind::GatherRow { value, index, out_of_range, proved: false };
        self.push(kind, dtype, Space { per_row, cols: space.cols });
    }

    /// A row value of segments of any value that has one, mostly of a wide one.
    fn row_value(&mut self) {
        let wide: Vec<ValueId> = self.kernel.values().filter(|(_, v)| v.space.cols > 1).map(|(id, _)| id).collect();
        let Some(value) =
            (if wide.is_empty() || self.rng.random_bool(0.1) { self.any() } else { Some(self.pick(&wide)) })
        else {
            return;
        };
        let value = if self.rng.random_bool(0.3) { self.masked(value) } else { value };
        let (dtype, space) = (self.kernel.value(value).dtype, self.kernel.value(value).space);
        let widths: Vec<u64> = (1..=space.cols).filter(|w| space.cols.is_multiple_of(*w)).collect();
        let width = if self.rng.random_bool(0.6) { space.cols } else { self.pick(&widths) };
        let most = if self.rng.random_bool(0.8) { 9 } else { 64 };
        let k = self.rng.random_range(1..=width.min(most));
        let candidates = self.pick(&[Candidates::All, Candidates::AboveNegInf]);
        let order = self.pick(&[TopKOrder::Value, TopKOrder::Value, TopKOrder::Column]);
        let sums = dtype.is_int() || dtype == DType::F32;
        let segments = space.cols / width;
        let (kind, result, cols) = match self.rng.random_range(0..8) {
            0..3 if is_key(dtype) => (ValueKind::TopK { value, width, k, candidates, order }, DType::I32, segments * k),
            3 if is_key(dtype) => (ValueKind::TopKMask { value, width, k, candidates }, DType::Bool, space.cols),
            4 if sums => (ValueKind::CumSum { value, width }, dtype, space.cols),
            _ if sums => {
                let (op, _) = self.pick(&ReduceOp::ALL);
                let op = if op == ReduceOp::TopTwoSum && dtype != DType::F32 { ReduceOp::Sum } else { op };
                (ValueKind::Reduce { op, value, width }, dtype, segments)
            }
            _ => return,
        };
        self.push(kind, result, Space { per_row: space.per_row, cols });
    }

    /// The value where some answer of as many columns says so, else a constant; itself where there is no such answer.
    fn masked(&mut self, value: ValueId) -> ValueId {
        let v = self.kernel.value(value).clone();
        let fits = |a: &Value| a.dtype == DType::Bool && (a.space.cols == 1 || a.space.cols == v.space.cols);
        let answers: Vec<ValueId> = self.kernel.values().filter(|(_, a)| fits(a)).map(|(id, _)| id).collect();
        if answers.is_empty() {
            return value;
        }
        let answer = self.pick(&answers);
        let bits = crate::data::hostile(v.dtype, self.rng);
        self.push(ValueKind::Const(Literal::from_bits(v.dtype, bits)), v.dtype, Space { per_row: false, cols: 1 });
        let other = ValueId(self.kernel.values.len() as u32 - 1);
        let per_row = v.space.per_row || self.kernel.value(answer).space.per_row;
        let kind = ValueKind::Scalar(ScalarOp::Select, vec![answer, value, other]);
        self.push(kind, v.dtype, Space { per_row, ..v.space });
        ValueId(self.kernel.values.len() as u32 - 1)
    }

    /// A store that adds to counts, where some value is their dtype.
    fn adding_output(&mut self) {
        let dtypes = [DType::I32, DType::U32, DType::I64, DType::U64];
        let amounts: Vec<ValueId> =
            self.kernel.values().filter(|(_, v)| dtypes.contains(&v.dtype)).map(|(id, _)| id).collect();
        let integers = self.integers();
        if amounts.is_empty() {
            return;
        }
        let (value, at) = (self.pick(&amounts), self.pick(&integers));
        if self.pointwise(&[value, at]).is_none() {
            return;
        }
        let extent: Dim = self.pick(&[4u64, 8, 300]).into();
        let ty = TensorType::new(self.kernel.value(value).dtype, [extent]);
        let layout = self.layout(1);
        let counts = self.param(Role::Input, ty.clone(), layout);
        let param = self.param(Role::Output, ty, layout);
        self.kernel.params[param.0 as usize].aliases = Some(counts);
        self.kernel.stores.push(Store { param, value, add_at: Some(at) });
    }

    fn pointwise(&self, operands: &[ValueId]) -> Option<Space> {
        let spaces: Vec<Space> = operands.iter().map(|o| self.kernel.value(*o).space).collect();
        let cols = spaces.iter().map(|s| s.cols).max()?;
        let fits = spaces.iter().all(|s| s.cols == 1 || s.cols == cols);
        fits.then(|| Space { per_row: spaces.iter().any(|s| s.per_row), cols })
    }

    fn scalar(&mut self) {
        let op = match self.rng.random_range(0..10) {
            0 | 1 => ScalarOp::Unary(self.pick(&UnaryOp::ALL).0),
            2..5 => ScalarOp::Binary(self.pick(&BinaryOp::ALL).0),
            5 => ScalarOp::Compare(self.pick(&CompareOp::ALL).0),
            6 => ScalarOp::Fma,
            7 => ScalarOp::Select,
            8 => ScalarOp::Cast(self.pick(&DType::ALL)),
            _ => self.pick(&[ScalarOp::Bitcast(DType::I32), ScalarOp::Bitcast(DType::F32), ScalarOp::Philox]),
        };
        let n = self.kernel.values.len() as u32;
        for _ in 0..20 {
            if n == 0 {
                return;
            }
            let operands: Vec<ValueId> = (0..op.arity()).map(|_| ValueId(self.rng.random_range(0..n))).collect();
            let types: Vec<TensorType> =
                operands.iter().map(|o| TensorType::scalar(self.kernel.value(*o).dtype)).collect();
            let Ok(ty) = infer(&Op::Scalar(op), &types, &[]) else { continue };
            let Some(space) = self.pointwise(&operands) else { continue };
            self.push(ValueKind::Scalar(op, operands), ty.dtype, space);
            return;
        }
    }

    fn output(&mut self) {
        let Some(value) = self.any() else {
            self.push(ValueKind::Row, DType::I32, Space { per_row: true, cols: 1 });
            return self.output();
        };
        let v = self.kernel.value(value).clone();
        let cols = if v.space.cols == 1 { self.pick(self.columns) } else { v.space.cols };
        let mut shape: Vec<Dim> = vec![SymbolId(0).into()];
        if cols > 1 || self.rng.random_bool(0.5) {
            shape.push(cols.into());
        }
        let layout = self.layout(shape.len());
        let param = self.param(Role::Output, TensorType::new(v.dtype, shape), layout);
        self.kernel.stores.push(Store { param, value, add_at: None });
    }

    fn schedule(&mut self, host: bool) -> Schedule {
        let mut domains: Vec<Domain> = vec![];
        for (i, store) in self.kernel.stores.clone().iter().enumerate() {
            let cols = self.kernel.store_cols(store);
            if let Some(domain) = domains.iter_mut().find(|d| d.cols == cols) {
                domain.stores.push(i as u32);
                continue;
            }
            let width = self.pick(&[1u32, 2, 4, 8, 16]);
            let dividing = 1u32 << cols.trailing_zeros().min(width.trailing_zeros());
            let piece = match self.rng.random_range(0..3) {
                0 if cols == 1 && !self.rows => Piece::Rows { width },
                1 if !host && !self.rows => Piece::Flat { width },
                _ => Piece::InRow { width: if host { width } else { dividing } },
            };
            domains.push(Domain { cols, stores: vec![i as u32], piece });
        }
        if !self.rows {
            return Schedule::Flat { threads: if host { 1 } else { 64 }, domains };
        }
        let operands: BTreeSet<ValueId> =
            self.kernel.values.iter().filter(|v| v.kind.is_row_value()).flat_map(|v| v.kind.operands()).collect();
        let shape = if host {
            RowShape { lanes: 1, threads: 1, persistent: false }
        } else {
            // A lane keeps at most 512 columns.
            let widest = operands.iter().map(|o| self.kernel.value(*o).space.cols).max().unwrap_or(1);
            let least = widest.div_ceil(512).next_power_of_two() as u32;
            let lanes = self.pick(&[1, 4, 8, 16, 32, 32, 64, 128, 256]).max(least);
            RowShape { lanes, threads: lanes.max(64), persistent: self.rng.random_bool(0.5) }
        };
        let held = self.kernel.values().filter(|(_, v)| !v.kind.is_row_value()).map(|(id, _)| id);
        let held = held.filter(|id| operands.contains(id) || self.rng.random_bool(0.3)).collect();
        Schedule::Row { few: shape, many: shape, few_rows: 0, held, domains }
    }
}
