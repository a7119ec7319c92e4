//! The command line of `cache` and `bundle`.

use super::GraphSource;
use super::model_name::ModelName;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Where compiled kernels are kept.
#[derive(Debug, Args)]
pub struct CacheOptions {
    /// Where compiled kernels are kept [default: $ROUTEFUSE_CACHE_DIR, else $XDG_CACHE_HOME/routefuse, else
    /// ~/.cache/routefuse].
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "no_cache")]
    pub cache_dir: Option<PathBuf>,
    /// Neither look for compiled kernels nor keep them; so does an empty $ROUTEFUSE_CACHE_DIR.
    #[arg(long, global = true, conflicts_with = "remote_cache")]
    pub no_cache: bool,
    /// A cache that machines share, for what this one's lacks: s3://BUCKET/…, gs://BUCKET/…, az://CONTAINER/…,
    /// https://HOST/… (WebDAV) or file:///DIRECTORY [default: $ROUTEFUSE_REMOTE_CACHE, else none].
    #[arg(long, global = true, value_name = "URL")]
    pub remote_cache: Option<String>,
    /// Take a remote cache with http://, which is neither encrypted nor authenticated; so does $ROUTEFUSE_ALLOW_HTTP=1.
    #[arg(long, global = true)]
    pub allow_http: bool,
    /// Write what is compiled to the remote cache as well; so does $ROUTEFUSE_REMOTE_WRITE=1.
    #[arg(long, global = true)]
    pub remote_write: bool,
    /// A signing key: bundles that are made, and kernels that are written to the remote cache, are signed with it
    /// [default: $ROUTEFUSE_SIGN, else none].
    #[arg(long, global = true, value_name = "KEYFILE")]
    pub sign: Option<PathBuf>,
    /// Public keys: bundles that none of them has signed are refused, and kernels that came from elsewhere, now or earlier,
    /// are compiled instead [default: $ROUTEFUSE_REQUIRE_SIGNED, else any are used].
    #[arg(long, visible_alias = "public-key", global = true, value_name = "KEYFILE")]
    pub require_signed: Option<PathBuf>,
}

/// `cache`.
#[derive(Debug, Subcommand)]
pub enum Cache {
    /// List the kernels, the last used last.
    #[command(after_help = "Example: routefuse cache ls")]
    Ls(super::Json),
    /// Say where the cache is, what is in it, and what is wrong with it.
    #[command(after_help = "Example: routefuse cache stat --json")]
    Stat(super::Json),
    /// Read every entry and check every byte; exit with 1 if one is spoilt.
    #[command(after_help = "Example: routefuse cache verify")]
    Verify(super::Json),
    /// Bring the cache within its bounds: what was used longest ago goes.
    #[command(after_help = "Example: routefuse cache gc --max-bytes 100000000")]
    Gc(GarbageCollect),
    /// Take every kernel away.
    #[command(after_help = "Example: routefuse cache clear")]
    Clear,
    /// Write every kernel into one bundle.
    #[command(after_help = "Example: routefuse cache export -o kernels.rfb")]
    Export(CacheExport),
    /// Put a bundle's kernels into the cache.
    #[command(after_help = "Example: routefuse cache import model.rfb")]
    Import(BundleFile),
    /// Write every kernel to the remote cache.
    #[command(after_help = "Example: routefuse cache push --remote-cache s3://bucket/kernels")]
    Push(super::Json),
    /// Say for each kernel of a graph whether it is there, and if not, how the nearest that is there differs.
    #[command(after_help = "Example: routefuse cache why-miss examples/e_post_chain.route --target sm_90")]
    WhyMiss(WhyMiss),
}

/// `cache gc`.
#[derive(Debug, Args)]
pub struct GarbageCollect {
    /// Bytes that may stay.
    #[arg(long, value_name = "N", default_value_t = 1 << 30)]
    pub max_bytes: u64,
    /// Kernels that may stay.
    #[arg(long, value_name = "N", default_value_t = 16_384)]
    pub max_entries: u64,
}

/// `cache export`.
#[derive(Debug, Args)]
pub struct CacheExport {
    /// The bundle to write.
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// Write over a file that is there, whatever it is; an older bundle is written over without.
    #[arg(long)]
    pub force: bool,
}

/// `cache why-miss`.
#[derive(Debug, Args)]
pub struct WhyMiss {
    #[command(flatten)]
    pub graph: GraphSource,
    /// The target.
    #[arg(long, default_value = "host")]
    pub target: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `bundle`.
#[derive(Debug, Subcommand)]
pub enum Bundle {
    /// Compile graphs and models for some targets into one file.
    #[command(
        after_help = "Example: routefuse bundle build examples/c_pack.route --target host,sm_90,gfx942 -o model.rfb"
    )]
    Build(BundleBuild),
    /// Say who signed a bundle, what is in it, and whether this machine can run it.
    #[command(after_help = "Example: routefuse bundle inspect model.rfb")]
    Inspect(BundleFile),
    /// Say who signed a bundle; check that no byte was changed, that every graph has every kernel, and with --public-key that
    /// the signer is one of those; exit with 1 if not.
    #[command(after_help = "Example: routefuse bundle verify model.rfb --public-key signer.pub")]
    Verify(BundleFile),
    /// Make a key to sign with: FILE, which stays secret, and FILE.pub, which is handed out.
    #[command(after_help = "Example: routefuse bundle keygen signer")]
    Keygen(Keygen),
}

/// `bundle keygen`.
#[derive(Debug, Args)]
pub struct Keygen {
    /// The signing key to write; the public key goes beside it, with `.pub` after its name.
    pub file: PathBuf,
    /// Print JSON.
    #[arg(long)]
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
    /// With machine code for the GPUs of this kind with this driver, as this machine's GPU N has it: `--machine-code cuda:0`.
    /// Others take the PTX of `--target`.
    #[arg(long, value_name = "DEVICE", value_parser = super::gpu_number)]
    pub machine_code: Option<u32>,
    /// The bundle to write.
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// Write over a file that is there, whatever it is; an older bundle is written over without.
    #[arg(long)]
    pub force: bool,
    /// Threads that compile [default: one a processor].
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Print what was written as JSON.
    #[arg(long)]
    pub json: bool,
}

/// A bundle.
#[derive(Debug, Args)]
pub struct BundleFile {
    /// A bundle.
    pub file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
