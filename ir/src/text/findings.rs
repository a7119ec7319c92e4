//! Collecting everything that is wrong, within bounds.

use super::ast::{Line, Statement};
use super::write;
use crate::diag::{Code, Diagnostic, Diagnostics};

/// The most errors that are reported for one text.
pub const MAX_ERRORS: usize = 1000;

/// What has been found wrong so far.
#[derive(Debug, Default)]
pub struct Findings {
    found: Diagnostics,
    more: usize,
}

impl Findings {
    /// Adds one, unless there are too many already.
    pub fn push(&mut self, d: Diagnostic) {
        if self.found.len() < MAX_ERRORS {
            self.found.push(d);
        } else {
            self.more += 1;
        }
    }

    /// How many were reported.
    pub fn count(&self) -> usize {
        self.found.len() + self.more
    }

    /// Ok if nothing was reported.
    ///
    /// # Errors
    /// Everything that was, in order of place.
    pub fn into_result<T>(mut self, value: T) -> Result<T, Diagnostics> {
        if self.more > 0 {
            let message = format!("{} more errors are not shown", self.more);
            self.found.push(Diagnostic::new(Code::TooLarge, message).help("mend the first ones, then look again"));
        }
        self.found.into_result(value)
    }
}

/// What has no place in a text says in which statement it is.
pub fn in_statement(d: Diagnostic, line: &Line<Statement>) -> Diagnostic {
    if d.span.is_some() { d } else { d.within(excerpt_of(line)) }
}

/// The start of a statement, short enough for a message.
pub fn excerpt_of(line: &Line<Statement>) -> String {
    const MAX: usize = 160;
    let text = write::statement(&line.item.value);
    if text.chars().count() <= MAX { text } else { text.chars().take(MAX).chain(['…']).collect() }
}
