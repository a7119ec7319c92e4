//! What stands in the boxes. Names are whatever a user wrote, so each is made visible here and escaped by the writers.

use routefuse_ir::dim::shape_text;
use routefuse_ir::op::Op;
use routefuse_ir::op::attribute::AttributeValue;
use routefuse_ir::visible::visible;
use routefuse_ir::{Graph, NodeId};

/// The longest line of a box, in characters; what is longer is cut.
const LONGEST: usize = 36;

/// At most [`LONGEST`] characters of a line.
pub(super) fn short(line: &str) -> String {
    if line.chars().count() <= LONGEST {
        return line.to_owned();
    }
    let kept: String = line.chars().take(LONGEST - 1).collect();
    format!("{kept}…")
}

/// An operation without its operands: `gather {out_of_range = pass}`.
pub(super) fn op(g: &Graph, id: NodeId) -> String {
    let op = &g.node(id).op;
    let attributes: Vec<String> = op
        .attributes()
        .iter()
        // The result's type stands below.
        .filter(|(name, _)| !matches!(*name, "dtype" | "shape"))
        .map(|(name, value)| format!("{name} = {}", attribute(value, &g.symbols)))
        .collect();
    if attributes.is_empty() {
        op.mnemonic().to_owned()
    } else {
        visible(&format!("{} {{{}}}", op.mnemonic(), attributes.join(", "))).into_owned()
    }
}

fn attribute(value: &AttributeValue, symbols: &[String]) -> String {
    match value {
        AttributeValue::Integer(n) => n.to_string(),
        AttributeValue::Word(word) => word.clone(),
        AttributeValue::Literal(literal) => literal.to_string(),
        AttributeValue::Fill(literal) => format!("fill({literal})"),
        AttributeValue::Shape(dims) => format!("[{}]", shape_text(dims, symbols)),
    }
}

/// A value's name and type: `physical: i32[T, 8]`.
pub(super) fn value(g: &Graph, id: NodeId) -> String {
    let node = g.node(id);
    visible(&format!("{}: {}", node.name, node.ty.text(&g.symbols))).into_owned()
}

/// A constant: `2.5 f32`.
pub(super) fn constant(g: &Graph, id: NodeId) -> String {
    match &g.node(id).op {
        Op::Const(literal) => format!("{literal} {}", literal.dtype()),
        other => other.mnemonic().to_owned(),
    }
}
