//! Scores that a table has: dear functions of one `bf16`, of which there are few.
//!
//! A score such as `sigmoid(logit)` takes some twenty instructions, and a `bf16` logit has 65,536 values. Most of them need no entry:
//! where the magnitude is small or large, the score does not change any more. What is left are [`ENTRIES`] magnitudes of either sign
//! at most. That the entries are enough is computed here, of all 65,536 values by the interpreter's own functions, and not assumed.

use super::cost_with_operands;
use crate::dtype::DType;
use crate::eval::{Evaluator, ScalarFn};
use crate::kernel::{Kernel, ValueId, ValueKind};
use crate::math::F32_NAN;
use crate::op::ScalarOp;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Magnitudes of either sign that a table has an entry for: 32 powers of two.
pub const ENTRIES: u16 = 4096;

/// The bits of an infinite `bf16`; those of a NaN are more.
const INFINITY: u16 = 0x7f80;

/// Sixteen: the logits of a router are seldom more, and a table has them all.
const ORDINARY: u16 = 0x4180;

/// A value that costs no more with its operands is not worth a table, which takes four instructions an element.
const DEAR: u64 = 12;

/// Chains that are kept in mind, all of one process.
const MOST_KNOWN: usize = 256;

/// A value that can be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoreTable {
    /// The `f32` that is looked up.
    pub value: ValueId,
    /// The `bf16` that it is a function of.
    pub source: ValueId,
    /// Which magnitudes have entries.
    pub window: Window,
}

/// The magnitudes that have an entry, as the bits of a `bf16` without its sign: [`ENTRIES`] of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The least one, whose entry serves all that are less.
    pub least: u16,
    /// Whether the entry of the largest one serves all that are more. A NaN has none either way: its score is the canonical NaN.
    pub saturates: bool,
}

impl Window {
    /// The largest magnitude.
    pub fn most(self) -> u16 {
        self.least + (ENTRIES - 1)
    }

    /// The magnitudes as numbers, the largest rounded down: `from 2^-25 to 127`.
    pub fn text(self) -> String {
        let float = |bits: u16| f32::from_bits(u32::from(bits) << 16);
        let least = if self.least < 0x80 { 0.0 } else { float(self.least) };
        format!("magnitudes from {least:.1e} to {}", float(self.most()).floor())
    }
}

/// The dearest value of a kernel that is a function of one `bf16` column and of constants, if a table of [`ENTRIES`] magnitudes has all
/// of its ordinary values.
pub fn score_table(kernel: &Kernel) -> Option<ScoreTable> {
    let costs = cost_with_operands(kernel);
    let dear = |(id, _): &(ValueId, _)| costs[id.0 as usize] > DEAR;
    let (value, chain) = kernel
        .values()
        .filter(dear)
        .filter_map(|(id, _)| Some((id, Chain::of(kernel, id)?)))
        .max_by_key(|(id, _)| (costs[id.0 as usize], *id))?;
    Some(ScoreTable { value, source: chain.source, window: chain.known_window()? })
}

/// One step of a chain: a function of constants and of the results of steps before it.
#[derive(Clone, Copy)]
struct Step {
    function: ScalarFn,
    operands: [Operand; 3],
}

#[derive(Clone, Copy)]
enum Operand {
    /// The `bf16`.
    Source,
    /// The bits of a constant.
    Constant(u64),
    /// The result of a step.
    Step(usize),
}

/// Scalar operations on one `bf16` value and constants.
struct Chain {
    source: ValueId,
    steps: Vec<Step>,
    /// What distinguishes chains.
    text: String,
}

impl Chain {
    fn of(kernel: &Kernel, id: ValueId) -> Option<Chain> {
        let value = kernel.value(id);
        if value.dtype != DType::F32 || value.space.cols < 2 || !value.space.per_row {
            return None;
        }
        let mut found = Found { kernel, source: None, steps: vec![], places: HashMap::new(), text: String::new() };
        found.operand(id)?;
        let Found { source, steps, text, .. } = found;
        let source = source.filter(|s| kernel.value(*s).space == value.space)?;
        (!steps.is_empty()).then_some(Chain { source, steps, text })
    }

    /// The score of a `bf16`.
    fn at(&self, bits: u16) -> u32 {
        let mut results = [0; MOST_STEPS];
        for (i, Step { function, operands }) in self.steps.iter().enumerate() {
            let [x, y, z] = operands.map(|operand| match operand {
                Operand::Source => u64::from(bits),
                Operand::Constant(bits) => bits,
                Operand::Step(at) => results[at],
            });
            results[i] = function(x, y, z);
        }
        results[self.steps.len() - 1] as u32
    }

    /// [`Self::window`], which is asked for once a chain.
    fn known_window(&self) -> Option<Window> {
        static KNOWN: OnceLock<Mutex<HashMap<String, Option<Window>>>> = OnceLock::new();
        let known = KNOWN.get_or_init(Mutex::default);
        let lock = || known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = lock().get(&self.text) {
            return *window;
        }
        let window = self.window();
        let mut all = lock();
        if all.len() >= MOST_KNOWN {
            all.clear();
        }
        all.insert(self.text.clone(), window);
        window
    }

    /// Which magnitudes need an entry, by all values that there are.
    fn window(&self) -> Option<Window> {
        let nans = (INFINITY + 1..=0x7fff).flat_map(|bits| [bits, bits | 0x8000]);
        if !nans.map(|bits| self.at(bits)).all(|score| score == F32_NAN.to_bits()) {
            return None;
        }
        let (mut least, mut most) = (INFINITY, 0);
        for sign in [0, 0x8000] {
            let scores: Vec<u32> = (0..=INFINITY).map(|bits| self.at(bits | sign)).collect();
            let (first, last) = (scores[0], scores[usize::from(INFINITY)]);
            let same = scores.iter().take_while(|score| **score == first).count();
            let changing = scores.iter().rposition(|score| *score != last).map_or(0, |at| at + 1);
            least = least.min(same as u16 - 1);
            most = most.max(changing as u16);
        }
        let least = least.min(INFINITY - (ENTRIES - 1));
        let window = Window { least, saturates: most <= least + (ENTRIES - 1) };
        (window.most() >= ORDINARY).then_some(window)
    }
}

/// Operations of a chain at most.
const MOST_STEPS: usize = 16;

/// A chain that is being looked for.
struct Found<'k> {
    kernel: &'k Kernel,
    source: Option<ValueId>,
    steps: Vec<Step>,
    places: HashMap<ValueId, Operand>,
    text: String,
}

impl Found<'_> {
    fn operand(&mut self, id: ValueId) -> Option<Operand> {
        if let Some(known) = self.places.get(&id) {
            return Some(*known);
        }
        let value = self.kernel.value(id);
        let operand = match &value.kind {
            ValueKind::Const(literal) => Operand::Constant(literal.bits()),
            ValueKind::Load(_) if value.dtype == DType::Bf16 && self.source.is_none_or(|source| source == id) => {
                self.source = Some(id);
                Operand::Source
            }
            ValueKind::Scalar(op, operands) if *op != ScalarOp::Philox && self.steps.len() < MOST_STEPS => {
                let dtypes: Vec<DType> = operands.iter().map(|o| self.kernel.value(*o).dtype).collect();
                let of = operands.iter().map(|o| self.operand(*o)).collect::<Option<Vec<Operand>>>()?;
                let at = |i: usize| of.get(i).copied().unwrap_or(Operand::Constant(0));
                let (function, operands) = (Evaluator::resolve(*op, &dtypes)?.function(), [at(0), at(1), at(2)]);
                if self.steps.len() == MOST_STEPS {
                    return None;
                }
                self.steps.push(Step { function, operands });
                let of = operands.map(|operand| match operand {
                    Operand::Source => "x".to_owned(),
                    Operand::Constant(bits) => format!("{bits:#x}"),
                    Operand::Step(at) => format!("s{at}"),
                });
                self.text += &format!("{op:?} {dtypes:?} {of:?}; ");
                Operand::Step(self.steps.len() - 1)
            }
            _ => return None,
        };
        self.places.insert(id, operand);
        Some(operand)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Param, ParamId, Role, Space, Store, Value};
    use crate::layout::Layout;
    use crate::op::{BinaryOp, UnaryOp};
    use crate::tensor_type::TensorType;
    use crate::{Dim, Literal, SymbolId};

    const COLUMNS: u64 = 64;

    type Operation = (ScalarOp, &'static [u32]);

    /// `out = f(x)` of rows of so many columns: `x` is the first value, 3 is the second, and the operations follow.
    fn kernel(dtype: DType, operations: &[Operation]) -> Kernel {
        let rows = SymbolId(0);
        let param = |role, dtype| Param {
            name: "p".to_owned(),
            role,
            ty: TensorType::new(dtype, [Dim::Sym(rows), Dim::Const(COLUMNS)]),
            layout: Layout::Contiguous,
            aliases: None,
        };
        let value =
            |kind, dtype, per_row, cols| Value { kind, dtype, space: Space { per_row, cols }, name: String::new() };
        let mut values = vec![
            value(ValueKind::Load(ParamId(0)), dtype, true, COLUMNS),
            value(ValueKind::Const(Literal::from_bits(DType::F32, u64::from(3f32.to_bits()))), DType::F32, false, 1),
        ];
        for (op, operands) in operations {
            let kind = ValueKind::Scalar(*op, operands.iter().map(|o| ValueId(*o)).collect());
            values.push(value(kind, DType::F32, true, COLUMNS));
        }
        let last = ValueId(values.len() as u32 - 1);
        let stores = vec![Store { param: ParamId(1), value: last, add_at: None, put_at: None }];
        let params = vec![param(Role::Input, dtype), param(Role::Output, DType::F32)];
        Kernel {
            name: "k".to_owned(),
            symbols: vec!["T".to_owned()],
            rows: Some(rows),
            params,
            values,
            stores,
            phases: None,
        }
    }

    const WIDEN: Operation = (ScalarOp::Cast(DType::F32), &[0]);

    fn unary(op: UnaryOp, of: &'static [u32]) -> Operation {
        (ScalarOp::Unary(op), of)
    }

    fn binary(op: BinaryOp, of: &'static [u32]) -> Operation {
        (ScalarOp::Binary(op), of)
    }

    /// The entry of a clamped magnitude is the score of every value that has one.
    #[test]
    fn entries_are_the_scores_of_all_values() {
        let chains: [(&str, bool, Vec<Operation>); 5] = [
            ("sigmoid", true, vec![WIDEN, unary(UnaryOp::Sigmoid, &[2])]),
            ("three sigmoids", true, vec![WIDEN, unary(UnaryOp::Sigmoid, &[2]), binary(BinaryOp::Mul, &[3, 1])]),
            ("root of softplus", false, vec![WIDEN, unary(UnaryOp::Softplus, &[2]), unary(UnaryOp::Sqrt, &[3])]),
            ("exp", true, vec![WIDEN, unary(UnaryOp::Exp, &[2])]),
            ("1 + tanh", true, vec![WIDEN, unary(UnaryOp::Tanh, &[2]), binary(BinaryOp::Add, &[3, 1])]),
        ];
        for (name, saturates, operations) in chains {
            let kernel = kernel(DType::Bf16, &operations);
            let table = score_table(&kernel).unwrap_or_else(|| panic!("{name} has no table"));
            let window = table.window;
            assert_eq!((table.source, table.value.0 as usize), (ValueId(0), kernel.values.len() - 1), "{name}");
            assert_eq!(window.saturates, saturates, "{name}: {window:?}");
            let chain = Chain::of(&kernel, table.value).expect("it is a chain");
            let mut outside = 0;
            for bits in 0..=u16::MAX {
                let magnitude = bits & 0x7fff;
                if magnitude > INFINITY {
                    assert_eq!(chain.at(bits), F32_NAN.to_bits(), "{name} of {bits:#x}");
                } else if magnitude <= window.most() || window.saturates {
                    let entry = magnitude.clamp(window.least, window.most()) | (bits & 0x8000);
                    assert_eq!(chain.at(entry), chain.at(bits), "{name} of {bits:#x} by the entry of {entry:#x}");
                } else {
                    let entry = window.most() | (bits & 0x8000);
                    outside += usize::from(chain.at(entry) != chain.at(bits));
                }
            }
            assert_eq!(outside > 0, !saturates, "{name}: {outside} values need entries that the table has not");
        }
    }

    #[test]
    fn some_scores_have_no_table() {
        let sigmoid: [Operation; 2] = [WIDEN, unary(UnaryOp::Sigmoid, &[2])];
        assert_eq!(score_table(&kernel(DType::F16, &sigmoid)), None, "f16 has other bits");
        let next_to_zero = [WIDEN, unary(UnaryOp::Tanh, &[2])];
        assert_eq!(score_table(&kernel(DType::Bf16, &next_to_zero)), None, "every small number has a tanh of its own");
        let silu = [WIDEN, unary(UnaryOp::Sigmoid, &[2]), binary(BinaryOp::Mul, &[2, 3])];
        let table = score_table(&kernel(DType::Bf16, &silu));
        assert_eq!(table, None, "so it is with x × sigmoid(x), which is the dearest");
        let cheap = [WIDEN, binary(BinaryOp::Mul, &[2, 1])];
        assert_eq!(score_table(&kernel(DType::Bf16, &cheap)), None, "a product is no dearer than a look-up");
    }
}
