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
    ffi::{CStr, c_char, c_void},
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
        let _left_out = LeftOut::attach(context, self.machine.left_out());
        let buffer = self.llvm.write_to_memory_buffer(module, kind).map_err(|error| failed(error.to_string()))?;
        diagnostics.finish().map_err(failed)?;
        Ok(buffer.as_slice().to_vec())
    }
}

/// `codegenprepare` goes through a function until nothing changes. By this option what was changed are the blocks that it looks at
/// again, and not all of them ten times. LLVM does so of functions with more blocks than a number, which is 10,000 without a word.
const LOOK_AT_CHANGES: &CStr = c"-cgpp-huge-func=0";

/// Has a context's code generator leave out the [passes](Machine::left_out) that a machine names.
struct LeftOut<'a> {
    context: &'a Context,
    gate: *mut c_void,
}

impl<'a> LeftOut<'a> {
    fn attach(context: &'a Context, passes: &[&CStr]) -> LeftOut<'a> {
        let names: Vec<*const c_char> = passes.iter().map(|name| name.as_ptr()).collect();
        // SAFETY: C strings, which are copied; the gate lives until `drop`, which detaches it first.
        let gate = unsafe { ffi::routefuse_leave_out(context.as_ctx_ref(), names.as_ptr(), names.len()) };
        LeftOut { context, gate }
    }
}

impl Drop for LeftOut<'_> {
    fn drop(&mut self) {
        // SAFETY: the gate is the one that was attached to this live context, and nothing runs in it.
        unsafe { ffi::routefuse_leave_nothing_out(self.context.as_ctx_ref(), self.gate) };
    }
}

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
        let options = [c"routefuse".as_ptr(), LOOK_AT_CHANGES.as_ptr()];
        // SAFETY: two C strings, of an option that this LLVM has, read during the call; nothing else runs yet.
        unsafe { LLVMParseCommandLineOptions(options.len() as i32, options.as_ptr(), std::ptr::null()) };
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine;
    use inkwell::memory_buffer::MemoryBuffer;
    use routefuse_ir::target::Target;

    /// Two loads that `load-store-vectorizer` makes one of.
    const NEIGHBOURS: &str = "define ptx_kernel void @k(ptr addrspace(1) %p, ptr addrspace(1) noalias %q) {
        %a = load i32, ptr addrspace(1) %p, align 8
        %next = getelementptr i32, ptr addrspace(1) %p, i64 1
        %b = load i32, ptr addrspace(1) %next, align 4
        %sum = add i32 %a, %b
        store i32 %sum, ptr addrspace(1) %q, align 4
        ret void
    }";

    #[test]
    fn passes_are_left_out_of_one_emission_alone() {
        let machine = machine::of(Target::named("sm_90").unwrap(), 2).unwrap();
        let generator = CodeGenerator::new(&*machine).unwrap();
        let context = Context::create();
        let module = |name| {
            let buffer = MemoryBuffer::create_from_memory_range_copy(NEIGHBOURS.as_bytes(), name);
            let module = context.create_module_from_ir(buffer).unwrap();
            generator.prepare(&context, &module);
            module
        };
        let ours = generator.assembly(&context, &module("ours")).unwrap();
        assert!(!ours.contains("ld.global.v2"), "left out by the machine: {ours}");
        let all = generator.llvm.write_to_memory_buffer(&module("all"), FileType::Assembly).unwrap();
        let all = String::from_utf8_lossy(all.as_slice()).into_owned();
        assert!(all.contains("ld.global.v2"), "and no longer once it has emitted: {all}");
    }
}
