//! Where lanes are: rows and columns as `base + constant`.

use crate::mlir::builder::Val;
use melior::ir::ValueLike;

/// An index that is never negative: an SSA value, if there is one, plus a constant.
#[derive(Clone, Copy)]
pub(in crate::emit) struct Ix<'m> {
    /// The part that is known when the code runs.
    pub base: Option<Val<'m>>,
    /// The part that is known now.
    pub plus: u64,
    /// A divisor of `base`; 0 without one (0 is divisible by everything).
    pub multiple: u64,
}

impl<'m> Ix<'m> {
    /// A constant.
    pub fn constant(plus: u64) -> Ix<'m> {
        Ix { base: None, plus, multiple: 0 }
    }

    /// A value of which only this divisor is known.
    pub fn value(base: Val<'m>, multiple: u64) -> Ix<'m> {
        Ix { base: Some(base), plus: 0, multiple }
    }

    /// `self + more`.
    pub fn offset(self, more: u64) -> Ix<'m> {
        Ix { plus: self.plus + more, ..self }
    }

    /// Its identity: equal keys are equal indices.
    pub fn key(self) -> (usize, u64) {
        (self.base.map_or(0, key), self.plus)
    }
}

/// The identity of an SSA value.
pub(in crate::emit) fn key(value: Val<'_>) -> usize {
    value.to_raw().ptr as usize
}

/// The greatest common divisor, where 0 is divisible by everything.
pub(in crate::emit) fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Where a piece's lanes are, as one value sees it.
#[derive(Clone)]
pub(in crate::emit) struct Index<'m> {
    /// The row of every lane, or one for all.
    pub row: Vec<Ix<'m>>,
    /// The column of every lane, or one for all.
    pub column: Vec<Ix<'m>>,
    /// The lanes are consecutive elements in row-major order of a value with `flat.1` columns, from element `flat.0` on.
    pub flat: Option<(Ix<'m>, u64)>,
}

/// The identity of an [`Index`]. What is flat follows from row and column.
pub(in crate::emit) type IndexKey = (Vec<(usize, u64)>, Vec<(usize, u64)>);

impl<'m> Index<'m> {
    /// Lanes of one row; equal ones are merged.
    pub fn new(row: Vec<Ix<'m>>, column: Vec<Ix<'m>>, flat: Option<(Ix<'m>, u64)>) -> Index<'m> {
        Index { row: merged(row), column: merged(column), flat }
    }

    /// Of a value that is the same everywhere.
    pub fn nowhere() -> Index<'m> {
        Index::new(vec![Ix::constant(0)], vec![Ix::constant(0)], None)
    }

    /// Its identity.
    pub fn key(&self) -> IndexKey {
        let keys = |lanes: &[Ix<'m>]| lanes.iter().map(|ix| ix.key()).collect();
        (keys(&self.row), keys(&self.column))
    }

    /// 1 if all lanes are at one row and column, else their number.
    pub fn lanes(&self) -> u32 {
        self.row.len().max(self.column.len()) as u32
    }

    /// The row of a lane.
    pub fn row_of(&self, lane: usize) -> Ix<'m> {
        self.row[if self.row.len() == 1 { 0 } else { lane }]
    }

    /// The column of a lane.
    pub fn column_of(&self, lane: usize) -> Ix<'m> {
        self.column[if self.column.len() == 1 { 0 } else { lane }]
    }

    /// The same rows at other columns.
    pub fn at(&self, column: Vec<Ix<'m>>) -> Index<'m> {
        Index::new(self.row.clone(), column, None)
    }

    /// Some of the lanes.
    pub fn slice(&self, from: usize, to: usize) -> Index<'m> {
        let part = |lanes: &[Ix<'m>]| if lanes.len() == 1 { lanes.to_vec() } else { lanes[from..to].to_vec() };
        Index::new(part(&self.row), part(&self.column), None)
    }
}

/// One for all if all are equal.
fn merged(lanes: Vec<Ix<'_>>) -> Vec<Ix<'_>> {
    if lanes.iter().all(|ix| ix.key() == lanes[0].key()) { lanes[..1].to_vec() } else { lanes }
}

/// Whether each offset is one more than the one before; one alone is.
pub(in crate::emit) fn neighbours(offsets: &[Ix<'_>]) -> bool {
    let first = offsets[0].key();
    offsets.iter().zip(first.1..).all(|(at, plus)| at.key() == (first.0, plus))
}
