//! The syntax tree to text: the one writer behind the printer and the formatter.

use super::ast::{
    AliasExpr, Attribute, BoundExpr, Broken, DimExpr, File, LAYOUTS, Line, Name, Operand, Statement, TermExpr, Trivia,
    TypeExpr, ValueExpr,
};
use super::words::{VERSION, is_plain_after_sigil, is_word};
use crate::bound::{WrittenTerm, expression};
use crate::graph::Layout;
use crate::visible::is_hidden;

/// The text of a file.
pub fn file(file: &File) -> String {
    let File { header, graph, body, close, below } = file;
    let mut out = Writer { text: String::new(), in_block: false, indent: "" };
    out.line(header, &format!("route {VERSION}"));
    out.line(graph, &format!("graph @{} {{", after_sigil(&graph.item.value.value)));
    out.in_block = false;
    out.indent = "  ";
    for line in body {
        out.line(line, &statement(&line.item.value));
    }
    // Blank lines in front of the brace have nothing to part.
    out.trivia(without_blank_end(&close.above));
    out.indent = "";
    out.line(&Line { above: vec![], ..close.clone() }, "}");
    out.trivia(without_blank_end(below));
    out.text
}

fn without_blank_end(trivia: &[Trivia]) -> &[Trivia] {
    let end = trivia.iter().rposition(|t| *t != Trivia::Blank).map_or(0, |i| i + 1);
    &trivia[..end]
}

struct Writer {
    text: String,
    /// Something stands above in this block, which a blank line can part from what follows.
    in_block: bool,
    indent: &'static str,
}

impl Writer {
    fn trivia(&mut self, trivia: &[Trivia]) {
        let mut blank = false;
        for t in trivia {
            match t {
                Trivia::Blank => blank = true,
                Trivia::Comment(text) => {
                    self.blank(blank);
                    self.push(text, None);
                    blank = false;
                }
            }
        }
        self.blank(blank);
    }

    fn blank(&mut self, blank: bool) {
        if blank && self.in_block {
            self.text.push('\n');
        }
    }

    fn push(&mut self, text: &str, behind: Option<&str>) {
        self.text.push_str(self.indent);
        self.text.push_str(text);
        if let Some(comment) = behind {
            self.text.push_str("  ");
            self.text.push_str(comment);
        }
        self.text.push('\n');
        self.in_block = true;
    }

    fn line<T>(&mut self, line: &Line<T>, text: &str) {
        self.trivia(&line.above);
        self.push(text, line.behind.as_deref());
    }
}

fn quoted(name: &str) -> String {
    let mut out = String::from('"');
    for c in name.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_hidden(c) || c.is_whitespace() && c != ' ' => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn after_sigil(name: &str) -> String {
    if is_plain_after_sigil(name) { name.to_owned() } else { quoted(name) }
}

fn value(name: &Name) -> String {
    format!("%{}", after_sigil(&name.value))
}

fn operand(operand: &Operand) -> String {
    match operand {
        Operand::Value(name) => value(name),
        Operand::Literal(text) => text.value.clone(),
    }
}

fn bare(name: &Name) -> String {
    if is_word(&name.value) { name.value.clone() } else { quoted(&name.value) }
}

/// The text of one statement.
pub fn statement(s: &Statement) -> String {
    match s {
        Statement::Dim { name, at_least: None } => format!("dim {}", bare(name)),
        Statement::Dim { name, at_least: Some(bound) } => format!("dim {} >= {}", bare(name), bound_text(bound)),
        Statement::Input { name, ty: t, layout: l } => format!("input {} : {}{}", value(name), ty(t), layout(*l)),
        Statement::Node { name, op, operands, attributes, ty: t } => {
            let mut text = format!("{} = {}", value(name), op.value);
            if !operands.is_empty() {
                text.push(' ');
                text.push_str(&joined(operands, operand));
            }
            if !attributes.is_empty() {
                text.push_str(&format!(" {{{}}}", joined(attributes, attribute)));
            }
            text + &declared(t.as_ref())
        }
        Statement::Output { name, value: v, ty: t, layout: l, alias } => {
            let mut text = format!("output {} = {}{}{}", bare(name), value(v), declared(t.as_ref()), layout(*l));
            if let Some(AliasExpr { kind, input }) = alias {
                text.push_str(&format!(" {}({})", kind.word(), bare(input)));
            }
            text
        }
        // Only complete trees are printed; this one stands in messages.
        Statement::Broken(Broken::Dim(n)) => format!("dim {n} …"),
        Statement::Broken(Broken::Input(n)) => format!("input %{n} …"),
        Statement::Broken(Broken::Node(n)) => format!("%{n} = …"),
        Statement::Broken(Broken::Other) => "…".to_owned(),
    }
}

fn joined<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn layout(l: Layout) -> String {
    LAYOUTS.iter().find(|(layout, _)| *layout == l).map_or(String::new(), |(_, w)| format!(" {w}"))
}

fn declared(t: Option<&TypeExpr>) -> String {
    t.map_or(String::new(), |t| format!(" : {}", ty(t)))
}

fn ty(t: &TypeExpr) -> String {
    format!("{}{}", t.dtype.value, shape(&t.shape))
}

fn shape(dims: &[DimExpr]) -> String {
    let dim = |d: &DimExpr| match d {
        DimExpr::Extent(n) => n.to_string(),
        DimExpr::Symbol(name) => bare(name),
    };
    format!("[{}]", joined(dims, dim))
}

/// The text of a least extent.
pub fn bound_text(BoundExpr { times, terms }: &BoundExpr) -> String {
    let term = |t: &TermExpr| WrittenTerm { times: t.times, of: t.of.as_ref().map(bare), plus: t.plus, over: t.over };
    expression(*times, terms.iter().map(term))
}

/// The text of an attribute's value.
pub fn attribute_value(value: &ValueExpr) -> String {
    match value {
        ValueExpr::Word(w) | ValueExpr::Number(w) => w.clone(),
        ValueExpr::Fill(literal) => format!("fill({literal})"),
        ValueExpr::Shape(dims) => shape(dims),
    }
}

fn attribute(a: &Attribute) -> String {
    format!("{} = {}", bare(&a.name), attribute_value(&a.value.value))
}
