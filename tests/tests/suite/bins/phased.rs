//! What crosses rows, as phases of one launch and of two: the same bits, in the emulator, whatever the number of items.

use crate::amd;
use routefuse::chains::{Align as Layout, AlignEngine, Duplicates, LocalExperts, Tail};
use routefuse::text;
use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_ir::kernel::analysis::counts_alone;
use routefuse_ir::kernel::schedule::Schedule;
use routefuse_tests::bins::{Align, KINDS, Size};
use routefuse_tests::corpus::root;
use routefuse_tests::emulator::Emulator;
use routefuse_tests::skips::skip;

/// Shapes of experts, slots and blocks, and rows: none, few, as many as a block takes and one more, several turns of a warp, and
/// every block with a part.
const CASES: [((u64, u64, u64), [u64; 3]); 4] =
    [((1, 1, 1), [0, 65, 130]), ((8, 6, 3), [1, 87, 200]), ((257, 10, 16), [0, 3, 52]), ((896, 22, 1), [1, 2, 24])];

/// The same, and rows of which one block has all: none, one, and as many as there may be.
const FEW: [((u64, u64, u64), [u64; 3]); 5] = [
    ((1, 1, 1), [0, 31, 32]),
    ((8, 6, 3), [0, 1, 5]),
    ((257, 10, 16), [1, 2, 3]),
    ((896, 22, 1), [0, 1, 1]),
    ((256, 8, 64), [1, 3, 4]),
];

fn phases(target: &str) {
    let Some(mut emulator) = Emulator::find() else {
        return skip(amd::NO_EMULATOR, 3 * CASES.len() as u64, amd::REQUIRED);
    };
    let mut c = Choices::seeded(19);
    for (i, ((e, k, block), rows)) in CASES.into_iter().enumerate() {
        let align = Align::new(e, k, block);
        let graph = align.graph();
        let compiled = amd::compile(&graph, target);
        assert!(matches!(compiled.kernels()[0].schedule, Schedule::Phased { .. }) && compiled.kernels().len() == 1);
        // One launch and two, for what is aligned and for any; whichever is first.
        let parts = [0, 1, 2, 3].map(|variant| compiled.of_variant(variant));
        assert_eq!(parts.each_ref().map(Vec::len), [1, 1, 2, 2]);
        for (j, t) in rows.into_iter().enumerate() {
            let (case, extents) = align.case(t, i + j, Size::of(j), &mut c);
            for artifacts in [&parts[(i + j) % 2], &parts[2 + (i + j) % 2]] {
                let ran = amd::launch_on(&mut emulator, &graph, &compiled, artifacts, &extents, &case.inputs, t);
                assert!(ran, "{target}, E = {e}, T = {t}");
            }
        }
    }
}

/// Layouts of the corpus that count several things, count alone, rank alone, or leave what is behind the last block.
fn layouts(target: &str) {
    let names = ["deepep_layout", "deepgemm_masked_ranks", "kept_tail_alone", "trtllm_routing"];
    let Some(mut emulator) = Emulator::find() else {
        return skip(amd::NO_EMULATOR, 4 * names.len() as u64, amd::REQUIRED);
    };
    for (i, name) in names.into_iter().enumerate() {
        let path = root().join(format!("tests/corpus/bins_{name}.route"));
        let graph = text::parse_verified(&std::fs::read_to_string(path).expect("a file")).expect("a right graph");
        let compiled = amd::compile(&graph, target);
        let [kernel] = compiled.kernels() else { panic!("{name} is {} kernels", compiled.kernels().len()) };
        assert!(matches!(kernel.schedule, Schedule::Phased { .. }), "{name}");
        for (j, t) in [0, 1, 33, 70].into_iter().enumerate() {
            let mut extents = vec![t; graph.symbols.len()];
            extents.iter_mut().skip(1).for_each(|places| *places = 4 * t + 51);
            let artifacts = compiled.of_variant(2 * (j % 2) + (i + j / 2) % 2);
            let inputs = inputs(&graph, &extents, [Rule::Ids, Rule::Mixed][j % 2], t);
            let few = kernel.schedule.takes(3, t).then(|| compiled.of_variant_for(6 + i % 2, t));
            for artifacts in std::iter::once(artifacts).chain(few) {
                let ran = amd::launch_on(&mut emulator, &graph, &compiled, &artifacts, &extents, &inputs, t);
                assert!(ran, "{target}, {name}, T = {t}");
            }
        }
    }
}

/// Layouts whose items are made of a whole row, of which an id that was there before is none, and those that number a mask's experts
/// in front of the items: by each schedule.
fn options(target: &str) {
    let Some(mut emulator) = Emulator::find() else {
        return skip(amd::NO_EMULATOR, 3 * AlignEngine::ALL.len() as u64, amd::REQUIRED);
    };
    for (i, engine) in AlignEngine::ALL.into_iter().enumerate() {
        let mask = engine == AlignEngine::Aiter;
        let graph = Layout {
            engine,
            experts: if i % 2 == 0 { 16 } else { 72 },
            top_k: [6, 8, 3][i % 3],
            local: if mask { LocalExperts::Map } else { LocalExperts::All },
            duplicates: Duplicates::Once,
            capacity: (engine == AlignEngine::Gshard).then_some(5),
            optional: mask,
            // Then what is filled looks at where bins end, which is behind the first barrier of one block.
            tail: if engine == AlignEngine::Sglang { Tail::Keep } else { Tail::Fill },
            counted_rows: i % 2 == 0,
            ..Layout::default()
        };
        let graph = graph.graph().unwrap_or_else(|e| panic!("{engine:?}: {e}"));
        let compiled = amd::compile(&graph, target);
        let [kernel] = compiled.kernels() else { panic!("{engine:?} is {} kernels", compiled.kernels().len()) };
        for (j, t) in [i as u64 % 2, 4, 33].into_iter().enumerate() {
            let extents = graph.extents_of_rows(t);
            let inputs = inputs(&graph, &extents, [Rule::Ids, Rule::Mixed][j % 2], t);
            let artifacts = compiled.of_variant(2 * ((i + j) % 2) + j / 2);
            let few = kernel.schedule.takes(3, t).then(|| compiled.of_variant_for(6 + i % 2, t));
            let alone = kernel.kernel.phases.as_deref().is_some_and(counts_alone);
            assert!(few.is_some() || t > 1 || alone, "{engine:?}, T = {t}");
            for artifacts in std::iter::once(artifacts).chain(few) {
                let ran = amd::launch_on(&mut emulator, &graph, &compiled, &artifacts, &extents, &inputs, t);
                assert!(ran, "{target}, {engine:?}, T = {t}");
            }
        }
    }
}

/// Of few rows, of every kind of ids: one block, which looks at no bin that has no items.
fn few(target: &str) {
    let Some(mut emulator) = Emulator::find() else {
        return skip(amd::NO_EMULATOR, 3 * FEW.len() as u64, amd::REQUIRED);
    };
    let mut c = Choices::seeded(20);
    for ((e, k, block), rows) in FEW {
        let align = Align::new(e, k, block);
        let graph = align.graph();
        let compiled = amd::compile(&graph, target);
        let Schedule::Phased { few_rows, .. } = compiled.kernels()[0].schedule else { panic!("not phased") };
        assert_eq!(few_rows, Some(32 / k));
        for (j, t) in rows.into_iter().enumerate() {
            assert_eq!(compiled.kernels()[0].schedule.shapes_for(t), 3..=3);
            for kind in 0..KINDS {
                let (case, extents) = align.case(t, kind, Size::of(j + kind), &mut c);
                // The last two of eight.
                let artifacts = compiled.of_variant_for(6 + kind % 2, t);
                let ran = amd::launch_on(&mut emulator, &graph, &compiled, &artifacts, &extents, &case.inputs, t);
                assert!(ran, "{target}, E = {e}, T = {t}");
            }
        }
        assert_eq!(compiled.kernels()[0].schedule.shapes_for(32 / k + 1), 0..=0);
    }
}

#[test]
fn gfx942_has_the_bits_of_layouts() {
    layouts("gfx942");
}

#[test]
fn gfx1100_has_the_bits_of_layouts() {
    layouts("gfx1100");
}

#[test]
fn gfx942_has_the_bits_of_options_of_layouts() {
    options("gfx942");
}

#[test]
fn gfx1100_has_the_bits_of_options_of_layouts() {
    options("gfx1100");
}

#[test]
fn gfx942_has_the_bits_of_few_rows_in_one_block() {
    few("gfx942");
}

#[test]
fn gfx1100_has_the_bits_of_few_rows_in_one_block() {
    few("gfx1100");
}

#[test]
fn gfx942_has_the_bits_in_one_launch_and_in_two() {
    phases("gfx942");
}

#[test]
fn gfx1100_has_the_bits_in_one_launch_and_in_two() {
    phases("gfx1100");
}
