//! How many crates a user of the facade builds, by features.

use std::collections::BTreeSet;
use std::process::Command;

/// The crates of a build with these features, the facade's own included.
fn crates(features: &str) -> BTreeSet<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let tree = ["tree", "--offline", "--manifest-path", manifest, "--no-default-features", "--features", features];
    let shape = ["--edges", "normal", "--prefix", "none", "--no-dedupe", "--format", "{p}"];
    let output = Command::new(cargo).args(tree).args(shape).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter(|l| !l.is_empty()).map(|l| l.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
}

fn has(crates: &BTreeSet<String>, name: &str) -> bool {
    crates.iter().any(|c| c.split(' ').next() == Some(name))
}

/// A process that only runs finished plans pays for no parser, no passes, no signatures, no LLVM.
#[test]
fn a_process_that_only_runs_plans_needs_few_crates() {
    let least = crates("");
    assert!(least.len() <= 50, "{} crates: {least:#?}", least.len());
    for name in ["petgraph", "winnow", "serde", "serde_json", "ed25519-dalek", "routefuse-passes", "llvm-sys"] {
        assert!(!has(&least, name), "{name}");
    }
    let cuda = crates("cuda");
    assert!(cuda.len() <= 52 && has(&cuda, "cudarc"), "{} crates: {cuda:#?}", cuda.len());
}

/// Each feature brings its own crates and no others.
#[test]
fn features_bring_what_they_say() {
    let graphs = crates("graphs");
    assert!(graphs.len() <= 65, "{} crates: {graphs:#?}", graphs.len());
    assert!(has(&graphs, "petgraph") && has(&graphs, "winnow") && !has(&graphs, "ed25519-dalek"));
    assert!(!has(&graphs, "llvm-sys") && !has(&graphs, "object_store"));
    let signatures = crates("signatures");
    assert!(has(&signatures, "ed25519-dalek") && !has(&signatures, "petgraph"));
    let remote = crates("remote");
    assert!(has(&remote, "object_store") && has(&remote, "ed25519-dalek") && !has(&remote, "petgraph"));
    let compiler = crates("compiler");
    assert!(has(&compiler, "llvm-sys") && has(&compiler, "petgraph"));
}
