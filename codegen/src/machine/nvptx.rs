//! NVIDIA's GPUs, through PTX.

use super::quotients::{Divisor, Near, quotients};
use super::roots::roots;
use super::{Machine, NanInPair, Processor, Product, Threads, Warps};
use crate::ffi;
use crate::mlir::builder::{Builder, Val};
use melior::dialect::DialectRegistry;
use melior::ir::attribute::{DenseI64ArrayAttribute, StringAttribute};
use melior::ir::{Attribute, Type};
use mlir_sys as sys;
use routefuse_ir::artifact::CodeFormat;
use routefuse_ir::target::Target;
use std::ffi::CStr;

/// All 32 lanes of a warp.
const ALL_LANES: i64 = 0xffff_ffff;

/// The address space of global memory.
const GLOBAL_SPACE: u32 = 1;

/// The address space of a block's shared memory.
const SHARED_SPACE: u32 = 3;

/// Bytes of a kernel's arguments before PTX 8.1, which has 32,764 for sm_70 and later.
const FEW_ARGUMENTS: usize = 4352;

/// The first PTX that takes more.
const MANY_ARGUMENTS: (u32, &str) = (81, "+ptx81");

/// Votes of a word on a condition each: fewer than the seven registers of conditions that a thread has.
const MOST_CONDITIONS: u32 = 6;

/// The selectors of permutations that put the lower and the upper half of a word above the halves of another.
const PAIR_SELECTORS: [u32; 2] = [0x1054, 0x3276];

/// An NVIDIA GPU.
pub(crate) struct Nvptx {
    target: Target,
    /// Arguments of the kernel, of eight bytes each.
    arguments: usize,
}

impl Nvptx {
    pub fn new(target: Target, arguments: usize) -> Nvptx {
        Nvptx { target, arguments }
    }

    /// The least PTX that knows the processor and has room for the arguments: older drivers read no newer one.
    fn features(&self) -> &'static str {
        let features = self.target.info().features;
        let version = features.strip_prefix("+ptx").and_then(|v| v.parse::<u32>().ok());
        let is_old = version.is_some_and(|v| v < MANY_ARGUMENTS.0);
        if is_old && 8 * self.arguments > FEW_ARGUMENTS { MANY_ARGUMENTS.1 } else { features }
    }

    fn dependent_launch(&self, b: &Builder<'_>, action: &str) {
        if self.target.abilities().dependent_launch {
            let kind = b.attribute(&format!("#nvvm<grid_dep_action {action}>"));
            b.append("nvvm.griddepcontrol", &[], &[("kind", kind)], &[], vec![]);
        }
    }
}

fn word<'m>(b: &Builder<'m>, value: u32) -> Val<'m> {
    b.const_int(b.int(32), i64::from(value))
}

/// 1 / y within one unit in the last place, and 0 for what is subnormal.
fn rough_reciprocal<'m>(b: &Builder<'m>, y: Val<'m>) -> Val<'m> {
    let rough = |lane| b.call_intrinsic("llvm.nvvm.rcp.approx.ftz.f", &[b.extract(y, lane)], b.f32());
    b.gather_lanes(&(0..b.lanes(b.type_of(y))).map(rough).collect::<Vec<_>>())
}

/// A word that a piece of assembly without side effects makes of words.
fn assembly<'m>(b: &Builder<'m>, asm: &str, constraints: &str, operands: &[Val<'m>]) -> Val<'m> {
    let context = b.context();
    let attributes = [
        ("asm_string", StringAttribute::new(context, asm).into()),
        ("constraints", StringAttribute::new(context, constraints).into()),
    ];
    b.op("llvm.inline_asm", operands, &attributes, b.int(32))
}

fn all_lanes<'m>(b: &Builder<'m>) -> Val<'m> {
    b.const_int(b.int(32), ALL_LANES)
}

impl Machine for Nvptx {
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
            features: self.features().to_owned(),
            tuning: None,
        }
    }

    fn register_dialects(&self, registry: &DialectRegistry) {
        // SAFETY: dialect handles are static, and the registry is live.
        unsafe {
            for handle in [sys::mlirGetDialectHandle__gpu__(), sys::mlirGetDialectHandle__nvvm__()] {
                sys::mlirDialectHandleInsertDialect(handle, registry.to_raw());
            }
            ffi::routefuse_register_nvvm(registry.to_raw());
        }
    }

    fn lowering(&self) -> String {
        "builtin.module(gpu.module(convert-scf-to-cf,\
         convert-gpu-to-nvvm{index-bitwidth=64},reconcile-unrealized-casts))"
            .to_owned()
    }

    /// Only peepholes are left. What they make twice, as loads of the same element, the code generator's own `early-cse` finds.
    fn optimisation(&self) -> &'static str {
        "function(early-cse,instcombine<no-verify-fixpoint>,simplifycfg)"
    }

    /// What finds nothing, or nothing that the assembler does not find: address arithmetic that could be shared and values computed
    /// twice, which the emitter does not write; neighbouring loads, which it writes as one, and a search for which takes up to a
    /// seventh of LLVM's time where many loads are of a table; and constants of loops, which the assembler puts where it likes.
    fn left_out(&self) -> &'static [&'static CStr] {
        &[c"slsr", c"nary-reassociate", c"gvn", c"load-store-vectorizer", c"early-machinelicm"]
    }

    /// Else the assembler gives a kernel so few registers that as many of its threads as can be have room, and instructions that
    /// could overlap take turns. On an H100 the row of a router of 256 columns took 1.86 µs in 32 registers and 1.67 in 52.
    fn says_enough_blocks(&self) -> Option<&'static str> {
        Some("nvvm.minctasm")
    }

    /// A directive that stands before all instructions of the loop.
    fn keep_loop(&self, b: &Builder<'_>) {
        let context = b.context();
        let attributes = [
            ("asm_string", StringAttribute::new(context, ".pragma \"nounroll\";").into()),
            ("constraints", StringAttribute::new(context, "").into()),
            ("has_side_effects", Attribute::unit(context)),
        ];
        b.append("llvm.inline_asm", &[], &attributes, &[], vec![]);
    }

    /// The assembler takes six milliseconds for a hundred instructions.
    fn rolls_long_code(&self) -> bool {
        true
    }

    fn product(&self) -> Product {
        Product::Text(CodeFormat::Ptx)
    }

    fn atomic_scope(&self) -> Option<&'static str> {
        Some("device")
    }

    fn waits_for_inputs(&self) -> bool {
        self.target.abilities().dependent_launch
    }

    fn widest_load(&self) -> u64 {
        16
    }

    fn has_load_once(&self) -> bool {
        self.target.abilities().dependent_launch
    }

    /// They are the first to leave the caches, so that they make room before anything else does: the kernel behind reads what
    /// this one stores. LLVM has no instruction for it.
    ///
    /// On an H100 the head gate and a copy of what it made took 22.6 µs instead of 24.0 for 42 MB in all (12.3 to 11.6 alone),
    /// a hundredth more where the buffers are many times the cache.
    fn load_once<'m>(&self, b: &Builder<'m>, address: Val<'m>, ty: Type<'m>, bytes: u64) -> Val<'m> {
        let (words, asm, constraints) = match bytes {
            8 => (2, "ld.global.cs.v2.b32 {$0, $1}, [$2];", "=r,=r,l"),
            _ => (4, "ld.global.cs.v4.b32 {$0, $1, $2, $3}, [$4];", "=r,=r,=r,=r,l"),
        };
        let context = b.context();
        let attributes = [
            ("asm_string", StringAttribute::new(context, asm).into()),
            ("constraints", StringAttribute::new(context, constraints).into()),
            // Else it could move in front of the wait for the kernel before.
            ("has_side_effects", Attribute::unit(context)),
        ];
        let word = b.int(32);
        let space = melior::dialect::llvm::r#type::pointer(context, GLOBAL_SPACE);
        let global = b.op("llvm.addrspacecast", &[address], &[], space);
        let all = melior::dialect::llvm::r#type::r#struct(context, &vec![word; words], false);
        let loaded = b.op("llvm.inline_asm", &[global], &attributes, all);
        let part = |i: u32| {
            let position = DenseI64ArrayAttribute::new(context, &[i64::from(i)]).into();
            b.op("llvm.extractvalue", &[loaded], &[("position", position)], word)
        };
        b.bitcast(b.gather_lanes(&(0..words as u32).map(part).collect::<Vec<_>>()), ty)
    }

    /// The sequence that `div.rn` is, without its check for exponents far apart: then the divisor is 1, and every step is
    /// exact.
    fn divide_logistic<'m>(&self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        Divisor::new(b, y, rough_reciprocal(b, y)).short_quotient(b, x)
    }

    fn divide_logistic_of_16_bits<'m>(&self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        Divisor::rough(b, y, rough_reciprocal(b, y)).short_quotient(b, x)
    }

    /// `div.rn` branches for each quotient, so that none overlaps another.
    fn divide_by_one<'m>(&self, b: &Builder<'m>, [x, y]: [Val<'m>; 2], known: Near<'m>) -> Val<'m> {
        quotients(b, [x, y, rough_reciprocal(b, y)], known, self.keeps_loop())
    }

    fn settles_quotients(&self) -> bool {
        true
    }

    /// `sqrt.rn` branches for each number. Of numbers that are not so small that what is left would be subnormal, it is this sequence.
    fn square_root<'m>(&self, b: &Builder<'m>, x: Val<'m>) -> Val<'m> {
        roots(b, x, |x| b.call_intrinsic("llvm.nvvm.rsqrt.approx.ftz.f", &[x], b.f32()))
    }

    fn keeps_loop(&self) -> Option<&'static str> {
        Some(".pragma \"nounroll\";")
    }

    fn nan_flows(&self) -> bool {
        self.target.abilities().nan_min
    }

    /// In assembly: of a sign that is spread over a word LLVM makes a comparison and a selection.
    fn float_of_word<'m>(&self, b: &Builder<'m>, word: Val<'m>, mask: u32) -> Option<Val<'m>> {
        // Bits below the sign's are turned over where it is not set, and the sign's always.
        let asm = format!(
            "{{ .reg .b32 t; shr.s32 t, $1, 31; lop3.b32 t, t, $1, 0x80000000, 0x63; and.b32 $0, t, {:#010x}; }}",
            !mask
        );
        Some(b.bitcast(assembly(b, &asm, "=r,r", &[word]), b.f32()))
    }

    /// The NaN of its arithmetic is 0x7fff_ffff.
    fn sorts_floats(&self) -> bool {
        self.nan_flows()
    }

    fn has_bf16_pairs(&self) -> bool {
        self.target.abilities().bf16_pairs
    }

    /// The assembler gives a permutation one constant: that of its selector, if it knows it, and then the codes of each pair need a
    /// register and an instruction. So it must not know that a thread's number is less than 2¹⁶.
    fn pair_selectors<'m>(&self, b: &Builder<'m>) -> Option<[Val<'m>; 2]> {
        let selector = |known: u32| {
            let asm = format!("{{ .reg .b32 t; mov.u32 t, %tid.x; shr.u32 t, t, 16; add.u32 $0, t, {known:#06x}; }}");
            assembly(b, &asm, "=r", &[])
        };
        Some(PAIR_SELECTORS.map(selector))
    }

    /// A product with 1 and a sum with 0 turn −0 into 0, and any NaN into the largest word. A permutation of bytes that repeats signs
    /// says of both which bits have to be turned over, and two more put each half above its code.
    fn keys_of_bf16_pair<'m>(
        &self,
        b: &Builder<'m>,
        pair: Val<'m>,
        (codes, selectors): (Val<'m>, Option<[Val<'m>; 2]>),
        nan: NanInPair,
    ) -> Vec<Val<'m>> {
        let settled = match nan {
            NanInPair::Largest => "mov.b32 x, $2;",
            NanInPair::NegInf => "mov.b32 t, 0xff80ff80; max.bf16x2 x, $2, t;",
        };
        let [low, high] = selectors.unwrap_or_else(|| PAIR_SELECTORS.map(|selector| word(b, selector)));
        let asm = format!(
            "{{ .reg .b32 x, t, one, zero; {settled} mov.b32 one, 0x3f803f80; mov.b32 zero, 0; fma.rn.bf16x2 x, x, one, zero; \
             prmt.b32 t, x, x, 0xbb99; lop3.b32 x, x, t, 0x80008000, 0x1e; \
             prmt.b32 $0, x, $3, $4; prmt.b32 $1, x, $3, $5; }}"
        );
        let context = b.context();
        let attributes = [
            ("asm_string", StringAttribute::new(context, &asm).into()),
            ("constraints", StringAttribute::new(context, "=&r,=r,r,rn,rn,rn").into()),
        ];
        let word = b.int(32);
        let both = melior::dialect::llvm::r#type::r#struct(context, &[word; 2], false);
        let keys = b.op("llvm.inline_asm", &[pair, codes, low, high], &attributes, both);
        let key = |i: i64| {
            let position = DenseI64ArrayAttribute::new(context, &[i]).into();
            b.op("llvm.extractvalue", &[keys], &[("position", position)], word)
        };
        vec![key(0), key(1)]
    }

    /// The height of a block, as the launch says it: blocks are rows of threads. Of a factor that it knew to be 1 or −1 the
    /// assembler would make an addition, which takes the pipe of comparisons.
    fn factors_beside<'m>(&self, b: &Builder<'m>) -> Option<[Val<'m>; 2]> {
        let factor = |asm| assembly(b, asm, "=r", &[]);
        let has_factors = self.target.abilities().products_beside;
        has_factors.then(|| {
            let minus = "{ .reg .b32 one; mov.u32 one, %ntid.y; neg.s32 $0, one; }";
            [factor("mov.u32 $0, %ntid.y;"), factor(minus)]
        })
    }

    /// In assembly: LLVM would subtract a product with 1 where one with −1 is added.
    fn multiply_add_words<'m>(&self, b: &Builder<'m>, operands: [Val<'m>; 3]) -> Val<'m> {
        assembly(b, "mad.lo.s32 $0, $1, $2, $3;", "=r,r,r,r", &operands)
    }

    fn clamps_to_unit(&self) -> bool {
        true
    }

    fn multiply_add_in_unit<'m>(&self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>, z: Val<'m>) -> Val<'m> {
        let sum = |lane| b.call_intrinsic("llvm.nvvm.fma.rn.sat.f", &[x, y, z].map(|v| b.extract(v, lane)), b.f32());
        b.gather_lanes(&(0..b.lanes(b.type_of(x))).map(sum).collect::<Vec<_>>())
    }

    fn has_number_extremes(&self) -> bool {
        true
    }

    fn lesser<'m>(&self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        if self.nan_flows() { b.lesser_or_nan(x, y) } else { b.lesser_number(x, y) }
    }

    /// Arithmetic gives the NaN 0x7fff_ffff, whose word in the order of floats is 0xffff_ffff: two more is
    /// [`NAN_KEY`](routefuse_ir::math::order::NAN_KEY), and no number's is so large that it would wrap.
    fn nan_key_wraps_by(&self) -> u32 {
        2
    }

    /// In assembly: of what cannot be −0.0 LLVM leaves the addition out, and a NaN as it is.
    fn own_positive_zero<'m>(&self, b: &Builder<'m>, x: Val<'m>) -> Option<Val<'m>> {
        let context = b.context();
        let attributes = [
            ("asm_string", StringAttribute::new(context, "add.rn.f32 $0, $1, 0f00000000;").into()),
            ("constraints", StringAttribute::new(context, "=f,f").into()),
        ];
        let lanes = b.lanes(b.type_of(x));
        let sum = |lane| b.op("llvm.inline_asm", &[b.extract(x, lane)], &attributes, b.f32());
        Some(b.gather_lanes(&(0..lanes).map(sum).collect::<Vec<_>>()))
    }
}

impl Warps for Nvptx {
    fn lanes(&self) -> u32 {
        self.target.info().warp
    }

    /// From sm_90 on. Does nothing in a launch without programmatic dependencies.
    fn let_next_begin(&self, b: &Builder<'_>) {
        self.dependent_launch(b, "launch_dependents");
    }

    /// From sm_90 on. Does nothing in a launch without programmatic dependencies.
    fn wait_for_inputs(&self, b: &Builder<'_>) {
        self.dependent_launch(b, "wait");
    }

    fn blocks<'m>(&self, b: &Builder<'m>) -> Val<'m> {
        let dimension = b.attribute("#gpu<dim x>");
        let index = b.op("gpu.grid_dim", &[], &[("dimension", dimension)], Type::index(b.context()));
        b.op("arith.index_castui", &[index], &[], b.int(64))
    }

    fn xor<'m>(&self, b: &Builder<'m>, value: Val<'m>, _own: Val<'m>, mask: u32) -> Val<'m> {
        let operands = [all_lanes(b), value, word(b, mask), word(b, 31)];
        b.call_intrinsic("llvm.nvvm.shfl.sync.bfly.i32", &operands, b.int(32))
    }

    fn from<'m>(&self, b: &Builder<'m>, value: Val<'m>, _own: Val<'m>, lane: Val<'m>, span: u32) -> Val<'m> {
        let operands = [all_lanes(b), value, lane, word(b, (32 - span) << 8 | 31)];
        b.call_intrinsic("llvm.nvvm.shfl.sync.idx.i32", &operands, b.int(32))
    }

    fn reaches_all_lanes_alike(&self) -> bool {
        true
    }

    /// Else a router of 512 columns, whose blocks go on with further rows, had 4,648 instructions, and not 2,624.
    fn votes_to_go_on(&self) -> bool {
        true
    }

    fn ballot<'m>(&self, b: &Builder<'m>, bit: Val<'m>) -> Val<'m> {
        let all = all_lanes(b);
        b.call_intrinsic("llvm.nvvm.vote.ballot.sync", &[all, bit], b.int(32))
    }

    /// By an instruction that gives a condition.
    fn any<'m>(&self, b: &Builder<'m>, bit: Val<'m>) -> Val<'m> {
        let all = all_lanes(b);
        b.call_intrinsic("llvm.nvvm.vote.any.sync", &[all, bit], b.int(1))
    }

    /// By four instructions, where the compiler makes numbers of the bits and takes seven. All votes of a word may be taken at once, and
    /// the assembler fails if what is voted on has more than the seven registers of conditions. So bits behind the first ones are
    /// numbers as well.
    fn alike<'m>(&self, b: &Builder<'m>, lanes: Val<'m>, value: Val<'m>, bit: u32) -> Val<'m> {
        let context = b.context();
        let (asm, number) = match bit {
            0..MOST_CONDITIONS => (
                "{ .reg .pred p; .reg .b32 t; and.b32 t, $2, $3; setp.ne.u32 p, t, 0; vote.sync.ballot.b32 t, p, 0xffffffff; \
                 @!p not.b32 t, t; and.b32 $0, $1, t; }",
                1 << bit,
            ),
            // Lanes, and not those whose vote is another than the own bit.
            _ => (
                "{ .reg .pred p; .reg .b32 t, m; bfe.s32 m, $2, $3, 1; setp.ne.u32 p, m, 0; \
                 vote.sync.ballot.b32 t, p, 0xffffffff; lop3.b32 $0, $1, t, m, 0x90; }",
                bit,
            ),
        };
        let attributes = [
            ("asm_string", StringAttribute::new(context, asm).into()),
            ("constraints", StringAttribute::new(context, "=r,r,r,n").into()),
            ("has_side_effects", Attribute::unit(context)),
        ];
        b.op("llvm.inline_asm", &[lanes, value, word(b, number)], &attributes, b.int(32))
    }

    fn has_max(&self) -> bool {
        self.target.abilities().warp_max
    }

    /// By one instruction.
    fn max<'m>(&self, b: &Builder<'m>, value: Val<'m>, _own: Val<'m>, span: u32) -> Option<Val<'m>> {
        if !self.has_max() || span < Warps::lanes(self) {
            return None;
        }
        let all = all_lanes(b);
        Some(b.call_intrinsic("llvm.nvvm.redux.sync.umax", &[value, all], b.int(32)))
    }

    /// By one instruction, where there is one.
    fn sum<'m>(&self, b: &Builder<'m>, value: Val<'m>, own: Val<'m>) -> Val<'m> {
        if !self.has_max() {
            let masks = [1, 2, 4, 8, 16];
            return masks.iter().fold(value, |sum, mask| b.addi(sum, self.xor(b, sum, own, *mask)));
        }
        let all = all_lanes(b);
        b.call_intrinsic("llvm.nvvm.redux.sync.add", &[value, all], b.int(32))
    }

    fn settle_memory(&self, b: &Builder<'_>) {
        let all = all_lanes(b);
        b.append("nvvm.bar.warp.sync", &[all], &[], &[], vec![]);
    }

    /// By one predicated instruction. Of an addition of a selected number the assembler makes two.
    fn add_where<'m>(&self, b: &Builder<'m>, condition: Val<'m>, value: Val<'m>, constant: u32) -> Val<'m> {
        assembly(b, "@$1 add.s32 $0, $0, $2;", "=r,b,n,0", &[condition, word(b, constant), value])
    }

    /// By one predicated instruction. Of a store in a branch the assembler makes the same, but drags what hangs on the
    /// condition along.
    fn store_where<'m>(&self, b: &Builder<'m>, condition: Val<'m>, word: Val<'m>, address: Val<'m>) {
        let context = b.context();
        let attributes = [
            ("asm_string", StringAttribute::new(context, "@$0 st.shared.b32 [$1], $2;").into()),
            ("constraints", StringAttribute::new(context, "b,l,r,~{memory}").into()),
            ("has_side_effects", Attribute::unit(context)),
        ];
        let space = melior::dialect::llvm::r#type::pointer(context, SHARED_SPACE);
        let shared = b.op("llvm.addrspacecast", &[address], &[], space);
        let address = b.op("llvm.ptrtoint", &[shared], &[], b.int(64));
        b.append("llvm.inline_asm", &[condition, address, word], &attributes, &[], vec![]);
    }
}

#[cfg(test)]
mod tests {
    use routefuse_ir::math::native::Native;
    use routefuse_ir::math::order;

    /// The assembly of `float_of_word`.
    fn float_of_word(word: u32, mask: u32) -> f32 {
        let (sign, one) = ((word as i32 >> 31) as u32, 0x8000_0000);
        // The table 0x63 of three words that are 0xf0, 0xcc and 0xaa there.
        let turned = (!sign & !word) | (sign & word & !one) | (sign & !word & one);
        f32::from_bits(turned & !mask)
    }

    #[test]
    fn the_table_of_three_words_is_that_of_its_terms() {
        let [sign, word, one] = [0xf0u8, 0xcc, 0xaa];
        assert_eq!((!sign & !word) | (sign & word & !one) | (sign & !word & one), 0x63);
    }

    /// Of every `bf16` and of `f16`s, whatever is in the place of the column.
    #[test]
    fn floats_are_read_off_their_words() {
        for (mask, step) in [(0xffffu32, 0x1_0000usize), (0x1fff, 0x2000)] {
            for bits in (0..=u32::MAX).step_by(step).filter(|bits| !f32::from_bits(*bits).is_nan()) {
                let word = order::word(&mut Native, f32::from_bits(bits)) as u32;
                for low in [0, mask, 0x1234 & mask] {
                    let got = float_of_word(word & !mask | low, mask);
                    assert_eq!(got.to_bits(), bits, "{word:#x} and {low:#x}");
                }
            }
        }
    }
}
