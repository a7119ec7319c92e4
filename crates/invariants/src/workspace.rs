//! The files of the workspace.

use crate::manifest::{list, table};
use crate::source::Source;
use std::fs;
use std::path::{Path, PathBuf};

/// A crate of the workspace.
#[derive(Clone, Debug)]
pub struct Member {
    /// As its manifest says.
    pub name: String,
    /// Its folder, from the root of the workspace.
    pub folder: String,
    /// Its manifest.
    pub manifest: String,
    /// Every file of Rust in it, by path.
    pub sources: Vec<Source>,
}

/// The workspace, read.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Its manifest.
    pub manifest: String,
    /// Its crates, in the order of the manifest, and those of `crates/` that are a workspace of their own.
    pub members: Vec<Member>,
    root: PathBuf,
}

impl Workspace {
    /// The workspace of this crate.
    ///
    /// # Panics
    /// If a file of it cannot be read.
    pub fn read() -> Workspace {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let read = |path: PathBuf| fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let manifest = read(root.join("Cargo.toml"));
        let member = |folder: &str| {
            let manifest = read(root.join(folder).join("Cargo.toml"));
            let package = table(&manifest, "package");
            let name = package.iter().find(|k| k.0 == "name").map_or(folder, |k| k.1.trim_matches('"')).to_owned();
            let mut sources = Vec::new();
            rust_files(&root.join(folder), folder, &mut sources);
            sources.sort_by(|a, b| a.path.cmp(&b.path));
            Member { name, folder: folder.to_owned(), manifest, sources }
        };
        let apart = list(&manifest, "workspace", "exclude").into_iter().filter(|folder| folder.starts_with("crates/"));
        let members = list(&manifest, "workspace", "members").into_iter().chain(apart).map(member).collect();
        Workspace { manifest, members, root }
    }

    /// The crate of this name.
    ///
    /// # Panics
    /// If there is none.
    pub fn member(&self, name: &str) -> &Member {
        self.members.iter().find(|m| m.name == name).unwrap_or_else(|| panic!("the workspace has no crate `{name}`"))
    }

    /// Every file of Rust.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.members.iter().flat_map(|m| &m.sources)
    }

    /// Whether there is a folder of this path.
    pub fn has_folder(&self, path: &str) -> bool {
        self.root.join(path).is_dir()
    }
}

impl Member {
    /// The files that are built into the crate, without tests, benches and examples.
    pub fn shipped(&self) -> impl Iterator<Item = &Source> {
        let prefix = format!("{}/src/", self.folder);
        self.sources.iter().filter(move |s| s.path.starts_with(&prefix) && !s.is_test())
    }

    /// The names of the crates in a table of dependencies of the manifest that begin with `routefuse`.
    pub fn uses(&self, dependencies: &str) -> Vec<&str> {
        table(&self.manifest, dependencies).into_iter().map(|k| k.0).filter(|k| k.starts_with("routefuse")).collect()
    }
}

fn rust_files(folder: &Path, path: &str, found: &mut Vec<Source>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let inner = format!("{path}/{name}");
        if entry.path().is_dir() {
            // Another crate, or what was built, or snapshots.
            if !entry.path().join("Cargo.toml").exists() && name != "target" && !name.starts_with('.') {
                rust_files(&entry.path(), &inner, found);
            }
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(entry.path()).unwrap_or_else(|e| panic!("{inner}: {e}"));
            found.push(Source::new(inner, text));
        }
    }
}
