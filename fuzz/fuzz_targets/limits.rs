//! Any text as a graph, through the verifier, the passes and the schedules of every target: what verifies has kernels for
//! every target, none larger than compile time allows; and nothing of that takes many steps.
#![no_main]

use libfuzzer_sys::fuzz_target;
use routefuse_generate::Choices;
use routefuse_generate::graph::{Profile, generate};
use routefuse_ir::kernel::schedule::code_size::{CodeSize, MOST_DEPTH, MOST_INSTRUCTIONS, MOST_STORED, depths};
use routefuse_ir::kernel::schedule::room::{MOST_KEPT_IN_FRAME, MOST_SCRATCH, kept_bytes};
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::{Graph, Verified, text};
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_passes::schedule::schedule;

/// Graphs of more than this take a fuzzer long without being different.
const MOST_BYTES: usize = 64 << 10;

fuzz_target!(|bytes: &[u8]| {
    // The first byte says whether the rest is text, or choices of a generator that makes valid graphs.
    let Some((first, rest)) = bytes.split_first() else { return };
    if *first < 128 {
        let Ok(source) = std::str::from_utf8(rest) else { return };
        if source.len() <= MOST_BYTES
            && let Ok(g) = text::parse_verified(source)
        {
            within_limits(&g);
        }
        return;
    }
    let mut choices = Choices::of_bytes(rest);
    let profile = choices.of(&[Profile::ROWS, Profile::FLAT, Profile { row_ops: 80, ..Profile::ROWS }, Profile::BINS]);
    if let Ok(g) = generate(&mut choices, &profile).graph {
        within_limits(&g);
    }
});

/// What is scheduled is within every limit, on every target; what is not is refused by the limits' own code.
fn within_limits(g: &Verified<Graph>) {
    for fuse in [true, false] {
        let compiled = compile_graph(g.clone(), &Options::default().fuse(fuse));
        let program = compiled.unwrap_or_else(|e| panic!("{e}\n{}", text::print(g))).program;
        for kernel in program.steps.into_iter().map(|step| step.kernel) {
            for target in Target::all() {
                // Whatever verifies has code for every target.
                let scheduled = schedule(kernel.clone(), target)
                    .unwrap_or_else(|e| panic!("{e}, for {target}\n{}", text::print(g)));
                let named = || format!("{} for {target}\n{}", kernel.name, text::print(g));
                for variant in scheduled.variants() {
                    let size = CodeSize::up_to(MOST_INSTRUCTIONS, &scheduled, *variant);
                    assert!(
                        size.instructions() <= MOST_INSTRUCTIONS && size.stored_at_once() <= MOST_STORED,
                        "{}",
                        named()
                    );
                }
                assert!(depths(&kernel, &[]).into_iter().all(|d| d <= MOST_DEPTH), "{}", named());
                let kept = kept_bytes(&kernel, scheduled.schedule.held(), scheduled.schedule.block_rows());
                let scratch = scheduled.scratch_bytes();
                if target.kind() == TargetKind::Host {
                    assert!(kept <= MOST_SCRATCH && (kept <= MOST_KEPT_IN_FRAME || scratch == kept), "{}", named());
                } else {
                    assert_eq!(scratch, 0, "{}", named());
                }
            }
        }
    }
}
