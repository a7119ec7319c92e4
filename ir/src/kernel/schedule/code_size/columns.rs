//! Where a value is asked for: which columns, as far as code generation knows them.

use crate::kernel::ColumnMap;
use std::collections::HashMap;

/// The columns of the lanes at which a value is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Columns {
    /// Numbers that are known when the code is made; one serves all lanes.
    Known(Vec<u64>),
    /// A number that is known when the code runs, plus a constant.
    Dynamic {
        /// Which number.
        base: u32,
        /// The constant.
        plus: u64,
        /// Lanes; one serves all.
        lanes: u64,
        /// The lanes are neighbours, and the first is a multiple of their number.
        aligned: bool,
    },
}

impl Columns {
    /// The number of lanes.
    pub(super) fn lanes(&self) -> u64 {
        match self {
            Columns::Known(columns) => columns.len() as u64,
            Columns::Dynamic { lanes, .. } => *lanes,
        }
    }

    /// Whether the lanes are neighbours, so that one instruction reads them.
    pub(super) fn are_neighbours(&self) -> bool {
        match self {
            Columns::Known(columns) => columns.iter().zip(columns[0]..).all(|(c, at)| *c == at),
            Columns::Dynamic { lanes, aligned, .. } => *aligned || *lanes == 1,
        }
    }
}

/// How a number comes from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// Columns of a domain or of a loop.
    Root(u32),
    /// By a map.
    Map(ColumnMap),
    /// Within these columns, from the first on.
    Within(u64, u64),
    /// The repeat of a concatenation of so many columns, or the column in it.
    Repeat(u64),
    /// An element of the index of this gather within a row.
    Gathered(u32),
}

/// Numbers, by where they come from.
#[derive(Default)]
pub(super) struct Numbering {
    bases: HashMap<(u32, u64, Step), u32>,
    ids: HashMap<Columns, u32>,
    all: Vec<Columns>,
}

/// The base of what comes from nowhere.
const NOTHING: u32 = 0;

impl Numbering {
    /// The number that a step makes of another.
    pub(super) fn base(&mut self, from: Option<(u32, u64)>, step: Step) -> u32 {
        let next = self.bases.len() as u32 + 1;
        let (base, plus) = from.unwrap_or((NOTHING, 0));
        *self.bases.entry((base, plus, step)).or_insert(next)
    }

    /// The number of these columns.
    pub(super) fn id(&mut self, columns: Columns) -> u32 {
        if let Some(id) = self.ids.get(&columns) {
            return *id;
        }
        let id = self.all.len() as u32;
        self.all.push(columns.clone());
        self.ids.insert(columns, id);
        id
    }

    /// The columns of a number.
    pub(super) fn get(&self, id: u32) -> &Columns {
        &self.all[id as usize]
    }

    /// The columns that a map makes of these, and the instructions of the arithmetic.
    pub(super) fn mapped(&mut self, columns: &Columns, map: &ColumnMap) -> (Columns, u64) {
        match columns {
            Columns::Known(known) => (merged(known.iter().map(|c| map.apply(*c)).collect()), 0),
            Columns::Dynamic { base, plus, lanes, aligned } => {
                let wraps = |t: &crate::kernel::Term| map.cols.div_ceil(t.div) > t.modulo;
                if let [t] = &map.terms[..]
                    && (t.div, t.mul) == (1, 1)
                    && !wraps(t)
                {
                    let aligned = *aligned && map.base.is_multiple_of(*lanes);
                    return (Columns::Dynamic { base: *base, plus: plus + map.base, lanes: *lanes, aligned }, 0);
                }
                if map.terms.is_empty() {
                    return (Columns::Known(vec![map.base]), 0);
                }
                let same = |t: &crate::kernel::Term| *aligned && t.div.is_multiple_of(*lanes);
                let neighbours =
                    |t: &crate::kernel::Term| *aligned && (t.div, t.mul) == (1, 1) && t.modulo.is_multiple_of(*lanes);
                let moving = map.terms.iter().filter(|t| !same(t)).count();
                let arithmetic = 3 * map.terms.len() as u64;
                let from = Some((*base, *plus));
                if moving == 0 {
                    let base = self.base(from, Step::Map(map.clone()));
                    return (Columns::Dynamic { base, plus: 0, lanes: 1, aligned: false }, arithmetic);
                }
                let aligned = moving == 1 && map.terms.iter().all(|t| same(t) || neighbours(t));
                let aligned = aligned && map.base.is_multiple_of(*lanes);
                let base = self.base(from, Step::Map(map.clone()));
                let arithmetic = if aligned { arithmetic } else { arithmetic * lanes };
                (Columns::Dynamic { base, plus: 0, lanes: *lanes, aligned }, arithmetic)
            }
        }
    }
}

/// One for all if all are equal.
pub(super) fn merged(columns: Vec<u64>) -> Columns {
    let first = columns[0];
    Columns::Known(if columns.iter().all(|c| *c == first) { vec![first] } else { columns })
}
