//! Every kind of bad input: a coded error that names the thing and the place, nothing written, no panic.

use crate::program::{example, file, folder, names, routefuse, with_stdin};
use crate::tensors::{npy, npy_f32, npy_i32, safetensors};

/// A graph with these lines, whose inputs are `%x`, `%y` (i32) and `%w` (f32), and whose output is `%a`.
fn graph(lines: &str) -> String {
    let mut body = String::new();
    for line in lines.lines() {
        body.push_str(&format!("  {line}\n"));
    }
    format!(
        "route 1\ngraph @g {{\n  dim T\n  input %x : i32[T, 8]\n  input %y : i32[T, 7]\n  input %w : f32[T, 8]\n\
         {body}  output out = %a : i32[T, 8]\n}}\n"
    )
}

#[test]
fn graphs_as_text() {
    let cases: [(&str, &str, &str); 14] = [
        ("%a = frobnicate %x : i32[T, 8]", "RF0107", "frobnicate"),
        ("%a = add %x, %w : i32[T, 8]", "RF0301", "add"),
        ("%a = add %x, %y : i32[T, 8]", "RF0302", "add"),
        ("%a = neg %b : i32[T, 8]\n%b = neg %a : i32[T, 8]", "RF0204", "%a"),
        ("%a = neg %b : i32[T, 8]\n%b = neg %x : i32[T, 8]", "RF0202", "%b"),
        ("%a = neg %nowhere : i32[T, 8]", "RF0202", "%nowhere"),
        ("%a = neg %x : i32[T, 8]\n%a = neg %x : i32[T, 8]", "RF0201", "a"),
        ("input %x : i32[T, 8]\n%a = neg %x : i32[T, 8]", "RF0201", "x"),
        (
            "%b = iota {dtype = i32, shape = [4294967296, 4294967296], axis = 0} : i32[4294967296, 4294967296]\n%a = neg %x : i32[T, 8]",
            "RF0306",
            "%b",
        ),
        ("%a = neg %x, %x : i32[T, 8]", "RF0303", "neg"),
        ("%a = slice %x {start = 4, stop = 12} : i32[T, 8]", "RF0309", "slice"),
        ("%a = neg %x : i32[N, 8]", "RF0203", "N"),
        ("%a = neg %x : q32[T, 8]", "RF0111", "q32"),
        ("%a = const {dtype = i32, value = 99999999999} : i32[]", "RF0305", "99999999999"),
    ];
    for (lines, code, name) in cases {
        // Below the header, the dim and the inputs.
        with_stdin(&["check", "-"], graph(lines).as_bytes()).fails(1, &[code, name, "<stdin>:"]);
    }
}

#[test]
fn files_that_are_no_graph() {
    with_stdin(&["check", "-"], b"").fails(1, &["RF0104"]);
    with_stdin(&["check", "-"], b"route 2\n").fails(1, &["RF0104"]);
    with_stdin(&["check", "-"], b"route 1\ngraph @\xff\xfe {}\n").fails(1, &["RF0105"]);
    with_stdin(&["check", "-"], b"{ \"route\": }").fails(1, &["RF0106"]);
    with_stdin(&["check", "-"], b"\x7fELF\x02\x01\x01\0\0").fails(1, &["RF0"]);
    routefuse(&["check", "no/such.route"]).fails(1, &["RF0701", "cannot read `no/such.route`", "No such file"]);
    routefuse(&["check", "."]).fails(1, &["RF0701", "cannot read `.`"]);
    // Every command that takes a graph says the same of a bad one.
    let bad = graph("%a = frobnicate %x : i32[T, 8]");
    for command in [vec!["dump", "-"], vec!["explain", "-"], vec!["bench", "-"], vec!["run", "-", "--seed", "1"]] {
        with_stdin(&command, bad.as_bytes()).fails(1, &["RF0107"]);
    }
    let temporary = folder();
    let out = temporary.path().join("out");
    with_stdin(&["compile", "-", "-o", &out.display().to_string()], bad.as_bytes()).fails(1, &["RF0107"]);
    assert!(!out.exists());
}

/// `run` of the packing graph with these arguments fails like this and writes nothing.
#[track_caller]
fn pack_fails(args: &[&str], texts: &[&str]) {
    let temporary = folder();
    let out = temporary.path().join("out");
    let (path, to) = (example("c_pack"), out.display().to_string());
    let mut all = vec!["run", &path, "--out", &to];
    all.extend(args);
    routefuse(&all).fails(1, texts);
    assert!(!out.exists(), "something was written");
}

#[test]
fn inputs_missing_or_too_many() {
    let temporary = folder();
    let ids = format!("ids={}", file(&temporary, "ids.npy", npy_i32(&[2, 8], &[0; 16])));
    pack_fails(&[], &["RF0601", "no argument for the inputs `ids`, `weights` of `@pack`", "--seed N"]);
    pack_fails(&["--in", &ids], &["RF0601", "no argument for the input `weights`"]);
    pack_fails(&["--in", &ids, "--in", "gate=x.npy", "--seed", "1"], &["RF0602", "no input `gate`", "ids, weights"]);
    pack_fails(&["--in", &ids, "--in", &ids, "--seed", "1"], &["RF0602", "input `ids` is given twice"]);
    pack_fails(&["--seed", "1"], &["RF0601", "the extent of the dim `T` is not known", "--dim T=64"]);
    pack_fails(&["--seed", "1", "--dim", "N=4"], &["RF0203", "`@pack` has no dim `N`"]);
}

#[test]
fn tensors_of_another_dtype_or_shape() {
    let temporary = folder();
    let given = |name: &str, bytes: Vec<u8>| format!("ids={}", file(&temporary, name, bytes));
    let cases = [
        (given("f32.npy", npy_f32(&[2, 8], &[0.0; 16])), vec!["RF0705", "input `ids` is i32", "holds f32"]),
        (given("i64.npy", npy("<i8", &[2, 8], &[0; 128])), vec!["RF0705", "input `ids` is i32", "holds i64"]),
        (given("rank1.npy", npy_i32(&[16], &[0; 16])), vec!["RF0705", "input `ids` has rank 2", "rank 1: [16]"]),
        (given("rank3.npy", npy_i32(&[2, 8, 1], &[0; 16])), vec!["RF0705", "rank 3"]),
        (given("width.npy", npy_i32(&[2, 9], &[0; 18])), vec!["RF0605", "dim 1 of input `ids` is 8, not 9"]),
        (given("big.npy", npy(">i4", &[2, 8], &[0; 64])), vec!["RF0703", "big-endian"]),
        (given("f64.npy", npy("<f8", &[2, 8], &[0; 128])), vec!["RF0703", "dtype"]),
    ];
    for (spec, texts) in cases {
        pack_fails(&["--in", &spec, "--seed", "1"], &texts);
    }
}

#[test]
fn files_that_are_not_what_they_say() {
    let temporary = folder();
    let given = |name: &str, bytes: &[u8]| format!("ids={}", file(&temporary, name, bytes));
    let whole = npy_i32(&[2, 8], &[0; 16]);
    let tensors = safetensors("ids", "I32", &[2, 8], &[0; 64]);
    let cases = [
        (given("text.npy", b"ids: 1 2 3\n"), vec!["RF0703", "text.npy` is not a .npy file", "magic"]),
        (given("empty.npy", b""), vec!["RF0703", "empty.npy"]),
        (given("short.npy", &whole[..whole.len() - 1]), vec!["RF0703", "short.npy"]),
        (given("long.npy", &[whole.as_slice(), b"more"].concat()), vec!["RF0703", "long.npy"]),
        (given("header.npy", &whole[..40]), vec!["RF0703", "header.npy"]),
        (given("huge.npy", &npy("<i4", &[1 << 40, 8], &[0; 64])), vec!["RF0703", "huge.npy"]),
        (given("renamed.npy", &tensors), vec!["RF0703", "renamed.npy"]),
        (
            given("renamed.safetensors", &whole) + ":ids",
            vec!["RF0703", "renamed.safetensors` is not a safetensors file"],
        ),
        (given("short.safetensors", &tensors[..tensors.len() - 1]) + ":ids", vec!["RF0703", "short.safetensors"]),
        (given("a.safetensors", &tensors) + ":ids[0]", vec!["RF0704", "has no tensor `ids[0]`", "it has ids"]),
        (given("a.safetensors", &tensors) + ":idz", vec!["RF0704", "has no tensor `idz`", "it has ids"]),
        (given("b.safetensors", &tensors), vec!["RF0704", "names no tensor", "the keys are ids"]),
        (
            given("c.safetensors", &safetensors("ids", "F64", &[2, 8], &[0; 128])) + ":ids",
            vec!["RF0703", "tensor `ids` is F64", "save it as f32"],
        ),
        ("ids=no/such.npy".to_owned(), vec!["RF0701", "cannot read `no/such.npy`"]),
    ];
    for (spec, texts) in cases {
        pack_fails(&["--in", &spec, "--seed", "1", "--dim", "T=2"], &texts);
    }
}

#[test]
fn extents_that_do_not_fit() {
    let temporary = folder();
    let ids = format!("ids={}", file(&temporary, "ids.npy", npy_i32(&[2, 8], &[0; 16])));
    let weights = format!("weights={}", file(&temporary, "weights.npy", npy_f32(&[3, 8], &[0.0; 24])));
    pack_fails(&["--in", &ids, "--dim", "T=3", "--seed", "1"], &["RF0606", "the dim `T` is"]);
    pack_fails(
        &["--in", &ids, "--in", &weights],
        &["RF0606", "the dim `T` is 2 by input `ids`, but 3 by input `weights`"],
    );
    pack_fails(&["--dim", "T=9223372036854775807", "--seed", "1"], &["RF0614", "larger than 4 GiB"]);
}

#[test]
fn all_bad_inputs_at_once() {
    let texts = ["RF0701", "no/such.npy", "RF0602", "no input `gate`", "RF0203", "no dim `N`"];
    pack_fails(&["--in", "ids=no/such.npy", "--in", "gate=x.npy", "--dim", "N=1", "--seed", "1"], &texts);
}

#[test]
fn what_cannot_be_written() {
    let temporary = folder();
    let occupied = file(&temporary, "occupied", "a file, no folder");
    let below = format!("{occupied}/out");
    let path = example("c_pack");
    for to in [&occupied, &below] {
        let run = ["run", &path, "--seed", "1", "--dim", "T=2", "--out", to];
        routefuse(&run).fails(1, &["RF0702", "cannot make the folder", "occupied"]);
        routefuse(&["compile", &path, "-o", to]).fails(1, &["RF0702", "cannot make the folder", "occupied"]);
    }
    // A folder stands where an output belongs.
    let out = temporary.path().join("out");
    std::fs::create_dir_all(out.join("packed.npy/inside")).unwrap();
    let to = out.display().to_string();
    routefuse(&["run", &path, "--seed", "1", "--dim", "T=2", "--out", &to]).fails(1, &["RF0702", "packed.npy"]);
    assert_eq!(names(&out), ["packed.npy"], "a half-written file stayed");
}
