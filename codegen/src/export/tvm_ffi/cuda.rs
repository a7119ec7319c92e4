//! Kernels that run on NVIDIA's GPUs.

use super::ports::Ports;
use super::{Side, rows, slots, stride};
use crate::compile::{Dump, compile_until};
use crate::error::{CodegenError, Problem};
use crate::export::ir_text::Constants;
use routefuse_ir::Verified;
use routefuse_ir::cancel::Cancel;
use routefuse_ir::kernel::abi::{self, Slot};
use routefuse_ir::kernel::schedule::{Schedule, Scheduled, Variant};
use routefuse_ir::program::{Buffer, Extents, Program, Step};

/// `cpp/tvm_ffi/cuda.c`, compiled, and what it calls.
const LAUNCHER: &[u8] = include_bytes!(env!("ROUTEFUSE_TVM_FFI_CUDA"));
const ALLOWED: &[&str] = &[
    "TVMFFIEnvGetStream",
    "calloc",
    "dlerror",
    "dlopen",
    "dlsym",
    "free",
    "pthread_mutex_lock",
    "pthread_mutex_unlock",
];

pub(super) fn side(
    program: &Program,
    kernels: &[Verified<Scheduled>],
    ports: &Ports<'_>,
    c: &mut Constants,
    cancel: &Cancel,
) -> Result<Side, CodegenError> {
    let target = kernels[0].target;
    if program.has_trap {
        let message = "an index of the graph is checked while it runs (`out_of_range = trap`), and a call on a GPU returns before: \
                       say what is to become of such an index instead";
        return Err(CodegenError::new(target, Problem::Export(message.to_owned())));
    }
    let mut steps = vec![];
    for (step, kernel) in program.steps.iter().zip(kernels) {
        let variants = kernel
            .variants()
            .iter()
            .map(|v| {
                let code = compile_until(kernel, *v, Dump::default(), cancel)?.artifact.code;
                let ptx = c.string(&String::from_utf8_lossy(&code));
                Ok(variant(c, &kernel.schedule, *v, &ptx))
            })
            .collect::<Result<Vec<_>, CodegenError>>()?;
        let variants_name = c.array("%variant", &variants);
        let (slots, slot_count) = slots(c, program, (step, kernel), ports)?;
        let (rows, fixed) = (rows(step, kernel), u64::from(fixed_strides_are_aligned(step, kernel)));
        let count = variants.len();
        // What no number of rows reaches; the type is unsigned in C.
        let most_of = |most: Option<u64>| most.unwrap_or(i64::MAX as u64);
        let mut push = |by: i64, (least, most): Extents| {
            let most = most_of(most);
            steps.push(format!(
                "{{ ptr {variants_name}, ptr {slots}, i64 {count}, i64 {slot_count}, i64 {rows}, i64 {fixed}, i64 {by}, i64 {least}, \
                 i64 {most} }}"
            ));
        };
        // Of a kernel on either side of the extents of another one there are two steps, with the same code.
        match step.taken {
            None => push(-1, (0, None)),
            Some(taken) => taken.ranges().for_each(|range| push(i64::from(taken.symbol.0), range)),
        }
    }
    let declared = "%pieces = type { i64, i64 }\n\
                    %variant = type { ptr, i8, i8, i8, i8, i32, i32, i32, i32, ptr, i64, i64, i64, i64 }\n\
                    %step = type { ptr, ptr, i64, i64, i64, i64, i64, i64, i64 }\n";
    Ok(Side {
        objects: vec![LAUNCHER.to_vec()],
        allowed: ALLOWED,
        device: (2, target.sm().unwrap_or(0)),
        call: "routefuse_tvm_ffi_cuda",
        more: &[("_prepare", "routefuse_tvm_ffi_cuda_prepare")],
        step: "%step",
        steps,
        declared: declared.to_owned(),
    })
}

/// A `Variant` of `cpp/tvm_ffi/cuda.c`.
fn variant(c: &mut Constants, schedule: &Schedule, variant: Variant, ptx: &str) -> String {
    let phased = schedule.blocks_of_phases(variant);
    let (pieces, of_a_block) = match (phased, schedule.shape(variant)) {
        (Some((of_a_block, _)), _) => (vec![(1, 1)], of_a_block),
        (None, Some(shape)) => (vec![(1, 1)], u64::from(shape.rows())),
        (None, None) => {
            let pieces = schedule.domains().iter().map(|d| d.pieces_of_a_row()).collect();
            (pieces, u64::from(schedule.threads(variant)))
        }
    };
    let pieces: Vec<String> =
        pieces.iter().map(|(n, parts): &(u64, u64)| format!("{{ i64 {n}, i64 {parts} }}")).collect();
    let pieces_name = c.array("%pieces", &pieces);
    let Variant { aligned, narrow, shape, .. } = variant;
    let persistent = schedule.shape(variant).is_some_and(|s| s.persistent);
    let [aligned, narrow, persistent] = [aligned, narrow, persistent].map(u8::from);
    let (threads, part, count) = (schedule.threads(variant), schedule.part(variant), pieces.len());
    let shared = schedule.dynamic_shared_bytes(variant);
    let (least_rows, most_rows) = schedule.rows_of_shape(shape);
    // What no number of rows reaches; the type is unsigned in C.
    let (least_blocks, most_rows) = (schedule.least_blocks(), most_rows.unwrap_or(i64::MAX as u64));
    let most_blocks = phased.map_or(i64::MAX as u64, |(_, most)| most);
    format!(
        "{{ ptr {ptx}, i8 {aligned}, i8 {narrow}, i8 {persistent}, i8 {part}, i32 {threads}, i32 {shared}, i32 {of_a_block}, i32 {count}, \
         ptr {pieces_name}, i64 {least_rows}, i64 {most_rows}, i64 {least_blocks}, i64 {most_blocks} }}"
    )
}

/// Every row stride of an intermediate is a multiple of 16 bytes.
fn fixed_strides_are_aligned(step: &Step, kernel: &Scheduled) -> bool {
    abi::slots(&kernel.kernel, kernel.target).iter().all(|slot| match *slot {
        Slot::Stride(p, 0) if matches!(step.buffers[p.0 as usize], Buffer::Intermediate(_)) => {
            (stride(kernel, p, 0) * kernel.kernel.param(p).ty.dtype.size()).is_multiple_of(16)
        }
        _ => true,
    })
}
