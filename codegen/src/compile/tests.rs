//! One small kernel, built by hand, through every stage of every kind of target: what the emitters stand on.

use super::{Dump, MachineCode, compile_module};
use crate::error::{CodegenError, Problem};
use crate::llvm::link;
use crate::machine::quotients::{Near, quotients};
use crate::machine::roots::roots;
use crate::machine::{self, Machine, Threads};
use crate::mlir::builder::{Builder, Coordinate, FloatPredicate, Parameter, Val};
use object::{Object, ObjectSymbol};
use routefuse_ir::cancel::Cancel;
use routefuse_ir::target::{Target, TargetKind};

const LANES: u32 = 4;

fn pointer<'m>(b: &Builder<'m>, readonly: bool) -> Parameter<'m> {
    Parameter { ty: b.pointer(), noalias: true, readonly, align: 16 }
}

/// Four lanes of `out = x < y ? sqrt(fma(x, y, x) / y) : x * y + x`, from element `start`.
fn piece<'m>(b: &Builder<'m>, x: Val<'m>, y: Val<'m>, out: Val<'m>, start: Val<'m>) {
    let ty = b.lanes_of(b.f32(), LANES);
    let load = |p| b.load(b.gep(p, start, b.f32()), ty, 16, true);
    let (x, y) = (load(x), load(y));
    let root = b.sqrt(b.divf(b.fma(x, y, x), y));
    let plain = b.addf(b.mulf(x, y), x);
    let less = b.cmpf(FloatPredicate::Olt, x, y);
    b.store(b.select(less, root, plain), b.gep(out, start, b.f32()), 16);
}

fn build(b: &Builder, machine: &dyn Machine) {
    match machine.threads() {
        Threads::Alone(_) => {
            let parameters = [pointer(b, true), pointer(b, true), pointer(b, false)];
            b.function("body", true, &parameters, |b, arguments| {
                let (from, to, step) = (0, 32, i64::from(LANES));
                let bound = |v| b.const_int(b.int(64), v);
                b.for_loop(bound(from), bound(to), bound(step), |b, i| {
                    piece(b, arguments[0], arguments[1], arguments[2], i);
                });
            });
            b.function("kernel", false, &[Parameter::plain(b.pointer())], |b, arguments| {
                let slots: Vec<_> = (0..3)
                    .map(|n| {
                        let slot = b.gep_const(arguments[0], n, b.int(64));
                        b.load(slot, b.pointer(), 8, true)
                    })
                    .collect();
                b.call("body", &slots);
            });
        }
        Threads::InWarps(_) => {
            let parameters = [pointer(b, true), pointer(b, true), pointer(b, false)];
            b.gpu_kernel("kernel", (64, 0), None, &parameters, |b, arguments| {
                let threads = b.const_int(b.int(64), 64);
                let thread = b.addi(b.muli(b.coordinate(Coordinate::Block), threads), b.coordinate(Coordinate::Thread));
                let start = b.muli(thread, b.const_int(b.int(64), i64::from(LANES)));
                piece(b, arguments[0], arguments[1], arguments[2], start);
            });
        }
    }
}

fn machine(name: &str) -> Box<dyn Machine> {
    let target = Target::named(name).expect("a known target");
    machine::of(target, 3).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn compiled(name: &str) -> MachineCode {
    let machine = machine(name);
    compile_module(&*machine, Dump::ALL, &Cancel::default(), |b| {
        build(b, &*machine);
        Ok(())
    })
    .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn on_the_host(build: impl FnOnce(&Builder)) -> CodegenError {
    let result = compile_module(&*machine("host"), Dump::default(), &Cancel::default(), |b| {
        build(b);
        Ok(())
    });
    result.expect_err("it is wrong")
}

/// The shared object is small, needs no LLVM to load, and computes what Rust computes, bit for bit.
#[test]
fn host_code_runs() {
    let code = compiled("host");
    assert!(code.bytes.len() < 20 * 1024, "{} bytes", code.bytes.len());
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("kernel.so");
    std::fs::write(&path, &code.bytes).expect("write");

    #[repr(align(64))]
    struct Aligned([f32; 32]);
    let hostile = [1e-42f32, -0.0, f32::INFINITY, 3.0, 1e38, -7.5, f32::MIN_POSITIVE, 0.1];
    let x = Aligned(std::array::from_fn(|i| hostile[i % 8] * (i / 8 + 1) as f32));
    let y = Aligned(std::array::from_fn(|i| hostile[(i + 3) % 8]));
    let mut out = Aligned([f32::NAN; 32]);
    let slots = [x.0.as_ptr() as u64, y.0.as_ptr() as u64, out.0.as_mut_ptr() as u64];
    // SAFETY: the library was just built by us; `kernel` takes a pointer to three addresses of 32 aligned floats.
    unsafe {
        let library = libloading::Library::new(&path).expect("dlopen");
        let kernel: libloading::Symbol<unsafe extern "C" fn(*const u64)> = library.get(b"kernel").expect("the entry");
        kernel(slots.as_ptr());
    }
    for i in 0..32 {
        let (x, y) = (x.0[i], y.0[i]);
        let want = if x < y { (x.mul_add(y, x) / y).sqrt() } else { x * y + x };
        let (got, want) = (out.0[i], want);
        assert!(
            got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(),
            "element {i}: f({x}, {y}) is {got}, not {want}"
        );
    }
}

/// What this emits, as code for the host that is given three addresses.
struct OnHost {
    library: libloading::Library,
    _directory: tempfile::TempDir,
}

impl OnHost {
    fn new(what: &str, emit: impl for<'m> Fn(&Builder<'m>, [Val<'m>; 3])) -> OnHost {
        let code = compile_module(&*machine("host"), Dump::default(), &Cancel::default(), |b| {
            b.function("kernel", false, &[Parameter::plain(b.pointer())], |b, arguments| {
                let slot = |n| b.load(b.gep_const(arguments[0], n, b.int(64)), b.pointer(), 8, true);
                emit(b, [slot(0), slot(1), slot(2)]);
            });
            Ok(())
        });
        let code = code.unwrap_or_else(|error| panic!("{what}: {error}"));
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("kernel.so");
        std::fs::write(&path, &code.bytes).expect("write");
        // SAFETY: the library was just built by us, and needs nothing to load.
        let library = unsafe { libloading::Library::new(&path).expect("dlopen") };
        OnHost { library, _directory: directory }
    }

    /// `y` may be read, as many floats as there are in `x` as well, and as many are written.
    fn run(&self, x: &[f32], y: f32) -> Vec<f32> {
        // SAFETY: that is the type of `kernel`.
        let kernel: libloading::Symbol<unsafe extern "C" fn(*const u64)> =
            unsafe { self.library.get(b"kernel").expect("the entry") };
        let mut out = vec![-1.0f32; x.len()];
        let slots = [x.as_ptr() as u64, (&raw const y) as u64, out.as_mut_ptr() as u64];
        // SAFETY: it reads and writes what is said here.
        unsafe { kernel(slots.as_ptr()) };
        out
    }
}

/// The quotients of NVIDIA's lanes, as code for the host, with a reciprocal of the host's: few at once and more than are straight code,
/// of which each way is gone: ordinary numerators, some that are scaled, a divisor or numerators far from 1, and NaN.
#[test]
fn quotients_of_one_divisor_are_those_of_the_division() {
    for lanes in [1u32, 12, 48, 37] {
        let code = OnHost::new("quotients", |b, [x, y, out]| {
            let x = b.load(x, b.lanes_of(b.f32(), lanes), 4, true);
            let y = b.load(y, b.f32(), 4, true);
            let rough = b.divf(b.const_f32(1.0, 1), y);
            b.store(quotients(b, [x, y, rough], Near::default(), None), out, 4);
        });
        let small = [1e-42f32, 3e-39, 1.7e-37, 0.0, 1e-33, 0.3, f32::from_bits(1), f32::from_bits(0x7f_ffff)];
        for (numerators, y) in [
            ([0.1f32, 3.0, 0.5, 0.0, 1e-20, 7e8, 1.0, 0.7], 3.0f32),
            (small, 3.0),
            (small, 0.999),
            (small, 1e30),
            ([f32::NAN, 1.0, f32::INFINITY, -0.0, 2.0, 1e38, -5.0, 0.1], 1.5),
            (small, f32::NAN),
        ] {
            let x: Vec<f32> = (0..lanes).map(|i| numerators[i as usize % 8] * (1 + i / 8) as f32).collect();
            for (x, got) in x.iter().zip(code.run(&x, y)) {
                let want = x / y;
                let same = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
                assert!(same, "{lanes} lanes: {x:e} / {y:e} is {got:e}, not {want:e}");
            }
        }
    }
}

/// The same of what is known to be near, by what says that no numerator is small: here that the first one is not. What says so of NaNs
/// leaves none but the canonical one.
#[test]
fn quotients_that_are_known_to_be_near_are_those_of_the_division() {
    for (lanes, by_proof) in [(1u32, false), (1, true), (2, true), (12, false), (12, true), (48, true), (37, false)] {
        let code = OnHost::new("near", |b, [x, y, out]| {
            let x = b.load(x, b.lanes_of(b.f32(), lanes), 4, true);
            let y = b.load(y, b.f32(), 4, true);
            let rough = b.divf(b.const_f32(1.0, 1), y);
            let small = b.not(b.cmpf(FloatPredicate::Oge, b.extract(x, 0), b.const_f32(1e-30, 1)));
            let known = Near { operands: true, unless: by_proof.then_some(small), looked_at: true };
            assert_eq!(known.settles(), by_proof);
            b.store(quotients(b, [x, y, rough], known, None), out, 4);
        });
        let small = [1e-42f32, 3e-39, 1.7e-37, 0.0, 1e-33, 0.3, f32::from_bits(1), f32::from_bits(0x7f_ffff)];
        for (numerators, y) in [
            ([0.1f32, 3.0, 0.5, 0.0, 1e-20, 7e8, 1.0, 0.7], 3.0f32),
            ([1.0f32, 3e-27, 0.5, 0.0, 1e-20, 7e8, 1.0, 0.7], 500_000.0),
            (small, 3.0),
            (small, 1.0),
            (small, 2e-6),
            (small, 767.25),
            ([f32::NAN; 8], f32::NAN),
            (small, f32::NAN),
        ] {
            let x: Vec<f32> = (0..lanes).map(|i| numerators[i as usize % 8] * (1 + i / 8) as f32).collect();
            for (x, got) in x.iter().zip(code.run(&x, y)) {
                let want = x / y;
                let nan = got.is_nan() && (!by_proof || got.to_bits() == routefuse_ir::math::F32_NAN.to_bits());
                let same = got.to_bits() == want.to_bits() || nan && want.is_nan();
                assert!(same, "{lanes} lanes, by proof: {by_proof}: {x:e} / {y:e} is {got:e}, not {want:e}");
            }
        }
    }
}

/// The roots of NVIDIA's lanes in the same way: each number alone among ordinary ones, so that one look sends all of them the long way, and
/// as many lanes as are written out, are gone through in turns, and are a prime.
#[test]
fn roots_at_once_are_those_of_each() {
    for lanes in [1u32, 2, 8, 13, 32, 48] {
        let code = OnHost::new("roots", |b, [x, _, out]| {
            let x = b.load(x, b.lanes_of(b.f32(), lanes), 4, true);
            let rough = |x| b.divf(b.const_f32(1.0, 1), b.sqrt(x));
            b.store(roots(b, x, rough), out, 4);
        });
        let least = f32::from_bits((127 - 101) << 23);
        let below = f32::from_bits(least.to_bits() - 1);
        let others = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 0.0, -1.0, 1e-45, 3e-39, f32::MIN_POSITIVE];
        // Of the least normal floats a few have another root by the short way.
        let small = (0..50u32).map(|i| f32::from_bits(0x0080_0000 + i * 0x0003_1415));
        for other in others.into_iter().chain([below, least, f32::MAX, 2.0]).chain(small) {
            for place in 0..lanes as usize {
                let mut x: Vec<f32> = (0..lanes).map(|i| 0.013 * (i * i + 7) as f32).collect();
                x[place] = other;
                for (x, got) in x.iter().zip(code.run(&x, 0.0)) {
                    let want = x.sqrt();
                    let same = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
                    assert!(same, "{lanes} lanes, {other:e} at {place}: the root of {x:e} is {got:e}, not {want:e}");
                }
            }
        }
    }
}

/// Every operation is written with its rounding, none flushes denormals, and loads are vectors of read-only memory.
#[test]
fn ptx_is_rounded_explicitly() {
    for (name, version) in [("sm_70", "6.3"), ("sm_90", "8.0"), ("sm_110", "9.0"), ("sm_121", "8.8")] {
        let code = compiled(name);
        let ptx = String::from_utf8(code.bytes).expect("PTX is text");
        for want in [
            ".visible .entry kernel(",
            "fma.rn.f32",
            "div.rn.f32",
            "sqrt.rn.f32",
            "mul.rn.f32",
            "add.rn.f32",
            "ld.global.nc.v",
            "st.global.v",
            &format!(".version {version}"),
            &format!(".target {name}"),
        ] {
            assert!(ptx.contains(want), "{name} has no {want}:\n{ptx}");
        }
        assert!(!ptx.contains(".ftz"), "{name} flushes denormals:\n{ptx}");
        assert!(!ptx.contains(".extern"), "{name} calls outside:\n{ptx}");
    }
}

/// Linked, with a kernel descriptor, no undefined symbol, and the long expansions that round division and root correctly.
#[test]
fn hsaco_is_linked() {
    for name in Target::all().filter(|t| t.kind() == TargetKind::Amdgpu).map(Target::name) {
        let code = compiled(name);
        let version = if name.ends_with("-generic") { 6 } else { 5 };
        let file = object::File::parse(&*code.bytes).expect("ELF");
        let symbols: Vec<_> = file.dynamic_symbols().filter_map(|s| s.name().ok().map(str::to_owned)).collect();
        assert!(symbols.iter().any(|s| s == "kernel"), "{symbols:?}");
        assert!(symbols.iter().any(|s| s == "kernel.kd"), "{symbols:?}");
        let assembly = code.assembly.expect("asked for");
        for want in [
            "v_div_fmas_f32",
            "v_div_fixup_f32",
            "v_sqrt_f32",
            ".amdhsa_float_denorm_mode_32 3",
            &format!(".amdhsa_code_object_version {version}"),
            ".max_flat_workgroup_size: 64",
            "global_load_b128",
        ] {
            let old = want.replace("b128", "dwordx4");
            assert!(assembly.contains(want) || assembly.contains(&old), "{name} has no {want}:\n{assembly}");
        }
    }
}

/// A call to what no loader provides is found when linking, not when launching.
#[test]
fn undefined_symbols_are_refused() {
    // A 128-bit division is a call into the compiler's run-time library.
    let error = on_the_host(|b| {
        b.function("kernel", false, &[pointer(b, false)], |b, arguments| {
            let x = b.load(arguments[0], b.int(128), 16, false);
            let y = b.load(b.gep_const(arguments[0], 1, b.int(128)), b.int(128), 16, false);
            b.store(b.divui(x, y), arguments[0], 16);
        });
    });
    assert_eq!(
        error.to_string(),
        "the code for `host` calls __udivti3, which nothing defines where it is loaded; allowed are memcpy, memmove, \
         memset, bcmp"
    );
}

/// LLD's own words reach the error, and a failed link leaves LLD usable.
#[test]
fn a_failed_link_says_why() {
    for _ in 0..2 {
        let target = Target::named("gfx942").expect("a known target");
        let error = link::link(target, b"not an object", &[]).expect_err("no object");
        assert!(matches!(error.problem(), Problem::Link(message) if message.contains("kernel0.o")), "{error}");
    }
    assert!(!compiled("gfx942").bytes.is_empty());
}

/// MLIR's diagnostics reach the error instead of the terminal.
#[test]
fn a_wrong_module_says_why() {
    let error = on_the_host(|b| {
        b.function("kernel", false, &[], |b, _| {
            b.addi(b.const_int(b.int(32), 1), b.const_int(b.int(64), 1));
        });
    });
    assert!(matches!(error.problem(), Problem::Verify(message) if message.contains("arith.addi")), "{error}");
}
