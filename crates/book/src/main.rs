//! `make book`: builds the book and says where it is.

#![forbid(unsafe_code)]

use routefuse_book::{build, root};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let out = std::path::absolute(&target).unwrap_or(target).join("book");
    match build(&root(), &out) {
        Ok(()) => {
            println!("{}", out.join("index.html").display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("book: {error:#}");
            ExitCode::FAILURE
        }
    }
}
