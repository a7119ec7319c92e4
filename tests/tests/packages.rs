//! What is published, and what it drags in: every package has what a registry asks for, and `deny.toml` holds for every
//! dependency that is shipped. No machine code is made here, so that this binary links no LLVM.

use serde_json::Value;
use spdx::{Expression, Licensee, ParseMode};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The packages that users depend on, each after those that it depends on. Everything else says `publish = false`.
const PUBLISHED: &[&str] = &[
    "routefuse-ir",
    "routefuse-passes",
    "routefuse-llvm",
    "routefuse-codegen",
    "routefuse-runtime",
    "routefuse",
    "routefuse-report",
    "routefuse-cli",
];

/// Packages without the field `license`, whose licence was read in the file that they name instead.
const READ_BY_HAND: &[(&str, &str)] = &[("mlir-sys", "MIT")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What cargo knows, from what was downloaded for this build.
fn metadata(arguments: &[&str]) -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--format-version", "1"])
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

/// `publish = false`.
fn is_private(package: &Value) -> bool {
    package["publish"].as_array().is_some_and(Vec::is_empty)
}

#[test]
fn a_package_is_published_or_says_that_it_is_not() {
    let metadata = metadata(&["--no-deps"]);
    let packages = list(&metadata, "packages");
    let public: BTreeSet<&str> = packages.iter().filter(|p| !is_private(p)).map(|p| text(p, "name")).collect();
    assert_eq!(public, PUBLISHED.iter().copied().collect(), "published packages; see the list in this test");
}

#[test]
fn published_packages_have_what_a_registry_asks_for() {
    let metadata = metadata(&["--no-deps"]);
    let packages = list(&metadata, "packages");
    let versions: BTreeMap<&str, &str> = packages.iter().map(|p| (text(p, "name"), text(p, "version"))).collect();
    let private: BTreeSet<&str> = packages.iter().filter(|p| is_private(p)).map(|p| text(p, "name")).collect();
    let mut wrong = vec![];
    for package in packages.iter().filter(|p| !is_private(p)) {
        let name = text(package, "name");
        let mut need = |holds: bool, what: &str| {
            if !holds {
                wrong.push(format!("{name}: {what}"));
            }
        };
        for field in ["description", "license", "repository", "readme", "rust_version"] {
            need(!text(package, field).is_empty(), &format!("no `{field}`"));
        }
        need((1..=5).contains(&list(package, "keywords").len()), "one to five `keywords`");
        need((1..=5).contains(&list(package, "categories").len()), "one to five `categories`");
        let folder = Path::new(text(package, "manifest_path")).parent().unwrap();
        for file in [text(package, "readme"), "LICENSE-MIT", "LICENSE-APACHE"] {
            need(folder.join(file).is_file(), &format!("no file {file} in the package"));
        }
        for dependency in list(package, "dependencies") {
            let (on, asked) = (text(dependency, "name"), text(dependency, "req"));
            let only_tests = dependency["kind"] == "dev";
            match versions.get(on) {
                // A registry drops what only tests use and has no version.
                Some(_) if only_tests && private.contains(on) => {
                    need(asked == "*", &format!("{on} is not published, and no test of a package may ask for it"));
                }
                Some(version) => {
                    need(!private.contains(on), &format!("depends on {on}, which is not published"));
                    need(asked == format!("={version}"), &format!("asks for {on} {asked}, not for ={version}"));
                }
                None => need(asked != "*", &format!("asks for any version of {on}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A package is built from its own files: what it includes or reads while it is built lies inside it. (Tests may read the
/// repository; they are no part of a package.)
#[test]
fn published_sources_include_nothing_from_outside() {
    let metadata = metadata(&["--no-deps"]);
    let mut outside = vec![];
    for package in list(&metadata, "packages").iter().filter(|p| !is_private(p)) {
        let folder = Path::new(text(package, "manifest_path")).parent().unwrap();
        for part in ["src", "examples"] {
            for file in rust_files(&folder.join(part)) {
                let source = std::fs::read_to_string(&file).unwrap();
                let here = file.strip_prefix(folder).unwrap();
                // How far up from the file's folder the package ends.
                let depth = here.components().count() - 1;
                let escapes = |literal: &str| literal.matches("../").count() > depth;
                let included = source.match_indices("include_").filter_map(|(at, _)| {
                    let call = &source[at..];
                    let (macro_name, rest) = call.split_once("!(\"")?;
                    matches!(macro_name, "include_str" | "include_bytes").then(|| rest.split('"').next())?
                });
                for path in included.filter(|p| escapes(p)) {
                    outside.push(format!("{} {} includes {path}", text(package, "name"), here.display()));
                }
                if source.contains("CARGO_MANIFEST_DIR") && source.contains("\"/../") {
                    outside.push(format!("{} {} reads beside its package", text(package, "name"), here.display()));
                }
            }
        }
    }
    assert!(outside.is_empty(), "{}", outside.join("\n"));
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

/// Every crate that is shipped with the program or the library, all features on: `(name, version)` to its metadata.
fn shipped() -> BTreeMap<(String, String), Value> {
    // Where tests run, the crates of other machines are not downloaded.
    let deny = deny();
    let target = deny["graph"]["targets"][0].as_str().unwrap();
    let metadata = metadata(&["--all-features", "--filter-platform", target]);
    let packages: BTreeMap<&str, &Value> = list(&metadata, "packages").iter().map(|p| (text(p, "id"), p)).collect();
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"], "nodes").iter().map(|n| (text(n, "id"), n)).collect();
    let is_root = |id: &&str| PUBLISHED.contains(&text(packages[id], "name")) && packages[id]["source"].is_null();
    let mut waiting: Vec<&str> = nodes.keys().copied().filter(is_root).collect();
    let mut seen: BTreeSet<&str> = waiting.iter().copied().collect();
    while let Some(id) = waiting.pop() {
        for dependency in list(nodes[id], "deps") {
            let only_tests = list(dependency, "dep_kinds").iter().all(|k| k["kind"] == "dev");
            if !only_tests && seen.insert(text(dependency, "pkg")) {
                waiting.push(text(dependency, "pkg"));
            }
        }
    }
    let named = |id: &str| {
        let package = packages[id];
        ((text(package, "name").to_owned(), text(package, "version").to_owned()), package.clone())
    };
    seen.into_iter().map(named).collect()
}

fn deny() -> toml::Table {
    std::fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap()
}

#[test]
fn licences_are_allowed() {
    let deny = deny();
    let allowed: Vec<&str> =
        deny["licenses"]["allow"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
    let licensees: Vec<Licensee> = allowed.iter().map(|l| Licensee::parse(l).unwrap()).collect();
    let mut used = BTreeSet::new();
    let mut refused = vec![];
    for ((name, version), package) in shipped() {
        let by_hand = READ_BY_HAND.iter().find(|(of, _)| *of == name).map(|(_, licence)| *licence);
        let Some(licence) = package["license"].as_str().or(by_hand) else {
            refused.push(format!("{name} {version} states no licence: read the one in its folder"));
            continue;
        };
        let expression = Expression::parse_mode(licence, ParseMode::LAX).unwrap_or_else(|e| panic!("{name}: {e}"));
        let satisfied = expression.evaluate(|asked| {
            let found: Vec<usize> = (0..licensees.len()).filter(|i| licensees[*i].satisfies(asked)).collect();
            used.extend(found.iter().map(|i| allowed[*i]));
            !found.is_empty()
        });
        if !satisfied {
            refused.push(format!("{name} {version}: {licence}"));
        }
    }
    assert!(refused.is_empty(), "not allowed by deny.toml:\n{}", refused.join("\n"));
    assert_eq!(used, allowed.into_iter().collect(), "deny.toml allows licences that no dependency has");
}

#[test]
fn second_versions_are_known_and_everything_comes_from_one_registry() {
    let deny = deny();
    let skipped = deny["bans"]["skip"].as_array().unwrap().iter().map(|s| s["crate"].as_str().unwrap().to_owned());
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut registries = BTreeSet::new();
    for ((name, version), package) in shipped() {
        let source = package["source"].as_str();
        let registry = source.is_some_and(|source| source.starts_with("registry+"));
        let own = source.is_none() && PUBLISHED.contains(&name.as_str());
        assert!(registry || own, "{name} {version} comes from {source:?}");
        registries.extend(source.map(str::to_owned));
        versions.entry(name).or_default().push(version);
    }
    assert_eq!(registries.len(), 1, "everything comes from one registry, not {registries:?}");
    let number =
        |version: &String| -> Vec<u64> { version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect() };
    let older = versions.iter_mut().flat_map(|(name, versions)| {
        versions.sort_by_key(number);
        let older = versions[..versions.len() - 1].iter().map(move |version| format!("{name}@{version}"));
        older.collect::<Vec<_>>()
    });
    assert_eq!(older.collect::<BTreeSet<_>>(), skipped.collect(), "second versions; deny.toml lists them under `skip`");
}

/// The crates of a build of the facade with these features on this machine, by name and version: its own, and those at build time that
/// make what it is made of (procedural macros), but not what is built to build (`build.rs`).
fn closure(features: &str) -> BTreeSet<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--package", "routefuse", "--no-default-features", "--features", features])
        .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    // "name v1.2.3 (where it is)".
    lines.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
}

/// Who serves from a bundle builds few crates, none of which links LLVM.
#[test]
fn the_loader_is_small() {
    const MOST: usize = 50;
    for features in ["", "cuda,hip"] {
        let crates = closure(features);
        assert!(crates.len() > 20, "{crates:?}");
        assert!(crates.len() <= MOST, "{} crates with the features `{features}`: {crates:#?}", crates.len());
        let heavy = ["llvm", "melior", "mlir", "inkwell", "routefuse-codegen", "routefuse-passes"];
        let found: Vec<&String> = crates.iter().filter(|c| heavy.iter().any(|h| c.contains(h))).collect();
        assert!(found.is_empty(), "{found:?}");
    }
    // What the documents say of it.
    let guide = std::fs::read_to_string(root().join("docs/guides/rust.md")).unwrap();
    for (features, row) in
        [("", "| | "), ("cuda,hip", "| `cuda`, `hip` | "), ("cuda,hip,signatures", "| `cuda`, `hip`, `signatures` | ")]
    {
        let (row, crates) = (format!("{row}{} |", closure(features).len()), closure(features));
        assert!(guide.contains(&row), "docs/guides/rust.md does not say {row}: {crates:#?}");
    }
}
