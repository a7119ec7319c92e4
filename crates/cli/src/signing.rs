//! The keys that the options name.

use crate::args::CacheOptions;
use routefuse::cache::{BundleWriter, PublicKey, SigningKey, Trouble};
use routefuse::diag::{Code, Diagnostic};
use std::path::PathBuf;

fn file(option: &Option<PathBuf>, variable: &str) -> Option<PathBuf> {
    option.clone().or_else(|| std::env::var_os(variable).filter(|v| !v.is_empty()).map(PathBuf::from))
}

/// What to sign with.
///
/// # Errors
/// `RF0814` if there is a file that cannot be used.
pub fn key(options: &CacheOptions) -> Result<Option<SigningKey>, Diagnostic> {
    file(&options.sign, "ROUTEFUSE_SIGN").map(|path| SigningKey::read(&path).map_err(|t| bad(&t))).transpose()
}

/// Whose signature is required.
///
/// # Errors
/// `RF0814` if there is a file that cannot be used.
pub fn required(options: &CacheOptions) -> Result<Option<Vec<PublicKey>>, Diagnostic> {
    let path = file(&options.require_signed, "ROUTEFUSE_REQUIRE_SIGNED");
    path.map(|path| PublicKey::read(&path).map_err(|t| bad(&t))).transpose()
}

/// A bundle's bytes, signed if there is a key.
///
/// # Errors
/// Those of [`key`].
pub fn finish(bundle: &BundleWriter, options: &CacheOptions) -> Result<Vec<u8>, Diagnostic> {
    Ok(match key(options)? {
        Some(key) => bundle.finish_signed(&key),
        None => bundle.finish(),
    })
}

/// `RF0814`.
pub fn bad(trouble: &Trouble) -> Diagnostic {
    Diagnostic::new(Code::Untrusted, trouble.to_string()).help("`routefuse bundle keygen` makes keys")
}
