//! Alignments of every size as code for AMD GPUs, by each schedule; and phases in any number of blocks, so that few items go the ways of
//! very many.

use crate::amd;
use routefuse_generate::Choices;
use routefuse_ir::kernel::schedule::{Part, Schedule};
use routefuse_tests::bins::{Align, Size};
use routefuse_tests::emulator::Emulator;
use routefuse_tests::skips::skip;

/// On both wave sizes.
const TARGETS: [&str; 2] = ["gfx942", "gfx1100"];

/// This part of all sizes, each on one target and with three numbers of rows, in one launch, in two, and in one block where that takes so
/// few.
fn every_size(part: usize, parts: usize) {
    let sizes = || Align::all().into_iter().enumerate().filter(|(i, _)| i % parts == part);
    let Some(mut emulator) = Emulator::find() else {
        return skip(amd::NO_EMULATOR, 3 * sizes().count() as u64, amd::REQUIRED);
    };
    let mut c = Choices::seeded(24 + part as u64);
    for (i, align) in sizes() {
        let graph = align.graph();
        let compiled = amd::compile(&graph, TARGETS[i % 2]);
        let [kernel] = compiled.kernels() else { panic!("{}: {} kernels", align.name(), compiled.kernels().len()) };
        // For what is aligned or for any; whole, counting and placing, few.
        let forced = [i % 2, 2 + i / 2 % 2, 6 + i / 3 % 2].map(|variant| compiled.of_variant_for(variant, 0));
        assert_eq!(forced.each_ref().map(Vec::len), [1, 2, 1], "{}", align.name());
        // Few items in one block, about as many as a warp has in one launch, and about a thousand in two; now and then by others.
        let launches: [(std::ops::Range<u64>, &[usize]); 3] = [
            (0..2, if i % 3 == 0 { &[2, 1] } else { &[2] }),
            (2..1000, if i % 4 == 0 { &[0, 1] } else { &[0] }),
            (1000..2000, if i % 5 == 0 { &[1, 0] } else { &[1] }),
        ];
        for (j, (items, by)) in launches.into_iter().enumerate() {
            let rows: Vec<u64> = align.rows().into_iter().filter(|t| items.contains(&(t * align.slots))).collect();
            // One row may have more items than few.
            let t = if rows.is_empty() { 1 } else { rows[i % rows.len()] };
            let (case, extents) = align.case(t, i + j, Size::of(i / 2 + j), &mut c);
            for schedule in by.iter().filter(|by| **by < 2 || kernel.schedule.takes(3, t)) {
                let artifacts = &forced[*schedule];
                let ran = amd::launch_on(&mut emulator, &graph, &compiled, artifacts, &extents, &case.inputs, t);
                assert!(ran, "{}, T = {t}", align.name());
            }
        }
    }
}

macro_rules! parts {
    ($parts:literal: $($name:ident $number:literal)+) => { $(
        #[test]
        fn $name() {
            every_size($number, $parts);
        }
    )+ };
}

parts! { 6:
    every_size_is_aligned_on_amd_1 0
    every_size_is_aligned_on_amd_2 1
    every_size_is_aligned_on_amd_3 2
    every_size_is_aligned_on_amd_4 3
    every_size_is_aligned_on_amd_5 4
    every_size_is_aligned_on_amd_6 5
}

/// Experts, slots and places of a block.
type Sizes = (u64, u64, u64);

/// Numbers of blocks, and for each the rows.
type Launches = &'static [(u64, u64)];

/// A block that ranks 5,120 items at a time has more of them, and so counts of 32 bits; or several turns; or there are more chunks than one
/// row of counts of 16 bits is of, or as many as there may be.
const IN_BLOCKS: [(Sizes, Launches); 6] = [
    // Counts of 16 bits, of an even number of bins and of an odd one.
    ((72, 8, 64), &[(1, 650), (9, 40), (17, 70)]),
    ((257, 10, 16), &[(2, 160), (8, 33), (33, 64)]),
    ((8, 6, 3), &[(128, 131)]),
    // More bins than are kept as 16 bits, and fewer.
    ((896, 22, 1), &[(1, 240), (9, 20)]),
    // So many that a thread has several, and the last warp some.
    ((2000, 8, 4), &[(3, 60)]),
    ((3, 1, 5), &[(1, 5300), (2, 1100), (64, 130)]),
];

fn any_number_of_blocks(target: &str, part: usize) {
    let cases = || IN_BLOCKS.into_iter().enumerate().filter(|(i, _)| i % 2 == part);
    let Some(mut emulator) = Emulator::find() else {
        return skip(amd::NO_EMULATOR, 10 * cases().count() as u64, amd::REQUIRED);
    };
    let mut c = Choices::seeded(25);
    for (i, ((e, k, block), launches)) in cases() {
        let align = Align::new(e, k, block);
        let graph = align.graph();
        let compiled = amd::compile(&graph, target);
        assert!(matches!(compiled.kernels()[0].schedule, Schedule::Phased { .. }));
        let parts = [0, 1, 2, 3].map(|variant| compiled.of_variant_for(variant, u64::MAX));
        for (j, &(blocks, t)) in launches.iter().enumerate() {
            let (case, extents) = align.case(t, i + j, Size::of(j), &mut c);
            // Very many items are not gone through in every block.
            for artifacts in [&parts[(i + j) % 2], &parts[2 + (i + j) % 2]].into_iter().skip(usize::from(t * k > 5000))
            {
                let first = Part::of_shape(artifacts[0].variant.shape);
                assert_eq!(first, Some(if artifacts.len() == 1 { Part::Whole } else { Part::Counting }));
                let how = (artifacts.as_slice(), Some(blocks));
                let ran = amd::launch_in_blocks(&mut emulator, &graph, &compiled, how, &extents, &case.inputs, t);
                assert!(ran, "{target}, E = {e}, T = {t}, {blocks} blocks");
            }
        }
    }
}

#[test]
fn gfx942_has_the_bits_in_any_number_of_blocks_1() {
    any_number_of_blocks("gfx942", 0);
}

#[test]
fn gfx942_has_the_bits_in_any_number_of_blocks_2() {
    any_number_of_blocks("gfx942", 1);
}

#[test]
fn gfx1100_has_the_bits_in_any_number_of_blocks_1() {
    any_number_of_blocks("gfx1100", 0);
}

#[test]
fn gfx1100_has_the_bits_in_any_number_of_blocks_2() {
    any_number_of_blocks("gfx1100", 1);
}
