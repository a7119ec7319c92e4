//! The command line of `diff`.

use super::OUTPUT;
use clap::Args;

/// `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// A tensor: a.npy, or a.safetensors:NAME; or many: a folder of .npy files, or a .safetensors file.
    ///
    /// Columns of a wider tensor are written as in numpy: wide.npy[:,0:256].
    pub a: String,
    /// What to compare it with, as A.
    pub b: String,
    /// Take floats as equal that are at most N floats apart.
    ///
    /// A NaN equals every NaN then, and zero equals negative zero. Without this, every bit counts. Integers are equal or not.
    #[arg(long, value_name = "N")]
    pub tolerance_ulp: Option<u64>,
    /// The scores that ids were chosen by: two ids of equal score are a tie.
    ///
    /// It is a tensor of a row for each row of ids, and a column for each expert.
    #[arg(long, value_name = "TENSOR")]
    pub scores: Option<String>,
    /// Which of many tensors has the ids of a router [default: ids_out, else ids].
    #[arg(long, value_name = "NAME")]
    pub ids: Option<String>,
    /// Which of many tensors has their weights [default: weights_out, else weights].
    #[arg(long, value_name = "NAME")]
    pub weights: Option<String>,
    /// Succeed where all that differs are ties.
    ///
    /// In a row that ties, the same ids stand in another order among equal weights, or ids of equal score stand for one another.
    #[arg(long)]
    pub allow_ties: bool,
    /// Take the u16 of .npy files as the bits of bf16.
    #[arg(long)]
    pub bf16: bool,
    /// Print JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}
