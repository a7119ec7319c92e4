//! Hand-checked examples.

mod arguments;
mod bins;
mod kernels;
mod ops;
mod programs;
mod routing;
mod rows;
mod speed;

use super::*;
use crate::{DType, GraphBuilder, Literal, NodeId};

/// The outputs of a graph that must verify and run.
fn outputs(b: GraphBuilder, inputs: &[Tensor]) -> Vec<Tensor> {
    let graph = b.finish().expect("the test's graph verifies");
    run(&graph, inputs, &[]).expect("the test's graph runs").outputs
}

/// The one output of a graph.
fn output(mut b: GraphBuilder, value: NodeId, inputs: &[Tensor]) -> Tensor {
    b.output("out", value);
    outputs(b, inputs).remove(0)
}

fn ints(dtype: DType, shape: &[u64], values: &[i128]) -> Tensor {
    let bits = values.iter().map(|&v| Literal::from_int(dtype, v).expect("the test's integer fits").bits());
    Tensor::from_bits(dtype, shape, bits)
}

fn values(t: &Tensor) -> Vec<i128> {
    (0..t.len()).map(|i| t.get(i).as_int().expect("an integer tensor")).collect()
}

fn bits(t: &Tensor) -> Vec<u64> {
    (0..t.len()).map(|i| t.bits(i)).collect()
}
