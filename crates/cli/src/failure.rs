//! How commands fail: an exit code, and diagnostics or a sentence.

use routefuse::{Code, Diagnostic, Diagnostics};
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
    /// 1 for the user's errors, 3 for a mismatch, 70 for a defect in routefuse.
    pub fn exit_code(&self) -> ExitCode {
        let defect = |d: &Diagnostics| {
            let internal = [Code::Internal, Code::InvalidKernel, Code::CompileFailed, Code::UndefinedSymbol];
            d.0.iter().any(|d| internal.contains(&d.code))
        };
        ExitCode::from(match self {
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
