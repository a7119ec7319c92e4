//! Errors, as C has them.

use crate::boundary::{Out, answer, call};
use crate::handle::{Kind, Table};
use crate::text::c_text;
use routefuse::Error;
use routefuse::diag::{Code, Diagnostic};
use std::ffi::{CString, c_char};
use std::ptr;

/// 0 for success, or the number of the error's code: 611 is RF0611.
pub type routefuse_status = i32;

/// What went wrong. Free it with `routefuse_error_free`.
pub struct routefuse_error {
    _opaque: [u8; 0],
}

/// One of the things that are wrong. Its texts live as long as the error.
#[repr(C)]
pub struct routefuse_diagnostic {
    /// The number of the code.
    pub code: i32,
    /// The line in the text of a graph, from 1; 0 where there is none.
    pub line: u32,
    /// The column in that line, in characters from 1; 0 where there is none.
    pub column: u32,
    /// 0.
    pub reserved: u32,
    /// What is wrong; it names the thing.
    pub message: *const c_char,
    /// What would be right; null where nothing is known.
    pub help: *const c_char,
    /// The operation that it is about, as text; null where there is none.
    pub context: *const c_char,
}

/// An error with its texts as C reads them.
struct Told {
    text: CString,
    parts: Vec<Part>,
}

struct Part {
    code: i32,
    place: (u32, u32),
    message: CString,
    help: Option<CString>,
    context: Option<CString>,
}

static ERRORS: Table<Told> = Table::new(Kind::Error);

/// The number of a code: 611 of `RF0611`.
fn number(code: Code) -> i32 {
    code.as_str()[2..].parse().unwrap_or(901)
}

impl Part {
    fn of(d: &Diagnostic) -> Part {
        Part {
            code: number(d.code),
            place: d.location.map_or((0, 0), |at| (at.line, at.column)),
            message: c_text(&d.message),
            help: d.help.as_deref().map(c_text),
            context: d.context.as_deref().map(c_text),
        }
    }
}

/// Writes an error to `*to`, unless `to` is null, and gives the number of its code.
#[cold]
pub(crate) fn report(to: *mut *mut routefuse_error, error: Error) -> routefuse_status {
    let code = number(error.code());
    if !to.is_null() {
        let told =
            Told { text: c_text(&format!("{error:?}")), parts: error.diagnostics().iter().map(Part::of).collect() };
        let handle = ERRORS.insert(told).unwrap_or(ptr::null_mut());
        // SAFETY: the caller's promise: what an error is written to is writable.
        unsafe { to.write(handle) };
    }
    code
}

fn first<T: Copy>(error: *const routefuse_error, otherwise: T, of: impl FnOnce(&Part) -> T) -> T {
    answer(otherwise, || Ok(ERRORS.get(error)?.parts.first().map_or(otherwise, of)))
}

fn pointer(text: Option<&CString>) -> *const c_char {
    text.map_or(ptr::null(), |t| t.as_ptr())
}

/// The number of the error's first code, as the call that failed has returned it; 0 for what is no error.
#[unsafe(no_mangle)]
pub extern "C" fn routefuse_error_code(error: *const routefuse_error) -> routefuse_status {
    first(error, 0, |part| part.code)
}

/// What is wrong first; it names the thing. Lives as long as the error. Null for what is no error.
#[unsafe(no_mangle)]
pub extern "C" fn routefuse_error_message(error: *const routefuse_error) -> *const c_char {
    first(error, ptr::null(), |part| part.message.as_ptr())
}

/// What would be right instead; null where nothing is known. Lives as long as the error.
#[unsafe(no_mangle)]
pub extern "C" fn routefuse_error_help(error: *const routefuse_error) -> *const c_char {
    first(error, ptr::null(), |part| pointer(part.help.as_ref()))
}

/// All of the error in words: codes, messages, places, help, a line each. Lives as long as the error. Null for what is no error.
#[unsafe(no_mangle)]
pub extern "C" fn routefuse_error_text(error: *const routefuse_error) -> *const c_char {
    answer(ptr::null(), || Ok(ERRORS.get(error)?.text.as_ptr()))
}

/// How many things are wrong: a graph's text may have several mistakes. 0 for what is no error.
#[unsafe(no_mangle)]
pub extern "C" fn routefuse_error_count(error: *const routefuse_error) -> usize {
    answer(0, || Ok(ERRORS.get(error)?.parts.len()))
}

/// One of the things that are wrong, by its index. `RF1102` for an index past the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn routefuse_error_at(
    error: *const routefuse_error,
    index: usize,
    diagnostic: *mut routefuse_diagnostic,
) -> routefuse_status {
    call(ptr::null_mut(), || {
        // SAFETY: the caller's promise.
        let out = unsafe { Out::of("diagnostic", diagnostic) }?;
        let told = ERRORS.get(error)?;
        let part =
            told.parts.get(index).ok_or_else(|| crate::boundary::bad_call("there is no such part", "count them"))?;
        out.write(routefuse_diagnostic {
            code: part.code,
            line: part.place.0,
            column: part.place.1,
            reserved: 0,
            message: part.message.as_ptr(),
            help: pointer(part.help.as_ref()),
            context: pointer(part.context.as_ref()),
        });
        Ok(())
    })
}

/// Frees an error with its texts. Null is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn routefuse_error_free(error: *mut routefuse_error) -> routefuse_status {
    call(ptr::null_mut(), || ERRORS.remove(error).map(drop))
}
