//! Characters to tokens, line by line. A statement is one line, so an error never reaches past it.

use super::findings::Findings;
use super::words::is_word_char;
use crate::diag::{Code, Diagnostic, Span};
use winnow::combinator::{alt, delimited, dispatch, fail, peek, preceded, repeat};
use winnow::prelude::*;
use winnow::stream::LocatingSlice;
use winnow::token::{any, none_of, take_while};

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A bare word.
    Word(String),
    /// A quoted name, unescaped.
    Quoted(String),
    /// `%name`, without the sigil.
    Value(String),
    /// `@name`, without the sigil.
    Graph(String),
    /// What begins like a number, unread.
    Number(String),
    /// `=`, `:`, `,`, `>`, `*`, `/` or a bracket.
    Punctuation(char),
    /// What has been reported already.
    Bad,
}

/// A token and where it is.
#[derive(Clone, Debug)]
pub struct Lexeme {
    /// The token.
    pub token: Token,
    /// Where it is.
    pub span: Span,
}

/// A line of the source.
#[derive(Debug, Default)]
pub struct SourceLine {
    /// Its tokens.
    pub tokens: Vec<Lexeme>,
    /// Its comment, with the `#`, without white space at the end.
    pub comment: Option<String>,
    /// The offset of its end, without the line break.
    pub end: usize,
}

type Input<'s> = LocatingSlice<&'s str>;

fn escape(input: &mut Input<'_>) -> ModalResult<char> {
    let hex = take_while(1..=6, |c: char| c.is_ascii_hexdigit());
    preceded(
        '\\',
        alt((
            '"',
            '\\',
            'n'.value('\n'),
            'r'.value('\r'),
            't'.value('\t'),
            delimited("u{", hex, '}').verify_map(|h: &str| u32::from_str_radix(h, 16).ok().and_then(char::from_u32)),
        )),
    )
    .parse_next(input)
}

fn quoted(input: &mut Input<'_>) -> ModalResult<String> {
    delimited('"', repeat(0.., alt((none_of(['"', '\\']), escape))), '"').parse_next(input)
}

fn name(input: &mut Input<'_>) -> ModalResult<String> {
    alt((quoted, take_while(1.., is_word_char).map(str::to_owned))).parse_next(input)
}

fn token(input: &mut Input<'_>) -> ModalResult<Token> {
    dispatch! {peek(any);
        '%' => preceded('%', name).map(Token::Value),
        '@' => preceded('@', name).map(Token::Graph),
        '"' => quoted.map(Token::Quoted),
        'a'..='z' | 'A'..='Z' | '_' => take_while(1.., is_word_char).map(|w: &str| Token::Word(w.to_owned())),
        '0'..='9' | '+' | '-' | '.' => take_while(1.., |c| is_word_char(c) || c == '+' || c == '-')
            .map(|n: &str| Token::Number(n.to_owned())),
        '=' | ':' | ',' | '(' | ')' | '[' | ']' | '{' | '}' | '>' | '*' | '/' => any.map(Token::Punctuation),
        _ => fail,
    }
    .parse_next(input)
}

/// The lines of the source. Reports at most one bad character a line.
pub fn lines(source: &str, findings: &mut Findings) -> Vec<SourceLine> {
    let mut offset = 0;
    let mut lines = vec![];
    for text in source.split('\n') {
        lines.push(line(text, offset, findings));
        offset += text.len() + 1;
    }
    lines
}

fn line(text: &str, offset: usize, findings: &mut Findings) -> SourceLine {
    // A byte order mark is not part of the text; U+FEFF anywhere else is an unexpected character.
    let body = if offset == 0 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
    let start = offset + text.len() - body.len();
    let body = body.trim_end();
    let mut result = SourceLine { end: start + body.len(), ..SourceLine::default() };
    let mut bad = false;
    let mut at = 0;
    while let Some(c) = body[at..].chars().next() {
        if c == ' ' || c == '\t' || c == '\r' {
            at += 1;
            continue;
        }
        if c == '#' {
            result.comment = Some(body[at..].to_owned());
            break;
        }
        let mut input = LocatingSlice::new(&body[at..]);
        match token.with_span().parse_next(&mut input) {
            Ok((token, span)) => {
                let here = Span::new(start + at, start + at + span.end);
                at += span.end;
                result.tokens.push(Lexeme { token, span: here });
            }
            Err(_) => {
                // An open quote swallows the rest of the line.
                let length = if body[at..].starts_with(['"'])
                    || body[at..].starts_with("%\"")
                    || body[at..].starts_with("@\"")
                {
                    body.len() - at
                } else {
                    c.len_utf8()
                };
                let span = Span::new(start + at, start + at + length);
                if !bad {
                    findings.push(unexpected(c, length > 1 && c.is_ascii(), span));
                }
                bad = true;
                at += length;
                result.tokens.push(Lexeme { token: Token::Bad, span });
            }
        }
    }
    result
}

fn unexpected(c: char, quote: bool, span: Span) -> Diagnostic {
    let (message, help) = if quote {
        ("a quoted name is not closed, or has an unknown escape".to_owned(), r#"escapes are \" \\ \n \r \t \u{…}"#)
    } else if c == '%' || c == '@' {
        (format!("no name follows `{c}`"), "a name is letters, digits, `_` and `.`, or anything in quotes")
    } else {
        (format!("unexpected character {c:?}"), "names of other characters are quoted, as in `%\"a-b\"`")
    };
    Diagnostic::new(Code::UnexpectedCharacter, message).at(Some(span)).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token> {
        let mut findings = Findings::default();
        let lines = lines(text, &mut findings);
        assert_eq!(findings.count(), 0, "{text}");
        lines.into_iter().flat_map(|l| l.tokens).map(|l| l.token).collect()
    }

    #[test]
    fn a_statement_has_these_tokens() {
        use Token::{Number, Punctuation, Value, Word};
        assert_eq!(
            tokens("%a.1 = f %\"x \\u{1F600}\" {v=-1e-20} # c"),
            [
                Value("a.1".into()),
                Punctuation('='),
                Word("f".into()),
                Value("x 😀".into()),
                Punctuation('{'),
                Word("v".into()),
                Punctuation('='),
                Number("-1e-20".into()),
                Punctuation('}'),
            ]
        );
    }

    #[test]
    fn spans_are_offsets_of_the_whole_source() {
        let mut findings = Findings::default();
        let lines = lines("\u{feff}a\r\n  é # x \r\n bc", &mut findings);
        assert_eq!(lines[0].tokens[0].span, Span::new(3, 4));
        assert_eq!(lines[0].end, 4);
        assert_eq!(lines[1].comment.as_deref(), Some("# x"));
        assert_eq!(lines[2].tokens[0].span, Span::new(18, 20));
        assert_eq!(findings.count(), 1);
    }
}
