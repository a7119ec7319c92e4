//! The interpreter of graphs: one operation after the other, each in full.

use super::bind::{Declared, bind, interpretable};
use super::value::Value;
use super::{Outcome, bins, movement, row};
use crate::cancel::Cancel;
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::eval::{self, Evaluator, Position};
use crate::graph::{Graph, NodeId};
use crate::math::native;
use crate::op::{Op, OutOfRange, PackForm, ScalarOp};
use crate::tensor::Tensor;
use crate::verify::Verified;
use crate::{DType, Literal};
use std::rc::Rc;

/// Runs a graph on inputs in the order of their declaration. `given` names extents of dims that no input has.
///
/// # Errors
/// As [`extents`](super::extents) and [`check_size`](super::check_size).
pub fn run(graph: &Verified<Graph>, inputs: &[Tensor], given: &[(&str, u64)]) -> Result<Outcome, Diagnostics> {
    run_until(graph, inputs, given, &Cancel::default())
}

/// As [`run`], until it is cancelled: that is asked before each operation.
///
/// # Errors
/// Those of [`run`]; `RF0816` if it was cancelled.
pub fn run_until(
    graph: &Verified<Graph>,
    inputs: &[Tensor],
    given: &[(&str, u64)],
    cancel: &Cancel,
) -> Result<Outcome, Diagnostics> {
    let declared = Declared::of_graph(graph);
    let extents = bind(&declared, inputs, given)?;
    interpretable(&declared, &extents)?;
    let order = graph.topological().map_err(|_| internal("a verified graph has a cycle"))?;
    let mut uses = uses_left(graph, &order);
    let mut values: Vec<Option<Rc<Value>>> = vec![None; uses.len()];
    let mut trapped = false;
    for id in order.into_iter() {
        cancel.check()?;
        if uses[id.index()] == 0 {
            continue;
        }
        let node = graph.node(id);
        let operand_ids = graph.operands(id);
        let operands: Vec<Rc<Value>> = operand_ids.iter().filter_map(|o| values[o.index()].clone()).collect();
        let shape: Vec<u64> = node.ty.shape.iter().map(|d| d.resolve(&extents)).collect();
        let call = Call { operands: &operands, dtype: node.ty.dtype, shape, extents: &extents, trapped: &mut trapped };
        values[id.index()] = Some(call.evaluate(&node.op, inputs)?);
        for o in operand_ids {
            uses[o.index()] -= 1;
            if uses[o.index()] == 0 {
                values[o.index()] = None;
            }
        }
    }
    let outputs = graph.outputs.iter().map(|o| values[o.node.index()].as_ref().map(|v| v.to_tensor()));
    let outputs = outputs.collect::<Option<Vec<Tensor>>>().ok_or_else(|| internal("an output has no value"))?;
    Ok(Outcome { outputs, trapped })
}

fn internal(message: &str) -> Diagnostics {
    Diagnostic::new(Code::Internal, message).help("this is a defect; please report the graph").into()
}

/// How often each node is used by a node that an output depends on; once more for each output that it is.
fn uses_left(graph: &Graph, order: &[NodeId]) -> Vec<usize> {
    let mut uses = vec![0; graph.node_bound()];
    for o in &graph.outputs {
        uses[o.node.index()] += 1;
    }
    for id in order.iter().rev() {
        if uses[id.index()] > 0 {
            for o in graph.operands(*id) {
                uses[o.index()] += 1;
            }
        }
    }
    uses
}

/// One operation on its operands' values.
struct Call<'a> {
    operands: &'a [Rc<Value>],
    dtype: DType,
    shape: Vec<u64>,
    /// Of each symbol.
    extents: &'a [u64],
    trapped: &'a mut bool,
}

impl Call<'_> {
    fn evaluate(self, op: &Op, inputs: &[Tensor]) -> Result<Rc<Value>, Diagnostics> {
        let x = || &*self.operands[0];
        let bits = match op {
            Op::Input(i) => return Ok(Rc::new(Value::from_tensor(&inputs[*i]))),
            _ if self.len() == 0 => vec![],
            Op::Copy => return Ok(Rc::clone(&self.operands[0])),
            Op::Const(l) => vec![l.bits()],
            Op::Scalar(op) => self.scalar(*op)?,
            Op::Iota { dtype, axis, .. } => movement::iota(*dtype, &self.shape, *axis),
            Op::Rows { dtype, shape } => vec![Literal::from_bits(*dtype, shape[0].resolve(self.extents)).bits()],
            Op::Broadcast { .. } => movement::broadcast(x(), &self.shape),
            Op::Reshape { .. } => x().bits.clone(),
            Op::Slice { start, stop } => movement::slice(x(), *start as usize, *stop as usize),
            Op::Concat => movement::concat(self.operands),
            Op::Gather { out_of_range } => return Ok(self.gather(*out_of_range)),
            Op::GatherRow { out_of_range } => return Ok(self.gather_row(*out_of_range)),
            Op::MaskRows { fill } => self.mask_rows(*fill),
            Op::Pack { form } => self.pack(*form),
            Op::UnpackId => x().bits.iter().map(|&p| u64::from(eval::unpack_id(p as i32) as u32)).collect(),
            Op::Reduce { .. }
            | Op::ArgMax { .. }
            | Op::CumSum
            | Op::Softmax
            | Op::LogSoftmax
            | Op::Dot
            | Op::TopK { .. }
            | Op::TopKMask { .. }
            | Op::GroupScore { .. }
            | Op::GroupMask { .. }
            | Op::Renorm { .. }
            | Op::AtomicAdd => {
                row::evaluate(op, self.operands).ok_or_else(|| internal("a verified row op does not resolve"))?
            }
            Op::BinCount { .. }
            | Op::BinAny { .. }
            | Op::CountRows
            | Op::BinStarts { .. }
            | Op::BinRank { .. }
            | Op::BinScatter { .. }
            | Op::BinOf { .. } => bins::evaluate(op, self.operands, &self.shape)
                .ok_or_else(|| internal("a verified op on bins does not resolve"))?,
            Op::UnpackWeight => x().bits.iter().map(|&p| u64::from(eval::unpack_weight(p as i32))).collect(),
        };
        Ok(self.value(bits))
    }

    fn value(self, bits: Vec<u64>) -> Rc<Value> {
        Rc::new(Value { dtype: self.dtype, shape: self.shape, bits })
    }

    fn len(&self) -> usize {
        self.shape.iter().product::<u64>() as usize
    }

    fn scalar(&self, op: ScalarOp) -> Result<Vec<u64>, Diagnostics> {
        let dtypes: Vec<DType> = self.operands.iter().map(|v| v.dtype).collect();
        let evaluator = Evaluator::resolve(op, &dtypes).ok_or_else(|| internal("a verified op does not resolve"))?;
        let f = evaluator.function();
        let operand = |i: usize| self.operands.get(i).map_or((&[0][..], 0), |v| (&v.bits[..], v.step()));
        let ((a, da), (b, db), (c, dc)) = (operand(0), operand(1), operand(2));
        Ok((0..self.len()).map(|i| f(a[i * da], b[i * db], c[i * dc])).collect())
    }

    fn gather(self, policy: OutOfRange) -> Rc<Value> {
        let (table, indices) = (&self.operands[0], &self.operands[1..]);
        let replacement = policy.replacement(table.dtype).bits();
        let mut trapped = false;
        let element = |i: usize| {
            let at = indices.iter().map(|v| eval::as_index(v.dtype, v.bits[i * v.step()]));
            match eval::gather_element(policy, &table.shape, at) {
                Position::At(e) => table.bits[e as usize],
                Position::Fill => replacement,
                Position::Trap => {
                    trapped = true;
                    replacement
                }
            }
        };
        let bits = (0..self.len()).map(element).collect();
        *self.trapped |= trapped;
        self.value(bits)
    }

    fn gather_row(self, policy: OutOfRange) -> Rc<Value> {
        let (x, index) = (&self.operands[0], &self.operands[1]);
        let replacement = policy.replacement(x.dtype).bits();
        let (extent, columns) = (x.inner(), index.inner());
        let mut trapped = false;
        let element =
            |i: usize| match eval::gather_index(policy, eval::as_index(index.dtype, index.bits[i]), extent as u64) {
                Position::At(e) => x.bits[i / columns * extent + e as usize],
                Position::Fill => replacement,
                Position::Trap => {
                    trapped = true;
                    replacement
                }
            };
        let bits = (0..self.len()).map(element).collect();
        *self.trapped |= trapped;
        self.value(bits)
    }

    fn mask_rows(&self, fill: Literal) -> Vec<u64> {
        let (x, n) = (&self.operands[0], &self.operands[1]);
        let row = self.shape[1..].iter().product::<u64>() as usize;
        // Rows kept: a negative n keeps none, one past the end all.
        let rows = eval::as_index(n.dtype, n.bits[0]).clamp(0, i128::from(self.shape[0])) as usize;
        let (kept, len) = (rows * row, x.bits.len());
        x.bits[..kept].iter().copied().chain(std::iter::repeat_n(fill.bits(), len - kept)).collect()
    }

    fn pack(&self, form: PackForm) -> Vec<u64> {
        let (id, weight) = (&self.operands[0], &self.operands[1]);
        let element = |i: usize| {
            // The low 32 bits of an id of any dtype, extended by its sign.
            let id_bits = eval::as_index(id.dtype, id.bits[i * id.step()]) as i32;
            let bits = weight.bits[i * weight.step()];
            let weight = match weight.dtype {
                DType::F32 => native::f32_to_bf16(f32::from_bits(bits as u32)),
                _ => bits as u16,
            };
            u64::from(eval::pack(form, id_bits, weight) as u32)
        };
        (0..self.len()).map(element).collect()
    }
}
