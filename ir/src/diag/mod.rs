//! Diagnostics: a stable code, a message that names the thing, a place, and what would be right.

mod code;
mod page;

pub use code::Code;
pub use page::{Example, ExampleKind, Group, Page, reference};

use crate::visible::{visible, visible_lines};
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

/// A range of bytes in a source text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// From `start` up to, not including, `end`.
    pub fn new(start: usize, end: usize) -> Span {
        Span { start, end }
    }
}

/// A line and a column of a source text, both from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Location {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl Location {
    /// Where a byte of a text is; of one past its end, where the text ends.
    pub fn of(byte: usize, source: &str) -> Location {
        let before = source.as_bytes().get(..byte).unwrap_or(source.as_bytes());
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
        // Bytes of the form 10xxxxxx continue a character.
        let characters = before[line_start..].iter().filter(|b| **b & 0xc0 != 0x80).count();
        let lines = before.iter().filter(|b| **b == b'\n').count();
        // A text of 2^32 lines is larger than any that is read.
        let from_one = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
        Location { line: from_one(lines), column: from_one(characters) }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// One thing that is wrong.
///
/// `Display` writes the code, the message, the operation and the help. `Debug` writes the same and the place in the source
/// text, so that an error that `main` returns by `?` reads like one. Both write hidden characters by their number: names are
/// whatever the author of a graph wrote.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// The stable code.
    pub code: Code,
    /// What is wrong; it names the thing.
    pub message: String,
    /// Where, if it came from text.
    pub span: Option<Span>,
    /// The line and the column where the span begins, if the diagnostic was [located](Diagnostics::located).
    pub location: Option<Location>,
    /// The printed operation or declaration it is about, if there is one.
    pub context: Option<String>,
    /// What would be right.
    pub help: Option<String>,
}

impl Diagnostic {
    /// With a code and a message only.
    pub fn new(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic { code, message: message.into(), span: None, location: None, context: None, help: None }
    }

    /// At this place.
    #[must_use]
    pub fn at(mut self, span: Option<Span>) -> Diagnostic {
        self.span = span;
        self
    }

    /// In this operation or declaration.
    #[must_use]
    pub fn within(mut self, context: impl Into<String>) -> Diagnostic {
        self.context = Some(context.into());
        self
    }

    /// What would be right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// The message, with [hidden](crate::visible) characters written by their number. Only what a compiler, a loader or a driver
    /// says has several lines.
    pub fn visible_message(&self) -> Cow<'_, str> {
        let foreign = ["RF05", "RF08", "RF09"].iter().any(|room| self.code.as_str().starts_with(room));
        if foreign { visible_lines(&self.message) } else { visible(&self.message) }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, location: Option<Location>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.visible_message())?;
        if let Some(location) = location {
            write!(f, "\n  at: {location}")?;
        }
        if let Some(context) = &self.context {
            write!(f, "\n  in: {}", visible(context))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {}", visible_lines(help))?;
        }
        Ok(())
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, None)
    }
}

impl fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, self.location)
    }
}

impl std::error::Error for Diagnostic {}

/// Everything that is wrong, in order of place. Never empty where it is an error.
///
/// It is read as a slice. `Display` and `Debug` write one [`Diagnostic`] after the other.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Ok if nothing was reported.
    ///
    /// # Errors
    /// Itself, sorted by place, if anything was.
    pub fn into_result<T>(mut self, value: T) -> Result<T, Diagnostics> {
        if self.0.is_empty() {
            return Ok(value);
        }
        self.0.sort_by_key(|d| d.span.map_or((usize::MAX, 0), |s| (s.start, s.end)));
        Err(self)
    }

    /// With the line and the column of every span, which are those of the text `source`.
    #[must_use]
    pub fn located(mut self, source: &str) -> Diagnostics {
        for d in &mut self.0 {
            d.location = d.span.map(|s| Location::of(s.start, source));
        }
        self
    }
}

impl Deref for Diagnostics {
    type Target = [Diagnostic];

    fn deref(&self) -> &[Diagnostic] {
        &self.0
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(d: Diagnostic) -> Diagnostics {
        Diagnostics(vec![d])
    }
}

impl From<Vec<Diagnostic>> for Diagnostics {
    fn from(list: Vec<Diagnostic>) -> Diagnostics {
        Diagnostics(list)
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(list: I) -> Diagnostics {
        Diagnostics(list.into_iter().collect())
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// One after the other, each on lines of its own.
fn lines<T>(
    list: &[T],
    f: &mut fmt::Formatter<'_>,
    write: impl Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    for (i, item) in list.iter().enumerate() {
        if i > 0 {
            writeln!(f)?;
        }
        write(item, f)?;
    }
    Ok(())
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lines(&self.0, f, fmt::Display::fmt)
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lines(&self.0, f, fmt::Debug::fmt)
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_count_characters_from_one() {
        let source = "a\nβγ δ\n";
        let at = |byte| (Location::of(byte, source).line, Location::of(byte, source).column);
        assert_eq!((at(0), at(1), at(2)), ((1, 1), (1, 2), (2, 1)));
        // β and γ have two bytes each; the space is the third character.
        assert_eq!((at(4), at(6), at(7)), ((2, 2), (2, 3), (2, 4)));
        assert_eq!((at(source.len()), at(usize::MAX)), ((3, 1), (3, 1)));
    }

    /// What a user sees of an error that `main` returns.
    #[test]
    fn debug_reads_like_a_message() {
        let first = Diagnostic::new(Code::UnknownOp, "no op is called `gathr`")
            .at(Some(Span::new(4, 9)))
            .within("%y = gathr %x")
            .help("did you mean `gather`?");
        let both: Diagnostics = vec![first, Diagnostic::new(Code::NoOutputs, "the graph `@g` has no output")].into();
        let text = "RF0107: no op is called `gathr`\n  in: %y = gathr %x\n  help: did you mean `gather`?\n\
                    RF0401: the graph `@g` has no output";
        assert_eq!((format!("{both:?}"), both.to_string()), (text.to_owned(), text.to_owned()));
        let located = both.located("{\n  gathr\n");
        let placed = text.replacen("\n  in:", "\n  at: line 2, column 3\n  in:", 1);
        assert_eq!((format!("{located:?}"), located.to_string()), (placed, text.to_owned()));
    }
}
