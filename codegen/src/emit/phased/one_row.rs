//! What every block computes in its own memory: one row, a column a thread.

use super::Phased;
use crate::emit::pull::arithmetic::Indexing;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::emit::pull::{Held, Pull};
use crate::mlir::builder::{Builder, IntPredicate, Val};
use melior::ir::Type;
use routefuse_ir::kernel::ValueId;
use routefuse_ir::kernel::analysis::sums_fit_a_word;
use routefuse_ir::kernel::phases::Phase;
use routefuse_ir::kernel::schedule::Domain;
use std::cmp::Ordering;
use std::rc::Rc;

impl<'m> Phased<'_, 'm> {
    pub(super) fn one_row(&self, phase: &Phase, domains: &[Domain]) {
        let b = self.b;
        let pull = self.pull_of(phase);
        for (id, value) in phase.kernel.values() {
            if let Some(row) = value.kind.row_value()
                && pull.is_reached(id)
            {
                let bits = if sums_fit_a_word(phase, row.value, row.width) { 32 } else { 64 };
                self.add_up(&pull, row.value, row.width, bits);
                let held = InMemory {
                    b,
                    ix: Rc::clone(&pull.ix),
                    sums: self.words_at(self.room.sums),
                    of: b.int(bits),
                    ty: b.int(value.dtype.bits()),
                };
                pull.hold(id, Rc::new(held));
            }
        }
        pull.evaluate_uniforms();
        for domain in domains {
            self.each(domain.cols, |column| {
                pull.scopes.scoped(|| {
                    let column = pull.ix.of_word(column);
                    pull.piece(&domain.stores, &Index::new(vec![Ix::constant(0)], vec![column], None));
                });
            });
        }
        b.block_barrier();
    }

    /// Running sums of an integer's columns, as numbers of 32 bits or of 64, of which the low ones are those of any fewer bits. A
    /// thread has neighbouring columns.
    fn add_up(&self, pull: &Pull<'_, 'm>, operand: ValueId, cols: u64, bits: u32) {
        let (b, ty) = (self.b, self.b.int(bits));
        let zero = b.const_int(ty, 0);
        let each = cols.div_ceil(self.threads.into());
        let first = b.muli(self.short(self.thread), self.word(each as u32));
        let own: Vec<(Val<'m>, Val<'m>, Val<'m>)> = (0..each)
            .map(|n| {
                let column = b.addi(first, self.word(n as u32));
                let is_one = b.cmpi(IntPredicate::Ult, column, self.word(cols as u32));
                let safe = pull.ix.of_word(b.minui(column, self.word(cols as u32 - 1)));
                let index = Index::new(vec![Ix::constant(0)], vec![safe], None);
                let value = pull.evaluate(operand, &index).value;
                let fitting = match b.width(b.type_of(value)).cmp(&bits) {
                    Ordering::Less => b.extui(value, ty),
                    Ordering::Equal => value,
                    Ordering::Greater => b.trunci(value, ty),
                };
                (column, is_one, b.select(is_one, fitting, zero))
            })
            .collect();
        let sum = own.iter().fold(zero, |sum, (_, _, x)| b.addi(sum, *x));
        let (mut sum, _) = if bits == 32 { self.sums_before(sum) } else { (self.long_sums_before(sum), sum) };
        let sums = self.words_at(self.room.sums);
        for (column, is_one, x) in own {
            sum = b.addi(sum, x);
            b.if_then(is_one, |b| b.store(sum, b.gep(sums, column, ty), bits / 8));
        }
        b.block_barrier();
    }
}

/// Running sums in the block's memory.
struct InMemory<'a, 'm> {
    b: &'a Builder<'m>,
    ix: Rc<Indexing<'a, 'm>>,
    sums: Val<'m>,
    /// What is kept.
    of: Type<'m>,
    /// What is seen of it.
    ty: Type<'m>,
}

impl<'m> Held<'m> for InMemory<'_, 'm> {
    fn read(&self, index: &Index<'m>) -> Option<Lanes<'m>> {
        let b = self.b;
        let one = |column: &Ix<'m>| {
            let at = self.ix.to_long(self.ix.materialise(*column));
            let sum = b.load(b.gep(self.sums, at, self.of), self.of, b.width(self.of) / 8, false);
            match b.width(self.ty).cmp(&b.width(self.of)) {
                Ordering::Less => b.trunci(sum, self.ty),
                Ordering::Equal => sum,
                Ordering::Greater => b.extui(sum, self.ty),
            }
        };
        let sums: Vec<Val<'m>> = index.column.iter().map(one).collect();
        Some(Lanes::exact(b.gather_lanes(&sums), sums.len() as u32))
    }
}
