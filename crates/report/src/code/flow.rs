//! Where control goes between instructions, and the loops of that.

use super::instruction::{Dialect, Instruction, Line};
use petgraph::algo::dominators::simple_fast;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeSet, HashMap};

/// Instructions in order, and which may follow each.
pub(crate) struct Flow<'l, 't> {
    /// Positions in the other lists are positions in this one.
    pub code: Vec<&'l Instruction<'t>>,
    /// What may come after each.
    pub next: Vec<Vec<usize>>,
}

/// A natural loop: what control passes on its way from the header back to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NaturalLoop {
    /// Every way into the loop comes here first.
    pub header: usize,
    /// All of its instructions, those of loops inside too.
    pub body: BTreeSet<usize>,
}

impl<'l, 't> Flow<'l, 't> {
    /// Of a text's lines. None where it jumps to what is not known.
    pub(crate) fn of(lines: &'l [Line<'t>], dialect: Dialect) -> Option<Flow<'l, 't>> {
        let mut labels: HashMap<&str, usize> = HashMap::new();
        let mut code: Vec<&Instruction<'_>> = Vec::new();
        for line in lines {
            match line {
                Line::Label(label) => {
                    labels.insert(label, code.len());
                }
                Line::Instruction(i) => code.push(i),
            }
        }
        let end = code.len();
        let next = code.iter().enumerate().map(|(at, i)| followers(i, at, &labels, end, dialect));
        let next = next.collect::<Option<Vec<_>>>()?;
        Some(Flow { code, next })
    }

    /// The instructions from which control comes to each.
    fn before(&self) -> Vec<Vec<usize>> {
        let mut before = vec![vec![]; self.code.len()];
        for (at, next) in self.next.iter().enumerate() {
            next.iter().for_each(|n| before[*n].push(at));
        }
        before
    }

    /// All loops, in order of their headers; those with one header are one.
    pub(crate) fn loops(&self) -> Vec<NaturalLoop> {
        let before = self.before();
        let mut graph = DiGraph::<(), (), usize>::default();
        for _ in &self.code {
            graph.add_node(());
        }
        graph.extend_with_edges(self.next.iter().enumerate().flat_map(|(at, next)| next.iter().map(move |n| (at, *n))));
        let Some(first) = graph.node_indices().next() else { return vec![] };
        let dominators = simple_fast(&graph, first);
        let passed = |at: usize| dominators.dominators(NodeIndex::new(at)).into_iter().flatten();
        let mut loops: Vec<NaturalLoop> = Vec::new();
        // What is never reached has no dominators.
        for (at, next) in self.next.iter().enumerate() {
            for header in next.iter().copied().filter(|header| passed(at).any(|by| by.index() == *header)) {
                let mut body = BTreeSet::from([header]);
                let mut left = vec![at];
                while let Some(at) = left.pop() {
                    if body.insert(at) {
                        left.extend(&before[at]);
                    }
                }
                match loops.iter_mut().find(|l| l.header == header) {
                    Some(known) => known.body.extend(body),
                    None => loops.push(NaturalLoop { header, body }),
                }
            }
        }
        loops.sort_by_key(|l| l.header);
        loops
    }
}

/// Where control goes after an instruction. None where it goes to what is not known.
fn followers(
    i: &Instruction<'_>,
    at: usize,
    labels: &HashMap<&str, usize>,
    end: usize,
    dialect: Dialect,
) -> Option<Vec<usize>> {
    let through = || if at + 1 < end { vec![at + 1] } else { vec![] };
    // What is compared stands before it.
    let target = || labels.get(i.operands.last()?).copied().filter(|at| *at < end);
    let begins = |list: &[&str]| list.iter().any(|p| i.name.starts_with(p));
    let (jumps, always, ends) = match dialect {
        Dialect::Ptx => {
            if begins(&["brx", "call"]) {
                return None;
            }
            let jumps = i.name == "bra" || i.name.starts_with("bra.");
            (jumps, i.condition.is_none(), matches!(i.name, "ret" | "exit"))
        }
        Dialect::Amdgpu => {
            if begins(&["s_setpc", "s_swappc", "s_call"]) {
                return None;
            }
            (begins(&["s_branch", "s_cbranch"]), i.name == "s_branch", i.name == "s_endpgm")
        }
        // A jump to where a register says has an operand that is no label.
        Dialect::X86 => (i.name.starts_with('j'), i.name.starts_with("jmp"), matches!(i.name, "ret" | "retq" | "ud2")),
        Dialect::Aarch64 => {
            if matches!(i.name, "br" | "blr") {
                return None;
            }
            let compares = matches!(i.name, "cbz" | "cbnz" | "tbz" | "tbnz");
            (i.name == "b" || begins(&["b."]) || compares, i.name == "b", i.name == "ret")
        }
    };
    match (jumps, ends) {
        (true, _) if always => Some(vec![target()?]),
        (true, _) => Some([vec![target()?], through()].concat()),
        (false, true) if i.condition.is_none() => Some(vec![]),
        _ => Some(through()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::instruction::lines;
    use super::*;

    fn loops(text: &str, dialect: Dialect) -> Vec<(usize, Vec<usize>)> {
        let lines = lines(text, dialect);
        let flow = Flow::of(&lines, dialect).unwrap();
        flow.loops().into_iter().map(|l| (l.header, l.body.into_iter().collect())).collect()
    }

    #[test]
    fn a_loop_is_what_control_passes_whatever_the_order_of_the_text() {
        // The header stands in the middle: the text of a loop begins with its last part.
        let ptx = "\tmov.b32 %r1, 0;\n\tbra.uni $L2;\n$L1:\n\tadd.s32 %r1, %r1, 1;\n$L2:\n\tsetp.ge.s32 %p1, %r1, 8;\n\t@%p1 bra $L3;\n\
                   \tbra.uni $L1;\n$L3:\n\tret;\n";
        assert_eq!(loops(ptx, Dialect::Ptx), [(3, vec![2, 3, 4, 5])]);
        // One in another; a jump backwards that is no loop.
        let x86 = "f:\n\tjmp .L9\n.L1:\n\tretq\n.L9:\n\txorl %eax, %eax\n.L2:\n\txorl %ecx, %ecx\n.L3:\n\tincl %ecx\n\tcmpl $3, %ecx\n\
                   \tjl .L3\n\tincl %eax\n\tcmpl $5, %eax\n\tjl .L2\n\tjmp .L1\n";
        assert_eq!(loops(x86, Dialect::X86), [(3, vec![3, 4, 5, 6, 7, 8, 9]), (4, vec![4, 5, 6])]);
    }

    #[test]
    fn nothing_is_said_of_what_is_not_known() {
        for (text, dialect) in [("\tbra $nowhere;\n", Dialect::Ptx), ("\tjmpq *%rax\n", Dialect::X86)] {
            assert!(Flow::of(&lines(text, dialect), dialect).is_none());
        }
    }
}
