//! Random graphs: every form of each gives the same bits, in the order that the launches have and with outputs in the
//! memory of inputs.

use crate::agreement::{Random, agree};
use crate::generator::graph;

/// Every seed is printed by a failure; `agree` takes it again.
fn run(seeds: std::ops::Range<u64>) {
    let mut kernels = 0;
    let mut ops = 0;
    for seed in seeds {
        let mut r = Random(seed);
        let size = 1 + r.below(14);
        let g = graph(&mut r, size);
        let extents = [("T", [0, 1, 2, 5][r.below(4) as usize]), ("N", [1, 3][r.below(2) as usize])];
        let fusion = agree(&g, &extents, seed);
        kernels += fusion.program.steps.len();
        ops += g.op_count();
    }
    assert!(kernels > 0 && ops > kernels, "{ops} operations in {kernels} kernels: nothing was fused");
}

#[test]
fn random_graphs_agree_0() {
    run(0..250);
}

#[test]
fn random_graphs_agree_1() {
    run(250..500);
}
