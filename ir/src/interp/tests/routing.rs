//! What engines run between the router and the experts: the rows of the workload's table, at their edges.

use super::*;
use crate::op::{BinaryOp, CompareOp, OutOfRange, PackForm};

/// P5: rows `t ≥ n` of `x[T, 2]`, of any integer n.
fn masked(t: u64, n: Literal) -> Vec<i128> {
    let mut b = GraphBuilder::new("mask");
    let rows = b.symbol("T");
    let x = b.input("x", DType::I32, [rows.into(), 2.into()]);
    let n_input = b.input("n", n.dtype(), []);
    let y = b.mask_rows(x, n_input, Literal::i32(-1));
    let x: Vec<i32> = (0..2 * t as i32).collect();
    values(&output(b, y, &[Tensor::from_i32(&[t, 2], &x), Tensor::scalar(n)]))
}

#[test]
fn padding_rows_are_masked_for_every_n() {
    let t = 4;
    for (n, kept) in [(0, 0), (1, 1), (3, 3), (4, 4), (5, 4), (i32::MAX, 4), (-1, 0), (i32::MIN, 0)] {
        let want: Vec<i128> = (0..2 * t).map(|i| if i / 2 < kept { i } else { -1 }).collect();
        assert_eq!(masked(t as u64, Literal::i32(n)), want, "n = {n}");
    }
    assert_eq!(masked(2, Literal::from_bits(DType::U64, u64::MAX)), [0, 1, 2, 3]);
    assert_eq!(masked(2, Literal::i64(i64::MIN)), [-1; 4]);
    assert_eq!(masked(2, Literal::from_bits(DType::I8, 0xff)), [-1; 4]);
    assert_eq!(masked(0, Literal::i32(1)), [0i128; 0]);
    assert_eq!(masked(1, Literal::i32(0)), [-1, -1]);
}

#[test]
fn masks_reach_any_rank_and_dtype() {
    let mut b = GraphBuilder::new("mask");
    let t = b.symbol("T");
    let x = b.input("x", DType::Bf16, [t.into()]);
    let cube = b.input("cube", DType::U8, [t.into(), 2.into(), 2.into()]);
    let n = b.input("n", DType::I64, []);
    let x = b.mask_rows(x, n, Literal::from_bits(DType::Bf16, 0x8000));
    let cube = b.mask_rows(cube, n, Literal::from_bits(DType::U8, 9));
    b.output("x2", x);
    b.output("cube2", cube);
    let cube = ints(DType::U8, &[2, 2, 2], &[0, 1, 2, 3, 4, 5, 6, 7]);
    let x = Tensor::from_bits(DType::Bf16, &[2], [0x7fff, 0x7fff]);
    let out = outputs(b, &[x, cube, Tensor::scalar(Literal::i64(1))]);
    assert_eq!(bits(&out[0]), [0x7fff, 0x8000]);
    assert_eq!(values(&out[1]), [0, 1, 2, 3, 9, 9, 9, 9]);
}

/// P1 with both widths of ids and maps, then the mask, then the result's dtype.
#[test]
fn static_remap_takes_either_width() {
    for id in [DType::I32, DType::I64] {
        for map in [DType::I32, DType::I64] {
            let mut b = GraphBuilder::new("remap");
            let t = b.symbol("T");
            let ids = b.input("ids", id, [t.into(), 3.into()]);
            let table = b.input("map", map, [4.into()]);
            let n = b.input("n", DType::I32, []);
            let y = b.gather(table, &[ids]);
            let y = b.cast(y, DType::I32);
            let y = b.mask_rows(y, n, Literal::i32(-1));
            let inputs = [
                ints(id, &[3, 3], &[3, -1, 4, 0, 1, 2, 0, 0, 0]),
                ints(map, &[4], &[30, 31, 32, 33]),
                Tensor::scalar(Literal::i32(2)),
            ];
            let y = output(b, y, &inputs);
            assert_eq!(y, Tensor::from_i32(&[3, 3], &[33, -1, -1, 30, 31, 32, -1, -1, -1]));
        }
    }
}

/// P2: `A[id, r % max(NV[id], 1)]`, NV of 0 counted as 1; an id out of range passes −1 through both gathers.
#[test]
fn dynamic_remap_counts_no_replica_as_one() {
    let mut b = GraphBuilder::new("remap");
    let t = b.symbol("T");
    let ids = b.input("ids", DType::I32, [t.into(), 4.into()]);
    let random = b.input("r", DType::I32, [t.into(), 4.into()]);
    let replicas = b.input("A", DType::I32, [3.into(), 2.into()]);
    let counts = b.input("NV", DType::I32, [3.into()]);
    let one = b.int(DType::I32, 1);
    let valid = b.gather(counts, &[ids]);
    let valid = b.max(valid, one);
    let pick = b.binary(BinaryOp::Rem, random, valid);
    let y = b.gather(replicas, &[ids, pick]);
    let inputs = [
        Tensor::from_i32(&[2, 4], &[0, 1, 2, -1, 0, 0, 3, i32::MIN]),
        Tensor::from_i32(&[2, 4], &[5, 7, 9, 2, 4, i32::MAX, 0, 1]),
        Tensor::from_i32(&[3, 2], &[100, 101, 110, -1, 120, -1]),
        Tensor::from_i32(&[3], &[2, 1, 0]),
    ];
    let y = output(b, y, &inputs);
    assert_eq!(y, Tensor::from_i32(&[2, 4], &[101, 110, 120, -1, 100, 101, -1, -1]));
}

/// P4 without the load record: h = ((pos ÷ K) · 2654435769) mod 2³².
#[test]
fn hashed_remap_spreads_rows() {
    let (t, k) = (3, 2);
    let mut b = GraphBuilder::new("hash");
    let rows = b.symbol("T");
    let row = b.iota(DType::I64, [rows.into(), k.into()], 0);
    let h = b.multiplicative_hash(row);
    let three = b.int(DType::U32, 3);
    let pick = b.binary(BinaryOp::Rem, h, three);
    b.output("h", h);
    b.output("pick", pick);
    let graph = b.finish().expect("verifies");
    let out = run(&graph, &[], &[("T", t)]).expect("runs").outputs;
    assert_eq!(values(&out[0]), [0, 0, 2_654_435_769, 2_654_435_769, 1_013_904_242, 1_013_904_242]);
    assert_eq!(values(&out[1]), [0, 0, 0, 0, 2, 2]);
}

/// P8: a shared expert per token, its weight σ(logit) · scale, appended behind the routed slots.
#[test]
fn shared_experts_are_appended() {
    let mut b = GraphBuilder::new("append");
    let t = b.symbol("T");
    let ids = b.input("ids", DType::I32, [t.into(), 2.into()]);
    let weights = b.input("w", DType::F32, [t.into(), 2.into()]);
    let logit = b.input("logit", DType::Bf16, [t.into(), 1.into()]);
    let shared = b.int(DType::I32, 256);
    let shared = b.broadcast(shared, [t.into(), 1.into()]);
    let ids = b.concat(&[ids, shared]);
    let logit = b.cast(logit, DType::F32);
    let gate = b.unary(crate::op::UnaryOp::Sigmoid, logit);
    let scale = b.constant(Literal::f32(2.5));
    let gate = b.mul(gate, scale);
    let weights = b.concat(&[weights, gate]);
    b.output("ids2", ids);
    b.output("w2", weights);
    let inputs = [
        Tensor::from_i32(&[2, 2], &[1, 2, 3, 4]),
        Tensor::from_f32(&[2, 2], &[0.5, -0.0, 0.25, f32::INFINITY]),
        Tensor::from_bits(DType::Bf16, &[2, 1], [0x0000, 0xff80]),
    ];
    let out = outputs(b, &inputs);
    assert_eq!(out[0], Tensor::from_i32(&[2, 3], &[1, 2, 256, 3, 4, 256]));
    assert_eq!(out[1], Tensor::from_f32(&[2, 3], &[0.5, -0.0, 1.25, 0.25, f32::INFINITY, 0.0]));
}

/// P9: e → e + e ÷ L, −1 left alone.
#[test]
fn expert_parallel_remap_leaves_room_for_shared_experts() {
    let mut b = GraphBuilder::new("ep");
    let ids = b.input("ids", DType::I32, [5.into()]);
    let local = b.int(DType::I32, 4);
    let rank = b.binary(BinaryOp::Div, ids, local);
    let moved = b.add(ids, rank);
    let zero = b.int(DType::I32, 0);
    let valid = b.compare(CompareOp::Ge, ids, zero);
    let y = b.select(valid, moved, ids);
    let y = output(b, y, &[Tensor::from_i32(&[5], &[0, 3, 4, 11, -1])]);
    assert_eq!(values(&y), [0, 3, 5, 13, -1]);
}

/// P14, both forms, on what tells them apart: w < 0, −0.0 and a NaN with its sign set.
#[test]
fn both_packed_forms_can_be_said() {
    let packed = |form| {
        let mut b = GraphBuilder::new("pack");
        let t = b.symbol("T");
        let ids = b.input("ids", DType::I32, [t.into(), 4.into()]);
        let w = b.input("w", DType::Bf16, [t.into(), 4.into()]);
        let y = b.pack(ids, w, form);
        let ids = Tensor::from_i32(&[1, 4], &[9, 9, 9, 9]);
        let w = Tensor::from_bits(DType::Bf16, &[1, 4], [0x3f00, 0xbf00, 0x8000, 0xffc0]);
        bits(&output(b, y, &[ids, w]))
    };
    assert_eq!(packed(PackForm::Masked), [0x0009_3f00, 0x0009_bf00, 0x0009_8000, 0x0009_ffc0]);
    assert_eq!(packed(PackForm::SignExtended), [0x0009_3f00, 0xffff_bf00, 0xffff_8000, 0xffff_ffc0]);
}

/// N1: the order of multiplications is part of the meaning.
#[test]
fn head_gates_multiply_in_order() {
    let mut b = GraphBuilder::new("gate");
    let t = b.symbol("T");
    let g = b.input("g", DType::Bf16, [t.into(), 2.into()]);
    let q = b.input("q", DType::F32, [t.into(), 2.into(), 1.into()]);
    let g = b.cast(g, DType::F32);
    let heads = b.constant(Literal::f32(1e-30));
    let depth = b.constant(Literal::f32(1e30));
    let g = b.mul(g, heads);
    let g = b.reshape(g, [t.into(), 2.into(), 1.into()]);
    let g = b.mul(g, q);
    let y = b.mul(g, depth);
    let g = Tensor::from_bits(DType::Bf16, &[1, 2], [0x3f80, 0x4000]);
    let y = output(b, y, &[g, Tensor::from_f32(&[1, 2, 1], &[1e-20, 1.0])]);
    // 1e-30 · 1e-20 underflows to 0 before 1e30 comes; in another order it would not.
    assert_eq!(y, Tensor::from_f32(&[1, 2, 1], &[0.0, 2.0 * 1e-30 * 1e30]));
}

/// P15: ids from E up are zero experts.
#[test]
fn zero_experts_are_taken_out() {
    let mut b = GraphBuilder::new("zero");
    let ids = b.input("ids", DType::I64, [4.into()]);
    let w = b.input("w", DType::F32, [4.into()]);
    let e = b.int(DType::I64, 8);
    let zero_expert = b.compare(CompareOp::Ge, ids, e);
    let minus_one = b.int(DType::I64, -1);
    let none = b.constant(Literal::f32(0.0));
    let ids = b.select(zero_expert, minus_one, ids);
    let w = b.select(zero_expert, none, w);
    b.output("ids2", ids);
    b.output("w2", w);
    let out =
        outputs(b, &[ints(DType::I64, &[4], &[7, 8, -1, 9]), Tensor::from_f32(&[4], &[1.0, f32::NAN, -0.0, 2.0])]);
    assert_eq!(values(&out[0]), [7, -1, -1, -1]);
    assert_eq!(out[1], Tensor::from_f32(&[4], &[1.0, 0.0, -0.0, 0.0]));
}

/// A T for which no vector width divides anything, K of 6, 10 and 22, E of 72, 160 and 896.
#[test]
fn odd_sizes_are_no_special_case() {
    for (t, k, e) in [(0, 6, 72), (1, 10, 160), (2, 22, 896), (17, 6, 6)] {
        let mut b = GraphBuilder::new("odd");
        let rows = b.symbol("T");
        let ids = b.input("ids", DType::I32, [rows.into(), k.into()]);
        let map = b.input("map", DType::I32, [e.into()]);
        let y = b.gather_with(map, &[ids], OutOfRange::Clamp);
        let ids: Vec<i32> = (0..(t * k) as i32).map(|i| i * 37 - 50).collect();
        let map: Vec<i32> = (0..e as i32).map(|i| i * 3).collect();
        let y = output(b, y, &[Tensor::from_i32(&[t, k], &ids), Tensor::from_i32(&[e], &map)]);
        let want: Vec<i32> = ids.iter().map(|i| (*i).clamp(0, e as i32 - 1) * 3).collect();
        assert_eq!(y, Tensor::from_i32(&[t, k], &want));
    }
}
