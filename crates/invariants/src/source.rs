//! One file.

/// A file of Rust.
#[derive(Clone, Debug)]
pub struct Source {
    /// From the root of the workspace, with `/` between folders.
    pub path: String,
    /// As it is.
    pub text: String,
    /// The text with comments and the insides of literals replaced by blanks. Lines and columns stay.
    pub code: String,
}

impl Source {
    /// A file of this path and text.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Source {
        let text = text.into();
        Source { path: path.into(), code: code(&text), text }
    }

    /// The name without folders.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Lines of the file.
    pub fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// Whether the file is of tests: under a folder `tests` or `benches`, or `tests.rs` itself.
    pub fn is_test(&self) -> bool {
        self.path.split('/').any(|part| ["tests", "tests.rs", "benches", "examples"].contains(&part))
    }

    /// `path:line`, counted from 1, of every place where the code has this text.
    pub fn places<'s>(&'s self, wanted: &'s str) -> impl Iterator<Item = String> + 's {
        self.code.match_indices(wanted).map(|(at, _)| self.place(at))
    }

    /// `path:line` of a byte of the code.
    pub fn place(&self, at: usize) -> String {
        format!("{}:{}", self.path, self.code[..at].matches('\n').count() + 1)
    }

    /// The code without its module of unit tests, which stands at the end.
    pub fn without_tests(&self) -> &str {
        let end = self.code.find("#[cfg(test)]\nmod tests {").unwrap_or(self.code.len());
        &self.code[..end]
    }

    /// The text with its comments cut off; what is in literals stays.
    pub fn text_without_comments(&self) -> String {
        // A comment begins where a line of the text goes on with `//` and the code does not.
        let lines = self.text.lines().zip(self.code.lines());
        let kept = lines.map(|(text, code)| {
            let comment = text.match_indices("//").find(|(at, _)| code.get(*at..).is_some_and(|c| c.trim().is_empty()));
            comment.map_or(text, |(at, _)| &text[..at])
        });
        kept.collect::<Vec<_>>().join("\n")
    }

    /// The words (identifiers and keywords) of the code with the byte where each begins.
    pub fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let mut rest = 0;
        std::iter::from_fn(move || {
            let start = rest + self.code[rest..].find(is_word)?;
            let end = self.code[start..].find(|c| !is_word(c)).map_or(self.code.len(), |n| start + n);
            rest = end;
            Some((start, &self.code[start..end]))
        })
    }
}

/// What a scanner of Rust is in.
#[derive(Clone, Copy)]
enum Inside {
    Code,
    LineComment,
    /// How deep block comments are nested.
    BlockComment(u32),
    Text,
    /// How many `#` end a raw string.
    RawText(usize),
}

/// The text with comments and the insides of strings and chars as blanks.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = Inside::Code;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (taken, next) = step(inside, rest, c, out.chars().next_back());
        for c in rest[..taken].chars() {
            let kept = c == '\n' || matches!((inside, next), (Inside::Code, Inside::Code)) && taken == c.len_utf8();
            out.extend(std::iter::repeat_n(if kept { c } else { ' ' }, if kept { 1 } else { c.len_utf8() }));
        }
        inside = next;
        rest = &rest[taken..];
    }
    out
}

/// How many bytes belong together, and what follows them.
fn step(inside: Inside, rest: &str, c: char, before: Option<char>) -> (usize, Inside) {
    match inside {
        Inside::Code => code_step(rest, c, before),
        Inside::LineComment => (c.len_utf8(), if c == '\n' { Inside::Code } else { inside }),
        Inside::BlockComment(depth) if rest.starts_with("/*") => (2, Inside::BlockComment(depth + 1)),
        Inside::BlockComment(depth) if rest.starts_with("*/") => {
            (2, if depth == 1 { Inside::Code } else { Inside::BlockComment(depth - 1) })
        }
        Inside::Text if c == '\\' => (1 + rest[1..].chars().next().map_or(0, char::len_utf8), Inside::Text),
        Inside::Text if c == '"' => (1, Inside::Code),
        Inside::RawText(hashes) if c == '"' && rest[1..].starts_with(&"#".repeat(hashes)) => (1 + hashes, Inside::Code),
        Inside::BlockComment(_) | Inside::Text | Inside::RawText(_) => (c.len_utf8(), inside),
    }
}

fn code_step(rest: &str, c: char, before: Option<char>) -> (usize, Inside) {
    let in_word = before.is_some_and(|b| b.is_alphanumeric() || b == '_');
    if rest.starts_with("//") {
        return (2, Inside::LineComment);
    }
    if rest.starts_with("/*") {
        return (2, Inside::BlockComment(1));
    }
    if c == 'r' && !in_word {
        let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
        if rest[1 + hashes..].starts_with('"') {
            return (2 + hashes, Inside::RawText(hashes));
        }
    }
    if c == '"' {
        return (1, Inside::Text);
    }
    if c == '\'' {
        // A char, not a lifetime: it ends after one character, or after an escape.
        let mut chars = rest[1..].char_indices();
        match (chars.next(), chars.next()) {
            (Some((_, '\\')), Some((at, escaped))) => {
                let after = 1 + at + escaped.len_utf8();
                let end = rest[after..].find('\'').map_or(after, |n| after + n + 1);
                return (end, Inside::Code);
            }
            (Some(_), Some((at, '\''))) => return (1 + at + 1, Inside::Code),
            _ => {}
        }
    }
    (c.len_utf8(), Inside::Code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = "let a = \"unsafe \\\" x\"; // unsafe\n/* unsafe /* b */ c */ let c = 'u'; let d = r#\"un\"safe\"#;\n\
                    fn f<'a>(x: &'a str) -> char { '\\'' }\n";
        let code = code(text);
        assert_eq!(code.len(), text.len());
        assert!(!code.contains("unsafe") && !code.contains("safe"), "{code}");
        assert!(
            code.contains("let c =") && code.contains("let d =") && code.contains("fn f<'a>(x: &'a str)"),
            "{code}"
        );
        assert_eq!(code.matches('\n').count(), text.matches('\n').count());
        let plain = Source::new("a.rs", text).text_without_comments();
        assert!(plain.contains("unsafe \\\" x") && !plain.contains("; //"), "{plain}");
    }

    #[test]
    fn places_count_lines_from_one() {
        let source = Source::new("a/b.rs", "one\n// two\ntwo\n#[cfg(test)]\nmod tests {\n    two\n}\n");
        assert_eq!(source.places("two").collect::<Vec<_>>(), ["a/b.rs:3", "a/b.rs:6"]);
        assert!(!source.without_tests().contains("mod tests"));
        assert_eq!(source.words().map(|w| w.1).take(3).collect::<Vec<_>>(), ["one", "two", "cfg"]);
    }
}
