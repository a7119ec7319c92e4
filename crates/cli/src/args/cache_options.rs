//! Which cache of compiled kernels is used, and whose code is run. A command takes those of these options that act on it.

use clap::{ArgGroup, Args};
use std::path::PathBuf;

/// All of them: of what compiles and may write to a remote cache.
#[derive(Clone, Debug, Default, Args)]
#[command(group(ArgGroup::new("one of the caches").args(["no_cache", "remote_cache"])))]
pub struct CacheOptions {
    #[command(flatten)]
    pub local: LocalCache,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub writing: RemoteWriting,
    #[command(flatten)]
    pub sign: Sign,
    #[command(flatten)]
    pub trust: Trust,
}

/// Those of what looks into this machine's cache, and nowhere else.
#[derive(Clone, Debug, Default, Args)]
pub struct LocalOptions {
    #[command(flatten)]
    pub local: LocalCache,
    #[command(flatten)]
    pub trust: Trust,
}

impl From<&LocalOptions> for CacheOptions {
    fn from(options: &LocalOptions) -> CacheOptions {
        CacheOptions { local: options.local.clone(), trust: options.trust.clone(), ..CacheOptions::default() }
    }
}

/// Where compiled kernels are kept.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cache options")]
pub struct Directory {
    /// Where compiled kernels are kept [default: ~/.cache/routefuse].
    ///
    /// Without this, it is $ROUTEFUSE_CACHE_DIR, else $XDG_CACHE_HOME/routefuse, else ~/.cache/routefuse.
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
}

/// The cache of this machine, or none.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cache options")]
pub struct LocalCache {
    #[command(flatten)]
    pub directory: Directory,
    /// Neither look for compiled kernels nor keep them.
    ///
    /// An empty $ROUTEFUSE_CACHE_DIR does the same.
    #[arg(long, conflicts_with = "cache_dir")]
    pub no_cache: bool,
}

/// The cache that machines share.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cache options")]
pub struct Remote {
    /// A cache that machines share, for what this one's lacks.
    ///
    /// It is s3://BUCKET/…, gs://BUCKET/…, az://CONTAINER/…, https://HOST/… (WebDAV) or file:///DIRECTORY. Without this, it is
    /// $ROUTEFUSE_REMOTE_CACHE, else none.
    #[arg(long, value_name = "URL")]
    pub remote_cache: Option<String>,
    /// Take a remote cache with http://, which nothing protects.
    ///
    /// Such a cache is neither encrypted nor authenticated. $ROUTEFUSE_ALLOW_HTTP=1 does the same.
    #[arg(long)]
    pub allow_http: bool,
}

/// Whether what is compiled here goes to the cache that machines share.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cache options")]
pub struct RemoteWriting {
    /// Write what is compiled to the remote cache as well.
    ///
    /// $ROUTEFUSE_REMOTE_WRITE=1 does the same.
    #[arg(long)]
    pub remote_write: bool,
}

/// What to sign with.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Signing options")]
pub struct Sign {
    /// Sign with this signing key what others are to run.
    ///
    /// Bundles that are made, and kernels that are written to the remote cache, are signed with it. Without this, it is
    /// $ROUTEFUSE_SIGN, else nothing is signed.
    #[arg(long, value_name = "KEYFILE")]
    pub sign: Option<PathBuf>,
}

/// Whose code is run.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Signing options")]
pub struct Trust {
    /// Use only what one of these public keys has signed.
    ///
    /// Bundles that none of them has signed are refused, and kernels that came from elsewhere, now or earlier, are compiled
    /// instead. Without this, it is $ROUTEFUSE_REQUIRE_SIGNED, else any are used.
    #[arg(long, visible_alias = "public-key", value_name = "KEYFILE")]
    pub require_signed: Option<PathBuf>,
}
