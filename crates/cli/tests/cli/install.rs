//! `make install` and `make uninstall`, of the program of the tests.

use crate::program::folder;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs `make` with a target and variables, in the repository.
fn make(target: &str, destination: &Path, program: &Path) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let variables = [
        "PREFIX=/usr".to_owned(),
        format!("DESTDIR={}", destination.display()),
        format!("PROGRAM={}", program.display()),
        // Not what somebody has built in the repository.
        format!("C_LIBRARY={}", program.with_file_name("c").display()),
    ];
    let mut command = Command::new("make");
    // The make that runs the tests has a say in what it runs, and none in this.
    ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"].iter().for_each(|name| {
        command.env_remove(name);
    });
    command.current_dir(root).arg("--silent").arg(target).args(variables).output().unwrap()
}

/// Every file below a folder, by its path from there.
fn files(root: &Path) -> BTreeSet<String> {
    let (mut found, mut waiting) = (BTreeSet::new(), vec![root.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    found
}

/// Whether there is a program of this name.
fn have(name: &str) -> bool {
    Command::new("sh").args(["-c", &format!("command -v {name}")]).output().is_ok_and(|o| o.status.success())
}

/// A manual page is one: by mandoc or groff where they are, and by its parts.
fn parses(page: &Path) {
    let text = std::fs::read_to_string(page).unwrap();
    for part in ["\n.TH ", "\n.SH NAME\n", "\n.SH SYNOPSIS\n", "\n.SH OPTIONS\n"] {
        assert!(text.contains(part), "{part} in {}", page.display());
    }
    let check: &[&str] = if have("mandoc") {
        &["mandoc", "-Tlint", "-Werror"]
    } else if have("groff") {
        // Macros and requests that there are, and arguments that they take.
        &["groff", "-man", "-Tutf8", "-z", "-wmac"]
    } else {
        return;
    };
    let output = Command::new(check[0]).args(&check[1..]).arg(page).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}: {output:?}", page.display());
}

/// A link to the program in the place of a copy of hundreds of megabytes, since what is installed is copied.
fn program(folder: &Path) -> PathBuf {
    let path = folder.join("routefuse");
    std::fs::write(&path, format!("#!/bin/sh\nexec {} \"$@\"\n", env!("CARGO_BIN_EXE_routefuse"))).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// What `make build` makes beside the program.
fn pages(program: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/pages");
    assert!(Command::new(script).arg(program).status().unwrap().success());
}

/// Libraries for C are installed if they are of these sources, and nothing at all if they are of others.
fn libraries_of_these_sources(destination: &Path, program: &Path) {
    let made = program.with_file_name("c");
    std::fs::create_dir_all(made.join("lib")).unwrap();
    std::fs::write(made.join("lib/libroutefuse.so.1"), "a library").unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/c-sources");
    let sources = Command::new(script).output().unwrap().stdout;
    assert!(sources.starts_with(b"routefuse 0.") && sources.ends_with(b"\n"), "{sources:?}");
    for other in [None, Some("routefuse 0.0.1 0123456789abcdef0123456789abcdef\n")] {
        other.inspect(|line| std::fs::write(made.join("built-of"), line).unwrap());
        let output = make("install", destination, program);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("are of other sources than these"), "{output:?}");
        assert!(said.contains("`make c-library`"), "{said}");
        assert_eq!(files(destination), BTreeSet::new());
    }
    std::fs::write(made.join("built-of"), sources).unwrap();
    let output = make("install", destination, program);
    assert!(output.status.success(), "{output:?}");
    let there = files(destination);
    assert!(there.contains("usr/lib/libroutefuse.so.1") && !there.contains("usr/built-of"), "{there:#?}");
    assert!(make("uninstall", destination, program).status.success());
    assert_eq!(files(destination), BTreeSet::new());
    std::fs::remove_dir_all(made).unwrap();
}

#[test]
fn everything_is_installed_and_taken_away() {
    let (destination, built) = (folder(), folder());
    let program = program(built.path());
    // What is built is copied: nothing is built by installing.
    let refused = |why: &str| {
        let output = make("install", destination.path(), &program);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why) && said.contains("`make build`"), "{output:?}");
    };
    let missing = make("install", destination.path(), &built.path().join("none"));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("nothing is built: there is no program"), "{missing:?}");
    refused("there are no manual pages");
    pages(&program);
    let now = std::fs::File::open(&program).unwrap();
    now.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(60)).unwrap();
    refused("are older than the program");
    now.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(files(destination.path()), BTreeSet::new());
    libraries_of_these_sources(destination.path(), &program);
    // The program is not run: whoever installs may be root.
    let built_program = std::fs::read(&program).unwrap();
    std::fs::write(&program, "#!/bin/sh\nexit 9\n").unwrap();
    now.set_modified(std::time::UNIX_EPOCH).unwrap();
    let output = make("install", destination.path(), &program);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    std::fs::write(&program, built_program).unwrap();
    now.set_modified(std::time::UNIX_EPOCH).unwrap();
    let output = make("install", destination.path(), &program);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let usr = destination.path().join("usr");
    let there = files(&usr);
    for file in [
        "bin/routefuse",
        "share/man/man1/routefuse.1",
        "share/man/man1/routefuse-diff.1",
        "share/man/man1/routefuse-cache-push.1",
        "share/bash-completion/completions/routefuse",
        "share/zsh/site-functions/_routefuse",
        "share/fish/vendor_completions.d/routefuse.fish",
        "share/doc/routefuse/LICENSE-MIT",
        "share/doc/routefuse/LICENSE-APACHE",
        "share/doc/routefuse/examples/e_post_chain.route",
        "share/doc/routefuse/examples/models/deepseek-v3.route",
    ] {
        assert!(there.contains(file), "{file} in {there:#?}");
    }
    let pages: Vec<&String> = there.iter().filter(|f| f.starts_with("share/man/")).collect();
    assert!(pages.len() > 25, "{pages:?}");
    pages.iter().for_each(|page| parses(&usr.join(page)));
    let bash = usr.join("share/bash-completion/completions/routefuse");
    assert!(Command::new("bash").arg("-n").arg(bash).status().unwrap().success());
    let said = Command::new(usr.join("bin/routefuse")).arg("--version").output().unwrap();
    assert!(String::from_utf8_lossy(&said.stdout).starts_with("routefuse 0."), "{said:?}");

    // What somebody else has put there stays.
    let own = "share/doc/routefuse/examples/own.route";
    std::fs::write(usr.join(own), "").unwrap();
    // Over an older version, whose pages and examples are gone now.
    let list = usr.join("share/doc/routefuse/installed");
    let older = ["share/man/man1/routefuse-older.1", "share/doc/routefuse/examples/data/older.npy"];
    let mut installed = std::fs::read_to_string(&list).unwrap();
    for file in older {
        std::fs::create_dir_all(usr.join(file).parent().unwrap()).unwrap();
        std::fs::write(usr.join(file), "").unwrap();
        installed += &format!("{file}\n");
    }
    let outside = destination.path().join("outside");
    std::fs::write(&outside, "").unwrap();
    std::fs::write(&list, installed + "../outside\n").unwrap();
    let output = make("install", destination.path(), &program);
    assert!(output.status.success(), "over an older one: {output:?}");
    assert!(older.iter().all(|file| !usr.join(file).exists()), "{:#?}", files(&usr));
    assert!(outside.exists() && usr.join(own).exists());
    let again: BTreeSet<String> = files(&usr).into_iter().filter(|f| f != own).collect();
    assert_eq!(again, there);
    let output = make("uninstall", destination.path(), &program);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(files(&usr), BTreeSet::from([own.to_owned()]));
    let again = make("uninstall", destination.path(), &program);
    assert!(
        !again.status.success() && String::from_utf8_lossy(&again.stderr).contains("nothing was installed in"),
        "{again:?}"
    );
}
