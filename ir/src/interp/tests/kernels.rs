//! Kernels built by hand, value by value.

use super::kernel::run as run_kernel;
use super::*;
use crate::kernel::{Bounds, ColumnMap, Kernel, Param, ParamId, Role, Space, Store, Term, Value, ValueId, ValueKind};
use crate::layout::Layout;
use crate::op::{BinaryOp, CompareOp, OutOfRange, ScalarOp};
use crate::tensor_type::TensorType;
use crate::{Code, Dim, SymbolId, Verified};

/// A kernel in the making; symbol 0 is the row extent.
pub(super) struct Builder(Kernel);

impl Builder {
    pub(super) fn new() -> Builder {
        let symbols = vec!["T".to_owned(), "V".to_owned()];
        Builder(Kernel { name: "k".to_owned(), symbols, rows: Some(SymbolId(0)), ..Kernel::default() })
    }

    pub(super) fn param(&mut self, role: Role, dtype: DType, shape: &[Dim]) -> ParamId {
        let name = format!("p{}", self.0.params.len());
        let ty = TensorType::new(dtype, shape);
        self.0.params.push(Param { name, role, ty, layout: Layout::Contiguous, aliases: None });
        ParamId(self.0.params.len() as u32 - 1)
    }

    /// An input or output of rows of this many columns.
    pub(super) fn rows(&mut self, role: Role, dtype: DType, cols: u64) -> ParamId {
        self.param(role, dtype, &[Dim::Sym(SymbolId(0)), Dim::Const(cols)])
    }

    pub(super) fn value(&mut self, kind: ValueKind, dtype: DType, per_row: bool, cols: u64) -> ValueId {
        self.0.values.push(Value { kind, dtype, space: Space { per_row, cols }, name: String::new() });
        ValueId(self.0.values.len() as u32 - 1)
    }

    pub(super) fn store(&mut self, value: ValueId, param: ParamId) {
        self.0.stores.push(Store { param, value, add_at: None, put_at: None });
    }

    pub(super) fn finish(self) -> Verified<Kernel> {
        self.0.verify().expect("the test's kernel verifies")
    }
}

/// Remap, mask, append, and a weight that is stored too, in one kernel: two stores of different widths, uniform and
/// per-row values, a scalar operand, a concat.
#[test]
fn a_fused_chain_gives_what_its_graph_gives() {
    let mut g = GraphBuilder::new("chain");
    let t = g.symbol("T");
    let ids = g.input("ids", DType::I64, [t.into(), 2.into()]);
    let map = g.input("map", DType::I32, [3.into()]);
    let n = g.input("n", DType::I32, []);
    let bias = g.input("bias", DType::F32, [3.into()]);
    let w = g.input("w", DType::F32, [t.into(), 3.into()]);
    let y = g.gather(map, &[ids]);
    let y = g.mask_rows(y, n, Literal::i32(-1));
    let shared = g.int(DType::I32, 7);
    let shared = g.broadcast(shared, [t.into(), 1.into()]);
    let y = g.concat(&[y, shared]);
    let bias = g.broadcast(bias, [t.into(), 3.into()]);
    let w = g.mul(w, bias);
    g.output("y", y);
    g.output("w2", w);
    let graph = g.finish().expect("verifies");

    let mut k = Builder::new();
    let p_ids = k.rows(Role::Input, DType::I64, 2);
    let p_map = k.param(Role::Input, DType::I32, &[3.into()]);
    let p_n = k.param(Role::Input, DType::I32, &[]);
    let p_bias = k.param(Role::Input, DType::F32, &[3.into()]);
    let p_w = k.rows(Role::Input, DType::F32, 3);
    let p_w2 = k.rows(Role::Output, DType::F32, 3);
    let p_y = k.rows(Role::Output, DType::I32, 3);
    let ids = k.value(ValueKind::Load(p_ids), DType::I64, true, 2);
    let gather = ValueKind::Gather { table: p_map, indices: vec![ids], bounds: Bounds::Checked(OutOfRange::Pass) };
    let mapped = k.value(gather, DType::I32, true, 2);
    let row = k.value(ValueKind::Row, DType::I64, true, 1);
    let n = k.value(ValueKind::Load(p_n), DType::I32, false, 1);
    let n = k.value(ValueKind::Scalar(ScalarOp::Cast(DType::I64), vec![n]), DType::I64, false, 1);
    let kept = ValueKind::Scalar(ScalarOp::Compare(CompareOp::Lt), vec![row, n]);
    let kept = k.value(kept, DType::Bool, true, 1);
    let minus_one = k.value(ValueKind::Const(Literal::i32(-1)), DType::I32, false, 1);
    let masked = k.value(ValueKind::Scalar(ScalarOp::Select, vec![kept, mapped, minus_one]), DType::I32, true, 2);
    let shared = k.value(ValueKind::Const(Literal::i32(7)), DType::I32, false, 1);
    let y = k.value(ValueKind::Concat(vec![(masked, 2), (shared, 1)]), DType::I32, true, 3);
    let w = k.value(ValueKind::Load(p_w), DType::F32, true, 3);
    let bias = k.value(ValueKind::Load(p_bias), DType::F32, false, 3);
    let w = k.value(ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Mul), vec![w, bias]), DType::F32, true, 3);
    k.store(y, p_y);
    k.store(w, p_w2);
    let kernel = k.finish();

    for t in [0u64, 1, 2, 17] {
        for n in [0, 1, t as i32 - 1, t as i32, t as i32 + 1, -5] {
            let inputs = [
                ints(DType::I64, &[t, 2], &(0..2 * t as i128).map(|i| i % 5 - 1).collect::<Vec<_>>()),
                Tensor::from_i32(&[3], &[20, 21, 22]),
                Tensor::scalar(Literal::i32(n)),
                Tensor::from_f32(&[3], &[2.0, -0.0, f32::INFINITY]),
                Tensor::from_f32(&[t, 3], &(0..3 * t).map(|i| i as f32).collect::<Vec<_>>()),
            ];
            let want = run(&graph, &inputs, &[]).expect("the graph runs");
            let got = run_kernel(&kernel, &[t, 0], &inputs.each_ref()).expect("the kernel runs");
            // The kernel's outputs are in the order of its parameters.
            assert_eq!([&got.outputs[1], &got.outputs[0]], [&want.outputs[0], &want.outputs[1]], "T = {t}, n = {n}");
            assert!(!got.trapped);
        }
    }
}

/// A kernel that stores one value made of one load of `cols` columns.
fn moved(kind: impl Fn(ValueId) -> ValueKind, from: u64, to: u64, x: &[i32]) -> Tensor {
    let mut k = Builder::new();
    let (p, q) = (k.rows(Role::Input, DType::I32, from), k.rows(Role::Output, DType::I32, to));
    let x_value = k.value(ValueKind::Load(p), DType::I32, true, from);
    let y = k.value(kind(x_value), DType::I32, true, to);
    k.store(y, q);
    let t = x.len() as u64 / from;
    run_kernel(&k.finish(), &[t, 0], &[&Tensor::from_i32(&[t, from], x)]).expect("runs").outputs.remove(0)
}

#[test]
fn remaps_ask_at_the_column_of_their_map() {
    let slice = moved(|x| ValueKind::Remap(x, ColumnMap::offset(2, 1)), 4, 2, &[0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(slice, Tensor::from_i32(&[2, 2], &[1, 2, 5, 6]));
    // [2, 1] repeated to [2, 3]: column j reads j / 3.
    let repeat = ColumnMap { cols: 6, base: 0, terms: vec![Term { div: 3, modulo: 2, mul: 1 }] };
    let repeated = moved(|x| ValueKind::Remap(x, repeat.clone()), 2, 6, &[8, 9]);
    assert_eq!(values(&repeated), [8, 8, 8, 9, 9, 9]);
    let constant = ColumnMap { cols: 2, base: 1, terms: vec![] };
    assert_eq!(values(&moved(|x| ValueKind::Remap(x, constant.clone()), 2, 2, &[8, 9])), [9, 9]);
}

#[test]
fn concats_join_within_groups() {
    // Two groups of widths 2 and 2: [[0, 1], [2, 3]] beside itself along the inner dim.
    let joined = moved(|x| ValueKind::Concat(vec![(x, 2), (x, 2)]), 4, 8, &[0, 1, 2, 3]);
    assert_eq!(values(&joined), [0, 1, 0, 1, 2, 3, 2, 3]);
    let one_group = moved(|x| ValueKind::Concat(vec![(x, 4), (x, 4)]), 4, 8, &[0, 1, 2, 3]);
    assert_eq!(values(&one_group), [0, 1, 2, 3, 0, 1, 2, 3]);
}

#[test]
fn gather_row_reads_a_computed_value() {
    let mut k = Builder::new();
    let (p, q) = (k.rows(Role::Input, DType::I32, 2), k.rows(Role::Output, DType::I32, 2));
    let i = k.value(ValueKind::Load(p), DType::I32, true, 2);
    let column = k.value(ValueKind::Column, DType::I32, false, 3);
    let row = k.value(ValueKind::Row, DType::I32, true, 1);
    let ten = k.value(ValueKind::Const(Literal::i32(10)), DType::I32, false, 1);
    let tens = k.value(ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Mul), vec![row, ten]), DType::I32, true, 1);
    let value = ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Add), vec![tens, column]);
    let value = k.value(value, DType::I32, true, 3);
    let y = ValueKind::GatherRow { value, index: i, bounds: Bounds::Checked(OutOfRange::Wrap) };
    let y = k.value(y, DType::I32, true, 2);
    k.store(y, q);
    let y = run_kernel(&k.finish(), &[2, 0], &[&Tensor::from_i32(&[2, 2], &[2, -1, 0, 3])]).expect("runs");
    assert_eq!(values(&y.outputs[0]), [2, 2, 10, -1]);
}

/// A kernel without a symbolic dim has one row.
#[test]
fn one_row_without_a_row_symbol() {
    let mut k = Builder::new();
    k.0.rows = None;
    let p = k.param(Role::Input, DType::U8, &[2.into(), 2.into()]);
    let q = k.param(Role::Output, DType::U8, &[2.into(), 2.into()]);
    let scalar = k.param(Role::Output, DType::U8, &[]);
    let x = k.value(ValueKind::Load(p), DType::U8, false, 4);
    let last = k.value(ValueKind::Remap(x, ColumnMap { cols: 1, base: 3, terms: vec![] }), DType::U8, false, 1);
    k.store(x, q);
    k.store(last, scalar);
    let x = ints(DType::U8, &[2, 2], &[1, 2, 3, 4]);
    let out = run_kernel(&k.finish(), &[0, 0], &[&x]).expect("runs").outputs;
    assert_eq!(out, [x, ints(DType::U8, &[], &[4])]);
}

/// One column serves every column of a store; a table's leading symbol is an extent of its own.
#[test]
fn one_column_fills_an_output_and_tables_have_their_own_extent() {
    let mut k = Builder::new();
    let table = k.param(Role::Input, DType::I16, &[Dim::Sym(SymbolId(1)), 2.into()]);
    let q = k.rows(Role::Output, DType::I16, 3);
    let row = k.value(ValueKind::Row, DType::U8, true, 1);
    let one = k.value(ValueKind::Const(Literal::from_bits(DType::U8, 1)), DType::U8, false, 1);
    let gather = ValueKind::Gather { table, indices: vec![row, one], bounds: Bounds::Checked(OutOfRange::Pass) };
    let y = k.value(gather, DType::I16, true, 1);
    k.store(y, q);
    let table = ints(DType::I16, &[2, 2], &[0, 1, 10, 11]);
    let out = run_kernel(&k.finish(), &[3, 2], &[&table]).expect("runs").outputs;
    assert_eq!(values(&out[0]), [1, 1, 1, 11, 11, 11, -1, -1, -1]);
}

/// Gathers `table[3]` at `ids[T, 2]`, keeps column 0, and stores it.
fn trapping(bounds: Bounds, ids: &[i32]) -> Result<Outcome, crate::Diagnostics> {
    let mut k = Builder::new();
    let table = k.param(Role::Input, DType::I32, &[3.into()]);
    let p = k.rows(Role::Input, DType::I32, 2);
    let q = k.rows(Role::Output, DType::I32, 1);
    k.param(Role::ErrorWord, DType::U32, &[]);
    let i = k.value(ValueKind::Load(p), DType::I32, true, 2);
    let gather = ValueKind::Gather { table, indices: vec![i], bounds };
    let y = k.value(gather, DType::I32, true, 2);
    let y = k.value(ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Add), vec![y, y]), DType::I32, true, 2);
    let first = k.value(ValueKind::Remap(y, ColumnMap::offset(1, 0)), DType::I32, true, 1);
    k.store(first, q);
    let t = ids.len() as u64 / 2;
    run_kernel(&k.finish(), &[t, 0], &[&Tensor::from_i32(&[3], &[1, 2, 3]), &Tensor::from_i32(&[t, 2], ids)])
}

#[test]
fn a_trap_is_what_a_store_asked_for() {
    let trap = |ids: &[i32]| trapping(Bounds::Checked(OutOfRange::Trap), ids).expect("runs");
    let outcome = trap(&[0, 1, 3, 2]);
    assert_eq!((values(&outcome.outputs[0]), outcome.trapped), (vec![2, -2], true));
    // Nothing asks for column 1.
    let outcome = trap(&[0, 9, 2, -1]);
    assert_eq!((values(&outcome.outputs[0]), outcome.trapped), (vec![2, 6], false));
    // A row that trapped leaves nothing behind for the next.
    assert!(trap(&[7, 0, 0, 0]).trapped);
    assert!(!trapping(Bounds::Checked(OutOfRange::Pass), &[7, 0]).expect("runs").trapped);
}

#[test]
fn a_false_proof_is_an_error() {
    assert!(trapping(Bounds::Proved, &[0, 1]).is_ok());
    let d = trapping(Bounds::Proved, &[0, 1, 3, 0]).expect_err("index 3 was proved below 3");
    assert_eq!(d[0].code, Code::InvalidKernel);
    assert!(d.to_string().contains("kernel `k`: v1 is proved in range but is not"), "{d}");
    assert!(trapping(Bounds::Proved, &[-1, 0]).is_err());
}

#[test]
fn a_kernel_checks_its_arguments() {
    let kernel = || {
        let mut k = Builder::new();
        let (p, q) = (k.rows(Role::Input, DType::I32, 2), k.rows(Role::Output, DType::I32, 2));
        let x = k.value(ValueKind::Load(p), DType::I32, true, 2);
        k.store(x, q);
        k.finish()
    };
    let x = Tensor::zeros(DType::I32, &[3, 2]);
    let code = |extents: &[u64], inputs: &[&Tensor]| {
        run_kernel(&kernel(), extents, inputs).expect_err("something is wrong")[0].code
    };
    assert_eq!(code(&[3, 0], &[]), Code::MissingArgument);
    assert_eq!(code(&[3], &[&x]), Code::MissingArgument);
    assert_eq!(code(&[3, 0], &[&x, &x]), Code::ExtraArgument);
    assert_eq!(code(&[4, 0], &[&x]), Code::ArgumentExtent);
    assert_eq!(code(&[3, 0], &[&Tensor::zeros(DType::U32, &[3, 2])]), Code::ArgumentDType);
    assert_eq!(code(&[3, 0], &[&Tensor::zeros(DType::I32, &[6])]), Code::ArgumentRank);
    assert!(run_kernel(&kernel(), &[3, 0], &[&x]).is_ok());
}
