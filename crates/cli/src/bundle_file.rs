//! Bundles that are read as the options require.

use crate::args::CacheOptions;
use crate::atomic_file::Over;
use crate::input_file;
use crate::signing;
use routefuse::cache::{Bundle, Trust, TrustedBundle};
use routefuse::diag::{Code, Diagnostic};
use std::io::Read;
use std::path::Path;

/// Reads a bundle.
///
/// # Errors
/// `RF0701` if it cannot be read, `RF0811` if it is not a bundle as it was written, `RF0814` if it is not signed as the options
/// require.
pub fn read(path: &Path, options: &CacheOptions) -> Result<TrustedBundle, Diagnostic> {
    let help = "`routefuse bundle inspect` says who signed it";
    let helped = |e: Diagnostic| if e.code == Code::Untrusted { e.help(help) } else { e };
    TrustedBundle::read(path, &trust(options)?).map_err(helped)
}

/// A bundle may be written over an older one.
pub const FORMER: Over<'static> = Over::Former(&is_bundle);

fn is_bundle(path: &Path) -> bool {
    let mut begins = [0; 8];
    input_file::open(path).is_ok_and(|(mut file, _)| file.read_exact(&mut begins).is_ok()) && begins == *b"RFBUNDLE"
}

/// Whose bundles the options trust: those of the required keys, or without any, whoever made them.
///
/// # Errors
/// `RF0814` if a file of keys cannot be used.
pub fn trust(options: &CacheOptions) -> Result<Trust, Diagnostic> {
    Ok(signing::required(options)?.map_or_else(Trust::anyone, Trust::signed_by))
}

/// Whose code it is, in a line that stands before anything else that is said of a bundle.
pub fn whose(bundle: &Bundle) -> String {
    match bundle.signer() {
        Some(key) => format!("signed by  {key}; who holds this key runs code as you"),
        None => "not signed: whoever made this file runs code as you".to_owned(),
    }
}
