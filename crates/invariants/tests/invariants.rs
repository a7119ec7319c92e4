//! What must hold of the sources, one test an invariant. `docs/explanation/architecture.md` cites them by the names of these tests.
//!
//! Each message says what is wrong, where, and what would be right.

use routefuse_invariants::manifest::table;
use routefuse_invariants::modules::Modules;
use routefuse_invariants::{Source, Workspace};
use std::sync::LazyLock;

static WORKSPACE: LazyLock<Workspace> = LazyLock::new(Workspace::read);

/// Fails with everything that is wrong, a line each, and what would be right.
#[track_caller]
fn none(wrong: Vec<String>, right: &str) {
    assert!(wrong.is_empty(), "\n{}\n{right}\n", wrong.join("\n"));
}

/// `ir` knows nobody; `passes`, `codegen` and `runtime` know `ir`; the facade joins them; programs, bindings and benches know the
/// facade, and bindings what they share.
/// Test crates may know all.
#[test]
fn dependencies_point_one_way() {
    let allowed: &[(&str, &[&str])] = &[
        ("routefuse-ir", &[]),
        ("routefuse-passes", &["routefuse-ir"]),
        ("routefuse-llvm", &[]),
        ("routefuse-codegen", &["routefuse-ir", "routefuse-llvm"]),
        ("routefuse-runtime", &["routefuse-ir"]),
        ("routefuse", &["routefuse-ir", "routefuse-passes", "routefuse-codegen", "routefuse-runtime"]),
        ("routefuse-report", &["routefuse"]),
        ("routefuse-cli", &["routefuse", "routefuse-report"]),
        ("routefuse-bench", &["routefuse"]),
        ("routefuse-book", &[]),
        ("routefuse-dlpack", &["routefuse"]),
        ("routefuse-arc4random", &[]),
        ("routefuse-c", &["routefuse", "routefuse-arc4random", "routefuse-dlpack"]),
        ("routefuse-python", &["routefuse", "routefuse-arc4random", "routefuse-dlpack"]),
        ("routefuse-candle", &["routefuse"]),
        ("routefuse-burn", &["routefuse"]),
        ("routefuse-allocations", &[]),
        ("routefuse-generate", &["routefuse-ir"]),
        ("routefuse-invariants", &[]),
    ];
    let mut wrong = vec![];
    for member in WORKSPACE.members.iter().filter(|m| m.name != "routefuse-tests") {
        let Some((_, allowed)) = allowed.iter().find(|a| a.0 == member.name) else {
            wrong.push(format!(
                "{}/Cargo.toml: `{}` is a crate that this test does not know",
                member.folder, member.name
            ));
            continue;
        };
        for used in member.uses("dependencies").into_iter().chain(member.uses("build-dependencies")) {
            if !allowed.contains(&used) {
                wrong.push(format!("{}/Cargo.toml: `{}` depends on `{used}`", member.folder, member.name));
            }
        }
    }
    none(
        wrong,
        "A crate may depend on those that `dependencies_point_one_way` lists for it; what both need belongs into `ir`.",
    );
}

/// Emitters ask a machine what it can do; they do not ask which it is. One module of `codegen` makes machines of targets.
#[test]
fn emitters_know_no_target() {
    const TARGETS: [&str; 9] =
        ["TargetKind", "target.kind()", "target.name", "cfg!(", "Nvptx", "Amdgpu", "nvvm", "amdgcn", "rocdl"];
    let mut wrong = vec![];
    for source in WORKSPACE.member("routefuse-codegen").shipped() {
        if source.path.starts_with("codegen/src/emit/") {
            // Names within texts count too: they are names of intrinsics.
            let said = TARGETS.iter().filter(|t| source.text_without_comments().contains(**t));
            wrong.extend(said.map(|t| format!("{}: `{t}`", source.path)));
        } else if source.path != "codegen/src/machine/mod.rs" {
            wrong.extend(source.places("TargetKind::").map(|at| format!("{at}: `TargetKind::`")));
        }
    }
    none(
        wrong,
        "What differs between targets is a method of the machine (codegen/src/machine); `TargetKind` is matched in its \
         mod.rs alone.",
    );
}

/// `ir` and `passes` forbid unsafe code, and no attribute lets it in again.
#[test]
fn ir_and_passes_forbid_unsafe() {
    let mut wrong = vec![];
    for (name, root) in [("routefuse-ir", "ir/src/lib.rs"), ("routefuse-passes", "passes/src/lib.rs")] {
        let member = WORKSPACE.member(name);
        let forbids = |s: &Source| s.path == root && s.code.contains("#![forbid(unsafe_code)]");
        if !member.sources.iter().any(forbids) {
            wrong.push(format!("{root}: `#![forbid(unsafe_code)]` is missing"));
        }
        for source in member.shipped() {
            wrong.extend(source.words().filter(|w| w.1 == "unsafe").map(|w| source.place(w.0)));
        }
    }
    none(
        wrong,
        "`ir` and `passes` have no unsafe code: it belongs to FFI and launch boundaries, in `codegen` and `runtime`.",
    );
}

/// Every unsafe block and impl says why it is sound: clippy denies others, and every crate takes the lint. Emitters have none.
#[test]
fn unsafe_says_why() {
    let mut wrong = vec![];
    if !table(&WORKSPACE.manifest, "workspace.lints.clippy").contains(&("undocumented_unsafe_blocks", "\"deny\"")) {
        wrong.push("Cargo.toml: the lint `undocumented_unsafe_blocks` is not denied".to_owned());
    }
    for member in &WORKSPACE.members {
        if !table(&member.manifest, "lints").contains(&("workspace", "true")) {
            wrong.push(format!("{}/Cargo.toml: the lints of the workspace are not taken", member.folder));
        }
    }
    for source in WORKSPACE.sources() {
        if source.path.starts_with("codegen/src/emit/") {
            wrong.extend(source.words().filter(|w| w.1 == "unsafe").map(|w| source.place(w.0)));
        }
        wrong.extend(source.places("undocumented_unsafe_blocks").map(|at| format!("{at}: the lint is changed here")));
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, _) in source.words().filter(|w| w.1 == "unsafe") {
            let opens = source.code[at + "unsafe".len()..].trim_start();
            let line = source.code[..at].matches('\n').count();
            // A comment above the statement that has the block, or above the impl.
            let said = (line.saturating_sub(8)..=line).any(|l| lines[l].contains("SAFETY:"));
            if (opens.starts_with('{') || opens.starts_with("impl")) && !said {
                wrong.push(format!("{}: unsafe without a reason", source.place(at)));
            }
        }
    }
    none(wrong, "Above every unsafe block and impl stands `// SAFETY:` with what makes it sound there.");
}

/// The driver of a vendor's GPUs is called in one folder of the runtime, and by the stopwatch of the program, which compares
/// with a launch without this runtime. The runtime asks for the feature that brings a driver where it includes that folder, and
/// nowhere else.
#[test]
fn driver_calls_stay_in_their_folder() {
    const FOLDER: &str = "runtime/src/gpu/";
    const STOPWATCH: &str = "crates/cli/src/gpu/timer.rs";
    let mut wrong = vec![];
    for member in WORKSPACE.members.iter().filter(|m| m.name != "routefuse-tests") {
        let outside = |s: &&Source, vendor: &str| !s.path.starts_with(&format!("{FOLDER}{vendor}/"));
        for source in member.shipped().filter(|s| outside(s, "hip")) {
            let called = |(_, word): &(usize, &str)| {
                word.strip_prefix("hip").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
            };
            wrong.extend(source.words().filter(called).map(|(at, word)| format!("{}: `{word}`", source.place(at))));
        }
        for source in member.shipped().filter(|s| outside(s, "cuda") && s.path != STOPWATCH) {
            for path in ["cudarc::driver::sys", "cudarc::driver::result", "driver::sys::", "driver::result::"] {
                wrong.extend(source.places(path).map(|at| format!("{at}: `{path}`")));
            }
            let called = |(at, word): &(usize, &str)| {
                let name =
                    word.strip_prefix("cu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
                name && source.code[at + word.len()..].starts_with('(')
            };
            wrong.extend(source.words().filter(called).map(|(at, word)| format!("{}: `{word}(`", source.place(at))));
        }
    }
    for source in WORKSPACE.member("routefuse-runtime").shipped() {
        for vendor in ["cuda", "hip"] {
            if source.path.starts_with(&format!("{FOLDER}{vendor}/")) {
                continue;
            }
            if vendor == "cuda" {
                wrong.extend(source.places("cudarc").map(|at| format!("{at}: `cudarc`")));
            }
            let includes = ["runtime/src/lib.rs", "runtime/src/gpu/mod.rs"].contains(&source.path.as_str());
            let asked = source.text_without_comments().matches(&format!("cfg(feature = \"{vendor}\")")).count();
            if asked > usize::from(includes) {
                wrong.push(format!("{}: asks for the feature `{vendor}`", source.path));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    none(
        wrong,
        "What is CUDA's belongs into runtime/src/gpu/cuda, and what is HIP's into runtime/src/gpu/hip; the rest of the runtime \
         asks the trait `Driver`.",
    );
}

/// One concept a file.
#[test]
fn files_are_short() {
    const MOST: usize = 550;
    const MOST_OF_A_TEST: usize = 600;
    let long = WORKSPACE.sources().filter(|s| s.lines() > if s.is_test() { MOST_OF_A_TEST } else { MOST });
    let wrong = long.map(|s| format!("{}: {} lines", s.path, s.lines())).collect();
    none(wrong, "A file has about 500 lines, at most 550 (a test 600): split it by what it holds.");
}

/// A file is named after what it holds.
#[test]
fn names_say_what() {
    const SAYS_NOTHING: [&str; 8] = ["utils", "util", "helpers", "helper", "common", "misc", "manager", "base"];
    let mut wrong = vec![];
    for source in WORKSPACE.sources() {
        let mut parts = source.path.trim_end_matches(".rs").split('/');
        wrong.extend(parts.find(|part| SAYS_NOTHING.contains(part)).map(|part| format!("{}: `{part}`", source.path)));
    }
    none(wrong, "A file or folder is named after the one concept in it.");
}

/// Folders in which no circle of files may stand: each part can be read with those below it alone.
const WITHOUT_CIRCLES: &[(&str, &[&[&str]])] = &[
    ("routefuse-ir", &[&["text"], &["infer"], &["interp"], &["kernel"], &["eval"], &["math"]]),
    ("routefuse-passes", &[&["canonicalise"], &["fuse"], &["lower"], &["schedule"], &["explain"], &["range"]]),
    (
        "routefuse-codegen",
        &[
            &["emit"],
            &["emit", "flat"],
            &["emit", "peephole"],
            &["emit", "pull"],
            &["emit", "row"],
            &["emit", "row", "gpu"],
            &["emit", "row", "host"],
            &["machine"],
            &["mlir"],
            &["mlir", "builder"],
            &["llvm"],
        ],
    ),
    ("routefuse-runtime", &[&["args"], &["gpu"], &["host"], &["plan"]]),
    ("routefuse", &[&["models"]]),
    ("routefuse-cli", &[&[]]),
    ("routefuse-generate", &[&[]]),
    ("routefuse-invariants", &[&[]]),
];

#[test]
fn modules_have_no_circles() {
    let mut wrong = vec![];
    for (name, folders) in WITHOUT_CIRCLES {
        let member = WORKSPACE.member(name);
        let src = format!("{}/src/", member.folder);
        let modules = Modules::of(member.shipped(), &src);
        for folder in *folders {
            if !WORKSPACE.has_folder(&format!("{src}{}", folder.join("/"))) {
                wrong.push(format!("{src}{}: there is no such folder", folder.join("/")));
            }
            wrong.extend(modules.circles(folder).into_iter().map(|circle| format!("{name}, {circle}")));
        }
    }
    none(
        wrong,
        "Files that need each other in turn are one concept: move what both need into one of its own below them.",
    );
}

/// A module with modules in it is a folder with a `mod.rs`.
#[test]
fn one_module_style() {
    let mut wrong = vec![];
    for source in WORKSPACE.sources().filter(|s| !["lib.rs", "main.rs", "mod.rs"].contains(&s.name())) {
        let folder = source.path.trim_end_matches(".rs");
        let programs = source.path.contains("/src/bin/") || source.path.split('/').rev().nth(1) == Some("tests");
        if !programs && WORKSPACE.has_folder(folder) {
            wrong.push(format!("{} beside {folder}/", source.path));
        }
    }
    none(wrong, "`x/mod.rs` in its folder, not `x.rs` beside it.");
}

/// What is tested above is read: an invariant over no files holds of anything.
#[test]
fn the_workspace_is_read() {
    assert!(WORKSPACE.members.len() >= 9, "{} crates", WORKSPACE.members.len());
    assert!(WORKSPACE.sources().count() > 300, "{} files", WORKSPACE.sources().count());
    for (member, folder) in [("routefuse-codegen", "codegen/src/emit/"), ("routefuse-runtime", "runtime/src/gpu/cuda/")]
    {
        let files = WORKSPACE.member(member).shipped().filter(|s| s.path.starts_with(folder)).count();
        assert!(files > 2, "{folder} has {files} files");
    }
    let unsafe_words =
        |name| WORKSPACE.member(name).shipped().flat_map(|s| s.words()).filter(|w| w.1 == "unsafe").count();
    assert!(unsafe_words("routefuse-runtime") > 20 && unsafe_words("routefuse-codegen") > 5);
    assert!(WORKSPACE.member("routefuse-ir").shipped().all(|s| !s.is_test()));
}
