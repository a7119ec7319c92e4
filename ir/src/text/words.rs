//! What a name may be written like: shared by what reads text and what writes it.

/// The version of the textual form that this build reads and writes.
pub const VERSION: u64 = 1;

/// The characters of a word, and of a name after a sigil.
pub fn is_word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}

/// True if a name needs no quotes where a bare word stands.
pub fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(is_word_char)
}

/// True if a name needs no quotes after its sigil.
pub fn is_plain_after_sigil(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_word_char)
}
