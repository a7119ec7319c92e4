//! Link arguments of the finished program.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Relative relocations in their packed form: 3 MB smaller. The loader of glibc 2.36 and later knows it.
    let linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    if linux && std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
