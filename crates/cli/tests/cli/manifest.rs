//! `manifest.json`: code is launched by a program that knows nothing else, `examples/manifest/launch.py`, on the host, as AMD code in
//! the emulator, and on a stand-in for NVIDIA's driver, which computes nothing.

use crate::hip::{borrowed, build, emulator, stand_in};
use crate::program::{example, examples, folder, routefuse};
use crate::schema;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Two kernels, because the second reads rows of what the first makes; an index is checked, so there is an error word.
const TWO_KERNELS: &str = "route 1
graph @two {
  dim T
  input %x : f32[T, 8]
  input %i : i32[T]
  input %j : i32[T]
  %e = exp %x
  %y = gather %e, %i, %j {out_of_range = trap}
  output y = %y
}
";

/// What is launched: the options that name the graph, and how many kernels it becomes on the host and on a GPU.
struct Case {
    graph: Vec<String>,
    kernels: [usize; 2],
}

fn cases(folder: &Path) -> Vec<Case> {
    let two = folder.join("two.route");
    std::fs::write(&two, TWO_KERNELS).unwrap();
    let model = |name: &str| ["--model", name].map(str::to_owned).to_vec();
    vec![
        Case { graph: vec![example("e_post_chain")], kernels: [1, 1] },
        Case { graph: vec![two.display().to_string()], kernels: [2, 2] },
        Case { graph: model("deepseek-v3"), kernels: [1, 1] },
        // In place, and with strides.
        Case { graph: vec![example("recorder")], kernels: [1, 1] },
        Case { graph: vec![example("write_wider")], kernels: [1, 1] },
        // Across rows, where a GPU has phases of one kernel, and two of its dims have bounds.
        Case { graph: vec![corpus("bins_bounded")], kernels: [6, 1] },
    ]
}

/// The program launches a graph, and each output is the interpreter's, bit for bit. Gives what it printed.
fn agrees(case: &Case, folder: &Path, rows: u64, machine: &str, variables: &[(&str, &Path)]) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let graph: Vec<&str> = case.graph.iter().map(String::as_str).collect();
    let dim = format!("T={rows}");
    for name in ["in", "expected", "results"] {
        let _ = std::fs::remove_dir_all(folder.join(name));
    }
    let run = ["--dim", &dim, "--seed", "7", "--save-inputs", &at("in"), "--out", &at("expected"), "--check"];
    routefuse(&[&["run"], &graph[..], &run].concat()).ok();
    let mut command = Command::new(python());
    command.arg(examples().join("manifest/launch.py")).arg(folder.join("code"));
    command.args(["--machine", machine, "--results", &at("results")]).envs(variables.iter().copied());
    for input in std::fs::read_dir(folder.join("in")).unwrap() {
        let path = input.unwrap().path();
        command.arg("--in").arg(format!("{}={}", path.file_stem().unwrap().display(), path.display()));
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{graph:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    let mut compared = 0;
    for expected in std::fs::read_dir(folder.join("expected")).unwrap() {
        let expected = expected.unwrap().path();
        let got = folder.join("results").join(expected.file_name().unwrap());
        let bytes = [&expected, &got].map(|path| std::fs::read(path).unwrap_or_else(|e| panic!("{path:?}: {e}")));
        // The header of .npy files, which two programs may write with other spaces, is in the first 128 bytes.
        if machine != "cuda" {
            let data = bytes.each_ref().map(|b| &b[10 + usize::from(u16::from_le_bytes([b[8], b[9]]))..]);
            assert!(data[0] == data[1], "{graph:?} for {rows} rows on {machine}: {expected:?} differs");
        }
        compared += 1;
    }
    assert!(compared > 0);
    said
}

fn python() -> PathBuf {
    let local = examples().join("../.venv/bin/python");
    std::env::var_os("ROUTEFUSE_PYTHON").map_or(local, PathBuf::from)
}

fn compile(case: &Case, folder: &Path, targets: &str) {
    let graph: Vec<&str> = case.graph.iter().map(String::as_str).collect();
    let code = folder.join("code");
    let _ = std::fs::remove_dir_all(&code);
    let to = code.display().to_string();
    routefuse(&[&["compile"], &graph[..], &["--target", targets, "-o", &to]].concat()).ok();
    let manifest = std::fs::read(code.join("manifest.json")).unwrap();
    let manifest = serde_json::from_slice(&manifest).unwrap();
    schema::holds_of("manifest", &manifest, &format!("the manifest of {graph:?}"));
    for target in manifest["targets"].as_array().unwrap() {
        let kernels = case.kernels[usize::from(target["machine"] != "host")];
        assert_eq!(target["kernels"].as_array().unwrap().len(), kernels, "{graph:?}");
    }
}

#[test]
fn the_host_runs_what_the_manifest_says() {
    if emulator(5).is_none() {
        return;
    }
    let folder = folder();
    for case in cases(folder.path()) {
        compile(&case, folder.path(), "host");
        for rows in [0, 1, 17, 257] {
            agrees(&case, folder.path(), rows, "host", &[]);
        }
    }
}

#[test]
fn amd_code_runs_as_the_manifest_says() {
    let Some(emulator) = emulator(5) else { return };
    let (folder, library) = (folder(), stand_in());
    let mut variables = borrowed(&emulator);
    variables.push(("LD_LIBRARY_PATH", library.path()));
    for (n, case) in cases(folder.path()).into_iter().enumerate() {
        // Waves of 64 lanes, and for some of 32, where the extents come last.
        for gpu in ["gfx942", "gfx1100"].into_iter().take(if n < 2 { 2 } else { 1 }) {
            compile(&case, folder.path(), gpu);
            let of_gpu = [&variables[..], &[("ROUTEFUSE_STAND_IN_GPUS", Path::new(gpu))]].concat();
            let said = agrees(&case, folder.path(), 9, "hip", &of_gpu);
            assert_eq!(said.lines().filter(|l| l.starts_with("kernel ")).count(), case.kernels[1], "{said}");
        }
    }
    // Of these kernels some are for some rows, and one of them has no rows by itself.
    let case = Case { graph: vec![corpus("bins_counts_behind_a_router")], kernels: [2, 8] };
    compile(&case, folder.path(), "gfx942");
    let variables = [&variables[..], &[("ROUTEFUSE_STAND_IN_GPUS", Path::new("gfx942"))]].concat();
    for (rows, kernels) in [(4, 1), (9, 2), (129, 2)] {
        let said = agrees(&case, folder.path(), rows, "hip", &variables);
        assert_eq!(said.lines().filter(|l| l.starts_with("kernel ")).count(), kernels, "{rows} rows: {said}");
    }
}

/// The call is one that NVIDIA's driver takes; a card computes (`make gpu-test`), the stand-in does not.
#[test]
fn cuda_is_launched_as_the_manifest_says() {
    if emulator(2).is_none() {
        return;
    }
    let (folder, library) = (folder(), folder_of_cuda());
    let cases = cases(folder.path());
    let said = |case: &Case, rows: u64| {
        compile(case, folder.path(), "sm_90");
        agrees(case, folder.path(), rows, "cuda", &[("LD_LIBRARY_PATH", library.path())])
    };
    assert!(said(&cases[0], 300).starts_with("kernel post_chain align16/i32: 6 blocks of 256 threads\n"));
    let routers = [said(&cases[2], 2048), said(&cases[2], 2049)];
    assert!(routers[0].starts_with("kernel deepseek_v3 align16/i32: 1024 blocks of 64 threads\n"), "{}", routers[0]);
    assert!(
        routers[1].starts_with("kernel deepseek_v3 align16/i32/shape1: 129 blocks of 128 threads\n"),
        "{}",
        routers[1]
    );
    // One launch, by one block where there are few rows or none; and two for many.
    let launched = |rows: u64| {
        let said = said(&cases[5], rows);
        let kernels: Vec<&str> = said.lines().filter_map(|l| l.strip_prefix("kernel bounded.0_to_5 ")).collect();
        kernels.into_iter().map(|l| l.split(':').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!([0, 8].map(launched), [["align16/i32/shape3"], ["align16/i32/shape3"]]);
    assert_eq!([9, 1000].map(launched), [["align16/i32"], ["align16/i32"]]);
    assert_eq!(launched(70_000), ["align16/i32/shape1", "align16/i32/shape2"]);
}

/// A graph of the tests' corpus.
fn corpus(name: &str) -> String {
    examples().join(format!("../tests/corpus/{name}.route")).display().to_string()
}

fn folder_of_cuda() -> tempfile::TempDir {
    let folder = folder();
    build("cuda.c", &folder.path().join("libcuda.so.1"));
    folder
}
