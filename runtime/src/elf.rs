//! Shared objects: the host's code, and AMD's code objects.

/// `ET_DYN` of the ELF specification.
const SHARED_OBJECT: u16 = 3;

/// Which machine (`e_machine`) the shared object is for.
pub(crate) fn machine(code: &[u8]) -> Result<u16, String> {
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
    Ok(half(18))
}

/// Whether every segment, and the table of sections if there is one, lies in the file of this shared object. A loader maps what
/// the headers promise, so that a file cut short would be a bus error instead of a message.
pub(crate) fn is_whole(code: &[u8]) -> bool {
    let half = |at: usize| Some(u16::from_le_bytes(code.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| Some(u64::from_le_bytes(code.get(at..at.checked_add(8)?)?.try_into().ok()?));
    let ends_inside = |begin: u64, bytes: u64| begin.checked_add(bytes).is_some_and(|end| end <= code.len() as u64);
    let whole = || {
        let (table, size, count) = (word(32)?, usize::from(half(54)?), usize::from(half(56)?));
        for i in 0..count {
            let header = usize::try_from(table).ok()?.checked_add(i * size)?;
            if !ends_inside(word(header.checked_add(8)?)?, word(header.checked_add(32)?)?) {
                return None;
            }
        }
        let sections = u64::from(half(58)?) * u64::from(half(60)?);
        (count > 0 && size >= 56 && (sections == 0 || ends_inside(word(40)?, sections))).then_some(())
    };
    whole().is_some()
}
