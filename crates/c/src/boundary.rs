//! The boundary: what every function does before and after what it is for.
//!
//! No panic crosses it, errors become a code and a handle, and what the caller's pointers name becomes slices and texts.

use crate::error::{self, routefuse_error, routefuse_status};
use routefuse::Error;
use routefuse::diag::{Code, Diagnostic};
use std::any::Any;
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs what a function is for. Its error, or its panic, goes to `*error` unless `error` is null; on success null goes there.
#[inline]
pub fn call(error: *mut *mut routefuse_error, body: impl FnOnce() -> Result<(), Error>) -> routefuse_status {
    // What a panic leaves half done is in no table: results are handed out at the end.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => {
            if !error.is_null() {
                // SAFETY: the caller's promise: what an error is written to is writable.
                unsafe { error.write(std::ptr::null_mut()) };
            }
            0
        }
        Ok(Err(e)) => error::report(error, e),
        Err(panic) => error::report(error, of_panic(&*panic)),
    }
}

/// As [`call`], for functions that answer without an error: what they answer where there is one.
#[inline]
pub fn answer<T>(otherwise: T, body: impl FnOnce() -> Result<T, Error>) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(answer)) => answer,
        _ => otherwise,
    }
}

#[cold]
fn of_panic(panic: &(dyn Any + Send)) -> Error {
    let said = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!("a defect of routefuse: {}", said.unwrap_or("it panicked"));
    Diagnostic::new(Code::Internal, message).help("this is a defect in routefuse; please report the call").into()
}

/// What a call was given is nothing that it takes.
#[cold]
pub fn bad_call(message: impl Into<String>, help: impl Into<String>) -> Error {
    Diagnostic::new(Code::BadCall, message).help(help).into()
}

/// Where a result goes.
#[derive(Debug)]
pub struct Out<T>(*mut T);

impl<T> Out<T> {
    /// Where the parameter `name` says.
    ///
    /// # Errors
    /// `RF1102` if that is null or misaligned.
    ///
    /// # Safety
    /// Otherwise it is writable.
    #[inline]
    pub unsafe fn of(name: &str, to: *mut T) -> Result<Out<T>, Error> {
        check(name, to)?;
        Ok(Out(to))
    }

    /// As [`Out::of`], or none if the pointer is null.
    ///
    /// # Safety
    /// That of [`Out::of`].
    pub unsafe fn wanted(name: &str, to: *mut T) -> Result<Option<Out<T>>, Error> {
        // SAFETY: the caller vouches for it.
        if to.is_null() { Ok(None) } else { unsafe { Out::of(name, to) }.map(Some) }
    }

    /// Writes the result, over whatever was there.
    #[inline]
    pub fn write(self, value: T) {
        // SAFETY: whoever made this vouched that it is writable.
        unsafe { self.0.write(value) };
    }
}

/// The thing behind a pointer.
///
/// # Errors
/// `RF1102` if the pointer is null or misaligned.
///
/// # Safety
/// Otherwise a `T` is there, for `'a`.
#[inline]
pub unsafe fn thing<'a, T>(name: &str, at: *const T) -> Result<&'a T, Error> {
    check(name, at)?;
    // SAFETY: neither null nor misaligned; the caller vouches for the rest.
    Ok(unsafe { &*at })
}

/// The elements of an array; of no elements, whatever its address.
///
/// # Errors
/// `RF1102` if the address is null or misaligned, or there are more elements than memory has.
///
/// # Safety
/// Otherwise so many elements are there, for `'a`.
#[inline]
pub unsafe fn array<'a, T>(name: &str, at: *const T, count: usize) -> Result<&'a [T], Error> {
    if count == 0 {
        return Ok(&[]);
    }
    check(name, at)?;
    if count > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(bad_call(
            format!("`{name}` has {count} elements, more than memory has"),
            "give the number of its elements",
        ));
    }
    // SAFETY: neither null nor misaligned nor too large; the caller vouches for the rest.
    Ok(unsafe { std::slice::from_raw_parts(at, count) })
}

/// A text that ends in a zero byte.
///
/// # Errors
/// `RF1102` if it is null or not UTF-8.
///
/// # Safety
/// Otherwise it is a text that ends in a zero byte, for `'a`.
#[inline]
pub unsafe fn text<'a>(name: &str, at: *const c_char) -> Result<&'a str, Error> {
    check(name, at)?;
    // SAFETY: not null; the caller vouches for the rest.
    let text = unsafe { CStr::from_ptr(at) };
    text.to_str().map_err(|e| bad_call(format!("`{name}` is not UTF-8: {e}"), "give a text in UTF-8"))
}

/// As [`text`], or none if the pointer is null.
///
/// # Safety
/// That of [`text`].
#[inline]
pub unsafe fn optional_text<'a>(name: &str, at: *const c_char) -> Result<Option<&'a str>, Error> {
    // SAFETY: the caller vouches for it.
    if at.is_null() { Ok(None) } else { unsafe { text(name, at) }.map(Some) }
}

/// Texts that end in zero bytes.
///
/// # Safety
/// That of [`array`] and, for each, of [`text`].
pub unsafe fn texts<'a>(name: &str, at: *const *const c_char, count: usize) -> Result<Vec<&'a str>, Error> {
    // SAFETY: the caller vouches for it.
    let texts = unsafe { array(name, at, count) }?;
    // SAFETY: as above.
    texts.iter().map(|t| unsafe { text(name, *t) }).collect()
}

/// The size of a structure that has grown, or will: the first field of each that may.
///
/// # Errors
/// `RF1102` for another size than that of this version.
#[inline]
pub fn size<T>(name: &str, given: usize) -> Result<(), Error> {
    if given == size_of::<T>() {
        return Ok(());
    }
    let message = format!("`{name}.size` is {given}, and the structure of this version has {} bytes", size_of::<T>());
    Err(bad_call(
        message,
        "set it to the size of the structure, and compile against the header of the library that is loaded",
    ))
}

/// Bits of flags that are known.
///
/// # Errors
/// `RF1102` for others.
#[inline]
pub fn flags(name: &str, given: u32, known: u32) -> Result<(), Error> {
    match given & !known {
        0 => Ok(()),
        unknown => Err(bad_call(
            format!("`{name}` has the unknown bits {unknown:#x}"),
            format!("the known ones are {known:#x}"),
        )),
    }
}

/// A field that has no meaning yet.
///
/// # Errors
/// `RF1102` if it is not 0.
#[inline]
pub fn reserved(name: &str, given: u32) -> Result<(), Error> {
    match given {
        0 => Ok(()),
        _ => Err(bad_call(format!("`{name}.reserved` is {given:#x}"), "set what is reserved to 0")),
    }
}

#[inline]
fn check<T>(name: &str, at: *const T) -> Result<(), Error> {
    if at.is_null() || !at.is_aligned() { Err(astray(name, at.addr())) } else { Ok(()) }
}

#[cold]
fn astray(name: &str, address: usize) -> Error {
    match address {
        0 => bad_call(format!("`{name}` is null"), format!("give an address as `{name}`")),
        _ => bad_call(
            format!("`{name}` is {address:#x}, which is misaligned"),
            format!("give the address of a `{name}`"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{routefuse_error_code, routefuse_error_free, routefuse_error_message};

    #[test]
    fn a_panic_is_an_error() {
        for (panic, said) in [(true, "a defect of routefuse: 3 of 2"), (false, "a defect of routefuse: it is so")] {
            let mut error = std::ptr::dangling_mut();
            let status = call(&raw mut error, || if panic { panic!("{} of 2", 3) } else { panic!("it is so") });
            assert_eq!((status, routefuse_error_code(error)), (901, 901));
            // SAFETY: an error's message is a text.
            let message = unsafe { CStr::from_ptr(routefuse_error_message(error)) };
            assert_eq!(message.to_str(), Ok(said));
            assert_eq!(routefuse_error_free(error), 0);
        }
        assert_eq!(call(std::ptr::null_mut(), || panic!("nobody wants to know")), 901);
        assert_eq!(answer(7, || panic!("nobody wants to know")), 7);
    }

    #[test]
    fn success_is_no_error() {
        let mut error = std::ptr::dangling_mut();
        assert_eq!(call(&raw mut error, || Ok(())), 0);
        assert!(error.is_null());
    }

    #[test]
    fn astray_pointers_are_refused() {
        let said = |e: Error| e.to_string();
        // SAFETY: null and misaligned addresses are not followed.
        unsafe {
            let null = array::<u32>("names", std::ptr::null(), 1).unwrap_err();
            assert_eq!(said(null), "RF1102: `names` is null\n  help: give an address as `names`");
            assert_eq!(array::<u32>("names", std::ptr::null(), 0).unwrap(), &[] as &[u32]);
            let odd = array::<u32>("names", std::ptr::without_provenance(3), 1).unwrap_err();
            assert!(said(odd).starts_with("RF1102: `names` is 0x3, which is misaligned"));
            let many = array::<u32>("names", std::ptr::without_provenance(4), usize::MAX).unwrap_err();
            assert!(said(many).contains("more than memory has"));
            assert!(
                said(Out::<u64>::of("plan", std::ptr::null_mut()).unwrap_err()).starts_with("RF1102: `plan` is null")
            );
        }
        // SAFETY: a text that ends in a zero byte.
        let latin = unsafe { text("name", c"caf\xe9".as_ptr()) }.unwrap_err();
        assert!(said(latin).starts_with("RF1102: `name` is not UTF-8"));
        assert!(size::<u64>("launch", 4).unwrap_err().to_string().starts_with("RF1102: `launch.size` is 4"));
        assert!(flags("flags", 6, 3).unwrap_err().to_string().contains("unknown bits 0x4"));
    }
}
