//! What kinds of launches schedules have: a list that whoever wants to have seen every kind on a machine can go through.
//!
//! A launch is of one way to do a kernel, and, where lanes share rows, of some ways to share them. The match in
//! [`Schedule::launch_kinds`] names every schedule and every field of a shape: what is new there has no kind until someone gives it one.

use super::{Part, RowShape, Schedule, Selecting, Variant};
use std::fmt;

/// One declaration makes the kinds, the list of all of them, and their names: none can be left out of the list.
macro_rules! kinds {
    ($($kind:ident $text:literal)*) => {
        /// A kind of launch.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum LaunchKind {
            $(#[doc = concat!($text, ".")] $kind,)*
        }

        impl LaunchKind {
            /// Every kind.
            pub const ALL: &[LaunchKind] = &[$(LaunchKind::$kind,)*];
        }

        impl fmt::Display for LaunchKind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(LaunchKind::$kind => $text,)*
                })
            }
        }
    };
}

kinds! {
    Flat "Nothing crosses lanes"
    Row "Lanes share rows"
    Whole "Phases in one launch"
    Counting "Phases in two launches, of which the first one counts"
    Placing "Phases in two launches, of which the second one places"
    Few "Phases of few rows in one block"
    AtOnce "Rows and then phases in one block"
    RowsCounted "Rows in chunks, whose items are counted"
    RowsPlaced "Items placed behind rows in chunks"
    OneLane "A row has one lane"
    SomeLanes "A row has a part of a warp"
    Warp "A row has a warp"
    Block "A row has several warps"
    InRegisters "The best columns by rounds over lists in registers"
    InMemory "The best columns by rounds over lists in shared memory"
    Sorted "The best columns by sorted lists of keys"
    Persistent "A block goes on with further rows"
    Table "Scores from a table"
}

impl Schedule {
    /// The kinds of a launch of this variant on a GPU whose warps have so many lanes. Ways to find the best columns are named where
    /// there are none to be found too: a shape does not say.
    pub fn launch_kinds(&self, variant: Variant, warp: u32) -> Vec<LaunchKind> {
        let mut kinds = vec![match self {
            Schedule::Flat { .. } => LaunchKind::Flat,
            Schedule::Row { .. } => LaunchKind::Row,
            Schedule::Phased { .. } => match Part::of_shape(variant.shape) {
                Some(Part::Counting) => LaunchKind::Counting,
                Some(Part::Placing) => LaunchKind::Placing,
                Some(Part::Few) => LaunchKind::Few,
                Some(Part::Whole) | None => LaunchKind::Whole,
            },
            Schedule::AtOnce { .. } => LaunchKind::AtOnce,
            Schedule::InChunks { .. } if variant.shape == 0 => LaunchKind::RowsCounted,
            Schedule::InChunks { .. } => LaunchKind::RowsPlaced,
        }];
        let Some(shape) = self.shape(variant) else { return kinds };
        let RowShape { lanes, threads: _, persistent, selecting, table, most_rows: _ } = shape;
        kinds.push(match lanes {
            1 => LaunchKind::OneLane,
            _ if lanes < warp => LaunchKind::SomeLanes,
            _ if lanes == warp => LaunchKind::Warp,
            _ => LaunchKind::Block,
        });
        kinds.push(match selecting {
            Selecting::InRegisters => LaunchKind::InRegisters,
            Selecting::InMemory => LaunchKind::InMemory,
            Selecting::Sorted => LaunchKind::Sorted,
        });
        kinds.extend(persistent.then_some(LaunchKind::Persistent));
        kinds.extend((table > 0).then_some(LaunchKind::Table));
        kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launch_is_of_its_schedule_and_of_its_shape() {
        let table = RowShape { table: 64, persistent: true, selecting: Selecting::Sorted, ..RowShape::of(8, 256) };
        let shapes = vec![RowShape::of(32, 64), RowShape::of(128, 128), table];
        let row = Schedule::Row { shapes, block_rows: 1, held: vec![], domains: vec![] };
        let of = |shape| row.launch_kinds(Variant { shape, ..Variant::GPU[0] }, 32);
        use LaunchKind::{Block, InRegisters, Persistent, Row, SomeLanes, Sorted, Table, Warp};
        assert_eq!(of(0), [Row, Warp, InRegisters]);
        assert_eq!(of(1), [Row, Block, InRegisters]);
        assert_eq!(of(2), [Row, SomeLanes, Sorted, Persistent, Table]);
        let flat = Schedule::Flat { threads: 256, domains: vec![] };
        assert_eq!(flat.launch_kinds(Variant::GPU[0], 32), [LaunchKind::Flat]);
    }
}
