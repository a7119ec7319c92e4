//! Whose bundles are run, and keys to sign with.

use crate::failure::{raised, wrong};
use ::routefuse::cache::{PublicKey, SigningKey, Trouble, Trust};
use ::routefuse::diag::{Code, Diagnostic};
use pyo3::prelude::*;
use pyo3::types::PyString;
use std::path::PathBuf;

fn bad(py: Python<'_>, trouble: &Trouble) -> PyErr {
    raised(py, Diagnostic::new(Code::Untrusted, trouble.to_string()).help("`routefuse.generate_key` makes keys"))
}

/// The keys of files: one path, or several.
pub fn keys(py: Python<'_>, files: &Bound<'_, PyAny>) -> PyResult<Vec<PublicKey>> {
    let files: Vec<PathBuf> = match files.extract::<PathBuf>() {
        Ok(one) => vec![one],
        Err(_) => files.extract()?,
    };
    let mut keys = Vec::new();
    for file in files {
        keys.extend(PublicKey::read(&file).map_err(|t| bad(py, &t))?);
    }
    Ok(keys)
}

/// `"anyone"`, or the files of the public keys whose signatures are taken.
pub fn trust(py: Python<'_>, trust: Option<&Bound<'_, PyAny>>) -> PyResult<Trust> {
    let Some(trust) = trust.filter(|t| !t.is_none()) else {
        return Err(wrong(
            py,
            Code::Untrusted,
            "a bundle is machine code of whoever made it, and nothing says whose code may be run",
            "trust=\"anyone\" for a file that was made here, or trust=\"signer.pub\", the file of the signer's public key",
        ));
    };
    if trust.cast::<PyString>().is_ok_and(|text| text == "anyone") {
        return Ok(Trust::anyone());
    }
    Ok(Trust::signed_by(keys(py, trust)?))
}

/// The key in a file, to sign with.
#[cfg(feature = "compiler")]
pub fn signing_key(py: Python<'_>, file: &std::path::Path) -> PyResult<SigningKey> {
    SigningKey::read(file).map_err(|t| bad(py, &t))
}

/// Makes a key to sign bundles with, and writes it to `file`; and the public key, which says whose a signature is, to `file` with
/// `.pub` behind its name. Gives the path of the public key.
///
/// Raises Error (RF0702) if one of the files is there already, or cannot be written: then neither is.
#[pyfunction]
pub fn generate_key(py: Python<'_>, file: PathBuf) -> PyResult<PathBuf> {
    let written = SigningKey::generate().and_then(|key| key.write_pair(&file));
    let help = "name a file that is not there, in a folder that can be written";
    written.map_err(|trouble| wrong(py, Code::CannotWrite, trouble.to_string(), help))
}
