//! Which lane has which column, and in which of its registers.

use crate::emit::pull::arithmetic::Indexing;
use crate::emit::pull::index::{Index, Ix};
use crate::machine::team::Team;
use crate::mlir::builder::{Builder, IntPredicate, Val};
use routefuse_ir::kernel::schedule::laid::{Asker, Laid, asked};
use routefuse_ir::kernel::schedule::{Domain, RowShape};
use routefuse_ir::kernel::{Kernel, RowOp};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Columns in segments, over the lanes of a row: the numbers are those of a [`Laid`], which says what they mean.
pub(super) struct Spread<'m> {
    /// Segments of the space.
    pub segments: u64,
    /// Columns of a segment.
    pub width: u64,
    /// Lanes of a segment, a power of two.
    pub span: u32,
    /// Columns of a segment that a lane has.
    pub registers: u32,
    /// So many of them are neighbours, a divisor of `registers`; a power of two where it is less.
    pub run: u32,
    /// Segments side by side, a power of two.
    pub side: u32,
    /// Times that `side` segments make them all.
    pub turns: u32,
    /// By turn, then by register.
    pub columns: Vec<Column<'m>>,
    /// The segment of each turn.
    pub owned: Vec<Ix<'m>>,
    /// The own lane's number among those of its segment, `i32`.
    pub member: Val<'m>,
    /// This lane is no repetition of another that has the same one segment; none if it is certain.
    pub first: Option<Val<'m>>,
    laid: Laid,
}

/// What a lane has in one register.
#[derive(Clone, Copy)]
pub(super) struct Column<'m> {
    /// A column of the space, never past its end.
    pub at: Ix<'m>,
    /// Whether it is the lane's own and no copy; none if it is certain.
    pub valid: Option<Val<'m>>,
}

impl<'m> Spread<'m> {
    /// The columns at a row.
    pub fn index(&self, row: Ix<'m>) -> Index<'m> {
        Index::new(vec![row], self.columns.iter().map(|c| c.at).collect(), None)
    }

    /// The column of a segment that its first lane has in this register.
    pub fn first_column(&self, register: u32) -> u32 {
        self.laid.first(u64::from(register)) as u32
    }

    /// The registers of one turn.
    pub fn turn(&self, turn: u32) -> std::ops::Range<usize> {
        let registers = self.registers as usize;
        turn as usize * registers..(turn as usize + 1) * registers
    }
}

/// The spreads of a kernel: all values of as many segments of as many columns have one, so that they share what they ask for.
pub(super) struct Spreads<'a, 'm> {
    b: &'a Builder<'m>,
    kernel: &'a Kernel,
    ix: Rc<Indexing<'a, 'm>>,
    team: Rc<Team<'a, 'm>>,
    shape: RowShape,
    /// By segments and their columns.
    known: RefCell<HashMap<(u64, u64), Rc<Spread<'m>>>>,
}

impl<'a, 'm> Spreads<'a, 'm> {
    pub fn new(
        b: &'a Builder<'m>,
        kernel: &'a Kernel,
        ix: &Rc<Indexing<'a, 'm>>,
        team: &Rc<Team<'a, 'm>>,
        shape: RowShape,
    ) -> Spreads<'a, 'm> {
        Spreads { b, kernel, ix: Rc::clone(ix), team: Rc::clone(team), shape, known: RefCell::default() }
    }

    /// Emits every spread that the kernel needs, before any loop.
    pub fn declare(&self, domains: &[Domain]) {
        let lanes = u64::from(self.team.lanes);
        for (asker, segments, width) in asked(self.kernel, domains) {
            let spread = self.of(segments, width);
            if let Asker::Operand(id) = asker
                && self.kernel.value(id).kind.row_value().is_some_and(|row| matches!(row.op, RowOp::TopK { .. }))
            {
                self.team.prepare_first(spread.span);
            }
        }
        // Of several narrow values side by side, the first has its own columns at the same lanes: what is asked of it outside
        // of them may be anything.
        let mut narrow: Vec<u64> = self.kernel.values.iter().map(|v| v.space.cols).collect();
        narrow.extend(domains.iter().map(|d| d.cols));
        narrow.retain(|cols| *cols > 1);
        narrow.sort_unstable();
        narrow.dedup();
        narrow.retain(|cols| *cols <= lanes || Laid::of(self.kernel, self.shape, 1, *cols).run == 1);
        for (i, wide) in narrow.iter().enumerate() {
            let wide = self.of(1, *wide);
            for part in &narrow[..i] {
                let part = self.of(1, *part);
                for (wide, own) in wide.columns.iter().zip(&part.columns) {
                    if let (Some(base), Some(own)) = (wide.at.base, own.at.base) {
                        self.ix.know_within(base, part.width, own);
                    }
                }
            }
        }
    }

    /// The spread of so many segments of so many columns.
    pub fn of(&self, segments: u64, width: u64) -> Rc<Spread<'m>> {
        if let Some(known) = self.known.borrow().get(&(segments, width)) {
            return known.clone();
        }
        let spread = Rc::new(self.made(segments, width));
        self.known.borrow_mut().insert((segments, width), spread.clone());
        spread
    }

    /// The same columns as one segment, where each lane has a segment of its own.
    pub fn side_by_side(&self, of: &Spread<'m>) -> Spread<'m> {
        let (span, width) = (of.side, of.segments * of.width);
        let laid = Laid { segments: 1, width, span: u64::from(span), side: 1, ..of.laid };
        let (columns, owned) = (of.columns.clone(), vec![Ix::constant(0)]);
        Spread { segments: 1, width, span, side: 1, columns, owned, member: self.team.lane, first: None, laid, ..*of }
    }

    /// For one segment of few columns: where each of them is a segment of the row that lanes own side by side, several lanes
    /// each.
    pub fn owners(&self, spread: &Spread<'m>) -> Option<Rc<Spread<'m>>> {
        if spread.segments > 1 || spread.width == 1 || self.team.is_block() {
            return None;
        }
        let known = self.known.borrow();
        let mut found: Vec<&Rc<Spread<'m>>> =
            known.values().filter(|s| s.segments == spread.width && s.turns == 1 && s.span > 1).collect();
        // In an order that does not hang on the table's.
        found.sort_by_key(|s| s.width);
        found.first().copied().cloned()
    }

    fn made(&self, segments: u64, width: u64) -> Spread<'m> {
        let (b, team) = (self.b, &self.team);
        let laid = Laid::of(self.kernel, self.shape, segments, width);
        let Laid { span, registers, run, side, turns, .. } = laid;
        let all = side == 1;
        let member = if all { team.lane } else { b.andi(team.lane, self.word(span - 1)) };
        // A lane that has a segment by itself is that segment's number, and not one that is equal to it.
        let of_span =
            || if span == 1 { team.lane } else { b.shrui(team.lane, self.word(u64::from(span.trailing_zeros()))) };
        let neighbour = (!all).then(of_span);
        let in_segment = self.in_segment(laid, member);
        let (mut columns, mut owned) = (vec![], vec![]);
        for turn in 0..turns {
            let (of_turn, segment) = self.of_turn(laid, turn, neighbour, &in_segment);
            columns.extend(of_turn);
            owned.push(segment);
        }
        let first = (segments == 1 && !all).then(|| self.below(team.lane, span));
        let (span, registers, run) = (span as u32, registers as u32, run as u32);
        let (side, turns) = (side as u32, turns as u32);
        Spread { segments, width, span, registers, run, side, turns, columns, owned, member, first, laid }
    }

    /// A lane's columns in a segment, whichever that is.
    fn in_segment(&self, laid: Laid, member: Val<'m>) -> Vec<Column<'m>> {
        let (b, Laid { width, span, registers, run, .. }) = (self.b, laid);
        if run < registers {
            // One for all registers of a run, whose columns are seen to be neighbours by it.
            let mut clamped = (span, member);
            let column = |register| {
                let having = laid.having(register);
                if having > 1 && having != clamped.0 {
                    clamped = (having, if having < span { b.minui(member, self.word(having - 1)) } else { member });
                }
                self.in_run(laid, member, clamped.1, register)
            };
            return (0..registers).map(column).collect();
        }
        let having = |register: u64| laid.having(register);
        let most = having(0);
        let clamped = if most < span { b.minui(member, self.word(most - 1)) } else { member };
        let within = if span == 1 { Ix::constant(0) } else { self.ix.times(self.ix.of_word(clamped), registers) };
        let column = |register: u64| {
            let valid = (having(register) < span).then(|| self.below(member, having(register)));
            let at = within.offset(laid.first(register));
            // The last lane with columns may have fewer than the others.
            let at = if having(register) < most {
                let last = b.minui(self.ix.materialise(at), self.ix.constant(width - 1));
                Ix::value(last, 1)
            } else {
                at
            };
            Column { at, valid }
        };
        (0..registers).map(column).collect()
    }

    /// A lane's column in one of its registers, where the columns come in runs. `clamped` is the lane, or the last one that has such
    /// a column.
    fn in_run(&self, laid: Laid, member: Val<'m>, clamped: Val<'m>, register: u64) -> Column<'m> {
        let Laid { width, span, run, .. } = laid;
        let (first, having) = (laid.first(register), laid.having(register));
        let valid = (having < span).then(|| match having {
            0 => self.b.const_bool(false),
            _ => self.below(member, having),
        });
        let at = match having {
            0 => Ix::constant(width - 1),
            1 => Ix::constant(first),
            _ => {
                let at = self.ix.times(self.ix.of_word(clamped), run).offset(first);
                if run > 1 {
                    at
                } else {
                    // One index, by which other values' columns are known; and how large it may be.
                    let at = self.ix.materialise(at);
                    self.ix.know_end(at, first + having);
                    Ix::value(at, 1)
                }
            }
        };
        Column { at, valid }
    }

    /// A lane's columns in one turn, and their segment.
    fn of_turn(
        &self,
        laid: Laid,
        turn: u64,
        neighbour: Option<Val<'m>>,
        in_segment: &[Column<'m>],
    ) -> (Vec<Column<'m>>, Ix<'m>) {
        let (b, Laid { segments, width, span, registers, run, side, .. }) = (self.b, laid);
        let first = turn * side;
        let left = segments - first;
        let (segment, valid) = match neighbour {
            None => (Ix::constant(first), None),
            Some(_) if segments == 1 => (Ix::constant(0), None),
            Some(neighbour) if left >= side => (self.ix.of_word(neighbour).offset(first), None),
            Some(neighbour) => {
                let clamped = b.minui(neighbour, self.word(left - 1));
                (self.ix.of_word(clamped).offset(first), Some(self.below(neighbour, left)))
            }
        };
        // Columns follow from the lane's number without the segment's.
        let linear = width == span * registers
            && (segments > 1 || side == 1)
            && left >= side
            && run == registers
            && side * span > 1;
        let base = if linear {
            self.ix.times(self.ix.of_word(self.team.lane), registers).offset(first * width)
        } else {
            self.ix.times(segment, width)
        };
        let column = |(register, within): (u64, &Column<'m>)| {
            let at = if linear { base.offset(register) } else { self.ix.add(base, within.at) };
            let valid = match (valid, within.valid) {
                (Some(x), Some(y)) => Some(b.andi(x, y)),
                (x, y) => x.or(y),
            };
            Column { at, valid }
        };
        let columns: Vec<Column<'m>> = (0..registers).zip(in_segment).map(column).collect();
        // What is asked of a column's segment is known without a division.
        let at = columns[0].at;
        if let (Some(base), Some(segment_base)) = (at.base, segment.base)
            && at.plus == first * width
            && first == 0
        {
            self.ix.know_quotient(base, width, segment_base);
        }
        let owned = if linear && first == 0 { self.ix.divide(at, width) } else { segment };
        (columns, owned)
    }

    fn word(&self, value: u64) -> Val<'m> {
        self.b.const_int(self.b.int(32), value as i64)
    }

    fn below(&self, x: Val<'m>, end: u64) -> Val<'m> {
        self.b.cmpi(IntPredicate::Ult, x, self.word(end))
    }
}
