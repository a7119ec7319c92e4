//! Raw entry points of `cpp/shim.cpp` and `cpp/stubs.cpp`.

use llvm_sys::prelude::LLVMContextRef;
use mlir_sys::MlirDialectRegistry;
use std::ffi::{c_char, c_int, c_void};

unsafe extern "C" {
    /// Registers what every target needs: builtin and llvm translations, conversions of arith, cf and func.
    pub fn routefuse_register_host(registry: MlirDialectRegistry);
    /// Registers the gpu and nvvm translations.
    pub fn routefuse_register_nvvm(registry: MlirDialectRegistry);
    /// Registers the gpu and rocdl translations.
    pub fn routefuse_register_rocdl(registry: MlirDialectRegistry);
    /// Runs ld.lld in process; `sink` gets its messages once. Returns 0 on success. Not re-entrant.
    pub fn routefuse_lld(
        argv: *const *const c_char,
        argc: usize,
        user: *mut c_void,
        sink: unsafe extern "C" fn(*mut c_void, *const c_char, usize),
    ) -> c_int;
    /// Code generators in this context leave out the passes of these names, which are copied. What is returned goes to
    /// `routefuse_leave_nothing_out`.
    pub fn routefuse_leave_out(context: LLVMContextRef, names: *const *const c_char, count: usize) -> *mut c_void;
    /// Ends what `routefuse_leave_out` began in this context.
    pub fn routefuse_leave_nothing_out(context: LLVMContextRef, gate: *mut c_void);
    /// The version of the LLVM that is linked in, such as `22.1.8`.
    pub fn routefuse_llvm_version() -> *const c_char;
    /// Does nothing; calling it keeps `stubs.cpp` in the link.
    pub fn routefuse_keep_stubs();
}
