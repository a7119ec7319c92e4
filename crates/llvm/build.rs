//! Ends the build where there is no LLVM that routefuse can link.

#[path = "src/find.rs"]
mod find;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/find.rs");
    for variable in find::VARIABLES.iter().chain(&["ROUTEFUSE_LLVM", "MLIR_SYS_LINK_SHARED"]) {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let machine = find::Machine { variable: &|name| std::env::var(name).ok(), llvm_config: &find::llvm_config };
    match find::find(&machine) {
        Ok(prefix) => {
            println!("cargo:rerun-if-changed={}/bin/llvm-config", prefix.display());
            println!("cargo:rustc-env=ROUTEFUSE_LLVM_PREFIX={}", prefix.display());
        }
        Err(message) => {
            eprintln!("error: {message}");
            std::process::exit(1);
        }
    }
}
