//! `run`.

use crate::program::{command, example, examples, file, folder, names, routefuse, with_stdin};
use crate::tensors::{i32s, npy, npy_i32, safetensors};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn examples_agree_with_the_interpreter() {
    for name in names(&examples()).iter().filter_map(|n| n.strip_suffix(".route")) {
        for rows in ["T=0", "T=1", "T=37"] {
            for fusion in [None, Some("--unfused")] {
                let path = example(name);
                let mut args = vec!["run", &path, "--dim", rows, "--seed", "7", "--check"];
                args.extend(fusion);
                let out = routefuse(&args).ok();
                assert!(out.contains("every bit as the interpreter's"), "{name} {rows}: {out}");
            }
        }
    }
}

#[test]
fn numbers_that_are_known() {
    let temporary = folder();
    let ids = file(&temporary, "ids.npy", npy_i32(&[1, 8], &[0, 1, 2, 3, 255, -1, 7, 8]));
    let weights: Vec<u8> = [1.0f32, -2.0, 0.5, 0.0, 2.5, 1.0, -0.0, 3.0].iter().flat_map(|w| w.to_le_bytes()).collect();
    let weights = file(&temporary, "w.safetensors", safetensors("w", "F32", &[1, 8], &weights));
    let (ids, weights) = (format!("ids={ids}"), format!("weights={weights}:w"));
    let out = temporary.path().join("out");
    let to = out.display().to_string();
    let path = example("c_pack");
    let printed = routefuse(&["run", &path, "--in", &ids, "--in", &weights, "--out", &to, "--print", "--check"]).ok();
    assert!(printed.contains("packed: i32[1, 8]\n"), "{printed}");
    assert_eq!(names(&out), ["packed.npy"]);
    let packed = i32s(&fs::read(out.join("packed.npy")).unwrap());
    // The id above, the weight as bf16 below.
    let half = [0x3f80, 0xc000, 0x3f00, 0, 0x4020, 0x3f80, 0x8000, 0x4040];
    let expected: Vec<i32> = [0, 1, 2, 3, 255, -1, 7, 8].iter().zip(half).map(|(id, w)| (id << 16) | w).collect();
    assert_eq!(packed, expected);
    for value in expected {
        assert!(printed.contains(&value.to_string()), "{value} in\n{printed}");
    }
}

#[test]
fn outputs_of_one_graph_are_inputs_of_the_next() {
    let temporary = folder();
    let to = temporary.path().display().to_string();
    routefuse(&["run", &example("e_post_chain"), "--dim", "T=5", "--seed", "3", "--out", &to, "--check"]).ok();
    assert_eq!(names(temporary.path()), ["ids_out.npy", "packed.npy", "weights_out.npy"]);
    let (ids, weights) = (format!("ids={to}/ids_out.npy"), format!("weights={to}/weights_out.npy"));
    // Nine columns, as `@expert_parallel` takes them; T comes from the files.
    let out = routefuse(&["run", &example("expert_parallel"), "--in", &ids, "--in", &weights, "--check"]).ok();
    assert!(out.contains("2 outputs, 90 elements"), "{out}");
}

#[test]
fn the_real_trace() {
    let trace = examples().join("data/router_trace.safetensors").display().to_string();
    let input = |name: &str, key: &str| format!("{name}={trace}:layer0.{key}");
    let (ids, weights, shared) =
        (input("ids", "ids"), input("weights", "weights"), input("shared_weights", "shared_gate"));
    let path = example("e_post_chain");
    let args = ["run", &path, "--in", &ids, "--in", &weights, "--in", &shared, "--seed", "1", "--check"];
    assert!(routefuse(&args).ok().contains("3 outputs, 55296 elements"));
}

#[test]
fn a_seed_makes_the_same_inputs_whatever_else_is_given() {
    let path = example("c_pack");
    let of = |seed: &str| routefuse(&["run", &path, "--dim", "T=4", "--seed", seed]).ok();
    assert_eq!(of("1"), of("1"));
    assert_ne!(of("1"), of("2"));
}

const IN_PLACE: &str = "route 1
graph @mask {
  dim T
  input %ids : i32[T, 4]
  input %n : i32[]
  %masked = mask_rows %ids, %n {fill = -1} : i32[T, 4]
  output out = %masked : i32[T, 4] in_place(ids)
}
";

#[test]
fn in_place() {
    let temporary = folder();
    let ids = format!("ids={}", file(&temporary, "ids.npy", npy_i32(&[3, 4], &(0..12).collect::<Vec<_>>())));
    let n = format!("n={}", file(&temporary, "n.npy", npy("<i4", &[], &2i32.to_le_bytes())));
    let graph = file(&temporary, "mask.route", IN_PLACE);
    let out = routefuse(&["run", &graph, "--in", &ids, "--in", &n, "--print", "--check"]).ok();
    assert!(out.contains("12 elements, every bit"), "{out}");
    let last: Vec<&str> = out.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(last, ["-1", "-1", "-1", "-1"], "{out}");
    // The input's file is read, not written.
    assert_eq!(fs::read(temporary.path().join("ids.npy")).unwrap(), npy_i32(&[3, 4], &(0..12).collect::<Vec<_>>()));
    with_stdin(&["run", "-", "--seed", "1", "--dim", "T=9", "--check"], IN_PLACE.as_bytes()).ok();
}

#[test]
fn sixteen_bit_floats_and_bools_round_trip() {
    let graph = "route 1
graph @kinds {
  dim T
  input %b : bool[T]
  input %h : f16[T]
  input %bf : bf16[T]
  input %w : i64[T]
  output b_out = %b : bool[T]
  output h_out = %h : f16[T]
  output bf_out = %bf : bf16[T]
  output w_out = %w : i64[T]
}
";
    let temporary = folder();
    let path = file(&temporary, "kinds.route", graph);
    let tensors = [
        ("b", npy("|b1", &[2], &[1, 0])),
        ("h", npy("<f2", &[2], &[0, 0x3c, 1, 0x7e])),
        // numpy has no bf16: its bits travel as u16.
        ("bf", npy("<u2", &[2], &[0x80, 0x3f, 1, 0x7f])),
        ("w", npy("<i8", &[2], &[7; 16])),
    ];
    let mut args = vec!["run".to_owned(), path, "--check".to_owned(), "--out".to_owned()];
    let out = temporary.path().join("out");
    args.push(out.display().to_string());
    for (name, bytes) in &tensors {
        args.push("--in".to_owned());
        args.push(format!("{name}={}", file(&temporary, &format!("{name}.npy"), bytes)));
    }
    routefuse(&args).ok();
    for (name, bytes) in &tensors {
        let written = fs::read(out.join(format!("{name}_out.npy"))).unwrap();
        // Writers pad headers differently; dtype, shape and data are what counts.
        let data = |file: &[u8]| file[10 + usize::from(u16::from_le_bytes([file[8], file[9]]))..].to_vec();
        let descr = |file: &[u8]| String::from_utf8_lossy(file).split('\'').nth(3).map(str::to_owned);
        assert_eq!((data(&written), descr(&written)), (data(bytes), descr(bytes)), "{name}");
    }
}

#[test]
fn a_trap_is_said() {
    let graph = "route 1
graph @trap {
  dim T
  input %ids : i32[T, 2]
  input %map : i32[4]
  %y = gather %map, %ids {out_of_range = trap} : i32[T, 2]
  output out = %y : i32[T, 2]
}
";
    let temporary = folder();
    let path = file(&temporary, "trap.route", graph);
    let of = |values: &[i32]| {
        let ids = format!("ids={}", file(&temporary, "ids.npy", npy_i32(&[1, 2], values)));
        routefuse(&["run", &path, "--in", &ids, "--seed", "1", "--check", "--print"]).ok()
    };
    assert!(!of(&[0, 3]).contains("error word"));
    assert!(of(&[0, 4]).contains("error word: 1"));
}

#[test]
fn long_tensors_are_cut() {
    let out = routefuse(&["run", &example("c_pack"), "--dim", "T=100", "--seed", "1"]).ok();
    assert_eq!(out.lines().count(), 1 + 8 + 1 + 8, "{out}");
    assert!(out.contains("\n  … 84 rows …\n"), "{out}");
    let weights = format!("w={}", example("c_pack"));
    assert_eq!(routefuse(&["run", &example("c_pack"), "--in", &weights]).code, 1);
}

/// A graph of a dozen kernels, which take some seconds: the first that is ready is the sign for Ctrl-C.
#[test]
fn r9_ctrl_c_ends_a_compile_with_an_error() {
    let mut source = "route 1\ngraph @rotations {\n  dim T\n  input %x0 : f32[T, 64]\n".to_owned();
    for k in 0..64 {
        let (at, next) = (1 + k % 7, k + 1);
        source += &format!("  %a{k} = slice %x{k} {{start = 0, stop = {at}}}\n");
        source += &format!("  %b{k} = slice %x{k} {{start = {at}, stop = 64}}\n");
        source += &format!("  %c{k} = concat %b{k}, %a{k}\n  %x{next} = exp %c{k}\n");
    }
    let folder = folder();
    let path = file(&folder, "rotations.route", source + "  output y = %x64\n}\n");
    let mut command = command(&["run", &path, "-v", "--seed", "1", "--dim", "T=1"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("compiled")), "nothing was compiled");
    let id = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process");
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("its own child");
    let said: Vec<String> = lines.collect();
    assert_eq!(child.wait().expect("the program ends").code(), Some(130), "{said:#?}");
    assert!(said.iter().any(|line| line.contains("RF0816")), "{said:#?}");
}

#[test]
fn f12_the_inputs_that_a_seed_drew_can_be_saved_and_given_again() {
    let temporary = folder();
    let (inputs, first, second) = (temporary.path().join("in"), temporary.path().join("a"), temporary.path().join("b"));
    let text = |path: &std::path::Path| path.display().to_string();
    let path = example("c_pack");
    let run = ["run", &path, "--dim", "T=3", "--seed", "4"];
    let (drawn, to) = (text(&inputs), text(&first));
    routefuse(&[&run[..], &["--save-inputs", &drawn, "--out", &to]].concat()).ok();
    assert_eq!(names(&inputs), ["ids.npy", "weights.npy"]);
    let given = |name: &str| format!("{name}={}", text(&inputs.join(format!("{name}.npy"))));
    let to = text(&second);
    routefuse(&["run", &path, "--in", &given("ids"), "--in", &given("weights"), "--out", &to]).ok();
    let packed = |folder: &std::path::Path| fs::read(folder.join("packed.npy")).unwrap();
    assert_eq!(packed(&first), packed(&second));
    // What was given is not written, and what is there is not written over.
    let (ids, other) = (given("ids"), text(&temporary.path().join("other")));
    routefuse(&[&run[..], &["--in", &ids, "--save-inputs", &other]].concat()).ok();
    assert_eq!(names(&temporary.path().join("other")), ["weights.npy"]);
    let again = ["run", &path, "--dim", "T=3", "--seed", "5", "--save-inputs", &drawn];
    routefuse(&again).fails(1, &["ids.npy", "--force"]);
    routefuse(&[&again[..], &["--force"]].concat()).ok();
}

#[test]
fn f12_an_input_may_be_columns_of_a_wider_file() {
    let temporary = folder();
    let graph = |layout: &str| {
        let source = format!(
            "route 1\ngraph @doubled {{\n  dim T\n  input %x : i32[T, 2]{layout}\n  %y = add %x, %x\n  output y = %y\n}}\n"
        );
        file(&temporary, &format!("doubled{}.route", layout.trim()), source)
    };
    let (rows, contiguous) = (graph(" rows"), graph(""));
    let wide: Vec<i32> = (0..15).collect();
    let wide = file(&temporary, "wide.npy", npy_i32(&[3, 5], &wide));
    let to = temporary.path().join("out").display().to_string();
    let run = |graph: &str, columns: &str| {
        let input = format!("x={wide}[{columns}]");
        routefuse(&["run", graph, "--in", &input, "--out", &to, "--force", "--check"])
    };
    for (columns, expected) in [(":, 1:3", [2, 4, 12, 14, 22, 24]), (":,3:", [6, 8, 16, 18, 26, 28])] {
        run(&rows, columns).ok();
        assert_eq!(i32s(&fs::read(temporary.path().join("out/y.npy")).unwrap()), expected, "{columns}");
    }
    // The rows lie apart, so that a graph which says otherwise is refused.
    run(&contiguous, ":,1:3").fails(1, &["RF0610", "`x`"]);
    run(&rows, ":,3:6").fails(1, &["[:,3:6]", "it has the columns 0 to 5"]);
    run(&rows, "1:2,1:3").fails(1, &["this is no range of columns", "wide.npy[:, 0:256]"]);
    run(&rows, ":,2:2").fails(1, &["it has the columns 0 to 5"]);
}

#[test]
fn f10_the_reference_has_the_limits_of_the_program() {
    let reference =
        fs::read_to_string(examples().join("../docs/reference/limits.md")).expect("the reference is in the repository");
    assert!(
        reference.contains("| inputs and outputs that `run`, `bench` and `tune` make from a seed, together | 4 GiB |")
    );
    let path = example("c_pack");
    routefuse(&["run", &path, "--dim", "T=1000000000", "--seed", "1"]).fails(1, &["RF0614", "larger than 4 GiB"]);
    assert!(reference.contains("| a `.npy` file, and a tensor of a `.safetensors` file | 4 GiB |"));
    // A sparse file: no more of it is read than its length.
    let temporary = folder();
    let large = temporary.path().join("large.npy");
    let sparse = fs::File::create(&large).and_then(|file| file.set_len((4 << 30) + 1));
    sparse.expect("a sparse file");
    routefuse(&["run", &path, "--in", &format!("ids={}", large.display()), "--dim", "T=1", "--seed", "1"])
        .fails(1, &["RF0701", "large.npy"]);
}
