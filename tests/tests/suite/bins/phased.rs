//! What crosses rows, as phases of one launch and of two: the same bits, in the emulator, whatever the number of items.

use super::{KINDS, align, hostile, ids, loops};
use crate::amd;
use loops::Layout;
use routefuse::DType;
use routefuse_generate::Choices;
use routefuse_ir::kernel::schedule::Schedule;
use routefuse_tests::emulator::Emulator;
use routefuse_tests::skips::skip;

/// Shapes of experts, slots and blocks, and rows: none, few, as many as a block takes and one more, several turns of a warp, and
/// every block with a part.
const CASES: [((u64, u64, u64), [u64; 3]); 4] =
    [((1, 1, 1), [0, 65, 130]), ((8, 6, 3), [1, 87, 200]), ((257, 10, 16), [0, 3, 52]), ((896, 22, 1), [1, 2, 24])];

fn phases(target: &str) {
    let Some(mut emulator) = Emulator::find() else {
        return skip(amd::NO_EMULATOR, 3 * CASES.len() as u64, amd::REQUIRED);
    };
    let mut c = Choices::seeded(19);
    for (i, ((e, k, block), rows)) in CASES.into_iter().enumerate() {
        let graph = align(e, k, block);
        let compiled = amd::compile(&graph, target);
        assert!(matches!(compiled.kernels()[0].schedule, Schedule::Phased { .. }) && compiled.kernels().len() == 1);
        // One launch and two, for what is aligned and for any; whichever is first.
        let parts = [0, 1, 2, 3].map(|variant| compiled.of_variant(variant));
        assert_eq!(parts.each_ref().map(Vec::len), [1, 1, 2, 2]);
        for (j, t) in rows.into_iter().enumerate() {
            let n = t * k;
            let numbers = hostile((i + j) % KINDS, n as usize, e as i64, &mut c);
            let most = (n * block).min(n + e * (block - 1)).max(1);
            let capacity = [most, most + 129, (most - 1).max(1)][j % 3];
            let layout = Layout { t, k, capacity, blocks: capacity.div_ceil(block) };
            let case = loops::aligned(&layout, &numbers, ids(DType::I32, t, k, &numbers), (e, block));
            let extents = [t, capacity, layout.blocks];
            for artifacts in [&parts[(i + j) % 2], &parts[2 + (i + j) % 2]] {
                let ran = amd::launch_on(&mut emulator, &graph, &compiled, artifacts, &extents, &case.inputs, t);
                assert!(ran, "{target}, E = {e}, T = {t}");
            }
        }
    }
}

#[test]
fn gfx942_has_the_bits_in_one_launch_and_in_two() {
    phases("gfx942");
}

#[test]
fn gfx1100_has_the_bits_in_one_launch_and_in_two() {
    phases("gfx1100");
}
