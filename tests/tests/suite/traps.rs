//! What compilers are known to get wrong, with the bits written down: on the host, in the AMD emulator, and in PTX.

use rand::SeedableRng;
use rand::rngs::SmallRng;
use routefuse::ir::{Literal, Variant};
use routefuse::{DType, Engine, Options, Target, Tensor, text};
use routefuse_ir::interp;
use routefuse_tests::emulator::{Emulator, Run};
use routefuse_tests::launch;
use routefuse_tests::skips::skip;

/// A graph of one row dim `T`, inputs by dtype and bits, the bits of its one output.
struct Case {
    name: &'static str,
    body: &'static str,
    inputs: &'static [(DType, &'static [u64])],
    output: &'static [u64],
}

const NAN: u64 = 0x7fc0_0000;

const CASES: &[Case] = &[
    Case {
        name: "the square root of a negative number is the canonical NaN",
        body: "input %x : f32[T]\n%y = sqrt %x",
        inputs: &[(DType::F32, &[0xbf80_0000, 0x8000_0000, 0x4080_0000, 0xff80_0000, 0xffc0_0001, 0x8000_0001])],
        output: &[NAN, 0x8000_0000, 0x4000_0000, NAN, NAN, NAN],
    },
    Case {
        name: "a cast from f32 to f32 makes a NaN canonical",
        body: "input %x : f32[T]\n%y = cast %x {dtype = f32}",
        inputs: &[(DType::F32, &[0xffc0_0001, 0x7f80_0001, 0x8000_0000, 0x3f80_0000])],
        output: &[NAN, NAN, 0x8000_0000, 0x3f80_0000],
    },
    Case {
        name: "a bitcast moves a NaN's bits, also through arithmetic's neighbours",
        body: "input %x : f32[T]\n%i = bitcast %x {dtype = u32}\n%y = bitcast %i {dtype = f32}",
        inputs: &[(DType::F32, &[0xffc0_0001, 0x7f80_0001])],
        output: &[0xffc0_0001, 0x7f80_0001],
    },
    Case {
        name: "the half of a product of -0.0 is -0.0",
        body: "input %a : f32[T]\ninput %b : f32[T]\n%p = mul %a, %b\n%y = cast %p {dtype = f16}",
        inputs: &[
            (DType::F32, &[0x8000_0000, 0x3f80_0000, 0x8080_0000, 0x3f80_1000]),
            (DType::F32, &[0x3f80_0000, 0x8000_0000, 0x0080_0000, 0x3f80_0000]),
        ],
        output: &[0x8000, 0x8000, 0x8000, 0x3c00],
    },
    Case {
        name: "a product is rounded before it is added",
        body: "input %a : f32[T]\ninput %c : f32[T]\n%p = mul %a, %a\n%y = add %p, %c",
        inputs: &[(DType::F32, &[0x3f80_0001]), (DType::F32, &[0xbf80_0002])],
        output: &[0],
    },
    Case {
        name: "fma rounds once",
        body: "input %a : f32[T]\ninput %c : f32[T]\n%y = fma %a, %a, %c",
        inputs: &[(DType::F32, &[0x3f80_0001]), (DType::F32, &[0xbf80_0002])],
        output: &[0x2880_0000],
    },
    Case {
        name: "denormals are numbers",
        body: "input %a : f32[T]\ninput %b : f32[T]\n%y = mul %a, %b",
        inputs: &[(DType::F32, &[1, 0x0080_0000, 0x0000_0003]), (DType::F32, &[0x3f80_0000, 0x3f00_0000, 0x3f00_0000])],
        output: &[1, 0x0040_0000, 2],
    },
    Case {
        name: "the larger of a NaN and a number is the number, and 0.0 is above -0.0",
        body: "input %a : f32[T]\ninput %b : f32[T]\n%y = max %a, %b",
        inputs: &[
            (DType::F32, &[NAN, 0x3f80_0000, 0x7f80_0001, 0x8000_0000, 0x0000_0000, 0xff80_0001]),
            (DType::F32, &[0x3f80_0000, 0xffc0_0000, 0x4000_0000, 0x0000_0000, 0x8000_0000, 0xffc0_0001]),
        ],
        output: &[0x3f80_0000, 0x3f80_0000, 0x4000_0000, 0, 0, NAN],
    },
    Case {
        name: "division by 0 is all ones, and MIN / -1 wraps",
        body: "input %a : i32[T]\ninput %b : i32[T]\n%y = div %a, %b",
        inputs: &[(DType::I32, &[7, 0x8000_0000, 0xffff_fff9]), (DType::I32, &[0, 0xffff_ffff, 2])],
        output: &[0xffff_ffff, 0x8000_0000, 0xffff_fffd],
    },
    Case {
        name: "the remainder by 0 is the dividend, and MIN % -1 is 0",
        body: "input %a : i64[T]\ninput %b : i64[T]\n%y = rem %a, %b",
        inputs: &[(DType::I64, &[7, 1 << 63, u64::MAX - 6]), (DType::I64, &[0, u64::MAX, 2])],
        output: &[7, 0, u64::MAX],
    },
    Case {
        name: "a shift by the width or more gives 0",
        body: "input %a : u8[T]\ninput %b : u8[T]\n%y = shl %a, %b",
        inputs: &[(DType::U8, &[0xff, 0xff, 0xff, 0x81]), (DType::U8, &[8, 255, 7, 0])],
        output: &[0, 0, 0x80, 0x81],
    },
    Case {
        name: "a signed shift right by the width or more gives the sign",
        body: "input %a : i16[T]\ninput %b : i16[T]\n%y = shr %a, %b",
        inputs: &[(DType::I16, &[0x8000, 0x7fff, 0x8000, 0xfffe]), (DType::I16, &[16, 16, 0xffff, 1])],
        output: &[0xffff, 0, 0xffff, 0xffff],
    },
    Case {
        name: "64-bit integers round once to f32",
        body: "input %a : u64[T]\n%y = cast %a {dtype = f32}",
        inputs: &[(DType::U64, &[u64::MAX, (1 << 63) | (1 << 39) | 1, (1 << 63) | (1 << 39), 1 << 63, 0x0100_0001])],
        output: &[0x5f80_0000, 0x5f00_0001, 0x5f00_0000, 0x5f00_0000, 0x4b80_0000],
    },
    Case {
        name: "signed 64-bit integers round once to f32",
        body: "input %a : i64[T]\n%y = cast %a {dtype = f32}",
        inputs: &[(DType::I64, &[i64::MAX as u64, 1 << 63, u64::MAX, (i64::MIN + 1) as u64])],
        output: &[0x5f00_0000, 0xdf00_0000, 0xbf80_0000, 0xdf00_0000],
    },
    Case {
        name: "a float to an integer truncates and saturates, NaN gives 0",
        body: "input %a : f32[T]\n%y = cast %a {dtype = i32}",
        inputs: &[(DType::F32, &[0xffc0_0000, 0x7f80_0000, 0xff80_0000, 0x4f00_0000, 0xbfff_ffff, 0x3f7f_ffff])],
        output: &[0, 0x7fff_ffff, 0x8000_0000, 0x7fff_ffff, 0xffff_ffff, 0],
    },
    Case {
        name: "a float to an unsigned integer saturates at both ends",
        body: "input %a : f32[T]\n%y = cast %a {dtype = u64}",
        inputs: &[(DType::F32, &[0xbf80_0000, 0x7f80_0000, 0x5f80_0000, 0x5f7f_ffff, NAN])],
        output: &[0, u64::MAX, u64::MAX, 0xffff_ff00_0000_0000, 0],
    },
    Case {
        name: "rounding to bf16: ties to even, infinity, NaN canonical",
        body: "input %a : f32[T]\n%y = cast %a {dtype = bf16}",
        inputs: &[(DType::F32, &[0x3f80_8000, 0x3f81_8000, 0x3f80_8001, 0x7f7f_ffff, 0xff80_0001, 0x0000_8000])],
        output: &[0x3f80, 0x3f82, 0x3f81, 0x7f80, 0x7fc0, 0],
    },
    Case {
        name: "rounding to f16: ties to even, denormals, infinity, NaN canonical",
        body: "input %a : f32[T]\n%y = cast %a {dtype = f16}",
        inputs: &[(DType::F32, &[0x3f80_1000, 0x3f80_3000, 0x3300_0000, 0x3300_0001, 0x477f_f000, 0xffff_ffff])],
        output: &[0x3c00, 0x3c02, 0, 1, 0x7c00, 0x7e00],
    },
    Case {
        name: "packing a weight whose sign bit is set keeps the id, masked",
        body: "input %i : i32[T]\ninput %w : f32[T]\n%y = pack %i, %w {form = masked}",
        inputs: &[(DType::I32, &[5, 0xffff_ffff, 5]), (DType::F32, &[0x8000_0000, 0x3f80_0000, 0xffc0_0000])],
        output: &[0x0005_8000, 0xffff_3f80, 0x0005_7fc0],
    },
    Case {
        name: "and overwrites it, sign-extended",
        body: "input %i : i32[T]\ninput %w : f32[T]\n%y = pack %i, %w {form = sign_extended}",
        inputs: &[(DType::I32, &[5, 0xffff_ffff]), (DType::F32, &[0x8000_0000, 0x3f80_0000])],
        output: &[0xffff_8000, 0xffff_3f80],
    },
    Case {
        name: "a quotient just above a tie, of a divisor whose reciprocal is a denormal, rounds up",
        body: "input %a : f32[T]\ninput %b : f32[T]\n%y = div %a, %b",
        inputs: &[(DType::F32, &[0x4f00_0000, 0x3f80_0000]), (DType::F32, &[0x7f7f_ffff, 0x7f7f_ffff])],
        output: &[0x0f00_0001, 0x0020_0000],
    },
    Case {
        name: "exp at its ends",
        body: "input %a : f32[T]\n%y = exp %a",
        inputs: &[(DType::F32, &[0, 0xff80_0000, 0x7f80_0000, 0xffc1_2345, 0x42b2_0000, 0xc2d0_0000])],
        output: &[0x3f80_0000, 0, 0x7f80_0000, NAN, 0x7f80_0000, 0],
    },
];

impl Case {
    fn graph(&self) -> routefuse::Verified<routefuse::Graph> {
        let source = format!("route 1\ngraph @case {{\ndim T\n{}\noutput out = %y\n}}\n", self.body);
        text::parse_verified(&source).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    fn rows(&self) -> u64 {
        self.output.len() as u64
    }

    fn tensors(&self) -> Vec<Tensor> {
        let tensor = |(dtype, bits): &(DType, &[u64])| Tensor::from_bits(*dtype, &[self.rows()], bits.iter().copied());
        self.inputs.iter().map(tensor).collect()
    }

    fn expected(&self) -> Vec<Tensor> {
        let graph = self.graph();
        let bits = self.output.iter().copied();
        vec![Tensor::from_bits(graph.output_type(0).dtype, &[self.rows()], bits)]
    }
}

#[test]
fn the_interpreter_says_what_is_written_here() {
    for case in CASES {
        let got = interp::run(&case.graph(), &case.tensors(), &[]).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let bits: Vec<String> = (0..got.outputs[0].len()).map(|i| format!("{:#x}", got.outputs[0].bits(i))).collect();
        assert_eq!(got.outputs, case.expected(), "{}: {bits:?}", case.name);
    }
}

#[test]
fn the_host_does_it() {
    let engine = Engine::builder().build().expect("an engine");
    for case in CASES {
        let plan = engine.compile(&case.graph(), &Target::host(), &Options::default());
        let plan = plan.unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let mut rng = SmallRng::seed_from_u64(7);
        let agreed = launch::agree(&plan, &[case.rows()], &case.tensors(), &case.expected(), &mut rng);
        agreed.unwrap_or_else(|e| panic!("{}: {e}", case.name));
    }
}

#[test]
fn amd_code_does_it() {
    let targets = ["gfx90a", "gfx942", "gfx950", "gfx1100", "gfx1200", "gfx1250"];
    let count = CASES.len() as u64 * targets.len() as u64;
    let Some(mut emulator) = Emulator::find() else { return skip("no AMD emulator", count, Some("REQUIRE_AMDEMU")) };
    for target in targets {
        let target = Target::named(target).expect("a known target");
        let engine = Engine::builder().build().expect("an engine");
        for case in CASES {
            let plan = engine.compile(&case.graph(), &target, &Options::default()).expect("a plan");
            let code = routefuse_codegen::compile(&plan.kernels()[0], Variant::GPU[1], Default::default());
            let artifact = code.unwrap_or_else(|e| panic!("{}: {e}", case.name)).artifact;
            let (tensors, expected) = (case.tensors(), case.expected());
            let mut rng = SmallRng::seed_from_u64(7);
            let rows = [case.rows()];
            let artifacts = &[artifact];
            let run = Run {
                program: plan.program(),
                artifacts,
                extents: &rows,
                inputs: &tensors,
                outputs: &expected,
                blocks: None,
            };
            let agreed = emulator.agree(run, &mut rng);
            agreed.unwrap_or_else(|e| panic!("{} on {target}: {e}", case.name));
        }
    }
}

/// The assembly of one case.
fn assembly(name: &str, target: &str) -> String {
    let case = CASES.iter().find(|c| c.name == name).expect("a case of this name");
    let engine = Engine::builder().build().expect("an engine");
    let target = Target::named(target).expect("a known target");
    let plan = engine.compile(&case.graph(), &target, &Options::default()).expect("a plan");
    let dump = routefuse_codegen::Dump { assembly: true, ..Default::default() };
    routefuse_codegen::compile(&plan.kernels()[0], Variant::GPU[0], dump).expect("compiled").assembly.expect("text")
}

/// gfx1250 takes the 32-bit offset of a load for signed, and LLVM 22 makes offsets of indices that it sees zero-extended from 32
/// bits: of a byte from the 2³¹st on, the address would be below the table.
#[test]
fn far_elements_are_not_at_negative_offsets() {
    let source = "route 1\ngraph @far {\ndim T\ninput %table : u8[4294967296]\ninput %ids : u32[T, 8]\n\
                  %x = gather %table, %ids\noutput o = %x\n}\n";
    let graph = text::parse_verified(source).unwrap_or_else(|e| panic!("{e}"));
    let engine = Engine::builder().build().expect("an engine");
    let target = Target::named("gfx1250").expect("a known target");
    let plan = engine.compile(&graph, &target, &Options::default()).expect("a plan");
    let dump = routefuse_codegen::Dump { assembly: true, ..Default::default() };
    for variant in [Variant::GPU[2], Variant::GPU[3]] {
        let code = routefuse_codegen::compile(&plan.kernels()[0], variant, dump).expect("compiled");
        let assembly = code.assembly.expect("text");
        let bytes: Vec<&str> =
            assembly.lines().filter(|l| l.contains("global_load_u8") || l.contains("_d16_u8")).collect();
        assert!(!bytes.is_empty(), "the table is read\n{assembly}");
        let by_offset: Vec<&&str> = bytes.iter().filter(|l| !l.contains(", off")).collect();
        assert!(by_offset.is_empty(), "{variant}: {by_offset:?}\n{assembly}");
    }
}

/// An optimiser that believes that a NaN is a NaN drops the selection of the canonical one.
#[test]
fn ptx_selects_the_canonical_nan() {
    for name in [CASES[0].name, CASES[1].name] {
        let ptx = assembly(name, "sm_90");
        let canonical = ["2143289344", "0f7FC00000", "0x7FC00000"].iter().any(|bits| ptx.contains(bits));
        assert!(canonical, "{name}\n{ptx}");
    }
}

/// A NaN made canonical is not made canonical again, a literal of one stays.
#[test]
fn a_literal_keeps_its_payload() {
    let literal = Literal::from_bits(DType::F32, 0xffc0_0123);
    let source = format!(
        "route 1\ngraph @g {{\ndim T\n%c = const {{dtype = f32, value = {literal}}}\n%w = broadcast %c {{shape = [T, 5]}}\noutput w = %w\n}}\n"
    );
    let graph = text::parse_verified(&source).unwrap_or_else(|e| panic!("{e}"));
    let engine = Engine::builder().build().expect("an engine");
    let plan = engine.compile(&graph, &Target::host(), &Options::default()).expect("a plan");
    for t in [0, 1, 7] {
        let expected = Tensor::from_bits(DType::F32, &[t, 5], (0..t * 5).map(|_| 0xffc0_0123));
        let mut rng = SmallRng::seed_from_u64(t);
        launch::agree(&plan, &[t], &[], &[expected], &mut rng).unwrap_or_else(|e| panic!("T = {t}: {e}"));
    }
}
