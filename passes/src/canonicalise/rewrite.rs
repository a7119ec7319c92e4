//! From a rule's answer to a changed graph.

use super::facts::{Facts, traps};
use super::view::View;
use routefuse_ir::graph::Node;
use routefuse_ir::infer::infer;
use routefuse_ir::op::{BinaryOp, CompareOp, ScalarOp, UnaryOp};
use routefuse_ir::{DType, Graph, Literal, NodeId, Op, TensorType};
use std::collections::{BTreeSet, HashMap, HashSet};

/// What a value is rewritten to.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    /// A value of the graph.
    Value(NodeId),
    /// An operation on others.
    Op(Op, Vec<Expr>),
}

impl From<NodeId> for Expr {
    fn from(id: NodeId) -> Expr {
        Expr::Value(id)
    }
}

impl From<Literal> for Expr {
    fn from(l: Literal) -> Expr {
        Expr::Op(Op::Const(l), vec![])
    }
}

impl Expr {
    pub(super) fn unary(op: UnaryOp, x: impl Into<Expr>) -> Expr {
        Expr::Op(Op::Scalar(ScalarOp::Unary(op)), vec![x.into()])
    }

    pub(super) fn binary(op: BinaryOp, a: impl Into<Expr>, b: impl Into<Expr>) -> Expr {
        Expr::Op(Op::Scalar(ScalarOp::Binary(op)), vec![a.into(), b.into()])
    }

    pub(super) fn compare(op: CompareOp, a: impl Into<Expr>, b: impl Into<Expr>) -> Expr {
        Expr::Op(Op::Scalar(ScalarOp::Compare(op)), vec![a.into(), b.into()])
    }

    pub(super) fn select(condition: impl Into<Expr>, a: impl Into<Expr>, b: impl Into<Expr>) -> Expr {
        Expr::Op(Op::Scalar(ScalarOp::Select), vec![condition.into(), a.into(), b.into()])
    }

    pub(super) fn cast(x: impl Into<Expr>, to: DType) -> Expr {
        Expr::Op(Op::Scalar(ScalarOp::Cast(to)), vec![x.into()])
    }

    pub(super) fn bitcast(x: impl Into<Expr>, to: DType) -> Expr {
        Expr::Op(Op::Scalar(ScalarOp::Bitcast(to)), vec![x.into()])
    }

    /// An integer or bool constant. `None` if it does not fit.
    pub(super) fn int(dtype: DType, value: i128) -> Option<Expr> {
        Literal::from_int(dtype, value).map(Expr::from)
    }

    fn values(&self, into: &mut Vec<NodeId>) {
        match self {
            Expr::Value(id) => into.push(*id),
            Expr::Op(_, operands) => operands.iter().for_each(|o| o.values(into)),
        }
    }

    /// A trapping gather below the outermost operation: a new one, that is.
    fn makes_trap(&self, outermost: bool) -> bool {
        match self {
            Expr::Value(_) => false,
            Expr::Op(op, operands) => (!outermost && traps(op)) || operands.iter().any(|o| o.makes_trap(false)),
        }
    }
}

/// What a value can be rewritten to, if the rule applies.
///
/// A scalar may stand for a tensor: it is broadcast to the value's shape.
pub(super) type Rule = fn(View, NodeId) -> Option<Expr>;

/// Asks every rule about every value, operands first, until none of them answers for it. True if any did.
pub(super) fn apply(g: &mut Graph, rules: &[Rule]) -> bool {
    let order = g.topological().unwrap_or_default();
    let mut rewriter = Rewriter::new(g);
    let mut changed = false;
    for id in order {
        // Rewrites shorten what they rewrite; the bound holds for a pair of rules that undo each other.
        for _ in 0..MAX_REWRITES {
            if !rewriter.g.contains(id) || !rewriter.apply_first(rules, id) {
                break;
            }
            changed = true;
        }
    }
    changed
}

const MAX_REWRITES: usize = 32;

/// Changes a graph, keeping names unique and facts known.
pub(super) struct Rewriter<'a> {
    pub(super) g: &'a mut Graph,
    facts: Facts,
    names: HashSet<String>,
    constants: HashMap<Literal, NodeId>,
}

impl Rewriter<'_> {
    pub(super) fn new(g: &mut Graph) -> Rewriter<'_> {
        let constant = |id| match g.node(id) {
            Node { op: Op::Const(l), .. } => Some((*l, id)),
            _ => None,
        };
        // Backwards, so that of two equal constants the first is the one that is reused.
        let constants = g.node_ids().rev().filter_map(constant).collect();
        let names = g.nodes().map(|n| n.name.clone()).collect();
        let facts = Facts::of(g);
        Rewriter { g, facts, names, constants }
    }

    fn apply_first(&mut self, rules: &[Rule], id: NodeId) -> bool {
        for rule in rules {
            let view = View { g: self.g, facts: &self.facts };
            let Some(expr) = rule(view, id) else { continue };
            if self.keeps_traps(id, &expr) {
                self.rewrite(id, expr);
                return true;
            }
        }
        false
    }

    /// The trapping gathers behind the value are the same after as before: whether a launch sets the error word is part of
    /// what a graph means, even where the element is not used.
    fn keeps_traps(&self, id: NodeId, expr: &Expr) -> bool {
        if !self.facts.may_trap(id) {
            return true;
        }
        let mut leaves = Vec::new();
        expr.values(&mut leaves);
        let mut after = traps_behind(self.g, leaves);
        if matches!(expr, Expr::Op(op, _) if traps(op)) {
            after.insert(id);
        }
        !expr.makes_trap(true) && after == traps_behind(self.g, vec![id])
    }

    /// Replaces a value.
    pub(super) fn rewrite(&mut self, id: NodeId, expr: Expr) {
        let shape = self.g.node(id).ty.shape.clone();
        let expr = match &expr {
            Expr::Value(x) if self.g.node(*x).ty.shape != shape => Expr::Op(Op::Broadcast { shape }, vec![expr]),
            _ => expr,
        };
        match expr {
            Expr::Value(x) => self.substitute(id, x),
            Expr::Op(op, operands) => {
                let operands: Vec<NodeId> = operands.into_iter().map(|o| self.build(id, o)).collect();
                let ty = self.infer(&op, &operands);
                let shape = self.g.node(id).ty.shape.clone();
                if ty.shape == shape {
                    self.replace_op(id, op, &operands);
                } else {
                    let scalar = self.add(id, op, &operands);
                    self.replace_op(id, Op::Broadcast { shape }, &[scalar]);
                }
            }
        }
    }

    fn infer(&self, op: &Op, operands: &[NodeId]) -> TensorType {
        let types: Vec<TensorType> = operands.iter().map(|o| self.g.node(*o).ty.clone()).collect();
        match infer(op, &types, &self.g.symbols) {
            Ok(ty) => ty,
            // A rule has built what does not type. The verifier reports the node, with its text.
            Err(_) => types.first().cloned().unwrap_or_else(|| TensorType::scalar(DType::F32)),
        }
    }

    fn build(&mut self, root: NodeId, expr: Expr) -> NodeId {
        match expr {
            Expr::Value(id) => id,
            Expr::Op(Op::Const(l), _) if self.constants.contains_key(&l) => self.constants[&l],
            Expr::Op(op, operands) => {
                let operands: Vec<NodeId> = operands.into_iter().map(|o| self.build(root, o)).collect();
                self.add(root, op, &operands)
            }
        }
    }

    /// A new node, called after `root`.
    fn add(&mut self, root: NodeId, op: Op, operands: &[NodeId]) -> NodeId {
        let constant = if let Op::Const(l) = op { Some(l) } else { None };
        if let Some(known) = constant.and_then(|l| self.constants.get(&l)) {
            return *known;
        }
        let base = match constant {
            Some(l) => constant_name(l),
            None => format!("{}.{}", stem(&self.g.node(root).name), op.mnemonic()),
        };
        let name = self.unused(base);
        let ty = self.infer(&op, operands);
        let span = self.g.node(root).span;
        let id = self.g.add_node(Node { op, ty, name, span }, operands);
        self.facts.learn(self.g, id);
        if let Some(l) = constant {
            self.constants.insert(l, id);
        }
        id
    }

    fn unused(&mut self, base: String) -> String {
        let numbered = (2..).map(|n| format!("{base}.{n}"));
        let name = std::iter::once(base.clone()).chain(numbered).find(|n| !self.names.contains(n)).unwrap_or(base);
        self.names.insert(name.clone());
        name
    }

    /// The same node with another operation of the same value.
    fn replace_op(&mut self, id: NodeId, op: Op, operands: &[NodeId]) {
        self.g.replace_node_op(id, op, operands);
        self.facts.learn(self.g, id);
    }

    fn substitute(&mut self, old: NodeId, new: NodeId) {
        substitute(self.g, old, new);
        if let Op::Const(l) = self.g.node(new).op {
            self.constants.entry(l).or_insert(new);
        }
    }
}

/// Every use of `old` becomes one of `new`, and `old` goes. The better of the two names stays.
pub(super) fn substitute(g: &mut Graph, old: NodeId, new: NodeId) {
    g.replace_uses(old, new);
    let Some(old) = g.remove_node(old) else { return };
    let node = g.node_mut(new);
    if !matches!(node.op, Op::Input(_)) {
        if name_rank(&old.name, &old.op) > name_rank(&node.name, &node.op) {
            node.name = old.name;
        }
        node.span = node.span.or(old.span);
    }
}

/// Names given by a person are better than the builder's `v12`, and both than the passes' `packed.shl`.
fn name_rank(name: &str, op: &Op) -> u8 {
    let numbered = name.strip_prefix('v').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    match op {
        // A constant is called by its value.
        Op::Const(_) => 0,
        _ if name.contains('.') => 1,
        _ if numbered => 2,
        _ => 3,
    }
}

/// `packed` of `packed.shl`: names do not grow when what a pass made is rewritten in turn.
fn stem(name: &str) -> &str {
    name.split_once('.').map_or(name, |(stem, _)| stem)
}

/// `i32.16`, `f32.m2.5`: a name that text forms accept.
fn constant_name(l: Literal) -> String {
    format!("{}.{l}", l.dtype()).replace('-', "m").replace('+', "")
}

fn traps_behind(g: &Graph, mut from: Vec<NodeId>) -> BTreeSet<NodeId> {
    let mut seen: HashSet<NodeId> = HashSet::new();
    while let Some(id) = from.pop() {
        if seen.insert(id) {
            from.extend(g.operands(id));
        }
    }
    seen.into_iter().filter(|id| traps(&g.node(*id).op)).collect()
}
