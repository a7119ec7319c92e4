//! Running the program.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run gave.
#[derive(Debug)]
pub struct Ran {
    /// What the program was given.
    pub args: Vec<String>,
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The run succeeded and said nothing on standard error.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.code == 0 && self.err.is_empty(), "{self:#?}");
        self.out
    }

    /// The run failed with this exit code, wrote nothing to standard output, and said all of these on standard error.
    #[track_caller]
    pub fn fails(self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, code, "{self:#?}");
        assert_eq!(self.out, "", "{self:#?}");
        assert!(!self.err.contains("panicked"), "{}", self.err);
        // Long messages are broken into lines, with a bar before each.
        let flat = self.err.split_whitespace().filter(|w| *w != "│").collect::<Vec<_>>().join(" ");
        for text in texts {
            assert!(flat.contains(text), "no `{text}` in\n{}", self.err);
        }
    }

    /// Standard output of a successful run, as JSON that is what the command's schema says.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let args = self.args.clone();
        let out = self.ok();
        let json = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e} in\n{out}"));
        crate::schema::holds(&args, &json);
        json
    }
}

/// The program with these arguments, without a terminal or colours from outside.
pub fn command<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_routefuse"));
    // No cache of the user's.
    command
        .env("ROUTEFUSE_CACHE_DIR", "")
        .env_remove("ROUTEFUSE_REMOTE_CACHE")
        .env_remove("ROUTEFUSE_REMOTE_WRITE")
        .env_remove("ROUTEFUSE_ALLOW_HTTP")
        .env_remove("RUST_LOG")
        .env_remove("ROUTEFUSE_PROGRESS_AFTER_MS")
        .env_remove("ROUTEFUSE_SIGN")
        .env_remove("ROUTEFUSE_REQUIRE_SIGNED");
    command.args(args).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
    command
}

/// Runs the program.
pub fn routefuse<S: AsRef<OsStr>>(args: &[S]) -> Ran {
    ran(&mut command(args), b"")
}

/// Runs the program with these bytes on standard input.
pub fn with_stdin<S: AsRef<OsStr>>(args: &[S], stdin: &[u8]) -> Ran {
    ran(command(args).stdin(Stdio::piped()), stdin)
}

/// Runs a command.
pub fn ran(command: &mut Command, stdin: &[u8]) -> Ran {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    if let Some(mut pipe) = child.stdin.take() {
        // A program that fails early may not read all of it.
        let _ = pipe.write_all(stdin);
    }
    let output = child.wait_with_output().expect("the program ends");
    Ran {
        args: arguments(command),
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("UTF-8 on standard output"),
        err: String::from_utf8(output.stderr).expect("UTF-8 on standard error"),
    }
}

/// What a command gives its program.
pub fn arguments(command: &Command) -> Vec<String> {
    command.get_args().map(|a| a.to_string_lossy().into_owned()).collect()
}

/// The folder `examples`.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// The path of an example graph.
pub fn example(name: &str) -> String {
    let path = examples().join(format!("{name}.route"));
    assert!(path.exists(), "{}", path.display());
    path.display().to_string()
}

/// A folder that goes when it is dropped.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Writes a file into a folder and gives its path.
pub fn file(folder: &tempfile::TempDir, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("a temporary file");
    path.display().to_string()
}

/// The names of the files in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").file_name());
    let mut names: Vec<String> = entries.map(|n| n.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
