//! Selections from columns of few different keys, the least of their dtype among them: every tie is decided, and no key is
//! taken for another or for none.

use crate::amd::Emulator;
use crate::data::Case;
use crate::{agree_on_amd, agree_on_host, skipped};
use routefuse_ir::dim::SymbolId;
use routefuse_ir::graph::{Layout, TensorType};
use routefuse_ir::kernel::schedule::{Domain, Piece, RowShape, Schedule, Selecting, Variant};
use routefuse_ir::kernel::{Kernel, Param, ParamId, Role, RowOp, RowValue, Space, Store, Value, ValueId, ValueKind};
use routefuse_ir::op::{BinaryOp, Candidates, ScalarOp, TopKOrder};
use routefuse_ir::{DType, Dim, Literal};
use std::ops::Range;

/// The k best of `width` keys of this dtype in each segment: best first, by column, and as a mask. Keys are 0 to 3, or the four
/// least.
fn selection(dtype: DType, (segments, width, k): (u64, u64, u64), lanes: u32, selecting: Selecting) -> Case {
    let (all, chosen) = (segments * width, segments * k);
    let rows = SymbolId(0);
    let param = |name: &str, role, dtype, cols: u64| Param {
        name: name.to_owned(),
        role,
        ty: TensorType::new(dtype, [Dim::Sym(rows), Dim::Const(cols)]),
        layout: Layout::Contiguous,
        aliases: None,
    };
    let value = |kind, dtype, cols| Value { kind, dtype, space: Space { per_row: true, cols }, name: String::new() };
    let constant = |literal: Literal| Value {
        kind: ValueKind::Const(literal),
        dtype: literal.dtype(),
        space: Space { per_row: false, cols: 1 },
        name: String::new(),
    };
    let binary = |op, a, b| ValueKind::Scalar(ScalarOp::Binary(op), vec![ValueId(a), ValueId(b)]);
    let least = if dtype == DType::I32 { i32::MIN } else { 0 };
    let (keys, candidates) = (ValueId(5), Candidates::All);
    let row_value = |op| ValueKind::RowValue(RowValue { op, value: keys, width });
    let topk = |order| row_value(RowOp::TopK { k, candidates, order });
    let values = vec![
        value(ValueKind::Load(ParamId(0)), DType::I32, all),
        constant(Literal::i32(3)),
        value(binary(BinaryOp::And, 0, 1), DType::I32, all),
        constant(Literal::i32(least)),
        value(binary(BinaryOp::Or, 2, 3), DType::I32, all),
        value(ValueKind::Scalar(ScalarOp::Cast(dtype), vec![ValueId(4)]), dtype, all),
        value(topk(TopKOrder::Value), DType::I32, chosen),
        value(topk(TopKOrder::Column), DType::I32, chosen),
        value(row_value(RowOp::TopKMask { k, candidates }), DType::Bool, all),
    ];
    let params = vec![
        param("x", Role::Input, DType::I32, all),
        param("best", Role::Output, DType::I32, chosen),
        param("columns", Role::Output, DType::I32, chosen),
        param("mask", Role::Output, DType::Bool, all),
    ];
    let store = |i: u32| Store { param: ParamId(i + 1), value: ValueId(i + 6), add_at: None, put_at: None };
    let kernel = Kernel {
        name: "selection".to_owned(),
        symbols: vec!["T".to_owned()],
        rows: Some(rows),
        params,
        values,
        stores: (0..3).map(store).collect(),
        phases: None,
    };
    let schedule = |lanes: u32, threads: u32| {
        let piece = Piece::InRow { width: 1 };
        let shape = RowShape { selecting, ..RowShape::of(lanes, threads) };
        let mut domains = vec![Domain { cols: chosen, stores: vec![0, 1], piece }];
        match domains.iter_mut().find(|d| d.cols == all) {
            Some(same) => same.stores.push(2),
            None => domains.push(Domain { cols: all, stores: vec![2], piece }),
        }
        Schedule::Row { shapes: vec![shape], block_rows: 1, held: vec![keys], domains }
    };
    Case {
        kernel: kernel.verify().expect("a right kernel"),
        host_schedule: schedule(1, 1),
        gpu_schedule: schedule(lanes, lanes.max(64)),
        rows: vec![33],
        seed: all * 64 + k,
    }
}

const KEYS: [DType; 6] = [DType::U32, DType::I32, DType::U8, DType::I16, DType::F32, DType::Bf16];
const SIZES: [(u64, u64, u64); 7] =
    [(1, 2, 1), (1, 5, 3), (1, 8, 4), (1, 16, 15), (1, 33, 8), (1, 64, 64), (1, 72, 10)];

/// What sorted lists have to do: one lane or many, lists that are no power of two, columns that do not come out even, marks in
/// words of 64 bits, more chosen than a lane has, and segments of which some lanes have a copy.
const SORTED: [((u64, u64, u64), u32); 14] = [
    ((1, 8, 2), 1),
    ((1, 60, 4), 4),
    ((1, 72, 6), 8),
    ((1, 40, 10), 2),
    ((1, 64, 8), 1),
    ((1, 100, 22), 4),
    ((1, 128, 8), 2),
    ((1, 33, 32), 16),
    ((1, 96, 1), 32),
    ((1, 16, 16), 2),
    ((3, 8, 2), 4),
    ((3, 8, 2), 8),
    ((5, 12, 3), 16),
    ((6, 9, 2), 4),
];

#[test]
fn ties_on_the_host() {
    for dtype in KEYS {
        for size in SIZES {
            agree_on_host(&selection(dtype, size, 1, Selecting::InRegisters), 0);
        }
    }
}

/// Half of the pairs: every size meets several numbers of lanes, a block's among them, and both kinds of wave.
fn on_amd(dtypes: Range<usize>) {
    let Some(mut emulator) = Emulator::find() else { return skipped("no AMD emulator") };
    for i in dtypes {
        for (j, size) in SIZES.into_iter().enumerate().skip(i % 2).step_by(2) {
            let lanes = [8, 32, 16, 64, 4, 128][(i + j) % 6].max(size.1.div_ceil(64).next_power_of_two() as u32);
            let target = ["gfx942", "gfx1100"][(i + j / 2) % 2];
            let selecting = if (i + j).is_multiple_of(3) { Selecting::InRegisters } else { Selecting::InMemory };
            let variant = Variant { aligned: false, narrow: true, shape: 0 };
            agree_on_amd(&mut emulator, &selection(KEYS[i], size, lanes, selecting), target, variant, 0);
        }
    }
}

/// By sorted lists: columns of four keys, where nearly all tie.
fn sorted_on_amd(dtypes: Range<usize>) {
    let Some(mut emulator) = Emulator::find() else { return skipped("no AMD emulator") };
    for i in dtypes {
        for (j, (size, lanes)) in SORTED.into_iter().enumerate().skip(i % 2).step_by(2) {
            let target = ["gfx942", "gfx1100"][(i + j / 2) % 2];
            let variant = Variant { aligned: false, narrow: true, shape: 0 };
            agree_on_amd(&mut emulator, &selection(KEYS[i], size, lanes, Selecting::Sorted), target, variant, 0);
        }
    }
}

#[test]
fn ties_of_words_in_sorted_lists_on_amd() {
    sorted_on_amd(0..2);
}

#[test]
fn ties_of_short_integers_in_sorted_lists_on_amd() {
    sorted_on_amd(2..4);
}

#[test]
fn ties_of_floats_in_sorted_lists_on_amd() {
    sorted_on_amd(4..6);
}

#[test]
fn ties_of_words_on_amd() {
    on_amd(0..2);
}

#[test]
fn ties_of_short_integers_on_amd() {
    on_amd(2..4);
}

#[test]
fn ties_of_floats_on_amd() {
    on_amd(4..6);
}
