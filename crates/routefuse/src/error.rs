//! What the facade's functions fail with.

use routefuse_ir::{Code, Diagnostic, Diagnostics};
use std::fmt;

/// Everything that is wrong, each with its stable code, a message that names the thing, and what would be right.
///
/// `Debug` writes the same lines as `Display`, and the place in the source text: this is what is seen of an error that
/// `main` returns.
///
/// ```
/// use routefuse::{Error, text};
///
/// let source = "route 1\ngraph @g {\n  dim T\n  input %x : f32[T, 8]\n  %y = sofmax %x\n  output y = %y\n}\n";
/// let error = Error::from(text::parse_verified(source).unwrap_err());
/// assert_eq!(
///     format!("{error:?}"),
///     "RF0107: unknown op `sofmax`\n  at: line 5, column 8\n  help: did you mean `softmax`?"
/// );
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Diagnostics);

impl Error {
    /// What is wrong, in the order of the source; at least one.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.0
    }

    /// The first diagnostic's code.
    pub fn code(&self) -> Code {
        self.0.first().map_or(Code::Internal, |d| d.code)
    }

    /// The diagnostics themselves.
    pub fn into_diagnostics(self) -> Diagnostics {
        self.0
    }
}

impl From<Diagnostic> for Error {
    fn from(d: Diagnostic) -> Error {
        Error(d.into())
    }
}

impl From<Diagnostics> for Error {
    fn from(d: Diagnostics) -> Error {
        Error(d)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Error {}
