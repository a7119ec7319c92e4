//! Every stable code is shown by some test: its text stands in a snapshot or in a test's source.

use routefuse_ir::Code;
use routefuse_ir::diag::Page;
use routefuse_ir::kernel::{Kernel, ParamId, Store, ValueId};
use routefuse_tests::corpus::root;
use std::path::{Path, PathBuf};

#[test]
fn every_code_is_shown_by_a_test() {
    let mut files = vec![];
    for folder in ["ir", "passes", "codegen", "runtime", "crates", "tests", "fuzz"] {
        collect(&root().join(folder), &mut files);
    }
    let texts: Vec<String> = files.iter().map(|f| tests_of(f)).collect();
    assert!(texts.len() > 50, "only {} files", texts.len());
    let shown = |code: &Code| texts.iter().any(|t| t.contains(code.as_str()));
    let missing: Vec<String> =
        Code::ALL.iter().filter(|c| !shown(c)).map(|c| format!("{c} {c:?}: {}", c.summary())).collect();
    assert!(missing.is_empty(), "no test shows the text of\n{}", missing.join("\n"));
}

/// Sources and snapshots, but for what is built.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.filter_map(Result::ok).map(|e| e.path()) {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, files);
        } else if extension == "snap" || (extension == "rs" && !path.ends_with("diag/code.rs")) {
            files.push(path);
        }
    }
}

/// What of a file is a test: all of a snapshot, all of a file in a folder or of the name `tests`, what follows `#[cfg(test)]`
/// in another.
fn tests_of(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let relative = path.strip_prefix(root()).unwrap_or(path);
    let is_test = path.extension().is_some_and(|e| e == "snap")
        || path.file_stem().is_some_and(|s| s == "tests")
        || relative.iter().skip(1).any(|part| part == "tests");
    if is_test {
        return text;
    }
    text.find("#[cfg(test)]").map_or_else(String::new, |at| text[at..].to_owned())
}

#[test]
fn a_kernel_that_breaks_a_rule_is_a_defect_of_the_compiler() {
    let store = Store { param: ParamId(0), value: ValueId(0), add_at: None, put_at: None };
    let kernel = Kernel { name: "k".to_owned(), stores: vec![store], ..Kernel::default() };
    let Err(errors) = kernel.verify() else { panic!("a store of nothing to nowhere is valid") };
    assert_eq!(
        errors.to_string(),
        "RF0501: kernel `k`: store 0 names what does not exist\n  help: this is a defect in the compiler; please report the graph"
    );
    assert_eq!(errors.to_string(), Page::of(Code::InvalidKernel).message);
}
