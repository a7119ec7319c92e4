//! What the passes made of a graph, one after the other, and where values went that are no longer there.

use super::Lowering;
use crate::error::Error;
use routefuse_ir::Graph;
use routefuse_ir::op::Op;
use routefuse_passes::canonicalise::canonicalise_watched;
use std::collections::{HashMap, HashSet};

/// The graph after every run of a pass that changed it, and what became of values on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct History {
    /// In the order in which they ran.
    pub passes: Vec<PassText>,
    /// For every value of the graph as it was written, in order of [`Graph::nodes`]: where it went; `None` if the canonical graph
    /// still computes it from inputs.
    pub fates: Vec<Option<Fate>>,
}

/// The graph after a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PassText {
    /// The pass.
    pub pass: &'static str,
    /// The graph as it is printed.
    pub text: String,
}

/// Where a value went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fate {
    /// The first pass after which nothing computes it any more.
    pub pass: &'static str,
    /// What stands in its place.
    pub became: Became,
}

/// What stands in the place of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Became {
    /// It has one value, whatever the inputs are: `-1 i32`.
    Constant(String),
    /// What used it uses this value of the graph after the pass instead.
    Value(String),
    /// What used these values of it is a part of them, as they are after the pass or as they were last.
    Part(Vec<String>),
    /// Nothing used it.
    Unused,
}

impl Lowering {
    /// What the passes did: made when asked for, by running them again.
    ///
    /// # Errors
    /// Only by a defect of routefuse.
    pub fn history(&self) -> Result<History, Error> {
        let graph = self.graph();
        let names: Vec<&str> = graph.nodes().map(|n| n.name.as_str()).collect();
        let mut before = Living::of(graph);
        let mut fates: HashMap<&str, Fate> = HashMap::new();
        let mut passes = Vec::new();
        canonicalise_watched(graph.clone(), &mut |pass, graph| {
            passes.push(PassText { pass, text: routefuse_ir::text::print(graph) });
            let after = Living::of(graph);
            for name in &names {
                if let Some(became) = before.became(name, &after).filter(|_| !fates.contains_key(name)) {
                    fates.insert(name, Fate { pass, became });
                }
            }
            before = after;
        })?;
        let fate = |name: &str| {
            if before.values.contains_key(name) {
                return fates.remove(name).filter(|fate| matches!(fate.became, Became::Constant(_)));
            }
            // What nothing used from the beginning no pass has changed before the last took it away.
            Some(fates.remove(name).unwrap_or(Fate { pass: "dce", became: Became::Unused }))
        };
        Ok(History { passes, fates: names.into_iter().map(fate).collect() })
    }
}

/// The values of a graph that outputs depend on, by name.
struct Living {
    values: HashMap<String, Value>,
    outputs: Vec<String>,
}

struct Value {
    mnemonic: &'static str,
    operands: Vec<String>,
    /// If all of its elements are this, whatever the inputs are.
    constant: Option<String>,
    /// Who uses it, and as which of its operands.
    uses: Vec<(String, usize)>,
}

impl Living {
    fn of(graph: &Graph) -> Living {
        let mut values: HashMap<String, Value> = HashMap::new();
        let mut wanted: HashSet<_> = graph.outputs.iter().map(|o| o.node).collect();
        for id in graph.topological().unwrap_or_default().into_iter().rev() {
            if !wanted.contains(&id) {
                continue;
            }
            let (node, operands) = (graph.node(id), graph.operands(id));
            wanted.extend(&operands);
            let literal = match (&node.op, &operands[..]) {
                (Op::Const(literal), _) => Some(literal),
                (Op::Broadcast { .. }, [of]) => match &graph.node(*of).op {
                    Op::Const(literal) => Some(literal),
                    _ => None,
                },
                _ => None,
            };
            let value = Value {
                mnemonic: node.op.mnemonic(),
                operands: operands.iter().map(|o| graph.node(*o).name.clone()).collect(),
                constant: literal.map(|l| format!("{l} {}", l.dtype())),
                uses: vec![],
            };
            values.insert(node.name.clone(), value);
        }
        let uses: Vec<(String, String, usize)> = values
            .iter()
            .flat_map(|(user, v)| v.operands.iter().enumerate().map(move |(at, o)| (o.clone(), user.clone(), at)))
            .collect();
        for (of, user, at) in uses {
            if let Some(value) = values.get_mut(&of) {
                value.uses.push((user, at));
            }
        }
        // The order of a map is none.
        values.values_mut().for_each(|v| v.uses.sort());
        Living { values, outputs: graph.outputs.iter().map(|o| graph.node(o.node).name.clone()).collect() }
    }

    /// What became of a value in one pass, if it was there before and is gone or a constant now.
    fn became(&self, name: &str, after: &Living) -> Option<Became> {
        let old = self.values.get(name)?;
        match after.values.get(name) {
            Some(new) => new.constant.clone().filter(|_| old.constant.is_none()).map(Became::Constant),
            None => Some(self.replaced(name, old, after)),
        }
    }

    /// What stands in its place: where something that used it is as it was but for this operand, that operand.
    fn replaced(&self, name: &str, old: &Value, after: &Living) -> Became {
        let outputs = self.outputs.iter().zip(&after.outputs);
        let of_outputs = outputs.filter(|(before, _)| *before == name).map(|(_, now)| now.as_str());
        let of_users = old.uses.iter().filter_map(|(user, at)| {
            let (was, now) = (self.values.get(user)?, after.values.get(user)?);
            let alike = was.mnemonic == now.mnemonic && was.operands.len() == now.operands.len();
            // Operands may have changed places: what is new among them is what was put there.
            let new = now.operands.iter().find(|o| !was.operands.contains(o)).or_else(|| now.operands.get(*at));
            new.filter(|new| alike && *new != name).map(String::as_str)
        });
        if let Some(found) = of_outputs.chain(of_users).next() {
            // Of two equal constants one is kept.
            let constant = after.values.get(found).and_then(|v| v.constant.clone()).filter(|_| old.constant.is_none());
            return constant.map_or_else(|| Became::Value(found.to_owned()), Became::Constant);
        }
        let mut users: Vec<String> = old.uses.iter().map(|(user, _)| user.clone()).collect();
        users.dedup();
        if users.is_empty() { Became::Unused } else { Became::Part(users) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, Options, Target};

    /// Each case by hand: a sum of constants is folded, an equal value is found twice, adding zero changes nothing, and a value that
    /// nothing uses is dropped.
    #[test]
    fn values_that_are_gone_are_followed() {
        let text = "route 1
graph @g {
  dim T
  input %x : i32[T, 4]
  %one = const {dtype = i32, value = 1} : i32[]
  %nothing = const {dtype = i32, value = 0} : i32[]
  %two = add %one, %one : i32[]
  %a = mul %x, %two : i32[T, 4]
  %b = mul %x, %two : i32[T, 4]
  %sum = xor %a, %x : i32[T, 4]
  %other = max %b, %x : i32[T, 4]
  %same = add %sum, %nothing : i32[T, 4]
  %unused = neg %other : i32[T, 4]
  output out = %same : i32[T, 4]
  output second = %other : i32[T, 4]
}
";
        let graph = crate::text::parse_verified(text).unwrap_or_else(|e| panic!("{e}"));
        let engine = Engine::builder().build().unwrap();
        let lowering = engine.lowering(&graph, &Target::host(), &Options::default()).unwrap();
        let History { passes, fates } = lowering.history().unwrap();
        assert!(!passes.is_empty());
        let of = |name: &str| {
            let at = graph.nodes().position(|n| n.name == name).unwrap();
            fates[at].as_ref().map(|f| (f.pass, f.became.clone()))
        };
        assert_eq!(of("sum"), None);
        assert_eq!(of("two"), Some(("fold", Became::Constant("2 i32".to_owned()))));
        let merged = [of("a"), of("b")];
        assert!(merged.contains(&None), "{merged:?}");
        assert!(
            merged.iter().flatten().any(|(pass, became)| *pass == "cse" && matches!(became, Became::Value(_))),
            "{merged:?}"
        );
        assert_eq!(of("same"), Some(("algebra", Became::Value("sum".to_owned()))));
        assert_eq!(of("unused"), Some(("dce", Became::Unused)));
    }
}
