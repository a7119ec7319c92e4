//! The book: mdBook over `docs/`, with what it warns of and with links into the sources.
//!
//! mdBook is a library here, so that the version is in `Cargo.lock` and nothing has to be installed. Whatever it warns of is an
//! error: a page that `SUMMARY.md` names and nobody wrote, a block of code in a language that it does not know.

#![forbid(unsafe_code)]

mod outside;
mod warnings;

pub use outside::normal;

use mdbook_driver::MDBook;
use mdbook_driver::errors::{Error, Result};
use outside::Outside;
use std::path::{Path, PathBuf};
use warnings::Warnings;

/// The folder that has `book.toml`.
pub fn root() -> PathBuf {
    normal(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
}

/// Builds the book of `root` into the folder `out`.
///
/// # Errors
/// What mdBook cannot build, and everything that it warns of.
pub fn build(root: &Path, out: &Path) -> Result<()> {
    let warnings = Warnings::default();
    warnings.during(|| -> Result<()> {
        let mut book = MDBook::load(root)?;
        book.config.build.build_dir = out.to_owned();
        let sources = book.config.book.src.clone();
        book.with_preprocessor(Outside::new(root, &sources));
        book.build()
    })?;
    let said = warnings.said();
    if said.is_empty() { Ok(()) } else { Err(Error::msg(format!("the book has warnings:\n{}", said.join("\n")))) }
}
