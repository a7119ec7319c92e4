//! A graph to its syntax tree.

use super::ast::{
    AliasExpr, AliasKind, Attribute, BoundExpr, DimExpr, File, Line, Name, Operand, Spanned, Statement, TermExpr,
    TypeExpr, ValueExpr,
};
use crate::bound::{BoundTerm, DimBound};
use crate::dim::Dim;
use crate::graph::{Alias, Graph, Input, Node, NodeId, Output, TensorType};
use crate::op::Op;
use crate::op::attribute::AttributeValue;
use std::collections::HashMap;

impl Graph {
    /// The nodes in the order of the canonical text: inputs as declared, then the others, operands before users. The
    /// operations of a cycle, which no valid graph has, come in order of index.
    pub fn canonical_order(&self) -> Vec<NodeId> {
        let all = self.topological().unwrap_or_else(|_| self.node_ids().collect());
        let others = all.into_iter().filter(|id| !matches!(self.node(*id).op, Op::Input(_)));
        self.inputs.iter().map(|i| i.node).chain(others).collect()
    }

    /// True if the two graphs are one graph: the same names, dims, declarations, operations in canonical order, operands,
    /// attributes and types. Node numbers and places in a source do not count.
    pub fn same_as(&self, other: &Graph) -> bool {
        let (mine, theirs) = (self.canonical_order(), other.canonical_order());
        let places = |order: &[NodeId]| order.iter().enumerate().map(|(i, id)| (*id, i)).collect::<HashMap<_, _>>();
        let (my_places, their_places) = (places(&mine), places(&theirs));
        let same_place = |x: &NodeId, y: &NodeId| my_places.get(x) == their_places.get(y);
        let same_node = |(a, b): (&NodeId, &NodeId)| {
            let Node { op, ty, name, span: _ } = self.node(*a);
            let that = other.node(*b);
            let (x, y) = (self.operands(*a), other.operands(*b));
            op == &that.op
                && ty == &that.ty
                && name == &that.name
                && x.len() == y.len()
                && x.iter().zip(&y).all(|(x, y)| same_place(x, y))
        };
        let same_input = |(a, b): (&Input, &Input)| a.name == b.name && a.layout == b.layout;
        let same_output = |(a, b): (&Output, &Output)| {
            let Output { name, node, layout, alias, span: _ } = a;
            name == &b.name && layout == &b.layout && alias == &b.alias && same_place(node, &b.node)
        };
        let Graph { name, symbols, bounds, inputs, outputs, nodes: _ } = self;
        name == &other.name
            && symbols == &other.symbols
            && same_bounds(bounds, &other.bounds)
            && mine.len() == theirs.len()
            && inputs.len() == other.inputs.len()
            && outputs.len() == other.outputs.len()
            && mine.iter().zip(&theirs).all(same_node)
            && inputs.iter().zip(&other.inputs).all(same_input)
            && outputs.iter().zip(&other.outputs).all(same_output)
    }
}

/// Bounds are of one dim each, so their order says nothing.
fn same_bounds(mine: &[DimBound], theirs: &[DimBound]) -> bool {
    mine.len() == theirs.len() && mine.iter().all(|b| theirs.contains(b))
}

fn name(text: impl Into<String>) -> Name {
    Spanned::nowhere(text.into())
}

fn dims(shape: &[Dim], symbols: &[String]) -> Vec<DimExpr> {
    let dim = |d: &Dim| match d {
        Dim::Const(n) => DimExpr::Extent(*n),
        // An undeclared symbol, which no valid graph has, gets the name that messages give it.
        Dim::Sym(s) => DimExpr::Symbol(name(symbols.get(s.0 as usize).cloned().unwrap_or(format!("s{}", s.0)))),
    };
    shape.iter().map(dim).collect()
}

fn type_expr(ty: &TensorType, symbols: &[String]) -> TypeExpr {
    TypeExpr { dtype: name(ty.dtype.name()), shape: dims(&ty.shape, symbols) }
}

fn value_expr(value: AttributeValue, symbols: &[String]) -> ValueExpr {
    match value {
        AttributeValue::Integer(n) => ValueExpr::Number(n.to_string()),
        AttributeValue::Word(w) => ValueExpr::Word(w),
        AttributeValue::Literal(l) => ValueExpr::Number(l.to_string()),
        AttributeValue::Fill(l) => ValueExpr::Fill(l.to_string()),
        AttributeValue::Shape(shape) => ValueExpr::Shape(dims(&shape, symbols)),
    }
}

/// The input that an alias names, and how; `None` if it has none.
pub fn alias_expr(alias: Alias, graph: &Graph) -> Option<AliasExpr> {
    let kind = match alias {
        Alias::None => return None,
        Alias::InPlace(_) => AliasKind::InPlace,
        Alias::Donates(_) => AliasKind::Donates,
        Alias::Guarded(_) => AliasKind::Guarded,
    };
    let input = graph.inputs.get(alias.input()?).map_or(String::new(), |i| i.name.clone());
    Some(AliasExpr { kind, input: name(input) })
}

/// The statement of an operation.
pub fn node(graph: &Graph, id: NodeId) -> Statement {
    let node = graph.node(id);
    let attribute = |(n, value): (&'static str, _)| Attribute {
        name: name(n),
        value: Spanned::nowhere(value_expr(value, &graph.symbols)),
    };
    Statement::Node {
        name: name(&node.name),
        op: name(node.op.mnemonic()),
        operands: graph.operands(id).iter().map(|o| Operand::Value(name(&graph.node(*o).name))).collect(),
        attributes: node.op.attributes().into_iter().map(attribute).collect(),
        ty: Some(type_expr(&node.ty, &graph.symbols)),
    }
}

/// The declarations of a graph's dims. Text is read from above, so a dim comes after the one that its bound is of.
pub fn dim_statements(graph: &Graph) -> Vec<Statement> {
    let bound = |s: usize| graph.bounds.iter().find(|b| b.symbol().0 as usize == s);
    let dim = |(s, n): (usize, &String)| Statement::Dim {
        name: name(n),
        at_least: bound(s).map(|b| bound_expr(b, &graph.symbols)),
    };
    graph.symbols.iter().enumerate().map(dim).collect()
}

fn bound_expr(bound: &DimBound, symbols: &[String]) -> BoundExpr {
    let of = bound.of().and_then(|s| symbols.get(s.0 as usize));
    let term = |t: &BoundTerm| TermExpr {
        times: t.times.into(),
        of: of.filter(|_| t.times > 0).map(name),
        plus: t.plus.into(),
        over: t.over,
    };
    BoundExpr { times: bound.times(), terms: bound.terms().iter().map(term).collect() }
}

/// The syntax tree of a graph, without trivia.
pub fn file(graph: &Graph) -> File {
    let mut body: Vec<Statement> = dim_statements(graph);
    body.extend(graph.inputs.iter().map(|i| Statement::Input {
        name: name(&graph.node(i.node).name),
        ty: type_expr(&graph.node(i.node).ty, &graph.symbols),
        layout: i.layout,
    }));
    body.extend(graph.canonical_order().into_iter().skip(graph.inputs.len()).map(|id| node(graph, id)));
    body.extend(graph.outputs.iter().map(|o| Statement::Output {
        name: name(&o.name),
        value: name(&graph.node(o.node).name),
        ty: Some(type_expr(&graph.node(o.node).ty, &graph.symbols)),
        layout: o.layout,
        alias: alias_expr(o.alias, graph),
    }));
    File {
        header: Line::bare(()),
        graph: Line::bare(name(&graph.name)),
        body: body.into_iter().map(Line::bare).collect(),
        close: Line::bare(()),
        below: vec![],
    }
}
