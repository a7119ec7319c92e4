//! Names of files that are made of names in a graph, which may be any text.

use routefuse::diag::{Code, Diagnostic, visible};

/// The most bytes of a file's name, on every file system that matters.
const LONGEST: usize = 255;

/// A file's name, of a name in a graph and what follows it. Letters, digits, `_`, `-` and `.` stay; each byte of anything else,
/// and of a dot at the beginning, is a `%` and two hexadecimal digits. So there is no slash in it, no two names give one, and
/// it leads nowhere.
///
/// # Errors
/// `RF0702` if it is too long for a file.
pub fn file_name(name: &str, suffix: &str) -> Result<String, Diagnostic> {
    let mut file = String::with_capacity(name.len() + suffix.len());
    for (at, c) in name.char_indices() {
        if c.is_alphanumeric() || matches!(c, '_' | '-') || c == '.' && at > 0 {
            file.push(c);
        } else {
            c.encode_utf8(&mut [0; 4]).bytes().for_each(|b| file.push_str(&format!("%{b:02X}")));
        }
    }
    if name.is_empty() {
        file.push('%');
    }
    file.push_str(suffix);
    if file.len() > LONGEST {
        let begins: String = name.chars().take(40).collect();
        let message = format!("the name `{}…` makes a file name of {} bytes", visible(&begins), file.len());
        return Err(Diagnostic::new(Code::CannotWrite, message).help(format!("a file's name has at most {LONGEST}")));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere() {
        let of = |name: &str| file_name(name, ".npy").unwrap();
        assert_eq!(of("ids_out"), "ids_out.npy");
        assert_eq!(of("a.b-2β"), "a.b-2β.npy");
        assert_eq!(of("../../x"), "%2E.%2F..%2Fx.npy");
        assert_eq!(of("/etc/passwd"), "%2Fetc%2Fpasswd.npy");
        assert_eq!(
            (of(""), of("%"), of("a\0b\n")),
            ("%.npy".to_owned(), "%25.npy".to_owned(), "a%00b%0A.npy".to_owned())
        );
        assert_eq!((of(".hidden"), of("é\u{202e}")), ("%2Ehidden.npy".to_owned(), "é%E2%80%AE.npy".to_owned()));
        assert!(file_name(&"x".repeat(251), ".npy").is_ok());
        assert_eq!(file_name(&"x".repeat(252), ".npy").unwrap_err().code, Code::CannotWrite);
    }
}
