//! A lane's many columns, piece by piece in a loop.
//!
//! Where a lane has many columns, and what is made of each takes many instructions, straight code is as long as all of them together: the
//! assembler takes longer than a whole start should, and all of it lies in registers at once. A loop over the lane's runs makes the
//! same of a run at a time. What it takes and what it gives lies where the lane's keys do, in shared memory: first the elements that
//! memory was asked for, all at once; then powers of which a sum is made; then the keys of the selection, which
//! [lists](super::sorted) are sorted from. No other lane reads or writes there meanwhile.
//!
//! ```text
//! words of a lane     0 … 7 │ 8 … 15 │ …                  │ elements of 16 bits, two a word, behind the middle
//! after a turn        made  │ elements                    │ those of the first run are no longer needed
//! ```

use super::RowGpu;
use super::columns_of_keys::{LaneKeys, Wanted};
use super::quick_keys::Doubt;
use super::spread::Spread;
use super::topk::hangs_on_a_sum;
use crate::emit::pull::index::{Index, Ix};
use crate::emit::pull::known::{Lanes, Nans};
use crate::emit::pull::types::value_type;
use crate::emit::row::Selection;
use crate::machine::cells::Giving;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::kernel::schedule::Selecting;
use routefuse_ir::kernel::schedule::sorted::RUN;
use routefuse_ir::kernel::{RowOp, ValueId, ValueKind, analysis};
use routefuse_ir::op::{BinaryOp, Candidates, ScalarOp, TopKOrder};
use std::cell::Cell;

/// Columns of a lane that are made in straight code.
const MOST_STRAIGHT: u32 = 32;

/// Lanes of a row at least. On an H200, with lists that are sorted in straight code behind it, 65,536 rows of LongCat-Flash took 120.6 µs
/// in place of 122.3, and 4,096 took 10.0 in place of 10.7; no GPU has run rows of fewer lanes so.
const LEAST_LANES: u32 = 16;

/// What a column must take to be made so, by [`analysis::cost`]: else to write it and to read it is as much.
const LEAST_COST: u64 = 12;

/// Columns of a piece: a run, which is loaded at once.
const PIECE: u32 = RUN as u32;

impl<'m> RowGpu<'_, 'm> {
    /// Whether lanes have so many columns of this spread that what is made of them is made piece by piece.
    pub(super) fn is_in_pieces(&self, spread: &Spread<'m>) -> bool {
        let has_keys = self.shape.selecting == Selecting::Sorted && !self.team.has_places();
        let one = spread.segments == 1 && spread.span == self.team.lanes;
        let in_runs = spread.run == PIECE && spread.width.is_multiple_of(RUN);
        let chosen = self
            .pull
            .kernel
            .values
            .iter()
            .filter_map(|v| v.kind.row_value())
            .filter(|row| matches!(row.op, RowOp::TopK { .. } | RowOp::TopKMask { .. } | RowOp::Rank { .. }));
        self.pull.machine.rolls_long_code()
            && !self.by_the_letter.get()
            && has_keys
            && one
            && in_runs
            && spread.registers > MOST_STRAIGHT
            && spread.span >= LEAST_LANES
            && chosen.count() == 1
    }

    /// Makes a value of which a sum is wanted, piece by piece, if the columns of the same spread are chosen from afterwards: then it is
    /// what is made of these for as long as nobody writes keys.
    pub(super) fn make_in_pieces(&self, value: ValueId, spread: &Spread<'m>, index: &Index<'m>) {
        let kernel = self.pull.kernel;
        let is_chosen_from = kernel.values.iter().filter_map(|v| v.kind.row_value()).any(|row| {
            matches!(row.op, RowOp::TopK { k, order: TopKOrder::Value, .. } if self.sorts(spread, k)
                && self.has_unique_keys(row.value, (k, TopKOrder::Value), spread).is_none())
                && row.width == spread.width
                && kernel.value(row.value).space.cols == spread.width
                && self.elements_of(row.value, &[value]).is_some()
        });
        if !is_chosen_from || self.pull.known(value, index).is_some() {
            return;
        }
        if let Some(nans) = self.make_each(value, spread, index, |index| self.pull.evaluate(value, index)) {
            self.made.set(Some((value, nans)));
        }
    }

    /// Makes a value of all columns piece by piece, by what makes it of a piece, and remembers it. None where it is not made so.
    pub(super) fn make_each(
        &self,
        value: ValueId,
        spread: &Spread<'m>,
        index: &Index<'m>,
        make: impl FnOnce(&Index<'m>) -> Lanes<'m>,
    ) -> Option<Nans> {
        let (b, source) = (self.b, self.source_of(value, spread, &[])?);
        if self.pull.kernel.value(value).dtype != DType::F32 {
            return None;
        }
        let giving = self.team.giving();
        self.put_down(&giving, source, spread, index);
        let nans = Cell::new(None);
        self.each_run(spread, index, |first, index, _| {
            self.take_up(&giving, source, spread, (first, index));
            let made = make(index);
            nans.set(Some(made.nans));
            let word = |x: Val<'m>| b.bitcast(x, b.int(32));
            let words: Vec<Val<'m>> = self.registers(made.value, PIECE as usize).into_iter().map(word).collect();
            giving.give_keys_from(first, &words);
        });
        let nans = nans.get()?;
        let words = giving.kept_keys(spread.registers as usize);
        let floats: Vec<Val<'m>> = words.into_iter().map(|x| b.bitcast(x, b.f32())).collect();
        let lanes = Lanes { nans, ..Lanes::exact(b.gather_lanes(&floats), spread.registers) };
        self.pull.remember(value, index, lanes);
        Some(nans)
    }

    /// The columns of the k best of a row whose keys are made piece by piece; none where they are made at once.
    pub(super) fn select_by_pieces(
        &self,
        value: ValueId,
        (Selection { k, candidates }, order): (Selection, TopKOrder),
        (spread, index): (&Spread<'m>, &Index<'m>),
        result: &Spread<'m>,
    ) -> Option<Lanes<'m>> {
        let kernel = self.pull.kernel;
        let is_quotient = matches!(kernel.value(value).kind, ValueKind::Scalar(ScalarOp::Binary(BinaryOp::Div), _));
        if order != TopKOrder::Value || !self.sorts(spread, k) || !kernel.value(value).dtype.is_float() || is_quotient {
            return None;
        }
        let cells: Vec<Val<'m>> = result.columns.iter().map(|column| self.ix.to_word(column.at)).collect();
        let giving = self.team.giving();
        if !self.keys_in_pieces(&giving, (value, Candidates::All), spread, index) {
            return None;
        }
        self.made.set(None);
        let (may_run_out, doubt) = match candidates {
            Candidates::AboveNegInf => (true, Some(Doubt::NegInf)),
            Candidates::All => (false, None),
        };
        let of_whole_rows = hangs_on_a_sum(kernel, value, spread.width);
        let wanted = Wanted { of_floats: true, of_whole_rows, ..Wanted::of_all(k, candidates, may_run_out) };
        let keys = LaneKeys::Written(spread.registers as usize);
        let taking = self.give_sorted(giving, (keys, None), doubt, wanted, (spread, 0)).settled();
        let chosen: Vec<Val<'m>> = cells.iter().map(|cell| taking.take(*cell)).collect();
        Some(Lanes::exact(self.b.gather_lanes(&chosen), chosen.len() as u32))
    }

    /// Writes the keys of a selection piece by piece; false where they are made at once.
    fn keys_in_pieces(
        &self,
        giving: &Giving<'_, '_, 'm>,
        (value, candidates): (ValueId, Candidates),
        spread: &Spread<'m>,
        index: &Index<'m>,
    ) -> bool {
        if !self.is_in_pieces(spread) {
            return false;
        }
        let made = self.made.get().filter(|(made, _)| self.elements_of(value, &[*made]).is_some());
        let known: Vec<ValueId> = made.iter().map(|(made, _)| *made).collect();
        let source = match (made, self.source_of(value, spread, &known)) {
            (Some(_), _) => None,
            (None, Some(source)) => {
                self.put_down(giving, source, spread, index);
                Some(source)
            }
            (None, None) => return false,
        };
        self.each_run(spread, index, |first, index, own| {
            match (made, source) {
                (Some((made, nans)), _) => {
                    let words = giving.kept_keys_from(first, PIECE as usize);
                    let floats: Vec<Val<'m>> = words.into_iter().map(|x| self.b.bitcast(x, self.b.f32())).collect();
                    let lanes = Lanes { nans, ..Lanes::exact(self.b.gather_lanes(&floats), PIECE) };
                    self.pull.remember(made, index, lanes);
                }
                (None, Some(source)) => self.take_up(giving, source, spread, (first, index)),
                (None, None) => unreachable!("keys are made of something"),
            }
            let keys = self.registers(self.keys(value, index, candidates).value, PIECE as usize);
            let own = |key: Val<'m>| own.map_or(key, |own| self.b.select(own, key, self.word(0)));
            giving.give_keys_from(first, &keys.into_iter().map(own).collect::<Vec<_>>());
        });
        true
    }

    /// The one value of an input's elements that this one is made of column by column, if what is made of them is worth a loop.
    fn source_of(&self, value: ValueId, spread: &Spread<'m>, known: &[ValueId]) -> Option<ValueId> {
        let kernel = self.pull.kernel;
        let source = self.elements_of(value, known)??;
        let cost = analysis::cost_with_operands(kernel)[value.0 as usize];
        let dtype = kernel.value(source).dtype;
        let fits = dtype == DType::F32 || matches!(dtype, DType::Bf16 | DType::F16);
        (fits && self.is_in_pieces(spread) && cost >= LEAST_COST).then_some(source)
    }

    /// Whether a value is made of others at its own columns alone: of one input's, or of some that are `known`. What is the same in all
    /// rows is asked of memory where it is needed. The input, if there is one.
    fn elements_of(&self, value: ValueId, known: &[ValueId]) -> Option<Option<ValueId>> {
        let (kernel, width) = (self.pull.kernel, self.pull.kernel.value(value).space.cols);
        let mut source = None;
        let mut met_known = false;
        let mut left = vec![value];
        while let Some(id) = left.pop() {
            let one = kernel.value(id);
            if known.contains(&id) {
                met_known = true;
                continue;
            }
            match &one.kind {
                _ if one.space.cols == 1 => {}
                _ if one.space.cols != width => return None,
                ValueKind::Load(_) if !one.space.per_row => {}
                ValueKind::Load(_) if source.is_none_or(|known| known == id) => source = Some(id),
                ValueKind::Scalar(_, operands) => left.extend(operands),
                _ => return None,
            }
        }
        (known.is_empty() || met_known && source.is_none()).then_some(source)
    }

    /// Writes the elements of an input that a lane was given.
    fn put_down(&self, giving: &Giving<'_, '_, 'm>, source: ValueId, spread: &Spread<'m>, index: &Index<'m>) {
        let elements = self.pull.evaluate(source, index).value;
        let words = spread.registers / self.of_a_word(source);
        let words = self.registers(self.b.bitcast(elements, self.b.lanes_of(self.b.int(32), words)), words as usize);
        giving.give_keys_from(self.word(spread.registers - words.len() as u32), &words);
    }

    /// From here on whoever asks for the elements of a run is given those that were [put down](Self::put_down).
    fn take_up(
        &self,
        giving: &Giving<'_, '_, 'm>,
        source: ValueId,
        spread: &Spread<'m>,
        (first, index): (Val<'m>, &Index<'m>),
    ) {
        let b = self.b;
        let of_a_word = self.of_a_word(source);
        let (all, words) = (spread.registers / of_a_word, PIECE / of_a_word);
        let behind = b.shrui(first, self.word(of_a_word.trailing_zeros()));
        let from = b.addi(behind, self.word(spread.registers - all));
        let words = b.gather_lanes(&giving.kept_keys_from(from, words as usize));
        let element = value_type(b, self.pull.kernel.value(source).dtype);
        self.pull.remember(source, index, Lanes::exact(b.bitcast(words, b.lanes_of(element, PIECE)), PIECE));
    }

    /// Elements of an input in a word.
    fn of_a_word(&self, source: ValueId) -> u32 {
        32 / self.pull.kernel.value(source).dtype.bits()
    }

    /// A loop over the runs of a lane. `body` is given the number of the run's first register, the run's columns, and whether they are
    /// the lane's own, if that is not certain.
    fn each_run(
        &self,
        spread: &Spread<'m>,
        index: &Index<'m>,
        body: impl FnOnce(Val<'m>, &Index<'m>, Option<Val<'m>>),
    ) {
        let b = self.b;
        let (runs, of_row) = (spread.registers / PIECE, (spread.width / RUN) as u32);
        self.seldom_loop(runs, self.word(0), |turn, none| {
            let run = b.addi(b.muli(turn, self.word(spread.span)), spread.member);
            let own = (runs * spread.span > of_row).then(|| b.cmpi(IntPredicate::Ult, run, self.word(of_row)));
            let safe = own.map_or(run, |_| b.minui(run, self.word(of_row - 1)));
            let first = self.ix.times(self.ix.of_word(safe), RUN);
            let columns: Vec<Ix<'m>> = (0..RUN).map(|column| first.offset(column)).collect();
            body(b.muli(turn, self.word(PIECE)), &Index::new(index.row.clone(), columns, None), own);
            none
        });
    }
}
