//! The command line of `bundle`.

use super::device::gpu_number;
use super::model_name::ModelName;
use super::{CacheOptions, OUTPUT, Trust};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `bundle`.
#[derive(Debug, Subcommand)]
pub enum Bundle {
    /// Compile graphs and models for some targets into one file.
    #[command(after_help = "Example: routefuse bundle build --model all --target host,sm_90 -o all.rfb")]
    Build(BundleBuild),
    /// Say who signed a bundle, what is in it, and whether this machine can run it.
    #[command(after_help = "Example: routefuse bundle inspect model.rfb")]
    Inspect(BundleFile),
    /// Check a bundle's bytes, kernels and signer; exit with 1 if one is wrong.
    ///
    /// It says who signed the bundle; it checks that no byte was changed, that every graph has every kernel, and with
    /// --public-key that the signer is one of those.
    #[command(after_help = "Example: routefuse bundle verify model.rfb --public-key signer.pub")]
    Verify(BundleFile),
    /// Make a key to sign with: FILE, which stays secret, and FILE.pub.
    ///
    /// FILE.pub is handed out, to those who are to trust what is signed with FILE.
    #[command(after_help = "Example: routefuse bundle keygen signer")]
    Keygen(Keygen),
}

/// `bundle keygen`.
#[derive(Debug, Args)]
pub struct Keygen {
    /// The signing key to write; the public key goes beside it, with `.pub` after its name.
    pub file: PathBuf,
    /// Print JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

/// `bundle build`.
#[derive(Debug, Args)]
pub struct BundleBuild {
    /// .route texts or their JSON forms.
    #[arg(required_unless_present = "model", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Model presets with their default options, as in `--model deepseek-v3,gpt-oss`; `all` is every one.
    #[arg(long, value_name = "NAME", value_delimiter = ',', hide_possible_values = true,
        value_parser = ModelName { all: true })]
    pub model: Vec<String>,
    /// A target, or several: `--target host,sm_90 --target gfx942`.
    #[arg(long, alias = "targets", value_delimiter = ',', default_value = "host")]
    pub target: Vec<String>,
    /// Add machine code for GPUs like this machine's: `cuda:0`.
    ///
    /// It is for the GPUs of the same kind with the same driver; others take the PTX of `--target`.
    #[arg(long, value_name = "DEVICE", value_parser = gpu_number)]
    pub machine_code: Option<u32>,
    /// The bundle to write.
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// Write over a file that is there, whatever it is.
    ///
    /// An older bundle is written over without.
    #[arg(long)]
    pub force: bool,
    /// Threads that compile [default: one a processor].
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    #[command(flatten)]
    pub cache: CacheOptions,
    /// Print what was written as JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

/// A bundle.
#[derive(Debug, Args)]
pub struct BundleFile {
    /// A bundle.
    pub file: PathBuf,
    #[command(flatten)]
    pub trust: Trust,
    /// Print JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}
