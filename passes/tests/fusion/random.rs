//! Random graphs: every form of each gives the same bits, in the order that the launches have and with outputs in the
//! memory of inputs.

use crate::agreement::agree;
use routefuse_generate::Choices;
use routefuse_generate::graph::{Profile, generate};
use routefuse_ir::kernel::Kernel;
use routefuse_ir::kernel::schedule::{Piece, RowShape, Schedule};
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::{Alias, Graph, Op, Verified};
use routefuse_passes::fuse::{Fusion, Reason, fuse};
use routefuse_passes::schedule::schedule_of;

fn graph(choices: &mut Choices, profile: &Profile) -> Verified<Graph> {
    generate(choices, profile).graph.unwrap_or_else(|d| panic!("an invalid graph was made: {d}"))
}

/// Every seed is printed by a failure; `agree` takes it again.
fn run(seeds: std::ops::Range<u64>, profile: &Profile) {
    let mut kernels = 0;
    let mut ops = 0;
    let seed = std::env::var("ROUTEFUSE_SEED").ok().and_then(|s| s.parse::<u64>().ok());
    let seeds = seed.map_or(seeds, |s| s..s + 1);
    for seed in seeds {
        let mut choices = Choices::seeded(seed);
        let g = graph(&mut choices, profile);
        let extents = [("T", choices.of(&[0, 1, 2, 5])), ("U", choices.of(&[1, 3]))];
        let fusion = agree(&g, &extents, seed);
        fusion.program.steps.iter().for_each(|s| scheduled(&s.kernel));
        kernels += fusion.program.steps.len();
        ops += g.op_count();
    }
    if seed.is_some() {
        return;
    }
    assert!(kernels > 0 && ops > kernels, "{ops} operations in {kernels} kernels: nothing was fused");
}

/// Tests that share the seeds.
macro_rules! shards {
    ($profile:expr; $($name:ident $seeds:expr;)+) => { $(
        #[test]
        fn $name() {
            run($seeds, &$profile);
        }
    )+ };
}

shards! { Profile::SMALL;
    random_graphs_agree_0 0..250;
    random_graphs_agree_1 250..500;
}

shards! { Profile::SMALL_ROWS;
    random_row_graphs_agree_0 0..500;
    random_row_graphs_agree_1 500..1000;
    random_row_graphs_agree_2 1000..1500;
    random_row_graphs_agree_3 1500..2000;
}

shards! { Profile { max_row: 200, ..Profile::BINS };
    random_graphs_of_bins_agree_0 0..500;
    random_graphs_of_bins_agree_1 500..1000;
}

/// A donation is taken where it costs nothing and otherwise is not: the program is never more than that of outputs apart from
/// all inputs, and every donation that is not taken is said.
#[test]
fn f17_donations_never_cost_more_than_memory_of_their_own() {
    let (mut donations, mut taken) = (0, 0);
    for seed in 0..2000 {
        let g = graph(&mut Choices::seeded(seed), if seed % 2 == 0 { &Profile::SMALL } else { &Profile::SMALL_ROWS });
        // What is counted into an input lies there and nowhere else.
        if g.nodes().any(|node| matches!(node.op, Op::AtomicAdd)) {
            continue;
        }
        let with = |alias: fn(usize) -> Alias| {
            let mut g = (*g).clone();
            for output in &mut g.outputs {
                if let Alias::InPlace(input) | Alias::Donates(input) = output.alias {
                    output.alias = alias(input);
                }
            }
            let g = g.verify().unwrap_or_else(|d| panic!("seed {seed}: {d}"));
            fuse(&g, |_| false).unwrap_or_else(|d| panic!("seed {seed}: {d}"))
        };
        let (apart, donated) = (with(|_| Alias::None), with(Alias::Donates));
        let size = |f: &Fusion| (f.program.steps.len(), f.program.intermediates.len());
        assert!(size(&donated).0 <= size(&apart).0 && size(&donated).1 <= size(&apart).1, "seed {seed}");
        let asked = g.outputs.iter().filter(|o| matches!(o.alias, Alias::InPlace(_) | Alias::Donates(_))).count();
        let given = donated.program.outputs.iter().filter(|o| matches!(o.alias, Alias::Donates(_))).count();
        let said = donated.cuts.iter().filter(|c| matches!(c.reason, Reason::Apart { .. })).count();
        assert_eq!(given + said, asked, "seed {seed}");
        donations += asked;
        taken += given;
    }
    assert!(taken > 100 && donations > taken, "{donations} donations, {taken} taken");
}

/// What code generation takes for granted of a schedule.
fn scheduled(kernel: &Kernel) {
    for target in ["host", "sm_90", "gfx942", "gfx1100"].map(|t| Target::named(t).unwrap()) {
        let schedule = schedule_of(kernel, target);
        let host = target.kind() == TargetKind::Host;
        let (Schedule::Flat { domains, .. } | Schedule::Row { domains, .. }) = &schedule else { panic!("{schedule}") };
        let mut stores: Vec<u32> = domains.iter().flat_map(|d| d.stores.clone()).collect();
        stores.sort_unstable();
        assert_eq!(stores, (0..kernel.stores.len() as u32).collect::<Vec<u32>>(), "{schedule}\n{kernel}");
        for d in domains {
            assert!(d.stores.iter().all(|s| kernel.store_cols(&kernel.stores[*s as usize]) == d.cols), "{schedule}");
            let adds = d.stores.iter().any(|s| kernel.stores[*s as usize].add_at.is_some());
            let whole = matches!(d.piece, Piece::InRow { width } if host || d.cols.is_multiple_of(u64::from(width)));
            assert!(whole || (!adds && matches!(schedule, Schedule::Flat { .. })) || host, "{schedule}\n{kernel}");
        }
        assert_eq!(matches!(schedule, Schedule::Row { .. }), kernel.has_row_values());
        let Schedule::Row { shapes, held, .. } = &schedule else { continue };
        for RowShape { lanes, threads, .. } in shapes.iter().copied() {
            let warp = target.info().warp;
            assert!(lanes.is_power_of_two() && threads % lanes == 0 && threads % warp == 0, "{schedule}");
            assert!(lanes <= warp || lanes == threads, "{schedule}");
            assert!(threads <= target.info().max_threads, "{schedule}");
        }
        // Every wide operand of a row value is kept: it is loaded and computed once a row.
        assert!(held.is_sorted() && held.iter().all(|v| !kernel.value(*v).kind.is_row_value()));
        for (_, v) in kernel.values().filter(|(_, v)| v.kind.is_row_value()) {
            let operand = v.kind.operands()[0];
            let kept = kernel.value(operand).kind.is_row_value() || held.contains(&operand);
            assert!(kept || kernel.value(operand).space.cols == 1, "{schedule}\n{kernel}");
        }
    }
}

/// The generator reaches every operation on rows and across them, in kernels with others, or the tests above say less than they seem to.
#[test]
fn random_row_graphs_hold_every_operation_on_rows() {
    let mut seen = std::collections::BTreeMap::new();
    for seed in 0..2000 {
        let profile = if seed % 2 == 0 { Profile::SMALL_ROWS } else { Profile { max_row: 200, ..Profile::BINS } };
        let g = graph(&mut Choices::seeded(seed), &profile);
        for n in g.nodes() {
            *seen.entry(n.op.mnemonic()).or_insert(0) += 1;
        }
    }
    let table = routefuse_ir::op::table::OPS.iter().map(|o| o.mnemonic);
    let first = table.clone().position(|m| m == "reduce_sum").unwrap();
    for op in table.skip(first) {
        assert!(seen.get(op).is_some_and(|n| *n > 5), "{op}: {:?}", seen.get(op));
    }
}
