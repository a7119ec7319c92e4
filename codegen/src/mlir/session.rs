//! An MLIR context with only the dialects and passes of one machine.

use crate::{
    error::{CodegenError, Problem},
    ffi,
    machine::{Machine, Threads},
};
use melior::{
    Context,
    dialect::DialectRegistry,
    ir::{
        Module,
        operation::{OperationLike, OperationRef},
    },
    pass::PassManager,
    utility::parse_pass_pipeline,
};
use mlir_sys as sys;
use std::{cell::RefCell, rc::Rc, sync::Once};

/// An MLIR context for one machine. Diagnostics are kept instead of printed.
pub struct MlirSession<'t> {
    context: Context,
    diagnostics: Rc<RefCell<Vec<String>>>,
    machine: &'t dyn Machine,
}

impl<'t> MlirSession<'t> {
    /// A fresh context with the dialects that code for this machine uses.
    pub fn new(machine: &'t dyn Machine) -> Self {
        register_passes();
        let registry = DialectRegistry::new();
        // SAFETY: dialect handles are static; the registry is live for the whole block.
        unsafe {
            for handle in [
                sys::mlirGetDialectHandle__func__(),
                sys::mlirGetDialectHandle__arith__(),
                sys::mlirGetDialectHandle__scf__(),
                sys::mlirGetDialectHandle__cf__(),
                sys::mlirGetDialectHandle__llvm__(),
            ] {
                sys::mlirDialectHandleInsertDialect(handle, registry.to_raw());
            }
            ffi::routefuse_register_host(registry.to_raw());
        }
        machine.register_dialects(&registry);
        let context = Context::new_with_registry(&registry, false);
        // A type or attribute of a dialect that is registered but not loaded is a crash, not an error.
        context.load_all_available_dialects();
        let diagnostics = Rc::new(RefCell::new(Vec::new()));
        let sink = Rc::clone(&diagnostics);
        context.attach_diagnostic_handler(move |diagnostic| {
            sink.borrow_mut().push(diagnostic.to_string());
            true
        });
        Self { context, diagnostics, machine }
    }

    /// The MLIR context.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Runs MLIR's verifier.
    pub fn verify(&self, module: &Module) -> Result<(), CodegenError> {
        self.diagnostics.borrow_mut().clear();
        if module.as_operation().verify() {
            return Ok(());
        }
        Err(self.failed(Problem::Verify(self.take_diagnostics())))
    }

    /// Lowers `module` to the llvm dialect in place.
    pub fn run_passes(&self, module: &mut Module) -> Result<(), CodegenError> {
        self.diagnostics.borrow_mut().clear();
        let failed = |message: String| self.failed(Problem::Passes(message));
        let manager = PassManager::new(&self.context);
        // The module was verified when it was built, and what is made of it is verified as LLVM IR. In between is nothing of ours, and to
        // verify it after each pass takes a third of their time.
        manager.enable_verifier(cfg!(debug_assertions));
        parse_pass_pipeline(manager.as_operation_pass_manager(), &self.machine.lowering())
            .map_err(|error| failed(error.to_string()))?;
        manager.run(module).map_err(|_| failed(self.take_diagnostics()))
    }

    /// Translates a module in the llvm dialect into `llvm`, which the result borrows.
    ///
    /// For a GPU the `gpu.module` inside is what gets translated.
    pub fn translate<'l>(
        &self,
        module: &Module,
        llvm: &'l inkwell::context::Context,
    ) -> Result<inkwell::module::Module<'l>, CodegenError> {
        self.diagnostics.borrow_mut().clear();
        let raw = match self.machine.threads() {
            Threads::Alone(_) => module.as_operation().to_raw(),
            Threads::InWarps(_) => gpu_module(module)
                .ok_or_else(|| self.failed(Problem::Translate("the module holds no gpu.module".to_owned())))?
                .to_raw(),
        };
        // SAFETY: the operation is live, and `llvm.raw()` is the context that the returned module is created in; the
        // two bindings spell the same C type differently.
        let translated = unsafe { sys::mlirTranslateModuleToLLVMIR(raw, llvm.raw() as sys::LLVMContextRef) };
        if translated.is_null() {
            return Err(self.failed(Problem::Translate(self.take_diagnostics())));
        }
        // SAFETY: a fresh module in `llvm`, owned by nobody else.
        Ok(unsafe { inkwell::module::Module::new(translated.cast()) })
    }

    fn failed(&self, problem: Problem) -> CodegenError {
        CodegenError::new(self.machine.target(), problem)
    }

    fn take_diagnostics(&self) -> String {
        let lines = std::mem::take(&mut *self.diagnostics.borrow_mut());
        if lines.is_empty() { "no diagnostic was given".to_owned() } else { lines.join("; ") }
    }
}

fn gpu_module<'c, 'a>(module: &'a Module<'c>) -> Option<OperationRef<'c, 'a>> {
    use melior::ir::BlockLike;
    let mut operation = module.body().first_operation();
    while let Some(current) = operation {
        if current.name().as_string_ref().as_str() == Ok("gpu.module") {
            return Some(current);
        }
        operation = current.next_in_block();
    }
    None
}

/// Registers the passes that the textual pipelines name; registering twice is an error in MLIR.
fn register_passes() {
    static ONCE: Once = Once::new();
    // SAFETY: called once in the process, before any pipeline is parsed.
    ONCE.call_once(|| unsafe {
        sys::mlirRegisterConversionSCFToControlFlowPass();
        sys::mlirRegisterConversionConvertToLLVMPass();
        sys::mlirRegisterConversionReconcileUnrealizedCastsPass();
        sys::mlirRegisterConversionConvertGpuOpsToNVVMOps();
        sys::mlirRegisterConversionConvertGpuOpsToROCDLOps();
    });
}
