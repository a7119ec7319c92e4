//! Random graphs with operations on rows: interpreter of the graph, fused, unfused and host code give the same bits, on
//! guarded memory.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use routefuse::{Engine, Graph, Options, Plan, Target, Verified};
use routefuse_tests::differential::{run_of, shard};
use routefuse_tests::generator::row_graph;
use routefuse_tests::launch;
use std::sync::Arc;

/// Graphs that one `make test` compiles: those that `tests/interpreters.rs` runs, five minutes of a processor.
const GRAPHS: u64 = 5000;

fn host(number: u64) {
    let seeds = shard(GRAPHS, number, 8);
    println!("graphs of seeds {seeds:?}");
    let engine = Engine::builder().build().expect("an engine");
    let compile = |g: &Verified<Graph>| -> Result<Arc<Plan>, String> {
        engine.clear();
        let plan = engine.compile(g, &Target::host(), &Options::default()).map_err(|e| e.to_string())?;
        plan.prepare().map_err(|e| e.to_string())?;
        Ok(plan)
    };
    let counts = run_of(row_graph, seeds.clone(), 1, compile, |plan, extents, inputs, expected, seed| {
        let mut rng = SmallRng::seed_from_u64(seed ^ extents.iter().sum::<u64>());
        launch::agree(plan, extents, inputs, &expected.outputs, &mut rng).map_err(|e| format!("host: {e}"))
    });
    println!("{counts:?}");
    assert_eq!(counts.valid + counts.invalid, seeds.end - seeds.start);
    assert!(counts.invalid * 20 <= counts.valid, "{counts:?}: the generator makes too many invalid graphs");
}

macro_rules! shards {
    ($($name:ident = $number:literal,)+) => { $(
        #[test]
        fn $name() {
            host($number);
        }
    )+ };
}

shards! {
    eighth_1 = 0,
    eighth_2 = 1,
    eighth_3 = 2,
    eighth_4 = 3,
    eighth_5 = 4,
    eighth_6 = 5,
    eighth_7 = 6,
    eighth_8 = 7,
}
