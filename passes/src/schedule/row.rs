//! The row schedule: a team of lanes shares a row, computes its row values once and keeps them.
//!
//! How many lanes: with few of them a row's values fill their registers, with many they wait for one another. The widest
//! operand of a row value decides, and the narrow stores, of at most a warp's columns, are done in one go. Where a warp's
//! lanes would have to keep too much, all threads of a block share a row (the *block* shape).

use super::domains;
use routefuse_ir::DType;
use routefuse_ir::kernel::analysis::{cost_with_operands, ordered, score_table, softmax_choice};
use routefuse_ir::kernel::schedule::block_rows::{BLOCK_ROWS, Division, NARROW};
use routefuse_ir::kernel::schedule::code_size::{CodeSize, stores_by_domain};
use routefuse_ir::kernel::schedule::room::{
    MOST_KEPT_OF_BLOCK, MOST_UPRIGHT, chosen_columns, columns_of_a_lane, kept_bytes,
};
use routefuse_ir::kernel::schedule::{Domain, Piece, RowShape, Schedule, Selecting, Variant, sorted};
use routefuse_ir::kernel::{Kernel, RowOp, RowValue, ValueId, ValueKind};
use routefuse_ir::op::{BinaryOp, ReduceOp, ScalarOp, TopKOrder};
use routefuse_ir::target::{Target, TargetKind};

/// Columns of the widest row that a lane keeps where rows are few: little work each, more shuffles.
const FEW_COLUMNS: u64 = 4;

/// And where they are many: a lane sorts and sums its own columns without a word to the others.
const MANY_COLUMNS: u64 = 8;

/// Columns of one value that a lane keeps in registers at most; beyond, the block shape. Several values are kept at once,
/// and there are at most 255 registers.
const MOST_COLUMNS: u64 = 32;

/// Threads of a block for few rows: small blocks spread over all multiprocessors.
const FEW_THREADS: u32 = 64;

/// Threads of a block for many rows. Blocks come and go: on an H100 loops over rows took up to a tenth longer, since what is
/// kept over the rows takes registers from warps that would hide latency.
const MANY_THREADS: u32 = 128;

/// Columns of the widest row that a lane keeps at most where columns are chosen by sorted lists. On an H100 128 columns took
/// 53 µs for 65,536 rows by 4 lanes and 49 by 8, 160 columns 24 by 4 and 30 by 8, 256 columns 41 by 4 and 40 by 8.
const SORTED_COLUMNS: u64 = 48;

/// The same where a lane keeps them in registers: with the lists that are made of them, they leave an AMD GPU room for seven of the
/// eight waves that a SIMD may have, of 72 registers each.
const SORTED_IN_REGISTERS: u64 = 24;

/// Lanes of a row beyond which a lane has up to [`sorted::MOST_KEYS`] columns where keys are made of pairs of `bf16`. On an H100 512
/// columns of a softmax took 54 µs for 65,536 rows by 16 lanes and 49 by 8, and 5.8 and 5.6 for 4,096 (5.7 by a warp each); 128 columns
/// 13.5 by 4 and 13.0 by 2, but 2.8 and 4.0.
const ENOUGH_LANES: u64 = 8;

/// A lane with more columns than this takes longer for its row, so that more rows are few.
const CROWDED: u64 = 32;

/// As many are. On an H200 512 columns of a softmax take 5.2 µs for 4,096 rows by a warp each and 4.95 for 4,097 by eight lanes each; for
/// 512 rows less it is some 0.45 less by a warp each, and half of that by eight lanes.
const FEW_CROWDED_ROWS: u64 = 3584;

/// And where 16-bit floats are chosen by, whose keys are not needed once the lists are made.
const SORTED_HALVES_IN_REGISTERS: u64 = 32;

/// Sorted lists are quicker than a warp a row from about so many warps on. On an H100 256 columns take 3.7 µs for 2,048 rows by a
/// warp each and 4.0 by eight lanes each, and 5.6 and 4.7 for 4,096. Of a softmax of 16-bit logits 128 columns take 2.1 and 2.4
/// by four lanes, and 3.0 and 2.5; 512 columns take 9.2 and 9.3 for 8,192 by sixteen, and 69 and 65 for 65,536.
const SORTED_WARPS: u64 = 512;

/// Beyond so many rows a warp for each is slow, whatever else there is.
const MOST_FEW_ROWS: u64 = 8192;

/// The most rows of a warp that has all columns of a softmax divided and then chooses by sorted lists. On an H100 65,536 rows of
/// 768 columns took 162 µs by two rows a warp, and 243 by one in rounds. More rows a warp were slower where quotients are small.
const DIVIDED_ROWS: u64 = 2;

/// The most choices of columns that are made by sorted lists in one kernel, which are more code than rounds.
const MOST_SORTED: usize = 2;

/// Threads of a block that chooses columns by sorted lists.
const SORTED_THREADS: u32 = 128;

/// So many of its blocks find shared memory on a multiprocessor: four warps for each of its schedulers.
const RESIDENT_BLOCKS: u64 = 4;

/// A row of more columns has two warps where rows are few: what its columns take is then longer than what it takes the warps to hear
/// of each other. On an H100 a row of 768 columns of a softmax took 3.0 µs by one warp, 2.6 by two and 2.5 by four, and 512 rows
/// 4.1, 3.8 and 4.6; rows of 512 columns 2.4 either way, and 512 of them 2.7, 3.1 and 4.6.
const MOST_OF_ONE_WARP: u64 = 512;

/// Threads of a wide row.
const WIDE_THREADS: u32 = 64;

/// The most wide rows that are few.
const FEW_WIDE_ROWS: u64 = 1024;

/// Up to so many rows every row has a warp of its own at the same time, on about half of what the 132 multiprocessors of an
/// H100 hold; there the two shapes of the routers take equally long at 2,048 to 4,096 rows.
const FEW_ROWS: u64 = 2048;

/// The most rows for which scores are computed; of more they come from a table, which takes a block about 4 µs to fill. On an H100 sigmoids
/// of 256 columns took 14.8 µs for 24,577 rows without a table and 15.0 with one, 19.0 and 18.2 for 32,768, and 35.8 and 31.4 for 65,536.
const TABLE_ROWS: u64 = 32 << 10;

/// The columns whose scores are worth a table. Rows of 32 columns took 6.4 µs without one and 10.5 with it; of more than 512 none were timed.
const COLUMNS_OF_TABLE: std::ops::RangeInclusive<u64> = 128..=512;

/// Threads of a block with a table of scores, the only one of its multiprocessor: 72 registers for each. Of 1,024 threads, which have 64,
/// two presets spilled a word; on an H100 256 columns took 31.4 µs for 65,536 rows by so many, and 32.3 by 768.
const TABLE_THREADS: u32 = 896;

/// The same where a lane has more columns than [`CROWDED`] or keeps more than [`MOST_LISTED`] of them: 80 registers.
const CROWDED_TABLE_THREADS: u32 = 768;

/// The same where it has more columns than [`WIDE`]: 96 registers. By 768 threads 384 columns took 55 µs, with words spilled, and 49 by 640;
/// 160 columns by four lanes took 23.8 and 24.7.
const WIDE_TABLE_THREADS: u32 = 640;

/// Columns of a lane that have no room in 80 registers.
const WIDE: u64 = 40;

/// Columns that are chosen by lanes of 64 registers at most.
const MOST_LISTED: u64 = 8;

/// Bytes of a lane's widest load and store.
const PIECE_BYTES: u64 = 16;

/// The most instructions, as [`CodeSize`] counts them, of a host kernel whose rows are done in blocks: more of them gain too
/// little for the time that they take to compile.
const MOST_IN_BLOCKS: u64 = 8000;

/// What makes a scalar value dear, with all that is behind it: it is rather kept than computed again. Loads and casts are
/// not, `exp` and its like are.
const DEAR: u64 = 12;

pub(super) fn schedule(kernel: &Kernel, target: Target) -> Schedule {
    if target.kind() == TargetKind::Host {
        let width = target.info().vectors.stored_piece();
        let domains = domains(kernel, |_| Piece::InRow { width });
        let by_row =
            Schedule::Row { shapes: vec![RowShape::of(1, 1)], block_rows: 1, held: held(kernel, true), domains };
        return in_blocks(kernel, target, &by_row).unwrap_or(by_row);
    }
    let few = few_shape(kernel, target);
    if kernel.rows.is_none() {
        // There are never more rows.
        let domains = domains(kernel, |d| piece(kernel, d, u64::from(few.lanes)));
        return Schedule::Row { shapes: vec![few], block_rows: 1, held: held(kernel, false), domains };
    }
    let (few_rows, many) = sorted_shape(kernel, target).map_or_else(
        || {
            let many = shape(kernel, target, MANY_COLUMNS, MANY_THREADS);
            let selecting = if has_topk(kernel) { Selecting::InMemory } else { many.selecting };
            (FEW_ROWS, RowShape { selecting, ..many })
        },
        |many| {
            // Rows for as many warps of that shape; where neither way votes, two rows a warp are few.
            let rows_a_warp = u64::from(target.info().warp / many.lanes);
            let rows = match (chooses_by_halves(kernel, false), rows_a_warp) {
                (true, ..=2) if !target.abilities().keys_in_registers => MOST_FEW_ROWS,
                // A lane with many columns is long about them.
                (true, _) if widest(kernel).div_ceil(u64::from(many.lanes)) > CROWDED => FEW_CROWDED_ROWS,
                (true, _) => FEW_ROWS,
                (false, _) => SORTED_WARPS * rows_a_warp,
            };
            (rows.clamp(FEW_ROWS, MOST_FEW_ROWS), many)
        },
    );
    // Two warps a row are twice as many warps.
    let is_wide = few.lanes > target.info().warp && few.lanes <= WIDE_THREADS;
    let few_rows = if is_wide { FEW_WIDE_ROWS.min(few_rows) } else { few_rows };
    let few = RowShape { most_rows: Some(few_rows), ..few };
    let lanes = u64::from(few.lanes.max(many.lanes));
    let domains = domains(kernel, |d| piece(kernel, d, lanes));
    // Where the table does not stand for all numbers, rows with others take longer than without one: a tuning may choose that.
    let stands_for_all = score_table(kernel).is_some_and(|table| table.window.saturates);
    let shapes = match table_shape(kernel, target).filter(|_| stands_for_all) {
        Some(most) => vec![few, RowShape { most_rows: Some(TABLE_ROWS), ..many }, most],
        None => vec![few, many],
    };
    Schedule::Row { shapes, block_rows: 1, held: held(kernel, false), domains }
}

/// The same schedule with rows in blocks, where some of the kernel gains by it, what is kept of a block has room in a frame, and
/// the code for blocks and for the rows that are left over does not take long to compile.
fn in_blocks(kernel: &Kernel, target: Target, by_row: &Schedule) -> Option<Schedule> {
    let division = Division::of(kernel, by_row.held())?;
    let mut schedule = by_row.clone();
    if let Schedule::Row { block_rows, .. } = &mut schedule {
        *block_rows = BLOCK_ROWS;
    }
    let kept = kept_bytes(kernel, schedule.held(), BLOCK_ROWS);
    if kept > MOST_KEPT_OF_BLOCK || division.upright_bytes() > MOST_UPRIGHT {
        return None;
    }
    let mut size = CodeSize::new(kernel, &schedule, target, Variant::HOST[0]);
    for store in stores_by_domain(kernel) {
        if size.instructions() > MOST_IN_BLOCKS {
            return None;
        }
        size.add_store(store);
    }
    (size.instructions() <= MOST_IN_BLOCKS && !size.is_too_large()).then_some(schedule)
}

/// Shapes that a launch over any number of rows may be tried in; none for a kernel of one row.
pub(super) fn candidates(kernel: &Kernel, target: Target) -> Vec<RowShape> {
    if kernel.rows.is_none() {
        return vec![];
    }
    let many = shape(kernel, target, MANY_COLUMNS, MANY_THREADS);
    let mut shapes = vec![
        few_shape(kernel, target),
        // Without a selection there are no lists.
        RowShape { selecting: if has_topk(kernel) { Selecting::InMemory } else { Selecting::InRegisters }, ..many },
    ];
    let alone = RowShape { threads: SORTED_THREADS, selecting: Selecting::Sorted, ..shapes[0] };
    let lanes = (0..=target.info().warp.ilog2()).map(|n| 1 << n);
    // Fewer lanes than leave each this many columns have no room for them.
    let fewest = widest(kernel).div_ceil(sorted::MOST_KEYS);
    if has_topk(kernel) {
        shapes.extend(lanes.filter(|n| u64::from(*n) >= fewest).map(|lanes| RowShape { lanes, ..alone }));
    }
    shapes.extend(table_shape(kernel, target));
    shapes
}

/// Why the shapes are what they are, for people; empty for a flat schedule.
pub(crate) fn why(kernel: &Kernel, target: Target, schedule: &Schedule) -> Vec<String> {
    let Schedule::Row { shapes, block_rows, held, .. } = schedule else { return vec![] };
    // What the lowering made has no name of the user's: then its number in the signature.
    let name = |id: ValueId| match kernel.value(id).name.as_str() {
        "" => format!("v{}", id.0),
        name => format!("%{name}"),
    };
    let columns = |id: ValueId| format!("{} ({})", name(id), count(kernel.value(id).space.cols, "column", "columns"));
    let list = |ids: Vec<ValueId>| ids.into_iter().map(columns).collect::<Vec<_>>().join(", ");
    let row_values = kernel.values().filter(|(_, v)| v.kind.is_row_value()).map(|(id, _)| id);
    let widest = widest(kernel);
    let mut why = vec![format!("{} need whole rows, the widest of {widest} columns", list(row_values.collect()))];
    if target.kind() == TargetKind::Host {
        let width = target.info().vectors.stored_piece();
        if *block_rows == 1 {
            why.push(format!("each row is done by itself, {width} columns at a time"));
        } else {
            let repeats = Division::of(kernel, held).is_some_and(|division| division.repeats_last_row());
            let left = if repeats { "as a block that repeats the last of them" } else { "one by one" };
            why.push(format!("{block_rows} rows are done together, and rows that are left over {left}"));
            why.push(format!(
                "of them, values of at most {NARROW} columns that no wide one needs have a row in each lane; the rest is done row by \
                 row, {width} columns at a time"
            ));
        }
    } else {
        let shape = |s: &RowShape| {
            let (each, rows) = (widest.div_ceil(u64::from(s.lanes)), s.rows());
            let lanes = match s.lanes {
                1 => "one lane has a row".to_owned(),
                n if n > target.info().warp => format!("all {n} threads of a block share a row"),
                n => format!("{n} lanes share a row"),
            };
            let blocks = if s.persistent { "blocks go on with further rows" } else { "a block for each" };
            let (each, rows) = (count(each, "column", "columns"), count(u64::from(rows), "row", "rows"));
            let sorted = if s.selecting == Selecting::Sorted { ", which sort keys alone" } else { "" };
            let table = score_table(kernel).filter(|_| s.table > 0);
            let table = table.map_or(String::new(), |table| {
                let (score, window) = (name(table.value), table.window.text());
                format!("; {score} is looked up in a table of {window}, which a block fills when it begins")
            });
            format!("{lanes}, {each} each{sorted}; {rows} at a time, {blocks}{table}")
        };
        for s in shapes {
            match s.most_rows {
                Some(most) => why.push(format!("up to {most} rows: {}", shape(s))),
                None if shapes.len() == 1 => why.push(shape(s)),
                None => why.push(format!("more: {}", shape(s))),
            }
        }
    }
    if !held.is_empty() {
        why.push(format!("computed once a row and kept: {}", list(held.clone())));
    }
    why
}

/// `1 row`, `2 rows`.
fn count(n: u64, thing: &str, things: &str) -> String {
    format!("{n} {}", if n == 1 { thing } else { things })
}

/// Columns of the widest operand of a row value.
pub(crate) fn widest(kernel: &Kernel) -> u64 {
    columns_of_a_lane(kernel, 1)
}

/// Whether columns are chosen.
fn has_topk(kernel: &Kernel) -> bool {
    kernel.values.iter().filter_map(|v| v.kind.row_value()).any(|row| matches!(row.op, RowOp::TopK { .. }))
}

/// The shape of several rows a warp in which columns are chosen by sorted lists, for a kernel that chooses columns, if it pays:
/// where a warp has several rows at least, as many of its blocks fit a multiprocessor as are needed to keep it busy, every
/// selection of the kernel can be done so, and no sum is made of the widest values, unless it is of a softmax that is chosen
/// from once, by its logits, or with something added by at most [`DIVIDED_ROWS`] rows a warp: else a softmax is bound by its
/// powers and quotients, which a warp a row hides better. Groups are lanes, each with the columns of one, if there are several.
/// Rows too wide for two a warp so have two all the same where a lane has room for their keys, if nothing of them is summed.
fn sorted_shape(kernel: &Kernel, target: Target) -> Option<RowShape> {
    let rows = || kernel.values.iter().filter_map(|v| v.kind.row_value());
    let segments = rows().map(|row| segments_of(kernel, row)).max()?;
    let in_registers = target.abilities().keys_in_registers;
    let most = match (in_registers, chooses_by_halves(kernel, false)) {
        (false, _) => SORTED_COLUMNS,
        (true, false) => SORTED_IN_REGISTERS,
        (true, true) => SORTED_HALVES_IN_REGISTERS,
    };
    let mut lanes = widest(kernel).div_ceil(most).max(segments).next_power_of_two();
    // More lanes than are enough exchange more than they sort. Keys of pairs are short, and their logits wait in pairs.
    if lanes > ENOUGH_LANES && chooses_by_pairs(kernel, target) {
        let enough = widest(kernel).div_ceil(sorted::MOST_KEYS).max(ENOUGH_LANES).max(segments);
        lanes = lanes.min(enough.next_power_of_two());
    }
    // Rather more columns a lane than a warp for each row. On an H100 65,536 rows of 896 sigmoids took 147 µs by half a warp each and
    // 220 by a warp in rounds, 4,096 rows 11.0 and 16.2, and 2,048 rows 6.6 and 9.2.
    let half = u64::from(target.info().warp / 2);
    let is_wide = lanes > half && !in_registers && widest(kernel).div_ceil(sorted::MOST_KEYS).max(segments) <= half;
    if is_wide {
        lanes = half;
    }
    let sums = rows().any(|row| row.op == RowOp::Reduce(ReduceOp::Sum) && row.width == widest(kernel));
    let selections = rows().filter(|row| matches!(row.op, RowOp::TopK { .. })).count();
    let few_divide =
        !in_registers && u64::from(target.info().warp) <= DIVIDED_ROWS * lanes && !chooses_quotients(kernel);
    let by_logits = chooses_by_halves(kernel, true) || groups_of_softmax(kernel, target) == Some(lanes);
    let sums = sums && (is_wide || selections != 1 || !(few_divide || by_logits));
    if !(1..=MOST_SORTED).contains(&selections) || sums || lanes > half {
        return None;
    }
    let shape = RowShape { selecting: Selecting::Sorted, ..RowShape::of(lanes as u32, SORTED_THREADS) };
    for row in rows() {
        let (RowOp::TopK { k, .. } | RowOp::TopKMask { k, .. }) = row.op else { continue };
        let keys = row.width.div_ceil((lanes / segments_of(kernel, row).next_power_of_two()).max(1));
        if !sorted::applies(shape, keys, k) {
            return None;
        }
    }
    let words = sorted::words_of_block(kernel, shape, in_registers);
    let room = u64::from(target.abilities().shared_kib << 10);
    (words <= sorted::MOST_WORDS && 4 * words * RESIDENT_BLOCKS <= room).then_some(shape)
}

/// The shape for so many rows that a table of scores pays, each block of which has one: where sorted lists pay, the columns are chosen
/// by scores that a table has, two 16-bit integers are clamped by one instruction, and the keys of enough threads have room beside it.
///
/// Where a lane has a group of neighbouring columns it does not pay. What lanes load lies apart then, so that each load goes through
/// memory's pipe line by line, as look-ups do: on an H100 65,536 rows of 256 columns in eight groups took 46 µs with a table and 41
/// without, and of 256 columns without groups 30.5 and 35.5.
fn table_shape(kernel: &Kernel, target: Target) -> Option<RowShape> {
    let many = sorted_shape(kernel, target)?;
    let in_groups = kernel.values.iter().filter_map(|v| v.kind.row_value()).any(|row| segments_of(kernel, row) > 1);
    if in_groups || chooses_by_halves(kernel, false) || !target.abilities().pairs_of_16 {
        return None;
    }
    let widest = widest(kernel);
    score_table(kernel)
        .filter(|table| COLUMNS_OF_TABLE.contains(&widest) && kernel.value(table.value).space.cols == widest)?;
    let each = widest.div_ceil(u64::from(many.lanes)).next_multiple_of(sorted::RUN);
    let threads = match each {
        _ if each > WIDE => WIDE_TABLE_THREADS,
        _ if each > CROWDED || chosen_columns(kernel) > MOST_LISTED => CROWDED_TABLE_THREADS,
        _ => TABLE_THREADS,
    };
    let most = target.abilities().block_kib;
    let shape = RowShape { threads, persistent: true, table: most, ..many };
    let words = sorted::TABLE_WORDS + u64::from(threads * sorted::words_of_keys(each));
    let table = words.div_ceil(256) as u32;
    let fits = table <= most && u64::from(shape.rows()) * chosen_columns(kernel) <= sorted::FREE_IN_TABLE[1];
    fits.then_some(RowShape { table, ..shape })
}

/// Whether all columns are chosen by floats of 16 bits, or by a softmax of such (or `by_softmax` alone), which have keys of their
/// own.
fn chooses_by_halves(kernel: &Kernel, by_softmax: bool) -> bool {
    let chosen = kernel.values.iter().filter_map(|v| v.kind.row_value());
    chosen
        .filter(|row| matches!(row.op, RowOp::TopK { .. }))
        .all(|row| ordered(kernel, row.value, row.width).is_some_and(|by| by.softmax.is_some() || !by_softmax))
}

/// Whether all columns are chosen by `bf16`, or by a softmax of such, of which two in a word are compared by one instruction.
fn chooses_by_pairs(kernel: &Kernel, target: Target) -> bool {
    let is_bf16 = |row: &RowValue| {
        ordered(kernel, row.value, row.width).is_some_and(|by| by.dtype == DType::Bf16)
            || !matches!(row.op, RowOp::TopK { .. })
    };
    target.abilities().bf16_pairs
        && chooses_by_halves(kernel, false)
        && kernel.values.iter().filter_map(|v| v.kind.row_value()).all(is_bf16)
}

/// Groups of a softmax of `bf16`, those with the largest elements of which are chosen from, where the logits decide: a lane has a
/// group, and two `bf16` in a word are compared by one instruction.
fn groups_of_softmax(kernel: &Kernel, target: Target) -> Option<u64> {
    let choice = kernel.values().find_map(|(id, _)| softmax_choice(kernel, id))?;
    let by_logits = choice.ordered.dtype == DType::Bf16 && choice.order == TopKOrder::Value;
    choice.groups.map(|groups| groups.count).filter(|_| by_logits && target.abilities().bf16_pairs)
}

/// Whether columns are chosen by quotients as they are.
fn chooses_quotients(kernel: &Kernel) -> bool {
    let chosen = kernel.values.iter().filter_map(|v| v.kind.row_value());
    chosen
        .filter(|row| matches!(row.op, RowOp::TopK { .. }))
        .any(|row| matches!(kernel.value(row.value).kind, ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Div), _)))
}

/// Segments of a row value's operand.
fn segments_of(kernel: &Kernel, row: &RowValue) -> u64 {
    kernel.value(row.value).space.cols / row.width
}

/// The shape for few rows. Where lanes agree on words of the whole warp, a row from which is chosen has all of one, if it has
/// columns for more than half of them; and blocks are warps, so that none is without rows.
fn few_shape(kernel: &Kernel, target: Target) -> RowShape {
    let (shape, warp) = (shape(kernel, target, FEW_COLUMNS, FEW_THREADS), target.info().warp);
    if shape.lanes == warp && has_wide_choice(kernel, target) {
        return RowShape::of(WIDE_THREADS, WIDE_THREADS);
    }
    if !target.abilities().warp_scalars || shape.lanes > warp {
        return shape;
    }
    let whole = has_topk(kernel) && 2 * widest(kernel) > u64::from(warp);
    RowShape { lanes: if whole { warp } else { shape.lanes }, threads: warp, ..shape }
}

/// Whether all that needs whole rows of a kernel is chosen from, summed or compared in one wide segment, or in a few columns of a
/// warp, and the warps of a row have a quick way to choose together: each sorts its part, and all merge the lists. 16-bit floats
/// and softmaxes of such have a quick way of one warp.
fn has_wide_choice(kernel: &Kernel, target: Target) -> bool {
    let (widest, warp, abilities) = (widest(kernel), u64::from(target.info().warp), target.abilities());
    let fits = |row: &RowValue| {
        let is_whole = kernel.value(row.value).space.cols == row.width;
        is_whole
            && match row.op {
                RowOp::TopK { k, order, .. } => row.width == widest && k <= warp && order == TopKOrder::Value,
                RowOp::Reduce(ReduceOp::Sum | ReduceOp::Max | ReduceOp::Min) => {
                    row.width == widest || row.width <= warp
                }
                RowOp::Reduce(ReduceOp::TopTwoSum) | RowOp::CumSum | RowOp::TopKMask { .. } | RowOp::Rank { .. } => {
                    false
                }
            }
    };
    widest > MOST_OF_ONE_WARP
        && abilities.warp_max
        && !abilities.warp_scalars
        && has_topk(kernel)
        && !chooses_by_halves(kernel, false)
        && kernel.values.iter().filter_map(|v| v.kind.row_value()).all(fits)
}

/// The shape that leaves each lane about `columns` columns of the widest row, for any number of rows.
fn shape(kernel: &Kernel, target: Target, columns: u64, threads: u32) -> RowShape {
    let (warp, most) = (target.info().warp, target.info().max_threads);
    let threads = threads.max(warp);
    let widest = widest(kernel);
    if widest > MOST_COLUMNS * u64::from(warp) {
        // Powers of two all, so threads are whole warps.
        let lanes = widest.div_ceil(columns).next_power_of_two().min(u64::from(most)) as u32;
        return RowShape::of(lanes, lanes);
    }
    let narrow = kernel.stores.iter().map(|s| kernel.store_cols(s)).filter(|c| *c <= u64::from(warp)).max();
    let wanted = widest.div_ceil(columns).max(narrow.unwrap_or(1)).next_power_of_two();
    RowShape::of(wanted.min(u64::from(warp)) as u32, threads)
}

/// Narrow stores are one column a lane; wide ones are cut into what a lane loads and stores at once.
fn piece(kernel: &Kernel, d: &Domain, lanes: u64) -> Piece {
    let sizes = d.stores.iter().map(|s| kernel.param(kernel.stores[*s as usize].param).ty.dtype.size());
    let width = PIECE_BYTES / sizes.max().unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
    let fits = d.cols > lanes && d.cols.is_multiple_of(width);
    Piece::InRow { width: if fits { width as u32 } else { 1 } }
}

/// Values that are computed once a row and kept, beside row values: their operands, and dear ones that several of them
/// need. A lane asks for a gathered column of another lane's anyway by computing it, so on a GPU gathers do not count.
fn held(kernel: &Kernel, gathers: bool) -> Vec<ValueId> {
    let wide = |id: ValueId| kernel.value(id).space.cols > 1;
    let is_row_value = |id: ValueId| kernel.value(id).kind.is_row_value();
    let mut held = vec![false; kernel.values.len()];
    for (_, v) in kernel.values().filter(|(_, v)| v.kind.is_row_value()) {
        for o in v.kind.operands() {
            held[o.0 as usize] = wide(o) && !is_row_value(o);
        }
    }
    let costs = cost_with_operands(kernel);
    // By value, who computes it: held values, row values and gathers. Users come before operands.
    let mut askers: Vec<Vec<ValueId>> = vec![vec![]; kernel.values.len()];
    for (id, v) in kernel.values().rev() {
        let mut own = std::mem::take(&mut askers[id.0 as usize]);
        own.sort_unstable();
        own.dedup();
        let scalar = matches!(v.kind, ValueKind::Scalar(..));
        held[id.0 as usize] |= scalar && wide(id) && costs[id.0 as usize] > DEAR && own.len() > 1;
        if let ValueKind::GatherRow { value, index, .. } = v.kind {
            if gathers {
                askers[value.0 as usize].push(id);
            }
            let by = if held[id.0 as usize] { vec![id] } else { own };
            askers[index.0 as usize].extend(by);
            continue;
        }
        if held[id.0 as usize] || v.kind.is_row_value() {
            own = vec![id];
        }
        for o in v.kind.operands() {
            askers[o.0 as usize].extend(&own);
        }
    }
    (0..held.len()).filter(|i| held[*i]).map(|i| ValueId(i as u32)).collect()
}
