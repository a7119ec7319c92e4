//! Whose bundles are run, and keys to sign with.

use crate::boundary::{self, bad_call, call, reserved};
use crate::error::{routefuse_error, routefuse_status};
use routefuse::Error;
use routefuse::cache::{PublicKey, SigningKey, Trouble, Trust};
use routefuse::diag::{Code, Diagnostic};
use std::ffi::c_char;
use std::path::Path;

/// Whoever made the file: right where it was made here, or where nobody else could put it.
pub const ROUTEFUSE_TRUST_ANYONE: u32 = 1;
/// Whoever holds one of the keys.
pub const ROUTEFUSE_TRUST_SIGNED: u32 = 2;

/// Whose code is run. A bundle is machine code of whoever made it, and preparing a plan of it runs that code as this process's user.
/// There is no default: zeros are refused.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct routefuse_trust {
    /// `ROUTEFUSE_TRUST_ANYONE` or `ROUTEFUSE_TRUST_SIGNED`.
    pub whom: u32,
    /// 0.
    pub reserved: u32,
    /// For `ROUTEFUSE_TRUST_SIGNED`, the files of the public keys.
    pub key_files: *const *const c_char,
    /// How many.
    pub key_file_count: usize,
}

fn bad_key(trouble: &Trouble) -> Error {
    Diagnostic::new(Code::Untrusted, trouble.to_string()).help("`routefuse_key_create` makes keys").into()
}

/// The keys of files.
pub(crate) fn keys(files: &[&str]) -> Result<Vec<PublicKey>, Error> {
    let keys = files.iter().map(|file| PublicKey::read(Path::new(file)).map_err(|t| bad_key(&t)));
    Ok(keys.collect::<Result<Vec<_>, Error>>()?.into_iter().flatten().collect())
}

/// The key in a file, to sign with.
#[cfg(feature = "compiler")]
pub(crate) fn signing_key(file: &str) -> Result<SigningKey, Error> {
    SigningKey::read(Path::new(file)).map_err(|t| bad_key(&t))
}

/// Whose code is run.
///
/// # Errors
/// `RF0814` if nothing says so, or a key cannot be read; `RF1102` for what no call takes.
///
/// # Safety
/// The names of files are texts.
pub(crate) unsafe fn trust(trust: *const routefuse_trust) -> Result<Trust, Error> {
    // SAFETY: the caller vouches for it.
    let given = if trust.is_null() { None } else { Some(unsafe { boundary::thing("trust", trust) }?) };
    if let Some(given) = given {
        reserved("trust", given.reserved)?;
    }
    match given.map_or(0, |g| g.whom) {
        0 => Err(Diagnostic::new(Code::Untrusted, "a bundle is machine code of whoever made it, and nothing says whose code may be run")
            .help("ROUTEFUSE_TRUST_ANYONE for a file that was made here, or ROUTEFUSE_TRUST_SIGNED with the signers' public keys")
            .into()),
        ROUTEFUSE_TRUST_ANYONE => Ok(Trust::anyone()),
        ROUTEFUSE_TRUST_SIGNED => {
            let (files, count) = given.map_or((std::ptr::null(), 0), |g| (g.key_files, g.key_file_count));
            // SAFETY: the caller vouches for it.
            Ok(Trust::signed_by(keys(&unsafe { boundary::texts("trust.key_files", files, count) }?)?))
        }
        whom => Err(bad_call(format!("`trust.whom` is {whom}"), "it is ROUTEFUSE_TRUST_ANYONE (1) or ROUTEFUSE_TRUST_SIGNED (2)")),
    }
}

/// Makes a key to sign bundles with, and writes it to the file `path`; and the public key, which says whose a signature is, to that
/// name with `.pub` behind it. RF0702 if one of the files is there already, or cannot be written: then neither is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_key_create(
    path: *const c_char,
    error: *mut *mut routefuse_error,
) -> routefuse_status {
    call(error, || {
        // SAFETY: the caller's promise.
        let path = unsafe { boundary::text("path", path) }?;
        let written = SigningKey::generate().and_then(|key| key.write_pair(Path::new(path)));
        written.map(drop).map_err(|trouble| {
            Diagnostic::new(Code::CannotWrite, trouble.to_string())
                .help("name a file that is not there, in a folder that can be written")
                .into()
        })
    })
}
