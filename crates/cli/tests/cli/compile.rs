//! `compile`.

use crate::program::{example, folder, names, routefuse};
use crate::schema;
use serde_json::Value;
use std::fs;

#[test]
fn code_and_manifest_for_three_targets() {
    let temporary = folder();
    let out = temporary.path().join("made/here");
    let (path, to) = (example("e_post_chain"), out.display().to_string());
    let text =
        routefuse(&["compile", &path, "--target", "host,sm_90", "--target", "gfx942", "-o", &to, "--timings"]).ok();
    let names = names(&out);
    let count = |end: &str| names.iter().filter(|n| n.ends_with(end)).count();
    assert_eq!((count(".so"), count(".ptx"), count(".hsaco"), count(".json")), (1, 4, 4, 1), "{names:?}");
    assert!(names.iter().all(|n| text.contains(n.as_str())), "{text}");
    for phase in ["front", "setup", "build", "passes", "translate", "optimise", "emit", "link", "total"] {
        assert!(text.contains(&format!(" {phase}")), "{phase} in\n{text}");
    }
    let manifest: Value = serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    schema::holds_of("manifest", &manifest, "the manifest of three targets");
    assert_eq!((&manifest["graph"], &manifest["symbols"]), (&"post_chain".into(), &serde_json::json!(["T"])));
    assert!(manifest["compiler"].as_str().unwrap().contains("llvm 22."));
    check_arguments(&manifest["arguments"]);
    let targets = manifest["targets"].as_array().unwrap();
    let of = |field: &str| targets.iter().map(|t| t[field].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!((of("target"), of("machine")), (vec!["host", "sm_90", "gfx942"], vec!["host", "cuda", "hip"]));
    let mut files = vec![];
    for target in targets {
        let [kernel] = &target["kernels"].as_array().unwrap()[..] else { panic!("one kernel: {target}") };
        // One pointer an argument, and the extent of T: first where a wave finds its first arguments in registers.
        let slots = kernel["slots"].as_array().unwrap();
        assert_eq!((slots.len(), &kernel["slot_bytes"]), (9, &72.into()), "{kernel:#}");
        let extent = if target["target"] == "gfx942" { 0 } else { 8 };
        assert_eq!(slots[extent], serde_json::json!({ "kind": "extent", "symbol": "T" }));
        for variant in kernel["variants"].as_array().unwrap() {
            let name = variant["file"].as_str().unwrap();
            let code = fs::read(out.join(name)).unwrap();
            let magic: &[u8] = if name.ends_with(".ptx") { b"//" } else { b"\x7fELF" };
            assert!(code.starts_with(magic), "{name}");
            assert!(name.contains(target["target"].as_str().unwrap()));
            assert_eq!((&variant["bytes"], &variant["entry"]), (&code.len().into(), &"routefuse_kernel".into()));
            let key = variant["key"].as_str().unwrap();
            assert!(key.len() == 64 && key.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
            files.push(name.to_owned());
        }
    }
    files.push("manifest.json".to_owned());
    files.sort();
    assert_eq!(files, names, "every file is named once");
}

fn check_arguments(arguments: &Value) {
    let arguments = arguments.as_array().unwrap();
    let named =
        |name: &str| arguments.iter().find(|p| p["name"] == name).unwrap_or_else(|| panic!("{name} in {arguments:#?}"));
    assert_eq!(arguments.len(), 8, "{arguments:#?}");
    assert_eq!((&named("ids")["role"], &named("ids")["dtype"]), (&"input".into(), &"i32".into()));
    assert_eq!(named("ids")["shape"], serde_json::json!(["T", 8]));
    assert_eq!((&named("packed")["role"], &named("packed")["layout"]), (&"output".into(), &"contiguous".into()));
}

/// One folder has the code of one graph.
#[test]
fn a_manifest_of_another_graph_is_not_written_over() {
    let temporary = folder();
    let to = temporary.path().display().to_string();
    let compile = |graph: &str, more: &[&str]| {
        routefuse(&[&["compile", &example(graph), "--target", "sm_90", "-o", &to], more].concat())
    };
    compile("c_pack", &[]).ok();
    let before = names(temporary.path());
    compile("d_head_gate", &[]).fails(1, &["RF0702", "manifest.json` is there already", "--force"]);
    assert_eq!(names(temporary.path()), before, "nothing is written");
    compile("c_pack", &["--unfused"]).ok();
    compile("d_head_gate", &["--force"]).ok();
}

#[test]
fn json_lists_what_was_written() {
    let temporary = folder();
    let to = temporary.path().display().to_string();
    let json = routefuse(&["compile", &example("c_pack"), "-o", &to, "--json"]).json();
    let artifacts = json["artifacts"].as_array().unwrap();
    assert_eq!((artifacts.len(), names(temporary.path()).len()), (1, 2));
    let code = fs::metadata(artifacts[0]["code"].as_str().unwrap()).unwrap();
    assert_eq!(artifacts[0]["code_bytes"], code.len());
    assert!(fs::exists(json["manifest"].as_str().unwrap()).unwrap());
    assert!(artifacts[0]["ms"]["total"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_same_code_twice() {
    let (first, second) = (folder(), folder());
    for to in [&first, &second] {
        let to = to.path().display().to_string();
        routefuse(&["compile", &example("d_head_gate"), "--target", "host,sm_100,gfx1100", "-o", &to]).ok();
    }
    assert_eq!(names(first.path()), names(second.path()));
    for name in names(first.path()) {
        let same = fs::read(first.path().join(&name)).unwrap() == fs::read(second.path().join(&name)).unwrap();
        assert!(same, "{name}");
    }
}

#[test]
fn an_unknown_target_lists_the_known_and_writes_nothing() {
    let temporary = folder();
    let out = temporary.path().join("out");
    let to = out.display().to_string();
    routefuse(&["compile", &example("c_pack"), "--target", "host,sm_91", "-o", &to]).fails(
        1,
        &[
            "RF0801",
            "unknown target `sm_91`",
            "the targets are host, x86-64-v2,",
            "neoverse-v2, sm_70,",
            "gfx942",
            "gfx1201",
        ],
    );
    assert!(!out.exists());
    routefuse(&["dump", &example("c_pack"), "--target", "gfx941"]).fails(1, &["RF0801", "unknown target `gfx941`"]);
}

#[test]
fn a_module_for_tvm_ffi_is_one_file_with_one_function() {
    let temporary = folder();
    let file = temporary.path().join("post.so");
    let to = file.display().to_string();
    let text = routefuse(&["compile", &example("e_post_chain"), "--export", "tvm-ffi", "-o", &to]).ok();
    let code = fs::read(&file).unwrap();
    assert_eq!(text, format!("{to} ({} bytes), function `post_chain`\n", code.len()));
    let has = |name: &str| code.windows(name.len() + 1).any(|w| w == [name.as_bytes(), b"\0"].concat());
    assert!(code.starts_with(b"\x7fELF") && has("__tvm_ffi_post_chain") && has("TVMFFIErrorSetRaisedFromCStr"));
    // What is inside is nobody else's.
    assert!(!has("routefuse_tvm_ffi_call") && !has("routefuse_kernel_0"));
    // For a GPU it has a second function, which loads the code.
    let gpu = temporary.path().join("gpu.so");
    routefuse(&[
        "compile",
        &example("e_post_chain"),
        "--export",
        "tvm-ffi",
        "--target",
        "sm_90",
        "-o",
        &gpu.display().to_string(),
    ])
    .ok();
    let code = fs::read(&gpu).unwrap();
    let has = |name: &str| code.windows(name.len() + 1).any(|w| w == [name.as_bytes(), b"\0"].concat());
    assert!(has("__tvm_ffi_post_chain") && has("__tvm_ffi_post_chain_prepare") && has("TVMFFIEnvGetStream"));
    let json = routefuse(&["compile", "--model", "qwen3-moe", "--export", "tvm-ffi", "-o", &to, "--force", "--json"]);
    assert_eq!(json.json()["function"], "qwen3_moe");

    let refused = |arguments: &[&str], texts: &[&str]| {
        let (other, graph) = (temporary.path().join("other.so").display().to_string(), example("c_pack"));
        let all = [&["compile", &graph, "--export", "tvm-ffi", "-o", &other], arguments].concat();
        routefuse(&all).fails(1, texts);
        assert!(!fs::exists(&other).unwrap());
    };
    refused(&["--target", "gfx942"], &["RF0817", "has code for this host or for NVIDIA's GPUs, not for `gfx942`"]);
    refused(&["--target", "host,sm_90"], &["RF0817", "--target names 2", "export once for each"]);
}

/// Each kernel that ranks has functions for parts of its rows, which a module of several such kernels has no use for.
#[test]
fn a_module_for_tvm_ffi_has_several_kernels_that_rank() {
    let temporary = folder();
    let place = |name: &str| temporary.path().join(name).display().to_string();
    let graph = "route 1
graph @ranks {
  dim T
  dim S
  input %a : i32[T, 4]
  input %b : i32[S, 4]
  %x = bin_rank %a {bins = 8}
  %y = bin_rank %b {bins = 8}
  output x = %x
  output y = %y
}
";
    fs::write(place("ranks.route"), graph).unwrap();
    let has = |file: &str, name: &str| {
        let code = fs::read(place(file)).unwrap();
        code.windows(name.len() + 1).any(|w| w == [name.as_bytes(), b"\0"].concat())
    };
    routefuse(&["compile", &place("ranks.route"), "--export", "tvm-ffi", "-o", &place("ranks.so")]).ok();
    assert!(has("ranks.so", "__tvm_ffi_ranks") && !has("ranks.so", "routefuse_part"));
    routefuse(&["compile", &place("ranks.route"), "--target", "host", "-o", &place("out")]).ok();
    for kernel in ["out/ranks.0.host.align1-i64.so", "out/ranks.1.host.align1-i64.so"] {
        assert!(has(kernel, "routefuse_kernel") && has(kernel, "routefuse_part") && has(kernel, "routefuse_count"));
    }
}
