//! Texts with nothing in them that cannot be seen. Names are whatever the author of a graph wrote, and whoever prints them makes
//! them visible first: control characters act on a terminal, and marks of direction turn the text around them.

use std::borrow::Cow;

/// Whether a character cannot be seen, acts on a terminal, turns the direction of what stands around it, or may not stand in an
/// XML document.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}

/// A name with every hidden character written by its number, as `\u{1b}`: one line, whatever it was.
pub fn visible(name: &str) -> Cow<'_, str> {
    without(name, is_hidden)
}

/// As [`visible`], of a text that may have lines and tabs.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    without(text, |c| is_hidden(c) && c != '\n' && c != '\t')
}

fn without(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hidden(c) {
            shown.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_by_its_number() {
        assert!(matches!(visible("ids_out.β-2 ü"), Cow::Borrowed("ids_out.β-2 ü")));
        assert_eq!(visible("\u{1b}]0;x\u{7}\u{9b}\n\t"), r"\u{1b}]0;x\u{7}\u{9b}\u{a}\u{9}");
        assert_eq!(visible("a\u{202e}b\u{2066}\u{200b}\u{feff}"), r"a\u{202e}b\u{2066}\u{200b}\u{feff}");
        assert_eq!(visible_lines("a\n\tb\r\u{85}"), "a\n\tb\\u{d}\\u{85}");
    }
}
