//! The public names of the facade, as they stand in `tests/public_api.txt`: a new one is seen in review. `make snapshots`
//! writes the file anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use syn::{Attribute, Item, UseTree, Visibility};

/// What nearly every program names stands at the root; the rest has a module.
const MOST_AT_THE_ROOT: usize = 25;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The file of a module that is declared in `file`.
fn module_file(file: &Path, module: &str) -> PathBuf {
    let folder = file.parent().expect("a folder");
    let folder = match file.file_stem().and_then(|s| s.to_str()) {
        Some("lib" | "mod") | None => folder.to_owned(),
        Some(stem) => folder.join(stem),
    };
    let flat = folder.join(format!("{module}.rs"));
    if flat.exists() { flat } else { folder.join(module).join("mod.rs") }
}

fn public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The feature that an item needs, in brackets.
fn feature(attributes: &[Attribute]) -> String {
    let features = attributes.iter().filter(|a| a.path().is_ident("cfg")).filter_map(|a| {
        let list = a.meta.require_list().ok()?.tokens.to_string();
        let name = list.split_once('"')?.1.split_once('"')?.0.to_owned();
        Some(name)
    });
    let features: Vec<String> = features.collect();
    if features.is_empty() { String::new() } else { format!(" [{}]", features.join(", ")) }
}

/// The names that a `use` brings.
fn used(tree: &UseTree, names: &mut Vec<String>) {
    match tree {
        UseTree::Path(path) => used(&path.tree, names),
        UseTree::Name(name) => names.push(name.ident.to_string()),
        UseTree::Rename(rename) => names.push(rename.rename.to_string()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| used(tree, names)),
        UseTree::Glob(_) => names.push("*".to_owned()),
    }
}

/// Every public name of a file's module, and, for modules below it, the names there.
fn names(file: &Path, prefix: &str, all: &mut BTreeSet<String>) {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut add = |name: &str, attributes: &[Attribute]| {
        all.insert(format!("{prefix}{name}{}", feature(attributes)));
    };
    let mut modules = Vec::new();
    for item in &parsed.items {
        match item {
            Item::Use(i) if public(&i.vis) => {
                let mut list = Vec::new();
                used(&i.tree, &mut list);
                list.iter().for_each(|name| add(name, &i.attrs));
            }
            Item::Mod(i) if public(&i.vis) => {
                add(&format!("{}::", i.ident), &i.attrs);
                modules.push(i.ident.to_string());
            }
            Item::Struct(i) if public(&i.vis) => add(&i.ident.to_string(), &i.attrs),
            Item::Enum(i) if public(&i.vis) => add(&i.ident.to_string(), &i.attrs),
            Item::Trait(i) if public(&i.vis) => add(&i.ident.to_string(), &i.attrs),
            Item::Type(i) if public(&i.vis) => add(&i.ident.to_string(), &i.attrs),
            Item::Const(i) if public(&i.vis) => add(&i.ident.to_string(), &i.attrs),
            Item::Fn(i) if public(&i.vis) => add(&format!("{}()", i.sig.ident), &i.attrs),
            _ => {}
        }
    }
    for module in modules {
        names(&module_file(file, &module), &format!("{prefix}{module}::"), all);
    }
}

#[test]
fn public_names_are_those_of_the_list() {
    let mut all = BTreeSet::new();
    names(&source().join("lib.rs"), "", &mut all);
    let text: String = all.iter().map(|name| format!("{name}\n")).collect();
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/public_api.txt");
    if std::env::var("INSTA_UPDATE").is_ok_and(|v| v == "always") {
        fs::write(&list, &text).unwrap();
    }
    let listed = fs::read_to_string(&list).unwrap_or_default();
    let (new, gone): (Vec<&str>, Vec<&str>) = (
        text.lines().filter(|l| !listed.lines().any(|o| o == *l)).collect(),
        listed.lines().filter(|l| !text.lines().any(|o| o == *l)).collect(),
    );
    assert!(text == listed, "public names changed: new {new:?}, gone {gone:?}; `make snapshots` writes the list anew");
    // Modules count as well: `json::` itself, not what is in it.
    let root = all.iter().filter(|n| {
        n.trim_end_matches("::").split(' ').next().is_some_and(|n| !n.trim_end_matches("::").contains("::"))
    });
    let root: Vec<&String> = root.collect();
    assert!(root.len() <= MOST_AT_THE_ROOT, "{} names at the root: {root:?}", root.len());
}

/// What a reader of signatures may meet of other crates is written on the front page.
#[test]
fn no_petgraph_and_no_serde_json_in_public_signatures() {
    let mut pending = vec![source()];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            continue;
        }
        if path.extension().is_none_or(|e| e != "rs") {
            continue;
        }
        let parsed = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut imported = Vec::new();
        for item in &parsed.items {
            if let Item::Use(i) = item {
                let mut list = Vec::new();
                used(&i.tree, &mut list);
                let of = |krate: &str| matches!(&i.tree, UseTree::Path(p) if p.ident == krate);
                if of("petgraph") || of("serde_json") {
                    assert!(!public(&i.vis), "{}: {list:?} is public", path.display());
                    imported.extend(list);
                }
            }
        }
        // What makes JSON gives it as text.
        let makes = path.ends_with("inspect/manifest.rs") || path.ends_with("tune/json.rs");
        assert!(imported.is_empty() || makes, "{} uses {imported:?}", path.display());
    }
}
