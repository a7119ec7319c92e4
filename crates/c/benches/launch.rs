//! A launch through C beside the same launch from Rust, in one run: what the boundary costs.
//!
//! With the compiler it compiles its graph. Without, so that LLVM need not be linked, it takes the host plan `remap` of the bundle that
//! `ROUTEFUSE_BENCH_BUNDLE` names; `compiler.c` of the tests writes one, `plain.rfb`.

use routefuse::cache::Trust;
use routefuse::{Args, Engine, HostPlan, TensorMut, TensorRef};
use routefuse_c as c;
use std::ffi::{CString, c_void};
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};

/// The quickest of many rounds: what others do on the machine makes a round slower, never quicker.
fn nanoseconds(mut launch: impl FnMut()) -> f64 {
    const ROUNDS: u32 = 400;
    const LAUNCHES: u32 = 2000;
    let round = |launch: &mut dyn FnMut()| {
        let begin = Instant::now();
        (0..LAUNCHES).for_each(|_| launch());
        begin.elapsed()
    };
    let best = (0..ROUNDS).map(|_| round(&mut launch)).min().unwrap_or(Duration::ZERO);
    best.as_nanos() as f64 / f64::from(LAUNCHES)
}

fn check(status: i32, error: *mut c::routefuse_error) {
    if status != 0 {
        // SAFETY: an error's text ends in a zero byte.
        let text = unsafe { std::ffi::CStr::from_ptr(c::routefuse_error_text(error)) };
        panic!("{status}: {}", text.to_string_lossy());
    }
}

/// The plan, by C and by Rust.
fn plans() -> (*mut c::routefuse_plan, HostPlan) {
    let path = bundle();
    let rust = Engine::from_bundle(&path, &Trust::anyone()).expect("a bundle").plan("remap").expect("a host plan");
    rust.prepare().expect("it loads");
    let path = CString::new(path).expect("a path");
    let trust =
        c::routefuse_trust { whom: c::ROUTEFUSE_TRUST_ANYONE, reserved: 0, key_files: null(), key_file_count: 0 };
    let (mut engine, mut plan, mut error) = (null_mut(), null_mut(), null_mut());
    let host = c::routefuse_device { kind: c::ROUTEFUSE_HOST, ordinal: 0 };
    // SAFETY: texts end in zero bytes, and results go to live variables.
    unsafe {
        check(c::routefuse_engine_from_bundle(path.as_ptr(), &raw const trust, &raw mut engine, &raw mut error), error);
        check(c::routefuse_engine_plan(engine, c"remap".as_ptr(), host, &raw mut plan, &raw mut error), error);
        check(c::routefuse_plan_prepare(plan, 0, &raw mut error), error);
    }
    (plan, rust)
}

#[cfg(not(feature = "compiler"))]
fn bundle() -> String {
    std::env::var("ROUTEFUSE_BENCH_BUNDLE").expect("ROUTEFUSE_BENCH_BUNDLE names a bundle with the host plan `remap`")
}

#[cfg(feature = "compiler")]
fn bundle() -> String {
    use routefuse::{Options, Target, text};
    let graph = text::parse_verified(
        "route 1\ngraph @remap {\n dim T\n input %ids : i32[T, 2]\n input %map : i32[4]\n input %n : i32[]\n \
         %physical = gather %map, %ids {out_of_range = pass}\n %masked = mask_rows %physical, %n {fill = -1}\n \
         output out = %masked\n}",
    );
    let engine = Engine::builder().build().expect("an engine");
    let graphs = [("remap".to_owned(), graph.expect("a graph"))];
    let bundle = engine.bundle(&graphs, &[Target::host()], &Options::default(), None, &|_| ()).expect("it compiles");
    let path = std::env::temp_dir().join(format!("routefuse-bench-{}.rfb", std::process::id()));
    std::fs::write(&path, bundle.finish()).expect("a file");
    path.to_string_lossy().into_owned()
}

fn main() {
    let (plan, rust) = plans();
    let (ids, map, n, mut out) = ([3i32, 0], [10i32, 11, 12, 13], 1i32, [0i32; 2]);
    let by_rust = |named: bool| {
        let mut out = [0i32; 2];
        nanoseconds(|| {
            let mut args = Args::new();
            let (ids, map) = (TensorRef::new(&ids, &[1, 2]), TensorRef::new(&map, &[4]));
            let (n, out) = (TensorRef::scalar(&n), TensorMut::new(&mut out, &[1, 2]));
            match named {
                false => args.input(ids).input(map).input(n).output(out),
                true => {
                    args.named_input("ids", ids).named_input("map", map).named_input("n", n).named_output("out", out)
                }
            };
            rust.launch(&args).expect("it fits");
        })
    };
    let (rows, experts) = ([1i64, 2], [4i64]);
    let names = [c"ids", c"map", c"n", c"out"];
    let mut tensor = |at: usize| {
        let (data, bytes, shape): (*mut c_void, u64, &[i64]) = match at {
            0 => (ids.as_ptr().cast_mut().cast(), 8, &rows),
            1 => (map.as_ptr().cast_mut().cast(), 16, &experts),
            2 => ((&raw const n).cast_mut().cast(), 4, &[]),
            _ => (out.as_mut_ptr().cast(), 8, &rows),
        };
        c::routefuse_tensor {
            data,
            bytes,
            shape: shape.as_ptr(),
            strides: null(),
            rank: shape.len() as u32,
            dtype: c::ROUTEFUSE_I32,
            device: c::routefuse_device { kind: c::ROUTEFUSE_HOST, ordinal: 0 },
        }
    };
    let tensors = [0, 1, 2, 3].map(&mut tensor);
    let by_c = |named: bool| {
        let argument = |at: usize| c::routefuse_argument {
            name: if named { names[at].as_ptr() } else { null() },
            role: if at == 3 { c::ROUTEFUSE_OUTPUT } else { c::ROUTEFUSE_INPUT },
            reserved: 0,
            tensor: tensors[at],
        };
        let arguments = [0, 1, 2, 3].map(argument);
        let mut error = null_mut();
        nanoseconds(|| {
            let arguments = std::hint::black_box(&arguments);
            // SAFETY: four arguments whose memory and extents live.
            let status = unsafe { c::routefuse_plan_launch(plan, null(), arguments.as_ptr(), 4, &raw mut error) };
            check(status, error);
        })
    };
    for (how, named) in [("by position", false), ("by name", true)] {
        let (rust, c) = (by_rust(named), by_c(named));
        println!("one token, four arguments {how}: Rust {rust:.0} ns, C {c:.0} ns, {:+.0} ns", c - rust);
    }
}
