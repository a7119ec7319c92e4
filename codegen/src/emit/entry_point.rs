//! The function around an owner's code, as the calling convention wants it.

use super::pull::arguments::{Arguments, parameters};
use super::pull::job::Job;
use crate::mlir::builder::{Parameter, Val};
use routefuse_ir::kernel::abi::{ENTRY, Slot, slots};
use routefuse_ir::kernel::schedule::room::LINE;

/// The host function that does the work; the entry point loads its arguments.
const BODY: &str = "rows";

/// A host function that is given its arguments, the first row and the row behind the last, and scratch memory where it takes
/// any.
pub(super) fn host<'m>(
    job: Job<'_, 'm>,
    takes_scratch: bool,
    body: impl FnOnce(Arguments<'m>, [Val<'m>; 2], Option<Val<'m>>),
) {
    let (b, i64) = (job.b, job.b.int(64));
    let slots = slots(job.kernel, job.machine.target());
    let mut parameters = parameters(job);
    parameters.extend([Parameter::plain(i64), Parameter::plain(i64)]);
    let scratch = Parameter { noalias: true, align: LINE as u32, ..Parameter::plain(b.pointer()) };
    if takes_scratch {
        parameters.push(scratch.clone());
    }
    b.function(BODY, true, &parameters, |_, arguments| {
        let (given, rows) = arguments.split_at(slots.len());
        body(Arguments::new(job, given), [rows[0], rows[1]], rows.get(2).copied());
    });
    let mut entry = vec![
        Parameter { readonly: true, ..Parameter::plain(b.pointer()) },
        Parameter::plain(i64),
        Parameter::plain(i64),
    ];
    if takes_scratch {
        entry.push(scratch);
    }
    b.function(ENTRY, false, &entry, |_, arguments| {
        let mut values: Vec<Val<'m>> = Vec::new();
        for (position, slot) in slots.iter().enumerate() {
            let ty = if matches!(slot, Slot::Pointer(_)) { b.pointer() } else { i64 };
            values.push(b.load(b.gep_const(arguments[0], position as i32, i64), ty, 8, false));
        }
        values.extend(&arguments[1..]);
        b.call(BODY, &values);
    });
}

/// A kernel for blocks of `threads` threads that share `shared_words` words of 32 bits. So many blocks on a multiprocessor as are
/// `enough` need room, where that is known: the registers of others are theirs.
pub(super) fn gpu<'m>(
    job: Job<'_, 'm>,
    (threads, shared_words): (u32, u32),
    enough: Option<u32>,
    body: impl FnOnce(Arguments<'m>),
) {
    let enough = job.machine.says_enough_blocks().zip(enough);
    job.b.gpu_kernel(ENTRY, (threads, shared_words), enough, &parameters(job), |b, arguments| {
        job.machine.take_arguments(b, arguments);
        body(Arguments::new(job, arguments));
    });
}
