//! The command line of `cache`.

use super::{BundleFile, CacheOptions, Directory, GraphSource, LocalCache, OUTPUT, Remote, RemoteWriting, Sign, Trust};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `cache`.
#[derive(Debug, Subcommand)]
pub enum Cache {
    /// List the kernels, the last used last.
    #[command(after_help = "Example: routefuse cache ls")]
    Ls(CacheLook),
    /// Say where the cache is, what is in it, and what is wrong with it.
    #[command(after_help = "Example: routefuse cache stat --json")]
    Stat(CacheStat),
    /// Read every entry and check every byte; exit with 1 if one is spoilt.
    #[command(after_help = "Example: routefuse cache verify")]
    Verify(CacheVerify),
    /// Bring the cache within its bounds: what was used longest ago goes.
    #[command(after_help = "Example: routefuse cache gc --max-bytes 100000000")]
    Gc(GarbageCollect),
    /// Take every kernel away.
    #[command(after_help = "Example: routefuse cache clear")]
    Clear(CacheLook),
    /// Write every kernel into one bundle.
    #[command(after_help = "Example: routefuse cache export -o kernels.rfb")]
    Export(CacheExport),
    /// Put a bundle's kernels into the cache.
    #[command(after_help = "Example: routefuse cache import model.rfb")]
    Import(CacheImport),
    /// Write every kernel to the remote cache.
    #[command(after_help = "Example: routefuse cache push --remote-cache s3://bucket/kernels")]
    Push(CachePush),
    /// Say which kernels of a graph are missing, and how the nearest differ.
    #[command(after_help = "Example: routefuse cache why-miss --model deepseek-v3 --target sm_90")]
    WhyMiss(WhyMiss),
}

impl Cache {
    /// The cache options that were given; a command takes those that act on it.
    pub fn options(&self) -> CacheOptions {
        let none = CacheOptions::default;
        let (directory, options) = match self {
            Cache::Ls(a) | Cache::Clear(a) => (&a.directory, none()),
            Cache::Stat(a) => {
                (&a.directory, CacheOptions { remote: a.remote.clone(), writing: a.writing.clone(), ..none() })
            }
            Cache::Verify(a) => (&a.directory, CacheOptions { trust: a.trust.clone(), ..none() }),
            Cache::Gc(a) => (&a.directory, none()),
            Cache::Export(a) => (&a.directory, CacheOptions { sign: a.sign.clone(), trust: a.trust.clone(), ..none() }),
            Cache::Import(a) => (&a.directory, CacheOptions { trust: a.bundle.trust.clone(), ..none() }),
            Cache::Push(CachePush { directory, remote, sign, trust, .. }) => {
                let (remote, sign, trust) = (remote.clone(), sign.clone(), trust.clone());
                (directory, CacheOptions { remote, sign, trust, ..none() })
            }
            Cache::WhyMiss(a) => {
                (&a.directory, CacheOptions { remote: a.remote.clone(), trust: a.trust.clone(), ..none() })
            }
        };
        CacheOptions { local: LocalCache { directory: directory.clone(), no_cache: false }, ..options }
    }
}

/// `cache ls` and `cache clear`.
#[derive(Debug, Args)]
pub struct CacheLook {
    #[command(flatten)]
    pub directory: Directory,
    /// Print JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

/// `cache stat`.
#[derive(Debug, Args)]
pub struct CacheStat {
    #[command(flatten)]
    pub directory: Directory,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub writing: RemoteWriting,
    /// Print JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

/// `cache verify`.
#[derive(Debug, Args)]
pub struct CacheVerify {
    #[command(flatten)]
    pub directory: Directory,
    #[command(flatten)]
    pub trust: Trust,
    /// Print JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
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
    #[command(flatten)]
    pub directory: Directory,
    /// Print JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

/// `cache export`.
#[derive(Debug, Args)]
pub struct CacheExport {
    /// The bundle to write.
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// Write over a file that is there, whatever it is.
    ///
    /// An older bundle is written over without.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub directory: Directory,
    #[command(flatten)]
    pub sign: Sign,
    #[command(flatten)]
    pub trust: Trust,
    /// Print JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

/// `cache import`.
#[derive(Debug, Args)]
pub struct CacheImport {
    #[command(flatten)]
    pub directory: Directory,
    #[command(flatten)]
    pub bundle: BundleFile,
}

/// `cache push`.
#[derive(Debug, Args)]
pub struct CachePush {
    #[command(flatten)]
    pub directory: Directory,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub sign: Sign,
    #[command(flatten)]
    pub trust: Trust,
    /// Print JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}

/// `cache why-miss`.
#[derive(Debug, Args)]
pub struct WhyMiss {
    #[command(flatten)]
    pub graph: GraphSource,
    /// The target.
    #[arg(long, default_value = "host")]
    pub target: String,
    #[command(flatten)]
    pub directory: Directory,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub trust: Trust,
    /// Print JSON.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
}
