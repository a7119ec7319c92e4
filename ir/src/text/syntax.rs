//! Tokens to the syntax tree. An error ends its line and no more.

use super::ast::{
    AliasExpr, AliasKind, Attribute, Broken, DimExpr, File, LAYOUTS, Line, Name, Operand, Spanned, Statement, Trivia,
    TypeExpr, ValueExpr,
};
use super::findings::Findings;
use super::lex::{self, Lexeme, SourceLine, Token};
use super::words::VERSION;
use crate::diag::{Code, Diagnostic, Span};
use crate::dtype::DType;
use crate::graph::Layout;
use crate::literal::Literal;
use crate::literal::LiteralError;
use crate::suggest::{did_you_mean, excerpt, one_of};

/// The largest source, in bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// The most lines of a source, comments included.
pub const MAX_LINES: usize = 16_384;
/// The most operands, attributes or dims in one list.
pub const MAX_LIST: usize = 1024;

/// The parser has reported why it cannot go on in this line.
pub(super) struct Stop;

pub(super) type Parsed<T> = Result<T, Stop>;

/// The syntax tree of a source, or nothing if it is not of this version or too large. Where errors were reported, the
/// tree holds what is left.
pub fn parse(source: &str, findings: &mut Findings) -> Option<File> {
    let lines_in_source = source.bytes().filter(|b| *b == b'\n').count() + 1;
    if source.len() > MAX_BYTES || lines_in_source > MAX_LINES {
        let message = format!("the text has {} bytes in {lines_in_source} lines", source.len());
        let help = format!("a graph has at most {MAX_BYTES} bytes in {MAX_LINES} lines");
        findings.push(Diagnostic::new(Code::TooLarge, message).help(help));
        return None;
    }
    FileParser { findings, place: Place::Header, above: vec![], file: None, header: Line::bare(()) }.file(source)
}

/// Which line comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Graph,
    Body,
    End,
    /// After the end, where the first stray line has been reported.
    Beyond,
}

struct FileParser<'r> {
    findings: &'r mut Findings,
    place: Place,
    above: Vec<Trivia>,
    header: Line<()>,
    file: Option<File>,
}

impl FileParser<'_> {
    fn file(mut self, source: &str) -> Option<File> {
        for source_line in lex::lines(source, self.findings) {
            if source_line.tokens.is_empty() {
                self.above.push(source_line.comment.map_or(Trivia::Blank, Trivia::Comment));
            } else if !self.line(source_line) {
                return None;
            }
        }
        let end = Some(Span::new(source.len(), source.len()));
        match self.place {
            Place::Header => {
                self.findings.push(header_error("the text is empty".to_owned(), end));
            }
            Place::Graph => {
                let message = "the text has no graph";
                self.findings.push(Diagnostic::new(Code::UnexpectedToken, message).at(end).help(GRAPH_HELP));
            }
            Place::Body => {
                let message = "the graph is not closed";
                self.findings.push(Diagnostic::new(Code::UnexpectedToken, message).at(end).help("end it with `}`"));
            }
            Place::End | Place::Beyond => {}
        }
        if let Some(file) = &mut self.file {
            file.below = self.above;
        }
        self.file
    }

    /// False if nothing after this line can be read.
    fn line(&mut self, line: SourceLine) -> bool {
        let first = line.tokens[0].clone();
        if self.place == Place::Header {
            self.place = Place::Graph;
            if first.token == Token::Word("route".to_owned()) {
                let above = std::mem::take(&mut self.above);
                self.header = Line { above, item: Spanned::at((), span_of(&line)), behind: line.comment.clone() };
                return self.header(&line);
            }
            if first.token != Token::Bad {
                let message = format!("the text begins with {}, not with `route {VERSION}`", found(&first.token));
                self.findings.push(header_error(message, Some(first.span)));
            }
            let begins_graph = matches!(&first.token, Token::Word(w) if w == "graph");
            if !begins_graph {
                // What follows is anything but a graph, and an error on each of its lines would tell nobody anything.
                return false;
            }
        }
        match self.place {
            Place::Graph => self.graph(line),
            Place::Body if first.token == Token::Punctuation('}') => self.close(line),
            Place::Body => self.statement(line),
            _ => self.beyond(&line),
        }
        true
    }

    fn header(&mut self, line: &SourceLine) -> bool {
        let span = span_of(line);
        let message = match line.tokens.get(1).map(|l| &l.token) {
            Some(Token::Number(n)) if *n == VERSION.to_string() => {
                if let Some(extra) = line.tokens.get(2) {
                    let message = format!("{} after the version", found(&extra.token));
                    self.findings.push(header_error(message, Some(extra.span)));
                }
                return true;
            }
            Some(Token::Number(n)) => format!("the text is of version {}, which this build does not read", excerpt(n)),
            Some(Token::Bad) => return false,
            Some(other) => format!("{} is no version", found(other)),
            None => "the version is missing".to_owned(),
        };
        self.findings.push(header_error(message, Some(span)));
        false
    }

    fn graph(&mut self, line: SourceLine) {
        let mut cursor = Cursor::new(&line, self.findings);
        let name = cursor.graph();
        let above = std::mem::take(&mut self.above);
        let (name, is_graph) = match name {
            Ok(name) => (name, true),
            // A mistake in the graph's own line; its statements are still read.
            Err(Stop) => (String::new(), matches!(&line.tokens[0].token, Token::Word(w) if w == "graph")),
        };
        self.place = Place::Body;
        self.file = Some(File {
            header: std::mem::replace(&mut self.header, Line::bare(())),
            graph: Line {
                above,
                item: Spanned::at(Name::at(name, span_of(&line)), span_of(&line)),
                behind: line.comment.clone(),
            },
            body: vec![],
            close: Line::bare(()),
            below: vec![],
        });
        if !is_graph {
            self.statement(line);
        }
    }

    fn statement(&mut self, line: SourceLine) {
        let span = span_of(&line);
        let statement = Cursor::new(&line, self.findings).statement();
        let statement = statement.unwrap_or_else(|Stop| Statement::Broken(broken(&line.tokens)));
        let above = std::mem::take(&mut self.above);
        if let Some(file) = &mut self.file {
            file.body.push(Line { above, item: Spanned::at(statement, span), behind: line.comment });
        }
    }

    fn close(&mut self, line: SourceLine) {
        let mut cursor = Cursor::new(&line, self.findings);
        cursor.next += 1;
        // A stray token has been reported; the graph is closed all the same.
        let _ = cursor.end();
        self.place = Place::End;
        let above = std::mem::take(&mut self.above);
        if let Some(file) = &mut self.file {
            file.close = Line { above, item: Spanned::at((), span_of(&line)), behind: line.comment };
        }
    }

    fn beyond(&mut self, line: &SourceLine) {
        if self.place == Place::End && line.tokens[0].token != Token::Bad {
            let message = format!("{} after the end of the graph", found(&line.tokens[0].token));
            let d = Diagnostic::new(Code::UnexpectedToken, message).at(Some(line.tokens[0].span));
            self.findings.push(d.help("a text holds one graph"));
        }
        self.place = Place::Beyond;
    }
}

const GRAPH_HELP: &str = "write `graph @name {`, the statements on lines of their own, and `}`";

fn header_error(message: String, span: Option<Span>) -> Diagnostic {
    let help = format!("the first line that is no comment must be `route {VERSION}`");
    Diagnostic::new(Code::BadHeader, message).at(span).help(help)
}

fn span_of(line: &SourceLine) -> Span {
    let start = line.tokens.first().map_or(line.end, |l| l.span.start);
    Span::new(start, line.tokens.last().map_or(line.end, |l| l.span.end))
}

/// What a line with an error would have declared, as far as its tokens tell.
fn broken(tokens: &[Lexeme]) -> Broken {
    let mut tokens = tokens.iter().map(|l| &l.token);
    match (tokens.next(), tokens.next()) {
        (Some(Token::Word(w)), Some(Token::Word(n) | Token::Quoted(n))) if w == "dim" => Broken::Dim(n.clone()),
        (Some(Token::Word(w)), Some(Token::Value(n))) if w != "output" => Broken::Input(n.clone()),
        (Some(Token::Value(n)), _) => Broken::Node(n.clone()),
        _ => Broken::Other,
    }
}

/// A token as a message names it.
fn found(token: &Token) -> String {
    match token {
        Token::Word(w) | Token::Number(w) => format!("`{}`", excerpt(w)),
        Token::Quoted(w) => format!("`{:?}`", excerpt(w)),
        Token::Value(n) => format!("`%{}`", excerpt(n)),
        Token::Graph(n) => format!("`@{}`", excerpt(n)),
        Token::Punctuation(c) => format!("`{c}`"),
        Token::Bad => "a bad character".to_owned(),
    }
}

/// A place in a line.
pub(super) struct Cursor<'a> {
    line: &'a SourceLine,
    next: usize,
    findings: &'a mut Findings,
}

impl<'a> Cursor<'a> {
    fn new(line: &'a SourceLine, findings: &'a mut Findings) -> Cursor<'a> {
        Cursor { line, next: 0, findings }
    }

    fn peek(&self) -> Option<&'a Token> {
        self.line.tokens.get(self.next).map(|l| &l.token)
    }

    /// The token so many after the next one.
    pub(super) fn ahead(&self, n: usize) -> Option<&'a Token> {
        self.line.tokens.get(self.next + n).map(|l| &l.token)
    }

    /// Goes past tokens that are known to be there.
    pub(super) fn skip(&mut self, n: usize) {
        self.next += n;
    }

    pub(super) fn span(&self) -> Span {
        self.line.tokens.get(self.next).map_or(Span::new(self.line_end(), self.line_end()), |l| l.span)
    }

    fn line_end(&self) -> usize {
        self.line.tokens.last().map_or(self.line.end, |l| l.span.end)
    }

    pub(super) fn fail<T>(&mut self, code: Code, message: String, span: Span, help: &str) -> Parsed<T> {
        self.findings.push(Diagnostic::new(code, message).at(Some(span)).help(help));
        Err(Stop)
    }

    /// Reports that something else was expected here.
    fn expected<T>(&mut self, what: &str, help: &str) -> Parsed<T> {
        let message = match self.peek() {
            Some(Token::Bad) => return Err(Stop),
            Some(token) => format!("expected {what}, found {}", found(token)),
            None => format!("expected {what}, found the end of the line"),
        };
        let mut d = Diagnostic::new(Code::UnexpectedToken, message).at(Some(self.span()));
        if !help.is_empty() {
            d = d.help(help);
        }
        self.findings.push(d);
        Err(Stop)
    }

    pub(super) fn take(&mut self, c: char) -> bool {
        let is = self.peek() == Some(&Token::Punctuation(c));
        self.next += usize::from(is);
        is
    }

    pub(super) fn expect(&mut self, c: char, help: &str) -> Parsed<()> {
        if self.take(c) { Ok(()) } else { self.expected(&format!("`{c}`"), help) }
    }

    fn end(&mut self) -> Parsed<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.expected("the end of the line", "every statement is a line of its own"),
        }
    }

    /// A token that `pick` takes a name from.
    pub(super) fn name(&mut self, what: &str, help: &str, pick: impl Fn(&Token) -> Option<&String>) -> Parsed<Name> {
        match self.peek().and_then(pick) {
            Some(name) => {
                let span = self.span();
                self.next += 1;
                Ok(Name::at(name.clone(), span))
            }
            None => self.expected(what, help),
        }
    }

    fn value(&mut self, what: &str) -> Parsed<Name> {
        self.name(what, "values are written `%name`", |t| if let Token::Value(n) = t { Some(n) } else { None })
    }

    pub(super) fn bare(&mut self, what: &str, help: &str) -> Parsed<Name> {
        self.name(what, help, |t| if let Token::Word(n) | Token::Quoted(n) = t { Some(n) } else { None })
    }

    fn graph(&mut self) -> Parsed<String> {
        match self.peek() {
            Some(Token::Word(w)) if w == "graph" => self.next += 1,
            _ => return self.expected("`graph`", GRAPH_HELP),
        }
        let name =
            self.name("the graph's name", GRAPH_HELP, |t| if let Token::Graph(n) = t { Some(n) } else { None })?;
        self.expect('{', GRAPH_HELP)?;
        self.end()?;
        Ok(name.value)
    }

    fn statement(&mut self) -> Parsed<Statement> {
        const HELP: &str = "a statement is `dim`, `input`, `output` or `%name = op …`";
        let statement = match self.peek() {
            Some(Token::Value(_)) => self.node()?,
            Some(Token::Word(w)) => {
                self.next += 1;
                match w.as_str() {
                    "dim" => self.declared_dim()?,
                    "input" => self.input()?,
                    "output" => self.output()?,
                    other => {
                        self.next -= 1;
                        let help = did_you_mean(other, ["dim", "input", "output"], || HELP.to_owned());
                        return self.expected("a statement", &help);
                    }
                }
            }
            _ => return self.expected("a statement", HELP),
        };
        self.end()?;
        Ok(statement)
    }

    fn input(&mut self) -> Parsed<Statement> {
        const HELP: &str = "as in `input %ids : i32[T, 8]`";
        let name = self.value("the input's name")?;
        self.expect(':', HELP)?;
        let ty = self.ty()?;
        let layout = self.layout();
        Ok(Statement::Input { name, ty, layout })
    }

    fn output(&mut self) -> Parsed<Statement> {
        const HELP: &str = "as in `output out = %masked`";
        let name = self.bare("the output's name", HELP)?;
        self.expect('=', HELP)?;
        let value = self.value("the stored value")?;
        let ty = if self.take(':') { Some(self.ty()?) } else { None };
        let layout = self.layout();
        let alias = match self.peek() {
            Some(Token::Word(_)) => Some(self.alias()?),
            _ => None,
        };
        Ok(Statement::Output { name, value, ty, layout, alias })
    }

    fn node(&mut self) -> Parsed<Statement> {
        let name = self.value("a name")?;
        self.expect('=', "as in `%sum = add %a, %b`")?;
        let op =
            self.name("an op", "as in `%sum = add %a, %b`", |t| if let Token::Word(n) = t { Some(n) } else { None })?;
        let mut operands = vec![];
        if self.at_literal() || matches!(self.peek(), Some(Token::Value(_))) {
            operands = self.list("operands", Self::operand)?;
        }
        let mut attributes = vec![];
        if self.take('{') && !self.take('}') {
            attributes = self.list("attributes", Self::attribute)?;
            self.expect('}', "attributes are `{name = value, …}`")?;
        }
        let ty = if self.take(':') { Some(self.ty()?) } else { None };
        if ty.is_none() && self.peek().is_some() {
            let what = if !attributes.is_empty() {
                "`:` or the end of the line"
            } else if operands.is_empty() {
                "an operand, `{`, `:` or the end of the line"
            } else {
                "`,`, `{`, `:` or the end of the line"
            };
            return self.expected(what, "as in `%y = gather %map, %ids {out_of_range = pass} : i32[T, 8]`");
        }
        Ok(Statement::Node { name, op, operands, attributes, ty })
    }

    /// Whether a literal stands here: what begins like a number, or a word for one.
    fn at_literal(&self) -> bool {
        match self.peek() {
            Some(Token::Number(_)) => true,
            Some(Token::Word(w)) => ["inf", "nan", "true", "false"].contains(&w.as_str()),
            _ => false,
        }
    }

    fn operand(&mut self) -> Parsed<Operand> {
        if self.at_literal() {
            let text = self.name("a literal", "", |t| match t {
                Token::Word(n) | Token::Number(n) => Some(n),
                _ => None,
            })?;
            return Ok(Operand::Literal(text));
        }
        Ok(Operand::Value(self.value("an operand")?))
    }

    /// One or more items with commas between them.
    pub(super) fn list<T>(&mut self, what: &str, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.take(',') {
            if items.len() == MAX_LIST {
                let message = format!("more than {MAX_LIST} {what}");
                let span = self.span();
                return self.fail(Code::TooLarge, message, span, "no list may be longer");
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn ty(&mut self) -> Parsed<TypeExpr> {
        const HELP: &str = "a type is a dtype and a shape, as in `i32[T, 8]`; a scalar is `i32[]`";
        let names: Vec<&str> = DType::ALL.iter().map(|d| d.name()).collect();
        let help = format!("{HELP}; the dtypes are {}", one_of(&names));
        let dtype = self.name("a type", &help, |t| if let Token::Word(n) = t { Some(n) } else { None })?;
        self.expect('[', HELP)?;
        let shape = self.shape()?;
        Ok(TypeExpr { dtype, shape })
    }

    /// The dims after `[`, and the `]`.
    fn shape(&mut self) -> Parsed<Vec<DimExpr>> {
        if self.take(']') {
            return Ok(vec![]);
        }
        let dims = self.list("dims", Self::dim)?;
        self.expect(']', "dims are separated by commas")?;
        Ok(dims)
    }

    fn dim(&mut self) -> Parsed<DimExpr> {
        const HELP: &str = "a dim is a number or the name of a declared dim, as in `[T, 8]`";
        if let Some(Token::Number(text)) = self.peek() {
            let span = self.span();
            let extent = match Literal::from_text(DType::U64, text) {
                Ok(l) => l.bits(),
                Err(LiteralError::OutOfRange) if !text.starts_with('-') => {
                    let message = format!("the extent {} does not fit 64 bits", excerpt(text));
                    return self.fail(Code::ExtentOverflow, message, span, "an extent is at most 2^63 - 1");
                }
                Err(_) => {
                    let message = format!("`{}` is no extent", excerpt(text));
                    return self.fail(Code::BadNumber, message, span, "an extent is a non-negative integer");
                }
            };
            self.next += 1;
            return Ok(DimExpr::Extent(extent));
        }
        Ok(DimExpr::Symbol(self.bare("a dim", HELP)?))
    }

    fn attribute(&mut self) -> Parsed<Attribute> {
        let name = self.bare("an attribute's name", "attributes are `{name = value, …}`")?;
        self.expect('=', "attributes are `{name = value, …}`")?;
        let start = self.span().start;
        let value = self.attribute_value()?;
        let end = self.line.tokens[self.next - 1].span.end;
        Ok(Attribute { name, value: Spanned::at(value, Span::new(start, end)) })
    }

    fn attribute_value(&mut self) -> Parsed<ValueExpr> {
        const HELP: &str = "a value is a number, a word, `fill(number)` or a shape such as `[T, 8]`";
        if self.take('[') {
            return self.shape().map(ValueExpr::Shape);
        }
        let value = match self.peek() {
            Some(Token::Number(n)) => ValueExpr::Number(n.clone()),
            Some(Token::Word(w)) => ValueExpr::Word(w.clone()),
            _ => return self.expected("a value", HELP),
        };
        self.next += 1;
        if value == ValueExpr::Word("fill".to_owned()) && self.take('(') {
            let text = self.name("a literal", "as in `fill(-1)`", |t| match t {
                Token::Word(n) | Token::Number(n) => Some(n),
                _ => None,
            })?;
            self.expect(')', "as in `fill(-1)`")?;
            return Ok(ValueExpr::Fill(text.value));
        }
        Ok(value)
    }

    fn layout(&mut self) -> Layout {
        if let Some(Token::Word(w)) = self.peek()
            && let Some((layout, _)) = LAYOUTS.iter().find(|(_, word)| word == w)
        {
            self.next += 1;
            return *layout;
        }
        Layout::Contiguous
    }

    fn alias(&mut self) -> Parsed<AliasExpr> {
        const HELP: &str =
            "behind an output stand `rows` or `strided`, then `in_place(input)`, `donates(input)` or `guarded(input)`";
        let words = AliasKind::ALL.iter().map(|(_, w)| *w).chain(LAYOUTS.iter().map(|(_, w)| *w));
        let kind = match self.peek() {
            Some(Token::Word(w)) => match AliasKind::ALL.iter().find(|(_, word)| word == w) {
                Some((kind, _)) => *kind,
                None => {
                    let help = did_you_mean(w, words, || HELP.to_owned());
                    return self.expected("a layout or an alias", &help);
                }
            },
            _ => return self.expected("an alias", HELP),
        };
        self.next += 1;
        self.expect('(', HELP)?;
        let input = self.bare("the input's name, without `%`", HELP)?;
        self.expect(')', HELP)?;
        Ok(AliasExpr { kind, input })
    }
}
