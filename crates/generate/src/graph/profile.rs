//! What a test wants of a graph.

use crate::Choices;
use crate::data::Literals;

/// What a test wants of a graph. The constants below are those that tests use; a field of one can be replaced
/// (`Profile { row_ops: 75, ..Profile::ROWS }`).
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// How many symbolic dims, one of these (0 to 2).
    pub symbols: &'static [usize],
    /// Inner extents of inputs and of what is made anew.
    pub columns: &'static [u64],
    /// Inner extents of the input that is routed, where there are operations on rows.
    pub experts: &'static [u64],
    /// No result has more elements in a row.
    pub max_row: u64,
    /// Of a hundred operations those on rows.
    pub row_ops: u32,
    /// Of a hundred operations those on bins, across rows.
    pub bin_ops: u32,
    /// Of a hundred graphs those that also lay out the items of all rows, as engines do.
    pub layouts: u32,
    /// Of a hundred graphs of two symbols those in which one bounds the other.
    pub bounds: u32,
    /// Of a hundred operations those that come as an idiom: a few that rewriting rules look for together.
    pub idioms: u32,
    /// Of a hundred operations those that are arithmetic of one or two operands, beside what is chosen anyhow.
    pub arithmetic: u32,
    /// How many operations a list of choices can make at most. A seed chooses 1 to 27.
    pub most_ops: usize,
    /// What is declared.
    pub declared: Declared,
    /// How far back an operand is looked for, in values: one of these.
    pub windows: &'static [usize],
    /// What constants are like.
    pub constants: Constants,
    /// Whether a gather may trap.
    pub traps: bool,
    /// One in this many graphs counts into an input; 0 is none.
    pub counts: usize,
    /// What is stored.
    pub outputs: Outputs,
    /// What things are called.
    pub names: Names,
}

/// What inputs a graph has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    /// One to four, of any dtype, shape and layout, and one of logits where there are operations on rows.
    Few,
    /// One of each dtype, and tables, a bias, scalars and columns.
    EveryDtype,
}

/// What constants there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constants {
    /// One in this many second operands is one.
    pub one_in: usize,
    /// What they are like.
    pub literals: Literals,
}

/// What is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// One to five values; what is left over is dead.
    Some,
    /// Mostly every value that nothing uses, so that no mistake is lost.
    EverySink,
}

/// What things are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Seldom with a blank.
    Plain,
    /// Half of them such that text has to quote or escape them.
    Odd,
}

/// Inner extents: 0, 1, powers of two and their neighbours, the K and E of models.
const COLUMNS: &[u64] = &[0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 10, 16, 17, 22, 31, 32, 33, 65, 72];

/// Inner extents of rows: the E of models and their neighbours, and what no warp divides.
const EXPERTS: &[u64] = &[1, 2, 3, 4, 8, 16, 17, 31, 32, 33, 40, 60, 64, 65, 72, 96, 128, 160];

impl Profile {
    /// Nothing crosses columns: the schedules of its kernels are flat.
    pub const FLAT: Profile = Profile {
        symbols: &[0, 1, 1, 1, 1, 1, 1, 1, 2, 2],
        columns: COLUMNS,
        experts: EXPERTS,
        max_row: 600,
        row_ops: 0,
        bin_ops: 0,
        layouts: 0,
        bounds: 0,
        idioms: 0,
        arithmetic: 0,
        most_ops: 28,
        declared: Declared::Few,
        windows: &[4, usize::MAX],
        constants: Constants { one_in: 5, literals: Literals::Hostile },
        traps: true,
        counts: 0,
        outputs: Outputs::Some,
        names: Names::Plain,
    };

    /// About half of the operations are on rows.
    pub const ROWS: Profile = Profile { row_ops: 50, counts: 3, ..Profile::FLAT };

    /// A third of the operations are on bins, and some of the rest on rows.
    pub const BINS: Profile =
        Profile { symbols: &[2, 1, 2, 0], bin_ops: 35, layouts: 40, bounds: 40, row_ops: 15, ..Profile::ROWS };

    /// Graphs as text and JSON have to tell them: every name, layout, alias, literal and attribute.
    pub const TEXT: Profile = Profile {
        symbols: &[2],
        row_ops: 25,
        bin_ops: 10,
        bounds: 40,
        arithmetic: 25,
        most_ops: 80,
        constants: Constants { one_in: 5, literals: Literals::Bits },
        counts: 3,
        names: Names::Odd,
        ..Profile::FLAT
    };

    /// What rewriting rules look for: chains over inputs of every dtype, constants that are identities, idioms.
    pub const RULES: Profile = Profile {
        symbols: &[1],
        columns: &[6, 6, 6, 1, 2, 3, 4, 9, 0],
        row_ops: 22,
        idioms: 25,
        arithmetic: 30,
        most_ops: 36,
        declared: Declared::EveryDtype,
        windows: &[usize::MAX, 6, 2, 1],
        constants: Constants { one_in: 2, literals: Literals::Identities },
        counts: 3,
        outputs: Outputs::EverySink,
        ..Profile::FLAT
    };

    /// Small enough that every element can be computed again after each store.
    pub const SMALL: Profile =
        Profile { symbols: &[2, 2, 1], columns: &[4, 6, 1, 8, 3, 0], max_row: 64, arithmetic: 20, ..Profile::FLAT };

    /// As [`Profile::SMALL`], with half of the operations on rows of up to 40 columns.
    pub const SMALL_ROWS: Profile = Profile {
        columns: &[8, 12, 1, 2, 7, 16, 24, 33, 40],
        experts: &[8, 12, 1, 2, 7, 16, 24, 33, 40],
        max_row: 160,
        row_ops: 50,
        counts: 3,
        ..Profile::SMALL
    };

    /// How many operations.
    pub(super) fn size(&self, c: &mut Choices) -> usize {
        if c.is_list() {
            return self.most_ops;
        }
        match c.below(10) {
            0 => 1,
            1..7 => c.position(2..10),
            _ => c.position(10..28),
        }
    }
}

impl Names {
    /// The name of a graph.
    pub(super) fn graph(self, plain: String, c: &mut Choices) -> String {
        match self {
            Names::Plain if c.one_in(50) => "a \"quoted\" name".to_owned(),
            Names::Plain => plain,
            Names::Odd => self.odd(&plain, c),
        }
    }

    /// The name of a symbolic dim.
    pub(super) fn symbol(self, plain: &str, c: &mut Choices) -> String {
        match self {
            Names::Plain => plain.to_owned(),
            Names::Odd => self.odd(plain, c),
        }
    }

    /// The name of an input or an output, of a letter and a number.
    pub(super) fn argument(self, letter: char, number: usize, c: &mut Choices) -> String {
        match self {
            Names::Plain if c.one_in(40) => format!("{letter} {number}"),
            Names::Plain => format!("{letter}{number}"),
            Names::Odd => self.odd(&format!("{letter}{number}"), c),
        }
    }

    /// Half of the time a name that needs quotes or escapes; different for different `plain`.
    pub(super) fn odd(self, plain: &str, c: &mut Choices) -> String {
        match c.below(8) {
            0 => format!("{plain} with \"blanks\" \\ and\nlines\u{7}"),
            1 => format!("é-{plain}"),
            2 => format!("{plain}.0"),
            3 => format!("0{plain}"),
            _ => plain.to_owned(),
        }
    }
}
