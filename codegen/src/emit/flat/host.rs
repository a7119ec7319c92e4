//! Functions around the pieces: the host's loop over rows, and what the host shares with GPUs.

use crate::emit::peephole::bound_mask::RowOfBlock;
use crate::emit::pull::Emitter;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::Lanes;
use crate::mlir::builder::{Parameter, Val};
use routefuse_ir::kernel::abi::{ENTRY, Slot};
use routefuse_ir::kernel::schedule::{Domain, Piece, Schedule};
use routefuse_ir::kernel::{Role, Store};

/// The host function that does the work; the entry point loads its arguments.
const BODY: &str = "rows";

/// Rows of a block whose last columns are done together on the host: two or four vector registers of `f32`.
const BLOCK_ROWS: u64 = 8;

/// Pieces of a row that are written out on the host; more of them are a loop.
const UNROLLED_PIECES: u64 = 8;

impl<'m> Emitter<'_, 'm> {
    // The host.

    /// The entry point, which takes slots and rows, and the loop.
    pub fn host(&self, schedule: &Schedule) {
        let (b, i64) = (self.b, self.b.int(64));
        let mut parameters = self.parameters();
        parameters.extend([Parameter::plain(i64), Parameter::plain(i64)]);
        b.function(BODY, true, &parameters, |_, arguments| {
            let (slots, rows) = arguments.split_at(self.slots.len());
            *self.arguments.borrow_mut() = slots.to_vec();
            match schedule {
                Schedule::Row { held, domains, .. } => self.host_row_schedule(held, domains, rows[0], rows[1]),
                Schedule::Flat { domains, .. } => self.host_loops(domains, rows[0], rows[1]),
                // `check` knows no other.
                _ => {}
            }
        });
        let entry = [
            Parameter { readonly: true, ..Parameter::plain(b.pointer()) },
            Parameter::plain(i64),
            Parameter::plain(i64),
        ];
        b.function(ENTRY, false, &entry, |_, arguments| {
            let mut values: Vec<Val<'m>> = Vec::new();
            for (position, slot) in self.slots.iter().enumerate() {
                let ty = if matches!(slot, Slot::Pointer(_)) { b.pointer() } else { i64 };
                values.push(b.load(b.gep_const(arguments[0], position as i32, i64), ty, 8, false));
            }
            values.extend(&arguments[1..]);
            b.call(BODY, &values);
        });
    }

    fn host_loops(&self, domains: &[Domain], begin: Val<'m>, end: Val<'m>) {
        self.evaluate_uniforms();
        let b = self.b;
        let many_rows = |d: &&Domain| matches!(d.piece, Piece::Rows { width } if width > 1);
        let shared: Vec<&Domain> = domains.iter().filter(|d| !many_rows(d)).collect();
        if !shared.is_empty() {
            self.host_rows(&shared, begin, end);
        }
        for domain in domains.iter().filter(many_rows) {
            let Piece::Rows { width } = domain.piece else { continue };
            let width = u64::from(width);
            let count = b.subi(end, begin);
            let whole = b.subi(count, b.andi(count, b.const_int(b.int(64), width as i64 - 1)));
            let middle = b.addi(begin, whole);
            let rows = |lanes: u64, from, to| {
                b.for_loop(from, to, b.const_int(b.int(64), lanes as i64), |_, row| {
                    let row = Ix::value(row, 1);
                    let index = Index::new((0..lanes).map(|l| row.offset(l)).collect(), vec![Ix::constant(0)], None);
                    self.scoped(|| self.piece(domain, &index));
                });
            };
            rows(width, begin, middle);
            rows(1, middle, end);
        }
    }

    /// All rows, one after the other. A last column by itself would be scalar code in every row, so where there is one, rows
    /// are taken in blocks, and the last columns of a block are one piece, a row a lane; the rows that are left over are done
    /// one by one.
    fn host_rows(&self, domains: &[&Domain], begin: Val<'m>, end: Val<'m>) {
        let (b, i64) = (self.b, self.b.int(64));
        let one = b.const_int(i64, 1);
        let odd: Vec<&Domain> = domains.iter().copied().filter(|d| has_last_column(d)).collect();
        if odd.is_empty() {
            b.for_loop(begin, end, one, |_, row| self.scoped(|| self.host_row(domains, row, true)));
            return;
        }
        let block = b.const_int(i64, BLOCK_ROWS as i64);
        let count = b.subi(end, begin);
        let whole = b.subi(count, b.andi(count, b.const_int(i64, BLOCK_ROWS as i64 - 1)));
        let middle = b.addi(begin, whole);
        b.for_loop(begin, middle, block, |_, first| {
            // The last columns come first: their stores ask for all cache lines of the block.
            self.scoped(|| {
                for domain in &odd {
                    let rows = (0..BLOCK_ROWS).map(|lane| Ix::value(first, 1).offset(lane)).collect();
                    self.piece(domain, &Index::new(rows, vec![Ix::constant(domain.cols - 1)], None));
                }
            });
            self.rows_of_block(first, |row| self.host_row(domains, row, true));
        });
        b.for_loop(middle, end, one, |_, row| self.scoped(|| self.host_row(domains, row, false)));
    }

    /// Runs `body` for each row of a block.
    fn rows_of_block(&self, first: Val<'m>, body: impl FnOnce(Val<'m>)) {
        let (b, i64) = (self.b, self.b.int(64));
        let one_more = b.const_int(b.lanes_of(b.int(32), BLOCK_ROWS as u32), 1);
        let counted: &[Val<'m>] = if self.has_bound() { &[one_more] } else { &[] };
        let range = (b.const_int(i64, 0), b.const_int(i64, BLOCK_ROWS as i64), b.const_int(i64, 1));
        b.for_loop_carrying(range, counted, |_, place, done| {
            let row = b.addi(first, place);
            self.row_of_block.set(done.first().map(|done| RowOfBlock { row, first, done: *done }));
            self.scoped(|| body(row));
            self.row_of_block.set(None);
            done.iter().map(|done| b.addi(*done, one_more)).collect()
        });
    }

    /// One row, but for a last column by itself if `odd` are done elsewhere: pieces of the domain's width, then of falling
    /// powers of two.
    pub fn host_row(&self, domains: &[&Domain], row: Val<'m>, odd: bool) {
        let row = vec![Ix::value(row, 1)];
        for domain in domains {
            let (Piece::InRow { width } | Piece::Flat { width } | Piece::Rows { width }) = domain.piece;
            let (width, end) = (u64::from(width), domain.cols - u64::from(odd && has_last_column(domain)));
            let mut from = 0;
            if end / width > UNROLLED_PIECES {
                let whole = end / width * width;
                let i64 = |n: u64| self.b.const_int(self.b.int(64), n as i64);
                self.b.for_loop(i64(0), i64(whole), i64(width), |_, first| {
                    let columns = (0..width).map(|lane| Ix::value(first, width).offset(lane)).collect();
                    self.scoped(|| self.piece(domain, &Index::new(row.clone(), columns, None)));
                });
                from = whole;
            }
            while from < end {
                let lanes = width.min(1 << (end - from).ilog2());
                let columns = (from..from + lanes).map(Ix::constant).collect();
                self.piece(domain, &Index::new(row.clone(), columns, None));
                from += lanes;
            }
        }
    }

    // Both.

    /// All stores of a domain at one piece. Everything is read before anything is stored, since an output may lie in an
    /// input that is read at the same row and column.
    pub fn piece(&self, domain: &Domain, index: &Index<'m>) {
        let stores = domain.stores.iter().map(|s| self.kernel.stores[*s as usize]);
        let values: Vec<(Store, Lanes<'m>, Option<Lanes<'m>>)> = stores
            .map(|store| (store, self.evaluate(store.value, index), store.add_at.map(|at| self.evaluate(at, index))))
            .collect();
        for (store, value, at) in values {
            match (store.add_at, at) {
                (Some(id), Some(at)) => self.add_at(store.param, index, (at, self.kernel.value(id).dtype), value),
                _ => self.store(store.param, index, value),
            }
        }
    }

    /// Values that are the same for the whole launch are emitted before any loop or condition.
    pub fn evaluate_uniforms(&self) {
        let nowhere = Index::new(vec![Ix::constant(0)], vec![Ix::constant(0)], None);
        for (id, value) in self.kernel.values() {
            if self.is_reached(id) && !value.space.per_row && value.space.cols == 1 {
                self.evaluate(id, &nowhere);
            }
        }
    }

    /// One parameter for each slot, with what is promised of its memory.
    pub fn parameters(&self) -> Vec<Parameter<'m>> {
        let parameter = |slot: &Slot| match slot {
            Slot::Pointer(id) => {
                let param = self.kernel.param(*id);
                // Without these two promises on inputs none of their loads counts as invariant, which would let the
                // assembler move it before the wait. Outputs keep theirs, so that loads still move across stores.
                let waits = self.dependent_launch && param.role == Role::Input;
                Parameter {
                    ty: self.b.pointer(),
                    noalias: !self.is_aliased(*id) && !waits,
                    readonly: param.role == Role::Input && !waits,
                    align: if self.variant.aligned { 16 } else { 1 },
                }
            }
            Slot::Stride(..) | Slot::Extent(_) => Parameter::plain(self.b.int(64)),
        };
        self.slots.iter().map(parameter).collect()
    }
}

/// Whether falling powers of two leave a row's last column by itself on the host.
fn has_last_column(domain: &Domain) -> bool {
    domain.cols > 1 && domain.cols % 2 == 1
}
