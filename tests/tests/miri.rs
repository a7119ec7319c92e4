//! The meaning of row operations under Miri, where it is installed.

use routefuse_tests::corpus::root;
use routefuse_tests::skips::skip;
use std::process::Command;

#[test]
fn rows_under_miri() {
    let miri = Command::new("cargo").args(["miri", "--version"]).output();
    if !miri.is_ok_and(|m| m.status.success()) {
        return skip("no Miri", 1, Some("REQUIRE_MIRI"));
    }
    let mut command = Command::new("cargo");
    command.args(["miri", "test", "-p", "routefuse-ir", "--lib", "eval"]).current_dir(root());
    let status = command.env_remove("RUSTFLAGS").status().expect("it starts");
    assert!(status.success(), "{status}");
}
