//! The keys that the options name.

use crate::args::CacheOptions;
use routefuse::cache::{BundleWriter, Entry, Origin, PublicKey, SigningKey, Trouble};
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
    file(&options.sign.sign, "ROUTEFUSE_SIGN").map(|path| SigningKey::read(&path).map_err(|t| bad(&t))).transpose()
}

/// Whose signature is required.
///
/// # Errors
/// `RF0814` if there is a file that cannot be used.
pub fn required(options: &CacheOptions) -> Result<Option<Vec<PublicKey>>, Diagnostic> {
    let path = file(&options.trust.require_signed, "ROUTEFUSE_REQUIRE_SIGNED");
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

/// Which kernels get our signature: who signs vouches for the code.
pub struct Vouched {
    /// Whose signature makes a kernel from elsewhere as good as our own; `None` if nothing is signed.
    signers: Option<Vec<PublicKey>>,
}

impl Vouched {
    /// By the keys that the options name.
    ///
    /// # Errors
    /// `RF0814` if there is a file that cannot be used.
    pub fn of(options: &CacheOptions) -> Result<Vouched, Diagnostic> {
        let own = key(options)?.map(|key| key.public());
        let required = required(options)?.unwrap_or_default();
        Ok(Vouched { signers: own.map(|own| required.into_iter().chain([own]).collect()) })
    }

    /// Whether a kernel was compiled here, or signed by somebody whom we trust; or nothing is signed at all.
    pub fn may_sign(&self, entry: &Entry) -> bool {
        let Some(signers) = &self.signers else { return true };
        entry.origin == Origin::Here || entry.signer().is_some_and(|key| signers.contains(&key))
    }

    /// Why not.
    pub fn why(entry: &Entry) -> String {
        format!(
            "kernel {} came from elsewhere, and its signer is none of ours: it is not signed in our name",
            entry.key
        )
    }
}

/// `RF0814`.
pub fn bad(trouble: &Trouble) -> Diagnostic {
    Diagnostic::new(Code::Untrusted, trouble.to_string()).help("`routefuse bundle keygen` makes keys")
}
