//! Who made it: ed25519 signatures of kernels and of bundles.
//!
//! Signed is a text of two lines: what it is, with the version of its format, and the blake3 hash that its header holds, in
//! hexadecimal.
//! ```text
//! routefuse kernel 3
//! 91b2…
//! ```
//! The hash of a kernel covers its key, its key text and all of its code; that of a bundle covers its graphs and kernels. The
//! first line keeps a signature of one from being one of the other. The record of a tuning is signed as a kernel is; its hash
//! covers the letters that it begins with, so that its signature is none of a kernel.
//!
//! A signature follows what it signs:
//!
//! | offset | bytes | what |
//! |---:|---:|---|
//! | 0 | 8 | `RFSIGNED` |
//! | 8 | 4 | version of the format |
//! | 12 | 4 | 0 |
//! | 16 | 32 | the public key |
//! | 48 | 64 | the signature |

#[cfg(feature = "signatures")]
mod signed;
#[cfg(feature = "signatures")]
mod signing_key;

#[cfg(feature = "signatures")]
pub(super) use signed::{Subject, named, sign, signer};
#[cfg(feature = "signatures")]
pub use signing_key::{BadKey, PublicKey, SigningKey};

/// Bytes of a signature as it is written.
pub(super) const LENGTH: usize = 112;
const MAGIC: &[u8; 8] = b"RFSIGNED";

/// Whether a signature follows, rather than something else.
pub(super) fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}
