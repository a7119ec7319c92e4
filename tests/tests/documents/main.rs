//! The documents say what is there: paths and links lead somewhere, the module map is the sources', and every invariant names
//! a test. No machine code is made here, so that this binary links no LLVM.

mod blocks;
mod limits;

use routefuse_ir::target::{Target, TargetKind};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Component, Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository").to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every file below a folder with this ending, as paths from the root, in order.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = vec![];
    let mut waiting = vec![root().join(folder)];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                found.push(path.strip_prefix(root()).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

/// The folders of the module map: the sources of every crate of the workspace, and what is beside them. `tests` below a `src` are
/// left out: they say what the module above them does.
fn trees() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let members = manifest.split("members = [").nth(1).and_then(|rest| rest.split(']').next()).expect("members");
    let crates = members.split('"').skip(1).step_by(2).map(|member| format!("{member}/src"));
    let beside = ["crates/candle/src", "crates/burn/src", "crates/bench/benches", "tests/tests", "fuzz/fuzz_targets"]
        .map(str::to_owned);
    crates.chain(beside).collect()
}

/// Every document that people read.
fn documents() -> Vec<String> {
    let mut found: Vec<String> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_owned).to_vec();
    found.extend(files("docs", "md"));
    found
}

/// The sources of a tree of the map, folder by folder.
fn sources(tree: &str) -> Vec<String> {
    let inner_tests = |f: &String| f.contains("/src/") && (f.contains("/tests/") || f.ends_with("/tests.rs"));
    let mut found: Vec<String> = files(tree, "rs").into_iter().filter(|file| !inner_tests(file)).collect();
    found.sort_by_key(|file| file.rsplit_once('/').map(|(folder, name)| (folder.to_owned(), name.to_owned())));
    found
}

/// The first sentence of a file's own doc comment, without links.
fn first_sentence(source: &str) -> String {
    let lines = source.lines().skip_while(|l| l.trim().is_empty()).map_while(|l| l.strip_prefix("//!"));
    let paragraph: Vec<&str> = lines.map(str::trim).take_while(|l| !l.is_empty()).collect();
    let paragraph = paragraph.join(" ");
    let end = paragraph.find(". ").map_or(paragraph.len(), |at| at + 1);
    let mut text = String::new();
    let mut rest = &paragraph[..end];
    // A link is its text: `[`Name`](where)`, `[`Name`]`, `[words](where)`.
    while let Some(at) = rest.find('[') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some((inner, behind)) = rest.split_once(']') else { break };
        let link = behind.strip_prefix('(').and_then(|target| target.split_once(')'));
        match link {
            Some((_, behind)) => {
                text.push_str(inner);
                rest = behind;
            }
            None if inner.starts_with('`') => {
                text.push_str(inner);
                rest = behind;
            }
            None => text.push('['),
        }
    }
    text.push_str(rest);
    text.trim_end_matches([':', ';']).to_owned()
}

#[test]
fn first_sentences() {
    assert_eq!(first_sentence("//! One. Two.\n"), "One.");
    assert_eq!(first_sentence("//! The [text form](crate::text) of a[0].\n"), "The text form of a[0].");
    assert_eq!(
        first_sentence("//! A [`Thing`](crate::Thing) of\n//! `x`, or [`Other`]\n//!\n//! More.\n"),
        "A `Thing` of `x`, or `Other`"
    );
}

/// `docs/reference/modules.md`: every file with its first sentence.
fn module_map() -> String {
    let mut out = "# Modules\nEvery source file with the first sentence of its documentation, by folder. `make snapshots` writes this \
                   list from the sources.\n[`architecture.md`](../explanation/architecture.md) has the same by folder, and the way of a graph \
                   through them.\n"
        .to_owned();
    for tree in trees() {
        let mut folder = String::new();
        for file in sources(&tree) {
            let (parent, name) = file.rsplit_once('/').expect("a file in a folder");
            if folder != parent {
                folder = parent.to_owned();
                write!(out, "\n## `{folder}/`\n").unwrap();
            }
            let sentence = first_sentence(&read(&file));
            assert!(!sentence.is_empty(), "{file} does not say in its first line what it is");
            writeln!(out, "- `{name}`: {sentence}").unwrap();
        }
    }
    out
}

#[test]
fn modules_are_what_the_sources_say() {
    let (path, expected) = (root().join("docs/reference/modules.md"), module_map());
    if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
    assert!(found == expected, "docs/reference/modules.md is out of date (`make snapshots` writes it): {differs:?}");
}

/// A row of the table of targets, as `docs/reference/targets.md` has it.
fn row(target: Target) -> String {
    let info = target.info();
    let abilities = info.abilities;
    let columns = [
        ("dependent launch", abilities.dependent_launch),
        ("NaN minimum", abilities.nan_min),
        ("warp maximum", abilities.warp_max),
        ("clusters", abilities.clusters),
        ("signed offsets", abilities.signed_offsets),
    ];
    let able: Vec<&str> = columns.into_iter().filter(|(_, able)| *able).map(|(name, _)| name).collect();
    let code = match info.kind {
        TargetKind::Host => "object".to_owned(),
        TargetKind::Nvptx => {
            let version = info.features.trim_start_matches("+ptx");
            let (major, minor) = version.split_at(version.len() - 1);
            format!("PTX {major}.{minor}")
        }
        TargetKind::Amdgpu if info.processors.is_empty() => "HSACO 5".to_owned(),
        TargetKind::Amdgpu => "HSACO 6".to_owned(),
    };
    format!("| `{}` | {} | {code} | {} | {} |\n", info.name, info.product, info.warp, able.join(", "))
}

#[test]
fn targets_are_documented() {
    let path = root().join("docs/reference/targets.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let head = "|---|---|---|---:|---|\n";
    let (before, table) = text.split_once(head).expect("a table");
    let after: String = table.split_inclusive('\n').skip_while(|l| l.starts_with('|')).collect();
    let rows: String = Target::all().map(row).collect();
    let expected = format!("{before}{head}{rows}{after}");
    if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
        std::fs::write(&path, &expected).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text == expected, "docs/reference/targets.md is out of date (`make snapshots` writes its table): {rows}");
    for info in Target::all().map(Target::info).filter(|info| !info.processors.is_empty()) {
        let line = format!("\n| `{}` | {} |\n", info.name, info.processors.join(", "));
        assert!(text.contains(&line), "docs/reference/targets.md does not say what {} runs on: {line}", info.name);
    }
}

/// The part of a document below a heading, up to the next one of the same level.
fn section(document: &str, heading: &str) -> String {
    let text = read(document);
    let start =
        text.find(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("{document} has no section {heading}"));
    let rest = &text[start + 1..];
    rest[..rest[1..].find("\n## ").map_or(rest.len(), |at| at + 1)].to_owned()
}

/// The texts between single backticks, outside of blocks of code.
fn quoted(text: &str) -> Vec<String> {
    let mut found = vec![];
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

/// A new folder of sources has a place in the map, and the map has no folder that is gone.
#[test]
fn the_map_has_every_folder() {
    let map: BTreeSet<String> =
        quoted(&section("docs/explanation/architecture.md", "Module map")).into_iter().collect();
    let mut missing = vec![];
    for tree in trees() {
        for file in sources(&tree) {
            let folder = format!("{}/", file.rsplit_once('/').expect("a file in a folder").0);
            if !map.contains(&folder) && !missing.contains(&folder) {
                missing.push(folder);
            }
        }
    }
    assert!(missing.is_empty(), "docs/explanation/architecture.md, Module map: nothing is said of {missing:?}");
}

#[test]
fn invariants_name_tests_that_exist() {
    let mut tests = BTreeSet::new();
    let sources = ["ir", "passes", "codegen", "runtime", "crates", "tests"];
    for file in sources.iter().flat_map(|folder| files(folder, "rs")) {
        let source = read(&file);
        tests.extend(source.lines().filter_map(|l| {
            let (name, _) = l.trim_start().strip_prefix("fn ")?.split_once('(')?;
            Some(name.to_owned())
        }));
    }
    let table = section("docs/explanation/architecture.md", "Invariants");
    let rows: Vec<&str> = table.lines().filter(|l| l.starts_with("| ")).skip(1).collect();
    assert!(rows.len() >= 10, "{} invariants", rows.len());
    for row in rows {
        let held_by = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        let names = quoted(held_by);
        assert!(!names.is_empty(), "nothing holds {row}");
        for name in names {
            let lint = name.contains(['-', ' ', '/', ':', '!']);
            assert!(lint || tests.contains(&name), "docs/explanation/architecture.md names no test: {name}");
        }
    }
}

/// Whether a quoted text names a file or a folder of this repository.
fn path_of(text: &str) -> Option<&str> {
    const TOP: &[&str] = &[
        "ir/",
        "passes/",
        "codegen/",
        "runtime/",
        "crates/",
        "tests/",
        "docs/",
        "examples/",
        "scripts/",
        "fuzz/",
        "bench/",
        ".ci/",
    ];
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let file = text.split([':', '#']).next().unwrap_or_default();
    (TOP.iter().any(|top| file.starts_with(top)) && file.chars().all(plain)).then_some(file)
}

#[test]
fn paths_in_documents_exist() {
    let mut gone = vec![];
    // The list of modules is written by another test, of sentences that name files from where they stand.
    for document in documents().into_iter().filter(|d| d != "docs/reference/modules.md") {
        for text in quoted(&read(&document)) {
            if let Some(path) = path_of(&text)
                && !root().join(path).exists()
            {
                gone.push(format!("{document}: {path}"));
            }
        }
    }
    assert!(gone.is_empty(), "{}", gone.join("\n"));
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = vec![];
    let mut count = 0;
    for document in documents() {
        let text = read(&document);
        let folder = Path::new(&document).parent().unwrap_or(Path::new(""));
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap_or_default();
            if target.contains("://") {
                continue;
            }
            count += 1;
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let mut file = PathBuf::new();
            let whole = if path.is_empty() { PathBuf::from(&document) } else { folder.join(path) };
            for part in whole.components() {
                match part {
                    Component::ParentDir => drop(file.pop()),
                    part => file.push(part),
                }
            }
            let there = root().join(&file);
            let has = |heading: &str| {
                let text = std::fs::read_to_string(&there).unwrap_or_default();
                text.lines().any(|l| l.starts_with('#') && anchor(l) == heading)
            };
            if !there.exists() || !heading.is_empty() && !has(heading) {
                broken.push(format!("{document}: {target}"));
            }
        }
    }
    assert!(count > 20, "only {count} links were found");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// What the sources say of documents leads to documents that are there.
#[test]
fn documents_that_sources_name_exist() {
    let mut gone = BTreeSet::new();
    let folders =
        ["ir", "passes", "codegen", "runtime", "crates", "tests", "fuzz", "bench", "scripts", "python", "examples"];
    let endings = ["rs", "py", "pyi", "md", "toml", "sh", "route", "css", "js", "html", "in", "txt"];
    let all = folders.iter().flat_map(|folder| endings.iter().flat_map(|ending| files(folder, ending)));
    for file in all.chain(["Makefile", "Cargo.toml", "book.toml", "README.md"].map(str::to_owned)) {
        let Ok(text) = std::fs::read_to_string(root().join(&file)) else { continue };
        for (at, _) in text.match_indices("docs/") {
            let path: String =
                text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "/._-".contains(*c)).collect();
            let path = path.trim_end_matches('.');
            let named = [".md", ".svg", ".png", ".json"].iter().any(|ending| path.ends_with(ending));
            // Not the tail of a longer path.
            let whole = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
            // What that test writes is its own.
            let own = file == "crates/book/tests/book.rs";
            if named && whole && !own && !root().join(path).exists() {
                gone.insert(format!("{file}: {path}"));
            }
        }
    }
    assert!(gone.is_empty(), "{}", gone.into_iter().collect::<Vec<_>>().join("\n"));
}

/// The first page is two screens, so that it is read.
#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 140, "README.md has {lines} lines");
}
