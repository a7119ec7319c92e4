//! Canonicalisation keeps every bit, and ranges hold, on random graphs over inputs that hurt.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_generate::graph::{Profile, generate};
use routefuse_ir::{Alias, Graph, Layout, NodeId, Op, Verified, graph::Output, interp, text};
use routefuse_passes::canonicalise::{canonicalise, fingerprint};
use routefuse_passes::range::Ranges;

const ROWS: [u64; 3] = [0, 1, 5];

/// The graph of these numbers; gathers trap only if they may.
fn graph(words: &[u64], traps: bool) -> Verified<Graph> {
    let generated = generate(&mut Choices::of_words(words), &Profile { traps, ..Profile::RULES });
    generated.graph.unwrap_or_else(|d| panic!("the generator made an invalid graph: {d}"))
}

/// Every integer and bool of the graph lies where its range says.
fn ranges_hold(g: &Verified<Graph>, seed: u64) {
    let ranges = Ranges::of(g);
    let mut all = Graph::clone(g);
    // What is added to nobody else reads.
    let adds = |o: &&Output| matches!(g.node(o.node).op, Op::AtomicAdd);
    let additions: Vec<Output> = all.outputs.iter().filter(adds).cloned().collect();
    let counts: Vec<NodeId> = additions.iter().flat_map(|o| [o.node, g.operands(o.node)[0]]).collect();
    let known = |n: &NodeId| ranges.get(*n).is_some() && !counts.contains(n);
    let nodes: Vec<NodeId> = all.node_ids().filter(known).collect();
    let output = |n: &NodeId| Output {
        name: format!("o{}", n.index()),
        node: *n,
        layout: Layout::Contiguous,
        alias: Alias::None,
        span: None,
    };
    all.outputs = nodes.iter().map(output).chain(additions).collect();
    let printed = text::print(&all);
    let all = all.verify().unwrap_or_else(|d| panic!("{d}\n{printed}"));
    for rows in ROWS {
        let outcome = interp::run(&all, &inputs(&all, &[rows], Rule::Edges, seed), &[("T", rows)]).unwrap();
        for (node, tensor) in nodes.iter().zip(&outcome.outputs) {
            let range = ranges.get(*node).unwrap();
            for i in 0..tensor.len() {
                let value = tensor.get(i).as_int().unwrap();
                assert!(range.holds(value), "{value} is not in {range}: {}\n{}", g.node_text(*node), text::print(g));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn canonical_graphs_compute_the_same_bits(
        words in proptest::collection::vec(any::<u64>(), 20..500),
        seed in any::<u64>(),
        trap in any::<bool>(),
    ) {
        let before = graph(&words, trap);
        let (after, reports) = canonicalise(before.clone()).unwrap();
        for rows in ROWS {
            let arguments = inputs(&before, &[rows], Rule::Edges, seed ^ rows);
            let run = |g: &Verified<Graph>| interp::run(g, &arguments, &[("T", rows)]).unwrap();
            prop_assert_eq!(run(&before), run(&after), "T = {}\n{}\n{}", rows, text::print(&before), text::print(&after));
        }
        // What is canonical stays as it is.
        let print = fingerprint(&after);
        let (again, second) = canonicalise(after).unwrap();
        prop_assert!(second.iter().all(|r| !r.changed), "{:?}\n{:?}\n{}", reports, second, text::print(&again));
        prop_assert_eq!(fingerprint(&again), print);
        // It is text as well.
        prop_assert!(again.same_as(&text::parse(&text::print(&again)).unwrap()));
    }

    #[test]
    fn values_lie_in_their_ranges(words in proptest::collection::vec(any::<u64>(), 20..500), seed in any::<u64>()) {
        let before = graph(&words, false);
        ranges_hold(&before, seed);
        ranges_hold(&canonicalise(before).unwrap().0, seed);
    }
}

/// The generator reaches every operation, or the properties say less than they seem to.
#[test]
fn random_graphs_hold_every_operation() {
    let mut seen = std::collections::BTreeSet::new();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..600 {
        let words = proptest::collection::vec(any::<u64>(), 400).new_tree(&mut runner).unwrap().current();
        let g = graph(&words, true);
        seen.extend(g.nodes().map(|n| n.op.mnemonic()));
    }
    // Those on bins are of graphs of their own, which `fusion` holds to the interpreter.
    let within_rows = routefuse_ir::op::table::OPS.iter().map(|o| o.mnemonic).take_while(|m| *m != "bin_count");
    let missing: Vec<_> = within_rows.filter(|m| !seen.contains(m)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
