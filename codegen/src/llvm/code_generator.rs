//! LLVM IR to machine code: one target machine, its LLVM passes, object bytes or assembly text.

use crate::{
    error::{CodegenError, Problem},
    ffi,
    machine::{Machine, Processor},
};
use inkwell::{
    OptimizationLevel,
    attributes::{Attribute, AttributeLoc},
    context::{AsContextRef, Context},
    module::Module,
    passes::PassBuilderOptions,
    targets::{
        CodeModel, FileType, InitializationConfig, RelocMode, Target as LlvmTarget, TargetMachine, TargetTriple,
    },
};
use llvm_sys::{
    LLVMDiagnosticSeverity,
    core::{LLVMContextSetDiagnosticHandler, LLVMDisposeMessage, LLVMGetDiagInfoDescription, LLVMGetDiagInfoSeverity},
    prelude::LLVMDiagnosticInfoRef,
    support::LLVMParseCommandLineOptions,
};
use std::{
    cell::RefCell,
    ffi::{CStr, c_void},
    rc::Rc,
    sync::Once,
};

/// The version of LLVM and MLIR that is linked in, such as `22.1.8`.
pub fn llvm_version() -> &'static str {
    // SAFETY: the shim returns a string literal.
    let version = unsafe { CStr::from_ptr(ffi::routefuse_llvm_version()) };
    version.to_str().unwrap_or("unknown")
}

/// LLVM's code generator for one machine.
pub struct CodeGenerator<'t> {
    llvm: TargetMachine,
    machine: &'t dyn Machine,
    tuning: Option<&'static str>,
}

impl<'t> CodeGenerator<'t> {
    /// A code generator for this machine.
    pub fn new(machine: &'t dyn Machine) -> Result<CodeGenerator<'t>, CodegenError> {
        initialise();
        let Processor { triple, name: cpu, features, tuning } = machine.processor();
        let failed = |message: String| {
            let (triple, cpu) = (triple.clone(), cpu.clone());
            CodegenError::new(machine.target(), Problem::TargetMachine { triple, cpu, message })
        };
        let llvm_triple = TargetTriple::create(&triple);
        let llvm = LlvmTarget::from_triple(&llvm_triple)
            .map_err(|error| failed(error.to_string()))?
            .create_target_machine(
                &llvm_triple,
                &cpu,
                &features,
                OptimizationLevel::Aggressive,
                RelocMode::PIC,
                CodeModel::Default,
            )
            .ok_or_else(|| failed("LLVM does not know the processor".to_owned()))?;
        Ok(CodeGenerator { llvm, machine, tuning })
    }

    /// Gives every function of `module` the properties that bit-exact code rests on, and sets triple and data layout.
    pub fn prepare<'l>(&self, context: &'l Context, module: &Module<'l>) {
        module.set_triple(&self.llvm.get_triple());
        module.set_data_layout(&self.llvm.get_target_data().get_data_layout());
        let mut attributes = vec![
            context.create_enum_attribute(Attribute::get_named_enum_kind_id("nounwind"), 0),
            context.create_string_attribute("denormal-fp-math", "ieee,ieee"),
            context.create_string_attribute("denormal-fp-math-f32", "ieee,ieee"),
        ];
        attributes.extend(self.tuning.map(|name| context.create_string_attribute("tune-cpu", name)));
        self.machine.mark(context, module);
        for function in module.get_functions() {
            if function.count_basic_blocks() > 0 {
                for attribute in &attributes {
                    function.add_attribute(AttributeLoc::Function, *attribute);
                }
            }
        }
    }

    /// Runs LLVM's optimiser: the machine's own short list of passes.
    pub fn optimise(&self, context: &Context, module: &Module) -> Result<(), CodegenError> {
        let failed = |message: String| self.failed(Problem::Optimise(message));
        module.verify().map_err(|error| failed(error.to_string()))?;
        // The schedule has made the vectors already, and the loops that are left run few times. What a machine may
        // gain beyond cleaning up is vectors in straight-line scalar code, as of a row's sum.
        let options = PassBuilderOptions::create();
        options.set_loop_vectorization(false);
        options.set_loop_slp_vectorization(self.machine.joins_scalars());
        options.set_loop_unrolling(false);
        options.set_loop_interleaving(false);
        let diagnostics = LlvmDiagnostics::attach(context);
        module
            .run_passes(self.machine.optimisation(), &self.llvm, options)
            .map_err(|error| failed(error.to_string()))?;
        diagnostics.finish().map_err(failed)
    }

    /// The relocatable object of `module`.
    pub fn object(&self, context: &Context, module: &Module) -> Result<Vec<u8>, CodegenError> {
        self.emit(context, module, FileType::Object)
    }

    /// The assembly text of `module`; for NVIDIA this is the PTX.
    pub fn assembly(&self, context: &Context, module: &Module) -> Result<String, CodegenError> {
        let bytes = self.emit(context, module, FileType::Assembly)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn failed(&self, problem: Problem) -> CodegenError {
        CodegenError::new(self.machine.target(), problem)
    }

    fn emit(&self, context: &Context, module: &Module, kind: FileType) -> Result<Vec<u8>, CodegenError> {
        let failed = |message: String| self.failed(Problem::Emit(message));
        let diagnostics = LlvmDiagnostics::attach(context);
        let buffer = self.llvm.write_to_memory_buffer(module, kind).map_err(|error| failed(error.to_string()))?;
        diagnostics.finish().map_err(failed)?;
        Ok(buffer.as_slice().to_vec())
    }
}

/// What LLVM's code generators for GPUs do to a function before they select instructions, and what a quarter of their time for
/// NVIDIA and a tenth of it for AMD would go into: address arithmetic that could be shared, and values computed twice. The
/// emitter writes neither, but for loads of the same element, which the end of [`Machine::optimisation`] finds; the code is
/// the same without. No pass of the host has these names.
const GPU_PASSES_LEFT_OUT: &CStr = c"-opt-disable=slsr,nary-reassociate,gvn";

/// Collects a context's error diagnostics; LLVM's own handler prints them and ends the process.
struct LlvmDiagnostics<'a> {
    context: &'a Context,
    errors: Rc<RefCell<Vec<String>>>,
}

impl<'a> LlvmDiagnostics<'a> {
    fn attach(context: &'a Context) -> LlvmDiagnostics<'a> {
        let errors = Rc::<RefCell<Vec<String>>>::default();
        // SAFETY: the cell lives until `drop`, which detaches the handler first.
        unsafe {
            LLVMContextSetDiagnosticHandler(context.as_ctx_ref(), Some(collect), Rc::as_ptr(&errors).cast_mut().cast());
        }
        LlvmDiagnostics { context, errors }
    }

    fn finish(self) -> Result<(), String> {
        let errors = self.errors.take();
        if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
    }
}

impl Drop for LlvmDiagnostics<'_> {
    fn drop(&mut self) {
        // SAFETY: detaching needs nothing but a live context.
        unsafe {
            LLVMContextSetDiagnosticHandler(self.context.as_ctx_ref(), None, std::ptr::null_mut());
        }
    }
}

/// Keeps the text of an error diagnostic in the cell behind `user`.
extern "C" fn collect(diagnostic: LLVMDiagnosticInfoRef, user: *mut c_void) {
    // SAFETY: LLVM passes a live diagnostic and the pointer given to `attach`; the description is ours to free.
    unsafe {
        if LLVMGetDiagInfoSeverity(diagnostic) as u32 != LLVMDiagnosticSeverity::LLVMDSError as u32 {
            return;
        }
        let text = LLVMGetDiagInfoDescription(diagnostic);
        (*user.cast::<RefCell<Vec<String>>>()).borrow_mut().push(CStr::from_ptr(text).to_string_lossy().into_owned());
        LLVMDisposeMessage(text);
    }
}

/// Registers the backends that are linked: those for hosts and for GPUs.
pub(crate) fn initialise() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: an empty function of the shim.
        unsafe { ffi::routefuse_keep_stubs() };
        let config = InitializationConfig::default();
        LlvmTarget::initialize_x86(&config);
        LlvmTarget::initialize_aarch64(&config);
        LlvmTarget::initialize_nvptx(&config);
        LlvmTarget::initialize_amd_gpu(&config);
        let options = [c"routefuse".as_ptr(), GPU_PASSES_LEFT_OUT.as_ptr()];
        // SAFETY: two C strings, of an option that this LLVM has, read during the call; nothing else runs yet.
        unsafe { LLVMParseCommandLineOptions(options.len() as i32, options.as_ptr(), std::ptr::null()) };
    });
}
