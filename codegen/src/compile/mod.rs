//! From a module under construction to what is loaded: the phases in order, timed, with dumps on request.

pub mod timings;

use crate::{
    emit,
    error::CodegenError,
    llvm::code_generator::{CodeGenerator, HostProcessor},
    llvm::link,
    mlir::builder::Builder,
    mlir::session::MlirSession,
};
use melior::ir::{Location, Module};
use routefuse_ir::artifact::{Artifact, CodeFormat};
use routefuse_ir::kernel::abi;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use routefuse_ir::target::{Target, TargetKind};
use timings::{Timings, timed};

/// Which intermediate texts to keep; none changes the code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dump {
    /// MLIR as built, before any pass.
    pub mlir: bool,
    /// LLVM IR after LLVM's optimiser.
    pub llvm: bool,
    /// Assembly text.
    pub assembly: bool,
}

impl Dump {
    /// Everything.
    pub const ALL: Dump = Dump { mlir: true, llvm: true, assembly: true };
}

/// An artifact, what was dumped on the way, and where the time went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compiled {
    /// What is loaded and launched.
    pub artifact: Artifact,
    /// MLIR, if asked for.
    pub mlir: Option<String>,
    /// Optimised LLVM IR, if asked for.
    pub llvm: Option<String>,
    /// Assembly, if asked for.
    pub assembly: Option<String>,
    /// Time of each phase.
    pub timings: Timings,
}

/// Machine code, what was dumped on the way, and where the time went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MachineCode {
    /// A shared object for the host, PTX text for NVIDIA, HSACO for AMD.
    pub bytes: Vec<u8>,
    /// MLIR, if asked for.
    pub mlir: Option<String>,
    /// Optimised LLVM IR, if asked for.
    pub llvm: Option<String>,
    /// Assembly, if asked for.
    pub assembly: Option<String>,
    /// Time of each phase; dumping is in none.
    pub timings: Timings,
}

/// Compiles a scheduled kernel. The same arguments always give the same artifact.
///
/// # Errors
/// A schedule that does not fit ([`CodegenError::Schedule`]), a host processor that lacks instructions
/// ([`CodegenError::HostFeature`]); all others are defects, of this crate or of LLVM.
pub fn compile(scheduled: &Scheduled, variant: Variant, dump: Dump) -> Result<Compiled, CodegenError> {
    compile_on(scheduled, variant, dump, None)
}

/// As [`compile`], for another processor of the host's kind than this one, so that what a processor has decides nothing:
/// the text is the same on every machine. Whether the code runs here is another question.
///
/// # Errors
/// Those of [`compile`].
pub fn compile_for_processor(
    scheduled: &Scheduled,
    variant: Variant,
    dump: Dump,
    host: &HostProcessor,
) -> Result<Compiled, CodegenError> {
    compile_on(scheduled, variant, dump, Some(host))
}

fn compile_on(
    scheduled: &Scheduled,
    variant: Variant,
    dump: Dump,
    host: Option<&HostProcessor>,
) -> Result<Compiled, CodegenError> {
    let target = scheduled.target;
    let code = compile_module_on(target, dump, host, |builder| emit::emit(builder, scheduled, variant))?;
    let MachineCode { bytes, mlir, llvm, assembly, timings } = code;
    let format = match target.kind() {
        TargetKind::Host => CodeFormat::SharedObject,
        TargetKind::Nvptx => CodeFormat::Ptx,
        TargetKind::Amdgpu => CodeFormat::Hsaco,
    };
    let artifact = Artifact {
        target,
        variant,
        schedule: scheduled.schedule.clone(),
        slots: abi::slots(&scheduled.kernel),
        entry: abi::ENTRY.to_owned(),
        format,
        code: bytes,
    };
    Ok(Compiled { artifact, mlir, llvm, assembly, timings })
}

/// Compiles the module that `build` makes with the builder it is given.
pub fn compile_module(
    target: Target,
    dump: Dump,
    build: impl FnOnce(&Builder) -> Result<(), CodegenError>,
) -> Result<MachineCode, CodegenError> {
    compile_module_on(target, dump, None, build)
}

fn compile_module_on(
    target: Target,
    dump: Dump,
    host: Option<&HostProcessor>,
    build: impl FnOnce(&Builder) -> Result<(), CodegenError>,
) -> Result<MachineCode, CodegenError> {
    let mut timings = Timings::default();
    let generator = || host.map_or_else(|| CodeGenerator::new(target), |host| CodeGenerator::on(target, host.clone()));
    let (session, generator) = timed(&mut timings.setup, || (MlirSession::new(target), generator()));
    let generator = generator?;
    let mut module = Module::new(Location::unknown(session.context()));
    timed(&mut timings.build, || {
        build(&Builder::new(session.context(), &module))?;
        session.verify(&module)
    })?;
    let mlir = dump.mlir.then(|| module.as_operation().to_string());
    timed(&mut timings.passes, || session.run_passes(&mut module))?;

    let context = inkwell::context::Context::create();
    let code = timed(&mut timings.translate, || {
        let code = session.translate(&module, &context)?;
        generator.prepare(&context, &code);
        Ok(code)
    })?;
    timed(&mut timings.optimise, || generator.optimise(&context, &code))?;
    let llvm = dump.llvm.then(|| code.print_to_string().to_string());

    // Emission changes the module it reads, so the text comes from a copy.
    let assembly = (dump.assembly && target.kind() != TargetKind::Nvptx)
        .then(|| generator.assembly(&context, &code.clone()))
        .transpose()?;
    let (bytes, assembly) = match target.kind() {
        TargetKind::Nvptx => {
            let ptx = timed(&mut timings.emit, || generator.assembly(&context, &code))?;
            let text = dump.assembly.then(|| ptx.clone());
            (ptx.into_bytes(), text)
        }
        kind => {
            let object = timed(&mut timings.emit, || generator.object(&context, &code))?;
            let allowed: &[&'static str] = match kind {
                TargetKind::Host => &link::HOST_SYMBOLS,
                _ => &[],
            };
            let linked = timed(&mut timings.link, || link::link(target.name(), &object, allowed))?;
            (linked, assembly)
        }
    };
    Ok(MachineCode { bytes, mlir, llvm, assembly, timings })
}
