//! Ids of what is timed: how many bins they are told apart in, and how rows use the bins.

use super::splitmix::Random;
use routefuse_ir::op::{BinaryOp, Op, ScalarOp};
use routefuse_ir::{Graph, NodeId, Tensor, Verified};

/// How ids are spread over their bins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ids {
    /// Each as often as any other.
    Even,
    /// All of them are 0.
    OneBin,
    /// As Zipf's law has it: the id e about as often as 1 / (e + 1).
    Zipf,
}

/// Makes the ids among some inputs anew, from a seed: inputs of integers, with a dim of rows, that the graph counts or ranks in bins,
/// or looks up in a table. Other inputs stay as they are.
pub fn spread_ids(graph: &Verified<Graph>, inputs: &mut [Tensor], ids: Ids, seed: u64) {
    for (i, input) in inputs.iter_mut().enumerate() {
        let Some(bins) = bins_of(graph, i) else { continue };
        let mut random = Random::of_input(seed, i);
        for at in 0..input.len() {
            let r = random.bits();
            let id = match ids {
                Ids::Even => r % bins,
                Ids::OneBin => 0,
                // Logarithms of whole numbers are about as far apart as the law says.
                Ids::Zipf => {
                    let part = (r >> 11) as f64 / (1u64 << 53) as f64;
                    (((bins + 1) as f64).powf(part) as u64).clamp(1, bins) - 1
                }
            };
            input.set_bits(at, id);
        }
    }
}

/// How many bins an input's numbers are ids of, which are all positive numbers of its dtype; none if it has no ids.
fn bins_of(graph: &Verified<Graph>, input: usize) -> Option<u64> {
    let ty = graph.input_type(input);
    if ty.row_symbol().is_none() || !ty.dtype.is_int() {
        return None;
    }
    let mut open = vec![graph.inputs[input].node];
    let mut seen: Vec<NodeId> = vec![];
    let mut bins: Option<u64> = None;
    while let Some(id) = open.pop() {
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        for user in graph.users(id) {
            let operands = graph.operands(user);
            let position = operands.iter().position(|o| *o == id).unwrap_or(0);
            let of = match &graph.node(user).op {
                Op::BinCount { bins } | Op::BinRank { bins } if position == 0 => Some(*bins),
                Op::Gather { .. } if position > 0 => {
                    graph.node(operands[0]).ty.shape.get(position - 1).and_then(|d| d.as_const())
                }
                // The same ids, some of them, or those of bins of which there are more in front.
                Op::MaskRows { .. } | Op::Scalar(ScalarOp::Select | ScalarOp::Binary(BinaryOp::Add)) => {
                    open.push(user);
                    None
                }
                _ => None,
            };
            bins = bins.into_iter().chain(of).min();
        }
    }
    let most = ty.dtype.bits().min(63) - 1;
    bins.map(|bins| bins.clamp(1, 1 << most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chains::{Align, AlignEngine, Duplicates};
    use crate::exec::ordinary_inputs;

    fn ids(align: &Align, ids: Ids) -> Vec<u64> {
        let graph = align.graph().expect("a graph");
        let mut inputs = ordinary_inputs(&graph, 4096, 7);
        spread_ids(&graph, &mut inputs, ids, 7);
        (0..inputs[0].len()).map(|at| inputs[0].bits(at)).collect()
    }

    #[test]
    fn ids_are_those_of_the_bins_that_count_them() {
        let plain = Align { experts: 384, ..Align::default() };
        let others = [
            Align { counted_rows: true, ..plain.clone() },
            Align { duplicates: Duplicates::Once, ..plain.clone() },
            Align { engine: AlignEngine::Deepep, ..plain.clone() },
        ];
        for align in std::iter::once(&plain).chain(&others) {
            let even = ids(align, Ids::Even);
            assert_eq!((even.iter().min(), even.iter().max()), (Some(&0), Some(&383)), "{align:?}");
        }
        assert!(ids(&plain, Ids::OneBin).iter().all(|id| *id == 0));
        let zipf = ids(&plain, Ids::Zipf);
        let share = |id: u64| zipf.iter().filter(|x| **x == id).count() as f64 / zipf.len() as f64;
        assert!(zipf.iter().all(|id| *id < 384));
        // 1 / (e + 1), of which all together are some 6.5.
        assert!((share(0) - 0.117).abs() < 0.01 && (share(1) - 0.068).abs() < 0.01, "{} and {}", share(0), share(1));
    }
}
