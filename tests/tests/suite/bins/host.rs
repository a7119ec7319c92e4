//! What the host does in other ways where there are many rows: counts beside, bins one after the other; and ranks of which more is
//! made than places.

use super::{check_graph, plan};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use routefuse::ir::interp;
use routefuse::{Args, DType, HostPlan, Tensor, text};
use routefuse_generate::Choices;
use routefuse_tests::bins::hostile;
use routefuse_tests::launch;

/// Numbers of rows about so many, and a few beside.
fn about(rows: u64) -> Vec<u64> {
    let mut all = vec![0, 1, 3, rows.saturating_sub(1), rows, rows + 1, 2 * rows + 5];
    all.dedup();
    all
}

/// Counts of few items are added one by one, and of many put together beside. Above 4096 bins there is no room for that. More
/// columns than 32 are a loop, with some left over.
#[test]
fn counts_of_few_and_of_many_items_are_the_same() {
    let mut c = Choices::seeded(21);
    let sizes = [(1u64, 1u64), (7, 8), (300, 7), (300, 45), (1025, 8), (4096, 16), (4097, 16)];
    let dtypes = [DType::I32, DType::U8, DType::I64, DType::U64, DType::I16];
    for (number, (bins, k)) in sizes.into_iter().enumerate() {
        let dtype = dtypes[number % dtypes.len()];
        let (ids, amount) = (dtype.name(), if number % 2 == 0 { "i64" } else { "u32" });
        let source = format!(
            "route 1\ngraph @counts {{\n  dim T\n  input %ids : {ids}[T, {k}]\n  input %amounts : {amount}[T, {k}]\n  \
             input %before : {amount}[{bins}]\n  %count = bin_count %ids {{bins = {bins}}}\n  \
             %sum = atomic_add %before, %ids, %amounts\n  output count = %count\n  output sum = %sum in_place(before)\n}}\n"
        );
        let graph = text::parse_verified(&source).unwrap_or_else(|e| panic!("{source}{e}"));
        let host = plan(&graph);
        // Two outputs are counted in.
        let rows = about((2 * 8 * bins).div_ceil(k));
        for (kind, t) in rows.into_iter().flat_map(|t| [(1, t), (4, t), (number, t)]) {
            let n = (t * k) as usize;
            let ids = Tensor::from_bits(
                dtype,
                &[t, k],
                hostile(kind, n, bins as i64, &mut c).iter().map(|id| *id as u64 & (u64::MAX >> (64 - dtype.bits()))),
            );
            let of = |shape: &[u64], c: &mut Choices| {
                let dtype = if amount == "i64" { DType::I64 } else { DType::U32 };
                let mask = u64::MAX >> (64 - dtype.bits());
                // Sums wrap, and some amounts are 0.
                let n = shape.iter().product::<u64>();
                Tensor::from_bits(dtype, shape, (0..n).map(|_| if c.one_in(4) { 0 } else { c.bits() & mask }))
            };
            let (amounts, before) = (of(&[t, k], &mut c), of(&[bins], &mut c));
            check_graph(&graph, &host, &[ids, amounts, before], &[t], t);
        }
    }
}

/// A gather that traps on the way to an id sets the error word, of few items and of many.
#[test]
fn counts_of_ids_that_trap_say_so() {
    let source = "route 1
graph @trapping {
  dim T
  input %ids : i32[T, 4]
  input %map : i32[8]
  %physical = gather %map, %ids {out_of_range = trap}
  %count = bin_count %physical {bins = 16}
  output count = %count
}
";
    let graph = text::parse_verified(source).expect("a right graph");
    let host = plan(&graph);
    let map = Tensor::from_i32(&[8], &[3, 15, 16, -1, 0, 0, 7, 9]);
    for t in [5u64, 31, 32, 33, 200] {
        for trapping in [None, Some(0), Some(4 * t as usize - 1)] {
            let mut ids: Vec<i32> = (0..4 * t as i32).map(|i| i * 5 % 8).collect();
            if let Some(at) = trapping {
                ids[at] = 8;
            }
            check_graph(&graph, &host, &[Tensor::from_i32(&[t, 4], &ids), map.clone()], &[t], t);
        }
    }
}

/// Few places look for their bin, and many are gone through bin by bin, which a step, empty bins and the end of the last one part
/// otherwise than pieces of rows.
#[test]
fn bins_of_few_and_of_many_places_are_the_same() {
    let mut c = Choices::seeded(22);
    for (bins, step, align, empty) in
        [(1u64, 1u64, 1, 0), (4, 3, 5, 0), (65, 64, 24, 1), (64, 1, 7, 0), (300, 16, 10, 0)]
    {
        let source = format!(
            "route 1\ngraph @bins {{\n  dim J\n  input %counts : i32[{bins}]\n  \
             %starts = bin_starts %counts {{align = {align}, empty = {empty}}}\n  \
             %bin = bin_of %starts {{shape = [J], step = {step}}}\n  output bin = %bin\n}}\n"
        );
        let graph = text::parse_verified(&source).unwrap_or_else(|e| panic!("{source}{e}"));
        let host = plan(&graph);
        for (kind, places) in about(bins / 4).into_iter().chain([16 * bins + 17, 1000, 1001, 999]).enumerate() {
            let most = [40, 3, 400, i32::MAX as u64 / 2][kind % 4];
            let count = |c: &mut Choices| if c.one_in(3) { 0 } else { c.range(0..most) as i32 };
            let counts: Vec<i32> = (0..bins).map(|_| count(&mut c)).collect();
            let inputs = [Tensor::from_i32(&[bins], &counts)];
            check_graph(&graph, &host, &inputs, &[places], places);
        }
    }
}

/// Ranks that are summed over a row are kept of the whole row; ranks that are stored beside places are counted; and where two
/// outputs have other extents, an item can have a place in one of them alone.
#[test]
fn ranks_are_more_than_places() {
    let graphs = [
        "%rank = bin_rank %ids {bins = 9}
  %most = reduce_max %rank {axis = 1}
  output most = %most
  output rank = %rank",
        "%count = bin_count %ids {bins = 9}
  %starts = bin_starts %count {align = 4}
  %rank = bin_rank %ids {bins = 9}
  %laid = bin_scatter %values, %ids, %starts, %a {shape = [C]}
  output laid = %laid
  output rank = %rank",
        "%count = bin_count %ids {bins = 9}
  %starts = bin_starts %count {align = 4}
  %laid = bin_scatter %values, %ids, %starts, %a {shape = [C]}
  %fewer = bin_scatter %ids, %ids, %starts, %b {shape = [20]}
  output laid = %laid
  output fewer = %fewer",
        "%count = bin_count %ids {bins = 9}
  %starts = bin_starts %count {stride = 6}
  %laid = bin_scatter %values, %ids, %starts, %a {shape = [C]}
  %beside = bin_scatter %ids, %ids, %starts, %b {shape = [C]}
  %sum = reduce_sum %values {axis = 1}
  output laid = %laid
  output beside = %beside
  output sum = %sum",
    ];
    let mut c = Choices::seeded(23);
    for (number, body) in graphs.into_iter().enumerate() {
        for k in [5u64, 33] {
            let dims = if body.contains("[C]") { "dim T\n  dim C" } else { "dim T" };
            let source = format!(
                "route 1\ngraph @ranks {{\n  {dims}\n  input %ids : i32[T, {k}]\n  input %values : i32[T, {k}]\n  \
                 %a = const {{dtype = i32, value = -5}}\n  %b = const {{dtype = i32, value = -6}}\n  {body}\n}}\n"
            );
            let graph = text::parse_verified(&source).unwrap_or_else(|e| panic!("{source}{e}"));
            let host = plan(&graph);
            for (kind, t) in [0u64, 1, 2, 9, 40].into_iter().enumerate() {
                let n = (t * k) as usize;
                let of = |numbers: Vec<i64>| {
                    Tensor::from_bits(DType::I32, &[t, k], numbers.iter().map(|x| *x as u32 as u64))
                };
                let inputs = [of(hostile(kind, n, 9, &mut c)), of(hostile(0, n, 9, &mut c))];
                let places = [n as u64 + 36, n as u64 / 2 + 1, 1][(kind + number) % 3];
                let extents = if body.contains("[C]") { vec![t, places] } else { vec![t] };
                check_graph(&graph, &host, &inputs, &extents, t);
            }
        }
    }
}

/// Ranks and places on a pool: parts of the rows go on from the counts of those before. More launches at once than have memory for
/// counts are done by a thread each.
#[test]
fn a_pool_shares_rows_that_are_done_in_order() {
    let graphs = [
        // Cursors; ranks that are stored; cursors that have no room in a frame; columns in a loop.
        ("i32", 8, 72, "output laid = %laid"),
        ("u8", 4, 9, "output laid = %laid\n  output rank = %rank"),
        ("i64", 2, 8000, "output laid = %laid"),
        ("i32", 40, 5, "output rank = %rank"),
    ];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("a pool");
    let mut c = Choices::seeded(24);
    for (dtype, k, bins, outputs) in graphs {
        let source = format!(
            "route 1\ngraph @shared {{\n  dim T\n  dim C\n  input %ids : {dtype}[T, {k}]\n  input %values : i32[T, {k}]\n  \
             input %before : i32[C]\n  %count = bin_count %ids {{bins = {bins}}}\n  %starts = bin_starts %count {{align = 4}}\n  \
             %rank = bin_rank %ids {{bins = {bins}}}\n  %laid = bin_scatter %values, %ids, %starts, %before {{shape = [C]}}\n  {outputs}\n}}\n"
        );
        let graph = text::parse_verified(&source).unwrap_or_else(|e| panic!("{source}{e}"));
        let host = plan(&graph);
        let dtype = DType::from_name(dtype).expect("a dtype");
        for (number, t) in [7, 100_000 / k, 133_333 / k].into_iter().enumerate() {
            let (n, kind) = ((t * k) as usize, [1, 1, 4][number]);
            let mask = u64::MAX >> (64 - dtype.bits());
            let ids = hostile(kind, n, bins, &mut c).into_iter().map(|id| id as u64 & mask);
            let ids = Tensor::from_bits(dtype, &[t, k], ids.collect::<Vec<_>>());
            let numbers = |n: u64| (0..n).map(|i| (i * 2_654_435_761) as u32 as u64).collect::<Vec<_>>();
            let places = [n as u64 + 4 * bins as u64, n as u64 / 2][number % 2];
            let inputs = [
                ids,
                Tensor::from_bits(DType::I32, &[t, k], numbers(t * k)),
                Tensor::from_bits(DType::I32, &[places], numbers(places)),
            ];
            let given = [("T", t), ("C", places)];
            let outputs = interp::run(&graph, &inputs, &given).expect("a run").outputs;
            let launch = |seed| {
                let mut rng = SmallRng::seed_from_u64(seed);
                let on_pool =
                    |plan: &HostPlan, args: &Args<'_>, space: &mut [u8]| plan.launch_on_with(&pool, args, space);
                launch::agree_by(on_pool, &host, &[t, places], &inputs, &outputs, &mut rng)
                    .unwrap_or_else(|e| panic!("{source}T = {t}: {e}"));
            };
            launch(t);
            let launch = &launch;
            std::thread::scope(|s| (0..3).for_each(|seed| drop(s.spawn(move || launch(seed)))));
        }
    }
}
