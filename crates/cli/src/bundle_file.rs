//! Bundles that are read as the options require.

use crate::args::CacheOptions;
use crate::signing;
use routefuse::cache::{Bundle, Trouble};
use routefuse::diag::{Code, Diagnostic};
use std::path::Path;

/// Reads a bundle.
///
/// # Errors
/// `RF0701` if it cannot be read, `RF0811` if it is not a bundle as it was written, `RF0814` if it is not signed as the options
/// require.
pub fn read(path: &Path, options: &CacheOptions) -> Result<Bundle, Diagnostic> {
    let bundle = Bundle::read(path).map_err(|trouble| match trouble {
        Trouble::Io { .. } => Diagnostic::new(Code::CannotRead, trouble.to_string()),
        _ => Diagnostic::new(Code::BadBundle, format!("the bundle cannot be used: {trouble}"))
            .help("build it anew with `routefuse bundle build`"),
    })?;
    if let Some(keys) = signing::required(options)? {
        bundle.require_signed(&keys).map_err(|why| {
            let message = format!("{} cannot be used: {why}", path.display());
            Diagnostic::new(Code::Untrusted, message).help("`routefuse bundle inspect` says who signed it")
        })?;
    }
    Ok(bundle)
}
