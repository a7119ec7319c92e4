//! Builds the C++ shim and links LLD and the C++ support libraries statically.
//!
//! LLVM and MLIR themselves are linked by `llvm-sys` and `mlir-sys`; both must be static, or the process would hold two
//! copies of LLVM's global state.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

/// What a user has to install, said in every message that ends this script.
const INSTALL: &str = "Install LLVM and MLIR 22 (Debian: apt-get install --no-install-recommends g++ llvm-22-dev \
libmlir-22-dev libpolly-22-dev liblld-22-dev mlir-22-tools libclang1-22 libclang-common-22-dev zlib1g-dev \
libzstd-dev), or, where they live elsewhere, set ROUTEFUSE_LLVM to their prefix and build with make, which sets \
MLIR_SYS_220_PREFIX, LLVM_SYS_221_PREFIX, TABLEGEN_220_PREFIX and LIBCLANG_PATH from it.";

fn main() {
    for file in ["build.rs", "cpp/shim.cpp", "cpp/stubs.cpp"] {
        println!("cargo:rerun-if-changed={file}");
    }
    for variable in ["ROUTEFUSE_LLVM", "MLIR_SYS_220_PREFIX", "MLIR_SYS_LINK_SHARED"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let prefix = prefix();
    if env::var("MLIR_SYS_LINK_SHARED").is_ok_and(|value| value == "1") {
        panic!(
            "MLIR_SYS_LINK_SHARED=1 links MLIR dynamically while LLVM is linked statically: unset it, or the process \
             would hold two LLVMs"
        );
    }

    let mut shim = cc::Build::new();
    shim.cpp(true)
        .std("c++17")
        .include(prefix.join("include"))
        .flag("-fno-rtti")
        .flag("-fno-exceptions")
        .warnings(false)
        .opt_level(1)
        .file("cpp/shim.cpp")
        .file("cpp/stubs.cpp");
    shim.compile("routefuse_shim");

    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    let libraries = static_libraries(&out, shim.get_compiler().path());
    println!("cargo:rustc-link-search=native={}", libraries.display());
    println!("cargo:rustc-link-search=native={}", prefix.join("lib").display());
    for library in ["static:-bundle=lldELF", "static:-bundle=lldCommon"] {
        println!("cargo:rustc-link-lib={library}");
    }
    for library in ["z", "zstd"] {
        println!("cargo:rustc-link-lib={library}");
    }
}

/// The prefix of LLVM 22, with headers and archives that were seen to exist.
fn prefix() -> PathBuf {
    let chosen = env::var("ROUTEFUSE_LLVM").ok().filter(|v| !v.is_empty());
    let mlir = env::var("MLIR_SYS_220_PREFIX").ok().filter(|v| !v.is_empty());
    if let (Some(chosen), Some(mlir)) = (&chosen, &mlir)
        && chosen != mlir
    {
        panic!("ROUTEFUSE_LLVM is {chosen} but MLIR_SYS_220_PREFIX is {mlir}: they must name one LLVM. {INSTALL}");
    }
    let prefix = PathBuf::from(chosen.or(mlir).unwrap_or_else(|| "/usr/lib/llvm-22".to_owned()));
    for file in [
        "include/mlir/CAPI/IR.h",
        "include/lld/Common/Driver.h",
        "lib/liblldELF.a",
        "lib/libMLIRIR.a",
        "lib/libLLVMCore.a",
    ] {
        if !prefix.join(file).exists() {
            panic!("no {file} under {}. {INSTALL}", prefix.display());
        }
    }
    let config = prefix.join("bin/llvm-config");
    let version = Command::new(&config)
        .arg("--version")
        .output()
        .ok()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    if !version.starts_with("22.") {
        panic!("{} says version `{version}`, but routefuse needs LLVM 22. {INSTALL}", config.display());
    }
    prefix
}

/// A directory with only the `.a` of the C and C++ support libraries. It is searched before the system's, so that a
/// finished binary loads nothing but glibc and libgcc_s.
fn static_libraries(out: &Path, compiler: &Path) -> PathBuf {
    let directory = out.join("libraries");
    // Left over from an earlier run; a missing directory is the normal case.
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("OUT_DIR is writable");
    for library in ["libstdc++.a", "libz.a", "libzstd.a", "libffi.a"] {
        let output = Command::new(compiler)
            .arg(format!("-print-file-name={library}"))
            .output()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", compiler.display()));
        let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        if !path.is_absolute() {
            panic!("{} finds no {library}, which the static link needs. {INSTALL}", compiler.display());
        }
        symlink(&path, directory.join(library)).expect("OUT_DIR is writable");
    }
    directory
}
