//! The part of a source that is shown with an error: the line and its neighbours, of a long line a window, and nothing in it that
//! acts on a terminal.

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};
use routefuse::diag::{Location, Span, visible, visible_lines};

/// Characters of a line that are shown; of a longer one, as many around the place.
const WIDTH: usize = 160;
/// Characters that are shown before the place.
const BEFORE: usize = 60;

/// A place of a source with what is around it.
#[derive(Debug)]
pub struct Excerpt {
    name: String,
    text: String,
    /// The place, in bytes of `text`.
    label: (usize, usize),
    /// The number of the first line of `text` in the source, from 0.
    first_line: usize,
    /// The column of the place in the source, from 0.
    column: usize,
}

impl Excerpt {
    /// Around a place of a source of this name. Of a place of several lines, the first is marked.
    pub fn of(name: &str, source: &str, span: Span) -> Excerpt {
        let start = boundary(source, span.start);
        let line_start = source[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = source[start..].find('\n').map_or(source.len(), |newline| start + newline);
        let end = boundary(source, span.end).clamp(start, line_end);
        let location = Location::of(start, source);
        let (mut text, mut first_line) = (String::new(), location.line as usize - 1);
        if let Some(before) = line_start.checked_sub(1) {
            let from = source[..before].rfind('\n').map_or(0, |newline| newline + 1);
            text.push_str(&head(&source[from..before]));
            text.push('\n');
            first_line -= 1;
        }
        let (left, marked, right) = window(&source[line_start..start], &source[start..end], &source[end..line_end]);
        text.push_str(&left);
        let label = (text.len(), marked.len());
        text.push_str(&marked);
        text.push_str(&right);
        if let Some(rest) = source.get(line_end + 1..).filter(|rest| !rest.is_empty()) {
            text.push('\n');
            text.push_str(&head(&rest[..rest.find('\n').unwrap_or(rest.len())]));
        }
        text.push('\n');
        Excerpt { name: visible(name).into_owned(), text, label, first_line, column: location.column as usize - 1 }
    }

    /// The place, in the text that is shown.
    pub fn label(&self) -> (usize, usize) {
        self.label
    }
}

/// The nearest place that is no middle of a character.
fn boundary(source: &str, at: usize) -> usize {
    let at = at.min(source.len());
    (0..=at).rev().find(|at| source.is_char_boundary(*at)).unwrap_or(0)
}

/// A line around the place, as much of it as is shown: before, at and after it.
fn window(left: &str, marked: &str, right: &str) -> (String, String, String) {
    let right = right.trim_end_matches('\r');
    let longer = |text: &str, than: usize| text.char_indices().nth(than).map(|(at, _)| at);
    let width: usize = [left, marked, right].iter().map(|part| part.chars().take(WIDTH + 1).count()).sum();
    if width <= WIDTH {
        return (
            visible_lines(left).into_owned(),
            visible_lines(marked).into_owned(),
            visible_lines(right).into_owned(),
        );
    }
    let left = match left.char_indices().rev().nth(BEFORE - 1) {
        Some((at, _)) if at > 0 => format!("…{}", visible_lines(&left[at..])),
        _ => visible_lines(left).into_owned(),
    };
    if let Some(at) = longer(marked, WIDTH - BEFORE) {
        return (left, visible_lines(&marked[..at]).into_owned(), "…".to_owned());
    }
    let room = (WIDTH - BEFORE).saturating_sub(marked.chars().count());
    let right = match longer(right, room) {
        Some(at) => format!("{}…", visible_lines(&right[..at])),
        None => visible_lines(right).into_owned(),
    };
    (left, visible_lines(marked).into_owned(), right)
}

/// The beginning of a line.
fn head(line: &str) -> String {
    let (_, _, shown) = window("", "", line);
    shown
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let contents = self.text.as_bytes().read_span(span, before, after)?;
        // Asked for without context, it is the place itself, whose column the text does not tell.
        let column = if before == 0 && after == 0 { self.column } else { contents.column() };
        let line = contents.line() + self.first_line;
        let (data, span, count) = (contents.data(), *contents.span(), contents.line_count());
        Ok(Box::new(MietteSpanContents::new_named(self.name.clone(), data, span, line, column, count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(source: &str, start: usize, end: usize) -> (String, String) {
        let e = Excerpt::of("x", source, Span::new(start, end));
        let (at, length) = e.label();
        (e.text.clone(), e.text[at..at + length].to_owned())
    }

    #[test]
    fn short_lines_are_whole_and_long_ones_a_window() {
        assert_eq!(marked("a\nbcd\ne\nf\n", 3, 4), ("a\nbcd\ne\n".to_owned(), "c".to_owned()));
        assert_eq!(marked("abc", 3, 3), ("abc\n".to_owned(), String::new()));
        assert_eq!(marked("ab\r\ncd\r\n", 4, 6), ("ab\ncd\n".to_owned(), "cd".to_owned()));
        let long = format!("{}here{}", "ä".repeat(70_000), "ö".repeat(500_000));
        let (text, mark) = marked(&long, 140_000, 140_004);
        assert_eq!((mark.as_str(), text.chars().count()), ("here", 1 + 60 + 4 + 96 + 1 + 1));
        assert!(text.starts_with("…ää") && text.ends_with("ö…\n"), "{text}");
        // A place that is itself long, or of several lines, or past the end.
        assert_eq!(marked(&long, 0, long.len()).1.chars().count(), 100);
        assert_eq!(marked("ab\ncd\n", 1, 5).1, "b");
        assert_eq!(marked("ab", 9, 12).0, "ab\n");
        assert_eq!(Excerpt::of("x", &long, Span::new(140_000, 140_004)).column, 70_000);
    }

    #[test]
    fn nothing_hidden_is_shown() {
        let (text, mark) = marked("\u{1b}]0;x\u{7}\t%\u{202e}y = 1\n", 7, 11);
        assert!(text.starts_with(r"\u{1b}]0;x\u{7}"), "{text}");
        assert_eq!(mark, r"%\u{202e}");
    }
}
