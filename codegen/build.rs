//! Builds the C++ shim and links LLD and the C++ support libraries statically.
//!
//! LLVM and MLIR themselves are linked by `llvm-sys` and `mlir-sys`; both must be static, or the process would hold two
//! copies of LLVM's global state. `routefuse-llvm` has seen to it that all of them take one LLVM.

use routefuse_llvm::INSTALL;
use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

fn main() {
    for file in ["build.rs", "cpp/shim.cpp", "cpp/stubs.cpp", "cpp/tvm_ffi"] {
        println!("cargo:rerun-if-changed={file}");
    }
    let prefix = Path::new(routefuse_llvm::PREFIX);

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

    // Carried, not linked: what an exported module has around its kernels.
    for part in ["arguments", "host", "cuda"] {
        let object = cc::Build::new()
            .std("c11")
            .pic(true)
            .opt_level(2)
            .debug(false)
            .flag("-fvisibility=hidden")
            .flag("-fno-stack-protector")
            .flag("-U_FORTIFY_SOURCE")
            .file(format!("cpp/tvm_ffi/{part}.c"))
            .compile_intermediates();
        println!("cargo:rustc-env=ROUTEFUSE_TVM_FFI_{}={}", part.to_uppercase(), object[0].display());
    }

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
            panic!("{} finds no {library}, which the static link needs. Install {INSTALL}", compiler.display());
        }
        symlink(&path, directory.join(library)).expect("OUT_DIR is writable");
    }
    directory
}
