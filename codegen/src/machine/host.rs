//! The host's processor: a thread is alone and has vector registers.

use super::{Checkable, Machine, Processor, Product, Threads, Vectors, fused};
use crate::error::{CodegenError, Problem};
use crate::llvm;
use crate::mlir::builder::{Builder, Val};
use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::context::Context;
use inkwell::module::Module;
use inkwell::targets::TargetMachine;
use melior::dialect::DialectRegistry;
use routefuse_ir::artifact::CodeFormat;
use routefuse_ir::target::Target;

/// What the C library gives to host code; LLVM may form calls to these out of plain loops.
pub(crate) const HOST_SYMBOLS: [&str; 4] = ["memcpy", "memmove", "memset", "bcmp"];

/// The processor that code for a host is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostProcessor {
    /// LLVM's name of it, such as `znver4`.
    pub name: String,
    /// LLVM's feature string, `+avx2,-avx512f,…`.
    pub features: String,
    /// LLVM's triple of its machine.
    pub triple: String,
}

impl HostProcessor {
    /// The processor of this process.
    pub fn detect() -> HostProcessor {
        llvm::initialise();
        HostProcessor {
            name: TargetMachine::get_host_cpu_name().to_string_lossy().into_owned(),
            features: TargetMachine::get_host_cpu_features().to_string_lossy().into_owned(),
            triple: TargetMachine::get_default_triple().as_str().to_string_lossy().into_owned(),
        }
    }

    /// The processor that code for a target of the host's kind is made for: this process's own for `host`, and for a named one
    /// what its row says.
    pub fn of(target: Target) -> HostProcessor {
        if !target.is_named_host() {
            return HostProcessor::detect();
        }
        let info = target.info();
        // What code may use is what the row says and a loader asks for, so the name that LLVM has is that of the base.
        let name = if info.triple.starts_with("x86_64") { "x86-64" } else { "generic" };
        HostProcessor { name: name.to_owned(), features: info.features.to_owned(), triple: info.triple.to_owned() }
    }

    /// Whether LLVM lists `feature` as present.
    pub fn has(&self, feature: &str) -> bool {
        self.features.split(',').any(|f| f.strip_prefix('+') == Some(feature))
    }

    /// The features that the processor lacks of the least one for which host code is tested.
    pub fn missing(&self) -> Vec<&'static str> {
        let needed: &[&'static str] = match self.instructions() {
            // Of x86-64-v2: what the levels above have beyond it is done without.
            Instructions::X86_64 => &["ssse3", "sse4.1", "sse4.2", "popcnt"],
            Instructions::Aarch64 => &["neon"],
            Instructions::Other => &[],
        };
        needed.iter().copied().filter(|feature| !self.has(feature)).collect()
    }

    fn instructions(&self) -> Instructions {
        match self.triple.split('-').next() {
            Some("x86_64") => Instructions::X86_64,
            Some("aarch64" | "arm64") => Instructions::Aarch64,
            _ => Instructions::Other,
        }
    }
}

/// The set of instructions, of which the host's emitter knows what its code generator makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instructions {
    X86_64,
    Aarch64,
    Other,
}

/// The host.
pub(crate) struct Host {
    target: Target,
    processor: HostProcessor,
    instructions: Instructions,
    has_fma: bool,
    converts_f16: bool,
}

impl Host {
    /// # Errors
    /// The processor lacks instructions that host code needs.
    pub fn new(target: Target, processor: HostProcessor) -> Result<Host, CodegenError> {
        if let Some(feature) = processor.missing().first() {
            return Err(CodegenError::new(target, Problem::HostFeature { cpu: processor.name, feature }));
        }
        let instructions = processor.instructions();
        // Both are part of aarch64's base.
        let has = |feature| instructions != Instructions::X86_64 || processor.has(feature);
        let (has_fma, converts_f16) = (has("fma"), has("f16c"));
        Ok(Host { target, processor, instructions, has_fma, converts_f16 })
    }
}

impl Vectors for Host {
    fn lanes(&self) -> u64 {
        self.target.info().vectors.lanes().into()
    }

    fn piece(&self) -> u64 {
        self.target.info().vectors.kept_piece().into()
    }
}

impl Machine for Host {
    fn target(&self) -> Target {
        self.target
    }

    fn threads(&self) -> Threads<'_> {
        Threads::Alone(self)
    }

    fn processor(&self) -> Processor {
        let HostProcessor { name, features, triple } = self.processor.clone();
        let tuning = Some(self.target.info().tuning).filter(|name| !name.is_empty());
        Processor { triple, name, features, tuning }
    }

    /// Where code rests on a length of SVE's registers, LLVM takes whole vectors to them.
    fn mark<'l>(&self, context: &'l Context, module: &Module<'l>) {
        let vectors = self.target.info().vectors;
        if !vectors.exact {
            return;
        }
        // Both the least and the most, in registers of 128 bits.
        let scale = u64::from(vectors.bits / 128);
        let kind = Attribute::get_named_enum_kind_id("vscale_range");
        let range = context.create_enum_attribute(kind, scale << 32 | scale);
        for function in module.get_functions().filter(|f| f.count_basic_blocks() > 0) {
            function.add_attribute(AttributeLoc::Function, range);
        }
    }

    fn register_dialects(&self, _registry: &DialectRegistry) {}

    fn lowering(&self) -> String {
        "builtin.module(convert-scf-to-cf,convert-to-llvm,reconcile-unrealized-casts)".to_owned()
    }

    /// The function is inlined into its entry point, which turns `noalias` parameters into scopes, and its loops lose what is
    /// the same in every row.
    fn optimisation(&self) -> &'static str {
        "always-inline,function(sroa,early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,\
         loop-mssa(loop-simplifycfg,licm),slp-vectorizer,instcombine<no-verify-fixpoint>,early-cse<memssa>,\
         simplifycfg)"
    }

    fn joins_scalars(&self) -> bool {
        true
    }

    fn product(&self) -> Product {
        Product::Linked { format: CodeFormat::SharedObject, allowed: &HOST_SYMBOLS }
    }

    fn atomic_scope(&self) -> Option<&'static str> {
        None
    }

    /// The processor guesses right, and the answer is there before the load.
    fn safe_index<'m>(&self, b: &Builder<'m>, index: Checkable<'m>) -> Val<'m> {
        b.select(index.inside, index.index, index.zero)
    }

    fn keeps_one_answer(&self) -> bool {
        true
    }

    /// One answer for a vector is a mask: as a selection, LLVM would join it with selections lane by lane, and widen the joined
    /// answers with instructions of their own.
    fn select<'m>(&self, b: &Builder<'m>, condition: Val<'m>, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        let ty = b.type_of(x);
        let one_for_all = b.lanes(b.type_of(condition)) == 1 && b.lanes(ty) > 1;
        let bits = if b.element(ty) == b.f32() { 32 } else { b.width(b.element(ty)) };
        if !one_for_all || bits == 1 {
            return b.select(condition, x, y);
        }
        let ints = b.with_lanes(b.int(bits), ty);
        let (x, y) = (b.bitcast(x, ints), b.bitcast(y, ints));
        let mask = self.opaque(b, b.extsi(condition, b.int(bits.max(32))));
        let mask = b.splat(if bits < 32 { b.trunci(mask, b.int(bits)) } else { mask }, b.lanes(ty));
        b.bitcast(b.xori(y, b.andi(b.xori(x, y), mask)), ty)
    }

    fn multiply_add<'m>(&self, b: &Builder<'m>, x: Val<'m>, y: Val<'m>, z: Val<'m>) -> Val<'m> {
        if self.has_fma { b.fma(x, y, z) } else { fused::multiply_add(b, x, y, z) }
    }

    fn converts_f16(&self) -> bool {
        self.converts_f16
    }

    fn hides_vectors(&self, lanes: u32) -> bool {
        // One register: of 128 bits, or of 256. SVE's have no place in assembly that is written for the others.
        match self.instructions {
            Instructions::X86_64 if !self.processor.has("avx") => lanes == 4,
            Instructions::X86_64 => matches!(lanes, 4 | 8),
            Instructions::Aarch64 => lanes == 4,
            Instructions::Other => false,
        }
    }

    fn opaque_vector<'m>(&self, b: &Builder<'m>, x: Val<'m>) -> Val<'m> {
        let register = if self.instructions == Instructions::Aarch64 { "=w,0" } else { "=x,0" };
        b.through_assembly(x, register)
    }

    fn flips_after_shift(&self) -> bool {
        true
    }

    /// Whoever stores the value too has its NaNs made canonical anyway.
    fn settles_before_rounding(&self) -> bool {
        true
    }
}
