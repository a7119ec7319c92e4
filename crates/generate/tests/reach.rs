//! What each profile reaches: every operation, in at least as many dtypes and shapes as the tests over it rely on.
//!
//! The floors are what the generators reached that this crate replaced. `--nocapture` prints the whole tables.

use routefuse_generate::Choices;
use routefuse_generate::coverage::{Coverage, KINDS};
use routefuse_generate::graph::{self, Family, Generated, Profile};
use routefuse_generate::kernel;
use routefuse_ir::op::table::OPS;
use routefuse_ir::op::{BinaryOp, CompareOp, UnaryOp};
use std::collections::BTreeSet;

/// Of this many graphs or kernels, how often each operation, in how many dtypes and classes all together.
struct Floor {
    /// Least number of each operation that is expected.
    each: u64,
    /// Least number of pairs of an operation and a dtype.
    dtypes: usize,
    /// Least number of triples of an operation, a dtype and a shape class.
    classes: usize,
}

fn check(name: &str, coverage: &Coverage, expected: &[&str], floor: &Floor) {
    println!("{name}\n{coverage}\n");
    let rare: Vec<_> = expected.iter().map(|op| (op, coverage.count(op))).filter(|(_, n)| *n < floor.each).collect();
    assert!(rare.is_empty(), "{name}: {rare:?} are made less than {} times", floor.each);
    assert!(coverage.dtypes() >= floor.dtypes, "{name}: {} operations by dtype", coverage.dtypes());
    assert!(coverage.classes() >= floor.classes, "{name}: {} operations by class", coverage.classes());
}

/// Every mnemonic of the table.
fn all() -> Vec<&'static str> {
    OPS.iter().map(|o| o.mnemonic).collect()
}

/// Those that keep to their row.
fn within_rows() -> Vec<&'static str> {
    all().into_iter().take_while(|m| *m != "bin_count").collect()
}

/// Those that graphs without operations on rows have.
fn within_columns() -> Vec<&'static str> {
    let rows = all().into_iter().skip_while(|m| *m != "reduce_sum").collect::<Vec<_>>();
    all().into_iter().filter(|m| !rows.contains(m)).collect()
}

const SPECIAL: [&str; 6] = ["contiguous", "rows", "strided", "in place", "donates", "guarded"];

/// Coverage of graphs; at most one of twenty may be refused by the verifier.
fn of(graphs: impl Iterator<Item = Generated>) -> Coverage {
    let (mut coverage, mut refused) = (Coverage::default(), 0);
    for generated in graphs {
        match generated.graph {
            Ok(g) => coverage.add_graph(&g),
            Err(_) => refused += 1,
        }
    }
    assert!(refused * 20 <= coverage.added, "{refused} refused, {} valid", coverage.added);
    coverage
}

fn seeded(profile: &Profile, seeds: u64) -> Coverage {
    of((0..seeds).map(|seed| graph::of_seed(seed, profile)))
}

/// Graphs of lists, as property tests and fuzzers give them.
fn listed(profile: &Profile, lists: u64, longest: u64) -> Coverage {
    of((0..lists).map(|seed| {
        let mut c = Choices::seeded(seed);
        let words: Vec<u64> = (0..c.range(20..longest)).map(|_| c.bits()).collect();
        graph::generate(&mut Choices::of_words(&words), profile)
    }))
}

#[test]
fn graphs_without_operations_on_rows() {
    let coverage = seeded(&Profile::FLAT, 2000);
    let expected = [within_columns(), SPECIAL.to_vec(), vec!["no symbol", "two symbols"]].concat();
    check("flat", &coverage, &expected, &Floor { each: 80, dtypes: 349, classes: 2106 });
}

#[test]
fn graphs_with_operations_on_rows() {
    let coverage = seeded(&Profile::ROWS, 2000);
    check(
        "rows",
        &coverage,
        &[within_rows(), SPECIAL.to_vec()].concat(),
        &Floor { each: 20, dtypes: 410, classes: 1950 },
    );
}

#[test]
fn graphs_with_operations_on_bins() {
    let coverage = seeded(&Profile::BINS, 2000);
    check("bins", &coverage, &[all(), SPECIAL.to_vec()].concat(), &Floor { each: 5, dtypes: 300, classes: 1000 });
}

#[test]
fn graphs_for_printers_and_parsers() {
    let coverage = listed(&Profile::TEXT, 500, 800);
    check("text", &coverage, &[all(), SPECIAL.to_vec()].concat(), &Floor { each: 5, dtypes: 252, classes: 1306 });
}

#[test]
fn graphs_for_rewriting_rules() {
    let coverage = listed(&Profile::RULES, 1000, 500);
    check(
        "rules",
        &coverage,
        &[within_rows(), SPECIAL.to_vec()].concat(),
        &Floor { each: 30, dtypes: 395, classes: 1636 },
    );
}

#[test]
fn small_graphs() {
    let coverage = seeded(&Profile::SMALL, 500);
    check("small", &coverage, &within_columns(), &Floor { each: 10, dtypes: 227, classes: 1217 });
    let coverage = seeded(&Profile::SMALL_ROWS, 2000);
    let expected = [within_rows(), SPECIAL.to_vec()].concat();
    check("small rows", &coverage, &expected, &Floor { each: 20, dtypes: 281, classes: 1585 });
}

/// A fuzzer's bytes make what seeds make.
#[test]
fn graphs_of_bytes() {
    let graphs = (0..1000).map(|seed| {
        let mut c = Choices::seeded(seed);
        let bytes: Vec<u8> = (0..c.range(40..800)).map(|_| c.bits() as u8).collect();
        graph::generate(&mut Choices::of_bytes(&bytes), &Profile::ROWS)
    });
    check("bytes", &of(graphs), &within_rows(), &Floor { each: 5, dtypes: 350, classes: 1300 });
}

/// Every scalar operation, by the lists from which kernels draw them.
fn scalar() -> Vec<&'static str> {
    let one = UnaryOp::ALL.iter().map(|x| x.1).chain(CompareOp::ALL.iter().map(|x| x.1));
    let two = BinaryOp::ALL.iter().map(|x| x.1);
    one.chain(two).chain(["fma", "select", "cast", "bitcast", "philox"]).collect()
}

#[test]
fn kernels_without_row_values() {
    let mut coverage = Coverage::default();
    for seed in 0..1000 {
        coverage.add_kernel(&kernel::generate(&mut Choices::seeded(seed), &kernel::Profile::FLAT).kernel);
    }
    let kinds = KINDS.iter().copied().take_while(|k| *k != "reduce_sum").collect();
    let expected = [kinds, scalar(), vec!["adding store", "error word"]].concat();
    check("kernels", &coverage, &expected, &Floor { each: 2, dtypes: 245, classes: 980 });
}

#[test]
fn kernels_with_row_values() {
    let mut coverage = Coverage::default();
    for seed in 0..1000 {
        let mut c = Choices::seeded(seed);
        let profile = kernel::Profile::any_rows(&mut c);
        coverage.add_kernel(&kernel::generate(&mut c, &profile).kernel);
    }
    let expected = [KINDS.to_vec(), scalar(), vec!["adding store", "error word"]].concat();
    check("kernels on rows", &coverage, &expected, &Floor { each: 1, dtypes: 285, classes: 1020 });
}

/// Every family of operations is proposed by some profile.
#[test]
fn every_family() {
    let of = |profile: Profile| (0..300).filter_map(move |seed| graph::of_seed(seed, &profile).graph.ok());
    let graphs = of(Profile::ROWS).chain(of(Profile::TEXT));
    let seen: BTreeSet<Family> =
        graphs.flat_map(|g| g.nodes().map(|n| Family::of(&n.op)).collect::<Vec<_>>()).collect();
    assert_eq!(seen.len(), 10, "{seen:?}");
}

/// Equal choices make equal graphs and kernels, or no failure could be seen again.
#[test]
fn equal_choices_make_equal_graphs() {
    for seed in 0..50 {
        let text = |profile| graph::of_seed(seed, profile).graph.map(|g| routefuse_ir::text::print(&g)).ok();
        assert_eq!(text(&Profile::ROWS), text(&Profile::ROWS));
        let kernel = || kernel::generate(&mut Choices::seeded(seed), &kernel::Profile::ROWS);
        let (a, b) = (kernel(), kernel());
        assert!(*a.kernel == *b.kernel && a.gpu == b.gpu && a.host == b.host);
    }
}

/// What is shrunk stays a graph, down to the empty list.
#[test]
fn every_front_of_a_list_is_a_graph() {
    let mut c = Choices::seeded(5);
    let words: Vec<u64> = (0..300).map(|_| c.bits()).collect();
    let mut before = 0;
    for length in 0..words.len() {
        let g = graph::generate(&mut Choices::of_words(&words[..length]), &Profile::RULES).graph;
        let g = g.unwrap_or_else(|e| panic!("{length} words: {e}"));
        assert!(!g.outputs.is_empty());
        before = before.max(g.op_count());
    }
    assert!(before > 15, "{before} operations at most");
}
