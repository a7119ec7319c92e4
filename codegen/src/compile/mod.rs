//! From a scheduled kernel to what is loaded: the phases in order, timed, with dumps on request.

mod timings;

use crate::{
    emit,
    emit::peephole::Peepholes,
    error::{CodegenError, Problem},
    llvm::{CodeGenerator, link},
    machine::{self, Machine, Product},
    mlir::{builder::Builder, session::MlirSession},
};
use inkwell::GlobalVisibility;
use inkwell::module::Linkage;
use melior::ir::operation::{OperationLike, OperationPrintingFlags};
use melior::ir::{Location, Module};
use routefuse_ir::Verified;
use routefuse_ir::artifact::Artifact;
use routefuse_ir::cancel::Cancel;
use routefuse_ir::kernel::abi;
use routefuse_ir::kernel::schedule::{Scheduled, Variant};
use timings::timed;

pub use timings::Timings;

/// Which intermediate texts to keep; none changes what the code does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dump {
    /// MLIR as built, before any pass.
    pub mlir: bool,
    /// LLVM IR after LLVM's optimiser.
    pub llvm: bool,
    /// Assembly text.
    pub assembly: bool,
    /// Every operation says in these texts which of the kernel's values it was made for: as the line, from 1, of a file that does
    /// not exist. The code itself says so, too, where it is text.
    pub locations: bool,
}

impl Dump {
    /// Every text, as it is without locations.
    pub const ALL: Dump = Dump { mlir: true, llvm: true, assembly: true, locations: false };
    /// Every text, with locations.
    pub const LOCATED: Dump = Dump { locations: true, ..Dump::ALL };
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
pub(crate) struct MachineCode {
    /// A shared object for the host, PTX text for NVIDIA, HSACO for AMD.
    pub bytes: Vec<u8>,
    pub mlir: Option<String>,
    pub llvm: Option<String>,
    pub assembly: Option<String>,
    /// Time of each phase; dumping is in none.
    pub timings: Timings,
}

/// Compiles a scheduled kernel. The same arguments always give the same artifact.
///
/// # Errors
/// A kind of schedule that is not known, or a host processor that lacks instructions (see [`Problem`](crate::Problem)); all
/// others are defects, of this crate or of LLVM.
pub fn compile(scheduled: &Verified<Scheduled>, variant: Variant, dump: Dump) -> Result<Compiled, CodegenError> {
    compile_until(scheduled, variant, dump, &Cancel::default())
}

/// As [`compile`], until it is cancelled: between two of its phases it gives up.
///
/// # Errors
/// Those of [`compile`]; [`Problem::Cancelled`](crate::Problem::Cancelled).
pub fn compile_until(
    scheduled: &Verified<Scheduled>,
    variant: Variant,
    dump: Dump,
    cancel: &Cancel,
) -> Result<Compiled, CodegenError> {
    let target = scheduled.target;
    let slots = abi::slots(&scheduled.kernel, scheduled.target);
    let machine = machine::of(target, slots.len())?;
    let code = compile_module(&*machine, dump, cancel, |builder| {
        emit::emit(builder, &*machine, scheduled, variant, Peepholes::default())
    })?;
    let MachineCode { bytes, mlir, llvm, assembly, timings } = code;
    let artifact = Artifact {
        target,
        variant,
        schedule: scheduled.schedule.clone(),
        slots,
        entry: abi::ENTRY.to_owned(),
        format: machine.product().format(),
        code: bytes,
    };
    Ok(Compiled { artifact, mlir, llvm, assembly, timings })
}

/// The MLIR of a scheduled kernel, as built and verified, before any pass: [`Compiled::mlir`] without the work behind it.
///
/// # Errors
/// Those of [`compile`] that come before MLIR's passes.
pub fn mlir(scheduled: &Verified<Scheduled>, variant: Variant) -> Result<String, CodegenError> {
    mlir_with(scheduled, variant, Peepholes::default())
}

/// As [`mlir`], with these peepholes.
pub(crate) fn mlir_with(
    scheduled: &Verified<Scheduled>,
    variant: Variant,
    peepholes: Peepholes,
) -> Result<String, CodegenError> {
    let machine = machine::of(scheduled.target, abi::slots(&scheduled.kernel, scheduled.target).len())?;
    let session = MlirSession::new(&*machine);
    let module = Module::new(Location::unknown(session.context()));
    emit::emit(&Builder::new(session.context(), &module), &*machine, scheduled, variant, peepholes)?;
    session.verify(&module)?;
    Ok(module.as_operation().to_string())
}

/// The relocatable object of a kernel for the host, its entry point called `entry` and seen by what it is linked with alone.
///
/// # Errors
/// Those of [`compile_until`].
pub(crate) fn host_object(
    scheduled: &Verified<Scheduled>,
    variant: Variant,
    entry: &str,
    cancel: &Cancel,
) -> Result<Vec<u8>, CodegenError> {
    let machine = machine::of(scheduled.target, abi::slots(&scheduled.kernel, scheduled.target).len())?;
    let build = |builder: &Builder| emit::emit(builder, &*machine, scheduled, variant, Peepholes::default());
    let code = compile_to(&*machine, Dump::default(), cancel, build, Some(entry))?;
    Ok(code.bytes)
}

/// Compiles the module that `build` makes with the builder it is given.
pub(crate) fn compile_module(
    machine: &dyn Machine,
    dump: Dump,
    cancel: &Cancel,
    build: impl FnOnce(&Builder) -> Result<(), CodegenError>,
) -> Result<MachineCode, CodegenError> {
    compile_to(machine, dump, cancel, build, None)
}

/// As [`compile_module`]; with a name for the entry point what is linked stays an object, in which that is a hidden symbol.
fn compile_to(
    machine: &dyn Machine,
    dump: Dump,
    cancel: &Cancel,
    build: impl FnOnce(&Builder) -> Result<(), CodegenError>,
    entry: Option<&str>,
) -> Result<MachineCode, CodegenError> {
    let go_on = || match cancel.is_cancelled() {
        true => Err(CodegenError::new(machine.target(), Problem::Cancelled)),
        false => Ok(()),
    };
    let mut timings = Timings::default();
    go_on()?;
    let (session, generator) = timed(&mut timings.setup, || (MlirSession::new(machine), CodeGenerator::new(machine)));
    let generator = generator?;
    let mut module = Module::new(Location::unknown(session.context()));
    timed(&mut timings.build, || {
        let builder = Builder::new(session.context(), &module);
        build(&if dump.locations { builder.with_locations() } else { builder })?;
        session.verify(&module)
    })?;
    let mlir = dump.mlir.then(|| match dump.locations {
        true => located(&module),
        false => module.as_operation().to_string(),
    });
    go_on()?;
    timed(&mut timings.passes, || session.run_passes(&mut module))?;
    go_on()?;

    let context = inkwell::context::Context::create();
    let code = timed(&mut timings.translate, || {
        let code = session.translate(&module, &context)?;
        generator.prepare(&context, &code);
        Ok(code)
    })?;
    if entry.is_some() {
        // Objects that are linked together have these names once, and who calls the entry points calls no other function.
        let others = [abi::COUNT, abi::PART].into_iter().filter_map(|name| code.get_function(name));
        others.for_each(|function| function.set_linkage(Linkage::Internal));
    }
    go_on()?;
    timed(&mut timings.optimise, || generator.optimise(&context, &code))?;
    go_on()?;
    let llvm = dump.llvm.then(|| code.print_to_string().to_string());

    let (bytes, assembly) = match machine.product() {
        Product::Text(_) => {
            let text = timed(&mut timings.emit, || generator.assembly(&context, &code))?;
            (text.clone().into_bytes(), dump.assembly.then_some(text))
        }
        Product::Linked { allowed, .. } => {
            // Emission changes the module it reads, so the text comes from a copy.
            let assembly = dump.assembly.then(|| generator.assembly(&context, &code.clone())).transpose()?;
            if let (Some(name), Some(function)) = (entry, code.get_function(abi::ENTRY)) {
                let global = function.as_global_value();
                global.set_name(name);
                global.set_visibility(GlobalVisibility::Hidden);
            }
            let object = timed(&mut timings.emit, || generator.object(&context, &code))?;
            if entry.is_some() {
                return Ok(MachineCode { bytes: object, mlir, llvm, assembly, timings });
            }
            let linked = timed(&mut timings.link, || link::link(machine.target(), &object, allowed))?;
            (linked, assembly)
        }
    };
    Ok(MachineCode { bytes, mlir, llvm, assembly, timings })
}

/// A module's text with the location of each operation behind it.
fn located(module: &Module) -> String {
    let flags = OperationPrintingFlags::new().enable_debug_info(true, false);
    module.as_operation().to_string_with_flags(flags).unwrap_or_default()
}

#[cfg(test)]
mod tests;
