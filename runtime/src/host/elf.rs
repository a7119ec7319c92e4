//! Is this a whole ELF shared object for this processor? `dlopen` maps what the headers promise, and a file cut short
//! would be a bus error instead of a message.

/// `EM_X86_64` and `EM_AARCH64` of the ELF specification.
const MACHINES: [(&str, u16); 2] = [("x86_64", 62), ("aarch64", 183)];
/// `ET_DYN`.
const SHARED_OBJECT: u16 = 3;

/// Checks the header and that every segment lies in the file.
pub(super) fn check(code: &[u8]) -> Result<(), String> {
    if code.len() < 64 || !code.starts_with(b"\x7fELF") {
        return Err("it is no ELF file".to_owned());
    }
    // Class 2: 64 bits; data 1: little-endian.
    if code[4] != 2 || code[5] != 1 {
        return Err("it is no little-endian ELF file of 64 bits".to_owned());
    }
    let half = |at: usize| u16::from_le_bytes([code[at], code[at + 1]]);
    if half(16) != SHARED_OBJECT {
        return Err("it is an ELF file, but no shared object".to_owned());
    }
    let machine = half(18);
    let here = MACHINES.iter().find(|(arch, _)| *arch == std::env::consts::ARCH);
    if here.is_none_or(|(_, id)| *id != machine) {
        let name = MACHINES.iter().find(|(_, id)| *id == machine).map_or("another", |(arch, _)| arch);
        return Err(format!("it is for a {name} processor, and this one is {}", std::env::consts::ARCH));
    }
    let word = |at: usize| Some(u64::from_le_bytes(code.get(at..at.checked_add(8)?)?.try_into().ok()?));
    let (table, size, count) = (word(32), usize::from(half(54)), usize::from(half(56)));
    let whole = (0..count).try_for_each(|i| {
        let header = usize::try_from(table?).ok()?.checked_add(i * size)?;
        let (offset, bytes) = (word(header.checked_add(8)?)?, word(header.checked_add(32)?)?);
        (offset.checked_add(bytes)? <= code.len() as u64).then_some(())
    });
    if whole.is_none() || count == 0 || size < 56 {
        return Err("the file is cut short".to_owned());
    }
    Ok(())
}
