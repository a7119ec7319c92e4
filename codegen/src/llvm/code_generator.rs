//! LLVM IR to machine code: one target machine, its pipeline of LLVM passes, object bytes or assembly text.

use crate::{error::CodegenError, ffi};
use inkwell::{
    OptimizationLevel,
    attributes::{Attribute, AttributeLoc},
    context::{AsContextRef, Context},
    module::{FlagBehavior, Module},
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
use routefuse_ir::target::{Target, TargetKind};
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

/// The processor that code for `host` is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostProcessor {
    /// LLVM's name of it, such as `znver4`.
    pub name: String,
    /// LLVM's feature string, `+avx2,-avx512f,…`.
    pub features: String,
    /// LLVM's triple of this machine.
    pub triple: String,
}

impl HostProcessor {
    /// The processor of this process.
    pub fn detect() -> HostProcessor {
        initialise();
        HostProcessor {
            name: TargetMachine::get_host_cpu_name().to_string_lossy().into_owned(),
            features: TargetMachine::get_host_cpu_features().to_string_lossy().into_owned(),
            triple: TargetMachine::get_default_triple().as_str().to_string_lossy().into_owned(),
        }
    }

    /// Whether LLVM lists `feature` as present.
    pub fn has(&self, feature: &str) -> bool {
        self.features.split(',').any(|f| f.strip_prefix('+') == Some(feature))
    }

    /// The features that bit-exact code needs and the processor lacks: a fused multiply-add in software would be a call
    /// into libm.
    pub fn missing(&self) -> Vec<&'static str> {
        let needed: &[&'static str] = if self.triple.starts_with("x86_64") { &["fma", "f16c"] } else { &[] };
        needed.iter().copied().filter(|feature| !self.has(feature)).collect()
    }

    fn check(&self) -> Result<(), CodegenError> {
        match self.missing().first() {
            None => Ok(()),
            Some(feature) => Err(CodegenError::HostFeature { cpu: self.name.clone(), feature }),
        }
    }
}

/// LLVM's code generator for one target.
pub struct CodeGenerator {
    machine: TargetMachine,
    target: Target,
}

impl CodeGenerator {
    /// A code generator for `target`.
    pub fn new(target: Target) -> Result<CodeGenerator, CodegenError> {
        CodeGenerator::on(target, HostProcessor::detect())
    }

    /// A code generator for `target`; if that is the host, for this processor.
    pub fn on(target: Target, host: HostProcessor) -> Result<CodeGenerator, CodegenError> {
        initialise();
        let info = target.info();
        let (triple, cpu, features) = match info.kind {
            TargetKind::Host => {
                host.check()?;
                (host.triple, host.name, host.features)
            }
            TargetKind::Nvptx | TargetKind::Amdgpu => {
                (info.triple.to_owned(), info.name.to_owned(), info.features.to_owned())
            }
        };
        let failed = |message: String| CodegenError::TargetMachine {
            target: target.name().to_owned(),
            triple: triple.clone(),
            cpu: cpu.clone(),
            message,
        };
        let llvm_triple = TargetTriple::create(&triple);
        let machine = LlvmTarget::from_triple(&llvm_triple)
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
        Ok(CodeGenerator { machine, target })
    }

    /// Gives every function of `module` the properties that bit-exact code rests on, and sets triple and data layout.
    pub fn prepare<'l>(&self, context: &'l Context, module: &Module<'l>) {
        module.set_triple(&self.machine.get_triple());
        module.set_data_layout(&self.machine.get_target_data().get_data_layout());
        let attributes = [
            context.create_enum_attribute(Attribute::get_named_enum_kind_id("nounwind"), 0),
            context.create_string_attribute("denormal-fp-math", "ieee,ieee"),
            context.create_string_attribute("denormal-fp-math-f32", "ieee,ieee"),
        ];
        match self.target.kind() {
            TargetKind::Host | TargetKind::Nvptx => {}
            TargetKind::Amdgpu => module.add_basic_value_flag(
                "amdhsa_code_object_version",
                FlagBehavior::Error,
                context.i32_type().const_int(500, false),
            ),
        }
        for function in module.get_functions() {
            if function.count_basic_blocks() > 0 {
                for attribute in &attributes {
                    function.add_attribute(AttributeLoc::Function, *attribute);
                }
            }
        }
    }

    /// Runs LLVM's optimiser: a short pipeline for each kind of target.
    pub fn optimise(&self, context: &Context, module: &Module) -> Result<(), CodegenError> {
        let failed = |message: String| CodegenError::Optimise { target: self.target.name().to_owned(), message };
        module.verify().map_err(|error| failed(error.to_string()))?;
        // The schedule has made the vectors already, and the loops that are left run few times. What the host gains beyond
        // cleaning up is vectors in straight-line scalar code, as of a row's sum.
        let options = PassBuilderOptions::create();
        options.set_loop_vectorization(false);
        options.set_loop_slp_vectorization(self.target.kind() == TargetKind::Host);
        options.set_loop_unrolling(false);
        options.set_loop_interleaving(false);
        let diagnostics = LlvmDiagnostics::attach(context);
        module.run_passes(self.pipeline(), &self.machine, options).map_err(|error| failed(error.to_string()))?;
        diagnostics.finish().map_err(failed)
    }

    /// What `default<O3>` would do to a kernel, in a third of the time: it is one function that the emitter has written
    /// without repetition. On GPUs only peepholes are left, and on AMD what tells the code generator where pointers point
    /// and which implicit arguments are not used. The host's function is inlined into its entry point, which turns
    /// `noalias` parameters into scopes, and its loops lose what is the same in every row.
    fn pipeline(&self) -> &'static str {
        match self.target.kind() {
            TargetKind::Host => {
                "always-inline,function(sroa,early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,\
                 loop-mssa(loop-simplifycfg,licm),slp-vectorizer,instcombine<no-verify-fixpoint>,early-cse<memssa>,\
                 simplifycfg)"
            }
            TargetKind::Nvptx => "function(early-cse,instcombine<no-verify-fixpoint>,simplifycfg,early-cse<memssa>)",
            TargetKind::Amdgpu => {
                "function(early-cse,amdgpu-promote-kernel-arguments,infer-address-spaces,\
                 instcombine<no-verify-fixpoint>,simplifycfg,early-cse<memssa>),amdgpu-attributor"
            }
        }
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

    fn emit(&self, context: &Context, module: &Module, kind: FileType) -> Result<Vec<u8>, CodegenError> {
        let failed = |message: String| CodegenError::Emit { target: self.target.name().to_owned(), message };
        let diagnostics = LlvmDiagnostics::attach(context);
        let buffer = self.machine.write_to_memory_buffer(module, kind).map_err(|error| failed(error.to_string()))?;
        diagnostics.finish().map_err(failed)?;
        Ok(buffer.as_slice().to_vec())
    }
}

/// What LLVM's code generators for GPUs do to a function before they select instructions, and what a quarter of their time for
/// NVIDIA and a tenth of it for AMD would go into: address arithmetic that could be shared, and values computed twice. The
/// emitter writes neither, but for loads of the same element, which the end of [`CodeGenerator::pipeline`] finds; the code is
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

/// Registers the three backends.
fn initialise() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: an empty function of the shim.
        unsafe { ffi::routefuse_keep_stubs() };
        let config = InitializationConfig::default();
        LlvmTarget::initialize_x86(&config);
        LlvmTarget::initialize_nvptx(&config);
        LlvmTarget::initialize_amd_gpu(&config);
        let options = [c"routefuse".as_ptr(), GPU_PASSES_LEFT_OUT.as_ptr()];
        // SAFETY: two C strings, of an option that this LLVM has, read during the call; nothing else runs yet.
        unsafe { LLVMParseCommandLineOptions(options.len() as i32, options.as_ptr(), std::ptr::null()) };
    });
}
