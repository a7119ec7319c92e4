//! `bench/gpu/run`, the one entry to everything that is run on a GPU, on a machine without one: `all` with parts that pass, fail and
//! hang, and what it says where there is no GPU; `sanitize` with tools that find nothing, and with one that dies; `counters` with an ncu
//! that may not count; `hostile` with a router that is refused; and where the driver is looked for.

use routefuse_tests::skips::skip;
use routefuse_tests::tools;
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const NO_PYTHON: &str = "no Python: make test installs one";

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/gpu")
}

/// A program of bash.
fn program(path: &Path, body: &str) {
    std::fs::write(path, format!("#!/usr/bin/env bash\n{body}\n")).expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("executable");
}

/// Programs of these names and bodies in a folder, which the command finds first.
fn with_programs(command: &mut Command, folder: &Path, programs: &[(&str, &str)]) {
    std::fs::create_dir_all(folder).expect("a folder");
    for (name, body) in programs {
        program(&folder.join(name), body);
    }
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", folder.display()));
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A folder as a pack has it, with the scripts and no programs.
fn pack() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(scripts().join("run"), folder.path().join("run")).expect("copied");
    std::fs::create_dir(folder.path().join("bench")).expect("a folder");
    for entry in std::fs::read_dir(scripts()).expect("the scripts") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|e| e == "py") {
            let name = path.file_name().expect("a name");
            std::fs::copy(&path, folder.path().join("bench").join(name)).expect("copied");
        }
    }
    folder
}

/// `all` with this program for its parts, beside which a driver is put. One that can be loaded is enough: nothing here calls it.
fn all_beside_a_driver(python: &Path, run: &Path, out: &Path) -> Command {
    let folder = run.parent().expect("a folder");
    let mut compiler = Command::new("cc");
    let built = compiler.args(["-shared", "-x", "c", "/dev/null", "-o"]).arg(folder.join("libcuda.so.1")).status();
    assert!(built.is_ok_and(|s| s.success()), "cc");
    let mut command = Command::new(python);
    command.arg("-B").arg(scripts().join("all.py")).arg("--run").arg(run).arg("--out").arg(out);
    command.env("LD_LIBRARY_PATH", folder);
    command
}

/// The results of `all`, by part.
fn results(out: &Path) -> BTreeMap<String, (String, String)> {
    let text = std::fs::read_to_string(out.join("all.json")).expect("all.json");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let field = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
    let list = json.as_array().expect("a list");
    list.iter().map(|r| (field(r, "part"), (field(r, "result"), field(r, "says")))).collect()
}

#[test]
fn without_a_gpu_every_part_says_so() {
    let Some(python) = tools::python() else { return skip(NO_PYTHON, 2, None) };
    // SAFETY: the driver's own library, which is not called.
    if unsafe { libloading::Library::new("libcuda.so.1") }.is_ok() {
        return skip("there is a GPU's driver", 2, None);
    }
    for (required, status, result) in [("0", 0, "skipped"), ("1", 1, "FAILED")] {
        let out = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(&python);
        command.arg("-B").arg(scripts().join("all.py")).arg("--out").arg(out.path()).env("REQUIRE_GPU", required);
        let output = command.output().expect("it starts");
        assert_eq!(output.status.code(), Some(status), "{}", said(&output));
        let results = results(out.path());
        assert_eq!(results.len(), 9, "{results:?}");
        for (part, (is, says)) in &results {
            assert_eq!((&**is, &**says), (result, "there is no NVIDIA driver"), "{part}");
        }
        let table = std::fs::read_to_string(out.path().join("all.md")).expect("the table");
        assert!(said(&output).contains(&table) && table.lines().count() == 11, "{table}");
    }
}

/// Some parts, of which the suite fails, the launches of foreign programs hang, and the sanitizers have no time for all of it.
#[test]
fn parts_that_fail_or_hang_keep_no_other_from_its_turn() {
    let Some(python) = tools::python() else { return skip(NO_PYTHON, 1, None) };
    let folder = tempfile::tempdir().expect("a folder");
    let (out, run) = (folder.path().join("out"), folder.path().join("run"));
    program(
        &run,
        r#"case "$1 $*" in
        test*_counted*) echo "1 graphs, 20000 checks, 0 failures, 0 skipped, 0 left" ;;
        test*) echo "FAILED e_post_chain, T = 1: it differs"; echo "9 graphs, 90 checks, 1 failures, 0 skipped, 0 left"; exit 1 ;;
        foreign*) echo begun; sleep 600 & wait ;;
        sanitize*) echo "LIMIT is $LIMIT, and OUT $OUT"; exit 3 ;;
        hostile*) echo "$*" ;;
        esac"#,
    );
    let mut command = all_beside_a_driver(&python, &run, &out);
    command.args(["--seconds", "40", "--parts", "suite,replays,foreign,sanitize,hostile,counters"]);
    with_programs(&mut command, &folder.path().join("bin"), &[("compute-sanitizer", "exit 0"), ("ncu", "exit 0")]);
    let begin = Instant::now();
    let output = command.output().expect("it starts");
    assert!(begin.elapsed() < Duration::from_secs(40), "{:?}", begin.elapsed());
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let results = results(&out);
    let of = |part: &str| (results[part].0.as_str(), results[part].1.as_str());
    assert_eq!(of("suite"), ("FAILED", "FAILED e_post_chain, T = 1: it differs"));
    assert_eq!(of("replays"), ("passed", "1 graphs, 20000 checks, 0 failures, 0 skipped, 0 left"));
    assert!(of("foreign").0.starts_with("cut short after ") && of("foreign").1 == "begun", "{:?}", of("foreign"));
    assert_eq!(of("sanitize").0, "cut short");
    assert!(
        of("sanitize").1.starts_with("LIMIT is ") && of("sanitize").1.ends_with("out/sanitize"),
        "{:?}",
        of("sanitize")
    );
    assert_eq!(of("hostile").0, "passed");
    assert!(of("hostile").1.starts_with("hostile --seconds "), "{:?}", of("hostile"));
    assert_eq!(of("counters"), ("passed", ""));
    assert!(out.join("foreign.txt").exists() && said(&output).contains("| replays |"), "{}", said(&output));

    let output = Command::new(&python).arg("-B").arg(scripts().join("all.py")).args(["--parts", "suit"]).output();
    let output = output.expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("there is no part suit; there are bounds, suite, "), "{}", said(&output));
}

#[test]
fn sanitizers_run_at_once_and_none_is_missed() {
    let folder = tempfile::tempdir().expect("a folder");
    let pack = folder.path();
    std::fs::create_dir_all(pack.join("bin")).expect("a folder");
    std::fs::copy(scripts().join("run"), pack.join("run")).expect("copied");
    program(
        &pack.join("bin/gpu-suite"),
        r#"echo "$@" >>"$SEEN"; echo "3 graphs, 10 checks, 0 failures, 0 skipped, 0 left""#,
    );
    let tools = [
        ("ldconfig", "echo 'libcuda.so.1 => here'"),
        (
            "compute-sanitizer",
            r#"tool=$2; shift 4; [ "$tool" != "$DIES" ] || exit 9; "$@"; echo "========= ERROR SUMMARY: 0 errors""#,
        ),
    ];
    for (dies, status, last) in [
        ("none", 0, "4 tools: 80 launches, 0 failures, 0 errors, 0 left"),
        ("racecheck", 1, "4 tools: 60 launches, 0 failures, 0 errors, 0 left"),
    ] {
        let seen = pack.join(format!("seen-{dies}"));
        let mut command = Command::new(pack.join("run"));
        command.arg("sanitize").env("JOBS", "8").env("LIMIT", "77").env("SEEN", &seen).env("DIES", dies);
        command.env("OUT", pack.join(format!("logs-{dies}")));
        with_programs(&mut command, &pack.join("tools"), &tools);
        let output = command.output().expect("it starts");
        assert_eq!(output.status.code(), Some(status), "{}", said(&output));
        assert_eq!(said(&output).lines().last(), Some(last), "{}", said(&output));
        let seen = std::fs::read_to_string(&seen).expect("what was begun");
        let half = seen.lines().filter(|l| l.contains("--watched --jobs 1 --part 1/2 --seconds 77")).count();
        assert_eq!(half, if dies == "none" { 4 } else { 3 }, "{seen}");
        if dies != "none" {
            assert!(said(&output).contains("== racecheck, part 0 of 2, ended with 9"), "{}", said(&output));
        }
    }
}

/// Where a suite panics the table has what it said, and not a hint to look for more; one that has skipped everything has not passed.
#[test]
fn what_a_part_says_is_in_the_table() {
    let Some(python) = tools::python() else { return skip(NO_PYTHON, 1, None) };
    let folder = tempfile::tempdir().expect("a folder");
    let (out, run) = (folder.path().join("out"), folder.path().join("run"));
    program(
        &run,
        r#"case "$1 $*" in
        test*_counted*) echo; echo "thread 'main' (7) panicked at src/main.rs:1:2:"; echo "a symbol is missing"; echo "note: run with"; exit 101 ;;
        test*) echo "2 graphs"; echo "skipped: 300 cases: no NVIDIA GPU (no device)" ;;
        esac"#,
    );
    let mut command = all_beside_a_driver(&python, &run, &out);
    command.args(["--seconds", "30", "--parts", "suite,replays"]);
    let output = command.output().expect("it starts");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let results = results(&out);
    assert_eq!(results["replays"], ("FAILED".to_owned(), "panicked: a symbol is missing".to_owned()));
    assert_eq!(results["suite"].0, "skipped", "{results:?}");
}

/// The driver is found where the loader finds it: in the list of libraries, however long that is, and in LD_LIBRARY_PATH.
#[test]
fn the_driver_is_found_where_the_loader_finds_it() {
    let pack = pack();
    let hostile = |list: &str, library_path: &Path| {
        let mut command = Command::new(pack.path().join("run"));
        command.arg("hostile").env("PYTHON", "echo").env("OUT", pack.path().join("out")).env_remove("REQUIRE_GPU");
        command.env("LD_LIBRARY_PATH", library_path);
        with_programs(&mut command, &pack.path().join("tools"), &[("ldconfig", list)]);
        let output = command.output().expect("it starts");
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    };
    let (none, here) = (pack.path().join("none"), pack.path().join("driver"));
    std::fs::create_dir(&here).expect("a folder");
    std::fs::write(here.join("libcuda.so.1"), "").expect("written");
    let first = "echo 'libcuda.so.1 => here'; for ((i = 0; i < 20000; i++)); do echo \"libother.so.$i => there\"; done";
    assert!(hostile(first, &none).contains("hostile.py"), "it is the first of many");
    assert!(hostile("exit 1", &here).contains("hostile.py"), "it is in LD_LIBRARY_PATH");
    assert_eq!(hostile("echo 'libother.so => there'", &none), "hostile: skipped: there is no NVIDIA driver\n");
}

/// An ncu that may not count is a failure that names the first launch; a counter that a card has not leaves its place empty.
#[test]
fn launches_without_counters_are_a_failure() {
    let Some(python) = tools::python() else { return skip(NO_PYTHON, 1, None) };
    let pack = pack();
    let has_some = r#"echo "==PROF== Connected"; echo '"ID","Metric Name","Metric Unit","Metric Value"'
        echo '"0","gpu__time_duration.sum","ns","12,500"'; echo '"0","sm__inst_executed_pipe_xu.sum","","n/a"'"#;
    let refused = "echo '==ERROR== ERR_NVGPUCTRPERM - The user does not have permission'";
    for (ncu, status, last) in
        [(has_some, 0, "counters of 2 launches"), (refused, 1, "counters of 0 launches, none of 2: mixtral, 1 rows …")]
    {
        let out = pack.path().join("out");
        let mut command = Command::new(pack.path().join("run"));
        command.args(["counters", "--only", "mixtral", "--rows", "1,2"]).env("PYTHON", &python).env("OUT", &out);
        let tools = [("ldconfig", "echo 'libcuda.so.1 => here'"), ("nvidia-smi", "echo 'A card'"), ("ncu", ncu)];
        with_programs(&mut command, &pack.path().join("tools"), &tools);
        let output = command.output().expect("it starts");
        assert_eq!(output.status.code(), Some(status), "{}", said(&output));
        assert_eq!(said(&output).lines().last(), Some(last), "{}", said(&output));
        if status == 0 {
            let page = std::fs::read_to_string(out.join("counters.md")).expect("the page");
            assert!(page.contains("| mixtral | 12.5 | – |"), "{page}");
        }
    }
}

/// A router that cannot be timed is a failure, and those behind it are timed.
#[test]
fn one_router_that_is_refused_keeps_no_other_from_its_turn() {
    let Some(python) = tools::python() else { return skip(NO_PYTHON, 1, None) };
    let folder = tempfile::tempdir().expect("a folder");
    let routefuse = folder.path().join("routefuse");
    program(
        &routefuse,
        r#"case "$*" in
        *sinks*) echo "RF0803: it is too large" >&2; exit 1 ;;
        *) echo '{"results": [' && printf '{"extent": %s, "fused_us": 2},' 1 512 4096 && echo '{"extent": 65536, "fused_us": 2}]}' ;;
        esac"#,
    );
    let mut command = Command::new(&python);
    command.arg("-B").arg(scripts().join("hostile.py")).arg("--routefuse").arg(&routefuse);
    command.args(["--model", "sinks", "--model", "mixtral"]);
    let output = command.output().expect("it starts");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let lines = said(&output);
    assert!(lines.contains("FAILED sinks: ") && lines.contains("RF0803: it is too large"), "{lines}");
    assert!(lines.contains("| mixtral | 1 | 2.00 / 2.00 |") && lines.ends_with("1 of 2 routers\n"), "{lines}");
}
