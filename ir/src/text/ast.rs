//! The syntax tree of a `.route` file: what is written, comments and blank lines included, before it means anything.
//!
//! The parser and the JSON reader make it, `lower` gives it meaning, and one writer prints it, for the
//! formatter and the printer alike.

use crate::diag::Span;
use crate::graph::Layout;

/// A value and where it was written; nowhere if it came from a graph or from JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Option<Span>,
}

impl<T> Spanned<T> {
    /// A value that was written at this place.
    pub fn at(value: T, span: Span) -> Spanned<T> {
        Spanned { value, span: Some(span) }
    }

    /// A value that was written nowhere.
    pub fn nowhere(value: T) -> Spanned<T> {
        Spanned { value, span: None }
    }
}

/// A name without its sigil and quotes.
pub type Name = Spanned<String>;

/// What stands on a line of its own and means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trivia {
    /// One empty line.
    Blank,
    /// A comment with its `#`, without the white space around it.
    Comment(String),
}

/// A line that means something, the trivia above it, and the comment behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<T> {
    /// Blank lines and comments since the line before.
    pub above: Vec<Trivia>,
    /// What the line says, and where: from its first token to its last.
    pub item: Spanned<T>,
    /// The comment at its end, with its `#`.
    pub behind: Option<String>,
}

impl<T> Line<T> {
    /// A line without trivia that was written nowhere.
    pub fn bare(item: T) -> Line<T> {
        Line { above: vec![], item: Spanned::nowhere(item), behind: None }
    }
}

/// A whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// `route 1`.
    pub header: Line<()>,
    /// `graph @name {`.
    pub graph: Line<Name>,
    /// What stands between the braces.
    pub body: Vec<Line<Statement>>,
    /// `}`.
    pub close: Line<()>,
    /// Trivia at the end.
    pub below: Vec<Trivia>,
}

/// One line of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// `dim T`, or `dim C >= min(512 * T, 8 * T + 16128)`
    Dim {
        /// The dim's name.
        name: Name,
        /// Its least extent.
        at_least: Option<BoundExpr>,
    },
    /// `input %ids : i32[T, 8] rows`
    Input {
        /// The value's name, by which the argument is bound.
        name: Name,
        /// The declared type.
        ty: TypeExpr,
        /// How the argument lies in memory.
        layout: Layout,
    },
    /// `%y = gather %map, %ids {out_of_range = pass} : i32[T, 8]`
    Node {
        /// The value's name.
        name: Name,
        /// The mnemonic.
        op: Name,
        /// The operands.
        operands: Vec<Operand>,
        /// What stands in braces.
        attributes: Vec<Attribute>,
        /// The declared type.
        ty: Option<TypeExpr>,
    },
    /// `output out = %y : i32[T, 8] rows in_place(ids)`
    Output {
        /// The name by which the argument is bound.
        name: Name,
        /// The stored value's name.
        value: Name,
        /// The declared type.
        ty: Option<TypeExpr>,
        /// How the argument lies in memory.
        layout: Layout,
        /// Which input's memory it may share.
        alias: Option<AliasExpr>,
    },
    /// A line with a syntax error, which has been reported.
    Broken(Broken),
}

/// `64 * min(8 * T, floor((8 * T + 16065) / 64))`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundExpr {
    /// What the minimum is multiplied by.
    pub times: u64,
    /// What the minimum is of.
    pub terms: Vec<TermExpr>,
}

/// `floor((8 * T + 16065) / 64)`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermExpr {
    /// How often the dim is taken.
    pub times: i128,
    /// The dim, where one is named.
    pub of: Option<Name>,
    /// What is added.
    pub plus: i128,
    /// What is divided by.
    pub over: u64,
}

/// What an op is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// `%ids`
    Value(Name),
    /// `2.5`: a constant of the dtype of the operand that it stands beside.
    Literal(Spanned<String>),
}

impl Statement {
    /// The value that the statement defines.
    pub fn defined(&self) -> Option<&str> {
        match self {
            Statement::Input { name, .. } | Statement::Node { name, .. } => Some(&name.value),
            Statement::Broken(Broken::Input(n) | Broken::Node(n)) => Some(n),
            Statement::Dim { .. } | Statement::Output { .. } | Statement::Broken(_) => None,
        }
    }
}

/// What a line with a syntax error would have declared: later uses of it are no errors of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A dim.
    Dim(String),
    /// An input.
    Input(String),
    /// The result of an op.
    Node(String),
    /// Nothing that other lines can name.
    Other,
}

/// `i32[T, 8]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeExpr {
    /// The dtype's name.
    pub dtype: Name,
    /// The dims.
    pub shape: Vec<DimExpr>,
}

/// One dim of a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DimExpr {
    /// A constant.
    Extent(u64),
    /// The name of a declared dim.
    Symbol(Name),
}

/// `name = value`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The name.
    pub name: Name,
    /// The value.
    pub value: Spanned<ValueExpr>,
}

/// The value of an attribute, before the op says what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueExpr {
    /// A dtype, a policy, a form, or a literal that is a word: `f32`, `pass`, `true`, `inf`.
    Word(String),
    /// A number as it is written: `-1`, `2.5`, `1e-20`, `-inf`, `0x7fc00001`.
    Number(String),
    /// `fill(-1)`, with the literal as it is written.
    Fill(String),
    /// `[T, 8]`
    Shape(Vec<DimExpr>),
}

/// `in_place(ids)`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasExpr {
    /// Which kind.
    pub kind: AliasKind,
    /// The input's name.
    pub input: Name,
}

/// The kinds of [`Alias`](crate::Alias) that name an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasKind {
    /// `in_place(x)`
    InPlace,
    /// `donates(x)`
    Donates,
    /// `guarded(x)`
    Guarded,
}

impl AliasKind {
    /// Every kind, with its word.
    pub const ALL: [(AliasKind, &'static str); 3] =
        [(AliasKind::InPlace, "in_place"), (AliasKind::Donates, "donates"), (AliasKind::Guarded, "guarded")];

    /// The word in text.
    pub fn word(self) -> &'static str {
        AliasKind::ALL.iter().find(|(k, _)| *k == self).map_or("in_place", |(_, w)| w)
    }
}

/// The layouts that text names, with their words; no word means contiguous.
pub const LAYOUTS: [(Layout, &str); 2] = [(Layout::Rows, "rows"), (Layout::Strided, "strided")];
