//! `report`.

use crate::program::{command, example, ran, routefuse};

#[test]
fn a_page_is_written_and_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let path = page.to_str().unwrap();
    let said = routefuse(&["report", &example("c_pack"), "--dim", "T=3", "-o", path]).ok();
    assert!(said.starts_with(path) && said.ends_with(" bytes)\n"), "{said}");
    let first = std::fs::read_to_string(&page).unwrap();
    assert!(first.starts_with("<!doctype html>") && first.contains("{\"schema\":1,\"version\":\""));
    routefuse(&["report", &example("a_remap_static"), "-o", path]).ok();
    assert_ne!(std::fs::read_to_string(&page).unwrap(), first);
    std::fs::write(&page, "notes").unwrap();
    routefuse(&["report", &example("c_pack"), "-o", path]).fails(1, &["RF0702", "is there already", "--force"]);
    assert_eq!(std::fs::read_to_string(&page).unwrap(), "notes");
    routefuse(&["report", &example("c_pack"), "-o", path, "--force"]).ok();
}

/// The same command gives the same bytes, but for the times of compiles.
#[test]
fn the_document_is_the_same_in_every_run() {
    let once = || {
        let args = ["report", &example("e_post_chain"), "--target", "sm_90", "--seed", "3", "--json"];
        let mut json = routefuse(&args).json();
        assert!(!json["numbers"]["compile"].take().as_array().unwrap().is_empty());
        json
    };
    let (one, other) = (once(), once());
    assert_eq!(one, other);
    assert_eq!(one["target"], "sm_90");
    assert_eq!(one["source"]["form"], "route");
    assert_eq!(one["numbers"]["check"]["rows"], 64);
    assert!(one["command"].as_str().unwrap().ends_with("e_post_chain.route --target sm_90 --seed 3 --json"));
    assert!(one["numbers"]["check"]["outputs"].as_array().unwrap().iter().all(|o| o["differing"] == 0));
}

#[test]
fn times_that_were_measured_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let times = folder.path().join("times.json");
    let measured = times.to_str().unwrap();
    let bench = routefuse(&["bench", &example("c_pack"), "--dim", "T=1,8", "--json"]).ok();
    std::fs::write(&times, &bench).unwrap();
    let args = ["report", &example("c_pack"), "--json", "--bandwidth", "100", "--measured", measured];
    let json = routefuse(&args).json();
    let list = json["measured"].as_array().unwrap();
    assert_eq!(list.len(), 4);
    assert!(list.iter().all(|m| m["microseconds"].as_f64().unwrap() > 0.0 && m["card"] != "?" && m["card"] != "host"));
    assert_eq!(json["bandwidth"]["bytes_per_second"], 1e11);
    // A card that is known brings its bandwidth.
    std::fs::write(&times, bench.replace("\"target\": \"host\"", "\"card\": \"NVIDIA H100 80GB HBM3\"")).unwrap();
    let json: serde_json::Value =
        serde_json::from_str(&routefuse(&["report", &example("c_pack"), "--json", "--measured", measured]).ok())
            .unwrap();
    assert_eq!(json["bandwidth"]["bytes_per_second"], 3.35e12);
    // Times of two machines, or of another target.
    let host = folder.path().join("host.json").display().to_string();
    std::fs::write(&host, &bench).unwrap();
    routefuse(&["report", &example("c_pack"), "--json", "--measured", measured, "--measured", &host])
        .fails(1, &["RF0701", "and another file has those of NVIDIA H100 80GB HBM3"]);
    routefuse(&["report", &example("c_pack"), "--target", "sm_90", "--json", "--measured", &host])
        .fails(1, &["RF0701", "has times of host, and this is the report of sm_90"]);
    routefuse(&["report", &example("a_remap_static"), "--json", "--measured", measured])
        .fails(1, &["RF0701", "has times of `pack`"]);
    std::fs::write(&times, "{}").unwrap();
    routefuse(&args).fails(1, &["RF0701", "names no graph"]);
    std::fs::write(&times, "[").unwrap();
    routefuse(&args).fails(1, &["RF0701", "is no JSON"]);
}

/// The slider begins at the rows of the inputs that are given, and at what `--dim` says before all.
#[test]
fn the_page_begins_at_the_rows_of_the_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let ids = folder.path().join("ids.npy");
    std::fs::write(&ids, crate::tensors::npy_i32(&[5, 8], &[1; 40])).unwrap();
    let given = format!("ids={}", ids.display());
    let json = routefuse(&["report", &example("a_remap_static"), "--in", &given, "--json"]).json();
    assert_eq!((&json["dim"]["name"], &json["dim"]["at"]), (&"T".into(), &5.into()));
    assert_eq!(json["numbers"]["check"]["rows"], 5);
    let json = routefuse(&["report", &example("a_remap_static"), "--dim", "T=200000", "--json"]).json();
    assert_eq!((&json["dim"]["at"], &json["dims"][0]["at"]), (&200_000.into(), &200_000.into()));
}

/// What is left out of a page is shown by the command that the page names.
#[test]
fn a_variant_is_printed_by_its_name() {
    let path = &example("c_pack");
    let first = routefuse(&["dump", path, "--target", "sm_90", "--stage", "asm"]).ok();
    let other = routefuse(&["dump", path, "--target", "sm_90", "--stage", "asm", "--variant", "align1/i64"]).ok();
    assert!(first != other && other.contains(".entry"));
    routefuse(&["dump", path, "--variant", "align3"])
        .fails(1, &["no kernel has a variant `align3`", "there are align1/i64"]);
}

#[test]
fn bad_input_is_refused_before_anything_is_compiled() {
    let path = &example("c_pack");
    routefuse(&["report", path, "--target", "gfx941", "-o", "x.html"]).fails(1, &["RF0801", "unknown target `gfx941`"]);
    routefuse(&["report", path, "-o", "/nowhere/x.html"]).fails(1, &["RF0702", "cannot write `/nowhere/x.html`"]);
    routefuse(&["report", path, "-o", "/dev/full"]).fails(1, &["RF0702", "is a device"]);
    routefuse(&["report", path, "--dim", "U=3", "--json"]).fails(1, &["RF0203", "has no dim `U`"]);
    routefuse(&["report", path, "--in", "x=/nowhere.npy", "--json"]).fails(1, &["has no input `x`"]);
    routefuse(&["report", path, "--dim", "T=99999999999", "--json"]).fails(1, &["RF0614"]);
    routefuse(&["report", path, "--measured", "/nowhere.json", "--json"]).fails(1, &["RF0701", "/nowhere.json"]);
    routefuse(&["report", path, "--bandwidth", "none"]).fails(2, &["write gigabytes a second"]);
    routefuse(&["report"]).fails(2, &["required"]);
}

/// Standard output that is no terminal takes the page.
#[test]
fn a_page_may_go_to_a_pipe() {
    let page = ran(&mut command(&["report", &example("c_pack"), "--dim", "T=1"]), b"").ok();
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
}
