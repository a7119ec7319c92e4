//! Random graphs, and random graphs with operations on rows: interpreter of the graph, fused, unfused and host code give the
//! same bits, on guarded memory.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use routefuse::{Engine, Options, Plan, Target};
use routefuse_tests::differential::{run, shard};
use routefuse_tests::generator::{Generated, generate, row_graph};
use routefuse_tests::launch;
use std::sync::Arc;

/// Graphs that one `make test` runs.
const GRAPHS: u64 = 2080;

/// And with operations on rows: those that `tests/interpreters.rs` runs, five minutes of a processor.
const ROW_GRAPHS: u64 = 5000;

fn host(make: fn(u64) -> Generated, graphs: u64, launches: usize, number: u64) {
    let seeds = shard(graphs, number, 8);
    println!("graphs of seeds {seeds:?}");
    let engine = Engine::builder().build().expect("an engine");
    let compile = |g: &routefuse::Verified<routefuse::Graph>| -> Result<Arc<Plan>, String> {
        engine.clear();
        let plan = engine.compile(g, &Target::host(), &Options::default()).map_err(|e| e.to_string())?;
        plan.prepare().map_err(|e| e.to_string())?;
        Ok(plan)
    };
    let counts = run(make, seeds.clone(), launches, compile, |plan, extents, inputs, expected, seed| {
        let mut rng = SmallRng::seed_from_u64(seed ^ extents.iter().sum::<u64>());
        launch::agree(plan, extents, inputs, &expected.outputs, &mut rng).map_err(|e| format!("host: {e}"))
    });
    println!("{counts:?}");
    assert_eq!(counts.valid + counts.invalid, seeds.end - seeds.start);
    assert!(counts.invalid * 20 <= counts.valid, "{counts:?}: the generator makes too many invalid graphs");
}

macro_rules! shards {
    ($($name:ident, $rows:ident = $number:literal;)+) => { $(
        #[test]
        fn $name() {
            host(generate, GRAPHS, 3, $number);
        }

        #[test]
        fn $rows() {
            host(row_graph, ROW_GRAPHS, 1, $number);
        }
    )+ };
}

shards! {
    eighth_1, rows_1 = 0;
    eighth_2, rows_2 = 1;
    eighth_3, rows_3 = 2;
    eighth_4, rows_4 = 3;
    eighth_5, rows_5 = 4;
    eighth_6, rows_6 = 5;
    eighth_7, rows_7 = 6;
    eighth_8, rows_8 = 7;
}
