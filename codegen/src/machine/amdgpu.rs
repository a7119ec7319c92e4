//! AMD's GPUs, through HSACO.

use super::quotients::Divisor;
use super::wavefront::{self, Wavefront};
use super::{Machine, Processor, Product, Scalars, Threads, Warps};
use crate::ffi;
use crate::mlir::builder::{Builder, FloatPredicate, IntPredicate, Val};
use inkwell::attributes::{Attribute as LlvmAttribute, AttributeLoc};
use inkwell::module::FlagBehavior;
use melior::dialect::DialectRegistry;
use melior::ir::Attribute;
use melior::ir::attribute::{DenseI32ArrayAttribute, StringAttribute};
use mlir_sys as sys;
use routefuse_ir::artifact::CodeFormat;
use routefuse_ir::target::Target;
use std::ffi::CStr;

/// The address space of constants.
const CONSTANT_SPACE: u32 = 4;

/// Instructions that [`Machine::finish`] does not hold, as `llvm.amdgcn.sched.barrier` numbers them: scalar ones and loads.
const SCHEDULED_ANYWHERE: u32 = 0x4 | 0x20;

/// Arguments that are loaded together at most, beside the last: two scalar registers each.
const MOST_TAKEN: usize = 16;

/// An AMD GPU. A warp is a wavefront of 32 or 64 lanes.
pub(crate) struct Amdgpu {
    target: Target,
}

impl Amdgpu {
    pub fn new(target: Target) -> Amdgpu {
        Amdgpu { target }
    }

    /// How many of a kernel's arguments, of eight bytes each, are in registers when it begins.
    fn preloaded(&self, arguments: usize) -> usize {
        arguments.min(self.target.abilities().preloaded_words as usize / 2)
    }

    fn wavefront(&self) -> Wavefront {
        Wavefront { lanes: self.target.info().warp, moves: self.target.abilities().lane_moves }
    }
}

fn word<'m>(b: &Builder<'m>, value: u32) -> Val<'m> {
    b.const_int(b.int(32), i64::from(value))
}

/// 1 / y within one unit in the last place.
fn rough_reciprocal<'m>(b: &Builder<'m>, y: Val<'m>) -> Val<'m> {
    let rough = |lane| b.call_intrinsic("llvm.amdgcn.rcp.f32", &[b.extract(y, lane)], b.f32());
    b.gather_lanes(&(0..b.lanes(b.type_of(y))).map(rough).collect::<Vec<_>>())
}

fn intrinsic_without_result<'m>(b: &Builder<'m>, name: &str, operands: &[Val<'m>]) {
    let context = b.context();
    let segments = DenseI32ArrayAttribute::new(context, &[operands.len() as i32, 0]).into();
    let attributes = [
        ("intrin", StringAttribute::new(context, name).into()),
        ("op_bundle_sizes", DenseI32ArrayAttribute::new(context, &[]).into()),
        ("operandSegmentSizes", segments),
    ];
    b.append("llvm.call_intrinsic", operands, &attributes, &[], vec![]);
}

/// An empty piece of assembly that needs these values: they are there before it.
fn consume<'m>(b: &Builder<'m>, values: &[Val<'m>], constraints: &[&str]) {
    let context = b.context();
    let attributes = [
        ("asm_string", StringAttribute::new(context, "").into()),
        ("constraints", StringAttribute::new(context, &constraints.join(",")).into()),
        ("has_side_effects", Attribute::unit(context)),
    ];
    b.append("llvm.inline_asm", values, &attributes, &[], vec![]);
}

impl Machine for Amdgpu {
    fn target(&self) -> Target {
        self.target
    }

    fn threads(&self) -> Threads<'_> {
        Threads::InWarps(self)
    }

    fn processor(&self) -> Processor {
        let info = self.target.info();
        Processor {
            triple: info.triple.to_owned(),
            name: info.name.to_owned(),
            features: info.features.to_owned(),
            tuning: None,
        }
    }

    fn register_dialects(&self, registry: &DialectRegistry) {
        // SAFETY: dialect handles are static, and the registry is live.
        unsafe {
            for handle in [sys::mlirGetDialectHandle__gpu__(), sys::mlirGetDialectHandle__rocdl__()] {
                sys::mlirDialectHandleInsertDialect(handle, registry.to_raw());
            }
            ffi::routefuse_register_rocdl(registry.to_raw());
        }
    }

    fn lowering(&self) -> String {
        // MLIR knows no generic processors.
        let info = self.target.info();
        let chipset = info.processors.first().unwrap_or(&info.name);
        format!(
            "builtin.module(gpu.module(convert-scf-to-cf,\
             convert-gpu-to-rocdl{{index-bitwidth=64 chipset={chipset} runtime=HIP}},reconcile-unrealized-casts))"
        )
    }

    /// Only peepholes are left, and what tells the code generator where pointers point and which implicit arguments are not
    /// used.
    fn optimisation(&self) -> &'static str {
        "function(early-cse,amdgpu-promote-kernel-arguments,infer-address-spaces,\
         instcombine<no-verify-fixpoint>,simplifycfg,early-cse<memssa>),amdgpu-attributor"
    }

    /// A tenth of its time would go into address arithmetic that could be shared and values computed twice. The emitter writes
    /// neither, but for loads of the same element, which the end of [`Self::optimisation`] finds; the code is the same without.
    fn left_out(&self) -> &'static [&'static CStr] {
        &[c"slsr", c"nary-reassociate", c"gvn"]
    }

    fn mark<'l>(&self, context: &'l inkwell::context::Context, module: &inkwell::module::Module<'l>) {
        // Only code objects of version 6 say that they are for a generic processor. Older loaders know version 5 alone.
        let version = if self.target.info().processors.is_empty() { 500 } else { 600 };
        let version = context.i32_type().const_int(version, false);
        module.add_basic_value_flag("amdhsa_code_object_version", FlagBehavior::Error, version);
        let in_register = context.create_enum_attribute(LlvmAttribute::get_named_enum_kind_id("inreg"), 0);
        for function in module.get_functions().filter(|f| f.count_basic_blocks() > 0) {
            for argument in 0..self.preloaded(function.count_params() as usize) {
                function.add_attribute(AttributeLoc::Param(argument as u32), in_register);
            }
        }
        if self.target.abilities().clusters {
            let alone = context.create_string_attribute("amdgpu-cluster-dims", "0,0,0");
            for function in module.get_functions().filter(|f| f.count_basic_blocks() > 0) {
                function.add_attribute(AttributeLoc::Function, alone);
            }
        }
    }

    /// Where none is in a register already, they are loaded before anything else: LLVM would load each where it is first used,
    /// behind the branch that waits for the extent of the rows. Where some are, the extents are, so that nothing waits for others
    /// before the first of a row is asked for.
    fn take_arguments<'m>(&self, b: &Builder<'m>, arguments: &[Val<'m>]) {
        if self.preloaded(arguments.len()) > 0 {
            return;
        }
        let Some(last) = arguments.len().checked_sub(1) else { return };
        // The last ones are extents.
        let some = [&arguments[..last.min(MOST_TAKEN)], &arguments[last..]].concat();
        consume(b, &some, &vec!["s"; some.len()]);
    }

    /// LLVM's scheduler would put a load behind the first wait if that took a register less.
    fn ask_first(&self, b: &Builder<'_>) {
        intrinsic_without_result(b, "llvm.amdgcn.sched.barrier", &[word(b, 0)]);
    }

    fn receive<'m>(&self, b: &Builder<'m>, words: &[(Val<'m>, bool)]) {
        let (words, constraints): (Vec<_>, Vec<_>) =
            words.iter().take(MOST_TAKEN).map(|(word, uniform)| (*word, if *uniform { "s" } else { "v" })).unzip();
        if !words.is_empty() {
            consume(b, &words, &constraints);
        }
    }

    fn product(&self) -> Product {
        Product::Linked { format: CodeFormat::Hsaco, allowed: &[] }
    }

    fn atomic_scope(&self) -> Option<&'static str> {
        Some("agent")
    }

    /// By a selection of what is turned over. Where wavefronts have 32 lanes the compiler orders the rest so that it takes longer: gfx1100
    /// counted 803 instructions for one row of 512 columns, and 788 without.
    fn float_of_word<'m>(&self, b: &Builder<'m>, word: Val<'m>, mask: u32) -> Option<Val<'m>> {
        if self.target.info().warp < 64 {
            return None;
        }
        let constant = |value: u32| b.const_int(b.int(32), i64::from(value));
        let positive = b.cmpi(IntPredicate::Slt, word, constant(0));
        let flips = b.select(positive, constant(1 << 31), constant(u32::MAX));
        Some(b.bitcast(b.andi(b.xori(word, flips), constant(!mask)), b.f32()))
    }

    /// Where wavefronts have 32 lanes the compiler then had registers left over for more of them, and waited for memory more often: gfx1100
    /// counted 547 instructions for a row of 256 columns, and 541 without.
    fn counts_rows_in_words(&self) -> bool {
        self.target.info().warp == 64
    }

    /// Where offsets are signed, LLVM 22 still takes a number of 32 bits that it sees zero-extended for one, so that an offset
    /// of 2³¹ bytes or more would be negative. So it does not see where these numbers come from. One of 32 bits is below 2³¹,
    /// and LLVM extends it by its sign.
    fn far_element<'m>(&self, b: &Builder<'m>, number: Val<'m>) -> Val<'m> {
        if self.target.abilities().signed_offsets { self.opaque(b, number) } else { number }
    }

    fn opaque<'m>(&self, b: &Builder<'m>, x: Val<'m>) -> Val<'m> {
        // A vector register, which every lane has for itself.
        b.through_assembly(x, "=v,0")
    }

    /// LLVM 22 combines `(a << 16) | (b >> 16)` to a `v_perm_b32` of four bytes, and takes what a signed shift brings in for
    /// zeros (`or`, `shl`, `ashr` in LLVM IR; likewise by 8 and 24, and sign extensions, which become such shifts). Where a
    /// kernel has any of those, its `or` does not see where its operands come from.
    fn or<'m>(&self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>, signs: bool) -> Val<'m> {
        let ty = b.type_of(x);
        let bits = b.width(b.element(ty));
        if !signs || bits == 1 {
            return b.ori(x, y);
        }
        let narrow = bits < 32;
        let lane = |v: Val<'m>, lane: u32| {
            let v = b.extract(v, lane);
            self.opaque(b, if narrow { b.extui(v, b.int(32)) } else { v })
        };
        let lanes: Vec<Val<'m>> = (0..b.lanes(ty)).map(|l| b.ori(lane(x, l), lane(y, l))).collect();
        let wide = b.gather_lanes(&lanes);
        if narrow { b.trunci(wide, b.int(bits)) } else { wide }
    }

    /// LLVM's division refines the reciprocal that `v_rcp_f32` gives, and `v_div_scale_f32` is to keep subnormal numbers out of
    /// that. AMD's instruction sets define its condition for a reciprocal below 2⁻¹²⁶ in `f64`, where it never holds; without
    /// the scaling, a quotient next to a tie is rounded to the wrong side. So such divisors are scaled here, together with the
    /// dividend: by a power of two, exactly, but for dividends so small that the quotient is zero anyway.
    fn divide<'m>(&self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        let lanes = b.lanes(b.type_of(x));
        let huge = b.cmpf(FloatPredicate::Oge, b.absf(y), b.const_f32(2f32.powi(125), lanes));
        let scale = b.select(huge, b.const_f32(0.0625, lanes), b.const_f32(1.0, lanes));
        b.divf(b.mulf(x, scale), b.mulf(y, scale))
    }

    /// Four packed operations, none of which waits for another. More would take registers of
    /// waves that hide what is waited for.
    fn lanes_at_once(&self) -> Option<u32> {
        Some(8)
    }

    fn finish(&self, b: &Builder<'_>) {
        intrinsic_without_result(b, "llvm.amdgcn.sched.barrier", &[word(b, SCHEDULED_ANYWHERE)]);
    }

    /// The short quotient, two of which are one instruction where there are packed floats; LLVM's own division takes two and a half
    /// times as many, one quotient after the other. The divisor is 1 to 2.
    fn divide_logistic<'m>(&self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        Divisor::logistic(b, y, rough_reciprocal(b, y)).short_quotient(b, x)
    }

    /// LLVM 22 cannot select the widening of 5 to 7 lanes; the instruction takes one anyway.
    fn widen_f16<'m>(&self, b: &Builder<'m>, half: Val<'m>) -> Val<'m> {
        let lanes = b.lanes(b.type_of(half));
        if !(5..8).contains(&lanes) {
            return b.extf(half, b.f32());
        }
        let lane = |i| b.extf(b.extract(half, i), b.f32());
        b.gather_lanes(&(0..lanes).map(lane).collect::<Vec<_>>())
    }

    /// LLVM 22 fuses a product with this cast as `(half)(a*b + 0)`, which loses the sign of −0.0.
    fn narrow_to_f16<'m>(&self, b: &Builder<'m>, x: Val<'m>) -> Val<'m> {
        let like = b.type_of(x);
        let half = b.truncf(x, b.f16());
        let bits = b.bitcast(half, b.with_lanes(b.int(16), like));
        let wide = b.bitcast(x, b.with_lanes(b.int(32), like));
        let high = b.shrui(wide, b.const_int(b.type_of(wide), 16));
        let high = b.trunci(high, b.int(16));
        let sign = b.andi(high, b.const_int(b.type_of(high), 0x8000));
        b.ori(bits, sign)
    }
}

impl Warps for Amdgpu {
    fn lanes(&self) -> u32 {
        self.target.info().warp
    }

    /// The first implicit argument of code object version 5.
    fn blocks<'m>(&self, b: &Builder<'m>) -> Val<'m> {
        let space = melior::dialect::llvm::r#type::pointer(b.context(), CONSTANT_SPACE);
        let arguments = b.call_intrinsic("llvm.amdgcn.implicitarg.ptr", &[], space);
        b.extui(b.load(arguments, b.int(32), 4, true), b.int(64))
    }

    fn xor<'m>(&self, b: &Builder<'m>, value: Val<'m>, own: Val<'m>, mask: u32) -> Val<'m> {
        self.wavefront().xor(b, value, own, mask)
    }

    fn has_xor(&self, mask: u32) -> bool {
        self.wavefront().has_xor(mask)
    }

    fn from<'m>(&self, b: &Builder<'m>, value: Val<'m>, own: Val<'m>, lane: Val<'m>, span: u32) -> Val<'m> {
        let low = |x: Val<'m>| b.andi(x, word(b, span - 1));
        if span == Warps::lanes(self) {
            return wavefront::permute(b, value, low(lane));
        }
        let first = b.andi(own, word(b, !(span - 1)));
        wavefront::permute(b, value, b.ori(first, low(lane)))
    }

    /// A few instructions, and none waits for memory.
    fn has_max(&self) -> bool {
        true
    }

    fn max<'m>(&self, b: &Builder<'m>, value: Val<'m>, own: Val<'m>, span: u32) -> Option<Val<'m>> {
        Some(self.wavefront().max(b, value, own, span))
    }

    /// What is the same on neighbours has more ways to lanes farther off.
    fn nearest_first(&self) -> bool {
        true
    }

    fn across<'m>(&self, b: &Builder<'m>, value: Val<'m>, own: Val<'m>, mask: u32) -> Val<'m> {
        self.wavefront().across(b, value, own, mask)
    }

    fn scalars(&self) -> Option<&dyn Scalars> {
        self.target.abilities().warp_scalars.then_some(self as &dyn Scalars)
    }

    fn ballot<'m>(&self, b: &Builder<'m>, bit: Val<'m>) -> Val<'m> {
        let lanes = Warps::lanes(self);
        b.call_intrinsic(&format!("llvm.amdgcn.ballot.i{lanes}"), &[bit], b.int(lanes))
    }

    fn keeps_keys(&self) -> bool {
        self.target.abilities().keys_in_registers
    }

    /// A wavefront runs in lock step, so only the order of what it does has to be kept.
    fn settle_memory(&self, b: &Builder<'_>) {
        intrinsic_without_result(b, "llvm.amdgcn.wave.barrier", &[]);
    }
}

impl Scalars for Amdgpu {
    fn read_lane<'m>(&self, b: &Builder<'m>, value: Val<'m>, lane: Val<'m>) -> Val<'m> {
        wavefront::read_lane(b, value, lane)
    }

    fn write_lane<'m>(&self, b: &Builder<'m>, values: Val<'m>, value: Val<'m>, lane: u32) -> Val<'m> {
        b.call_intrinsic("llvm.amdgcn.writelane.i32", &[value, word(b, lane), values], b.int(32))
    }

    fn first_lane<'m>(&self, b: &Builder<'m>, bit: Val<'m>) -> Val<'m> {
        let bits = self.ballot(b, bit);
        let first = b.trailing_zeros_of_some(bits);
        if Warps::lanes(self) > 32 { b.trunci(first, b.int(32)) } else { first }
    }
}
