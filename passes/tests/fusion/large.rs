//! Graphs of which one kernel would take too long to compile: they are cut into more, or refused with their size. Nothing here
//! looks at a clock.

use crate::agreement::agree;
use routefuse_ir::kernel::schedule::code_size::{CodeSize, MOST_DEPTH, MOST_INSTRUCTIONS, depths};
use routefuse_ir::program::Program;
use routefuse_ir::target::Target;
use routefuse_ir::{Code, Graph, Verified, text};
use routefuse_passes::fuse::fuse;
use routefuse_passes::pipeline::{Options, compile_graph};
use routefuse_passes::schedule::schedule;
use std::fmt::Write;

fn graph(lines: &str) -> Verified<Graph> {
    let source = format!("route 1\ngraph @g {{\n  dim T\n{lines}}}\n");
    text::parse_verified(&source).unwrap_or_else(|e| panic!("{e}"))
}

/// The lines of `steps` steps behind these inputs, the last of which gives the output.
fn chain(inputs: &str, steps: usize, step: impl Fn(usize) -> String) -> Verified<Graph> {
    let mut lines = inputs.to_owned();
    (0..steps).for_each(|k| lines += &step(k));
    writeln!(lines, "  output y = %x{steps}").unwrap();
    graph(&lines)
}

/// Every step doubles the places at which the first row is asked for.
fn gathers_within_rows(steps: usize) -> Verified<Graph> {
    chain("  input %x0 : f32[T, 64]\n  input %i : i32[T, 64]\n", steps, |k| {
        format!("  %g{k} = gather_row %x{k}, %i\n  %x{} = add %g{k}, %x{k}\n", k + 1)
    })
}

fn rotations(steps: usize) -> Verified<Graph> {
    chain("  input %x0 : f32[T, 64]\n", steps, |k| {
        let (at, next) = (1 + k % 7, k + 1);
        format!(
            "  %a{k} = slice %x{k} {{start = 0, stop = {at}}}\n  %b{k} = slice %x{k} {{start = {at}, stop = 64}}\n  \
             %c{k} = concat %b{k}, %a{k}\n  %x{next} = exp %c{k}\n"
        )
    })
}

/// The largest of 2^bits columns that are their own numbers.
fn wide_maximum(bits: u32) -> Verified<Graph> {
    let columns = 1u64 << bits;
    graph(&format!(
        "  input %x : i32[T, 1]\n  %i = iota {{shape = [T, {columns}], axis = 1, dtype = i32}}\n  \
         %m = reduce_max %i {{axis = 1}}\n  %o = add %m, %x\n  output y = %o\n"
    ))
}

fn widths(most: usize) -> Verified<Graph> {
    let mut lines = format!("  input %x : f32[T, {most}]\n  %e = exp %x\n");
    for k in 1..=most {
        writeln!(lines, "  %s{k} = slice %e {{start = 0, stop = {k}}}\n  output y{k} = %s{k}").unwrap();
    }
    graph(&lines)
}

fn selections(count: usize) -> Verified<Graph> {
    let mut lines = "  input %x : f32[T, 256]\n".to_owned();
    for k in 0..count {
        writeln!(lines, "  %c{k} = const {{value = {k}.5, dtype = f32}}\n  %a{k} = mul %x, %c{k}").unwrap();
        writeln!(lines, "  %t{k} = topk %a{k} {{k = 8}}\n  output y{k} = %t{k}").unwrap();
    }
    graph(&lines)
}

/// The program; no variant of a kernel of it is larger than the limit, on any target.
fn within_limits(g: &Verified<Graph>, options: &Options) -> Program {
    let program = compile_graph(g.clone(), options).unwrap_or_else(|e| panic!("{e}")).program;
    for step in &program.steps {
        assert!(depths(&step.kernel, &[]).into_iter().all(|d| d <= MOST_DEPTH));
        for target in Target::all() {
            let scheduled = schedule(step.kernel.clone(), target).unwrap_or_else(|e| panic!("{e}"));
            for variant in scheduled.variants() {
                let size = CodeSize::up_to(MOST_INSTRUCTIONS, &scheduled, *variant);
                assert!(!size.is_too_large(), "{} for {target}: {}", step.kernel.name, size.instructions());
            }
        }
    }
    program
}

fn kernels(g: &Verified<Graph>) -> usize {
    within_limits(g, &Options::default()).steps.len()
}

#[test]
fn r9_what_is_asked_for_at_ever_more_columns_is_cut() {
    assert_eq!(kernels(&gathers_within_rows(4)), 1);
    assert_eq!(kernels(&gathers_within_rows(12)), 3);
    assert_eq!(kernels(&gathers_within_rows(400)), 89);
    agree(&gathers_within_rows(12), &[("T", 2)], 1);
}

#[test]
fn r9_columns_that_only_the_running_code_knows_are_asked_for_twice_by_every_concatenation() {
    assert_eq!(kernels(&rotations(8)), 1);
    assert_eq!(kernels(&rotations(64)), 11);
    // A thousand are 167 kernels: as many for each.
    assert_eq!(kernels(&rotations(200)), 34);
    agree(&rotations(16), &[("T", 2)], 2);
}

#[test]
fn r9_wide_reductions_are_cut() {
    assert_eq!(kernels(&wide_maximum(16)), 1);
    assert_eq!(kernels(&wide_maximum(24)), 3);
    agree(&wide_maximum(14), &[("T", 2)], 3);
    // As it was written, it is one operation, which is taken apart where it is too much for one kernel.
    let unfused = Options::unfused();
    assert_eq!(within_limits(&wide_maximum(11), &unfused).steps.len(), 3);
    assert!(within_limits(&wide_maximum(24), &unfused).steps.len() > 20);
}

#[test]
fn r9_many_stores_are_several_kernels() {
    assert_eq!(kernels(&widths(50)), 1);
    assert_eq!(kernels(&widths(299)), 2);
    assert_eq!(kernels(&selections(8)), 1);
    assert_eq!(kernels(&selections(64)), 4);
    agree(&widths(200), &[("T", 2)], 4);
}

#[test]
fn r9_long_chains_are_cut() {
    let exps = chain("  input %x0 : f32[T, 8]\n", 16_000, |k| format!("  %x{} = exp %x{k}\n", k + 1));
    assert_eq!(kernels(&exps), 79);
    let input = "  input %map : i32[64]\n  input %x0 : i32[T, 64]\n";
    let gathers = chain(input, 500, |k| format!("  %x{} = gather %map, %x{k}\n", k + 1));
    assert_eq!(kernels(&gathers), 11);
    // Nothing of it is dear, but code generation would go as deep as the chain is long.
    let adds = chain("  input %x0 : i32[T, 8]\n  input %d : i32[T, 8]\n", 1000, |k| {
        format!("  %x{} = add %x{k}, %d\n", k + 1)
    });
    assert_eq!(kernels(&adds), 4);
    agree(&adds, &[("T", 2)], 5);
}

#[test]
fn r9_what_is_too_large_by_itself_is_refused_with_its_size_and_its_cause() {
    // Canonical graphs have no such operation.
    let g = graph("  input %x : f32[T, 512, 1024]\n  %best = topk %x {k = 16}\n  output y = %best\n");
    let program = fuse(&g, |_| false).unwrap().program;
    let kernel = &program.steps[0].kernel;
    let refused = schedule(kernel.clone(), Target::named("sm_90").unwrap()).unwrap_err();
    assert_eq!(refused.code, Code::KernelTooLarge);
    let text = refused.to_string();
    assert!(text.starts_with("RF0815: kernel `g` for `sm_90` would take too long to compile: about "), "{text}");
    assert!(text.contains("and the most are 25000") && text.contains(" of them are for %best"), "{text}");
}

#[test]
fn r8_what_is_read_before_it_is_stored_fits_a_frame() {
    // A vector of 64 bytes for each output, all of them alive before the first store.
    let sums = |count: usize| {
        let mut lines = String::new();
        (0..count).for_each(|k| writeln!(lines, "  input %x{k} : f32[T, 16]").unwrap());
        (0..count).for_each(|k| {
            let other = (k + 1) % count;
            writeln!(lines, "  %s{k} = add %x{k}, %x{other}\n  output y{k} = %s{k}").unwrap();
        });
        graph(&lines)
    };
    assert_eq!(kernels(&sums(100)), 1);
    assert_eq!(kernels(&sums(1000)), 2);
}

/// What the verifier lets through as one selection compiles for every target.
#[test]
fn r9_the_largest_selections_fit() {
    for (columns, k) in [(256, 256), (300, 128), (4096, 128), (16_384, 128)] {
        for order in ["value", "column"] {
            let selection = format!("topk %x {{k = {k}, order = {order}, candidates = above_neg_inf}}");
            let g = graph(&format!("  input %x : f32[T, {columns}]\n  %ids = {selection}\n  output ids_out = %ids\n"));
            assert_eq!(kernels(&g), 1);
        }
        let mask = format!("topk_mask %x {{k = {k}, candidates = above_neg_inf}}");
        let g = graph(&format!("  input %x : f32[T, {columns}]\n  %mask = {mask}\n  output mask_out = %mask\n"));
        assert_eq!(kernels(&g), 1);
    }
    // Beside each other, and behind a softmax: as many kernels as it takes.
    let g = graph(
        "  input %x : f32[T, 16384]\n  %p = softmax %x\n  %a = topk %p {k = 128}\n  %b = topk %x {k = 128}\n  \
         output a_out = %a\n  output b_out = %b\n",
    );
    assert!(kernels(&g) <= 3);
}

/// Ids that are ranked, and weights made of them: each of as many selections.
fn ids_and_weights(selections: usize) -> Verified<Graph> {
    let mut lines = "  input %x : f32[T, 256]\n  %i0 = const {dtype = i32, value = 0}\n".to_owned();
    for k in 0..2 * selections {
        writeln!(lines, "  %c{k} = const {{value = {k}.5, dtype = f32}}\n  %a{k} = mul %x, %c{k}").unwrap();
        writeln!(lines, "  %t{k} = topk %a{k} {{k = 8}}\n  %i{} = add %i{k}, %t{k}", k + 1).unwrap();
    }
    lines += &format!("  %rank = bin_rank %i{selections} {{bins = 256}}\n  output ids = %i{selections}\n");
    lines += &format!("  output weights = %i{}\n  output rank = %rank\n", 2 * selections);
    graph(&lines)
}

/// What is at hand in one kernel is read from memory by another where one of both would be too large.
#[test]
fn what_is_at_hand_makes_no_kernel_too_large() {
    let stores = |selections: usize| -> Vec<usize> {
        let program = within_limits(&ids_and_weights(selections), &Options::default());
        program.steps.iter().map(|step| step.kernel.stores.len()).collect()
    };
    // Ids and weights, and the ranks.
    assert_eq!(stores(4), [2, 1]);
    // Ids, and what reads them.
    assert_eq!(stores(16), [1, 2]);
    agree(&ids_and_weights(16), &[("T", 3)], 4);
}
