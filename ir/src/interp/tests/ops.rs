//! Every operation, one at a time.

use super::*;
use crate::Dim;
use crate::op::{BinaryOp, NanRule, OutOfRange, PackForm, ScalarOp, UnaryOp};
use crate::{Code, Op};

#[test]
fn scalars_serve_every_element() {
    let mut b = GraphBuilder::new("g");
    let t = b.symbol("T");
    let x = b.input("x", DType::I32, [t.into(), 2.into()]);
    let n = b.input("n", DType::I32, []);
    let ten = b.int(DType::I32, 10);
    let scaled = b.mul(ten, x);
    let shifted = b.sub(n, scaled);
    let scalar = b.add(n, ten);
    b.output("shifted", shifted);
    b.output("scalar", scalar);
    let inputs = [Tensor::from_i32(&[2, 2], &[1, 2, 3, 4]), Tensor::scalar(Literal::i32(5))];
    let out = outputs(b, &inputs);
    assert_eq!(out[0], Tensor::from_i32(&[2, 2], &[-5, -15, -25, -35]));
    assert_eq!(out[1], Tensor::from_i32(&[], &[15]));
}

#[test]
fn select_fma_and_philox_take_three_operands() {
    let mut b = GraphBuilder::new("g");
    let x = b.input("x", DType::F32, [3.into()]);
    let two = b.constant(Literal::f32(2.0));
    let fma = b.op(Op::Scalar(ScalarOp::Fma), &[x, two, x]);
    let nan = b.unary(UnaryOp::IsNan, x);
    let y = b.select(nan, x, fma);
    let quiet_with_payload = Literal::from_bits(DType::F32, 0x7fc0_0042).bits();
    let x = Tensor::from_bits(DType::F32, &[3], [1f32.to_bits().into(), quiet_with_payload, 0xff80_0000]);
    let y = output(b, y, &[x]);
    assert_eq!(bits(&y), [3f32.to_bits().into(), quiet_with_payload, 0xff80_0000]);

    let mut b = GraphBuilder::new("g");
    let position = b.iota(DType::U64, [2.into()], 0);
    let zero = b.int(DType::U64, 0);
    let random = b.op(Op::Scalar(ScalarOp::Philox), &[zero, zero, position]);
    let random = output(b, random, &[]);
    let second = crate::eval::philox4x32_10([1, 0, 0, 0], [0, 0])[0];
    assert_eq!(bits(&random), [0x6627_e8d5, second.into()]);
}

#[test]
fn an_output_may_be_an_input_or_a_constant() {
    let mut b = GraphBuilder::new("g");
    let x = b.input("x", DType::Bf16, [2.into()]);
    let c = b.constant(Literal::i32(-4));
    let copy = b.copy(x);
    for (name, value) in [("x1", x), ("x2", x), ("c", c), ("copy", copy)] {
        b.output(name, value);
    }
    let x = Tensor::from_bits(DType::Bf16, &[2], [0xffff, 0x7f81]);
    let out = outputs(b, std::slice::from_ref(&x));
    assert_eq!(out, [x.clone(), x.clone(), Tensor::scalar(Literal::i32(-4)), x]);
}

#[test]
fn iota_counts_any_axis_and_wraps() {
    let iota = |dtype, shape: &[u64], axis| {
        let mut b = GraphBuilder::new("g");
        let shape: Vec<Dim> = shape.iter().map(|&n| n.into()).collect();
        let y = b.iota(dtype, shape, axis);
        output(b, y, &[])
    };
    assert_eq!(values(&iota(DType::I64, &[2, 3], 0)), [0, 0, 0, 1, 1, 1]);
    assert_eq!(values(&iota(DType::U16, &[2, 3], 1)), [0, 1, 2, 0, 1, 2]);
    assert_eq!(values(&iota(DType::I32, &[2, 2, 2], 1)), [0, 0, 1, 1, 0, 0, 1, 1]);
    assert!(iota(DType::I32, &[3, 0], 0).is_empty());
    let bytes = iota(DType::I8, &[300], 0);
    assert_eq!(
        (bytes.get(127).as_int(), bytes.get(128).as_int(), bytes.get(256).as_int()),
        (Some(127), Some(-128), Some(0))
    );
}

#[test]
fn broadcast_aligns_to_the_right() {
    let broadcast = |from: &[u64], to: &[u64]| {
        let mut b = GraphBuilder::new("g");
        let dims = |s: &[u64]| s.iter().map(|&n| n.into()).collect::<Vec<Dim>>();
        let x = b.input("x", DType::I32, dims(from));
        let y = b.broadcast(x, dims(to));
        let n: u64 = from.iter().product();
        let x: Vec<i32> = (0..n as i32).collect();
        values(&output(b, y, &[Tensor::from_i32(from, &x)]))
    };
    assert_eq!(broadcast(&[], &[2, 2]), [0; 4]);
    assert_eq!(broadcast(&[3], &[2, 3]), [0, 1, 2, 0, 1, 2]);
    assert_eq!(broadcast(&[2, 1], &[2, 3]), [0, 0, 0, 1, 1, 1]);
    assert_eq!(broadcast(&[2, 1, 2], &[2, 2, 2]), [0, 1, 0, 1, 2, 3, 2, 3]);
    assert_eq!(broadcast(&[1, 2], &[0, 2]), [0i128; 0]);
}

#[test]
fn broadcast_keeps_rows_whatever_their_number() {
    for t in [0, 1, 3] {
        let mut b = GraphBuilder::new("g");
        let rows = b.symbol("T");
        let x = b.input("x", DType::I32, [rows.into(), 1.into()]);
        let y = b.broadcast(x, [rows.into(), 2.into()]);
        let x: Vec<i32> = (0..t).collect();
        let y = output(b, y, &[Tensor::from_i32(&[t as u64, 1], &x)]);
        let want: Vec<i128> = (0..t).flat_map(|i| [i.into(), i.into()]).collect();
        assert_eq!(values(&y), want);
    }
}

#[test]
fn reshape_slice_and_concat_are_row_major() {
    let mut b = GraphBuilder::new("g");
    let t = b.symbol("T");
    let x = b.input("x", DType::I32, [t.into(), 4.into()]);
    let square = b.reshape(x, [t.into(), 2.into(), 2.into()]);
    let right = b.slice(square, 1, 2);
    let left = b.slice(square, 0, 1);
    let swapped = b.concat(&[right, left, right]);
    let flat = b.reshape(swapped, [t.into(), 6.into()]);
    b.output("right", right);
    b.output("flat", flat);
    let out = outputs(b, &[Tensor::from_i32(&[2, 4], &[0, 1, 2, 3, 4, 5, 6, 7])]);
    assert_eq!(out[0], Tensor::from_i32(&[2, 2, 1], &[1, 3, 5, 7]));
    assert_eq!(out[1], Tensor::from_i32(&[2, 6], &[1, 0, 1, 3, 2, 3, 5, 4, 5, 7, 6, 7]));
}

#[test]
fn concat_takes_parts_without_columns() {
    let mut b = GraphBuilder::new("g");
    let t = b.symbol("T");
    let x = b.input("x", DType::U8, [t.into(), 2.into()]);
    let none = b.input("none", DType::U8, [t.into(), 0.into()]);
    let y = b.concat(&[none, x, none]);
    let x = ints(DType::U8, &[2, 2], &[1, 2, 3, 4]);
    assert_eq!(output(b, y, &[x.clone(), Tensor::zeros(DType::U8, &[2, 0])]), x);
}

/// `table = [10, 11, 12]` by `ids` with a policy.
fn gather(policy: OutOfRange, dtype: DType, ids: &[i128]) -> (Vec<i128>, bool) {
    let mut b = GraphBuilder::new("g");
    let table = b.input("table", DType::I32, [3.into()]);
    let index = b.input("ids", dtype, [Dim::Const(ids.len() as u64)]);
    let y = b.gather_with(table, &[index], policy);
    b.output("y", y);
    let graph = b.finish().expect("verifies");
    let inputs = [Tensor::from_i32(&[3], &[10, 11, 12]), ints(dtype, &[ids.len() as u64], ids)];
    let outcome = run(&graph, &inputs, &[]).expect("runs");
    (values(&outcome.outputs[0]), outcome.trapped)
}

#[test]
fn garbage_ids_meet_each_policy() {
    let garbage = [0, -1, 2, 3, -3, -4, i32::MAX.into(), i32::MIN.into()];
    let pass = vec![10, -1, 12, -1, -1, -1, -1, -1];
    assert_eq!(gather(OutOfRange::Pass, DType::I32, &garbage), (pass.clone(), false));
    assert_eq!(gather(OutOfRange::Trap, DType::I32, &garbage), (pass, true));
    assert_eq!(gather(OutOfRange::Trap, DType::I32, &[0, 1, 2]), (vec![10, 11, 12], false));
    let fill = OutOfRange::Fill(Literal::i32(99));
    assert_eq!(gather(fill, DType::I32, &garbage), (vec![10, 99, 12, 99, 99, 99, 99, 99], false));
    assert_eq!(gather(OutOfRange::Clamp, DType::I32, &garbage), (vec![10, 10, 12, 12, 10, 10, 12, 10], false));
    assert_eq!(gather(OutOfRange::Wrap, DType::I32, &garbage), (vec![10, 12, 12, -1, 10, -1, -1, -1], false));
    // An unsigned index has no sign to pass, clamp or wrap by.
    let large = [u64::MAX.into(), 1 << 32, 1];
    assert_eq!(gather(OutOfRange::Pass, DType::U64, &large).0, [-1, -1, 11]);
    assert_eq!(gather(OutOfRange::Clamp, DType::U64, &large).0, [12, 12, 11]);
    assert_eq!(gather(OutOfRange::Wrap, DType::U64, &large).0, [-1, -1, 11]);
    assert_eq!(gather(OutOfRange::Wrap, DType::I8, &[-1, -128]).0, [12, -1]);
}

#[test]
fn gather_takes_two_dims_and_scalar_indices() {
    let mut b = GraphBuilder::new("g");
    let table = b.input("table", DType::I32, [2.into(), 3.into()]);
    let i = b.input("i", DType::I32, [3.into()]);
    let j = b.input("j", DType::U8, []);
    let y = b.gather(table, &[i, j]);
    let scalar = b.gather(table, &[j, j]);
    b.output("y", y);
    b.output("scalar", scalar);
    let table = Tensor::from_i32(&[2, 3], &[0, 1, 2, 10, 11, 12]);
    let out = outputs(b, &[table, Tensor::from_i32(&[3], &[1, 0, 2]), ints(DType::U8, &[], &[1])]);
    // Row 2 is out of range although the flat element 2 × 3 + 1 could be thought of.
    assert_eq!(values(&out[0]), [11, 1, -1]);
    assert_eq!(out[1], Tensor::from_i32(&[], &[11]));
}

#[test]
fn gather_row_reads_its_own_row() {
    let row = |policy| {
        let mut b = GraphBuilder::new("g");
        let t = b.symbol("T");
        let x = b.input("x", DType::F32, [t.into(), 3.into()]);
        let i = b.input("i", DType::I64, [t.into(), 2.into()]);
        let y = b.gather_row(x, i, policy);
        b.output("y", y);
        let graph = b.finish().expect("verifies");
        let x = Tensor::from_f32(&[2, 3], &[0., 1., 2., 10., 11., f32::from_bits(0x7f80_0001)]);
        let outcome = run(&graph, &[x, ints(DType::I64, &[2, 2], &[2, -1, 2, 3])], &[]).expect("runs");
        (bits(&outcome.outputs[0]), outcome.trapped)
    };
    let [two, eleven, seven] = [2f32, 11f32, 7f32].map(|x| u64::from(x.to_bits()));
    assert_eq!(row(OutOfRange::Pass), (vec![two, 0, 0x7f80_0001, 0], false));
    assert_eq!(row(OutOfRange::Trap), (vec![two, 0, 0x7f80_0001, 0], true));
    assert_eq!(row(OutOfRange::Wrap), (vec![two, two, 0x7f80_0001, 0], false));
    assert_eq!(row(OutOfRange::Clamp), (vec![two, 0, 0x7f80_0001, 0x7f80_0001], false));
    assert_eq!(row(OutOfRange::Fill(Literal::f32(7.0))), (vec![two, seven, 0x7f80_0001, seven], false));
    assert_ne!(row(OutOfRange::Pass).0[2], eleven);
}

#[test]
fn f15_gather_row_takes_any_rank() {
    let mut b = GraphBuilder::new("g");
    let t = b.symbol("T");
    let x = b.input("x", DType::I32, [t.into(), 2.into(), 2.into(), 3.into()]);
    let i = b.input("i", DType::I32, [t.into(), 2.into(), 2.into(), 1.into()]);
    let y = b.gather_row(x, i, OutOfRange::Pass);
    b.output("y", y);
    let row = b.input("row", DType::I32, [4.into()]);
    let at = b.input("at", DType::I32, [2.into()]);
    let z = b.gather_row(row, at, OutOfRange::Pass);
    b.output("z", z);
    let graph = b.finish().expect("verifies");
    let counted: Vec<i128> = (0..12).collect();
    let x = ints(DType::I32, &[1, 2, 2, 3], &counted);
    let i = ints(DType::I32, &[1, 2, 2, 1], &[2, 0, 3, 1]);
    let (row, at) = (ints(DType::I32, &[4], &[5, 6, 7, 8]), ints(DType::I32, &[2], &[3, -1]));
    let outcome = run(&graph, &[x, i, row, at], &[]).expect("runs");
    assert_eq!(values(&outcome.outputs[0]), [2, 3, -1, 10]);
    assert_eq!(values(&outcome.outputs[1]), [8, -1]);
}

#[test]
fn a_table_of_a_symbolic_extent_may_be_empty() {
    for policy in [OutOfRange::Pass, OutOfRange::Clamp, OutOfRange::Wrap, OutOfRange::Trap] {
        let mut b = GraphBuilder::new("g");
        let v = b.symbol("V");
        let table = b.input("table", DType::I16, [Dim::Sym(v)]);
        let i = b.input("i", DType::I32, [2.into()]);
        let y = b.gather_with(table, &[i], policy);
        b.output("y", y);
        let graph = b.finish().expect("verifies");
        let inputs = [Tensor::zeros(DType::I16, &[0]), Tensor::from_i32(&[2], &[0, -1])];
        let outcome = run(&graph, &inputs, &[]).expect("runs");
        assert_eq!(values(&outcome.outputs[0]), [-1, -1], "{policy:?}");
        assert_eq!(outcome.trapped, policy == OutOfRange::Trap);
    }
}

#[test]
fn only_what_an_output_needs_traps() {
    let mut b = GraphBuilder::new("g");
    let table = b.input("table", DType::I32, [3.into()]);
    let i = b.input("i", DType::I32, [1.into()]);
    b.gather_with(table, &[i], OutOfRange::Trap);
    b.output("i2", i);
    let graph = b.finish().expect("verifies");
    let inputs = [Tensor::zeros(DType::I32, &[3]), Tensor::from_i32(&[1], &[7])];
    assert!(!run(&graph, &inputs, &[]).expect("runs").trapped);
}

#[test]
fn packing_converts_ids_and_weights() {
    let pack = |form, id: Tensor, weight: Tensor| {
        let mut b = GraphBuilder::new("g");
        let (x, w) = (b.input("id", id.dtype(), [3.into()]), b.input("w", weight.dtype(), [3.into()]));
        let packed = b.pack(x, w, form);
        let (id_again, w_again) = (b.op(Op::UnpackId, &[packed]), b.op(Op::UnpackWeight, &[packed]));
        for (name, value) in [("packed", packed), ("id2", id_again), ("w2", w_again)] {
            b.output(name, value);
        }
        let out = outputs(b, &[id, weight]);
        out.iter().map(bits).collect::<Vec<_>>()
    };
    let ids = || ints(DType::I64, &[3], &[7, -1, 0x1_0002_0003]);
    // A midpoint, minus zero, a NaN with its sign set: rounding makes that NaN canonical.
    let weights = || Tensor::from_bits(DType::F32, &[3], [0x3f80_8000, 0x8000_0000, 0xffc0_0001]);
    let masked = pack(PackForm::Masked, ids(), weights());
    assert_eq!(masked[0], [0x0007_3f80, 0xffff_8000, 0x0003_7fc0]);
    assert_eq!(masked[1], [7, 0xffff_ffff, 3]);
    assert_eq!(masked[2], [0x3f80, 0x8000, 0x7fc0]);
    let extended = pack(PackForm::SignExtended, ids(), weights());
    assert_eq!(extended[0], [0x0007_3f80, 0xffff_8000, 0x0003_7fc0]);
    // A bf16 weight is taken as it is, its NaN's sign too.
    let weights = || Tensor::from_bits(DType::Bf16, &[3], [0xbf80, 0x8000, 0xffc1]);
    let ids = || ints(DType::U8, &[3], &[255, 1, 2]);
    assert_eq!(pack(PackForm::Masked, ids(), weights())[0], [0x00ff_bf80, 0x0001_8000, 0x0002_ffc1]);
    assert_eq!(pack(PackForm::SignExtended, ids(), weights())[0], [0xffff_bf80, 0xffff_8000, 0xffff_ffc1]);
}

#[test]
fn a_scalar_packs_with_every_element() {
    let mut b = GraphBuilder::new("g");
    let ids = b.input("ids", DType::I32, [2.into()]);
    let one = b.constant(Literal::f32(1.0));
    let y = b.pack(ids, one, PackForm::Masked);
    let y = output(b, y, &[Tensor::from_i32(&[2], &[1, 2])]);
    assert_eq!(bits(&y), [0x0001_3f80, 0x0002_3f80]);
}

#[test]
fn the_fixed_functions_reach_the_graph() {
    let mut b = GraphBuilder::new("g");
    let x = b.input("x", DType::F32, [3.into()]);
    let y = b.unary(UnaryOp::Sigmoid, x);
    let doubled = b.binary(BinaryOp::Add, y, y);
    let y = output(b, doubled, &[Tensor::from_f32(&[3], &[0.0, f32::INFINITY, f32::NEG_INFINITY])]);
    assert_eq!(y, Tensor::from_f32(&[3], &[1.0, 2.0, 0.0]));
}

#[test]
fn roundings_powers_and_roots_reach_the_graph() {
    let of = |op, x: [f32; 3]| {
        let mut b = GraphBuilder::new("g");
        let value = b.input("x", DType::F32, [3.into()]);
        let y = b.unary(op, value);
        output(b, y, &[Tensor::from_f32(&[3], &x)])
    };
    let floats = |x: [f32; 3]| Tensor::from_f32(&[3], &x);
    assert_eq!(of(UnaryOp::Exp2, [-1.0, 0.0, 10.0]), floats([0.5, 1.0, 1024.0]));
    assert_eq!(of(UnaryOp::Log2, [0.5, 1.0, 0.0]), floats([-1.0, 0.0, f32::NEG_INFINITY]));
    assert_eq!(of(UnaryOp::Rsqrt, [4.0, -0.0, f32::INFINITY]), floats([0.5, f32::NEG_INFINITY, 0.0]));
    assert_eq!(of(UnaryOp::Floor, [1.5, -0.5, -0.0]), floats([1.0, -1.0, -0.0]));
    assert_eq!(of(UnaryOp::Ceil, [1.5, -0.5, -0.0]), floats([2.0, -0.0, -0.0]));
    assert_eq!(of(UnaryOp::Round, [1.5, 2.5, -0.5]), floats([2.0, 2.0, -0.0]));
    assert_eq!(of(UnaryOp::Trunc, [1.5, -1.5, -0.5]), floats([1.0, -1.0, -0.0]));
}

#[test]
fn floor_division_takes_every_integer_dtype() {
    for dtype in DType::ALL.into_iter().filter(|d| d.is_int()) {
        let of = |op| {
            let mut b = GraphBuilder::new("g");
            let (x, y) = (b.input("x", dtype, [3.into()]), b.input("y", dtype, [3.into()]));
            let result = b.binary(op, x, y);
            let negative = if dtype.is_signed() { -7 } else { 9 };
            values(&output(b, result, &[ints(dtype, &[3], &[7, negative, 5]), ints(dtype, &[3], &[2, 2, 0])]))
        };
        let ones = if dtype.is_signed() { -1 } else { (1i128 << dtype.bits()) - 1 };
        let [quotient, remainder] = if dtype.is_signed() { [-4, 1] } else { [4, 1] };
        assert_eq!(of(BinaryOp::DivFloor), [3, quotient, ones], "{dtype}");
        assert_eq!(of(BinaryOp::RemFloor), [1, remainder, 5], "{dtype}");
    }
}

#[test]
fn extremes_pass_a_nan_on_where_they_are_to() {
    let of = |op| {
        let mut b = GraphBuilder::new("g");
        let x = b.input("x", DType::F32, [2.into()]);
        let one = b.constant(Literal::f32(1.0));
        let y = b.binary(op, x, one);
        bits(&output(b, y, &[Tensor::from_bits(DType::F32, &[2], [0xffc0_0001, 0x8000_0000])]))
    };
    let [one, zero, nan] = [0x3f80_0000, 0x8000_0000, 0x7fc0_0000];
    assert_eq!(of(BinaryOp::Min(NanRule::Number)), [one, zero]);
    assert_eq!(of(BinaryOp::Min(NanRule::Propagate)), [nan, zero]);
    assert_eq!(of(BinaryOp::Max(NanRule::Number)), [one, one]);
    assert_eq!(of(BinaryOp::Max(NanRule::Propagate)), [nan, one]);
}

#[test]
fn a_wrong_argument_writes_nothing() {
    let mut b = GraphBuilder::new("g");
    let x = b.input("x", DType::F32, [3.into()]);
    b.output("y", x);
    let graph = b.finish().expect("verifies");
    let d = run(&graph, &[], &[]).expect_err("x is missing");
    assert_eq!(d[0].code, Code::MissingArgument);
}
