//! Texts that are handed out.

use crate::boundary::{answer, call};
use crate::error::routefuse_status;
use crate::handle::{Kind, Table};
use routefuse::Error;
use std::ffi::{CString, c_char};
use std::ptr;

/// A text of the library's. Free it with `routefuse_text_free`.
pub struct routefuse_text {
    _opaque: [u8; 0],
}

static TEXTS: Table<CString> = Table::new(Kind::Text);

/// A text as C has it: to its first zero byte, of which texts here have none.
pub(crate) fn c_text(text: &str) -> CString {
    let end = text.find('\0').unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default()
}

/// A handle of a text.
pub(crate) fn handle(text: &str) -> Result<*mut routefuse_text, Error> {
    TEXTS.insert(c_text(text))
}

/// Its characters in UTF-8, which end in a zero byte and live as long as the text. Null for what is no text.
#[unsafe(no_mangle)]
pub extern "C" fn routefuse_text_data(text: *const routefuse_text) -> *const c_char {
    answer(ptr::null(), || Ok(TEXTS.get(text)?.as_ptr()))
}

/// How many bytes it has, without the zero byte.
#[unsafe(no_mangle)]
pub extern "C" fn routefuse_text_size(text: *const routefuse_text) -> usize {
    answer(0, || Ok(TEXTS.get(text)?.as_bytes().len()))
}

/// Frees a text. Null is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn routefuse_text_free(text: *mut routefuse_text) -> routefuse_status {
    call(ptr::null_mut(), || TEXTS.remove(text).map(drop))
}
