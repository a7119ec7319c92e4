//! Standard output, on which nothing acts on a terminal: names are whatever the author of a graph, a bundle or a tensor file wrote.

use routefuse::diag::{is_hidden, visible_lines};
use std::borrow::Cow;
use std::io::{self, StdoutLock, Write};

/// Standard output for text, or for JSON where a command prints that.
pub fn stdout(json: bool) -> Output<StdoutLock<'static>> {
    Output { inner: io::stdout().lock(), json, partial: Vec::new() }
}

/// Writes text with hidden characters by their number: `\u{1b}`, and in JSON `\u001b`, which is the same text to its reader.
pub struct Output<W: Write> {
    inner: W,
    json: bool,
    /// The first bytes of a character whose others are to come.
    partial: Vec<u8>,
}

impl<W: Write> Output<W> {
    /// Writes what is the program's own, such as a colour, as it is.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn raw(&mut self, text: &str) -> io::Result<()> {
        self.inner.write_all(text.as_bytes())
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        let shown = if self.json { in_json(text) } else { visible_lines(text) };
        self.inner.write_all(shown.as_bytes())
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let whole = [std::mem::take(&mut self.partial), bytes.to_vec()].concat();
        match std::str::from_utf8(&whole) {
            Ok(text) => self.put(text)?,
            // The end may be the beginning of a character.
            Err(e) if e.error_len().is_none() => {
                let (text, partial) = whole.split_at(e.valid_up_to());
                self.put(&String::from_utf8_lossy(text))?;
                self.partial = partial.to_vec();
            }
            Err(_) => self.put(&String::from_utf8_lossy(&whole))?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// JSON has hidden characters, other than those between its values, in strings only.
fn in_json(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| is_hidden(c) && c != '\n';
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: bool, parts: &[&[u8]]) -> String {
        let mut out = Output { inner: Vec::new(), json, partial: Vec::new() };
        parts.iter().for_each(|part| out.write_all(part).unwrap());
        String::from_utf8(out.inner).unwrap()
    }

    #[test]
    fn hidden_characters_are_written_by_their_number() {
        assert_eq!(written(false, &[b"a\x1b[2J\tb\n"]), "a\\u{1b}[2J\tb\n");
        assert_eq!(written(false, &["µ\u{9b}".as_bytes()]), "µ\\u{9b}");
        // A character in two parts.
        let text = "x\u{202e}".as_bytes();
        assert_eq!(written(false, &[&text[..2], &text[2..]]), "x\\u{202e}");
        assert_eq!(written(false, &[b"\xff"]), "\u{fffd}");
    }

    #[test]
    fn json_stays_the_same_to_its_reader() {
        let value = serde_json::json!({ "name": "a\u{9b}\u{202e}\u{7f}\u{e0001}\n" });
        let text = written(true, &[format!("{value:#}").as_bytes()]);
        assert!(!text.contains(|c: char| is_hidden(c) && c != '\n'), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
