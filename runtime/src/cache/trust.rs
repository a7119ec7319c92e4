//! Whose code is run: what is in a bundle, and what came from elsewhere, runs as the user of this process.

#[cfg(feature = "signatures")]
use super::PublicKey;
use super::{Bundle, Trouble};
use routefuse_ir::{Code, Diagnostic};
use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

/// Whose code is run. There is no default: whoever loads a bundle says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust(Who);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Anyone,
    #[cfg(feature = "signatures")]
    SignedBy(Vec<PublicKey>),
}

impl Trust {
    /// Whoever made the file: right where it was made here, or where nobody else could put it.
    pub fn anyone() -> Trust {
        Trust(Who::Anyone)
    }

    /// Whoever holds one of these keys; without any, nobody.
    #[cfg(feature = "signatures")]
    pub fn signed_by(keys: impl IntoIterator<Item = PublicKey>) -> Trust {
        Trust(Who::SignedBy(keys.into_iter().collect()))
    }

    /// Whether a bundle is from one of those.
    ///
    /// # Errors
    /// It is not signed, or by another.
    pub fn permits(&self, bundle: &Bundle) -> Result<(), Untrusted> {
        match &self.0 {
            Who::Anyone => {
                let _ = bundle;
                Ok(())
            }
            #[cfg(feature = "signatures")]
            Who::SignedBy(keys) => check(bundle.signer(), keys),
        }
    }
}

/// Why something is not used by those who want it signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Untrusted {
    /// It has no signature.
    #[error("it is not signed, and a signature is required")]
    Unsigned,
    /// It is signed by another than those whose signature is required.
    #[cfg(feature = "signatures")]
    #[error("it is signed by {key}, whose signature is not one of those that are required")]
    OtherKey {
        /// Who signed it.
        key: PublicKey,
    },
}

/// Whether something is signed by one of these keys.
///
/// # Errors
/// If it is not.
#[cfg(feature = "signatures")]
pub(super) fn check(signer: Option<PublicKey>, keys: &[PublicKey]) -> Result<(), Untrusted> {
    match signer {
        None => Err(Untrusted::Unsigned),
        Some(key) if keys.contains(&key) => Ok(()),
        Some(key) => Err(Untrusted::OtherKey { key }),
    }
}

/// A bundle from someone whose code may be run: what engines and caches take. It reads like the bundle; clones share it.
#[derive(Clone)]
pub struct TrustedBundle(Arc<Bundle>);

impl TrustedBundle {
    /// Of a bundle that was read.
    ///
    /// # Errors
    /// Those of [`Trust::permits`].
    pub fn new(bundle: impl Into<Arc<Bundle>>, trust: &Trust) -> Result<TrustedBundle, Untrusted> {
        let bundle = bundle.into();
        trust.permits(&bundle)?;
        Ok(TrustedBundle(bundle))
    }

    /// The bundle in a file.
    ///
    /// # Errors
    /// `RF0701` if the file cannot be read, `RF0811` if it cannot be used, `RF0814` if it is not from one of those.
    pub fn read(path: &Path, trust: &Trust) -> Result<TrustedBundle, Diagnostic> {
        let bundle = Bundle::read(path).map_err(|trouble| match trouble {
            Trouble::Io { .. } => Diagnostic::new(Code::CannotRead, trouble.to_string()).help("name a bundle's file"),
            _ => Diagnostic::new(Code::BadBundle, format!("the bundle cannot be used: {trouble}"))
                .help("build it anew with `routefuse bundle build`"),
        })?;
        TrustedBundle::new(bundle, trust).map_err(|why| {
            Diagnostic::new(Code::Untrusted, format!("{} cannot be used: {why}", path.display()))
                .help("sign it with `routefuse bundle build --sign`, or trust its signer's public key")
        })
    }
}

impl Deref for TrustedBundle {
    type Target = Bundle;

    fn deref(&self) -> &Bundle {
        &self.0
    }
}

impl fmt::Debug for TrustedBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
