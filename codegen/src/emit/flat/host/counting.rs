//! Counts, each in memory of the call's own: an atomic addition takes some twenty times as long as another one, and so there is one
//! for each element that is counted in instead of one for each item.

use super::FlatHost;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::pull::types::memory_type;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::schedule::Domain;
use routefuse_ir::kernel::{ParamId, Store, ValueId};

/// The most elements, of all that a domain counts in, that there are counts beside for.
const MOST_ELEMENTS: u64 = 4096;

/// Neighbouring columns count in as many copies, where there is room, so that none waits for the one before to be stored.
const COPIES: u64 = 4;

/// Columns of a row that are written out; more are a loop.
const UNROLLED: u64 = 32;

/// With fewer items than so many for each element, to put the counts together takes longer than it saves.
const LEAST_ITEMS: u64 = 8;

/// The counts of one store, in the frame.
struct Tally<'m> {
    /// The store's output.
    param: ParamId,
    /// What is added.
    amount: ValueId,
    /// Which element it is added to.
    at: ValueId,
    /// How many elements there are. Behind the last is one for whoever names none of them.
    elements: u64,
    counts: Val<'m>,
}

impl<'m> FlatHost<'_, 'm> {
    /// Whether all stores of the domain add to elements for which there is room in the frame.
    pub(super) fn counts_beside(&self, domain: &Domain) -> bool {
        let elements = domain.stores.iter().map(|s| {
            let Store { param, add_at, .. } = self.pull.kernel.stores[*s as usize];
            add_at?;
            self.pull.kernel.param(param).ty.shape.first()?.as_const()
        });
        elements.sum::<Option<u64>>().is_some_and(|all| (1..=MOST_ELEMENTS).contains(&all))
    }

    /// All rows of such a domain.
    pub(super) fn count(&self, domain: &Domain, begin: Val<'m>, end: Val<'m>) {
        let (b, i64) = (self.b, self.b.int(64));
        let number = |n: u64| b.const_int(i64, n as i64);
        let all: u64 = domain.stores.iter().filter_map(|s| self.elements(*s)).sum();
        let copies = if all * COPIES <= MOST_ELEMENTS { COPIES.min(domain.cols) } else { 1 };
        let tallies: Vec<Tally<'m>> = domain.stores.iter().filter_map(|s| self.tally(*s, copies)).collect();
        let items = b.muli(b.subi(end, begin), number(domain.cols));
        let many = b.cmpi(IntPredicate::Sge, items, number(all * LEAST_ITEMS));
        let beside = || {
            self.clear(&tallies, copies);
            b.for_loop(begin, end, number(1), |_, row| {
                let one = |column: Ix<'m>, copy: u64| {
                    self.pull.scopes.scoped(|| {
                        let index = Index::new(vec![Ix::value(row, 1)], vec![column], None);
                        tallies.iter().for_each(|tally| self.add(tally, &index, copy));
                    });
                };
                if domain.cols <= UNROLLED {
                    (0..domain.cols).for_each(|column| one(Ix::constant(column), column % copies));
                } else {
                    let whole = domain.cols / copies * copies;
                    b.for_loop(number(0), number(whole), number(copies), |_, first| {
                        (0..copies).for_each(|copy| one(Ix::value(first, copies).offset(copy), copy));
                    });
                    (whole..domain.cols).for_each(|column| one(Ix::constant(column), column % copies));
                }
            });
            tallies.iter().for_each(|tally| self.put_together(tally, copies));
        };
        self.either(many, beside, || self.by_row(&[domain], begin, end));
    }

    fn elements(&self, store: u32) -> Option<u64> {
        self.pull.kernel.param(self.pull.kernel.stores[store as usize].param).ty.shape.first()?.as_const()
    }

    fn tally(&self, store: u32, copies: u64) -> Option<Tally<'m>> {
        let (b, elements) = (self.b, self.elements(store)?);
        let Store { param, value: amount, add_at, .. } = self.pull.kernel.stores[store as usize];
        let element = memory_type(b, self.pull.kernel.param(param).ty.dtype);
        let counts = b.stack(element, (elements + 1) * copies, 64);
        Some(Tally { param, amount, at: add_at?, elements, counts })
    }

    fn dtype(&self, tally: &Tally<'m>) -> DType {
        self.pull.kernel.param(tally.param).ty.dtype
    }

    fn clear(&self, tallies: &[Tally<'m>], copies: u64) {
        let (b, i64) = (self.b, self.b.int(64));
        for tally in tallies {
            let dtype = self.dtype(tally);
            let (element, all) = (memory_type(b, dtype), (tally.elements + 1) * copies);
            b.for_loop(b.const_int(i64, 0), b.const_int(i64, all as i64), b.const_int(i64, 1), |_, at| {
                b.store(b.const_int(element, 0), b.gep(tally.counts, at, element), dtype.size() as u32);
            });
        }
    }

    /// Adds what one row and column adds.
    fn add(&self, tally: &Tally<'m>, index: &Index<'m>, copy: u64) {
        let (b, pull, dtype) = (self.b, &self.pull, self.dtype(tally));
        let (at, amount) = (pull.evaluate(tally.at, index), pull.evaluate(tally.amount, index));
        pull.note_trap(at.trap);
        pull.note_trap(amount.trap);
        let element = memory_type(b, dtype);
        let bin = pull.bin_or_last(Lanes { lanes: 1, ..at }, pull.kernel.value(tally.at).dtype, tally.elements);
        let place = pull.ix.materialise(bin);
        let copy = b.gep_const(tally.counts, (copy * (tally.elements + 1)) as i32, element);
        let place = b.gep(copy, place, element);
        let sum = b.addi(b.load(place, element, dtype.size() as u32, false), amount.value);
        b.store(sum, place, dtype.size() as u32);
    }

    /// Adds the counts to those that are there, atomically, since other calls may do so at the same time. What adds nothing touches
    /// nothing.
    fn put_together(&self, tally: &Tally<'m>, copies: u64) {
        let (b, i64, dtype) = (self.b, self.b.int(64), self.dtype(tally));
        let (element, align) = (memory_type(b, dtype), dtype.size() as u32);
        let elements = b.const_int(i64, tally.elements as i64);
        b.for_loop(b.const_int(i64, 0), elements, b.const_int(i64, 1), |_, at| {
            let of_copy = |copy: u64| {
                let copy = b.gep_const(tally.counts, (copy * (tally.elements + 1)) as i32, element);
                b.load(b.gep(copy, at, element), element, align, false)
            };
            let sum = (1..copies).fold(of_copy(0), |sum, copy| b.addi(sum, of_copy(copy)));
            let some = b.cmpi(IntPredicate::Ne, sum, b.const_int(element, 0));
            b.if_then(some, |_| {
                self.pull.scopes.scoped(|| self.pull.add_to(tally.param, Ix::value(at, 1), sum));
            });
        });
    }
}
