//! The function around an owner's code, as the calling convention wants it.

use super::pull::arguments::{Arguments, parameters};
use super::pull::job::Job;
use crate::mlir::builder::{Parameter, Val};
use routefuse_ir::kernel::abi::{COUNT, ENTRY, PART, Slot, slots};
use routefuse_ir::kernel::schedule::room::LINE;

/// A host function of the calling convention, and what it passes on behind the rows.
pub(super) struct Entry {
    /// Its name.
    pub name: &'static str,
    /// The function that does the work; the entry point loads its arguments.
    pub body: &'static str,
    /// Of each further argument, an address, whether the body is given it.
    pub further: &'static [bool],
}

/// The entry point.
pub(super) const WHOLE: Entry = Entry { name: ENTRY, body: "rows", further: &[] };
/// The entry point of what takes scratch memory.
pub(super) const WITH_SCRATCH: Entry = Entry { further: &[true], ..WHOLE };
/// Counts the ids of some rows.
pub(super) const COUNTING: Entry = Entry { name: COUNT, body: "count_rows", further: &[true] };
/// Rows behind others. The second address is that of scratch memory.
pub(super) const BEHIND: Entry = Entry { name: PART, body: "rows_behind", further: &[true, false] };
/// Rows behind others, of what takes scratch memory.
pub(super) const BEHIND_WITH_SCRATCH: Entry = Entry { further: &[true, true], ..BEHIND };

/// A host function that is given its arguments, the first row and the row behind the last, and the further addresses.
pub(super) fn host<'m>(job: Job<'_, 'm>, entry: &Entry, body: impl FnOnce(Arguments<'m>, [Val<'m>; 2], &[Val<'m>])) {
    let (b, i64) = (job.b, job.b.int(64));
    let slots = slots(job.kernel, job.machine.target());
    let mut parameters = parameters(job);
    parameters.extend([Parameter::plain(i64), Parameter::plain(i64)]);
    let address = Parameter { noalias: true, align: LINE as u32, ..Parameter::plain(b.pointer()) };
    parameters.extend(entry.further.iter().filter(|given| **given).map(|_| address.clone()));
    b.function(entry.body, true, &parameters, |_, arguments| {
        let (given, rows) = arguments.split_at(slots.len());
        body(Arguments::new(job, given), [rows[0], rows[1]], &rows[2..]);
    });
    let mut parameters = vec![
        Parameter { readonly: true, ..Parameter::plain(b.pointer()) },
        Parameter::plain(i64),
        Parameter::plain(i64),
    ];
    parameters
        .extend(entry.further.iter().map(|given| if *given { address.clone() } else { Parameter::plain(b.pointer()) }));
    b.function(entry.name, false, &parameters, |_, arguments| {
        let mut values: Vec<Val<'m>> = Vec::new();
        for (position, slot) in slots.iter().enumerate() {
            let ty = if matches!(slot, Slot::Pointer(_)) { b.pointer() } else { i64 };
            values.push(b.load(b.gep_const(arguments[0], position as i32, i64), ty, 8, false));
        }
        let further = arguments[3..].iter().zip(entry.further).filter(|(_, given)| **given).map(|(x, _)| *x);
        values.extend([arguments[1], arguments[2]].into_iter().chain(further));
        b.call(entry.body, &values);
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
