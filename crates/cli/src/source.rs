//! Graph files: text or JSON, from a path or standard input.

use crate::failure::Failure;
use routefuse::{Code, Diagnostic, Diagnostics, Graph, Verified, json, text};
use std::io::Read;
use std::path::Path;

/// A file that was read.
pub struct Source {
    /// The name to show.
    pub name: String,
    /// Its bytes as text; bytes that are no UTF-8 are replaced, and `invalid` says what is wrong with them.
    pub text: String,
    invalid: Option<Diagnostics>,
}

impl Source {
    /// Reads a file, or standard input for `-`.
    ///
    /// # Errors
    /// `RF0701`.
    pub fn read(path: &Path) -> Result<Source, Failure> {
        let stdin = path.as_os_str() == "-";
        let name = if stdin { "<stdin>".to_owned() } else { path.display().to_string() };
        let mut bytes = Vec::new();
        let read = if stdin {
            std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ())
        } else {
            std::fs::read(path).map(|b| bytes = b)
        };
        read.map_err(|e| {
            Diagnostic::new(Code::CannotRead, format!("cannot read `{name}`: {e}"))
                .help("FILE is a .route text or its JSON form; `-` is standard input")
        })?;
        let invalid = text::utf8(&bytes).err();
        Ok(Source { name, text: String::from_utf8_lossy(&bytes).into_owned(), invalid })
    }

    /// A JSON form begins with a brace, a text never does.
    pub fn is_json(&self) -> bool {
        self.text.trim_start().starts_with('{')
    }

    /// The text, if it is UTF-8.
    ///
    /// # Errors
    /// `RF0105`.
    pub fn utf8(&self) -> Result<&str, Failure> {
        match &self.invalid {
            None => Ok(&self.text),
            Some(d) => Err(self.failure(d.clone())),
        }
    }

    /// The verified graph.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn graph(&self) -> Result<Verified<Graph>, Failure> {
        let source = self.utf8()?;
        let graph = if self.is_json() { json::from_str_verified(source) } else { text::parse_verified(source) };
        graph.map_err(|d| self.failure(d))
    }

    /// Diagnostics about this file.
    pub fn failure(&self, diagnostics: Diagnostics) -> Failure {
        Failure::InSource { name: self.name.clone(), source: self.text.clone(), diagnostics }
    }
}

/// Reads and verifies a graph.
///
/// # Errors
/// As [`Source::read`] and [`Source::graph`].
pub fn graph(path: &Path) -> Result<Verified<Graph>, Failure> {
    Source::read(path)?.graph()
}
