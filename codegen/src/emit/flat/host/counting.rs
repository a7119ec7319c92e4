//! Counts, each in memory of the call's own: an atomic addition takes some twenty times as long as another one, and so there is one
//! for each element that is counted in instead of one for each item.

use super::FlatHost;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::pull::types::memory_type;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::analysis::cost_with_operands;
use routefuse_ir::kernel::schedule::Domain;
use routefuse_ir::kernel::{ParamId, Store, ValueId};

/// The most elements, of all that a kernel counts in, that there are counts beside for.
const MOST_ELEMENTS: u64 = 4096;

/// Neighbouring columns count in as many copies, where there is room, so that none waits for the one before to be stored.
const COPIES: u64 = 4;

/// Columns of a row that are written out; more are a loop.
const UNROLLED: u64 = 32;

/// With fewer items than so many for each element, to put the counts together takes longer than it saves.
const LEAST_ITEMS: u64 = 8;

/// The most that an addition asks for, in instructions, where its kernel stores other things too: what both ask for is computed twice,
/// which is to take less time than an atomic addition.
const MOST_COST: u64 = 40;

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
    /// All rows of these domains, one after the other, or where there are many first what is counted and then the rest.
    pub(super) fn by_row_or_counting(&self, domains: &[&Domain], begin: Val<'m>, end: Val<'m>) {
        let (b, i64) = (self.b, self.b.int(64));
        let counting: Vec<Domain> = domains.iter().filter_map(|d| self.counted(d)).collect();
        let elements: u64 = counting.iter().flat_map(|d| &d.stores).filter_map(|s| self.elements(*s)).sum();
        if !(1..=MOST_ELEMENTS).contains(&elements) {
            return self.by_row(domains, begin, end);
        }
        let copies = if elements * COPIES <= MOST_ELEMENTS { COPIES } else { 1 };
        let tallies = |d: &Domain| d.stores.iter().filter_map(|s| self.tally(*s, copies)).collect();
        let tallies: Vec<Vec<Tally<'m>>> = counting.iter().map(tallies).collect();
        let cols = counting.iter().map(|d| d.cols).max().unwrap_or(1);
        let items = b.muli(b.subi(end, begin), b.const_int(i64, cols as i64));
        let many = b.cmpi(IntPredicate::Sge, items, b.const_int(i64, (elements * LEAST_ITEMS) as i64));
        let beside = || {
            // What is stored may lie where ids are read, so these come first.
            for (domain, tallies) in counting.iter().zip(&tallies) {
                self.count((domain.cols, tallies, copies), begin, end);
            }
            let rest = |d: &&Domain| {
                let is_counted = |s: &u32| counting.iter().any(|d| d.stores.contains(s));
                let stores: Vec<u32> = d.stores.iter().copied().filter(|s| !is_counted(s)).collect();
                (!stores.is_empty()).then(|| Domain { stores, ..(*d).clone() })
            };
            let rest: Vec<Domain> = domains.iter().filter_map(rest).collect();
            if !rest.is_empty() {
                self.by_row(&rest.iter().collect::<Vec<_>>(), begin, end);
            }
        };
        self.either(many, beside, || self.by_row(domains, begin, end));
    }

    /// The stores of a domain that add to elements of which there are few; beside others, if what they ask for can be computed twice.
    fn counted(&self, domain: &Domain) -> Option<Domain> {
        let kernel = self.pull.kernel;
        let costs = cost_with_operands(kernel);
        let cost = |store: &Store| store.operands().map(|o| costs[o.0 as usize]).fold(0, u64::saturating_add);
        let adds = |s: &u32| kernel.stores[*s as usize].add_at.is_some() && self.elements(*s).is_some();
        let alone = domain.stores.iter().all(adds);
        let is_counted = |s: &u32| adds(s) && (alone || cost(&kernel.stores[*s as usize]) <= MOST_COST);
        let stores: Vec<u32> = domain.stores.iter().copied().filter(is_counted).collect();
        (!stores.is_empty()).then(|| Domain { stores, ..domain.clone() })
    }

    /// Counts all rows of so many columns.
    fn count(&self, (cols, tallies, copies): (u64, &[Tally<'m>], u64), begin: Val<'m>, end: Val<'m>) {
        let (b, i64) = (self.b, self.b.int(64));
        let number = |n: u64| b.const_int(i64, n as i64);
        self.clear(tallies, copies);
        b.for_loop(begin, end, number(1), |_, row| {
            let one = |column: Ix<'m>, copy: u64| {
                self.pull.scopes.scoped(|| {
                    let index = Index::new(vec![Ix::value(row, 1)], vec![column], None);
                    tallies.iter().for_each(|tally| self.add(tally, &index, copy));
                });
            };
            if cols <= UNROLLED {
                (0..cols).for_each(|column| one(Ix::constant(column), column % copies));
            } else {
                let whole = cols / copies * copies;
                b.for_loop(number(0), number(whole), number(copies), |_, first| {
                    (0..copies).for_each(|copy| one(Ix::value(first, copies).offset(copy), copy));
                });
                (whole..cols).for_each(|column| one(Ix::constant(column), column % copies));
            }
        });
        tallies.iter().for_each(|tally| self.put_together(tally, copies));
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
