//! The corpus: files under `tests/corpus`, each a graph (or what is wrong with one) with a header in its comments.
//!
//! ```text
//! #! test canonical fuse kernel run     which tests: see `Test`
//! #! target host sm_90 gfx942           for `kernel`, `lower` and `emit`
//! #! extents T=0,1,33                   for `run`; the i-th launch takes the i-th of each list, the last one again if it is shorter
//! #! inputs mixed                       for `run`: mixed, hostile, ids, edges or rows
//! #! seed 10982                         for `run`: inputs of this seed too (a random graph that failed says which)
//! #! why K is no power of two, so that pieces cross rows
//! ```
//! An unknown header, a missing `why`, a header that no test reads and a file that is no `.route` are errors.

use routefuse_generate::data::Rule;
use routefuse_ir::diag::Span;
use routefuse_ir::target::Target;
use routefuse_ir::{Diagnostic, Diagnostics, Graph, Verified, text};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What is tested of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Test {
    /// It is refused; the snapshot has every error with its place.
    Reject,
    /// It is valid; printing and parsing lose nothing.
    Verify,
    /// Snapshot of the canonical graph.
    Canonical,
    /// Snapshot of the fused program and of what `explain` says.
    Fuse,
    /// Snapshot of every kernel with its schedule, for each target.
    Kernel,
    /// Snapshot of the MLIR for each target.
    Lower,
    /// Snapshot of the machine text for each device target.
    Emit,
    /// Interpreter of the graph, fused, unfused and host code agree for every extent.
    Run,
}

const TESTS: [(Test, &str); 8] = [
    (Test::Reject, "reject"),
    (Test::Verify, "verify"),
    (Test::Canonical, "canonical"),
    (Test::Fuse, "fuse"),
    (Test::Kernel, "kernel"),
    (Test::Lower, "lower"),
    (Test::Emit, "emit"),
    (Test::Run, "run"),
];

/// A file of the corpus.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file's name without `.route`, of which snapshots are named.
    pub name: String,
    /// The bytes: one of them is not text.
    pub bytes: Vec<u8>,
    /// The text.
    pub source: String,
    /// What is tested.
    pub tests: BTreeSet<Test>,
    /// For which targets.
    pub targets: Vec<Target>,
    /// Extents by symbol.
    pub extents: Vec<(String, Vec<u64>)>,
    /// How inputs are made.
    pub rule: Option<Rule>,
    /// Seeds of inputs that once failed.
    pub seeds: Vec<u64>,
}

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file of the corpus, and every example with what all examples are tested for.
///
/// # Panics
/// With everything that is wrong with any of them.
pub fn cases() -> Vec<Case> {
    let mut problems = vec![];
    let mut cases = vec![];
    for path in files(&root().join("tests/corpus")) {
        match read(&path).and_then(|(name, bytes)| Case::parse(name, bytes)) {
            Ok(case) => cases.push(case),
            Err(e) => problems.push(format!("{}: {e}", path.display())),
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(cases.len() > 20, "the corpus has only {} files", cases.len());
    cases.extend(examples());
    cases.extend(models());
    cases
}

/// The cases that are tested for this.
///
/// # Panics
/// If there are none, or as [`cases`].
pub fn cases_of(test: Test) -> Vec<Case> {
    let cases: Vec<Case> = cases().into_iter().filter(|c| c.tests.contains(&test)).collect();
    assert!(!cases.is_empty(), "no file of the corpus is tested for {test:?}");
    cases
}

/// The chains of `examples/`.
pub fn examples() -> Vec<Case> {
    let paths = files(&root().join("examples")).into_iter().filter(|p| p.extension().is_some_and(|e| e == "route"));
    let example = |path: PathBuf| {
        let (name, bytes) = read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let source = String::from_utf8_lossy(&bytes).into_owned();
        Case {
            name,
            bytes,
            source,
            tests: [Test::Verify, Test::Canonical, Test::Fuse, Test::Run].into(),
            targets: vec![],
            extents: vec![("T".to_owned(), vec![0, 1, 2, 17, 33, 257])],
            rule: Some(Rule::Hostile),
            seeds: vec![],
        }
    };
    paths.map(example).collect()
}

/// The model presets of `examples/models/`, which have tests of their own; here they are printed and parsed.
///
/// # Panics
/// If there are none, or one cannot be read.
pub fn models() -> Vec<Case> {
    let paths = files(&root().join("examples/models"));
    let case = |path: &PathBuf| {
        let (name, bytes) = read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let source = String::from_utf8_lossy(&bytes).into_owned();
        let (tests, targets, extents) = ([Test::Verify].into(), vec![], vec![]);
        Case { name, bytes, source, tests, targets, extents, rule: None, seeds: vec![] }
    };
    assert!(paths.len() > 16, "examples/models has only {} files", paths.len());
    paths.iter().map(case).collect()
}

/// The graph of a model preset's file.
///
/// # Panics
/// If there is none of this name.
pub fn model(name: &str) -> Verified<Graph> {
    let found = models().into_iter().find(|c| c.name == name);
    found.unwrap_or_else(|| panic!("examples/models has no {name}.route")).graph()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|f| f.path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> Result<(String, Vec<u8>), String> {
    if path.extension().is_none_or(|e| e != "route") {
        return Err("a stray file; the corpus has `.route` files only".to_owned());
    }
    let name = path.file_stem().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    Ok((name, bytes))
}

impl Case {
    fn parse(name: String, bytes: Vec<u8>) -> Result<Case, String> {
        let source = String::from_utf8_lossy(&bytes).into_owned();
        let (tests, targets, extents) = (BTreeSet::new(), vec![], vec![]);
        let mut case = Case { name, bytes, source: String::new(), tests, targets, extents, rule: None, seeds: vec![] };
        let mut why = false;
        for line in source.lines() {
            let Some(header) = line.trim().strip_prefix("#!") else { continue };
            let (key, value) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
            match key {
                "test" => case.tests_of(value)?,
                "target" => {
                    let targets: Result<Vec<Target>, Diagnostic> =
                        value.split_whitespace().map(Target::named).collect();
                    case.targets = targets.map_err(|e| e.to_string())?;
                }
                "extents" => {
                    case.extents = value.split_whitespace().map(self::extents).collect::<Result<_, String>>()?
                }
                "inputs" => {
                    let rule = Rule::named(value).ok_or(format!("`inputs` is mixed, hostile or ids, not `{value}`"))?;
                    case.rule = Some(rule);
                }
                "seed" => case.seeds.push(value.parse().map_err(|e| format!("`{value}`: {e}"))?),
                "why" if !value.is_empty() => why = true,
                _ => {
                    return Err(format!("unknown header `{header}`; it is test, target, extents, inputs, seed or why"));
                }
            }
        }
        case.source = source;
        let has = |t: Test| case.tests.contains(&t);
        let machine = has(Test::Kernel) || has(Test::Lower) || has(Test::Emit);
        match () {
            () if case.tests.is_empty() => Err("no header `test`".to_owned()),
            () if !why => Err("no header `why`: say why its shape matters".to_owned()),
            () if has(Test::Reject) && case.tests.len() > 1 => Err("`reject` goes with no other test".to_owned()),
            () if machine == case.targets.is_empty() => Err("`target` goes with kernel, lower and emit".to_owned()),
            () if has(Test::Run) != case.rule.is_some() => Err("`inputs` goes with run".to_owned()),
            () if !has(Test::Run) && !case.extents.is_empty() => Err("`extents` goes with run".to_owned()),
            () if !has(Test::Run) && !case.seeds.is_empty() => Err("`seed` goes with run".to_owned()),
            () => Ok(case),
        }
    }

    fn tests_of(&mut self, value: &str) -> Result<(), String> {
        for word in value.split_whitespace() {
            let test = TESTS.iter().find(|t| t.1 == word).ok_or_else(|| {
                let known: Vec<&str> = TESTS.iter().map(|t| t.1).collect();
                format!("unknown test `{word}`; it is one of {}", known.join(", "))
            })?;
            self.tests.insert(test.0);
        }
        Ok(())
    }

    /// The graph.
    ///
    /// # Panics
    /// With its errors, if it has any.
    pub fn graph(&self) -> Verified<Graph> {
        self.parsed().unwrap_or_else(|d| panic!("{}: {}", self.name, listing(&d, &self.bytes)))
    }

    /// The graph, or what is wrong with it.
    ///
    /// # Errors
    /// The parser's and the verifier's.
    pub fn parsed(&self) -> Result<Verified<Graph>, Diagnostics> {
        text::utf8(&self.bytes).and_then(text::parse_verified)
    }

    /// The extents of each launch, one a symbol in the graph's order.
    ///
    /// # Panics
    /// If the header names not exactly the graph's symbols.
    pub fn launches(&self, g: &Graph) -> Vec<Vec<u64>> {
        for (name, _) in &self.extents {
            assert!(g.symbols.contains(name), "{}: `extents` names {name}, which is no dim", self.name);
        }
        let lists: Vec<&Vec<u64>> = g
            .symbols
            .iter()
            .map(|s| {
                let found = self.extents.iter().find(|e| e.0 == *s);
                &found.unwrap_or_else(|| panic!("{}: no `extents` for {s}", self.name)).1
            })
            .collect();
        let count = lists.iter().map(|l| l.len()).max().unwrap_or(1);
        (0..count).map(|i| lists.iter().map(|l| l[i.min(l.len() - 1)]).collect()).collect()
    }
}

fn extents(text: &str) -> Result<(String, Vec<u64>), String> {
    let (name, list) = text.split_once('=').ok_or(format!("`{text}` is not as in T=0,1"))?;
    let list: Result<Vec<u64>, _> = list.split(',').map(str::parse).collect();
    let list = list.map_err(|e| format!("`{text}`: {e}"))?;
    if list.is_empty() { Err(format!("`{text}` is empty")) } else { Ok((name.to_owned(), list)) }
}

/// Every error with its place in the source.
pub fn listing(d: &Diagnostics, source: &[u8]) -> String {
    d.iter().map(|d| format!("{}{d}\n", place(d.span, source))).collect()
}

/// Line and column, both from 1 and in bytes, and what stands there.
fn place(span: Option<Span>, source: &[u8]) -> String {
    let Some(span) = span else { return String::new() };
    let (before, from) = source.split_at(span.start.min(source.len()));
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
    let text = &from[..(span.end.saturating_sub(span.start)).min(from.len())];
    let text = String::from_utf8_lossy(text);
    format!("{line}:{column} `{}`: ", text.lines().next().unwrap_or_default().escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(header: &str) -> String {
        Case::parse("case".to_owned(), format!("{header}\nroute 1\n").into_bytes())
            .err()
            .unwrap_or_else(|| "none".to_owned())
    }

    #[test]
    fn headers_that_say_nothing_are_errors() {
        assert_eq!(error("#! test verify\n#! why it is"), "none");
        assert_eq!(error("#! test kernel run\n#! target host\n#! inputs ids\n#! extents T=1\n#! why x"), "none");
        let wrong = [
            "",
            "#! test verify",
            "#! why it is",
            "#! test\n#! why it is",
            "#! test verified\n#! why it is",
            "#! tests verify\n#! why it is",
            "#! test kernel\n#! why it is",
            "#! test verify\n#! target host\n#! why it is",
            "#! test kernel\n#! target sm_1\n#! why it is",
            "#! test run\n#! why it is",
            "#! test run\n#! inputs some\n#! why it is",
            "#! test run\n#! inputs ids\n#! extents T\n#! why it is",
            "#! test verify\n#! extents T=1\n#! why it is",
            "#! test reject run\n#! inputs ids\n#! why it is",
            "#! test verify\n#! seed 1\n#! why it is",
            "#! test run\n#! inputs ids\n#! seed one\n#! why it is",
            "#! test verify\n#! why",
        ];
        for header in wrong {
            assert_ne!(error(header), "none", "{header}");
        }
    }

    #[test]
    fn places_count_from_one() {
        let source = b"ab\ncd\n";
        for (at, expected) in
            [(0, "1:1 `a`: "), (1, "1:2 `b`: "), (3, "2:1 `c`: "), (4, "2:2 `d`: "), (6, "3:1 ``: "), (9, "3:1 ``: ")]
        {
            assert_eq!(place(Some(Span::new(at, at + 1)), source), expected);
        }
    }
}
