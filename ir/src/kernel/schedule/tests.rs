//! What a schedule that does not fit is told.

use super::block_rows::BLOCK_ROWS;
use super::*;
use crate::diag::{Code, Page};
use crate::kernel::{Param, ParamId, Role, RowOp, RowValue, Space, Store, Value, ValueKind};
use crate::layout::Layout;
use crate::op::{Candidates, ReduceOp, TopKOrder};
use crate::target::Target;
use crate::tensor_type::TensorType;
use crate::{DType, Dim, SymbolId};

/// `out[T, cols] = x`, and with `sums` also `sum[T, 1]`, its sum over the row.
pub(super) fn kernel(cols: u64, sums: bool) -> crate::Verified<Kernel> {
    let rows = SymbolId(0);
    let param = |role, cols: u64| Param {
        name: "p".to_owned(),
        role,
        ty: TensorType::new(DType::F32, [Dim::Sym(rows), Dim::Const(cols)]),
        layout: Layout::Contiguous,
        aliases: None,
    };
    let value =
        |kind, cols| Value { kind, dtype: DType::F32, space: Space { per_row: true, cols }, name: String::new() };
    let store = |i: u32| Store { param: ParamId(i + 1), value: ValueId(i), add_at: None, put_at: None };
    let mut kernel = Kernel {
        name: "k".to_owned(),
        symbols: vec!["T".to_owned()],
        rows: Some(rows),
        params: vec![param(Role::Input, cols), param(Role::Output, cols)],
        values: vec![value(ValueKind::Load(ParamId(0)), cols)],
        stores: vec![store(0)],
        phases: None,
    };
    if sums {
        kernel.params.push(param(Role::Output, 1));
        let sum = RowValue { op: RowOp::Reduce(ReduceOp::Sum), value: ValueId(0), width: cols };
        kernel.values.push(value(ValueKind::RowValue(sum), 1));
        kernel.stores.push(store(1));
    }
    kernel.verify().expect("a right kernel")
}

fn domain(cols: u64, stores: &[u32], piece: Piece) -> Domain {
    Domain { cols, stores: stores.to_vec(), piece }
}

const ONE: Piece = Piece::InRow { width: 1 };

fn told(kernel: crate::Verified<Kernel>, schedule: Schedule, target: &str) -> String {
    let target = Target::named(target).expect("a known target");
    match (Scheduled { kernel, schedule, target }).verify() {
        Ok(_) => "fits".to_owned(),
        Err(problem) => problem.to_string(),
    }
}

/// What a flat schedule of `x[T, cols]` is told.
fn flat(cols: u64, threads: u32, domains: Vec<Domain>, target: &str) -> String {
    told(kernel(cols, false), Schedule::Flat { threads, domains }, target)
}

#[test]
fn a_flat_schedule_fits_its_stores() {
    let whole = |piece| vec![domain(6, &[0], piece)];
    assert_eq!(flat(6, 256, whole(Piece::InRow { width: 2 }), "sm_90"), "fits");
    assert_eq!(flat(6, 256, whole(Piece::AcrossRows { width: 4 }), "sm_90"), "fits");
    assert_eq!(flat(6, 1, whole(Piece::InRow { width: 16 }), "host"), "fits");
    let cases = [
        (flat(6, 0, whole(ONE), "sm_90"), "0 threads a block, but the most are 1024"),
        (flat(6, 2048, whole(ONE), "sm_90"), "2048 threads a block, but the most are 1024"),
        (flat(6, 256, vec![], "sm_90"), "store 0 is in 0 domains, not in one"),
        (flat(6, 256, vec![domain(6, &[0, 0], ONE)], "sm_90"), "store 0 is in 2 domains, not in one"),
        (flat(6, 256, vec![domain(6, &[0, 1], ONE)], "sm_90"), "it names store 1, but there are 1"),
        (flat(6, 256, vec![domain(4, &[0], ONE)], "sm_90"), "store 0 has 6 columns, not 4"),
        (
            flat(6, 256, whole(Piece::InRow { width: 3 }), "sm_90"),
            "a piece of 3 lanes; it must be a power of two up to 64",
        ),
        (
            flat(6, 256, whole(Piece::AcrossRows { width: 128 }), "sm_90"),
            "a piece of 128 lanes; it must be a power of two up to 64",
        ),
        (flat(6, 256, whole(Piece::InRow { width: 4 }), "sm_90"), "pieces of 4 columns do not divide rows of 6"),
        (flat(6, 1, whole(Piece::AcrossRows { width: 4 }), "host"), "pieces across rows are for GPUs"),
        (flat(6, 256, whole(Piece::Rows { width: 4 }), "sm_90"), "pieces of rows need one column, not 6"),
    ];
    assert_eq!(cases[0].0, Page::of(Code::CompileFailed).message);
    for (told, what) in cases {
        assert!(told.starts_with("RF0802: the schedule of kernel `k` for `"), "{told}");
        assert!(told.contains(&format!("does not fit: {what}")), "{told}, not {what}");
        assert!(told.contains("this is a defect in routefuse"), "{told}");
    }
}

/// What a row schedule of these shapes is told.
fn shapes(shapes: Vec<RowShape>, target: &str) -> String {
    let domains = vec![domain(8, &[0], ONE), domain(1, &[1], ONE)];
    told(kernel(8, true), Schedule::Row { shapes, block_rows: 1, held: vec![ValueId(0)], domains }, target)
}

/// Any number of rows has one shape, and every shape is some number's.
#[test]
fn shapes_are_for_more_and_more_rows() {
    let up_to = |most| RowShape { most_rows: Some(most), ..RowShape::of(8, 64) };
    let last = RowShape::of(4, 64);
    assert_eq!(shapes(vec![up_to(0), up_to(9), up_to(10), last], "sm_90"), "fits");
    let cases = [
        (shapes(vec![], "sm_90"), "0 shapes; it must be 1 to 4"),
        (shapes(vec![up_to(1), up_to(2), up_to(3), up_to(4), last], "sm_90"), "5 shapes; it must be 1 to 4"),
        (
            shapes(vec![RowShape { most_rows: Some(7), ..RowShape::of(1, 1) }, RowShape::of(1, 1)], "host"),
            "2 shapes; it must be 1 to 1",
        ),
        (shapes(vec![up_to(9)], "sm_90"), "its shapes are not for more and more rows, the last one for any number"),
        (shapes(vec![up_to(9), up_to(9), last], "sm_90"), "its shapes are not for more and more rows"),
        (shapes(vec![last, up_to(9), last], "sm_90"), "its shapes are not for more and more rows"),
        (shapes(vec![RowShape::of(64, 128)], "sm_90"), "64 lanes a row and 128 threads a block, of whole warps of 32"),
        (shapes(vec![RowShape::of(4, 16)], "sm_90"), "4 lanes a row and 16 threads a block, of whole warps of 32"),
        (
            shapes(vec![RowShape { selecting: Selecting::Sorted, ..RowShape::of(64, 64) }], "sm_90"),
            "lists are exchanged by 64 lanes, but a warp has 32",
        ),
    ];
    for (told, what) in cases {
        assert!(told.contains(&format!("does not fit: {what}")), "{told}, not {what}");
    }
    let domains = vec![];
    let schedule = Schedule::Row { shapes: vec![up_to(9), up_to(64), last], block_rows: 1, held: vec![], domains };
    assert_eq!([0, 9, 10, 64, 65, u64::MAX].map(|rows| schedule.shape_for(rows)), [0, 0, 1, 1, 2, 2]);
    let text =
        "row up to 9 rows: lanes=8 threads=64; up to 64 rows: lanes=8 threads=64; more: lanes=4 threads=64 held=";
    assert_eq!(schedule.to_string(), text);
    let names: Vec<String> = schedule.variants(TargetKind::Nvptx).iter().map(Variant::to_string).collect();
    let expected = "align16/i32 align1/i64 align16/i32/shape1 align1/i64/shape1 align16/i32/shape2 align1/i64/shape2";
    assert_eq!(names.join(" "), expected);
    assert_eq!(schedule.with_shape(up_to(9)).to_string(), "row lanes=8 threads=64 held=");
}

/// Keys of a lane are kept as many as a piece of memory has columns, and so they are counted.
#[test]
fn a_block_shares_no_more_words_than_it_has() {
    let told = |threads: u32| {
        let mut kernel = kernel(128, true).into_inner();
        let op = RowOp::TopK { k: 8, candidates: Candidates::All, order: TopKOrder::Value };
        kernel.values[1].kind = ValueKind::RowValue(RowValue { op, value: ValueId(0), width: 128 });
        (kernel.values[1].dtype, kernel.values[1].space.cols) = (DType::I32, 8);
        kernel.params[2].ty = TensorType::new(DType::I32, [Dim::Sym(SymbolId(0)), Dim::Const(8)]);
        let shape = RowShape { selecting: Selecting::Sorted, ..RowShape::of(32, threads) };
        let domains = vec![domain(128, &[0], ONE), domain(8, &[1], ONE)];
        let held = vec![ValueId(0)];
        let schedule = Schedule::Row { shapes: vec![shape], block_rows: 1, held, domains };
        told(kernel.verify().expect("a right kernel"), schedule, "sm_90")
    };
    assert_eq!(told(512), "fits");
    let what = "a block of `lanes=32 threads=1024 sorted` shares 12544 words, and may 12288";
    assert!(told(1024).contains(what), "{}", told(1024));
}

/// What a row schedule of `x[T, cols]` and its sums is told.
fn row(cols: u64, (lanes, threads): (u32, u32), held: &[u32], piece: Piece, target: &str) -> String {
    let shape = RowShape::of(lanes, threads);
    let held = held.iter().map(|v| ValueId(*v)).collect();
    let domains = vec![domain(cols, &[0], piece), domain(1, &[1], ONE)];
    told(kernel(cols, true), Schedule::Row { shapes: vec![shape], block_rows: 1, held, domains }, target)
}

#[test]
fn a_row_schedule_fits_the_machine() {
    assert_eq!(row(8, (8, 64), &[0], ONE, "sm_90"), "fits");
    assert_eq!(row(8, (1, 1), &[0], Piece::InRow { width: 16 }, "host"), "fits");
    let cases = [
        (
            told(kernel(8, true), Schedule::Flat { threads: 64, domains: vec![] }, "sm_90"),
            "row values need a row schedule",
        ),
        (row(8, (3, 66), &[0], ONE, "sm_90"), "3 lanes a row and 66 threads a block, of 1024 at most"),
        (row(8, (8, 12), &[0], ONE, "sm_90"), "8 lanes a row and 12 threads a block, of 1024 at most"),
        (row(8, (8, 2048), &[0], ONE, "sm_90"), "8 lanes a row and 2048 threads a block, of 1024 at most"),
        (row(8, (2, 2), &[0], ONE, "host"), "2 lanes a row and 2 threads a block"),
        (row(8, (8, 64), &[1], ONE, "sm_90"), "what it holds is not an ascending list of values other than row values"),
        (row(8, (8, 64), &[0, 0], ONE, "sm_90"), "what it holds is not an ascending list"),
        (row(8, (8, 64), &[7], ONE, "sm_90"), "what it holds is not an ascending list"),
        (row(8, (8, 64), &[0], Piece::AcrossRows { width: 2 }, "sm_90"), "its pieces of 8 columns are not in a row"),
    ];
    for (told, what) in cases {
        assert!(told.contains(&format!("does not fit: {what}")), "{told}, not {what}");
    }
}

/// Rows are done together on the host only, a vector's lanes of them, and where the kernel gains by it.
#[test]
fn a_block_of_rows_fits_the_machine_and_the_kernel() {
    let blocks = |cols, block_rows, (lanes, threads): (u32, u32), target| {
        let shape = RowShape::of(lanes, threads);
        let domains = vec![domain(cols, &[0], ONE), domain(1, &[1], ONE)];
        let held = vec![ValueId(0)];
        told(kernel(cols, true), Schedule::Row { shapes: vec![shape], block_rows, held, domains }, target)
    };
    assert_eq!(blocks(8, BLOCK_ROWS, (1, 1), "host"), "fits");
    // Of a wide row nothing narrow is left but its sum, which is computed by itself.
    for told in [
        blocks(8, 4, (1, 1), "host"),
        blocks(8, 0, (1, 1), "host"),
        blocks(8, BLOCK_ROWS, (8, 64), "sm_90"),
        blocks(64, BLOCK_ROWS, (1, 1), "host"),
    ] {
        assert!(told.contains("rows cannot be done together"), "{told}");
    }
}

/// The limits are of what is kept at once: 512 columns in a lane, 16 MiB of memory.
#[test]
fn a_row_that_there_is_no_room_for_is_refused() {
    assert_eq!(row(4096, (8, 64), &[0], ONE, "sm_90"), "fits");
    let refused = row(8192, (8, 64), &[0], ONE, "gfx942");
    let expected = "RF0815: kernel `k` for `gfx942` takes too much at once: 1024 columns of a row in a lane, and there is \
                    room for 512";
    assert!(refused.starts_with(expected), "{refused}");
    assert_eq!(refused, Page::of(Code::KernelTooLarge).message);
    // Four bytes a column that is held, and four of each segment to be added up.
    let refused = row(1 << 21, (1, 1), &[0], ONE, "host");
    let bytes = 8 * (1 << 21) + 128;
    assert!(refused.contains(&format!("at once: {bytes} bytes of a row, and there is room for 16777216")), "{refused}");
}

#[test]
fn r8_what_is_too_much_for_a_frame_lies_in_scratch_memory() {
    let scratch = |cols| room::scratch_bytes(&kernel(cols, true), &[ValueId(0)], 1);
    assert_eq!((scratch(8), scratch(4096)), (0, 0));
    let bytes = scratch(16_384);
    assert!((8 * 16_384..9 * 16_384).contains(&bytes), "{bytes}");
}

/// Phases and their schedule go together, on a GPU.
#[test]
fn a_schedule_of_phases_is_for_phases() {
    let phased = Schedule::Phased {
        few_rows: Some(4),
        threads: [256, 512],
        most_rows: 64,
        launches: Launches::Any,
        rows_of_a_block: [1, 8],
        warps: 16,
        domains: vec![],
    };
    assert_eq!(phased.to_string(), "phased few_rows=4 threads=256,512 most_rows=64 rows_of_a_block=1,8 warps=16");
    assert_eq!((phased.shapes_for(64), phased.shapes_for(65)), (0..=0, 1..=2));
    let blocks = |rows, shape| phased.blocks(rows, Variant { shape, ..Variant::GPU[0] });
    assert_eq!([blocks(0, 0), blocks(5, 0), blocks(1000, 0), blocks(17, 1)], [1, 5, 128, 3].map(Some));
    // Few rows, and none, are one block; which rows and which part each shape is for.
    assert_eq!([blocks(0, 3), blocks(1, 3), blocks(4, 3)], [Some(1); 3]);
    assert_eq!((phased.shapes_for(0), phased.shapes_for(4), phased.shapes_for(5)), (3..=3, 3..=3, 0..=0));
    let rows = [0, 1, 2, 3].map(|shape| phased.rows_of_shape(shape));
    assert_eq!(rows, [(5, Some(64)), (65, None), (65, None), (0, Some(4))]);
    assert_eq!([0, 1, 2, 3].map(|shape| phased.part(Variant { shape, ..Variant::GPU[0] })), [0, 0, 1, 0]);
    let told = told(kernel(4, false), phased, "sm_90");
    assert!(told.contains("it is for phases, and there are none"), "{told}");
}

/// Rows and the phases of what they make are one block, of few rows.
#[test]
fn rows_and_phases_at_once_are_one_block() {
    let shape = RowShape::of(32, 256);
    let at_once = Schedule::AtOnce { rows: 4, shape, held: vec![ValueId(3)], domains: vec![vec![], vec![]] };
    assert_eq!(at_once.to_string(), "at_once rows=4 lanes=32 threads=256 held=v3 phase phase");
    let all = at_once.variants(TargetKind::Nvptx);
    assert_eq!(all.iter().map(|v| v.shape).collect::<Vec<_>>(), [0, 0]);
    for variant in all {
        assert_eq!([0, 1, 4].map(|rows| at_once.blocks(rows, *variant)), [Some(1); 3]);
        assert_eq!((at_once.threads(*variant), at_once.part(*variant)), (256, 0));
    }
    assert_eq!([4, 5].map(|rows| at_once.takes(0, rows)), [true, false]);
    assert_eq!(at_once.rows_of_shape(0), (0, Some(4)));
    // Where few rows have it, phases by themselves need no launch for as few.
    let phased = Schedule::Phased {
        few_rows: Some(4),
        threads: [256, 512],
        most_rows: 64,
        launches: Launches::Any,
        rows_of_a_block: [1, 8],
        warps: 16,
        domains: vec![],
    };
    let within = |least, most| phased.clone().within(&[(least, most)]);
    assert_eq!(within(4, None), phased);
    let shapes = |s: &Schedule| s.variants(TargetKind::Nvptx).iter().map(|v| v.shape).collect::<Vec<_>>();
    assert_eq!(shapes(&within(5, None)), [0, 0, 1, 1, 2, 2]);
    assert_eq!(shapes(&within(4, Some(64))), [0, 0, 3, 3]);
    assert_eq!(shapes(&within(5, Some(64))), [0, 0]);
    assert_eq!(shapes(&within(65, None)), [1, 1, 2, 2]);
    assert_eq!(within(5, Some(65)).shapes_for(65), 1..=2);
    // On either side of rows that are another kernel's.
    let beside = |below, above| shapes(&phased.clone().within(&[below, above]));
    assert_eq!(beside((5, Some(64)), (90, None)), [0, 0, 1, 1, 2, 2]);
    assert_eq!(beside((5, Some(9)), (20, Some(30))), [0, 0]);
    assert_eq!(beside((65, Some(70)), (90, None)), [1, 1, 2, 2]);
    assert_eq!(
        within(65, None).to_string(),
        "phased threads=256,512 most_rows=64 two_launches rows_of_a_block=1,8 warps=16"
    );
}

/// Rows that are counted by the blocks that do them are two launches of as many blocks.
#[test]
fn rows_in_chunks_are_two_launches() {
    let shape = RowShape { selecting: Selecting::Sorted, ..RowShape::of(8, 256) };
    let in_chunks = Schedule::InChunks {
        rows_of_a_block: 32,
        shape,
        threads: 512,
        warps: 16,
        held: vec![ValueId(3)],
        domains: vec![vec![], vec![]],
    };
    let text = "in_chunks rows_of_a_block=32 lanes=8 threads=256 sorted, threads=512 warps=16 held=v3 phase phase";
    assert_eq!(in_chunks.to_string(), text);
    let all = in_chunks.variants(TargetKind::Nvptx);
    assert_eq!(all.iter().map(|v| v.shape).collect::<Vec<_>>(), [0, 0, 1, 1]);
    for variant in all {
        assert_eq!([0, 1, 33, 1 << 40].map(|rows| in_chunks.blocks(rows, *variant)), [1, 1, 2, 128].map(Some));
        assert_eq!(in_chunks.part(*variant), variant.shape);
        assert_eq!(in_chunks.shape(*variant), (variant.shape == 0).then_some(shape));
    }
    assert_eq!((in_chunks.threads(all[0]), in_chunks.threads(all[2])), (256, 512));
    assert_eq!((in_chunks.shapes_for(1), in_chunks.shapes_beside(1)), (0..=1, 0..=1));
    let told = told(kernel(4, false), in_chunks, "sm_90");
    assert!(told.contains("there are none"), "{told}");
}

/// A step that is taken for some rows has no shape for others.
#[test]
fn shapes_are_those_of_the_rows_of_a_step() {
    let few = RowShape { most_rows: Some(64), ..RowShape::of(32, 64) };
    let many = RowShape::of(4, 128);
    let row = Schedule::Row { shapes: vec![few, many], block_rows: 1, held: vec![], domains: vec![] };
    let within = |least, most| row.clone().within(&[(least, most)]).shapes().to_vec();
    assert_eq!(within(0, None), [few, many]);
    assert_eq!(within(64, Some(65)), [few, many]);
    assert_eq!(within(5, Some(64)), [few.any_rows()]);
    assert_eq!(within(65, None), [many]);
    // On either side of rows that are another kernel's: what has a row on one side stays, and the others go.
    let more = RowShape { most_rows: Some(128), ..RowShape::of(8, 128) };
    let three = row.clone().with_shapes(vec![few, more, many]);
    let beside = |below, above| three.clone().within(&[(5, Some(below)), (above, None)]).shapes().to_vec();
    assert_eq!(beside(65, 200), [few, more, many]);
    assert_eq!(beside(60, 128), [few, more, many]);
    assert_eq!(beside(64, 129), [few, many]);
    assert_eq!(three.clone().within(&[(5, Some(9)), (20, Some(30))]).shapes(), [few.any_rows()]);
    // A record of a tuning may say any number.
    let all = RowShape { most_rows: Some(u64::MAX), ..more };
    let all = row.clone().with_shapes(vec![few, all, many]);
    assert_eq!((all.rows_of_shape(1), all.rows_of_shape(2)), ((65, Some(u64::MAX)), (u64::MAX, None)));
    assert_eq!(all.within(&[(5, Some(9))]).shapes(), [few.any_rows()]);
}

/// A table is for kernels that have scores for it, and for blocks that have room for it and go on.
#[test]
fn a_table_needs_scores_and_room() {
    let table = |text: &str, target| shapes(vec![text.parse().expect("a shape")], target);
    let cases = [
        ("lanes=8 threads=1024 persistent sorted table=192", "sm_90", "no value is a dear function of a `bf16` column"),
        ("lanes=8 threads=1024 persistent sorted table=228", "sm_90", "a block has 227 KiB of shared memory, not 228"),
        ("lanes=8 threads=128 persistent sorted table=64", "gfx942", "a block has 48 KiB of shared memory, not 64"),
        (
            "lanes=8 threads=1024 sorted table=192",
            "sm_90",
            "go on with further rows and sort keys: `persistent sorted`",
        ),
        (
            "lanes=8 threads=1024 persistent table=192",
            "sm_90",
            "go on with further rows and sort keys: `persistent sorted`",
        ),
        ("lanes=8 threads=64 table=99", "sm_120", "go on with further rows and sort keys: `persistent sorted`"),
    ];
    for (shape, target, why) in cases {
        let told = table(shape, target);
        assert!(told.contains(&format!("does not fit: `{shape}`: ")) && told.contains(why), "{told}");
    }
}
