//! Standard output: closed early, coloured or not.

use crate::program::{command, example, with_stdin};
use std::process::Stdio;

#[test]
fn a_closed_standard_output_is_no_error() {
    let path = example("c_pack");
    let cases: [&[&str]; 12] = [
        &["--help"],
        &["targets"],
        &["doctor"],
        &["code"],
        &["completions", "bash"],
        &["check", &path],
        &["fmt", "--stdout", &path],
        &["dump", &path],
        &["dump", &path, "--diff", "graph,kernel"],
        &["explain", &path],
        &["run", &path, "--seed", "1", "--dim", "T=8"],
        &["bench", &path, "--dim", "T=1"],
    ];
    for args in cases {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(args).stdout(Stdio::from(writer)).stderr(Stdio::piped()).spawn().unwrap();
        let output = output.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
    }
}

#[test]
fn colours_on_request_only() {
    let bad = b"route 1\ngraph @g {\n}\n";
    assert!(with_stdin(&["check", "-", "--colour", "always"], bad).err.contains('\x1b'));
    for when in ["auto", "never"] {
        let err = with_stdin(&["check", "-", "--colour", when], bad).err;
        assert!(!err.is_empty() && !err.contains('\x1b'), "{when}: {err}");
    }
}
