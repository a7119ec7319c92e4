//! Values that are used before they are defined, and values that depend on themselves.

use super::ast::{File, Name, Operand, Statement};
use super::findings::{Findings, in_statement};
use crate::diag::{Code, Diagnostic};
use crate::suggest::excerpt;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::HashMap;

/// A value that is used on line `user` before the line `definition` that defines it.
pub struct Forward<'a> {
    /// The line that uses the value.
    pub user: usize,
    /// The line that defines it.
    pub definition: usize,
    /// The name by which it is used.
    pub name: &'a Name,
}

/// Reports the forward uses: those of a cycle once for the cycle, the others each.
pub fn find(file: &File, definitions: &HashMap<&str, usize>, forward: &[Forward<'_>], findings: &mut Findings) {
    if forward.is_empty() {
        return;
    }
    // Which statement uses which.
    let mut uses: DiGraph<(), ()> = DiGraph::new();
    for _ in &file.body {
        uses.add_node(());
    }
    for (user, line) in file.body.iter().enumerate() {
        let operands: &[Operand] = match &line.item.value {
            Statement::Node { operands, .. } => operands,
            _ => &[],
        };
        for operand in operands {
            if let Operand::Value(name) = operand
                && let Some(&definition) = definitions.get(name.value.as_str())
            {
                uses.add_edge(NodeIndex::new(definition), NodeIndex::new(user), ());
            }
        }
    }
    let mut component = vec![0; file.body.len()];
    let components = kosaraju_scc(&uses);
    for (i, members) in components.iter().enumerate() {
        for member in members {
            component[member.index()] = i;
        }
    }
    let mut reported = vec![false; components.len()];
    for f in forward {
        let line = &file.body[f.user];
        let c = component[f.user];
        let d = if c != component[f.definition] {
            let message = format!("the value `%{}` is used before it is defined", excerpt(&f.name.value));
            Diagnostic::new(Code::UndefinedValue, message).at(f.name.span).help("move its definition above this line")
        } else if std::mem::replace(&mut reported[c], true) {
            continue;
        } else {
            let mut members: Vec<usize> = components[c].iter().map(|m| m.index()).collect();
            members.sort_unstable();
            let names = members.iter().filter_map(|m| file.body[*m].item.value.defined());
            let mut names: Vec<String> = names.map(|n| format!("%{}", excerpt(n))).collect();
            if names.len() > 8 {
                names.truncate(8);
                names.push("…".to_owned());
            }
            Diagnostic::new(Code::Cycle, format!("these values depend on themselves: {}", names.join(", ")))
                .at(line.item.span)
                .help("an operation may only use values that are defined before it")
        };
        findings.push(in_statement(d, line));
    }
}
