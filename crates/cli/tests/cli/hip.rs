//! `run`, `bench` and `doctor` on AMD GPUs, which a stand-in for the HIP runtime plays; the emulator of AMD code executes what
//! it is told to launch.

use crate::program::{Ran, arguments, command, example};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the stand-in's devices are.
const GPUS: &str = "gfx942:sramecc+:xnack-,gfx1100,gfx906";

/// The stand-in in a folder of its own.
pub fn stand_in() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    build("hip.c", &folder.path().join("libamdhip64.so.7"));
    folder
}

/// Builds a stand-in.
pub fn build(source: &str, library: &Path) {
    let source = root().join("runtime/tests/stand_in").join(source);
    let flags = ["-std=gnu11", "-O1", "-shared", "-fPIC", "-pthread", "-o"];
    let built = Command::new("cc").args(flags).arg(library).arg(source).status();
    assert!(built.is_ok_and(|s| s.success()), "the stand-in is built");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs the program, which finds the stand-in.
pub fn ran(folder: &Path, args: &[&str], more: &[(&str, &Path)]) -> Ran {
    let mut command = command(args);
    command.env("LD_LIBRARY_PATH", folder).env("ROUTEFUSE_STAND_IN_GPUS", GPUS).envs(more.iter().copied());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        args: arguments(&command),
        code: output.status.code().unwrap(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

#[test]
fn what_is_there() {
    let folder = stand_in();
    let json = ran(folder.path(), &["doctor", "--json"], &[]).json();
    let devices = json["hip"].as_array().unwrap();
    assert_eq!(devices.len(), 3, "{json}");
    assert_eq!(devices[0]["architecture"], "gfx942:sramecc+:xnack-");
    assert_eq!([&devices[0]["target"], &devices[1]["target"], &devices[2]["target"]], ["gfx942", "gfx1100", "none"]);
    let text = ran(folder.path(), &["doctor"], &[]).ok();
    assert!(text.contains("HIP        hip:1  Stand-in 1, gfx1100, 4 compute units"), "{text}");
    let old =
        ran(folder.path(), &["doctor", "--json"], &[("ROUTEFUSE_STAND_IN_VERSION", Path::new("50722804"))]).json();
    assert!(old["hip_problem"].as_str().unwrap().contains("HIP 5.7"), "{old}");
}

#[test]
fn what_cannot_run() {
    let folder = stand_in();
    let path = example("c_pack");
    let run = |device: &str, more: &[(&str, &Path)]| {
        ran(folder.path(), &["run", &path, "--dim", "T=4", "--seed", "1", "--device", device], more)
    };
    run("hip:3", &[]).fails(1, &["RF0809", "no AMD GPU 3: the HIP runtime sees 3"]);
    run("hip:2", &[]).fails(1, &["RF0809", "gfx906", "gfx942"]);
    let old = [("ROUTEFUSE_STAND_IN_VERSION", Path::new("50722804"))];
    run("hip:0", &old).fails(1, &["RF0809", "the HIP runtime is HIP 5.7, and this build needs HIP 6.0"]);
}

/// Nothing runs without an emulator, and all of it is timed.
#[test]
fn a_line_for_each_extent() {
    let folder = stand_in();
    let path = example("c_pack");
    for replay in [&[][..], &["--graph-replay"][..]] {
        let args = [&["bench", &path, "--dim", "T=1,64", "--device", "hip"][..], replay].concat();
        let text = ran(folder.path(), &args, &[]).ok();
        assert!(text.contains("@pack on hip:0, Stand-in 0, gfx942:sramecc+:xnack-, runtime HIP 7.1"), "{text}");
        assert_eq!(text.lines().filter(|l| l.contains('%')).count(), 2, "{text}");
    }
    let json = ran(folder.path(), &["bench", &path, "--dim", "T=1", "--device", "hip:1", "--json"], &[]).json();
    assert_eq!((&json["target"], &json["device"]), (&"gfx1100".into(), &"hip:1".into()));
    assert!(json["results"][0]["host_us"].as_f64().unwrap() > 0.0, "{json}");
}

/// `run --check` executes the machine code.
#[test]
fn every_bit() {
    let Some(emulator) = emulator(2) else { return };
    let (folder, path) = (stand_in(), example("e_post_chain"));
    for device in ["hip:0", "hip:1"] {
        let args = ["run", &path, "--dim", "T=5", "--seed", "3", "--device", device, "--check"];
        let text = ran(folder.path(), &args, &borrowed(&emulator)).ok();
        assert!(text.contains("every bit as the interpreter's"), "{text}");
    }
}

/// What [`ran`] takes.
pub fn borrowed<'a>(variables: &'a [(&'static str, PathBuf)]) -> Vec<(&'static str, &'a Path)> {
    variables.iter().map(|(name, value)| (*name, value.as_path())).collect()
}

/// What tells the stand-in of the emulator; `None` if there is no Python for it, and so many cases are skipped.
pub fn emulator(cases: usize) -> Option<Vec<(&'static str, PathBuf)>> {
    let local = root().join(".venv/bin/python");
    let python = std::env::var_os("ROUTEFUSE_PYTHON").map_or(local, PathBuf::from);
    let numpy = Command::new(&python).args(["-c", "import numpy"]).stderr(Stdio::null()).status();
    if !numpy.is_ok_and(|s| s.success()) {
        assert!(!std::env::var("REQUIRE_AMDEMU").is_ok_and(|v| v != "0"), "no Python with numpy");
        println!("skipped: {cases} cases: no Python with numpy");
        if let Some(counted) = std::env::var_os("ROUTEFUSE_SKIPS") {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(counted).unwrap();
            file.write_all(&b"no Python with numpy\n".repeat(cases)).unwrap();
        }
        return None;
    }
    let objdump = std::env::var_os("LLVM_OBJDUMP").unwrap_or("/usr/lib/llvm-22/bin/llvm-objdump".into());
    Some(vec![
        ("ROUTEFUSE_STAND_IN_EMULATOR", root().join("tests/amdemu/serve.py")),
        ("ROUTEFUSE_PYTHON", python),
        ("LLVM_OBJDUMP", PathBuf::from(objdump)),
    ])
}
