//! Choices that the compiler else makes by itself.

use clap::Args;
use routefuse::ir::RowShape;

/// What is otherwise chosen.
#[derive(Debug, Args)]
pub struct Forced {
    /// Give the row schedules of GPUs this one shape.
    ///
    /// It is for any number of rows, to measure or to test it, and written as `dump --stage kernel` prints it:
    /// "lanes=4 threads=128 sorted".
    #[arg(long, value_name = "SHAPE")]
    pub shape: Option<RowShape>,
}
