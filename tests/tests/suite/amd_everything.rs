//! Every example and every preset, in every variant, for T of 1, 3, 33 and 64, on hostile rows, as code for every family of AMD's
//! processors, in the emulator, bit for bit. That takes an hour, so `make test` runs a sample; `make test-amd` sets
//! `ROUTEFUSE_AMD_ALL`, and runs everything.

use crate::amd::{NO_EMULATOR, REQUIRED, compile, launch_on};
use routefuse_generate::data::{Rule, inputs};
use routefuse_tests::corpus::{examples, models};
use routefuse_tests::emulator::Emulator;
use routefuse_tests::skips::skip;

/// Rows: less than a wave has, and more; a multiple of what a block has, and none.
const ROWS: [u64; 4] = [1, 3, 33, 64];
/// One graph of so many is in the sample, with one variant and one number of rows.
const SAMPLE: usize = 11;

/// The graphs whose number leaves this rest when it is divided by [`PARTS`].
fn everything(target: &str, part: usize) {
    let all = std::env::var("ROUTEFUSE_AMD_ALL").is_ok_and(|v| v != "0");
    let graphs: Vec<_> = examples().into_iter().chain(models()).collect();
    assert!(graphs.len() > 40);
    // Another part of them for each target.
    let offset: usize = target.bytes().map(usize::from).sum();
    let chosen = |i: usize| i % PARTS == part && (all || (i / PARTS + offset).is_multiple_of(SAMPLE));
    let cases = (0..graphs.len()).filter(|i| chosen(*i)).count() as u64;
    let Some(mut emulator) = Emulator::find() else { return skip(NO_EMULATOR, cases, REQUIRED) };
    for (i, case) in graphs.iter().enumerate().filter(|(i, _)| chosen(*i)) {
        let graph = case.graph();
        let compiled = compile(&graph, target);
        let variants = compiled.kernels().iter().map(|k| k.variants().len()).max().unwrap_or(0);
        for variant in (0..variants).filter(|v| all || *v == i % variants) {
            let artifacts = compiled.of_variant(variant);
            for (j, rows) in ROWS.into_iter().enumerate().filter(|(j, _)| all || j % 2 == i % 2) {
                let seed = (i * 64 + variant * 8 + j) as u64;
                let extents = vec![rows; graph.symbols.len()];
                let tensors = inputs(&graph, &extents, Rule::Hostile, seed);
                launch_on(&mut emulator, &graph, &compiled, &artifacts, &extents, &tensors, seed);
            }
        }
    }
    println!("{} launches", emulator.runs());
}

/// So many tests a target share the graphs.
const PARTS: usize = 2;

/// A test for each half of the graphs on each target.
macro_rules! targets {
    ($($module:ident = $target:literal;)*) => {$(
        mod $module {
            #[test]
            fn even() {
                super::everything($target, 0);
            }

            #[test]
            fn odd() {
                super::everything($target, 1);
            }
        }
    )*};
}

targets! {
    gfx90a = "gfx90a";
    gfx942 = "gfx942";
    gfx950 = "gfx950";
    gfx9_4_generic = "gfx9-4-generic";
    gfx1030 = "gfx1030";
    gfx1100 = "gfx1100";
    gfx1151 = "gfx1151";
    gfx11_generic = "gfx11-generic";
    gfx1200 = "gfx1200";
    gfx12_generic = "gfx12-generic";
    gfx1250 = "gfx1250";
}
