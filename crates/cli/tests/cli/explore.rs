//! `explore`: what it does on the machine. What its page does, tests in a browser show.
#![cfg(unix)]

use crate::program::command;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A server that ends with its test, also where the test fails.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The browser is opened without the token among its arguments: by a file that only this user can read, and that goes with the
/// server.
#[test]
fn the_token_is_in_no_argument() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let opener = path("xdg-open");
    let script =
        format!("#!/bin/sh\nprintf '%s' \"$*\" > {0}/said.new && mv {0}/said.new {0}/said\n", folder.path().display());
    std::fs::write(&opener, script).unwrap();
    std::fs::set_permissions(&opener, PermissionsExt::from_mode(0o755)).unwrap();
    let runtime = path("runtime");
    std::fs::create_dir(&runtime).unwrap();
    let search = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
    let child = command(&["explore"])
        .env("PATH", search)
        .env("DISPLAY", ":1")
        .env("XDG_RUNTIME_DIR", &runtime)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut server = Server(child);
    let mut address = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let address = address.trim();
    let token = address.trim_end_matches('/').rsplit('/').next().unwrap();
    assert_eq!(token.len(), 32, "{address}");
    let end = Instant::now() + Duration::from_secs(30);
    while !path("said").exists() {
        assert!(Instant::now() < end, "nothing was opened");
        std::thread::sleep(Duration::from_millis(10));
    }
    let said = std::fs::read_to_string(path("said")).unwrap();
    assert!(said.starts_with(runtime.to_str().unwrap()) && !said.contains(token), "{said}");
    let file = std::path::Path::new(&said);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert!(std::fs::read_to_string(file).unwrap().contains(&format!("url={address}")));
    rustix::process::kill_process(rustix::process::Pid::from_child(&server.0), rustix::process::Signal::INT).unwrap();
    assert!(server.0.wait().unwrap().success());
    assert!(!file.exists());
}
