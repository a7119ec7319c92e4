//! Who names whom: a graph of the modules of a crate, made from the paths in its code.
//!
//! A module is a file. `use super::a::X`, `use crate::b::{c, d}` and such paths within code lead from one module to another; a name
//! that a module passes on (`pub use inner::X`) leads to where it comes from. Methods are not followed, only paths.
//!
//! A circle is told at the level of a folder: its files and the folders within it, each folder as one with all that is in it, may
//! not need each other in turn. What a folder's own `mod.rs` names of them, and they of it, is no circle: `mod.rs` holds what
//! they share and joins them.

use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};

/// A module: the names from the root of its crate, `["emit", "row"]`.
pub type Module = Vec<String>;

/// The modules of a crate and the paths between them.
#[derive(Debug, Default)]
pub struct Modules {
    /// From, to, and `path:line` of one place.
    edges: BTreeMap<(Module, Module), String>,
}

/// One path of code: where it begins, and its names.
struct Path {
    at: usize,
    names: Vec<String>,
    /// What it is called from here on.
    alias: Option<String>,
}

impl Modules {
    /// The modules of the files under `src`, a folder that ends with `/`.
    pub fn of<'s>(files: impl Iterator<Item = &'s Source>, src: &str) -> Modules {
        let files: BTreeMap<Module, &Source> =
            files.filter_map(|f| Some((module(f.path.strip_prefix(src)?)?, f))).collect();
        let known: BTreeSet<Module> = files.keys().cloned().collect();
        // What each module passes on, by name.
        let mut passed: BTreeMap<(Module, String), Module> = BTreeMap::new();
        for (module, file) in &files {
            for path in uses(file.without_tests()) {
                let Some(name) = path.alias.clone().or_else(|| path.names.last().cloned()) else { continue };
                let to = resolve(module, &path.names, &known, &BTreeMap::new());
                if let Some(to) = to.filter(|to| to != module) {
                    passed.insert((module.clone(), name), to);
                }
            }
        }
        let mut edges = BTreeMap::new();
        for (module, file) in &files {
            for path in paths(file.without_tests()) {
                if let Some(to) = resolve(module, &path.names, &known, &passed).filter(|to| to != module) {
                    edges.entry((module.clone(), to)).or_insert_with(|| file.place(path.at));
                }
            }
        }
        Modules { edges }
    }

    /// The circles within this folder and the folders in it, each as a text that says which paths make it.
    pub fn circles(&self, folder: &[&str]) -> Vec<String> {
        // A level: a folder, and of the units in it who names whom.
        let mut levels: BTreeMap<&[String], BTreeMap<&str, BTreeMap<&str, &str>>> = BTreeMap::new();
        for ((from, to), place) in &self.edges {
            let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            let within = common >= folder.len() && from.iter().zip(folder).all(|(a, b)| a == b);
            if let (Some(a), Some(b)) = (from.get(common), to.get(common))
                && within
            {
                levels.entry(&from[..common]).or_default().entry(a).or_default().entry(b).or_insert(place);
            }
        }
        let mut circles = Vec::new();
        for (folder, edges) in levels {
            while_circle(&edges, |circle| {
                let steps = circle.windows(2).map(|w| format!("{} names {} ({})", w[0], w[1], edges[w[0]][w[1]]));
                circles.push(format!("in `{}`: {}", folder.join("/"), steps.collect::<Vec<_>>().join(", ")));
            });
        }
        circles
    }
}

/// The module of a file, by its path under `src`; none for programs beside the crate.
fn module(path: &str) -> Option<Module> {
    let path = path.strip_suffix(".rs")?;
    let mut names: Module = path.split('/').map(str::to_owned).collect();
    if names[0] == "bin" {
        return None;
    }
    if names.last().is_some_and(|n| n == "mod") || path == "lib" || path == "main" {
        names.pop();
    }
    Some(names)
}

/// The module in which a path ends that is written in `from`; none if it leads out of the crate.
fn resolve(
    from: &Module,
    names: &[String],
    known: &BTreeSet<Module>,
    passed: &BTreeMap<(Module, String), Module>,
) -> Option<Module> {
    let mut at = from.clone();
    let mut rest = names;
    match names.first()?.as_str() {
        "crate" => (at, rest) = (vec![], &names[1..]),
        "self" => rest = &names[1..],
        "super" => {
            while rest.first().is_some_and(|n| n == "super") {
                at.pop()?;
                rest = &rest[1..];
            }
        }
        first => {
            at.push(first.to_owned());
            if !known.contains(&at) {
                return None;
            }
            rest = &names[1..];
        }
    }
    for name in rest {
        let inner: Module = at.iter().chain([name]).cloned().collect();
        if known.contains(&inner) {
            at = inner;
        } else {
            return Some(passed.get(&(at.clone(), name.clone())).cloned().unwrap_or(at));
        }
    }
    Some(at)
}

/// The paths that begin with `super` or `crate`.
fn paths(code: &str) -> Vec<Path> {
    let mut found = Vec::new();
    for word in ["super::", "crate::"] {
        for (at, _) in code.match_indices(word) {
            let before = code[..at].chars().next_back();
            // Not within a word, nor in the middle of a path.
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
                continue;
            }
            tree(&code[at..], at, &[], &mut found);
        }
    }
    found
}

/// The paths of the `use` statements.
fn uses(code: &str) -> Vec<Path> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let begins = code[..at]
            .trim_end_matches(' ')
            .chars()
            .next_back()
            .is_none_or(|c| ['\n', ';', '}', ')', 'b'].contains(&c));
        if begins {
            tree(&code[at + 4..], at, &[], &mut found);
        }
    }
    found
}

/// Adds the paths of a tree, `a::{b, c::{d as e, *}}`, each with the names before it; returns what stands behind it.
fn tree<'c>(code: &'c str, at: usize, before: &[String], found: &mut Vec<Path>) -> &'c str {
    let mut names = before.to_vec();
    let mut rest = code.trim_start();
    loop {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        if end == 0 {
            break;
        }
        names.push(rest[..end].to_owned());
        rest = &rest[end..];
        let Some(inner) = rest.strip_prefix("::") else { break };
        rest = inner.trim_start();
        if let Some(mut group) = rest.strip_prefix('{') {
            loop {
                group = tree(group, at, &names, found).trim_start();
                group = match group.strip_prefix(',') {
                    Some(next) if !next.trim_start().starts_with('}') => next,
                    Some(next) => return next.trim_start().strip_prefix('}').unwrap_or(next),
                    None => return group.strip_prefix('}').unwrap_or(group),
                };
            }
        }
    }
    let mut alias = None;
    if let Some(name) = rest.trim_start().strip_prefix("as ") {
        let name = name.trim_start();
        let end = name.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(name.len());
        alias = Some(name[..end].to_owned());
        rest = &name[end..];
    }
    let rest = rest.strip_prefix('*').unwrap_or(rest);
    // `{self, …}` names the module before it.
    if names.last().is_some_and(|n| n == "self") && names.len() > 1 {
        names.pop();
    }
    found.push(Path { at, names, alias });
    rest
}

/// Calls back with one circle (its first unit again at the end) of each set of units that need each other in turn.
fn while_circle<'e>(edges: &BTreeMap<&'e str, BTreeMap<&'e str, &'e str>>, mut found: impl FnMut(&[&'e str])) {
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for start in edges.keys().copied() {
        if told.contains(start) {
            continue;
        }
        // The shortest way back to where it began.
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([start]);
        'search: while let Some(at) = queue.pop_front() {
            for next in edges.get(at).into_iter().flat_map(|to| to.keys().copied()) {
                if next == start {
                    let mut circle = vec![start, at];
                    while circle.last() != Some(&start) {
                        circle.push(came_from[circle[circle.len() - 1]]);
                    }
                    circle.reverse();
                    told.extend(&circle);
                    found(&circle);
                    break 'search;
                }
                if !came_from.contains_key(next) {
                    came_from.insert(next, at);
                    queue.push_back(next);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(files: &[(&str, &str)]) -> Modules {
        let files: Vec<Source> = files.iter().map(|(path, text)| Source::new(format!("c/src/{path}"), *text)).collect();
        Modules::of(files.iter(), "c/src/")
    }

    #[test]
    fn siblings_that_need_each_other_are_a_circle() {
        let m = modules(&[
            ("lib.rs", "mod a;\nmod b;\npub use a::X;\n"),
            ("a.rs", "use super::b::{self, Y};\npub struct X;\n"),
            ("b.rs", "pub struct Y;\nfn f() -> crate::X { loop {} }\n"),
        ]);
        let circles = m.circles(&[]);
        assert_eq!(circles, ["in ``: a names b (c/src/a.rs:1), b names a (c/src/b.rs:2)"]);
    }

    #[test]
    fn a_folder_counts_as_one_and_its_own_file_not_at_all() {
        let m = modules(&[
            ("lib.rs", "mod a;\nmod b;\n"),
            ("a/mod.rs", "mod one;\nmod two;\npub struct A;\nuse one::One;\n"),
            ("a/one.rs", "use super::A;\nuse crate::b::B;\npub struct One;\n"),
            ("a/two.rs", "use super::one::One;\n"),
            ("b.rs", "use crate::{a::two as t};\npub struct B;\n#[cfg(test)]\nmod tests {\nuse super::B;\n}\n"),
        ]);
        assert_eq!(m.circles(&[]), ["in ``: a names b (c/src/a/one.rs:2), b names a (c/src/b.rs:1)"]);
        assert_eq!(m.circles(&["a"]), Vec::<String>::new());
    }

    #[test]
    fn longer_circles_are_found_and_straight_lines_are_none() {
        let m = modules(&[
            ("lib.rs", ""),
            ("a.rs", "use super::b;"),
            ("b.rs", "use super::c::*;"),
            ("c.rs", "fn f() { super::a::f() }"),
            ("d.rs", "use crate::a::f;"),
        ]);
        let circles = m.circles(&[]);
        assert_eq!(circles.len(), 1, "{circles:?}");
        assert!(circles[0].contains("c names a (c/src/c.rs:1)"), "{circles:?}");
    }
}
