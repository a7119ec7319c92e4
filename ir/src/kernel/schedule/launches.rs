//! The launches that one of a kernel is on a GPU: which, of how many rows, and the variants of their code.

use super::{MOST_SHAPES, Part, Schedule, Variant};
use crate::program::Extents;
use crate::target::TargetKind;
use std::ops::RangeInclusive;

/// Which launches of phases there are beside that of few rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Launches {
    /// One up to so many rows, and two above.
    #[default]
    Any,
    /// One: there are never more rows.
    One,
    /// Two: there are always more rows.
    Two,
}

/// The variants of one launch of phases, and of that of few rows.
const ONE_AND_FEW: [Variant; 4] = {
    let all = Variant::GPU_ROW;
    [all[0], all[1], all[6], all[7]]
};

impl Schedule {
    /// The launches that one over this many rows is, as the numbers of shapes of variants: one, or of phases two.
    pub fn shapes_for(&self, rows: u64) -> RangeInclusive<u8> {
        match self {
            Schedule::Phased { few_rows: Some(few), .. } if rows <= *few => self.shapes_beside(3),
            Schedule::Phased { launches: Launches::Two, .. } => self.shapes_beside(1),
            Schedule::Phased { most_rows, launches: Launches::Any, .. } if rows > *most_rows => self.shapes_beside(1),
            Schedule::Phased { .. } => self.shapes_beside(0),
            Schedule::InChunks { .. } => self.shapes_beside(0),
            Schedule::Flat { .. } | Schedule::Row { .. } | Schedule::AtOnce { .. } => {
                let shape = self.shape_for(rows);
                shape..=shape
            }
        }
    }

    /// Whether code of this shape is right for this many rows. Any shape is, but for that of few rows.
    pub fn takes(&self, shape: u8, rows: u64) -> bool {
        match self {
            Schedule::Phased { few_rows, .. } if Part::of_shape(shape) == Some(Part::Few) => {
                few_rows.is_some_and(|few| rows <= few)
            }
            Schedule::AtOnce { rows: most, .. } => rows <= *most,
            _ => true,
        }
    }

    /// The same of a step that has so many rows of its own, or so many, and never others: without launches of phases and shapes of rows
    /// that are for other rows.
    #[must_use]
    pub fn within(mut self, taken: &[Extents]) -> Schedule {
        // Whether some rows of the step are so many.
        let has = |from: u64, to: Option<u64>| {
            let meets =
                |(least, most): &Extents| to.is_none_or(|to| *least <= to) && most.is_none_or(|most| from <= most);
            taken.iter().any(meets)
        };
        match &mut self {
            Schedule::Phased { few_rows, most_rows, launches, .. } => {
                *few_rows = few_rows.filter(|few| has(0, Some(*few)));
                *launches = match (has(0, Some(*most_rows)), has(most_rows.saturating_add(1), None)) {
                    (false, true) => Launches::Two,
                    (true, false) => Launches::One,
                    _ => Launches::Any,
                };
            }
            Schedule::Row { shapes, .. } => {
                let mut from = 0;
                shapes.retain(|shape| {
                    let first =
                        std::mem::replace(&mut from, shape.most_rows.map_or(u64::MAX, |most| most.saturating_add(1)));
                    has(first, shape.most_rows)
                });
                if let Some(last) = shapes.last_mut() {
                    last.most_rows = None;
                }
            }
            Schedule::Flat { .. } | Schedule::AtOnce { .. } | Schedule::InChunks { .. } => {}
        }
        self
    }

    /// The launches of which one is a variant of this shape.
    pub fn shapes_beside(&self, shape: u8) -> RangeInclusive<u8> {
        match self {
            Schedule::Phased { .. } if (1..=2).contains(&shape) => 1..=2,
            Schedule::InChunks { .. } if shape <= 1 => 0..=1,
            _ => shape..=shape,
        }
    }

    /// What compiled code may assume at launch, the most special first; the last of each shape assumes nothing else.
    pub fn variants(&self, kind: TargetKind) -> &'static [Variant] {
        match (kind, self) {
            (TargetKind::Host, _) => &Variant::HOST,
            (_, Schedule::Flat { .. }) => &Variant::GPU,
            (_, Schedule::AtOnce { .. }) => &Variant::GPU_ROW[..2],
            (_, Schedule::InChunks { .. }) => &Variant::GPU_ROW[..4],
            (_, Schedule::Phased { few_rows, launches, .. }) => match (launches, few_rows) {
                (Launches::Any, None) => &Variant::GPU_ROW[..6],
                (Launches::Any, Some(_)) => &Variant::GPU_ROW[..8],
                (Launches::One, None) => &Variant::GPU_ROW[..2],
                (Launches::One, Some(_)) => &ONE_AND_FEW,
                (Launches::Two, None) => &Variant::GPU_ROW[2..6],
                (Launches::Two, Some(_)) => &Variant::GPU_ROW[2..8],
            },
            (_, Schedule::Row { shapes, .. }) => &Variant::GPU_ROW[..2 * shapes.len().min(MOST_SHAPES)],
        }
    }
}
