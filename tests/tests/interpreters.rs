//! Random graphs: the interpreter of graphs, and that of the fused and the unfused program, give the same bits. Needs no
//! compiler, so there are many of them.

use routefuse_tests::differential::{Counts, run, shard};
use routefuse_tests::generator::{generate, row_graph};

fn interpreters(number: u64) {
    let seeds = shard(8_000, number, 4);
    println!("graphs of seeds {seeds:?}");
    let counts = run(generate, seeds.clone(), 2, |_| Ok(()), |(), _, _, _, _| Ok(()));
    println!("{counts:?}");
    let Counts { valid, invalid, .. } = counts;
    assert_eq!(valid + invalid, seeds.end - seeds.start);
    assert!(invalid * 20 <= valid, "{counts:?}: the generator makes too many invalid graphs");
}

#[test]
fn first_quarter() {
    interpreters(0);
}

#[test]
fn second_quarter() {
    interpreters(1);
}

#[test]
fn third_quarter() {
    interpreters(2);
}

#[test]
fn last_quarter() {
    interpreters(3);
}

/// The same of graphs with operations on rows.
fn rows(number: u64) {
    let seeds = shard(5_000, number, 2);
    println!("graphs of seeds {seeds:?}");
    let counts = run(row_graph, seeds.clone(), 1, |_| Ok(()), |(), _, _, _, _| Ok(()));
    println!("{counts:?}");
    assert_eq!(counts.valid + counts.invalid, seeds.end - seeds.start);
    assert!(counts.invalid * 20 <= counts.valid, "{counts:?}: the generator makes too many invalid graphs");
}

#[test]
fn first_half_of_rows() {
    rows(0);
}

#[test]
fn last_half_of_rows() {
    rows(1);
}
