//! The search, as the build script does it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What to install, for messages that end a build.
pub const INSTALL: &str = "LLVM 22 with MLIR and LLD, headers and static libraries (Debian: apt-get install \
--no-install-recommends g++ llvm-22 llvm-22-dev libmlir-22-dev libpolly-22-dev liblld-22-dev mlir-22-tools libclang1-22 \
libclang-common-22-dev zlib1g-dev libzstd-dev)";

/// The variables under which the crates that link LLVM look for its prefix: `mlir-sys`, `tblgen`, `llvm-sys`. Where one is not
/// set, its crate takes the `llvm-config` in `PATH`.
pub const VARIABLES: [&str; 3] = ["MLIR_SYS_220_PREFIX", "TABLEGEN_220_PREFIX", "LLVM_SYS_221_PREFIX"];

/// Where Debian's packages put LLVM 22.
const DEBIAN: &str = "/usr/lib/llvm-22";

/// One file of each part that is linked.
const FILES: [&str; 5] = [
    "include/mlir/CAPI/IR.h",
    "include/lld/Common/Driver.h",
    "lib/liblldELF.a",
    "lib/libMLIRIR.a",
    "lib/libLLVMCore.a",
];

/// What the search asks of the machine, so that tests can answer.
pub struct Machine<'m> {
    /// The value of an environment variable.
    pub variable: &'m dyn Fn(&str) -> Option<String>,
    /// What a `llvm-config` answers to an argument; none if it does not run.
    pub llvm_config: &'m dyn Fn(&Path, &str) -> Option<String>,
}

/// The prefix of the LLVM 22 that every crate will find.
///
/// # Errors
/// What is wrong, and the lines that set it right.
pub fn find(machine: &Machine) -> Result<PathBuf, String> {
    let variable = |name: &str| (machine.variable)(name).filter(|value| !value.is_empty());
    if variable("MLIR_SYS_LINK_SHARED").as_deref() == Some("1") {
        return Err("MLIR_SYS_LINK_SHARED=1 links MLIR dynamically while LLVM is linked statically: unset it, or the \
                    process would hold two LLVMs"
            .to_owned());
    }
    let chosen = ["ROUTEFUSE_LLVM"].into_iter().chain(VARIABLES).find_map(|name| Some((name, variable(name)?)));
    let in_path = llvm_in_path(machine);
    let (prefix, named) = match (&chosen, &in_path) {
        (Some((name, prefix)), _) => (PathBuf::from(prefix), format!(", which {name} names")),
        (None, Some(prefix)) => (PathBuf::from(prefix), ", whose llvm-config is in PATH".to_owned()),
        (None, None) => (PathBuf::from(DEBIAN), ", where Debian puts it".to_owned()),
    };
    let at = prefix.display();
    if let Some(problem) = problem(&prefix, machine) {
        let example = if chosen.is_some() { Path::new("/path/to/llvm-22") } else { &prefix };
        let lines = lines(example);
        return Err(format!(
            "there is no LLVM 22 that routefuse can link under {at}{named}: {problem}. Install {INSTALL}. {lines}"
        ));
    }
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let same = |other: &str| canonical(Path::new(other)) == canonical(&prefix);
    for name in VARIABLES {
        let lines = lines(&prefix);
        match variable(name) {
            Some(other) if !same(&other) => {
                return Err(format!(
                    "{name} is {other}, but LLVM is taken from {at}{named}: they must name one LLVM. {lines}"
                ));
            }
            // Without the variable, the crate takes what is in PATH.
            None if !in_path.as_deref().is_some_and(same) => {
                return Err(format!("LLVM 22 is at {at}{named}, but {name} is not set. {lines}"));
            }
            _ => {}
        }
    }
    Ok(prefix)
}

/// The prefix of the `llvm-config` in `PATH`, if it is LLVM 22's.
fn llvm_in_path(machine: &Machine) -> Option<String> {
    let program = Path::new("llvm-config");
    let version = (machine.llvm_config)(program, "--version")?;
    version.starts_with("22.").then(|| (machine.llvm_config)(program, "--prefix")).flatten()
}

/// Why the LLVM under this prefix will not do.
fn problem(prefix: &Path, machine: &Machine) -> Option<String> {
    let Some(version) = (machine.llvm_config)(&prefix.join("bin/llvm-config"), "--version") else {
        return Some("no bin/llvm-config there runs".to_owned());
    };
    if !version.starts_with("22.") {
        return Some(format!("it is LLVM {version}"));
    }
    let missing = FILES.iter().find(|file| !prefix.join(file).exists())?;
    Some(format!("it has no {missing}"))
}

/// What a user sets.
fn lines(prefix: &Path) -> String {
    let prefix = prefix.display();
    let mut text =
        "Say where LLVM is in `.cargo/config.toml`, beside the Cargo.toml of the workspace that is built:\n\n\
                    [env]\n"
            .to_owned();
    for name in VARIABLES {
        text.push_str(&format!("{name} = \"{prefix}\"\n"));
    }
    text.push_str(&format!("LIBCLANG_PATH = \"{prefix}/lib\"\n"));
    text
}

/// What a `llvm-config` answers; none if it does not run.
pub fn llvm_config(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
