//! The textual form, `.route`: printed and parsed without loss.
//!
//! # Grammar
//! A statement is one line. White space parts tokens and means nothing else; a `#` begins a comment that ends with its
//! line; blank lines and lines of comment may stand anywhere, also before the header.
//!
//! ```text
//! file      = "route" "1" NL graph
//! graph     = "graph" "@" name "{" NL { statement NL } "}" NL
//! statement = "dim" word [">=" bound]
//!           | "input" "%" name ":" type [layout]
//!           | "%" name "=" op [operands] [attributes] [":" type]
//!           | "output" word "=" "%" name [":" type] [layout] [alias]
//! bound     = [NUMBER "*"] ( term | "min" "(" term { "," term } ")" )   of one other dim
//! term      = sum | "(" sum ")" | "floor" "(" ( sum | "(" sum ")" ) "/" NUMBER ")"
//! sum       = summand { ("+" | "-") summand }               with spaces around the sign
//! summand   = NUMBER | word | NUMBER "*" word
//! operands  = operand { "," operand }
//! operand   = "%" name | NUMBER | "inf" | "nan" | "true" | "false"
//! attributes= "{" [ word "=" value { "," word "=" value } ] "}"
//! value     = NUMBER | WORD | "fill" "(" (NUMBER | WORD) ")" | shape
//! type      = DTYPE shape
//! shape     = "[" [ dim { "," dim } ] "]"
//! dim       = NUMBER | word
//! layout    = "rows" | "strided"                            nothing: contiguous
//! alias     = ("in_place" | "donates" | "guarded") "(" word ")"   an input's name
//! name      = one or more of A-Z a-z 0-9 _ .  | QUOTED      after % and @
//! word      = a letter or _, then those       | QUOTED
//! QUOTED    = any text in double quotes, with the escapes \" \\ \n \r \t \u{hex}
//! ```
//!
//! The type of an operation or output may be left out and is always printed; where it is given it must be the inferred
//! one. The literal of `const` is of the dtype its attribute `dtype` names; the literals of other ops (`fill`) are of the
//! dtype of operand 0. A literal that stands for an operand is a scalar constant of the dtype of the operand beside it, as in
//! `mul %w, 2.5`; the printer writes it as the `const` that it is. Literals are described at [`Literal::from_text`](crate::Literal::from_text).
//!
//! ```
//! let source = "\
//! route 1
//! ## EPLB remap, then padding mask
//! graph @remap_mask {
//!   dim T
//!   input %ids : i32[T, 8]
//!   input %map : i32[256]
//!   input %n : i32[]
//!   %physical = gather %map, %ids {out_of_range = pass} : i32[T, 8]
//!   %masked = mask_rows %physical, %n {fill = -1} : i32[T, 8]
//!   output out = %masked : i32[T, 8] in_place(ids)
//! }
//! ";
//! let graph = routefuse_ir::text::parse_verified(source)?;
//! let printed = routefuse_ir::text::print(&graph);
//! assert!(graph.same_as(&routefuse_ir::text::parse(&printed)?));
//! assert_eq!(routefuse_ir::text::format(&printed)?, printed);
//! # Ok::<(), routefuse_ir::Diagnostics>(())
//! ```
//!
//! # Errors
//! All that is wrong is reported at once. What has an error is left out of what is checked further, together with
//! everything that uses it, so that one mistake is one error.

pub(crate) mod ast;
mod attributes;
mod bound;
mod cycle;
mod findings;
mod lex;
mod lift;
mod lower;
mod operand;
mod syntax;
mod words;
mod write;

pub use crate::literal::LiteralError;
pub use crate::suggest::did_you_mean;
pub use findings::MAX_ERRORS;
pub use syntax::{MAX_BYTES, MAX_LINES, MAX_LIST};
pub use words::VERSION;

pub(crate) use bound::bound_expr;
pub(crate) use findings::Findings;
pub(crate) use lift::alias_expr;
pub(crate) use lower::lower;

use crate::diag::{Code, Diagnostic, Diagnostics, Span};
use crate::graph::Graph;
use crate::verify::Verified;
use ast::{File, Statement};

/// The graph that a text describes, not yet verified.
///
/// # Errors
/// All that is wrong with its syntax, its names and its attributes, and types that are left out and cannot be inferred, in
/// order of place.
pub fn parse(source: &str) -> Result<Graph, Diagnostics> {
    let mut findings = Findings::default();
    let graph = syntax::parse(source, &mut findings).map(|file| lower(&file, Some(source), &mut findings));
    findings.into_result(graph.unwrap_or_default()).map_err(|d| d.located(source))
}

/// As [`parse`], from bytes.
///
/// # Errors
/// Those of [`parse`], and `RF0105` if the bytes are not UTF-8.
pub fn parse_bytes(source: &[u8]) -> Result<Graph, Diagnostics> {
    parse(utf8(source)?)
}

/// The text of a file's bytes.
///
/// # Errors
/// `RF0105` at the first byte that is not UTF-8.
pub fn utf8(source: &[u8]) -> Result<&str, Diagnostics> {
    std::str::from_utf8(source).map_err(|e| {
        let at = e.valid_up_to();
        let message = format!("byte {at} is not UTF-8 text");
        let span = Span::new(at, at + e.error_len().unwrap_or(source.len() - at));
        Diagnostic::new(Code::NotUtf8, message).at(Some(span)).help("save the file as UTF-8").into()
    })
}

/// The verified graph that a text describes.
///
/// # Errors
/// All that is wrong, the verifier's findings included, in order of place.
pub fn parse_verified(source: &str) -> Result<Verified<Graph>, Diagnostics> {
    let mut findings = Findings::default();
    let file = syntax::parse(source, &mut findings);
    let lowered = file.map(|file| (lower(&file, Some(source), &mut findings), file));
    verified(lowered, findings).map_err(|d| d.located(source))
}

/// Verifies what was lowered; where something was reported, what is left of the graph is still checked.
pub(crate) fn verified(lowered: Option<(Graph, File)>, mut findings: Findings) -> Result<Verified<Graph>, Diagnostics> {
    let Some((graph, file)) = lowered else {
        return findings.into_result(()).and_then(|()| Graph::default().verify());
    };
    // Outputs that were left out because of their errors are not missing.
    let has_outputs =
        |l: &ast::Line<Statement>| matches!(l.item.value, Statement::Output { .. } | Statement::Broken(_));
    let may_have_outputs = file.body.iter().any(has_outputs);
    for mut d in graph.check() {
        if d.code == Code::NoOutputs {
            if may_have_outputs {
                continue;
            }
            d.span = file.graph.item.span;
        }
        findings.push(d);
    }
    // A graph without findings verifies.
    findings.into_result(()).and_then(|()| graph.verify())
}

/// The canonical text of a graph. For a valid graph, [`parse`] gives it back ([`Graph::same_as`]).
pub fn print(graph: &Graph) -> String {
    write::file(&lift::file(graph))
}

/// A text in canonical layout, with its comments, and blank lines between groups. What it says is not checked, and what it
/// leaves out stays left out.
///
/// # Errors
/// All that is wrong with its syntax.
pub fn format(source: &str) -> Result<String, Diagnostics> {
    let mut findings = Findings::default();
    let file = syntax::parse(source, &mut findings);
    findings.into_result(()).map_err(|d| d.located(source))?;
    Ok(file.as_ref().map(write::file).unwrap_or_default())
}
