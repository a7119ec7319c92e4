//! Random graphs, and random graphs with operations on rows: interpreter of the graph, fused, unfused and host code give the
//! same bits, on guarded memory.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use routefuse::{Engine, Options, Plan, Target};
use routefuse_generate::graph::Profile;
use routefuse_tests::differential::{run, shard};
use routefuse_tests::launch;
use std::sync::Arc;

/// Graphs that one `make test` runs.
const GRAPHS: u64 = 2080;

/// And with operations on rows: those that `tests/interpreters.rs` runs, some minutes of a processor.
const ROW_GRAPHS: u64 = 5000;

/// And with operations across rows.
const BIN_GRAPHS: u64 = 600;

fn host(profile: &Profile, graphs: u64, launches: usize, (number, shards): (u64, u64)) {
    let seeds = shard(graphs, number, shards);
    println!("graphs of seeds {seeds:?}");
    let engine = Engine::builder().build().expect("an engine");
    let compile = |g: &routefuse::Verified<routefuse::Graph>| -> Result<Arc<Plan>, String> {
        engine.clear();
        let plan = engine.compile(g, &Target::host(), &Options::default()).map_err(|e| e.to_string())?;
        plan.prepare().map_err(|e| e.to_string())?;
        Ok(plan)
    };
    let counts = run(profile, seeds.clone(), launches, compile, |plan, extents, inputs, expected, seed| {
        let mut rng = SmallRng::seed_from_u64(seed ^ extents.iter().sum::<u64>());
        launch::agree(plan, extents, inputs, &expected.outputs, &mut rng).map_err(|e| format!("host: {e}"))
    });
    println!("{counts:?}");
    assert_eq!(counts.valid + counts.invalid, seeds.end - seeds.start);
    assert!(counts.invalid * 20 <= counts.valid, "{counts:?}: the generator makes too many invalid graphs");
}

/// Tests that share the seeds: each takes seconds, not a minute, on a slow and busy machine too.
macro_rules! shards {
    ($profile:expr, $graphs:ident, $launches:literal, $shards:literal: $($name:ident $number:literal)+) => { $(
        #[test]
        fn $name() {
            host(&$profile, $graphs, $launches, ($number, $shards));
        }
    )+ };
}

shards! { Profile::FLAT, GRAPHS, 3, 8:
    graphs_1 0 graphs_2 1 graphs_3 2 graphs_4 3 graphs_5 4 graphs_6 5 graphs_7 6 graphs_8 7
}

shards! { Profile::ROWS, ROW_GRAPHS, 1, 16:
    rows_01 0 rows_02 1 rows_03 2 rows_04 3 rows_05 4 rows_06 5 rows_07 6 rows_08 7
    rows_09 8 rows_10 9 rows_11 10 rows_12 11 rows_13 12 rows_14 13 rows_15 14 rows_16 15
}

shards! { Profile::BINS, BIN_GRAPHS, 1, 3:
    bins_1 0 bins_2 1 bins_3 2
}
