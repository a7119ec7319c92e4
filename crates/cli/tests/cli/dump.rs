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
