//! The stated error bounds of the functions and the exactness of the casts, over arguments of every kind.
//!
//! With `ROUTEFUSE_EXHAUSTIVE=1` in the environment every test visits all 2³² arguments, on every core of the machine (in
//! release, 25 minutes of one core; `RUSTFLAGS="-C target-cpu=native"` spares the calls of the library's fma and changes
//! no bit); otherwise 4096 mantissas of every sign and exponent, about two million.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::thread;

use routefuse_ir::math::{BF16_NAN, F16_NAN, F32_NAN, MAX_ULP, native};

/// A function under test, its value in `f64`, and what must hold for every argument that is not NaN.
struct Subject {
    name: &'static str,
    run: fn(f32) -> f32,
    reference: fn(f64) -> f64,
    holds: fn(f32, f32) -> bool,
}

const SUBJECTS: [Subject; 9] = [
    Subject { name: "exp", run: native::exp, reference: f64::exp, holds: |_, y| y.is_sign_positive() },
    Subject {
        name: "exp2",
        run: native::exp2,
        reference: f64::exp2,
        holds: |x, y| y.is_sign_positive() && (y > 1.0) <= (x > 0.0),
    },
    Subject {
        name: "log",
        run: native::log,
        reference: f64::ln,
        holds: |x, y| y.is_nan() == (x < 0.0) && (y == f32::NEG_INFINITY) == (x == 0.0),
    },
    Subject {
        name: "log2",
        run: native::log2,
        reference: f64::log2,
        holds: |x, y| y.is_nan() == (x < 0.0) && (y == f32::NEG_INFINITY) == (x == 0.0),
    },
    Subject {
        name: "rsqrt",
        run: native::rsqrt,
        reference: |x| 1.0 / x.sqrt(),
        holds: |x, y| y.is_nan() == (x < 0.0) && y.is_infinite() == (x == 0.0),
    },
    Subject {
        name: "sigmoid",
        run: native::sigmoid,
        reference: |x| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) },
        holds: |_, y| y.is_sign_positive() && y <= 1.0,
    },
    Subject {
        name: "softplus",
        run: native::softplus,
        reference: |x| x.max(0.0) + (-x.abs()).exp().ln_1p(),
        holds: |x, y| y.is_sign_positive() && y >= x,
    },
    Subject {
        name: "tanh",
        run: native::tanh,
        reference: f64::tanh,
        holds: |x, y| y.abs() <= 1.0 && y.to_bits() == (-native::tanh(-x)).to_bits(),
    },
    Subject {
        name: "erf",
        run: native::erf,
        reference: erf,
        holds: |x, y| y.abs() <= 1.0 && y.to_bits() == (-native::erf(-x)).to_bits(),
    },
];

/// 2/√π e^−x² Σ 2ⁿ x²ⁿ⁺¹ / (2n + 1)!!, of which no term is negative (Abramowitz and Stegun, 7.1.6).
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while sum + term != sum {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// Whether to visit all arguments; the first answer of no is printed.
fn exhaustive() -> bool {
    static ASKED: LazyLock<bool> = LazyLock::new(|| {
        let asked = std::env::var_os("ROUTEFUSE_EXHAUSTIVE").is_some_and(|value| value == "1");
        if !asked {
            println!("skipped: set ROUTEFUSE_EXHAUSTIVE=1 for all 2^32 arguments; sampling instead");
        }
        asked
    });
    *ASKED
}

/// Calls `visit` on the arguments, by sign and exponent, on every core; the results come in no particular order.
fn for_each_argument<S: Default + Send>(visit: impl Fn(&mut S, f32) + Sync) -> Vec<S> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mantissas: u32 = if exhaustive() { 1 << 23 } else { 1 << 12 };
    let visit = &visit;
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                scope.spawn(move || {
                    let mut state = S::default();
                    for sign_and_exponent in (worker..512).step_by(threads) {
                        for index in 0..mantissas {
                            visit(&mut state, argument(sign_and_exponent as u32, index, mantissas));
                        }
                    }
                    state
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker panicked")).collect()
    })
}

/// One mantissa out of each of `mantissas` equal pieces: the piece's ends in its first and last, else a hashed one.
fn argument(sign_and_exponent: u32, index: u32, mantissas: u32) -> f32 {
    let piece = (1 << 23) / mantissas;
    let hash = (sign_and_exponent * mantissas + index).wrapping_mul(0x9E37_79B1) >> 9;
    let offset = match index {
        0 => 0,
        last if last == mantissas - 1 => piece - 1,
        _ => hash % piece,
    };
    f32::from_bits(sign_and_exponent << 23 | (index * piece + offset))
}

/// |got − exact| in units of the last place of `exact`; +∞ counts as 2¹²⁸.
fn error_in_ulp(got: f32, exact: f64) -> f64 {
    const LIMIT: f64 = 340_282_366_920_938_463_463_374_607_431_768_211_456.0;
    let clamp = |value: f64| value.clamp(-LIMIT, LIMIT);
    let exponent = ((clamp(exact).to_bits() >> 52 & 0x7FF) as i64 - 1023).clamp(-126, 127);
    let units_in_one = f64::from_bits(((23 - exponent + 1023) as u64) << 52);
    (clamp(f64::from(got)) - clamp(exact)).abs() * units_in_one
}

#[derive(Default)]
struct Worst {
    error: f64,
    argument: f32,
    violation: Option<(f32, f32)>,
}

#[test]
fn errors_stay_within_the_stated_bounds() {
    let complete = exhaustive();
    let mut failures = String::new();
    for (subject, (bound_name, bound)) in SUBJECTS.iter().zip(MAX_ULP) {
        assert_eq!(subject.name, bound_name);
        let workers = for_each_argument(|worst: &mut Worst, x| {
            let y = (subject.run)(x);
            if y.is_nan() && y.to_bits() != F32_NAN.to_bits() {
                worst.violation = Some((x, y));
            }
            if x.is_nan() {
                if !y.is_nan() {
                    worst.violation = Some((x, y));
                }
                return;
            }
            if !(subject.holds)(x, y) {
                worst.violation = Some((x, y));
            }
            let exact = (subject.reference)(f64::from(x));
            if exact.is_nan() != y.is_nan() {
                worst.violation = Some((x, y));
            } else if !exact.is_nan() {
                let error = error_in_ulp(y, exact);
                if error > worst.error {
                    (worst.error, worst.argument) = (error, x);
                }
            }
        });
        for (x, y) in workers.iter().filter_map(|worst| worst.violation) {
            let (x_bits, y_bits) = (x.to_bits(), y.to_bits());
            writeln!(failures, "{bound_name}({x:e} = {x_bits:#010X}) is {y:e} = {y_bits:#010X}").unwrap();
        }
        let worst = workers.iter().max_by(|a, b| a.error.total_cmp(&b.error)).expect("workers");
        let line = format!(
            "{bound_name}: {:.6} ulp at {:e} = {:#010X}, stated {bound}",
            worst.error,
            worst.argument,
            worst.argument.to_bits()
        );
        if worst.error > bound || complete && worst.error < bound - 1e-4 {
            writeln!(failures, "{line}").unwrap();
        }
        println!("{line}");
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn roundings_are_exact() {
    type Rounding = (&'static str, fn(f32) -> f32, fn(f32) -> f32);
    const ROUNDINGS: [Rounding; 4] = [
        ("floor", native::floor, f32::floor),
        ("ceil", native::ceil, f32::ceil),
        ("round", native::round, f32::round_ties_even),
        ("trunc", native::trunc, f32::trunc),
    ];
    let workers = for_each_argument(|wrong: &mut Option<(&str, f32)>, x| {
        for (name, run, exact) in ROUNDINGS {
            let expected = if x.is_nan() { F32_NAN } else { exact(x) };
            if run(x).to_bits() != expected.to_bits() {
                *wrong = Some((name, x));
            }
        }
    });
    if let Some((name, x)) = workers.into_iter().flatten().next() {
        panic!("{name} of {x:e} = {:#010X}", x.to_bits());
    }
}

#[test]
fn narrowing_casts_round_to_nearest_even() {
    let workers = for_each_argument(|wrong: &mut Option<f32>, x| {
        let right = if x.is_nan() {
            native::f32_to_bf16(x) == BF16_NAN && native::f32_to_f16(x) == F16_NAN
        } else {
            native::f32_to_bf16(x) == half::bf16::from_f32(x).to_bits()
                && native::f32_to_f16(x) == half::f16::from_f32(x).to_bits()
        };
        if !right {
            *wrong = Some(x);
        }
    });
    if let Some(x) = workers.into_iter().flatten().next() {
        let bits = x.to_bits();
        let (bf16, f16) = (native::f32_to_bf16(x), native::f32_to_f16(x));
        panic!("{x:e} = {bits:#010X} becomes bf16 {bf16:#06X} and f16 {f16:#06X}");
    }
}

#[test]
fn widening_casts_are_exact() {
    for bits in 0..=u16::MAX {
        let from_bf16 = half::bf16::from_bits(bits).to_f32();
        let expected = if from_bf16.is_nan() { F32_NAN } else { from_bf16 };
        assert_eq!(native::bf16_to_f32(bits).to_bits(), expected.to_bits(), "bf16 {bits:#06X}");
        let from_f16 = half::f16::from_bits(bits).to_f32();
        let expected = if from_f16.is_nan() { F32_NAN } else { from_f16 };
        assert_eq!(native::f16_to_f32(bits).to_bits(), expected.to_bits(), "f16 {bits:#06X}");
    }
}
