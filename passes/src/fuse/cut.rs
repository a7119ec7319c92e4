//! Why not everything is one kernel.

use serde::Serialize;
use std::fmt;

/// A reason for memory between two operations, or for two kernels. Names are the user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// A gather reads a computed table at rows that other iterations of the loop make.
    ComputedTable {
        /// The table.
        table: String,
        /// The gather.
        gather: String,
    },
    /// A value is made of all rows: what asks for it begins when all of them are done.
    AllRows {
        /// What is stored.
        value: String,
    },
    /// Every row of `user` asks for the value of all rows before it, and so it is computed once and kept.
    EarlierRows {
        /// What is stored instead.
        value: String,
        /// Who asks.
        user: String,
    },
    /// In one kernel, one element of `user` would evaluate its operands too often.
    Recomputation {
        /// What is stored instead.
        value: String,
        /// The value whose evaluation was too long.
        user: String,
        /// The most evaluations, weighted, that one element may take: [`BUDGET`](super::BUDGET).
        budget: u64,
    },
    /// The kernel of `user` would be too large to compile.
    CodeSize {
        /// What is stored instead.
        value: String,
        /// The value whose kernel was too large.
        user: String,
        /// The most instructions of a kernel, about:
        /// [`MOST_INSTRUCTIONS`](routefuse_ir::kernel::schedule::code_size::MOST_INSTRUCTIONS).
        most: u64,
    },
    /// One kernel of both would be too large to compile.
    Size {
        /// The most instructions of a kernel, about:
        /// [`MOST_INSTRUCTIONS`](routefuse_ir::kernel::schedule::code_size::MOST_INSTRUCTIONS).
        most: u64,
    },
    /// Items are counted and ranked. Kernels that do this alone can be phases of one launch on a GPU ([`join`](crate::join)).
    Items {
        /// The counts, or what is made of the ranks.
        value: String,
    },
    /// An output overwrites an input that is still read, so it is stored elsewhere first and copied at the end.
    Staged {
        /// The output.
        output: String,
        /// The input that it overwrites.
        input: String,
    },
    /// An output that may lie in an input's memory has to have memory of its own: there, it would take another kernel.
    Apart {
        /// The output.
        output: String,
        /// The input whose memory it was donated.
        input: String,
    },
    /// The kernels loop over different rows.
    Rows {
        /// Rows of the first.
        first: String,
        /// Rows of the second.
        second: String,
    },
    /// The second kernel reads from memory what the first stores; another reason says why it is in memory.
    Memory {
        /// What is stored.
        value: String,
    },
    /// The first kernel reads an input, at other columns than the second overwrites at the same time.
    Overwrite {
        /// The input.
        input: String,
        /// The output that overwrites it.
        output: String,
    },
    /// A kernel has to run between the two.
    Between,
    /// Fusion is switched off: every operation is a kernel.
    Unfused,
}

/// A reason, and the kernels that it keeps apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// Positions of the two kernels in the program; `None` where the reason is about a value alone.
    pub kernels: Option<[usize; 2]>,
    /// The reason.
    #[serde(flatten)]
    pub reason: Reason,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::ComputedTable { table, gather } => {
                write!(f, "%{table} is in memory: the gather %{gather} reads rows of it that are not its own")
            }
            Reason::AllRows { value } => {
                write!(f, "%{value} is in memory: it is made of all rows, and what asks for it begins behind the last")
            }
            Reason::EarlierRows { value, user } => {
                write!(f, "%{value} is in memory: each row of %{user} asks for that of all rows before it")
            }
            Reason::Recomputation { value, user, budget } => write!(
                f,
                "%{value} is in memory: fused, one element of %{user} would take more than {budget} evaluations"
            ),
            Reason::CodeSize { value, user, most } => write!(
                f,
                "%{value} is in memory: fused, the kernel of %{user} would have more than about {most} instructions, or \
                 values too many behind one another"
            ),
            Reason::Size { most } => {
                write!(f, "one kernel of both would have more than about {most} instructions")
            }
            Reason::Items { value } => {
                write!(
                    f,
                    "%{value} is of items that are counted and ranked: by themselves both can be phases of one launch"
                )
            }
            Reason::Staged { output, input } => write!(
                f,
                "`{output}` is stored elsewhere and copied at the end: it overwrites `{input}`, which is read at other places"
            ),
            Reason::Apart { output, input } => write!(
                f,
                "`{output}` needs memory of its own: `{input}` is donated, but is read at other places than are overwritten"
            ),
            Reason::Rows { first, second } => write!(f, "their rows differ: {first} and {second}"),
            Reason::Memory { value } => write!(f, "the second reads %{value} from memory"),
            Reason::Overwrite { input, output } => {
                write!(f, "`{output}` overwrites `{input}`, which the first reads at other places")
            }
            Reason::Between => write!(f, "another kernel has to run between them"),
            Reason::Unfused => write!(f, "fusion is switched off"),
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kernels {
            Some([a, b]) => write!(f, "kernels {a} and {b}: {}", self.reason),
            None => write!(f, "{}", self.reason),
        }
    }
}
