//! Random graphs: the interpreter of graphs, and that of the fused and the unfused program, give the same bits. Needs no
//! compiler, so there are many of them.

use routefuse_generate::graph::Profile;
use routefuse_tests::differential::{Counts, run, shard};

/// Graphs in which nothing crosses columns, two launches of each.
const GRAPHS: u64 = 8_000;

/// Graphs with operations on rows, one launch of each.
const ROW_GRAPHS: u64 = 5_000;

/// Graphs that cross rows, one launch of each.
const BIN_GRAPHS: u64 = 1_000;

fn interpreters(profile: &Profile, graphs: u64, launches: usize, (number, shards): (u64, u64)) {
    let seeds = shard(graphs, number, shards);
    println!("graphs of seeds {seeds:?}");
    let counts = run(profile, seeds.clone(), launches, |_| Ok(()), |(), _, _, _, _| Ok(()));
    println!("{counts:?}");
    let Counts { valid, invalid, .. } = counts;
    assert_eq!(valid + invalid, seeds.end - seeds.start);
    assert!(invalid * 20 <= valid, "{counts:?}: the generator makes too many invalid graphs");
}

/// Tests that share the seeds.
macro_rules! shards {
    ($profile:expr, $graphs:ident, $launches:literal, $shards:literal: $($name:ident $number:literal)+) => { $(
        #[test]
        fn $name() {
            interpreters(&$profile, $graphs, $launches, ($number, $shards));
        }
    )+ };
}

shards! { Profile::FLAT, GRAPHS, 2, 8:
    graphs_1 0 graphs_2 1 graphs_3 2 graphs_4 3 graphs_5 4 graphs_6 5 graphs_7 6 graphs_8 7
}

shards! { Profile::ROWS, ROW_GRAPHS, 1, 8:
    rows_1 0 rows_2 1 rows_3 2 rows_4 3 rows_5 4 rows_6 5 rows_7 6 rows_8 7
}

shards! { Profile::BINS, BIN_GRAPHS, 1, 2:
    bins_1 0 bins_2 1
}
