//! Operations on whole rows, by hand.

use super::*;
use crate::Dim;
use crate::layout::{Alias, Layout};
use crate::op::{
    BinaryOp, Candidates, Denominator, GroupFill, GroupScore, NanOrder, Op, OutOfRange, ReduceOp, TopKOrder,
};

const INF: f32 = f32::INFINITY;
const NAN: f32 = f32::NAN;

/// One row of one op.
fn row_of(x: &[f32], op: impl FnOnce(&mut GraphBuilder, NodeId) -> NodeId) -> Tensor {
    let mut b = GraphBuilder::new("g");
    let t = b.symbol("T");
    let input = b.input("x", DType::F32, [t.into(), (x.len() as u64).into()]);
    let y = op(&mut b, input);
    output(b, y, &[Tensor::from_f32(&[1, x.len() as u64], x)])
}

fn floats(t: &Tensor) -> Vec<f32> {
    (0..t.len()).map(|i| f32::from_bits(t.bits(i) as u32)).collect()
}

fn top(x: &[f32], k: u64, candidates: Candidates, order: TopKOrder) -> Vec<i128> {
    values(&row_of(x, |b, x| b.topk(x, k, candidates, order)))
}

#[test]
fn numbers_come_before_nan_and_ties_go_to_the_lower_column() {
    use TopKOrder::{Column, Value};
    let all = |x: &[f32], k| top(x, k, Candidates::All, Value);
    assert_eq!(all(&[1.0, 3.0, 2.0], 2), [1, 2]);
    assert_eq!(all(&[NAN, -INF, NAN, -1.0], 4), [3, 1, 0, 2]);
    assert_eq!(all(&[-0.0, 0.0, -0.0, 0.0], 4), [0, 1, 2, 3]);
    assert_eq!(all(&[5.0, 7.0, 7.0, 5.0, INF], 4), [4, 1, 2, 0]);
    assert_eq!(all(&[-1e-45, 1e-45, 0.0, -2.0], 3), [1, 2, 0]);
    assert_eq!(top(&[1.0, 3.0, 2.0, 9.0], 3, Candidates::All, Column), [1, 2, 3]);
    // Only candidates are chosen; what is left over is −1 and comes last, in either order.
    for order in [Value, Column] {
        assert_eq!(top(&[-INF, -INF, 4.0, -INF], 3, Candidates::AboveNegInf, order), [2, -1, -1]);
        assert_eq!(top(&[-INF; 4], 2, Candidates::AboveNegInf, order), [-1, -1]);
        assert_eq!(top(&[-INF; 4], 2, Candidates::All, order), [0, 1]);
    }
    assert_eq!(top(&[-INF, NAN, 4.0, -INF], 3, Candidates::AboveNegInf, Value), [2, 1, -1]);
    assert_eq!(top(&[-INF, NAN, 4.0, -INF], 3, Candidates::AboveNegInf, Column), [1, 2, -1]);
    let mask = row_of(&[2.0, -INF, 3.0, -INF], |b, x| b.topk_mask(x, 3, Candidates::AboveNegInf));
    assert_eq!(values(&mask), [1, 0, 1, 0]);
    assert_eq!(values(&row_of(&[NAN, 2.0, 2.0], |b, x| b.argmax(x))), [1]);
    assert_eq!(values(&row_of(&[NAN, NAN], |b, x| b.argmax(x))), [0]);
}

#[test]
fn a_nan_is_the_best_where_that_is_asked_for() {
    let first = |x: &[f32], k, candidates, order| {
        values(&row_of(x, |b, x| b.op(Op::TopK { k, candidates, order, nan: NanOrder::First }, &[x])))
    };
    use Candidates::{AboveNegInf, All};
    use TopKOrder::{Column, Value};
    // Of any sign and payload, and one as good as the other.
    let (negative, loud) = (f32::from_bits(0xffc0_0001), f32::from_bits(0x7f80_0001));
    assert_eq!(first(&[INF, negative, 1.0, NAN, loud], 4, All, Value), [1, 3, 4, 0]);
    assert_eq!(first(&[1.0, 0.0, NAN, -0.0], 3, All, Column), [0, 1, 2]);
    assert_eq!(first(&[-INF, NAN, -INF, -1.0], 4, All, Value), [1, 3, 0, 2]);
    assert_eq!(first(&[-INF, NAN, -INF, -1.0], 4, AboveNegInf, Value), [1, 3, -1, -1]);
    assert_eq!(first(&[1.0, -INF, NAN, -INF], 3, AboveNegInf, Column), [0, 2, -1]);
    let mask =
        |b: &mut GraphBuilder, x| b.op(Op::TopKMask { k: 2, candidates: AboveNegInf, nan: NanOrder::First }, &[x]);
    assert_eq!(values(&row_of(&[2.0, -INF, NAN, 3.0], mask)), [0, 0, 1, 1]);
    assert_eq!(values(&row_of(&[NAN, -INF, -INF], mask)), [1, 0, 0]);
    let best = |b: &mut GraphBuilder, x| b.op(Op::ArgMax { nan: NanOrder::First }, &[x]);
    assert_eq!(values(&row_of(&[2.0, INF, NAN, NAN], best)), [2]);
}

#[test]
fn the_number_of_rows_is_a_value() {
    let mut b = GraphBuilder::new("g");
    let t = b.symbol("T");
    let x = b.input("x", DType::I32, [t.into(), 2.into()]);
    let n = b.rows(DType::I32, [t.into()]);
    let sum = b.binary(BinaryOp::Add, x, n);
    let sum = output(b, sum, &[ints(DType::I32, &[3, 2], &[0, 1, 2, 3, 4, 5])]);
    assert_eq!(values(&sum), [3, 4, 5, 6, 7, 8]);
    // As a scalar of its own, in a dtype in which it wraps, and of an extent that is known.
    let of = |rows: u64, shape: fn(Dim) -> Vec<Dim>| {
        let mut b = GraphBuilder::new("g");
        let t = b.symbol("T");
        let x = b.input("x", DType::U8, [t.into()]);
        let n = b.rows(DType::U8, shape(t.into()));
        b.output("n", n);
        let copy = b.op(Op::Copy, &[x]);
        b.output("y", copy);
        let graph = b.finish().expect("it is a graph");
        let outcome = crate::interp::graph::run(&graph, &[Tensor::zeros(DType::U8, &[rows])], &[]);
        values(&outcome.expect("it runs").outputs[0])
    };
    assert_eq!(of(300, |t| vec![t, 7.into()]), [44]);
    assert_eq!(of(0, |t| vec![t]), [0]);
    assert_eq!(of(5, |_| vec![12.into(), 3.into()]), [12]);
}

#[test]
fn integers_and_narrow_floats_are_keys_too() {
    let best = |dtype: DType, x: &[i128]| {
        let mut b = GraphBuilder::new("g");
        let t = b.symbol("T");
        let input = b.input("x", dtype, [t.into(), (x.len() as u64).into()]);
        let y = b.topk(input, 3, Candidates::AboveNegInf, TopKOrder::Value);
        values(&output(b, y, &[ints(dtype, &[1, x.len() as u64], x)]))
    };
    assert_eq!(best(DType::I32, &[-5, i128::from(i32::MIN), 7, -5]), [2, 0, 3]);
    assert_eq!(best(DType::U32, &[0, 2, i128::from(u32::MAX), 1]), [2, 1, 3]);
    assert_eq!(best(DType::U32, &[0, 0, i128::from(u32::MAX), 1]), [2, 3, 0]);
    // The two largest share a key, so that 0 stands for no candidate.
    assert_eq!(best(DType::U32, &[i128::from(u32::MAX) - 1, i128::from(u32::MAX), 3, 4]), [0, 1, 3]);
    assert_eq!(best(DType::I32, &[i128::from(i32::MIN), i128::from(i32::MIN) + 1, 0, 1]), [3, 2, 1]);
    assert_eq!(best(DType::I8, &[-128, 127, -128, 0]), [1, 3, 0]);
    assert_eq!(best(DType::U16, &[0, 1, 65535, 65534]), [2, 3, 1]);
    for dtype in [DType::F16, DType::Bf16] {
        let mut b = GraphBuilder::new("g");
        let t = b.symbol("T");
        let input = b.input("x", dtype, [t.into(), 4.into()]);
        let y = b.topk(input, 2, Candidates::All, TopKOrder::Value);
        let x = [-0.0, 1.5, f64::NAN, 0.0].map(|x| Literal::from_f64(dtype, x).unwrap().bits());
        assert_eq!(values(&output(b, y, &[Tensor::from_bits(dtype, &[1, 4], x)])), [1, 0]);
    }
}

#[test]
fn sums_follow_the_canonical_tree() {
    let sum = |x: &[f32]| floats(&row_of(x, |b, x| b.reduce_inner(ReduceOp::Sum, x)))[0];
    // (a + c) + b for three, ((a + e) + c) + (b + d) for five: padding changes nothing.
    let big = 1e8;
    assert_eq!(sum(&[big, 1.0, -big]), 1.0);
    assert_eq!(sum(&[big, -big, 1.0]), 0.0);
    assert_eq!(sum(&[big, 3.0, -big, 1.0, 1.0]), (big + 1.0 - big) + 4.0);
    assert_eq!(sum(&[-0.0, -0.0, -0.0]).to_bits(), (-0.0f32).to_bits());
    assert_eq!(sum(&[-0.0]).to_bits(), (-0.0f32).to_bits());
    // One column is itself, whatever its payload; arithmetic makes NaN canonical.
    let payload = f32::from_bits(0x7fc0_1234);
    assert_eq!(sum(&[payload]).to_bits(), 0x7fc0_1234);
    assert_eq!(sum(&[payload, 1.0]).to_bits(), 0x7fc0_0000);
    let scan = row_of(&[1.0, 2.0, 3.0, 4.0, 5.0], |b, x| b.cumsum(x));
    assert_eq!(floats(&scan), [1.0, 3.0, 6.0, 10.0, 15.0]);
    // By doubling: y[2] = y[0] + (y[1] + y[2]).
    assert_eq!(floats(&row_of(&[1.0, big, -big], |b, x| b.cumsum(x)))[2], 1.0);
}

#[test]
fn integer_sums_wrap_and_any_axis_is_reduced() {
    let mut b = GraphBuilder::new("g");
    let t = b.symbol("T");
    let x = b.input("x", DType::U8, [t.into(), 3.into(), 2.into()]);
    let middle = b.reduce(ReduceOp::Sum, x, 1);
    let most = b.reduce(ReduceOp::Max, x, 1);
    let least = b.reduce_inner(ReduceOp::Min, x);
    let running = b.cumsum(x);
    for (name, y) in [("sum", middle), ("max", most), ("min", least), ("running", running)] {
        b.output(name, y);
    }
    let x = ints(DType::U8, &[1, 3, 2], &[200, 1, 100, 2, 7, 250]);
    let out = outputs(b, &[x]);
    assert_eq!(out[0].shape(), [1, 1, 2]);
    assert_eq!(values(&out[0]), [51, 253]);
    assert_eq!(values(&out[1]), [200, 250]);
    assert_eq!(values(&out[2]), [1, 2, 7]);
    assert_eq!(values(&out[3]), [200, 201, 100, 102, 7, 1]);
}

#[test]
fn the_two_best_are_added_as_their_keys_say() {
    let two = |x: &[f32]| floats(&row_of(x, |b, x| b.reduce_inner(ReduceOp::TopTwoSum, x)))[0];
    assert_eq!(two(&[1.0, 5.0, 3.0]), 8.0);
    assert_eq!(two(&[NAN, 5.0, NAN]).to_bits(), 0x7fc0_0000);
    assert_eq!(two(&[-0.0, -0.0]).to_bits(), 0);
    assert_eq!(two(&[-0.0]).to_bits(), 0);
    assert_eq!(two(&[f32::from_bits(0xffc1_0000)]).to_bits(), 0x7fc0_0000);
    assert_eq!(two(&[-INF, -INF, 2.0]), -INF);
}

#[test]
fn softmax_of_hostile_rows_is_defined() {
    let softmax = |x: &[f32]| floats(&row_of(x, |b, x| b.softmax(x)));
    assert_eq!(softmax(&[3.0; 4]), [0.25; 4]);
    assert_eq!(softmax(&[0.0, -INF]), [1.0, 0.0]);
    assert!(softmax(&[-INF; 3]).iter().all(|p| p.is_nan()));
    // A number before a NaN: the maximum is 1, and the sum is NaN.
    assert!(softmax(&[1.0, NAN]).iter().all(|p| p.is_nan()));
    assert!(softmax(&[INF, 1.0]).iter().all(|p| p.is_nan()));
    let log = floats(&row_of(&[2.0, 2.0], |b, x| b.log_softmax(x)));
    assert_eq!(log, [-std::f32::consts::LN_2; 2]);
    let dot = row_of(&[1.0, 2.0, 3.0], |b, x| b.dot(x, x));
    assert_eq!(floats(&dot), [14.0]);
}

#[test]
fn denominators_guard_against_empty_sums() {
    let renorm = |x: &[f32], d| floats(&row_of(x, |b, x| b.renorm(x, d)));
    let half = Literal::f32(0.5);
    assert_eq!(renorm(&[1.0, 3.0], Denominator::Sum), [0.25, 0.75]);
    assert!(renorm(&[0.0, 0.0], Denominator::Sum)[0].is_nan());
    assert_eq!(renorm(&[0.0, 0.0], Denominator::PlusEpsilon(half)), [0.0, 0.0]);
    assert_eq!(renorm(&[0.5, 1.0], Denominator::PlusEpsilon(half)), [0.25, 0.5]);
    assert_eq!(renorm(&[0.125, 0.125], Denominator::Clamp(half)), [0.25, 0.25]);
    assert_eq!(renorm(&[1.0, 1.0], Denominator::Clamp(half)), [0.5, 0.5]);
    assert_eq!(renorm(&[0.0, 0.0], Denominator::Positive), [0.0, 0.0]);
    assert_eq!(renorm(&[-2.0, 1.0], Denominator::Positive), [-2.0, 1.0]);
    assert!(renorm(&[NAN, 1.0], Denominator::Positive)[0].is_nan());
}

#[test]
fn groups_that_are_not_kept_are_masked() {
    let x = [1.0, 9.0, 4.0, 6.0, 2.0, 2.0];
    let scores = |score| floats(&row_of(&x, |b, x| b.group_score(x, 3, score)));
    assert_eq!(scores(GroupScore::Max), [9.0, 6.0, 2.0]);
    assert_eq!(scores(GroupScore::TopTwoSum), [10.0, 10.0, 4.0]);
    let masked = |x: &[f32], fill| {
        floats(&row_of(x, |b, x| {
            let s = b.group_score(x, 3, GroupScore::TopTwoSum);
            b.group_mask(x, s, 1, fill)
        }))
    };
    // A tie of groups goes to the lower one.
    assert_eq!(masked(&x, GroupFill::NegInf), [1.0, 9.0, -INF, -INF, -INF, -INF]);
    assert_eq!(masked(&x, GroupFill::Zero), [1.0, 9.0, 0.0, 0.0, 0.0, 0.0]);
    let multiplied = masked(&[1.0, 9.0, -4.0, INF, 2.0, NAN], GroupFill::Multiply);
    assert_eq!(multiplied[..2], [0.0, 0.0]);
    assert_eq!(multiplied[2..4], [-4.0, INF]);
    assert_eq!(multiplied[4], 0.0);
    assert!(multiplied[5].is_nan());
}

/// An exhausted slot has id −1, and its weight, gathered by that, is 0.
#[test]
fn exhausted_slots_weigh_nothing() {
    let w = row_of(&[-INF, 4.0, -INF], |b, x| {
        let ids = b.topk(x, 2, Candidates::AboveNegInf, TopKOrder::Value);
        b.gather_row(x, ids, OutOfRange::Pass)
    });
    assert_eq!(floats(&w), [4.0, 0.0]);
}

#[test]
fn counts_are_added_in_place_where_an_id_names_one() {
    let mut b = GraphBuilder::new("g");
    let t = b.symbol("T");
    let ids = b.input("ids", DType::I64, [t.into(), 2.into()]);
    let amounts = b.input("amounts", DType::U32, [t.into(), 2.into()]);
    let counts = b.input("counts", DType::U32, [3.into()]);
    let added = b.atomic_add(counts, ids, amounts);
    b.output_with("added", added, Layout::Contiguous, Alias::InPlace(2));
    let graph = b.finish().expect("verifies");
    let before = [5, 10, i128::from(u32::MAX)];
    let run_of = |rows: u64, ids: &[i128], amounts: &[i128]| {
        let inputs =
            [ints(DType::I64, &[rows, 2], ids), ints(DType::U32, &[rows, 2], amounts), ints(DType::U32, &[3], &before)];
        values(&run(&graph, &inputs, &[]).expect("runs").outputs[0])
    };
    assert_eq!(run_of(0, &[], &[]), before);
    assert_eq!(run_of(2, &[0, 0, 2, 1], &[1, 2, 3, 0]), [8, 10, 2]);
    assert_eq!(run_of(2, &[-1, 3, i128::from(i64::MIN), i128::from(i64::MAX)], &[9; 4]), before);
}
