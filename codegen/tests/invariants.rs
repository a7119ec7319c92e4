//! What holds of the sources of this crate, read as text: who may know a target, and who may use whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Every source under a folder of `src`, by its module path: `emit::pull::index`.
fn sources(folder: &str) -> BTreeMap<String, String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder of sources").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = vec![];
    walk(&root.join(folder), &mut found);
    let name = |path: &PathBuf| {
        let path = path.strip_prefix(&root).expect("under src").with_extension("");
        let parts: Vec<String> = path.iter().map(|p| p.to_string_lossy().into_owned()).collect();
        parts.join("::").trim_end_matches("::mod").to_owned()
    };
    found.iter().map(|path| (name(path), std::fs::read_to_string(path).expect("a source"))).collect()
}

/// A source without its comments.
fn code(source: &str) -> String {
    source.lines().map(|l| l.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// An emitter asks a machine what it can do, and never who it is. One function of the crate makes machines of targets.
#[test]
fn emitters_know_no_target() {
    let emit = sources("emit");
    assert!(emit.len() > 40, "{} sources", emit.len());
    for (name, source) in &emit {
        for word in ["TargetKind", ".kind()", "target.name", "cfg!(", "Nvptx", "Amdgpu", "nvvm", "amdgcn", "rocdl"] {
            let asks_of_value = word == ".kind()" && !code(source).contains("target");
            assert!(asks_of_value || !code(source).contains(word), "{name} has `{word}`");
        }
        assert!(!code(source).contains("unsafe"), "{name} is unsafe");
    }
    let all = sources("");
    let ask: Vec<&String> = all.iter().filter(|(_, s)| code(s).contains("TargetKind::")).map(|(n, _)| n).collect();
    assert_eq!(ask, ["machine"], "modules that ask what kind a target is");
}

/// What one module's code names of the others under `emit`.
fn uses(name: &str, source: &str, all: &BTreeMap<String, String>) -> BTreeSet<String> {
    let code = code(source).replace(char::is_whitespace, "");
    let parent = |name: &str| name.rsplit_once("::").map_or("", |(p, _)| p).to_owned();
    let mut found = BTreeSet::new();
    // `use a::{b, c::d};` names a::b and a::c::d.
    for statement in code.split("use").skip(1).filter_map(|s| s.split_once(';')).map(|s| s.0) {
        let mut paths = vec![String::new()];
        let mut prefixes: Vec<String> = vec![];
        for c in statement.chars() {
            match c {
                '{' => {
                    let prefix = paths.pop().unwrap_or_default();
                    prefixes.push(prefix.clone());
                    paths.push(prefix);
                }
                ',' => paths.push(prefixes.last().cloned().unwrap_or_default()),
                '}' => {
                    prefixes.pop();
                }
                c => {
                    if let Some(path) = paths.last_mut() {
                        path.push(c);
                    }
                }
            }
        }
        for path in paths {
            let own = |up: &str, rest: &str| format!("{up}::{rest}");
            let full = match path.split_once("::") {
                Some(("crate", rest)) => rest.to_owned(),
                Some(("super", rest)) => own(&parent(name), rest),
                Some(("self", rest)) => own(name, rest),
                // A child of this module.
                Some(_) if all.keys().any(|k| path.starts_with(k.strip_prefix(&own(name, "")).unwrap_or("\0"))) => {
                    own(name, &path)
                }
                _ => continue,
            };
            // The longest module that it names.
            let named = all.keys().filter(|k| full == **k || full.starts_with(&format!("{k}::")));
            found.extend(named.max_by_key(|k| k.len()).cloned());
        }
    }
    found.remove(name);
    found
}

/// Modules of the emitter use each other in one direction: following uses never leads back. What a module declares as its
/// children counts as below or above it by its uses like any other; a child may name what its parent defines.
#[test]
fn emitters_use_each_other_in_one_direction() {
    let emit = sources("emit");
    let graph: BTreeMap<&str, BTreeSet<String>> =
        emit.iter().filter(|(n, _)| !n.ends_with("tests")).map(|(n, s)| (n.as_str(), uses(n, s, &emit))).collect();
    assert!(graph["emit::row::gpu::topk"].contains("emit::row::gpu::spread"), "uses are found");
    // An owner's parts are methods of the type that its `mod.rs` defines, so the two name each other by right.
    let folder_of = |name: &str| {
        ["emit::pull", "emit::row::gpu", "emit::row::host", "emit::peephole"]
            .into_iter()
            .find(|f| name.starts_with(&format!("{f}::")) || name == *f)
            .unwrap_or(name)
            .to_owned()
    };
    let mut above: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, used) in &graph {
        let from = folder_of(name);
        above.entry(from.clone()).or_default().extend(used.iter().map(|u| folder_of(u)).filter(|to| *to != from));
    }
    for start in above.keys() {
        let (mut waiting, mut seen) = (vec![start.clone()], BTreeSet::new());
        while let Some(at) = waiting.pop() {
            for next in above.get(&at).into_iter().flatten() {
                assert_ne!(next, start, "{start} uses itself by way of {at}");
                if seen.insert(next.clone()) {
                    waiting.push(next.clone());
                }
            }
        }
    }
    // Within a folder: no two files that name each other, but for a `mod.rs` and what it is made of.
    for (name, used) in &graph {
        for other in used {
            let mutual = graph.get(other.as_str()).is_some_and(|back| back.contains(*name));
            let family = other.starts_with(&format!("{name}::")) || name.starts_with(&format!("{other}::"));
            assert!(!mutual || family, "{name} and {other} use each other");
        }
    }
}
