//! Which compiler this is: a hash of the sources that decide what code a kernel becomes.
//!
//! It is part of every key, so that a cache never gives the code of an older build. Outside of the workspace the sources are
//! those of published crates, which their versions identify.

use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let mut hasher = blake3::Hasher::new();
    for folder in ["../../ir/src", "../../codegen/src", "../../codegen/cpp"] {
        let folder = Path::new(folder);
        if folder.is_dir() {
            println!("cargo:rerun-if-changed={}", folder.display());
            let mut files = Vec::new();
            list(folder, &mut files);
            files.sort();
            for file in files {
                let bytes = fs::read(&file).unwrap_or_default();
                hasher.update(file.as_os_str().as_encoded_bytes());
                hasher.update(&(bytes.len() as u64).to_le_bytes());
                hasher.update(&bytes);
            }
        }
    }
    println!("cargo:rustc-env=ROUTEFUSE_COMPILER_SOURCES={}", &hasher.finalize().to_hex()[..16]);
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}
