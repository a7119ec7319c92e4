//! Kernels that run on this host.

use super::ports::Ports;
use super::{Side, rows, slots};
use crate::compile::host_object;
use crate::error::CodegenError;
use crate::export::ir_text::Constants;
use routefuse_ir::Verified;
use routefuse_ir::cancel::Cancel;
use routefuse_ir::kernel::schedule::Scheduled;
use routefuse_ir::program::Program;

/// `cpp/tvm_ffi/host.c`, compiled, and what it calls.
const LAUNCHER: &[u8] = include_bytes!(env!("ROUTEFUSE_TVM_FFI_HOST"));
const ALLOWED: &[&str] = &["aligned_alloc", "free"];

/// The symbol of a kernel's entry point.
fn entry(kernel: usize) -> String {
    format!("routefuse_kernel_{kernel}")
}

pub(super) fn side(
    program: &Program,
    kernels: &[Verified<Scheduled>],
    ports: &Ports<'_>,
    c: &mut Constants,
    cancel: &Cancel,
) -> Result<Side, CodegenError> {
    let mut objects = vec![LAUNCHER.to_vec()];
    let mut steps = vec![];
    let mut declared = String::from("%step = type { ptr, ptr, i64, i64, i64 }\n");
    for (i, (step, kernel)) in program.steps.iter().zip(kernels).enumerate() {
        let entry = entry(i);
        objects.push(host_object(kernel, kernel.variants()[0], &entry, cancel)?);
        let (slots, count) = slots(c, program, (step, kernel), ports)?;
        let (rows, scratch) = (rows(step, kernel), kernel.scratch_bytes());
        steps.push(format!("{{ ptr @{entry}, ptr {slots}, i64 {count}, i64 {rows}, i64 {scratch} }}"));
        declared += &format!("declare hidden void @{entry}(ptr, i64, i64, ptr)\n");
    }
    let call = "routefuse_tvm_ffi_host";
    Ok(Side { objects, allowed: ALLOWED, device: (1, 0), call, more: &[], step: "%step", steps, declared })
}
