//! The interpreters are the oracle of thousands of tests: they must not be what those wait for.

use super::kernels::Builder;
use super::*;
use crate::kernel::{Bounds, Role, ValueKind};
use crate::op::{BinaryOp, OutOfRange, PackForm, ScalarOp};
use std::time::{Duration, Instant};

const T: u64 = 65536;
const K: u64 = 9;

/// Several times what it takes on a busy machine, and a small part of what a recursion without memory takes.
const LIMIT: Duration = Duration::from_secs(5);

#[test]
fn a_long_chain_over_many_rows_is_quick() {
    let mut b = GraphBuilder::new("chain");
    let t = b.symbol("T");
    let ids = b.input("ids", DType::I32, [t.into(), (K - 1).into()]);
    let w = b.input("w", DType::F32, [t.into(), (K - 1).into()]);
    let map = b.input("map", DType::I32, [256.into()]);
    let n = b.input("n", DType::I32, []);
    let ids = b.gather(map, &[ids]);
    let ids = b.mask_rows(ids, n, Literal::i32(-1));
    let scale = b.constant(Literal::f32(2.5));
    let w = b.mul(w, scale);
    let shared = b.int(DType::I32, 256);
    let shared = b.broadcast(shared, [t.into(), 1.into()]);
    let one = b.constant(Literal::f32(1.0));
    let one = b.broadcast(one, [t.into(), 1.into()]);
    let ids = b.concat(&[ids, shared]);
    let w = b.concat(&[w, one]);
    let packed = b.pack(ids, w, PackForm::Masked);
    for (name, value) in [("packed", packed), ("ids2", ids), ("w2", w)] {
        b.output(name, value);
    }
    let graph = b.finish().expect("verifies");
    let inputs = [
        Tensor::from_bits(DType::I32, &[T, K - 1], (0..T * (K - 1)).map(|i| i % 257)),
        Tensor::zeros(DType::F32, &[T, K - 1]),
        Tensor::zeros(DType::I32, &[256]),
        Tensor::scalar(Literal::i32(60000)),
    ];
    let start = Instant::now();
    let outcome = run(&graph, &inputs, &[]).expect("runs");
    let took = start.elapsed();
    println!("graph: {took:?}");
    assert_eq!(outcome.outputs[0].len() as u64, T * K);
    assert!(took < LIMIT, "{took:?}");
}

/// Each value is the sum of the one before with itself: 2⁴⁰ paths, 40 values.
#[test]
fn a_kernel_computes_each_value_once() {
    let mut k = Builder::new();
    let table = k.param(Role::Input, DType::I32, &[256.into()]);
    let (p, q) = (k.rows(Role::Input, DType::I32, K), k.rows(Role::Output, DType::I32, K));
    let mut x = k.value(ValueKind::Load(p), DType::I32, true, K);
    let gather = ValueKind::Gather { table, indices: vec![x], bounds: Bounds::Checked(OutOfRange::Pass) };
    x = k.value(gather, DType::I32, true, K);
    for _ in 0..40 {
        x = k.value(ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Add), vec![x, x]), DType::I32, true, K);
    }
    k.store(x, q);
    let kernel = k.finish();
    let x = Tensor::from_bits(DType::I32, &[T, K], (0..T * K).map(|i| i % 257));
    let start = Instant::now();
    let outcome = kernel::run(&kernel, &[T, 0], &[&Tensor::zeros(DType::I32, &[256]), &x]).expect("runs");
    let took = start.elapsed();
    println!("kernel: {took:?}");
    assert!(bits(&outcome.outputs[0]).iter().all(|&b| b == 0), "an index of 256 gives −1 · 2⁴⁰, which wraps to 0");
    assert!(took < LIMIT, "{took:?}");
}
