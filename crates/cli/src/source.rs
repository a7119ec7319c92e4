//! Graphs: from files, as text or JSON, from standard input, or model presets.

use crate::args::GraphSource;
use crate::failure::Failure;
use crate::input_file;
use routefuse::diag::{Code, Diagnostic, Diagnostics};
use routefuse::ir::json;
use routefuse::models::{self, ModelOptions};
use routefuse::{Graph, Verified, text};
use routefuse_report::Form;
use std::path::Path;

/// The most bytes of a graph that are read: more than its text or its JSON form may have.
const MOST: u64 = 64 << 20;

/// A file that was read.
pub struct Source {
    /// The name to show.
    pub name: String,
    /// Its bytes as text; bytes that are no UTF-8 are replaced, and `invalid` says what is wrong with them.
    pub text: String,
    invalid: Option<Diagnostics>,
}

impl Source {
    /// Of something that no file says.
    pub fn without_text(name: String) -> Source {
        Source { name, text: String::new(), invalid: None }
    }

    /// Reads a file, or standard input for `-`.
    ///
    /// # Errors
    /// `RF0701`.
    pub fn read(path: &Path) -> Result<Source, Failure> {
        let stdin = path.as_os_str() == "-";
        let name = if stdin { "<stdin>".to_owned() } else { path.display().to_string() };
        let mut bytes = Vec::new();
        let read = if stdin {
            input_file::read_at_most(std::io::stdin().lock(), MOST, &mut bytes)
        } else {
            input_file::read(path, MOST).map(|b| bytes = b)
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

/// Reads and verifies a graph, or builds that of a preset.
///
/// # Errors
/// As [`Source::read`], [`Source::graph`] and [`model`].
pub fn graph(given: &GraphSource) -> Result<Verified<Graph>, Failure> {
    match (&given.model, &given.file) {
        (Some(name), _) => model(name, &given.options),
        (None, Some(path)) => Source::read(path)?.graph(),
        (None, None) => {
            Err(Diagnostic::new(Code::CannotRead, "no graph is given").help("give a FILE or `--model`").into())
        }
    }
}

/// What somebody wrote of a graph.
pub struct Written {
    /// The file's name, or the preset's with its options.
    pub name: String,
    /// The text of a file.
    pub text: Option<String>,
    /// Its form.
    pub form: Form,
}

/// As [`graph`], with what was written.
///
/// # Errors
/// As [`graph`].
pub fn written(given: &GraphSource) -> Result<(Verified<Graph>, Written), Failure> {
    if let (None, Some(path)) = (&given.model, &given.file) {
        let source = Source::read(path)?;
        let graph = source.graph()?;
        let form = if source.is_json() { Form::Json } else { Form::Route };
        return Ok((graph, Written { name: source.name, text: Some(source.text), form }));
    }
    let options = given.options.iter().map(|(name, value)| format!(" --option {name}={value}"));
    let name = format!("{}{}", given.model.as_deref().unwrap_or_default(), options.collect::<String>());
    Ok((graph(given)?, Written { name, text: None, form: Form::Preset }))
}

/// The graph of a preset.
///
/// # Errors
/// Every option that it has not, or that does not take its value; and what the sizes are wrong in.
pub fn model(name: &str, given: &[(String, String)]) -> Result<Verified<Graph>, Failure> {
    let preset = models::named(name)?;
    let mut options = ModelOptions::default();
    let wrong = given.iter().filter_map(|(option, value)| preset.set(&mut options, option, value).err());
    let wrong: Vec<Diagnostic> = wrong.collect();
    Diagnostics::from(wrong).into_result(())?;
    Ok(preset.graph(&options)?)
}
