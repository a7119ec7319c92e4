//! The vendors' and LLVM's tools that tests call.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program that the variable names, or else at this path; none if it does not start.
fn tool(variable: &str, otherwise: PathBuf) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map_or(otherwise, PathBuf::from);
    let starts = Command::new(&path).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    starts.is_ok_and(|s| s.success()).then_some(path)
}

/// NVIDIA's assembler for this processor: version 13 dropped the oldest.
pub fn ptxas(sm: &str) -> Option<PathBuf> {
    let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin");
    match sm {
        "sm_70" | "sm_72" => tool("ROUTEFUSE_PTXAS_12", bin.join("ptxas-12")),
        _ => tool("ROUTEFUSE_PTXAS", bin.join("ptxas")),
    }
}

/// NVIDIA's disassembler of machine code.
pub fn nvdisasm() -> Option<PathBuf> {
    tool("ROUTEFUSE_NVDISASM", Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/nvdisasm"))
}

/// LLVM's disassembler, and its reader of ELF files beside it.
pub fn objdump_and_readelf() -> Option<(PathBuf, PathBuf)> {
    let objdump = tool("LLVM_OBJDUMP", PathBuf::from("/usr/lib/llvm-22/bin/llvm-objdump"))?;
    let name = objdump.file_name()?.to_string_lossy().replace("objdump", "readelf");
    let readelf = objdump.with_file_name(name);
    readelf.exists().then_some((objdump, readelf))
}

/// What a program prints, or what it says when it fails.
///
/// # Errors
/// Its standard output and error, if it does not end well.
pub fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(format!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// The Python of the tests.
pub fn python() -> Option<PathBuf> {
    tool("ROUTEFUSE_PYTHON", Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python"))
}
