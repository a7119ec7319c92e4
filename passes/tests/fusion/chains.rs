//! Every example fuses into one kernel, and fused, unfused and the graph itself agree bit for bit.

use crate::agreement::agree;
use routefuse_ir::{Graph, Verified};
use routefuse_passes::canonicalise::{Dce, Pass, canonicalise};
use routefuse_passes::fuse::{fuse, unfused};
use std::path::Path;

fn example(name: &str) -> Verified<Graph> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
    let source = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    routefuse_ir::text::parse(&source).and_then(Graph::verify).unwrap_or_else(|d| panic!("{name}: {d}"))
}

/// Chains, and whole routers of models.
fn examples() -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut names: Vec<String> = vec![];
    for folder in ["", "models/"] {
        let files = std::fs::read_dir(dir.join(folder)).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
        names.extend(files.filter(|f| f.ends_with(".route")).map(|f| format!("{folder}{f}")));
    }
    names.sort();
    assert!(names.len() >= 19, "{names:?}");
    names
}

#[test]
fn every_chain_is_one_kernel_without_a_cut() {
    for name in examples() {
        let (canonical, _) = canonicalise(example(&name)).unwrap();
        let fusion = fuse(&canonical, |_| false).unwrap();
        if std::env::var_os("SHOW").is_some() {
            fusion.program.steps.iter().for_each(|s| println!("{}", *s.kernel));
        }
        assert_eq!(fusion.program.steps.len(), 1, "{name}: {:?}", fusion.cuts);
        assert!(fusion.cuts.is_empty(), "{name}: {:?}", fusion.cuts);
        assert!(fusion.program.intermediates.is_empty());
        // Macro operations fuse too when nobody expanded them before.
        assert_eq!(fuse(&example(&name), |_| false).unwrap().program.steps.len(), 1, "{name}");
    }
}

#[test]
fn unfused_has_a_kernel_for_every_operation() {
    for name in examples() {
        let g = example(&name);
        let program = unfused(&g, |_| false).unwrap().program;
        // But for those that no output depends on.
        let mut live = Graph::clone(&g);
        Dce.run(&mut live);
        assert_eq!(program.steps.len(), live.op_count(), "{name}");
    }
}

#[test]
fn fused_and_unfused_agree_with_the_graph() {
    for name in examples() {
        for rows in [0, 1, 3] {
            agree(&example(&name), &[("T", rows)], rows ^ 17);
        }
    }
}
