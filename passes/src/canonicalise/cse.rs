//! Common subexpression elimination.

use super::Pass;
use super::rewrite::substitute;
use routefuse_ir::op::{BinaryOp, CompareOp, ScalarOp};
use routefuse_ir::{Alias, Graph, NodeId, Op};
use std::collections::{HashMap, HashSet};

/// Of operations that are the same on the same operands, one stays. Where the order of operands does not matter (bit for
/// bit: a NaN made by arithmetic is canonical, and `min` and `max` order the zeros) it is not looked at.
pub struct Cse;

impl Pass for Cse {
    fn name(&self) -> &'static str {
        "cse"
    }

    fn run(&self, g: &mut Graph) -> bool {
        let mut first: HashMap<(Op, Vec<NodeId>), NodeId> = HashMap::new();
        // A guarded output's own copy is not the value of any other output.
        let guarded = g.outputs.iter().filter(|o| matches!(o.alias, Alias::Guarded(_))).map(|o| o.node);
        let guarded: HashSet<NodeId> = guarded.collect();
        let mut changed = false;
        for id in g.topological().unwrap_or_default() {
            if matches!(g.node(id).op, Op::Input(_)) || guarded.contains(&id) {
                continue;
            }
            // Op and operands determine the type.
            let key = normal(g.node(id).op.clone(), g.operands(id));
            match first.get(&key) {
                Some(same) => {
                    substitute(g, id, *same);
                    changed = true;
                }
                None => {
                    first.insert(key, id);
                }
            }
        }
        changed
    }
}

/// The key under which equal values meet.
fn normal(op: Op, mut operands: Vec<NodeId>) -> (Op, Vec<NodeId>) {
    use BinaryOp::{Add, And, Max, Min, Mul, Or, Xor};
    match &op {
        Op::Scalar(ScalarOp::Binary(Add | Mul | Min(_) | Max(_) | And | Or | Xor))
        | Op::Scalar(ScalarOp::Compare(CompareOp::Eq | CompareOp::Ne)) => operands.sort_unstable(),
        // fma(a, b, c) = fma(b, a, c)
        Op::Scalar(ScalarOp::Fma) => operands[..2].sort_unstable(),
        // a > b = b < a, a >= b = b <= a
        Op::Scalar(ScalarOp::Compare(compare @ (CompareOp::Gt | CompareOp::Ge))) => {
            let swapped = if *compare == CompareOp::Gt { CompareOp::Lt } else { CompareOp::Le };
            operands.reverse();
            return (Op::Scalar(ScalarOp::Compare(swapped)), operands);
        }
        _ => {}
    }
    (op, operands)
}
