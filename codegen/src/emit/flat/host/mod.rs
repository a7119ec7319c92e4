//! Flat schedules on the host: one thread loops over rows.
//!
//! Two kinds of kernels have ways of their own where there are many rows: those that count ([`counting`]), and those that look for
//! the bin of each row ([`bins`]).

mod bins;
mod counting;

use crate::emit::peephole::bound_mask::{BoundMask, RowOfBlock};
use crate::emit::peephole::index_words::IndexWords;
use crate::emit::peephole::{Peephole, Peepholes, chosen};
use crate::emit::pieces::{has_last_column, store_row};
use crate::emit::pull::arguments::Arguments;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::job::Job;
use crate::emit::pull::scopes::Scopes;
use crate::emit::pull::{Pull, Ways};
use crate::machine::Vectors;
use crate::mlir::builder::{Builder, Val};
use routefuse_ir::kernel::schedule::{Domain, Piece};

/// Emits rows `begin..end` of all domains.
pub(in crate::emit) fn emit<'m>(
    job: Job<'_, 'm>,
    vectors: &dyn Vectors,
    domains: &[Domain],
    peepholes: Peepholes,
    arguments: Arguments<'m>,
    [begin, end]: [Val<'m>; 2],
) {
    let bound_mask = BoundMask::default();
    let shortcuts = chosen(peepholes, &[(Peephole::BoundMask, &bound_mask), (Peephole::IndexWords, &IndexWords)]);
    let pull = Pull::new(job, Scopes::new(), arguments, Ways { shortcuts: &shortcuts, widen_bf16: None });
    pull.evaluate_uniforms();
    let owner = FlatHost { b: job.b, pull, bound_mask: &bound_mask, block_rows: vectors.lanes() };
    let many_rows = |d: &&Domain| matches!(d.piece, Piece::Rows { width } if width > 1);
    let shared: Vec<&Domain> = domains.iter().filter(|d| !many_rows(d)).collect();
    if !shared.is_empty() {
        owner.by_row_or_counting(&shared, begin, end);
    }
    for domain in domains.iter().filter(many_rows) {
        owner.by_rows_or_bins(domain, begin, end);
    }
}

/// The owner.
struct FlatHost<'a, 'm> {
    b: &'a Builder<'m>,
    pull: Pull<'a, 'm>,
    bound_mask: &'a BoundMask<'m>,
    /// Rows of a block whose last columns are done together: as many as a vector has lanes.
    block_rows: u64,
}

impl<'m> FlatHost<'_, 'm> {
    /// One of two ways, of which nothing is known afterwards.
    fn either(&self, condition: Val<'m>, then: impl FnOnce(), otherwise: impl FnOnce()) {
        let scopes = &self.pull.scopes;
        let then = |_: &_| {
            scopes.scoped(then);
            vec![]
        };
        let otherwise = |_: &_| {
            scopes.scoped(otherwise);
            vec![]
        };
        self.b.if_then_else(condition, &[], then, otherwise);
    }

    /// The rows from `begin` on that are whole blocks of so many, a power of two, end here.
    fn end_of_blocks(&self, begin: Val<'m>, end: Val<'m>, rows: u64) -> Val<'m> {
        let b = self.b;
        let count = b.subi(end, begin);
        let whole = b.subi(count, b.andi(count, b.const_int(b.int(64), rows as i64 - 1)));
        b.addi(begin, whole)
    }

    /// A domain of one column: a piece is several rows of it.
    fn by_rows(&self, domain: &Domain, begin: Val<'m>, end: Val<'m>) {
        let (b, pull) = (self.b, &self.pull);
        let Piece::Rows { width } = domain.piece else { return };
        let width = u64::from(width);
        let middle = self.end_of_blocks(begin, end, width);
        let rows = |lanes: u64, from, to| {
            b.for_loop(from, to, b.const_int(b.int(64), lanes as i64), |_, row| {
                let row = Ix::value(row, 1);
                let index = Index::new((0..lanes).map(|l| row.offset(l)).collect(), vec![Ix::constant(0)], None);
                pull.scopes.scoped(|| pull.piece(&domain.stores, &index));
            });
        };
        rows(width, begin, middle);
        rows(1, middle, end);
    }

    /// All rows, one after the other. A last column by itself would be scalar code in every row, so where there is one, rows
    /// are taken in blocks, and the last columns of a block are one piece, a row a lane; the rows that are left over are done
    /// one by one.
    fn by_row(&self, domains: &[&Domain], begin: Val<'m>, end: Val<'m>) {
        let (b, pull, i64) = (self.b, &self.pull, self.b.int(64));
        let one = b.const_int(i64, 1);
        let odd: Vec<&Domain> = domains.iter().copied().filter(|d| has_last_column(d)).collect();
        if odd.is_empty() {
            b.for_loop(begin, end, one, |_, row| pull.scopes.scoped(|| store_row(pull, domains, row, true)));
            return;
        }
        let block = b.const_int(i64, self.block_rows as i64);
        let middle = self.end_of_blocks(begin, end, self.block_rows);
        b.for_loop(begin, middle, block, |_, first| {
            // The last columns come first: their stores ask for all cache lines of the block.
            pull.scopes.scoped(|| {
                for domain in &odd {
                    let rows = (0..self.block_rows).map(|lane| Ix::value(first, 1).offset(lane)).collect();
                    let last = vec![Ix::constant(domain.cols - 1)];
                    pull.piece(&domain.stores, &Index::new(rows, last, None));
                }
            });
            self.rows_of_block(first, |row| store_row(pull, domains, row, true));
        });
        b.for_loop(middle, end, one, |_, row| pull.scopes.scoped(|| store_row(pull, domains, row, false)));
    }

    /// Runs `body` for each row of a block.
    fn rows_of_block(&self, first: Val<'m>, body: impl FnOnce(Val<'m>)) {
        let (b, i64) = (self.b, self.b.int(64));
        let one_more = b.const_int(b.lanes_of(b.int(32), self.block_rows as u32), 1);
        let counted: &[Val<'m>] = if self.bound_mask.has_bound(&self.pull) { &[one_more] } else { &[] };
        let range = (b.const_int(i64, 0), b.const_int(i64, self.block_rows as i64), b.const_int(i64, 1));
        b.for_loop_carrying(range, counted, |_, number, done| {
            let row = b.addi(first, number);
            let of_block = done.first().map(|done| RowOfBlock { row, first, done: *done });
            self.bound_mask.in_block(of_block, || self.pull.scopes.scoped(|| body(row)));
            done.iter().map(|done| b.addi(*done, one_more)).collect()
        });
    }
}
