//! `compile`.

use crate::program::{example, folder, names, routefuse};
use serde_json::Value;
use std::fs;

#[test]
fn code_and_metadata_for_three_targets() {
    let temporary = folder();
    let out = temporary.path().join("made/here");
    let (path, to) = (example("e_post_chain"), out.display().to_string());
    let text =
        routefuse(&["compile", &path, "--target", "host,sm_90", "--target", "gfx942", "-o", &to, "--timings"]).ok();
    let names = names(&out);
    let count = |end: &str| names.iter().filter(|n| n.ends_with(end)).count();
    assert_eq!((count(".so"), count(".ptx"), count(".hsaco"), count(".json")), (1, 4, 4, 9), "{names:?}");
    assert!(names.iter().all(|n| text.contains(n.as_str())), "{text}");
    for phase in ["front", "setup", "build", "passes", "translate", "optimise", "emit", "link", "total"] {
        assert!(text.contains(&format!(" {phase}")), "{phase} in\n{text}");
    }
    for name in names.iter().filter(|n| n.ends_with(".json")) {
        let metadata: Value = serde_json::from_slice(&fs::read(out.join(name)).unwrap()).unwrap();
        let extension = match metadata["code"]["format"].as_str().unwrap() {
            "shared_object" => "so",
            other => other,
        };
        let code = fs::read(out.join(name.replace(".json", &format!(".{extension}")))).unwrap();
        let magic: &[u8] = if extension == "ptx" { b"//" } else { b"\x7fELF" };
        assert!(code.starts_with(magic), "{name}");
        assert_eq!(metadata["code"]["bytes"], code.len());
        assert_eq!((&metadata["format"], &metadata["entry"]), (&2.into(), &"routefuse_kernel".into()));
        assert!(name.contains(metadata["target"].as_str().unwrap()));
        let key = metadata["key"].as_str().unwrap();
        assert!(key.len() == 64 && key.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
        check_params(&metadata);
    }
}

fn check_params(metadata: &Value) {
    let params = metadata["params"].as_array().unwrap();
    let named =
        |name: &str| params.iter().find(|p| p["name"] == name).unwrap_or_else(|| panic!("{name} in {metadata:#}"));
    assert_eq!(params.len(), 8, "{metadata:#}");
    assert_eq!((&named("ids")["role"], &named("ids")["dtype"]), (&"input".into(), &"i32".into()));
    assert_eq!(named("ids")["shape"], serde_json::json!(["T", 8]));
    assert_eq!((&named("packed")["role"], &named("packed")["layout"]), (&"output".into(), &"contiguous".into()));
    // One pointer a parameter, and the extent of T: first where a wave finds its first arguments in registers.
    let slots = metadata["slots"].as_array().unwrap();
    assert_eq!(slots.len(), 9, "{metadata:#}");
    let extent = if metadata["target"] == "gfx942" { 0 } else { 8 };
    assert_eq!(slots[extent], serde_json::json!({ "extent": "T" }));
    assert_eq!((&metadata["rows"], &metadata["schedule"]["kind"]), (&"T".into(), &"flat".into()));
    assert!(metadata["grid"].as_str().unwrap().starts_with("blocks = "));
    assert!(metadata["compiler"].as_str().unwrap().contains("llvm 22."));
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
    assert!(fs::exists(artifacts[0]["metadata"].as_str().unwrap()).unwrap());
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
    routefuse(&["compile", &example("c_pack"), "--target", "host,sm_91", "-o", &to])
        .fails(1, &["RF0801", "unknown target `sm_91`", "the targets are host, sm_70,", "gfx942", "gfx1201"]);
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
