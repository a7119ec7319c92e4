//! Is this a whole shared object for this processor?

use crate::elf;

/// `EM_X86_64` and `EM_AARCH64` of the ELF specification.
const MACHINES: [(&str, u16); 2] = [("x86_64", 62), ("aarch64", 183)];

/// Checks the header and that every segment lies in the file.
pub(super) fn check(code: &[u8]) -> Result<(), String> {
    let machine = elf::machine(code)?;
    let here = MACHINES.iter().find(|(arch, _)| *arch == std::env::consts::ARCH);
    if here.is_none_or(|(_, id)| *id != machine) {
        let name = MACHINES.iter().find(|(_, id)| *id == machine).map_or("another", |(arch, _)| arch);
        return Err(format!("it is for a {name} processor, and this one is {}", std::env::consts::ARCH));
    }
    if elf::is_whole(code) { Ok(()) } else { Err("the file is cut short".to_owned()) }
}
