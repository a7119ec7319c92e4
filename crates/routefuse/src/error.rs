//! What the facade's functions fail with.

use routefuse_ir::{Code, Diagnostic, Diagnostics};

/// Everything that is wrong, each with its stable code, a message that names the thing, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] Diagnostics);

impl Error {
    /// What is wrong, in order of place; at least one.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.0.0
    }

    /// The first diagnostic's code.
    pub fn code(&self) -> Code {
        self.0.0.first().map_or(Code::Internal, |d| d.code)
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
