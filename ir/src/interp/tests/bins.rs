//! Operations on bins: hand-checked.

use super::*;
use crate::{Dim, Op};

/// ids, T rows of two, with bins 0 to 3 of which 1 stays empty: −1, 4 and garbage are in none, and 2 is twice in a row.
const IDS: [i128; 8] = [3, 0, 2, 2, -1, 3, 4, i32::MIN as i128];

fn ids() -> Tensor {
    ints(DType::I32, &[4, 2], &IDS)
}

/// A graph over ids of `[T, 2]`.
fn over_ids(make: impl FnOnce(&mut GraphBuilder, NodeId) -> NodeId, ids: &Tensor) -> Vec<i128> {
    let mut b = GraphBuilder::new("g");
    let t = b.symbol("T");
    let x = b.input("ids", ids.dtype(), [t.into(), 2.into()]);
    let value = make(&mut b, x);
    values(&output(b, value, std::slice::from_ref(ids)))
}

#[test]
fn counts_are_of_all_rows_and_of_no_id_out_of_range() {
    assert_eq!(over_ids(|b, ids| b.bin_count(ids, 4), &ids()), [1, 0, 2, 2]);
    // Of no row: they are written all the same.
    assert_eq!(over_ids(|b, ids| b.bin_count(ids, 4), &ints(DType::I64, &[0, 2], &[])), [0, 0, 0, 0]);
    // An unsigned id is no −1.
    assert_eq!(over_ids(|b, ids| b.bin_count(ids, 2), &ints(DType::U64, &[1, 2], &[u64::MAX as i128, 1])), [0, 1]);
    let on = over_ids(
        |b, ids| {
            let seven = b.int(DType::I32, 7);
            let before = b.broadcast(seven, [4.into()]);
            b.op(Op::BinCount { bins: 4 }, &[ids, before])
        },
        &ids(),
    );
    assert_eq!(on, [8, 7, 9, 9]);
}

#[test]
fn a_row_has_a_bin_or_not_and_rows_are_counted() {
    let mut b = GraphBuilder::new("g");
    let t = b.symbol("T");
    let x = b.input("ids", DType::I32, [t.into(), 2.into()]);
    let any = b.bin_any(x, 4);
    let counts = b.count_rows(any);
    b.output("any", any);
    b.output("counts", counts);
    let out = outputs(b, &[ids()]);
    assert_eq!(bits(&out[0]), [1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    // Twice in a row is once in the row.
    assert_eq!(values(&out[1]), [1, 0, 1, 2]);
}

#[test]
fn ranks_go_by_row_and_then_by_column() {
    assert_eq!(over_ids(|b, ids| b.bin_rank(ids, 4), &ids()), [0, 0, 0, 1, -1, 1, -1, -1]);
    assert_eq!(over_ids(|b, ids| b.bin_rank(ids, 3), &ids()), [-1, 0, 0, 1, -1, -1, -1, -1]);
}

/// Of counts 1, 0, 2, 2.
fn starts(align: u64, empty: u64, stride: Option<u64>) -> Vec<i128> {
    over_ids(
        |b, ids| {
            let counts = b.bin_count(ids, 4);
            b.op(Op::BinStarts { align, empty, stride }, &[counts])
        },
        &ids(),
    )
}

#[test]
fn starts_are_aligned_or_apart_and_saturate() {
    let last = i128::from(i32::MAX);
    assert_eq!(starts(1, 0, None), [0, 1, 1, 3, 5]);
    assert_eq!(starts(1, 1, None), [0, 1, 2, 4, 6]);
    assert_eq!(starts(3, 0, None), [0, 3, 3, 6, 9]);
    assert_eq!(starts(3, 1, None), [0, 3, 6, 9, 12]);
    assert_eq!(starts(i32::MAX as u64, 0, None), [0, last, last, last, last]);
    assert_eq!(starts(1 << 30, 1, None), [0, 1 << 30, last, last, last]);
    assert_eq!(starts(1, 0, Some(5)), [0, 5, 10, 15, 20]);
    assert_eq!(starts(1, 0, Some(0)), [0; 5]);
    assert_eq!(starts(1, 0, Some(1 << 30)), [0, 1 << 30, last, last, last]);
    // A count below 0 is none.
    assert_eq!(crate::eval::bins::starts(&[-5, 2, i32::MIN], 2, 1), [0, 2, 4, 6]);
}

/// Item numbers laid out from `starts` of these attributes, in `places` places, with what else is given.
fn scattered(align: u64, stride: Option<u64>, places: u64, keeps: bool) -> Vec<i128> {
    over_ids(
        |b, ids| {
            let counts = b.bin_count(ids, 4);
            let starts = b.op(Op::BinStarts { align, empty: 0, stride }, &[counts]);
            let t = b.ty(ids).shape[0];
            let (row, column) = (b.iota(DType::I64, [t, 2.into()], 0), b.iota(DType::I64, [t, 2.into()], 1));
            let item = b.add(row, row);
            let item = b.add(item, column);
            let none = b.int(DType::I64, -7);
            let mut operands = vec![item, ids, starts, none];
            if keeps {
                let hundred = b.int(DType::I64, 100);
                let place = b.iota(DType::I64, [places.into()], 0);
                operands.push(b.add(place, hundred));
            }
            b.op(Op::BinScatter { shape: vec![Dim::Const(places)] }, &operands)
        },
        &ids(),
    )
}

#[test]
fn items_lie_by_bin_and_in_order_and_the_rest_is_filled_or_kept() {
    assert_eq!(scattered(1, None, 5, false), [1, 2, 3, 0, 5]);
    assert_eq!(scattered(1, None, 7, false), [1, 2, 3, 0, 5, -7, -7]);
    // One place too few drops the last item.
    assert_eq!(scattered(1, None, 4, false), [1, 2, 3, 0]);
    assert_eq!(scattered(3, None, 10, false), [1, -7, -7, 2, 3, -7, 0, 5, -7, -7]);
    assert_eq!(scattered(3, None, 10, true), [1, -7, -7, 2, 3, -7, 0, 5, -7, 109]);
    // A slab that is full drops its last items.
    assert_eq!(scattered(1, Some(1), 5, true), [1, -7, 2, 0, 104]);
    assert_eq!(scattered(1, Some(0), 2, true), [100, 101]);
}

#[test]
fn a_place_is_in_one_bin_or_none() {
    let of = |align: u64, step: u64, elements: u64| {
        over_ids(
            |b, ids| {
                let counts = b.bin_count(ids, 4);
                let starts = b.bin_starts(counts, align);
                b.bin_of(starts, step, elements)
            },
            &ids(),
        )
    };
    assert_eq!(of(1, 1, 7), [0, 2, 2, 3, 3, -1, -1]);
    assert_eq!(of(3, 3, 4), [0, 2, 3, -1]);
    assert_eq!(of(2, 3, 3), [0, 2, -1]);
    assert_eq!(of(1, i32::MAX as u64, 3), [0, -1, -1]);
}
