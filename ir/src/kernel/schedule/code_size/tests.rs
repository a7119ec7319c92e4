//! What is counted, and what of it is counted twice.

use super::*;
use crate::kernel::schedule::block_rows::BLOCK_ROWS;
use crate::kernel::schedule::tests::kernel as sums;
use crate::kernel::schedule::{Domain, Piece, RowShape};
use crate::kernel::{Bounds, ColumnMap, Param, ParamId, Role, Space, Store, Value, ValueKind};
use crate::layout::Layout;
use crate::op::{BinaryOp, ScalarOp};
use crate::tensor_type::TensorType;
use crate::{DType, Dim, SymbolId, Verified};

/// A kernel of one store of the last of these values; parameter 0 is `f32[T, 64]`, parameter 1 `i32[T, 64]`.
fn kernel(values: Vec<(ValueKind, DType)>) -> Verified<Kernel> {
    let rows = SymbolId(0);
    let param = |role, dtype| Param {
        name: "p".to_owned(),
        role,
        ty: TensorType::new(dtype, [Dim::Sym(rows), Dim::Const(64)]),
        layout: Layout::Contiguous,
        aliases: None,
    };
    let space = Space { per_row: true, cols: 64 };
    let value = |(kind, dtype)| Value { kind, dtype, space, name: String::new() };
    let values: Vec<Value> = values.into_iter().map(value).collect();
    Kernel {
        name: "k".to_owned(),
        symbols: vec!["T".to_owned()],
        rows: Some(rows),
        params: vec![param(Role::Input, DType::F32), param(Role::Input, DType::I32), param(Role::Output, DType::F32)],
        stores: vec![Store { param: ParamId(2), value: ValueId(values.len() as u32 - 1), add_at: None, put_at: None }],
        values,
        phases: None,
    }
    .verify()
    .expect("a right kernel")
}

/// `x`, `i`, and as often as asked `x = gather_row(x, i) + x`.
fn doubled(times: u32) -> Verified<Kernel> {
    let mut values = vec![(ValueKind::Load(ParamId(0)), DType::F32), (ValueKind::Load(ParamId(1)), DType::I32)];
    for _ in 0..times {
        let last = ValueId(if values.len() == 2 { 0 } else { values.len() as u32 - 1 });
        values.push((ValueKind::GatherRow { value: last, index: ValueId(1), bounds: Bounds::Proved }, DType::F32));
        let gathered = ValueId(values.len() as u32 - 1);
        values.push((ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Add), vec![gathered, last]), DType::F32));
    }
    kernel(values)
}

fn count(kernel: Verified<Kernel>, target: &str, limit: u64) -> u64 {
    let target = Target::named(target).expect("a known target");
    let domain = |width| {
        vec![crate::kernel::schedule::Domain {
            cols: 64,
            stores: vec![0],
            piece: crate::kernel::schedule::Piece::InRow { width },
        }]
    };
    let host = target.kind() == TargetKind::Host;
    let schedule = Schedule::Flat { threads: if host { 1 } else { 256 }, domains: domain(if host { 16 } else { 4 }) };
    let scheduled = Scheduled { kernel, schedule, target };
    CodeSize::up_to(limit, &scheduled, scheduled.variants()[0]).instructions()
}

#[test]
fn what_is_asked_for_at_twice_as_many_columns_is_twice_as_much() {
    for target in ["host", "sm_90"] {
        let of = |times| count(doubled(times), target, u64::MAX);
        for times in 3..8 {
            let ratio = of(times + 1) as f64 / of(times) as f64;
            assert!((1.8..2.2).contains(&ratio), "{target}, {times}: {ratio}");
        }
    }
}

#[test]
fn what_is_asked_for_at_the_same_columns_is_counted_once() {
    let add = |a, b| (ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Add), vec![ValueId(a), ValueId(b)]), DType::F32);
    let load = (ValueKind::Load(ParamId(0)), DType::F32);
    let sums = |n: u32| kernel(std::iter::once(load.clone()).chain((0..n).map(|k| add(k, k))).collect());
    let of = |n| count(sums(n), "host", u64::MAX);
    // Two vectors for each of the four pieces.
    assert_eq!(of(30) - of(20), 10 * 2 * 4);
    // The same columns by way of maps that give back what another took.
    let half =
        |from| ColumnMap { cols: 64, base: 0, terms: vec![crate::kernel::Term { div: 1, modulo: 64, mul: from }] };
    let moved = |value| (ValueKind::Remap(ValueId(value), half(1)), DType::F32);
    let both = kernel(vec![load.clone(), moved(0), add(0, 1)]);
    assert_eq!(count(both, "host", u64::MAX), of(1));
}

/// A block of rows is code beside that for the rows that are left over: a vector for each column of what is narrow.
#[test]
fn a_block_of_rows_is_counted_beside_single_rows() {
    let count = |cols: u64, block_rows: u32| {
        let domain = |cols, store| Domain { cols, stores: vec![store], piece: Piece::InRow { width: 16 } };
        let schedule = Schedule::Row {
            shapes: vec![RowShape::of(1, 1)],
            block_rows,
            held: vec![ValueId(0)],
            domains: vec![domain(cols, 0), domain(1, 1)],
        };
        let scheduled = Scheduled { kernel: sums(cols, true), schedule, target: Target::host() };
        CodeSize::up_to(u64::MAX, &scheduled, Variant::HOST[0]).instructions()
    };
    let more = |cols| count(cols, BLOCK_ROWS) - count(cols, 1);
    assert!(more(2) > 0 && more(16) > 4 * more(2), "{} {}", more(2), more(16));
}

#[test]
fn the_count_ends_behind_the_limit() {
    let much = count(doubled(40), "host", 1000);
    assert!((1001..2000).contains(&much), "{much}");
}

#[test]
fn depth_is_the_longest_way() {
    let depth = |times| depths(&doubled(times), &[]).into_iter().max().unwrap_or(0);
    assert_eq!((depth(1), depth(5)), (3, 11));
    // What is held is there.
    assert_eq!(depths(&doubled(5), &[ValueId(3)])[11], 9);
}
