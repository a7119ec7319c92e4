//! What the search finds, and what it says where it finds nothing. LLVM is made of empty files, `llvm-config` of answers.

use routefuse_llvm::{Machine, PREFIX, find};
use std::path::{Path, PathBuf};

/// A folder with the files that the search wants to see.
fn llvm(name: &str) -> PathBuf {
    let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    for file in [
        "include/mlir/CAPI/IR.h",
        "include/lld/Common/Driver.h",
        "lib/liblldELF.a",
        "lib/libMLIRIR.a",
        "lib/libLLVMCore.a",
    ] {
        std::fs::create_dir_all(prefix.join(file).parent().unwrap()).unwrap();
        std::fs::write(prefix.join(file), "").unwrap();
    }
    prefix
}

/// The search with these variables; `llvm-config` under `prefix` (and the one in PATH, if `in_path`) says `version`.
fn search(variables: &[(&str, &Path)], prefix: &Path, version: &str, in_path: bool) -> Result<PathBuf, String> {
    find(&Machine {
        variable: &|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.display().to_string()),
        llvm_config: &|program, argument| {
            let runs = program == prefix.join("bin/llvm-config") || (in_path && program == Path::new("llvm-config"));
            runs.then(|| if argument == "--version" { version.to_owned() } else { prefix.display().to_string() })
        },
    })
}

fn all(prefix: &Path) -> [(&str, &Path); 3] {
    routefuse_llvm::VARIABLES.map(|name| (name, prefix))
}

#[track_caller]
fn says(found: Result<PathBuf, String>, parts: &[&str]) {
    let message = found.expect_err("something is wrong here");
    for part in parts {
        assert!(message.contains(part), "no {part:?} in:\n{message}");
    }
}

#[test]
fn this_build_found_one() {
    assert!(Path::new(PREFIX).join("include/mlir/CAPI/IR.h").exists(), "{PREFIX}");
}

#[test]
fn by_variables_or_by_path() {
    let prefix = llvm("found");
    assert_eq!(search(&all(&prefix), &prefix, "22.1.0", false).as_deref(), Ok(prefix.as_path()));
    assert_eq!(search(&[], &prefix, "22.1.0", true).as_deref(), Ok(prefix.as_path()));
    assert_eq!(search(&[("ROUTEFUSE_LLVM", &prefix)], &prefix, "22.1.0", true).as_deref(), Ok(prefix.as_path()));
}

#[test]
fn a_variable_that_is_missing_is_named_with_the_lines_to_set() {
    let prefix = llvm("unset");
    let line = format!("TABLEGEN_220_PREFIX = \"{}\"\n", prefix.display());
    let expected = [".cargo/config.toml", "[env]", "LIBCLANG_PATH", line.as_str()];
    let found = search(&all(&prefix)[..1], &prefix, "22.1.0", false);
    says(found.clone(), &expected);
    says(found, &["TABLEGEN_220_PREFIX is not set"]);
    // The name that make takes is not one that the other crates know.
    says(search(&[("ROUTEFUSE_LLVM", &prefix)], &prefix, "22.1.0", false), &["MLIR_SYS_220_PREFIX is not set"]);
}

#[test]
fn two_llvms_are_refused() {
    let (prefix, other) = (llvm("one"), llvm("other"));
    let mut variables = all(&prefix);
    variables[2].1 = &other;
    says(search(&variables, &prefix, "22.1.0", false), &["LLVM_SYS_221_PREFIX is", "they must name one LLVM"]);
}

#[test]
fn what_is_no_llvm_22_is_refused_with_what_to_install() {
    let prefix = llvm("old");
    says(search(&all(&prefix), &prefix, "14.0.6", false), &["it is LLVM 14.0.6", "apt-get install", "[env]"]);
    let nowhere = Path::new("/nowhere");
    says(
        search(&all(nowhere), &prefix, "22.1.0", false),
        &["under /nowhere, which MLIR_SYS_220_PREFIX names: no bin/llvm-config there runs", "\"/path/to/llvm-22\""],
    );
    let partial = llvm("partial");
    std::fs::remove_file(partial.join("lib/liblldELF.a")).unwrap();
    says(search(&all(&partial), &partial, "22.1.0", false), &["it has no lib/liblldELF.a"]);
}

#[test]
fn shared_mlir_is_refused() {
    let prefix = llvm("shared");
    let mut variables = all(&prefix).to_vec();
    variables.push(("MLIR_SYS_LINK_SHARED", Path::new("1")));
    says(search(&variables, &prefix, "22.1.0", false), &["unset it"]);
}
