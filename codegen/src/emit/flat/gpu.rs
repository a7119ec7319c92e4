//! Flat schedules on a GPU: each thread has one piece of every domain.

use crate::emit::entry_point;
use crate::emit::peephole::streamed_load::StreamedLoad;
use crate::emit::peephole::{Peephole, Peepholes, chosen};
use crate::emit::pull::arguments::Arguments;
use crate::emit::pull::arithmetic::Indexing;
use crate::emit::pull::index::{Index, Ix, gcd, key};
use crate::emit::pull::job::Job;
use crate::emit::pull::known::Lanes;
use crate::emit::pull::scopes::{ScopedMap, Scopes};
use crate::emit::pull::store::Pulled;
use crate::emit::pull::types::value_type;
use crate::emit::pull::{Pull, Shortcut, Ways};
use crate::machine::Warps;
use crate::mlir::builder::{Builder, Coordinate, IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::Layout;
use routefuse_ir::kernel::schedule::{Domain, Piece};
use routefuse_ir::kernel::{ParamId, ValueId, ValueKind};
use std::rc::Rc;

/// Emits the kernel.
pub(in crate::emit) fn emit(
    job: Job<'_, '_>,
    warps: &dyn Warps,
    threads: u32,
    domains: &[Domain],
    peepholes: Peepholes,
) {
    entry_point::gpu(job, (threads, 0), None, |arguments| body(job, warps, threads, domains, peepholes, arguments));
}

fn body<'m>(
    job: Job<'_, 'm>,
    warps: &dyn Warps,
    threads: u32,
    domains: &[Domain],
    peepholes: Peepholes,
    arguments: Arguments<'m>,
) {
    let b = job.b;
    let scopes = Scopes::new();
    let forks = Forks::new(&scopes);
    let mut shortcuts: Vec<&dyn Shortcut<'m>> = vec![&forks];
    shortcuts.extend(chosen(peepholes, &[(Peephole::StreamedLoad, &StreamedLoad)]));
    let pull = Pull::new(job, scopes, arguments, Ways { shortcuts: &shortcuts, widen_bf16: None });
    warps.let_next_begin(b);
    warps.wait_for_inputs(b);
    let first = b.muli(b.coordinate(Coordinate::Block), b.const_int(b.int(64), i64::from(threads)));
    let thread = pull.ix.of_long(b.addi(first, b.coordinate(Coordinate::Thread)));
    pull.evaluate_uniforms();
    let owner = FlatGpu { b, ix: Rc::clone(&pull.ix), pull, forks: &forks };
    for domain in domains {
        owner.piece(domain, Ix::value(thread, 1));
    }
}

/// Emits the pieces of a kernel that is a phase of another, those of the threads `thread`, `thread + threads`, … of a launch of
/// its own: both `i64`, and the first one less than the second.
pub(in crate::emit) fn pieces<'m>(
    job: Job<'_, 'm>,
    domains: &[Domain],
    arguments: Arguments<'m>,
    (thread, threads): (Val<'m>, Val<'m>),
) {
    let b = job.b;
    let scopes = Scopes::new();
    let forks = Forks::new(&scopes);
    let shortcuts: Vec<&dyn Shortcut<'m>> = vec![&forks];
    let pull = Pull::new(job, Rc::clone(&scopes), arguments, Ways { shortcuts: &shortcuts, widen_bf16: None });
    pull.evaluate_uniforms();
    let ix = Rc::clone(&pull.ix);
    let owner = FlatGpu { b, ix: Rc::clone(&ix), pull, forks: &forks };
    let (thread, threads) = (ix.of_long(thread), ix.of_long(threads));
    for domain in domains {
        let (times, parts) = domain.pieces_of_a_row();
        let all = ix.times(Ix::value(owner.pull.memory.rows(), 1), times);
        // Parts are a power of two.
        let count = b.shrui(ix.materialise(all.offset(parts - 1)), ix.constant(parts.trailing_zeros().into()));
        b.for_loop(thread, count, threads, |_, piece| scopes.scoped(|| owner.piece(domain, Ix::value(piece, 1))));
    }
}

/// A row that is one of two, by a condition.
#[derive(Clone, Copy)]
struct Fork<'m> {
    /// `i1`.
    condition: Val<'m>,
    /// The row where it holds.
    then: Ix<'m>,
    /// The row where it does not.
    otherwise: Ix<'m>,
}

/// Rows that are one of two: where a piece lies in few rows, what depends on the row alone is computed once a row.
struct Forks<'m> {
    /// By the identity of the row.
    known: ScopedMap<usize, Fork<'m>>,
}

impl<'m> Forks<'m> {
    fn new(scopes: &Rc<Scopes>) -> Forks<'m> {
        Forks { known: ScopedMap::new(scopes) }
    }

    /// A row that is one of two.
    fn forked(&self, pull: &Pull<'_, 'm>, fork: Fork<'m>) -> Ix<'m> {
        let (then, otherwise) = (pull.ix.materialise(fork.then), pull.ix.materialise(fork.otherwise));
        let row = pull.b.select(fork.condition, then, otherwise);
        self.known.insert(key(row), fork);
        Ix::value(row, 1)
    }

    /// The two that a row is one of.
    fn fork(&self, row: Ix<'m>) -> Option<Fork<'m>> {
        row.base.filter(|_| row.plus == 0).and_then(|base| self.known.get(&key(base)))
    }
}

impl<'m> Shortcut<'m> for Forks<'m> {
    /// The value on lanes that are in few rows and at one column: once for each row. A comparison costs no more than to
    /// choose between two, so it is made on every lane.
    fn value(&self, pull: &Pull<'_, 'm>, id: ValueId, index: &Index<'m>) -> Option<Lanes<'m>> {
        let value = pull.kernel.value(id);
        let is_cheap = match value.kind {
            ValueKind::Scalar(..) => value.dtype == DType::Bool,
            ValueKind::Const(_) | ValueKind::Row | ValueKind::Column | ValueKind::Extent(_) => true,
            _ => false,
        };
        if is_cheap || index.column.len() > 1 {
            return None;
        }
        let forks: Vec<Option<Fork<'m>>> = index.row.iter().map(|row| self.fork(*row)).collect();
        if forks.iter().all(Option::is_none) {
            return None;
        }
        let at = |row: Ix<'m>| pull.evaluate(id, &Index::new(vec![row], index.column.clone(), None));
        let lanes = || index.row.iter().zip(&forks);
        let then: Vec<Lanes<'m>> = lanes().map(|(row, fork)| at(fork.map_or(*row, |f| f.then))).collect();
        let otherwise: Vec<Lanes<'m>> = lanes().map(|(row, fork)| at(fork.map_or(*row, |f| f.otherwise))).collect();
        let conditions = forks.iter().map(|fork| fork.map_or_else(|| pull.b.const_bool(false), |f| f.condition));
        let condition = pull.b.gather_lanes(&conditions.collect::<Vec<_>>());
        Some(pull.lanewise.choose(condition, pull.lanewise.joined(&then), pull.lanewise.joined(&otherwise)))
    }
}

/// The owner.
struct FlatGpu<'a, 'm> {
    b: &'a Builder<'m>,
    pull: Pull<'a, 'm>,
    ix: Rc<Indexing<'a, 'm>>,
    forks: &'a Forks<'m>,
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

impl<'m> FlatGpu<'_, 'm> {
    fn piece(&self, domain: &Domain, thread: Ix<'m>) {
        let (b, rows, cols) = (self.b, Ix::value(self.pull.memory.rows(), 1), domain.cols);
        match domain.piece {
            Piece::InRow { width } => {
                let (width, pieces) = (u64::from(width), cols / u64::from(width));
                let count = self.ix.materialise(self.ix.times(rows, pieces));
                b.if_then(self.less(self.ix.materialise(thread), count), |_| {
                    self.pull.scopes.scoped(|| {
                        let row = self.ix.divide(thread, pieces);
                        let first = self.ix.times(self.ix.remainder(thread, pieces), width);
                        let columns = (0..width).map(|lane| first.offset(lane)).collect();
                        let flat = Some((self.ix.times(thread, width), cols));
                        self.pull.piece(&domain.stores, &Index::new(vec![row], columns, flat));
                    });
                });
            }
            Piece::AcrossRows { width } | Piece::Rows { width } => {
                let first = self.ix.times(thread, u64::from(width));
                let count = self.ix.materialise(self.ix.times(rows, cols));
                b.if_then(self.less(self.ix.materialise(first), count), |_| {
                    self.pull.scopes.scoped(|| self.neighbours(domain, first, u64::from(width), count));
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
            let (row, column) = (self.ix.divide(first, domain.cols), self.ix.remainder(first, domain.cols));
            return self.pull.piece(&domain.stores, &Index::new(vec![row], vec![column], Some(flat)));
        }
        let whole = self.less(self.ix.materialise(first.offset(lanes - 1)), count);
        let piece = Neighbours { index: self.spread_over_rows(flat, lanes), flat, lanes, count, whole };
        self.load_neighbours(domain, &piece);
        let stores = self.pull.pull(&domain.stores, &piece.index, |value| self.before_the_end(&piece, value));
        let mut plain: Vec<(ParamId, ValueId, Val<'m>)> = Vec::new();
        for Pulled { param, id, value, at, puts } in stores {
            b.made_for(id.0, || match at {
                Some((at, dtype)) if puts => {
                    // Behind the end is the last lane again, which puts the same.
                    let (at, value) = (self.before_the_end(&piece, at), self.before_the_end(&piece, value));
                    self.pull.put_at(param, &piece.index, (at, dtype), value);
                }
                Some((at, dtype)) => {
                    let (at, amount) = (self.before_the_end(&piece, at), self.or_zero_behind(&piece, value));
                    self.pull.add_at(param, &piece.index, (at, dtype), amount);
                }
                None => plain.push((param, id, self.pull.bits_to_store(param, lanes as u32, value))),
            });
        }
        let whole = |_: &_| {
            let index = Index { flat: Some(piece.flat), ..piece.index.clone() };
            let write = |(param, id, bits): &(ParamId, ValueId, Val<'m>)| {
                b.made_for(id.0, || self.pull.memory.write(*param, &index, *bits));
            };
            self.pull.scopes.scoped(|| plain.iter().for_each(write));
            vec![]
        };
        // Here the last lane is behind the end, which LLVM shall not see: it would move what the last lane computes, and so its
        // loads, to where the piece is whole, behind the loads of all others.
        let short = |_: &_| {
            let left = b.subi(piece.count, self.ix.materialise(first));
            for lane in 0..lanes {
                let index = piece.index.slice(lane as usize, lane as usize + 1);
                let index = Index { flat: Some((first.offset(lane), domain.cols)), ..index };
                let write = |(param, id, bits): &(ParamId, ValueId, Val<'m>)| {
                    b.made_for(id.0, || self.pull.memory.write(*param, &index, b.extract(*bits, lane as u32)));
                };
                let write_all = || self.pull.scopes.scoped(|| plain.iter().for_each(write));
                match lane {
                    0 => write_all(),
                    _ => b.if_then(self.less(self.ix.constant(lane), left), |_| write_all()),
                }
            }
            vec![]
        };
        b.if_then_else(piece.whole, &[], whole, short);
    }

    /// Rows and columns of `lanes` neighbours. They lie in few rows, so one division is enough: a lane is behind as many ends of
    /// rows as its distance from the first lane has rows, or one more.
    fn spread_over_rows(&self, (first, cols): (Ix<'m>, u64), lanes: u64) -> Index<'m> {
        let b = self.b;
        let (row, column) = (self.ix.divide(first, cols), self.ix.remainder(first, cols));
        // Lanes that are always in the same row.
        let together = gcd(lanes, cols);
        let last = b.subi(self.pull.memory.rows(), self.ix.constant(1));
        let mut rows = vec![row];
        for more in 1..=(cols - together + lanes - 1) / cols {
            rows.push(Ix::value(b.minui(self.ix.materialise(row.offset(more)), last), 1));
        }
        let (mut row_of, mut column_of) = (Vec::new(), Vec::new());
        for lane in (0..lanes).step_by(together as usize) {
            let (more, distance) = ((lane / cols) as usize, lane % cols);
            let (row, column) = match column.base {
                Some(base) if distance > 0 => {
                    let wraps = b.cmpi(IntPredicate::Uge, base, self.ix.constant(cols - distance));
                    let fork = Fork { condition: wraps, then: rows[more + 1], otherwise: rows[more] };
                    let change =
                        b.select(wraps, self.ix.constant(distance.wrapping_sub(cols)), self.ix.constant(distance));
                    (self.forks.forked(&self.pull, fork), Ix::value(b.addi(base, change), together))
                }
                _ => (rows[more], column),
            };
            row_of.extend((0..together).map(|_| row));
            column_of.extend((0..together).map(|lane| column.offset(lane)));
        }
        Index::new(row_of, column_of, None)
    }

    /// Inputs that are read at the very index of the stores: neighbours, where none is behind the end.
    fn load_neighbours(&self, domain: &Domain, piece: &Neighbours<'m>) {
        let loads = self.loads_in_place(domain);
        if loads.is_empty() {
            return;
        }
        let types: Vec<_> = loads
            .iter()
            .map(|(_, p)| self.b.lanes_of(value_type(self.b, self.pull.kernel.param(*p).ty.dtype), piece.lanes as u32))
            .collect();
        let load = |index: &Index<'m>| {
            self.pull.scopes.scoped(|| loads.iter().map(|(_, p)| self.pull.load(*p, index).value).collect())
        };
        let neighbours = Index { flat: Some(piece.flat), ..piece.index.clone() };
        let values = self.b.if_then_else(piece.whole, &types, |_| load(&neighbours), |_| load(&piece.index));
        for ((id, _), value) in loads.iter().zip(values) {
            self.pull.remember(*id, &piece.index, Lanes::exact(value, piece.lanes as u32));
        }
    }

    /// The loads of inputs without gaps, with as many columns as the domain, that are asked for where its stores are.
    fn loads_in_place(&self, domain: &Domain) -> Vec<(ValueId, ParamId)> {
        let mut reached = vec![false; self.pull.kernel.values.len()];
        for store in domain.stores.iter().map(|s| self.pull.kernel.stores[*s as usize]) {
            store.operands().for_each(|v| reached[v.0 as usize] = true);
        }
        let mut loads = Vec::new();
        // Users come before operands.
        for (id, value) in
            self.pull.kernel.values().rev().filter(|(_, v)| v.space.per_row && v.space.cols == domain.cols)
        {
            if !reached[id.0 as usize] {
                continue;
            }
            let same_index: &[ValueId] = match &value.kind {
                ValueKind::Load(param) if self.pull.kernel.param(*param).layout == Layout::Contiguous => {
                    loads.push((id, *param));
                    &[]
                }
                ValueKind::Scalar(_, operands) => operands,
                ValueKind::Gather { indices, .. } => indices,
                ValueKind::GatherRow { index, .. } => std::slice::from_ref(index),
                _ => &[],
            };
            same_index.iter().for_each(|v| reached[v.0 as usize] = true);
        }
        loads
    }

    /// Whether the lane is before the end.
    fn is_before_the_end(&self, piece: &Neighbours<'m>, lane: u64) -> Val<'m> {
        self.less(self.ix.materialise(piece.flat.0.offset(lane)), piece.count)
    }

    /// For every lane whether it is before the end; the first is.
    fn lanes_before_the_end(&self, piece: &Neighbours<'m>) -> Val<'m> {
        let more = (1..piece.lanes).map(|lane| self.is_before_the_end(piece, lane));
        self.b.gather_lanes(&std::iter::once(self.b.const_bool(true)).chain(more).collect::<Vec<_>>())
    }

    /// A gather behind the end does not trap.
    fn before_the_end(&self, piece: &Neighbours<'m>, value: Lanes<'m>) -> Lanes<'m> {
        let trap =
            |trap| self.b.andi(self.pull.lanewise.spread(trap, piece.lanes as u32), self.lanes_before_the_end(piece));
        Lanes { trap: value.trap.map(trap), ..value }
    }

    /// Zero behind the end.
    fn or_zero_behind(&self, piece: &Neighbours<'m>, value: Lanes<'m>) -> Lanes<'m> {
        let all = self.pull.lanewise.spread(value.value, piece.lanes as u32);
        let zero = self.b.const_zero(self.b.type_of(all));
        let value_or_zero = self.b.select(self.lanes_before_the_end(piece), all, zero);
        Lanes { value: value_or_zero, lanes: piece.lanes as u32, ..value }
    }
}
