//! What code generation has to know of a machine, and all that it knows.
//!
//! [`Machine`] is implemented once for the host's processor ([`host`]), once for NVIDIA ([`nvptx`]) and once for AMD
//! ([`amdgpu`]). Whatever depends on the target is a method here: how MLIR and LLVM are set up for it, what its instructions
//! can do, and what has to be written differently because of it, each with its reason. The emitters ask for an ability and
//! never for a name, so a new machine is a file in this folder and a line in [`of`], and the workaround of a mended LLVM is
//! deleted in the one method that is it.
//!
//! How work is spread differs most, so it is a type of its own: [`Threads`] says whether a thread is alone with vector
//! registers ([`Vectors`]) or shares instructions with the lanes of a warp ([`Warps`]). [`team`] builds on [`Warps`]: how the
//! lanes that share one row talk, whatever their number.

pub(crate) mod amdgpu;
pub(crate) mod canonical;
pub(crate) mod cells;
mod fused;
pub(crate) mod host;
pub(crate) mod nvptx;
pub(crate) mod quotients;
pub(crate) mod roots;
pub(crate) mod shared_memory;
pub(crate) mod shelf;
pub(crate) mod team;
mod warps;
mod wavefront;

use crate::error::CodegenError;
use crate::mlir::builder::{Builder, FloatPredicate, Val};
use host::{Host, HostProcessor};
use melior::dialect::DialectRegistry;
use melior::ir::Type;
use quotients::Near;
use routefuse_ir::artifact::CodeFormat;
use routefuse_ir::target::{Target, TargetKind};
use std::ffi::CStr;
pub(crate) use warps::{Scalars, Warps};

/// The machine of a target. `arguments` is how many of eight bytes the kernel has. This is the one place of the crate that asks what kind a target is.
///
/// # Errors
/// This host's processor lacks instructions that host code needs.
pub(crate) fn of(target: Target, arguments: usize) -> Result<Box<dyn Machine>, CodegenError> {
    Ok(match target.kind() {
        TargetKind::Host => Box::new(Host::new(target, HostProcessor::of(target))?),
        TargetKind::Nvptx => Box::new(nvptx::Nvptx::new(target, arguments)),
        TargetKind::Amdgpu => Box::new(amdgpu::Amdgpu::new(target)),
    })
}

/// What LLVM's target machine is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Processor {
    /// LLVM's triple.
    pub triple: String,
    /// LLVM's name of the processor.
    pub name: String,
    /// LLVM's features, beside the processor's own.
    pub features: String,
    /// LLVM's name of another processor that instructions are ordered for.
    pub tuning: Option<&'static str>,
}

/// What becomes of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    /// The assembly text itself, which the driver assembles.
    Text(CodeFormat),
    /// An object that LLD links.
    Linked {
        /// What the linked object is.
        format: CodeFormat,
        /// Outside symbols that exist wherever it is loaded.
        allowed: &'static [&'static str],
    },
}

impl Product {
    /// The format of the finished code.
    pub fn format(self) -> CodeFormat {
        let (Product::Text(format) | Product::Linked { format, .. }) = self;
        format
    }
}

/// What becomes of a NaN among [keys of pairs](Machine::keys_of_bf16_pair).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NanInPair {
    /// It is −∞.
    NegInf,
    /// It is the largest of all.
    Largest,
}

/// How work is spread over threads.
#[derive(Clone, Copy)]
pub(crate) enum Threads<'t> {
    /// A thread is alone and has vector registers.
    Alone(&'t dyn Vectors),
    /// Threads are the lanes of warps, in blocks that share memory.
    InWarps(&'t dyn Warps),
}

/// A target, as code generation sees it.
///
/// Methods that have a body here are what most machines do; a machine that differs says why in its own file. Methods that
/// take a [`Builder`] emit at its insertion point. Float operands are `f32` and vectors keep their lanes, unless a method says
/// otherwise.
pub(crate) trait Machine {
    /// The target.
    fn target(&self) -> Target;

    /// How work is spread.
    fn threads(&self) -> Threads<'_>;

    // From a module to code.

    /// What LLVM is told of the processor.
    fn processor(&self) -> Processor;

    /// Registers the dialects that its code uses beyond those of every machine, and their translations to LLVM IR.
    fn register_dialects(&self, registry: &DialectRegistry);

    /// MLIR's passes from a module as built to the llvm dialect, as text. They lower only: the emitter shares what it has
    /// emitted, and the rest is LLVM's work.
    fn lowering(&self) -> String;

    /// LLVM's passes, as text. They do what `default<O3>` would do to a kernel in a third of the time: it is one function
    /// that the emitter has written without repetition.
    fn optimisation(&self) -> &'static str;

    /// What LLVM's code generator would do to a function before and after it selects instructions, and had better leave out, by the
    /// names of its passes.
    fn left_out(&self) -> &'static [&'static CStr] {
        &[]
    }

    /// LLVM makes vectors of straight-line scalar code, as of a row's sum.
    fn joins_scalars(&self) -> bool {
        false
    }

    /// Marks a module in LLVM IR with what its code generator looks for.
    fn mark<'l>(&self, _context: &'l inkwell::context::Context, _module: &inkwell::module::Module<'l>) {}

    /// The attribute of a kernel that says how many of its blocks need room on a multiprocessor; none if registers are given out
    /// without being asked.
    fn says_enough_blocks(&self) -> Option<&'static str> {
        None
    }

    /// Begins a kernel of these arguments.
    fn take_arguments<'m>(&self, _b: &Builder<'m>, _arguments: &[Val<'m>]) {}

    /// What was asked of memory before this is asked for before what comes behind.
    fn ask_first(&self, _b: &Builder<'_>) {}

    /// Waits for words of 32 bits that were asked of memory, each with whether it is the same on all lanes, where the compiler
    /// would ask for them behind a branch that follows.
    fn receive<'m>(&self, _b: &Builder<'m>, _words: &[(Val<'m>, bool)]) {}

    /// At the head of a loop of a known number of turns, which the assembler would write out: keeps it a loop.
    fn keep_loop(&self, _b: &Builder<'_>) {}

    /// What else compiles the code takes so long for each instruction that long straight code had better be a loop.
    fn rolls_long_code(&self) -> bool {
        false
    }

    /// What becomes of a module.
    fn product(&self) -> Product;

    // Memory.

    /// LLVM's scope of an atomic operation among all that run a kernel; none is the whole system.
    fn atomic_scope(&self) -> Option<&'static str>;

    /// A kernel begins before the one in front of it has ended, and waits for it first: until then its inputs may change.
    fn waits_for_inputs(&self) -> bool {
        false
    }

    /// Bytes that one load has of neighbours among elements that are no neighbours; 0 where LLVM finds such loads.
    fn widest_load(&self) -> u64 {
        0
    }

    /// Whether [`Self::load_once`] is another load, and something gains by it.
    fn has_load_once(&self) -> bool {
        false
    }

    /// Loads 8 or 16 bytes of memory, aligned to as many, that nobody will ask for again.
    fn load_once<'m>(&self, b: &Builder<'m>, address: Val<'m>, ty: Type<'m>, bytes: u64) -> Val<'m> {
        b.load(address, ty, bytes as u32, false)
    }

    /// The index that is read where `index`, unsigned, may be past the end: `index` itself if it is `inside`, the answer to
    /// `index < extent`, else any other below `extent`. `known` is the extent where it is a constant, `zero` that of the
    /// index's type.
    fn safe_index<'m>(&self, b: &Builder<'m>, index: Checkable<'m>) -> Val<'m> {
        // Not a selection by `inside`, whose answer would take one of a GPU's seven predicates until all lanes are loaded:
        // with many lanes the assembler then loads them one after the other.
        let Checkable { index, extent, known, .. } = index;
        let ty = b.type_of(index);
        match known {
            Some(n) if n.is_power_of_two() => b.andi(index, b.const_int(ty, n as i64 - 1)),
            _ => b.minui(index, b.subi(extent, b.const_int(ty, 1))),
        }
    }

    /// Whether the numbers of rows are words where indices are.
    fn counts_rows_in_words(&self) -> bool {
        true
    }

    /// The number of an element, of 32 or 64 bits, as the address is computed from it of what may be 2³¹ bytes from its base
    /// or more.
    fn far_element<'m>(&self, _b: &Builder<'m>, number: Val<'m>) -> Val<'m> {
        number
    }

    // Selection.

    /// A selection by one answer for all lanes keeps that one answer.
    fn keeps_one_answer(&self) -> bool {
        false
    }

    /// `x` where `condition` (one answer for all lanes, or one a lane), else `y`, of any type.
    fn select<'m>(&self, b: &Builder<'m>, condition: Val<'m>, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        b.select(condition, x, y)
    }

    // Registers.

    /// Lanes of 32 bits, a power of two, of which a function that takes many instructions is computed at once at most; more of them
    /// are computed one piece after the other, with [`Self::finish`] between them. Every piece is a power of two. None: all at once.
    fn lanes_at_once(&self) -> Option<u32> {
        None
    }

    /// What is computed before this is computed before what is behind, so that the registers of the one are free for the other.
    fn finish(&self, _b: &Builder<'_>) {}

    // Out of the optimiser's sight.

    /// A scalar of 32 or 64 bits itself, in a register, out of the optimiser's sight.
    fn opaque<'m>(&self, b: &Builder<'m>, x: Val<'m>) -> Val<'m> {
        b.through_assembly(x, "=r,0")
    }

    /// Whether [`Self::opaque_vector`] takes so many lanes of 32 bits.
    fn hides_vectors(&self, _lanes: u32) -> bool {
        false
    }

    /// A vector of 32-bit elements itself, in a vector register, out of the optimiser's sight.
    fn opaque_vector<'m>(&self, _b: &Builder<'m>, x: Val<'m>) -> Val<'m> {
        x
    }

    // Integers.

    /// `x | y`. `signs` says that the kernel somewhere shifts or extends by a sign.
    fn or<'m>(&self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>, _signs: bool) -> Val<'m> {
        b.ori(x, y)
    }

    /// The float above the bits of `mask` of a word in which floats are in their order, unsigned: what is in these bits is not asked, and
    /// is 0 there. None where the machine has no shorter way to it.
    fn float_of_word<'m>(&self, _b: &Builder<'m>, _word: Val<'m>, _mask: u32) -> Option<Val<'m>> {
        None
    }

    /// Whether [`Self::keys_of_bf16_pair`] makes keys.
    fn has_bf16_pairs(&self) -> bool {
        false
    }

    /// What [`Self::keys_of_bf16_pair`] puts halves together by, if that is shorter for codes that are known. It is asked once for
    /// many pairs.
    fn pair_selectors<'m>(&self, _b: &Builder<'m>) -> Option<[Val<'m>; 2]> {
        None
    }

    /// The keys of two `bf16` in a word: their upper halves are in the order of the numbers, unsigned, where one zero is both and
    /// none is 0, and their lower halves those of `codes`, a code of 16 bits for each. None where there are no instructions for it.
    fn keys_of_bf16_pair<'m>(
        &self,
        _b: &Builder<'m>,
        _pair: Val<'m>,
        _codes: (Val<'m>, Option<[Val<'m>; 2]>),
        _nan: NanInPair,
    ) -> Vec<Val<'m>> {
        vec![]
    }

    /// 1 and −1, words that the assembler does not know, by which sums are products; where these have a pipe of their own, beside that
    /// of sums and comparisons.
    fn factors_beside<'m>(&self, _b: &Builder<'m>) -> Option<[Val<'m>; 2]> {
        None
    }

    /// `x * y + z` of words, modulo 2³².
    fn multiply_add_words<'m>(&self, b: &Builder<'m>, [x, y, z]: [Val<'m>; 3]) -> Val<'m> {
        b.addi(b.muli(x, y), z)
    }

    // Floats.

    /// `x / y`, rounded to nearest.
    fn divide<'m>(&self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        b.divf(x, y)
    }

    /// As [`Self::divide`], under the conditions of
    /// [`ScalarMachine::fdiv_logistic`](routefuse_ir::math::ScalarMachine::fdiv_logistic).
    fn divide_logistic<'m>(&self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        self.divide(b, x, y)
    }

    /// As [`Self::divide_logistic`], under the conditions of
    /// [`ScalarMachine::fdiv_logistic_of_16_bits`](routefuse_ir::math::ScalarMachine::fdiv_logistic_of_16_bits).
    fn divide_logistic_of_16_bits<'m>(&self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        self.divide_logistic(b, x, y)
    }

    /// As [`Self::divide`], of a vector by one scalar. Of what is [known](Near) a machine may make use.
    fn divide_by_one<'m>(&self, b: &Builder<'m>, [x, y]: [Val<'m>; 2], _known: Near<'m>) -> Val<'m> {
        self.divide(b, x, b.splat(y, b.lanes(b.type_of(x))))
    }

    /// Whether [`Self::divide_by_one`] gives no NaN but the canonical one, where it is [told to](Near::settles).
    fn settles_quotients(&self) -> bool {
        false
    }

    /// √x, rounded to nearest.
    fn square_root<'m>(&self, b: &Builder<'m>, x: Val<'m>) -> Val<'m> {
        b.sqrt(x)
    }

    /// A directive to the assembler that keeps the loop in which it stands from being unrolled, where it would be.
    fn keeps_loop(&self) -> Option<&'static str> {
        None
    }

    /// [`Self::lesser`] passes a NaN on, in one instruction.
    fn nan_flows(&self) -> bool {
        false
    }

    /// The greater and the lesser of two floats, a NaN where one is, are one instruction each; and the difference of two equal
    /// infinities is a NaN without a sign.
    fn sorts_floats(&self) -> bool {
        false
    }

    /// The greater and the lesser of two floats, the number where one is a NaN, and −0.0 below 0.0, are one instruction each.
    fn has_number_extremes(&self) -> bool {
        false
    }

    /// `x` where `x < y`, else `y`, a number; where [`Self::nan_flows`], a NaN for a NaN.
    fn lesser<'m>(&self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        let inside = b.cmpf(FloatPredicate::Olt, x, y);
        b.select(inside, x, y)
    }

    /// `x*y + z` with one rounding; of a NaN any.
    fn multiply_add<'m>(&self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>, z: Val<'m>) -> Val<'m> {
        b.fma(x, y, z)
    }

    /// [`Self::multiply_add_in_unit`] is one instruction.
    fn clamps_to_unit(&self) -> bool {
        false
    }

    /// [`Self::multiply_add`], or the nearer of 0 and 1 where it is beyond; 0 for a NaN.
    fn multiply_add_in_unit<'m>(&self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>, z: Val<'m>) -> Val<'m> {
        let lanes = b.lanes(b.type_of(x));
        let (zero, one) = (b.const_f32(0.0, lanes), b.const_f32(1.0, lanes));
        let sum = self.multiply_add(b, x, y, z);
        let above = b.select(b.cmpf(FloatPredicate::Ogt, sum, zero), sum, zero);
        b.select(b.cmpf(FloatPredicate::Olt, above, one), above, one)
    }

    /// There are instructions for [`Self::widen_f16`] and [`Self::narrow_to_f16`].
    fn converts_f16(&self) -> bool {
        true
    }

    /// `f16` as `f32`; of a NaN any.
    fn widen_f16<'m>(&self, b: &Builder<'m>, half: Val<'m>) -> Val<'m> {
        b.extf(half, b.f32())
    }

    /// The bits, `i16`, of the `f16` nearest to `x`; of a NaN any.
    fn narrow_to_f16<'m>(&self, b: &Builder<'m>, x: Val<'m>) -> Val<'m> {
        let half = b.truncf(x, b.f16());
        b.bitcast(half, b.with_lanes(b.int(16), b.type_of(x)))
    }

    /// A NaN is made canonical before a rounding to `bf16`, which then treats it like a number.
    fn settles_before_rounding(&self) -> bool {
        false
    }

    /// `!(x >> n)` of integers is shorter than `!x >> n`.
    fn flips_after_shift(&self) -> bool {
        false
    }

    /// What is added to the rank keys of floats while they are compared, so that the key of the NaN that the machine's own
    /// arithmetic gives becomes [`NAN_KEY`](routefuse_ir::math::order::NAN_KEY) by wrapping. 0 where arithmetic may give any NaN.
    fn nan_key_wraps_by(&self) -> u32 {
        0
    }

    /// `x + 0.0`, of which a NaN is the one that [`Self::nan_key_wraps_by`] is about. None where that is 0.
    fn own_positive_zero<'m>(&self, _b: &Builder<'m>, _x: Val<'m>) -> Option<Val<'m>> {
        None
    }
}

/// An index before its check: see [`Machine::safe_index`].
#[derive(Clone, Copy)]
pub(crate) struct Checkable<'m> {
    /// The index, taken as unsigned, one a lane.
    pub index: Val<'m>,
    /// Whether it is below the extent.
    pub inside: Val<'m>,
    /// The extent, of the index's type.
    pub extent: Val<'m>,
    /// The extent, if it is a constant.
    pub known: Option<u64>,
    /// 0 of the index's type.
    pub zero: Val<'m>,
}

/// Vector registers of a thread that is alone.
pub(crate) trait Vectors {
    /// Lanes of 32 bits that one operation on a row's values has: a vector register's, or those of two where registers are
    /// short.
    fn lanes(&self) -> u64;

    /// Lanes of a piece of a row: several vectors, which share the constants of what is computed.
    fn piece(&self) -> u64;
}
