//! `dump`.

use crate::program::{example, routefuse, with_stdin};

#[test]
fn every_stage_for_every_kind_of_target() {
    let path = example("e_post_chain");
    let device = [("host", "routefuse_kernel:"), ("sm_90", ".visible .entry routefuse_kernel"), ("gfx942", "amdgcn")];
    for (target, in_asm) in device {
        let stages = [
            ("graph", "graph @post_chain {"),
            ("canonical", "graph @post_chain {"),
            ("fused", "program @post_chain "),
            ("kernel", &format!("schedule {target}: flat ")),
            ("mlir", "llvm.getelementptr"),
            ("llvm", "routefuse_kernel"),
            ("asm", in_asm),
        ];
        let mut all = String::new();
        for (stage, text) in stages {
            let out = routefuse(&["dump", &path, "--stage", stage, "--target", target]).ok();
            assert!(out.contains(text) && out.ends_with('\n'), "no `{text}` in {stage} of {target}:\n{out}");
            all.push_str(&format!("# ---- {stage} ----\n{out}\n"));
        }
        let printed = routefuse(&["dump", &path, "--stage", "all", "--target", target]).ok();
        assert_eq!(printed.trim_end(), all.trim_end());
    }
}

#[test]
fn stages_before_machine_code_read_back() {
    for stage in ["graph", "canonical", "json"] {
        let out = routefuse(&["dump", &example("b_append_gated"), "--stage", stage]).ok();
        assert!(with_stdin(&["check", "-"], out.as_bytes()).ok().contains("ok (@append_shared_gated"));
    }
}

#[test]
fn pictures() {
    let path = example("e_post_chain");
    let svg = routefuse(&["dump", &path, "--stage", "svg"]).ok();
    assert_eq!(svg, include_str!("../../../../docs/pictures/post_chain.svg"));
    let dot = routefuse(&["dump", &path, "--stage", "dot"]).ok();
    assert!(dot.starts_with("digraph \"post_chain\" {\n") && dot.ends_with("}\n"), "{dot}");
    assert!(dot.contains("as compiled: 1 kernel; 174 bytes a row"), "{dot}");
    let unfused = routefuse(&["dump", &path, "--stage", "dot", "--unfused"]).ok();
    assert!(unfused.contains("as compiled: 9 kernels; 470 bytes a row"), "{unfused}");
    let diff = routefuse(&["dump", &path, "--diff", "dot,dot"]).ok();
    assert!(diff.starts_with("--- dot\n+++ dot\n digraph"), "{diff}");
    // Too much for a picture, and what to do instead.
    let chain = |i: usize| format!("  %v{} = add %v{i}, %v{i} : i32[4]\n", i + 1);
    let ops: String = (0..500).map(chain).collect();
    let long = format!("route 1\ngraph @long {{\n  input %v0 : i32[4]\n{ops}  output out = %v500\n}}\n");
    with_stdin(&["dump", "-", "--stage", "svg"], long.as_bytes())
        .fails(1, &["RF0112", "the picture of `long` has 50", "boxes; at most 500 are laid out", "the stage `dot`"]);
    assert!(with_stdin(&["dump", "-", "--stage", "dot"], long.as_bytes()).ok().contains("before501"));
}

#[test]
fn differences() {
    let path = example("e_post_chain");
    let diff = routefuse(&["dump", &path, "--diff", "graph,canonical"]).ok();
    assert!(diff.starts_with("--- graph\n+++ canonical\n"), "{diff}");
    let lines = |sign: &str| diff.lines().skip(2).filter(|l| l.starts_with(sign)).count();
    assert!(lines("-") > 0 && lines("+") > 0 && lines(" ") > 0, "{diff}");
    assert!(!diff.contains('\x1b'));
    // Both sides can be had back.
    let side = |sign: char| -> String {
        let kept = diff.lines().skip(2).filter(|l| l.starts_with([sign, ' ']));
        kept.map(|l| format!("{}\n", &l[1..])).collect()
    };
    assert_eq!(side('-'), routefuse(&["dump", &path, "--stage", "graph"]).ok());
    assert_eq!(side('+'), routefuse(&["dump", &path, "--stage", "canonical"]).ok());
    let coloured = routefuse(&["dump", &path, "--diff", "graph,canonical", "--colour", "always"]).ok();
    assert!(coloured.contains("\x1b[31m-") && coloured.contains("\x1b[32m+"), "{coloured}");
}

#[test]
fn unfused_has_a_kernel_an_op() {
    let path = example("e_post_chain");
    let kernels = |args: &[&str]| routefuse(args).ok().matches("schedule host: ").count();
    assert_eq!(kernels(&["dump", &path, "--stage", "kernel"]), 1);
    assert!(kernels(&["dump", &path, "--stage", "kernel", "--unfused"]) > 5);
}

/// A shape is read as it is printed, and changes nothing but the row schedules of GPUs.
#[test]
fn a_shape_may_be_forced() {
    let kernel = |args: &[&str]| routefuse(&[&["dump", "--model", "gpt-oss", "--stage", "kernel"], args].concat()).ok();
    let chosen = kernel(&["--target", "sm_90"]);
    assert!(chosen.contains("schedule sm_90: row up to 2048 rows: lanes=32 threads=64; more: lanes=4 "), "{chosen}");
    let shape = "lanes=2 threads=64 sorted";
    let forced = kernel(&["--target", "sm_90", "--shape", shape]);
    assert!(forced.contains("schedule sm_90: row lanes=2 threads=64 sorted held="), "{forced}");
    assert_eq!(kernel(&["--shape", shape]), kernel(&[]));
    let text = "lanes or threads are missing; a shape is like `lanes=4 threads=128 sorted`";
    routefuse(&["dump", "--model", "gpt-oss", "--shape", "lanes=2 sorted"]).fails(2, &[text]);
    let text = "lists are exchanged by 64 lanes, but a warp has 32";
    let shape = "lanes=64 threads=64 sorted";
    routefuse(&["dump", "--model", "gpt-oss", "--target", "sm_90", "--shape", shape]).fails(1, &[text]);
    // What does not fit is the shape's fault.
    for (model, shape, why) in [
        ("gpt-oss", "lanes=64 threads=128", "whole warps of 32, one of which has a row or all have"),
        ("longcat-flash", "lanes=1 threads=64", "768 columns of a row in a lane, and there is room for 512"),
    ] {
        let told = format!("the shape `{shape}` does not fit `sm_90`");
        let arguments = ["dump", "--model", model, "--target", "sm_90", "--stage", "kernel", "--shape", shape];
        routefuse(&arguments).fails(1, &[&told, why, "RF0312", "a row has a power of two of lanes"]);
    }
}
