//! The functions at their edges, the exact bits they are published with, and what they cost.

use std::collections::BTreeMap;

use routefuse_ir::math::native::{self, Native};
use routefuse_ir::math::{self, F32_NAN, ScalarMachine};

const INFINITY: f32 = f32::INFINITY;
const LEAST_NORMAL: f32 = f32::MIN_POSITIVE;
const LEAST_DENORMAL: f32 = f32::from_bits(1);
const LARGEST_DENORMAL: f32 = f32::from_bits(0x007F_FFFF);
const LN_2: f32 = std::f32::consts::LN_2;

type Function = fn(f32) -> f32;

#[track_caller]
fn check(name: &str, function: Function, cases: &[(f32, f32)]) {
    for &(x, expected) in cases {
        let y = function(x);
        assert_eq!(y.to_bits(), expected.to_bits(), "{name}({x:e}) is {y:e}, not {expected:e}");
    }
}

#[test]
fn edges_are_exact() {
    check(
        "exp",
        native::exp,
        &[
            (-INFINITY, 0.0),
            (f32::MIN, 0.0),
            (-103.98, 0.0),
            (-103.97, LEAST_DENORMAL),
            (-LEAST_DENORMAL, 1.0),
            (-0.0, 1.0),
            (0.0, 1.0),
            (LARGEST_DENORMAL, 1.0),
            (88.722_84, INFINITY),
            (f32::MAX, INFINITY),
            (INFINITY, INFINITY),
        ],
    );
    assert!(native::exp(88.722_83).is_finite());
    check(
        "log",
        native::log,
        &[
            (-INFINITY, F32_NAN),
            (-1.0, F32_NAN),
            (-LEAST_DENORMAL, F32_NAN),
            (-0.0, -INFINITY),
            (0.0, -INFINITY),
            (LEAST_DENORMAL, -103.278_93),
            (LARGEST_DENORMAL, -87.336_55),
            (LEAST_NORMAL, -87.336_55),
            (1.0, 0.0),
            (2.0, LN_2),
            (f32::MAX, 88.722_84),
            (INFINITY, INFINITY),
        ],
    );
    check(
        "exp2",
        native::exp2,
        &[
            (-INFINITY, 0.0),
            (f32::MIN, 0.0),
            (-150.0, 0.0),
            (-149.999_98, LEAST_DENORMAL),
            (-149.0, LEAST_DENORMAL),
            (-126.0, LEAST_NORMAL),
            (-1.0, 0.5),
            (-LEAST_DENORMAL, 1.0),
            (-0.0, 1.0),
            (0.0, 1.0),
            (10.0, 1024.0),
            (127.0, f32::from_bits(254 << 23)),
            (127.999_99, f32::from_bits(0x7F7F_FFA7)),
            (128.0, INFINITY),
            (f32::MAX, INFINITY),
            (INFINITY, INFINITY),
        ],
    );
    check(
        "log2",
        native::log2,
        &[
            (-INFINITY, F32_NAN),
            (-1.0, F32_NAN),
            (-LEAST_DENORMAL, F32_NAN),
            (-0.0, -INFINITY),
            (0.0, -INFINITY),
            (LEAST_DENORMAL, -149.0),
            (LEAST_NORMAL, -126.0),
            (0.5, -1.0),
            (1.0, 0.0),
            (2.0, 1.0),
            (1024.0, 10.0),
            (f32::MAX, 128.0),
            (INFINITY, INFINITY),
        ],
    );
    check(
        "rsqrt",
        native::rsqrt,
        &[
            (-INFINITY, F32_NAN),
            (-LEAST_DENORMAL, F32_NAN),
            (-0.0, -INFINITY),
            (0.0, INFINITY),
            (LEAST_NORMAL, f32::from_bits((127 + 63) << 23)),
            (0.25, 2.0),
            (1.0, 1.0),
            (4.0, 0.5),
            (INFINITY, 0.0),
        ],
    );
    check(
        "sigmoid",
        native::sigmoid,
        &[
            (-INFINITY, 0.0),
            (-103.98, 0.0),
            (-103.97, LEAST_DENORMAL),
            (-0.0, 0.5),
            (0.0, 0.5),
            (17.5, 1.0),
            (f32::MAX, 1.0),
            (INFINITY, 1.0),
        ],
    );
    check(
        "softplus",
        native::softplus,
        &[
            (-INFINITY, 0.0),
            (-103.98, 0.0),
            (-103.97, LEAST_DENORMAL),
            (-0.0, LN_2),
            (0.0, LN_2),
            (20.0, 20.0),
            (f32::MAX, f32::MAX),
            (INFINITY, INFINITY),
        ],
    );
    check(
        "tanh",
        native::tanh,
        &[
            (-INFINITY, -1.0),
            (-9.02, -1.0),
            (-LEAST_DENORMAL, -LEAST_DENORMAL),
            (-0.0, -0.0),
            (0.0, 0.0),
            (LARGEST_DENORMAL, LARGEST_DENORMAL),
            (LEAST_NORMAL, LEAST_NORMAL),
            (9.02, 1.0),
            (INFINITY, 1.0),
        ],
    );
    check(
        "erf",
        native::erf,
        &[
            (-INFINITY, -1.0),
            (-3.92, -1.0),
            (-0.0, -0.0),
            (0.0, 0.0),
            (LEAST_DENORMAL, LEAST_DENORMAL),
            (LARGEST_DENORMAL, f32::from_bits(0x0090_6EB9)),
            (1.0, 0.842_700_8),
            (3.92, 1.0),
            (f32::MAX, 1.0),
            (INFINITY, 1.0),
        ],
    );
}

#[test]
fn every_nan_becomes_the_canonical_one() {
    let nans = [0x7FC0_0000_u32, 0xFFC0_0000, 0x7F80_0001, 0xFF80_0001, 0x7FFF_FFFF, 0xFFFF_FFFF];
    for (name, function) in FUNCTIONS {
        for nan in nans {
            assert_eq!(function(f32::from_bits(nan)).to_bits(), 0x7FC0_0000, "{name} of {nan:#010X}");
        }
    }
    for nan in nans.map(f32::from_bits) {
        assert_eq!((native::f32_to_bf16(nan), native::f32_to_f16(nan)), (0x7FC0, 0x7E00));
    }
}

#[test]
fn sigmoid_follows_exp_to_the_last_denormal() {
    for step in 0..=870 {
        let x = -17.0 - step as f32 * 0.1;
        let (sigmoid, exp) = (native::sigmoid(x), native::exp(x));
        assert!(sigmoid.to_bits().abs_diff(exp.to_bits()) <= 1, "sigmoid({x}) is {sigmoid:e}, exp({x}) is {exp:e}");
    }
}

const FUNCTIONS: [(&str, Function); 9] = [
    ("exp", native::exp),
    ("exp2", native::exp2),
    ("log", native::log),
    ("log2", native::log2),
    ("rsqrt", native::rsqrt),
    ("sigmoid", native::sigmoid),
    ("softplus", native::softplus),
    ("tanh", native::tanh),
    ("erf", native::erf),
];

/// The functions are published: a change of a single bit anywhere must be a decision, and shows here.
#[test]
fn results_are_the_published_bits() {
    let digests = FUNCTIONS.map(|(name, function)| {
        let mut digest = 0xCBF2_9CE4_8422_2325_u64; // FNV-1a, over the bits of the results
        for bits in (0..=u32::MAX).step_by(9973) {
            digest = (digest ^ u64::from(function(f32::from_bits(bits)).to_bits())).wrapping_mul(0x0100_0000_01B3);
        }
        (name, digest)
    });
    assert_eq!(digests, PUBLISHED, "{digests:#018X?}");
}

const PUBLISHED: [(&str, u64); 9] = [
    ("exp", 0x157F_A675_96C6_3293),
    ("exp2", 0x03DC_3016_429A_699E),
    ("log", 0x06CF_F145_BB89_3AFC),
    ("log2", 0xC781_EC59_57D7_A05E),
    ("rsqrt", 0xA5E0_EBC1_ECA6_2F4B),
    ("sigmoid", 0xFDBD_4ADC_B6C7_77F7),
    ("softplus", 0x872D_34B4_4252_1EED),
    ("tanh", 0xDB9F_346C_C10F_F72D),
    ("erf", 0x3098_5D49_F94C_7E47),
];

/// A machine of four lanes that counts its operations, constants aside.
#[derive(Default)]
struct Counting {
    float: u32,
    division: u32,
    integer: u32,
    choice: u32,
}

type Lanes<T> = [T; 4];

fn zip<A: Copy, B: Copy, R>(a: Lanes<A>, b: Lanes<B>, f: impl Fn(A, B) -> R) -> Lanes<R> {
    std::array::from_fn(|lane| f(a[lane], b[lane]))
}

impl ScalarMachine for Counting {
    type F32 = Lanes<f32>;
    type I32 = Lanes<i32>;
    type Bool = Lanes<bool>;

    fn f32(&mut self, value: f32) -> Lanes<f32> {
        [value; 4]
    }
    fn i32(&mut self, value: i32) -> Lanes<i32> {
        [value; 4]
    }
    fn fadd(&mut self, a: Lanes<f32>, b: Lanes<f32>) -> Lanes<f32> {
        self.float += 1;
        zip(a, b, |a, b| Native.fadd(a, b))
    }
    fn fsub(&mut self, a: Lanes<f32>, b: Lanes<f32>) -> Lanes<f32> {
        self.float += 1;
        zip(a, b, |a, b| Native.fsub(a, b))
    }
    fn fmul(&mut self, a: Lanes<f32>, b: Lanes<f32>) -> Lanes<f32> {
        self.float += 1;
        zip(a, b, |a, b| Native.fmul(a, b))
    }
    fn fdiv(&mut self, a: Lanes<f32>, b: Lanes<f32>) -> Lanes<f32> {
        self.division += 1;
        zip(a, b, |a, b| Native.fdiv(a, b))
    }
    fn fsqrt(&mut self, a: Lanes<f32>) -> Lanes<f32> {
        self.float += 1;
        a.map(|a| Native.fsqrt(a))
    }
    fn ffma(&mut self, a: Lanes<f32>, b: Lanes<f32>, c: Lanes<f32>) -> Lanes<f32> {
        self.float += 1;
        std::array::from_fn(|lane| Native.ffma(a[lane], b[lane], c[lane]))
    }
    fn fabs(&mut self, a: Lanes<f32>) -> Lanes<f32> {
        self.float += 1;
        a.map(|a| Native.fabs(a))
    }
    fn fneg(&mut self, a: Lanes<f32>) -> Lanes<f32> {
        self.float += 1;
        a.map(|a| Native.fneg(a))
    }
    fn flt(&mut self, a: Lanes<f32>, b: Lanes<f32>) -> Lanes<bool> {
        self.choice += 1;
        zip(a, b, |a, b| Native.flt(a, b))
    }
    fn fle(&mut self, a: Lanes<f32>, b: Lanes<f32>) -> Lanes<bool> {
        self.choice += 1;
        zip(a, b, |a, b| Native.fle(a, b))
    }
    fn is_nan(&mut self, a: Lanes<f32>) -> Lanes<bool> {
        self.choice += 1;
        a.map(|a| Native.is_nan(a))
    }
    fn iadd(&mut self, a: Lanes<i32>, b: Lanes<i32>) -> Lanes<i32> {
        self.integer += 1;
        zip(a, b, |a, b| Native.iadd(a, b))
    }
    fn isub(&mut self, a: Lanes<i32>, b: Lanes<i32>) -> Lanes<i32> {
        self.integer += 1;
        zip(a, b, |a, b| Native.isub(a, b))
    }
    fn iand(&mut self, a: Lanes<i32>, b: Lanes<i32>) -> Lanes<i32> {
        self.integer += 1;
        zip(a, b, |a, b| Native.iand(a, b))
    }
    fn ior(&mut self, a: Lanes<i32>, b: Lanes<i32>) -> Lanes<i32> {
        self.integer += 1;
        zip(a, b, |a, b| Native.ior(a, b))
    }
    fn ixor(&mut self, a: Lanes<i32>, b: Lanes<i32>) -> Lanes<i32> {
        self.integer += 1;
        zip(a, b, |a, b| Native.ixor(a, b))
    }
    fn iumin(&mut self, a: Lanes<i32>, b: Lanes<i32>) -> Lanes<i32> {
        self.integer += 1;
        zip(a, b, |a, b| Native.iumin(a, b))
    }
    fn ishl(&mut self, a: Lanes<i32>, amount: u32) -> Lanes<i32> {
        self.integer += 1;
        a.map(|a| Native.ishl(a, amount))
    }
    fn ishr(&mut self, a: Lanes<i32>, amount: u32) -> Lanes<i32> {
        self.integer += 1;
        a.map(|a| Native.ishr(a, amount))
    }
    fn isar(&mut self, a: Lanes<i32>, amount: u32) -> Lanes<i32> {
        self.integer += 1;
        a.map(|a| Native.isar(a, amount))
    }
    fn iult(&mut self, a: Lanes<i32>, b: Lanes<i32>) -> Lanes<bool> {
        self.choice += 1;
        zip(a, b, |a, b| Native.iult(a, b))
    }
    fn ieq(&mut self, a: Lanes<i32>, b: Lanes<i32>) -> Lanes<bool> {
        self.choice += 1;
        zip(a, b, |a, b| Native.ieq(a, b))
    }
    fn iule(&mut self, a: Lanes<i32>, b: Lanes<i32>) -> Lanes<bool> {
        self.choice += 1;
        zip(a, b, |a, b| Native.iule(a, b))
    }
    fn isle(&mut self, a: Lanes<i32>, b: Lanes<i32>) -> Lanes<bool> {
        self.choice += 1;
        zip(a, b, |a, b| Native.isle(a, b))
    }
    fn isge(&mut self, a: Lanes<i32>, b: Lanes<i32>) -> Lanes<bool> {
        self.choice += 1;
        zip(a, b, |a, b| Native.isge(a, b))
    }
    fn select_f32(&mut self, condition: Lanes<bool>, a: Lanes<f32>, b: Lanes<f32>) -> Lanes<f32> {
        self.choice += 1;
        std::array::from_fn(|lane| Native.select_f32(condition[lane], a[lane], b[lane]))
    }
    fn select_i32(&mut self, condition: Lanes<bool>, a: Lanes<i32>, b: Lanes<i32>) -> Lanes<i32> {
        self.choice += 1;
        std::array::from_fn(|lane| Native.select_i32(condition[lane], a[lane], b[lane]))
    }
    fn bitcast_to_i32(&mut self, a: Lanes<f32>) -> Lanes<i32> {
        a.map(|a| Native.bitcast_to_i32(a))
    }
    fn bitcast_to_f32(&mut self, a: Lanes<i32>) -> Lanes<f32> {
        a.map(|a| Native.bitcast_to_f32(a))
    }
    fn int_to_f32(&mut self, a: Lanes<i32>) -> Lanes<f32> {
        self.float += 1;
        a.map(|a| Native.int_to_f32(a))
    }
}

type OnLanes = fn(&mut Counting, Lanes<f32>) -> Lanes<f32>;

/// These run for every expert of every token: an operation more is a decision. Lanes must not disturb one another.
#[test]
fn costs_and_lanes() {
    let on_lanes: [(&str, OnLanes); 9] = [
        ("exp", math::exp),
        ("exp2", math::exp2),
        ("log", math::log),
        ("log2", math::log2),
        ("rsqrt", math::rsqrt),
        ("sigmoid", math::sigmoid),
        ("softplus", math::softplus),
        ("tanh", math::tanh),
        ("erf", math::erf),
    ];
    let mut costs = BTreeMap::new();
    for ((name, one), (lanes_name, four)) in FUNCTIONS.into_iter().zip(on_lanes) {
        assert_eq!(name, lanes_name);
        let x = [f32::NAN, -INFINITY, 1.25, -103.5];
        let mut machine = Counting::default();
        let y = four(&mut machine, x);
        let bits = |y: f32| if y.is_nan() { F32_NAN.to_bits() } else { y.to_bits() };
        assert_eq!(y.map(bits), x.map(|x| one(x).to_bits()), "{name} on lanes");
        costs.insert(name, (machine.float, machine.division, machine.integer, machine.choice));
    }
    // float operations (fma, add, multiply, sign, conversion), divisions, integer operations, comparisons and choices
    let expected = [
        ("exp", (12, 0, 4, 6)),
        ("exp2", (12, 0, 4, 6)),
        ("log", (14, 0, 4, 9)),
        ("log2", (23, 0, 4, 9)),
        ("rsqrt", (1, 1, 0, 0)),
        ("sigmoid", (14, 1, 1, 6)),
        ("softplus", (26, 0, 1, 9)),
        ("tanh", (21, 1, 3, 6)),
        ("erf", (28, 0, 3, 6)),
    ];
    assert_eq!(costs, BTreeMap::from(expected));
}
