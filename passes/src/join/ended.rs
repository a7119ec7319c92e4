//! Why a kernel is not one more phase of the launch before it.

use routefuse_ir::kernel::schedule::room::MOST_SHARED_WORDS;
use std::fmt;

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// There is no kernel behind it.
    Last,
    /// An index may be refused while it runs.
    Traps,
    /// What it reads, another block stores.
    ReadsOthers,
    /// What it stores may lie in the memory of an input.
    Aliased,
    /// It adds to what other blocks add to, too.
    Adds,
    /// Lanes have to share its rows.
    WholeRows,
    /// Its one row is more than sums.
    OneRow,
    /// Its one row does not fit the memory of a block beside what is there.
    NoRoom {
        /// Words of 32 bits that a block would share.
        words: u64,
    },
    /// It ranks other items than those that are counted, or a second time.
    OtherItems,
    /// Where it puts items is not known to be where counts and starts say.
    OtherPlaces,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self {
            Ended::Last => "nothing is behind it",
            Ended::Traps => "an index of it may trap",
            Ended::ReadsOthers => "it reads what other blocks store, and no block waits for another",
            Ended::Aliased => "what it stores may lie in the memory of an input, which other blocks still read",
            Ended::Adds => "it adds to what other blocks add to as well",
            Ended::WholeRows => "its rows take lanes that work together",
            Ended::OneRow => "its one row is more than sums",
            Ended::NoRoom { words } => {
                let (bytes, most) = (words.saturating_mul(4), 4 * MOST_SHARED_WORDS);
                return write!(f, "with its one row a block would share {bytes} bytes of memory, and it has {most}");
            }
            Ended::OtherItems => "it ranks other items than those that are counted, or ranks a second time",
            Ended::OtherPlaces => "it puts items where the counts and the starts of this launch do not say",
        };
        f.write_str(why)
    }
}
