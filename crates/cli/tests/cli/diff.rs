//! `diff`.

use crate::program::{Ran, example, file, folder, routefuse};
use crate::tensors::{npy, npy_f32, npy_i32};
use tempfile::TempDir;

fn floats(dir: &TempDir, name: &str, shape: &[usize], values: &[f32]) -> String {
    file(dir, name, npy_f32(shape, values))
}

fn ids(dir: &TempDir, name: &str, shape: &[usize], values: &[i32]) -> String {
    file(dir, name, npy_i32(shape, values))
}

/// A `.safetensors` file of several tensors.
fn safetensors(dir: &TempDir, name: &str, tensors: &[(&str, &str, &[usize], Vec<u8>)]) -> String {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (key, dtype, shape, bytes) in tensors {
        let end = data.len() + bytes.len();
        header.insert(
            (*key).to_owned(),
            serde_json::json!({ "dtype": dtype, "shape": shape, "data_offsets": [data.len(), end] }),
        );
        data.extend_from_slice(bytes);
    }
    let header = serde_json::Value::from(header).to_string();
    file(dir, name, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat())
}

/// The tensors differ: what is said of them.
#[track_caller]
fn differs(ran: &Ran) -> &str {
    assert!(ran.code == 3 && ran.err.ends_with(" differ\n"), "{ran:#?}");
    &ran.out
}

#[test]
fn numbers_nan_and_zero() {
    let dir = folder();
    let a = floats(&dir, "a.npy", &[2, 3], &[1.0, 2.0, 0.0, f32::NAN, 5.0, 6.0]);
    let b = floats(&dir, "b.npy", &[2, 3], &[1.0, 2.0f32.next_up(), -0.0, 4.0, 5.0, 6.0]);
    assert_eq!(routefuse(&["diff", &a, &a]).ok(), format!("{a}  f32[2, 3]: equal, every bit\n"));
    let ran = routefuse(&["diff", &a, &b]);
    let text = differs(&ran);
    for said in [
        "f32[2, 3]: 3 of 6 differ",
        "  first     [0, 1]: 2.0 (0x40000000) and 2.0000002 (0x40000001)",
        "1 ulp at most",
        "  1 NaN in one alone",
        "  1 zero of other sign",
    ] {
        assert!(text.contains(said), "{said} in\n{text}");
    }
    let near = routefuse(&["diff", &a, &b, "--tolerance-ulp", "1"]);
    assert!(differs(&near).contains("1 of 6 differ, 2 more within the tolerance"), "{near:?}");
    let json = routefuse(&["diff", &a, &b, "--json"]);
    let args = json.args.clone();
    let json: serde_json::Value = serde_json::from_str(differs(&json)).unwrap();
    crate::schema::holds(&args, &json);
    let found = &json["tensors"][0]["difference"];
    assert_eq!((&json["equal"], &found["differing"], &found["greatest_ulp"]), (&false.into(), &3.into(), &1.into()));
    assert_eq!(found["first"]["index"], serde_json::json!([0, 1]));
    // A zero and a NaN apart, columns agree.
    let c = floats(&dir, "c.npy", &[2, 3], &[1.0, 7.0, 8.0, f32::NAN, 5.0, 9.0]);
    routefuse(&["diff", &format!("{a}[:, 0:1]"), &format!("{c}[:,0:1]")]).ok();
    let ran = routefuse(&["diff", &format!("{a}[:, 1:]"), &format!("{c}[:,1:]")]);
    assert!(differs(&ran).contains("f32[2, 2]: 3 of 4 differ"), "{ran:?}");
}

#[test]
fn other_dtypes_and_shapes() {
    let dir = folder();
    let a = ids(&dir, "a.npy", &[2], &[1, 2]);
    let b = floats(&dir, "b.npy", &[2], &[1.0, 2.0]);
    let c = ids(&dir, "c.npy", &[2, 1], &[1, 2]);
    let ran = routefuse(&["diff", &a, &b]);
    assert!(differs(&ran).ends_with("  i32[2] and f32[2]\n"), "{ran:?}");
    let ran = routefuse(&["diff", &a, &c]);
    assert!(differs(&ran).ends_with("  i32[2] and i32[2, 1]\n"), "{ran:?}");
    // The bits of bf16, which numpy has not.
    let bits = file(&dir, "bits.npy", npy("<u2", &[2], &[0x80, 0x3f, 0x81, 0x3f]));
    let bf16 = safetensors(&dir, "x.safetensors", &[("x", "BF16", &[2], vec![0x80, 0x3f, 0x80, 0x3f])]);
    let key = format!("{bf16}:x");
    let ran = routefuse(&["diff", &bits, &key]);
    assert!(differs(&ran).contains("u16[2] and bf16[2]"), "{ran:?}");
    routefuse(&["diff", &bits, &key, "--bf16", "--tolerance-ulp", "1"]).ok();
}

/// The outputs of two runs: other seeds, other bits.
#[test]
fn folders() {
    let dir = folder();
    let out = |name: &str, seed: &str| {
        let out = dir.path().join(name).display().to_string();
        routefuse(&["run", &example("e_post_chain"), "--dim", "T=4", "--seed", seed, "--out", &out]).ok();
        out
    };
    let (one, same, other) = (out("one", "1"), out("same", "1"), out("other", "2"));
    let text = routefuse(&["diff", &one, &same]).ok();
    assert_eq!(text.matches("equal, every bit").count(), 3, "{text}");
    assert!(text.contains("rows: 4 of 4 the same, 0 ties, 0 in another order, 0 different\n"), "{text}");
    let ran = routefuse(&["diff", &one, &other]);
    assert!(differs(&ran).contains("0 in another order, ") && ran.err.contains(" of 3 tensors differ"), "{ran:?}");
    let json = routefuse(&["diff", &one, &same, "--json"]).json();
    assert_eq!((&json["equal"], &json["rows"]["same"]), (&true.into(), &4.into()));
    std::fs::remove_file(dir.path().join("same/packed.npy")).unwrap();
    let ran = routefuse(&["diff", &one, &same]);
    assert!(differs(&ran).contains("packed       only in the first") && ran.err.starts_with("1 of 3"), "{ran:?}");
}

#[test]
fn ties() {
    let dir = folder();
    let set = |name: &str, ids: [i32; 4], weights: [f32; 4]| {
        let ids = ids.iter().flat_map(|v| v.to_le_bytes()).collect();
        let weights = weights.iter().flat_map(|v| v.to_le_bytes()).collect();
        safetensors(&dir, name, &[("ids", "I32", &[2, 2], ids), ("weights", "F32", &[2, 2], weights)])
    };
    let ours = set("ours.safetensors", [3, 1, 0, 2], [0.5, 0.5, 0.6, 0.4]);
    // Row 0 has equal weights in another order; row 1 is the same.
    let tied = set("tied.safetensors", [1, 3, 0, 2], [0.5, 0.5, 0.6, 0.4]);
    let ran = routefuse(&["diff", &ours, &tied]);
    assert!(differs(&ran).ends_with("rows: 1 of 2 the same, 1 tie, 0 in another order, 0 different\n"), "{ran:?}");
    routefuse(&["diff", &ours, &tied, "--allow-ties"]).ok();
    let moved = set("moved.safetensors", [3, 1, 2, 0], [0.5, 0.5, 0.4, 0.6]);
    let ran = routefuse(&["diff", &ours, &moved, "--allow-ties"]);
    assert!(differs(&ran).contains("1 in another order, 0 different; first row 1"), "{ran:?}");
    // Another expert: the scores say whether it is as good.
    let another = set("another.safetensors", [3, 2, 0, 2], [0.5, 0.5, 0.6, 0.4]);
    assert_eq!(routefuse(&["diff", &ours, &another, "--allow-ties"]).code, 3);
    let scores = floats(&dir, "scores.npy", &[2, 4], &[0.1, 0.5, 0.5, 0.5, 0.6, 0.1, 0.4, 0.2]);
    routefuse(&["diff", &ours, &another, "--allow-ties", "--scores", &scores]).ok();
    // Two tensors of ids alone.
    let (a, b) = (ids(&dir, "a.npy", &[2, 1], &[1, 0]), ids(&dir, "b.npy", &[2, 1], &[2, 0]));
    routefuse(&["diff", &a, &b, "--scores", &scores, "--allow-ties"]).ok();
    routefuse(&["diff", &a, &b, "--allow-ties"]).fails(1, &["RF0704", "nothing tells which rows tie", "--scores"]);
}

/// Names that look like columns or like the way to another tensor are names.
#[test]
fn names_with_signs() {
    let dir = folder();
    let names = ["w[:,0:1]", "b.safetensors:w", "x:y[0]", "x:y"];
    let tensors = |last: i32| {
        let bytes = |i: usize| [i as i32, last].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        (0..names.len()).map(|i| (names[i], "I32", &[1usize, 2][..], bytes(i))).collect::<Vec<_>>()
    };
    let one = safetensors(&dir, "one.safetensors", &tensors(7));
    let other = safetensors(&dir, "other.safetensors", &tensors(8));
    let ran = routefuse(&["diff", &one, &one]);
    assert!(names.iter().all(|name| ran.out.contains(&format!("{name:<15}  i32[1, 2]: equal"))), "{ran:?}");
    assert!(differs(&routefuse(&["diff", &one, &other])).matches("1 of 2 differ").count() == 4);
    for name in names {
        let (a, b) = (format!("{one}:{name}"), format!("{other}:{name}"));
        let ran = routefuse(&["diff", &a, &b]);
        assert!(differs(&ran).contains("i32[1, 2]: 1 of 2 differ"), "{name}: {ran:?}");
        routefuse(&["diff", &format!("{a}[:,0:1]"), &format!("{b}[:,0:1]")]).ok();
    }
    // Files of a folder, and the folder itself.
    let folders = ["x.safetensors:a", "x.safetensors:b"].map(|name| {
        let path = dir.path().join(name);
        std::fs::create_dir(&path).unwrap();
        for file in ["a:b.npy", "c[:,0:1].npy", "d[0].npy"] {
            std::fs::write(path.join(file), npy_i32(&[1, 2], &[1, 2])).unwrap();
        }
        path.display().to_string()
    });
    let text = routefuse(&["diff", &folders[0], &folders[1]]).ok();
    assert!(text.contains("c[:,0:1]  i32[1, 2]: equal, every bit") && text.matches("equal").count() == 3, "{text}");
    let input = format!("ids={}", dir.path().join("x.safetensors:a/a:b.npy").display());
    routefuse(&["run", &example("c_pack"), "--seed", "1", "--in", &input]).fails(1, &["RF0605", "is 8, not 2"]);
}

/// Tensors that cannot tie differ, and that is no error.
#[test]
fn ties_of_other_shapes_are_differences() {
    let dir = folder();
    let (a, b) = (ids(&dir, "a.npy", &[2, 1], &[1, 0]), ids(&dir, "b.npy", &[2, 2], &[2, 0, 1, 1]));
    let scores = floats(&dir, "scores.npy", &[2, 4], &[0.5; 8]);
    let ran = routefuse(&["diff", &a, &b, "--allow-ties", "--scores", &scores]);
    assert!(differs(&ran).ends_with("i32[2, 1] and i32[2, 2]\n"), "{ran:?}");
}

#[test]
fn bad_input() {
    let dir = folder();
    let a = ids(&dir, "a.npy", &[2, 2], &[1, 2, 3, 4]);
    let text = file(&dir, "text.npy", "no tensor");
    let set = safetensors(&dir, "set.safetensors", &[("x", "I32", &[1], vec![0; 4])]);
    let empty = folder();
    let diff = |args: &[&str]| routefuse(&[&["diff"], args].concat());
    let forms = "a tensor is a.npy or a.safetensors:NAME";
    diff(&[&a, "no/such.npy"]).fails(1, &["RF0701", "cannot read `no/such.npy`", forms]);
    diff(&[&a, "no/such.safetensors"]).fails(1, &["RF0701", "cannot read `no/such.safetensors`", forms]);
    diff(&[&a, &a, "--scores", &set]).fails(1, &["RF0704", "names no tensor", "the keys are x"]);
    let f64 = safetensors(&dir, "f64.safetensors", &[("x", "F64", &[1], vec![0; 8])]);
    diff(&[&f64, &f64]).fails(1, &["RF0703", "tensor `x` is F64"]);
    // Options that nothing would read.
    diff(&[&a, &a, "--ids", "a"]).fails(1, &["RF0704", "`--ids` names one of many tensors", "--scores"]);
    diff(&[&a, &a, "--weights", "a"]).fails(1, &["RF0704", "`--weights` names one of many tensors"]);
    diff(&[&set, &set, "--weights", "x"]).fails(1, &["RF0704", "the weights are of no ids", "--ids"]);
    diff(&[&set, &set, "--ids", "x"]).fails(1, &["RF0704", "nothing tells which rows of the ids `x` tie"]);
    diff(&[&a, &text]).fails(1, &["RF0703", "does not begin with the numpy magic"]);
    diff(&[&a, &set]).fails(1, &["RF0704", "is one tensor, and", "has several", "compare one with one"]);
    diff(&[&a, &format!("{set}:y")]).fails(1, &["RF0704", "has no tensor `y`", "it has x"]);
    diff(&[&set, &empty.path().display().to_string()]).fails(1, &["RF0703", "has no tensors"]);
    diff(&[&set, &set, "--ids", "y"]).fails(1, &["RF0704", "not both have a tensor `y`", "both have x"]);
    diff(&[&set, &set, "--scores", &a]).fails(1, &["RF0704", "the scores are of no ids", "--ids"]);
    diff(&[&a, &a, "--scores", &format!("{set}:x")]).fails(1, &["RF0705", "a row for each of 2 rows of ids"]);
    diff(&[&format!("{a}[:, 1:9]"), &a]).fails(1, &["RF0703", "it has the columns 0 to 2"]);
    diff(&[&a]).fails(2, &["<B>"]);
}
