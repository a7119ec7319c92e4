//! How commands fail: an exit code, and diagnostics or a sentence.

use crate::interrupt;
use routefuse::diag::{Code, Diagnostic, Diagnostics};
use std::process::ExitCode;

/// Why a command did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// Diagnostics about the file of this name and text.
    InSource {
        /// The name to show.
        name: String,
        /// Its text.
        source: String,
        /// What is wrong.
        diagnostics: Diagnostics,
    },
    /// Diagnostics without a source.
    Plain(Diagnostics),
    /// Outputs differ; the text says where.
    Mismatch(String),
    /// `fmt --check` found something to do; the text says what.
    Unformatted(String),
    /// Standard output was closed: nothing to say.
    ClosedOutput,
}

impl Failure {
    /// 1 for the user's errors, 3 for a mismatch, 70 for a defect in routefuse, 130 for a compile that Ctrl-C has ended.
    pub fn exit_code(&self) -> ExitCode {
        let defect = |d: &Diagnostics| {
            let internal = [Code::Internal, Code::InvalidKernel, Code::CompileFailed, Code::UndefinedSymbol];
            d.iter().any(|d| internal.contains(&d.code))
        };
        let cancelled = |d: &Diagnostics| d.iter().any(|d| d.code == Code::Cancelled);
        ExitCode::from(match self {
            Failure::InSource { diagnostics, .. } | Failure::Plain(diagnostics) if cancelled(diagnostics) => {
                interrupt::EXIT_CODE
            }
            Failure::InSource { diagnostics, .. } | Failure::Plain(diagnostics) if defect(diagnostics) => 70,
            Failure::InSource { .. } | Failure::Plain(_) | Failure::Unformatted(_) => 1,
            Failure::Mismatch(_) => 3,
            Failure::ClosedOutput => 0,
        })
    }
}

impl From<Diagnostics> for Failure {
    fn from(d: Diagnostics) -> Failure {
        Failure::Plain(d)
    }
}

impl From<routefuse::Error> for Failure {
    fn from(e: routefuse::Error) -> Failure {
        Failure::Plain(e.into_diagnostics())
    }
}

impl From<Diagnostic> for Failure {
    fn from(d: Diagnostic) -> Failure {
        Failure::Plain(d.into())
    }
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Failure {
        if e.kind() == std::io::ErrorKind::BrokenPipe {
            return Failure::ClosedOutput;
        }
        Diagnostic::new(Code::CannotWrite, format!("cannot write the output: {e}")).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes() {
        let of = |code| Failure::from(Diagnostic::new(code, "x")).exit_code();
        assert_eq!(of(Code::UnknownTarget), ExitCode::from(1));
        assert_eq!(of(Code::HostUnsupported), ExitCode::from(1));
        for code in [Code::Internal, Code::InvalidKernel, Code::CompileFailed, Code::UndefinedSymbol] {
            assert_eq!(of(code), ExitCode::from(70), "{code}");
        }
        // One defect among other diagnostics is still a defect.
        let both = Diagnostics::from(vec![Diagnostic::new(Code::UnknownOp, "x"), Diagnostic::new(Code::Internal, "x")]);
        let in_source = Failure::InSource { name: String::new(), source: String::new(), diagnostics: both };
        assert_eq!(in_source.exit_code(), ExitCode::from(70));
        assert_eq!(Failure::Mismatch(String::new()).exit_code(), ExitCode::from(3));
        assert_eq!(Failure::Unformatted(String::new()).exit_code(), ExitCode::from(1));
        let closed = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(Failure::from(closed).exit_code(), ExitCode::from(0));
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(Failure::from(full).exit_code(), ExitCode::from(1));
    }
}
