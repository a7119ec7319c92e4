//! A GPU's threads: each has one piece of every domain.

use crate::emit::pull::Emitter;
use crate::emit::pull::index::{Index, Ix, gcd};
use crate::emit::pull::known::Lanes;
use crate::mlir::builder::{IntPredicate, Place, Val};
use routefuse_ir::graph::Layout;
use routefuse_ir::kernel::abi::ENTRY;
use routefuse_ir::kernel::schedule::{Domain, Piece, Schedule};
use routefuse_ir::kernel::{ParamId, ValueId, ValueKind};

/// A row that is one of two, by a condition.
#[derive(Clone, Copy)]
pub(in crate::emit) struct Fork<'m> {
    /// `i1`.
    pub condition: Val<'m>,
    /// The row where it holds.
    pub then: Ix<'m>,
    /// The row where it does not.
    pub otherwise: Ix<'m>,
}

/// Neighbouring elements in row-major order, of which the last may lie behind the end.
struct Neighbours<'m> {
    /// Rows and columns of the elements. Behind the end is some element of the last row, so that it can be read.
    index: Index<'m>,
    /// The first element, and columns of a row.
    flat: (Ix<'m>, u64),
    lanes: u64,
    /// The number of elements in all.
    count: Val<'m>,
    /// Whether all lanes are before the end, `i1`.
    whole: Val<'m>,
}

impl<'m> Emitter<'_, 'm> {
    /// The kernel.
    pub fn device(&self, schedule: &Schedule) {
        let Schedule::Flat { threads, domains } = schedule else { return };
        self.b.gpu_kernel(ENTRY, *threads, &self.parameters(), |b, arguments| {
            *self.arguments.borrow_mut() = arguments.to_vec();
            if self.dependent_launch {
                b.wait_for_dependencies();
            }
            let first = b.muli(b.place(Place::Block), b.const_int(b.int(64), i64::from(*threads)));
            let thread = b.addi(first, b.place(Place::Thread));
            let thread = if self.variant.narrow { b.trunci(thread, self.index_type()) } else { thread };
            self.evaluate_uniforms();
            for domain in domains {
                self.device_piece(domain, Ix::value(thread, 1));
            }
        });
    }

    fn device_piece(&self, domain: &Domain, thread: Ix<'m>) {
        let (b, rows, cols) = (self.b, Ix::value(self.rows(), 1), domain.cols);
        match domain.piece {
            Piece::InRow { width } => {
                let (width, pieces) = (u64::from(width), cols / u64::from(width));
                let count = self.materialise(self.times(rows, pieces));
                b.if_then(self.less(self.materialise(thread), count), |_| {
                    self.scoped(|| {
                        let row = self.divide(thread, pieces);
                        let first = self.times(self.remainder(thread, pieces), width);
                        let columns = (0..width).map(|lane| first.offset(lane)).collect();
                        let flat = Some((self.times(thread, width), cols));
                        self.piece(domain, &Index::new(vec![row], columns, flat));
                    });
                });
            }
            Piece::Flat { width } | Piece::Rows { width } => {
                let first = self.times(thread, u64::from(width));
                let count = self.materialise(self.times(rows, cols));
                b.if_then(self.less(self.materialise(first), count), |_| {
                    self.scoped(|| self.neighbours(domain, first, u64::from(width), count));
                });
            }
        }
    }

    fn less(&self, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        self.b.cmpi(IntPredicate::Ult, x, y)
    }

    /// The piece of `lanes` elements from the first one on, which is before the end.
    ///
    /// Only the very last piece may be short. A copy of the code for it would be as long as the code itself, so it is the
    /// same code, which computes something for the lanes behind the end as well; loads and stores of neighbours are where
    /// the two part.
    fn neighbours(&self, domain: &Domain, first: Ix<'m>, lanes: u64, count: Val<'m>) {
        let (b, flat) = (self.b, (first, domain.cols));
        if lanes == 1 {
            let place = |of: Ix<'m>| vec![of];
            let (row, column) = (self.divide(first, domain.cols), self.remainder(first, domain.cols));
            return self.piece(domain, &Index::new(place(row), place(column), Some(flat)));
        }
        let whole = self.less(self.materialise(first.offset(lanes - 1)), count);
        let piece = Neighbours { index: self.spread_over_rows(flat, lanes), flat, lanes, count, whole };
        self.load_neighbours(domain, &piece);
        let mut stores = Vec::new();
        for store in domain.stores.iter().map(|s| self.kernel.stores[*s as usize]) {
            let value = self.before_the_end(&piece, self.evaluate(store.value, &piece.index));
            let at = store.add_at.map(|at| (self.evaluate(at, &piece.index), self.kernel.value(at).dtype));
            stores.push((store.param, value, at));
        }
        let mut plain: Vec<(ParamId, Val<'m>)> = Vec::new();
        for (param, value, at) in stores {
            match at {
                Some((at, dtype)) => {
                    let (at, amount) = (self.before_the_end(&piece, at), self.or_zero_behind(&piece, value));
                    self.add_at(param, &piece.index, (at, dtype), amount);
                }
                None => plain.push((param, self.bits_to_store(param, lanes as u32, value))),
            }
        }
        let whole = |_: &_| {
            let index = Index { flat: Some(piece.flat), ..piece.index.clone() };
            self.scoped(|| plain.iter().for_each(|(param, bits)| self.write(*param, &index, *bits)));
            vec![]
        };
        // Here the last lane is behind the end, which LLVM shall not see: it would move what the last lane computes, and so its
        // loads, to where the piece is whole, behind the loads of all others.
        let short = |_: &_| {
            let left = b.subi(piece.count, self.materialise(first));
            for lane in 0..lanes {
                let index = piece.index.slice(lane as usize, lane as usize + 1);
                let index = Index { flat: Some((first.offset(lane), domain.cols)), ..index };
                let write =
                    |(param, bits): &(ParamId, Val<'m>)| self.write(*param, &index, b.extract(*bits, lane as u32));
                let write_all = || self.scoped(|| plain.iter().for_each(write));
                match lane {
                    0 => write_all(),
                    _ => b.if_then(self.less(self.index_const(lane), left), |_| write_all()),
                }
            }
            vec![]
        };
        b.if_then_else(piece.whole, &[], whole, short);
    }

    /// The places of `lanes` neighbours. They lie in few rows, so one division is enough: a lane is behind as many ends of
    /// rows as its distance from the first lane has rows, or one more.
    fn spread_over_rows(&self, (first, cols): (Ix<'m>, u64), lanes: u64) -> Index<'m> {
        let b = self.b;
        let (row, column) = (self.divide(first, cols), self.remainder(first, cols));
        // Lanes that are always in the same row.
        let together = gcd(lanes, cols);
        let last = b.subi(self.rows(), self.index_const(1));
        let mut rows = vec![row];
        for more in 1..=(cols - together + lanes - 1) / cols {
            rows.push(Ix::value(b.minui(self.materialise(row.offset(more)), last), 1));
        }
        let (mut row_of, mut column_of) = (Vec::new(), Vec::new());
        for group in (0..lanes).step_by(together as usize) {
            let (more, distance) = ((group / cols) as usize, group % cols);
            let (row, column) = match column.base {
                Some(base) if distance > 0 => {
                    let wraps = b.cmpi(IntPredicate::Uge, base, self.index_const(cols - distance));
                    let fork = Fork { condition: wraps, then: rows[more + 1], otherwise: rows[more] };
                    let step =
                        b.select(wraps, self.index_const(distance.wrapping_sub(cols)), self.index_const(distance));
                    (self.forked(fork), Ix::value(b.addi(base, step), together))
                }
                _ => (rows[more], column),
            };
            row_of.extend((0..together).map(|_| row));
            column_of.extend((0..together).map(|lane| column.offset(lane)));
        }
        Index::new(row_of, column_of, None)
    }

    /// Inputs that are read at the very place of the stores: neighbours, where none is behind the end.
    fn load_neighbours(&self, domain: &Domain, piece: &Neighbours<'m>) {
        let loads = self.loads_in_place(domain);
        if loads.is_empty() {
            return;
        }
        let types: Vec<_> = loads
            .iter()
            .map(|(_, p)| self.b.lanes_of(self.value_type(self.kernel.param(*p).ty.dtype), piece.lanes as u32))
            .collect();
        let load = |index: &Index<'m>| self.scoped(|| loads.iter().map(|(_, p)| self.load(*p, index).value).collect());
        let neighbours = Index { flat: Some(piece.flat), ..piece.index.clone() };
        let values = self.b.if_then_else(piece.whole, &types, |_| load(&neighbours), |_| load(&piece.index));
        for ((id, _), value) in loads.iter().zip(values) {
            self.remember(*id, self.seen_by(*id, &piece.index).key(), Lanes::exact(value, piece.lanes as u32));
        }
    }

    /// The loads of inputs without gaps, with as many columns as the domain, that are asked for where its stores are.
    fn loads_in_place(&self, domain: &Domain) -> Vec<(ValueId, ParamId)> {
        let mut reached = vec![false; self.kernel.values.len()];
        for store in domain.stores.iter().map(|s| self.kernel.stores[*s as usize]) {
            reached[store.value.0 as usize] = true;
            if let Some(at) = store.add_at {
                reached[at.0 as usize] = true;
            }
        }
        let mut loads = Vec::new();
        // Users come before operands.
        for (id, value) in self.kernel.values().rev().filter(|(_, v)| v.space.per_row && v.space.cols == domain.cols) {
            if !reached[id.0 as usize] {
                continue;
            }
            let same_place: &[ValueId] = match &value.kind {
                ValueKind::Load(param) if self.kernel.param(*param).layout == Layout::Contiguous => {
                    loads.push((id, *param));
                    &[]
                }
                ValueKind::Scalar(_, operands) => operands,
                ValueKind::Gather { indices, .. } => indices,
                ValueKind::GatherRow { index, .. } => std::slice::from_ref(index),
                _ => &[],
            };
            same_place.iter().for_each(|v| reached[v.0 as usize] = true);
        }
        loads
    }

    /// Whether the lane is before the end.
    fn is_before_the_end(&self, piece: &Neighbours<'m>, lane: u64) -> Val<'m> {
        self.less(self.materialise(piece.flat.0.offset(lane)), piece.count)
    }

    /// For every lane whether it is before the end; the first is.
    fn lanes_before_the_end(&self, piece: &Neighbours<'m>) -> Val<'m> {
        let more = (1..piece.lanes).map(|lane| self.is_before_the_end(piece, lane));
        self.b.gather_lanes(&std::iter::once(self.b.const_bool(true)).chain(more).collect::<Vec<_>>())
    }

    /// A gather behind the end does not trap.
    fn before_the_end(&self, piece: &Neighbours<'m>, value: Lanes<'m>) -> Lanes<'m> {
        let trap = |trap| self.b.andi(self.spread(trap, piece.lanes as u32), self.lanes_before_the_end(piece));
        Lanes { trap: value.trap.map(trap), ..value }
    }

    /// Zero behind the end.
    fn or_zero_behind(&self, piece: &Neighbours<'m>, value: Lanes<'m>) -> Lanes<'m> {
        let all = self.spread(value.value, piece.lanes as u32);
        let zero = self.b.const_zero(self.b.type_of(all));
        let value_or_zero = self.b.select(self.lanes_before_the_end(piece), all, zero);
        Lanes { value: value_or_zero, lanes: piece.lanes as u32, ..value }
    }
}
