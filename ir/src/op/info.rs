//! What the op table says of an operation.

use super::Op;
use super::attribute::{AttributeKind, AttributeValue};
use crate::dtype::DType;

/// One row of the op table.
#[derive(Clone, Copy, Debug)]
pub struct OpInfo {
    /// The name in text, JSON and dumps.
    pub mnemonic: &'static str,
    /// The operands, in order.
    pub operands: &'static [Operands],
    /// The attributes, in the order in which they are printed.
    pub attributes: &'static [AttributeInfo],
    /// One sentence.
    pub summary: &'static str,
}

/// Neighbouring operands of one dtype.
#[derive(Clone, Copy, Debug)]
pub struct Operands {
    /// Their names.
    pub names: &'static [&'static str],
    /// The dtypes that they may have.
    pub dtypes: DTypes,
    /// The name of another one that may follow, and whether any number may.
    pub more: Option<(&'static str, bool)>,
}

/// One attribute of an op.
#[derive(Clone, Copy, Debug)]
pub struct AttributeInfo {
    /// The name in text and JSON.
    pub name: &'static str,
    /// What its values look like.
    pub kind: AttributeKind,
    /// The value where it is not given; `None` if it must be. What gives no value stands for no attribute at all.
    pub default: Option<fn() -> Option<AttributeValue>>,
}

impl OpInfo {
    /// The operands' names, as messages and the reference list them: `table, i0[, i1]`.
    pub fn operands_text(&self) -> String {
        let mut text = String::new();
        for group in self.operands {
            for name in group.names {
                text += if text.is_empty() { "" } else { ", " };
                text += name;
            }
            if let Some((name, many)) = group.more {
                text += &format!("[, {name}{}]", if many { ", …" } else { "" });
            }
        }
        text
    }

    /// The attributes' names, as messages and the reference list them, those that may be left out in brackets with their
    /// defaults: `k[, candidates = all, order = value]`.
    pub fn attributes_text(&self) -> String {
        let optional = self.attributes.iter().position(|a| a.default.is_some()).unwrap_or(self.attributes.len());
        let text = |a: &AttributeInfo| match a.default.and_then(|default| default()) {
            Some(value) => format!("{} = {value}", a.name),
            None => a.name.to_owned(),
        };
        let join = |list: &[AttributeInfo]| list.iter().map(text).collect::<Vec<_>>().join(", ");
        let (required, optional) = self.attributes.split_at(optional);
        match (required, optional) {
            (_, []) => join(required),
            ([], _) => format!("[{}]", join(optional)),
            _ => format!("{}[, {}]", join(required), join(optional)),
        }
    }

    /// The attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&'static AttributeInfo> {
        self.attributes.iter().find(|a| a.name == name)
    }
}

/// A set of dtypes with its name.
#[derive(Clone, Copy, Debug)]
pub struct DTypes {
    /// As the dtype of one operand is named in messages: "an integer".
    pub one: &'static str,
    /// As the dtype of several operands is named: "integers".
    pub many: &'static str,
    holds: fn(DType) -> bool,
}

macro_rules! dtypes {
    ($($(#[$doc:meta])+ $name:ident = $one:literal, $many:literal, |$d:ident| $holds:expr;)+) => {
        impl DTypes {
            $($(#[$doc])+ pub const $name: DTypes = DTypes { one: $one, many: $many, holds: |$d| $holds };)+
        }
    };
}

dtypes! {
    /// Every dtype.
    ANY = "any dtype", "any dtype", |_d| true;
    /// `bool`, as what a selection asks.
    CONDITION = "a bool condition", "bool conditions", |d| d == DType::Bool;
    /// Signed and unsigned integers.
    INTEGERS = "an integer", "integers", |d| d.is_int();
    /// Integers and `bool`.
    INTEGERS_OR_BOOL = "an integer or bool", "integers or bool", |d| !d.is_float();
    /// Integers and `f32`.
    INTEGERS_OR_F32 = "an integer or f32", "integers or f32", |d| d.is_int() || d == DType::F32;
    /// Signed integers and `f32`.
    SIGNED_OR_F32 = "a signed integer or f32", "signed integers or f32", |d| d.is_signed() || d == DType::F32;
    /// All but the 16-bit floats, which are for storage.
    COMPUTED = "an integer, bool or f32", "integers, bool or f32", |d| !d.is_float() || d == DType::F32;
    /// `f16`, `bf16` and `f32`.
    FLOATS = "a float", "floats", |d| d.is_float();
    /// `f32`.
    F32 = "f32", "f32", |d| d == DType::F32;
    /// `i32`.
    I32 = "i32", "i32", |d| d == DType::I32;
    /// `u64`.
    U64 = "u64", "u64", |d| d == DType::U64;
    /// What a top-k can rank: floats, and integers of up to 32 bits.
    KEYS = "a float, or an integer of up to 32 bits", "floats, or integers of up to 32 bits",
        |d| d.is_float() || (d.is_int() && d.size() <= 4);
    /// What a packed word holds beside the id.
    WEIGHTS = "a weight of f32 or bf16", "weights of f32 or bf16", |d| matches!(d, DType::F32 | DType::Bf16);
    /// What can be added to atomically.
    COUNTS = "a count of i32, u32, i64 or u64", "counts of i32, u32, i64 or u64",
        |d| matches!(d, DType::I32 | DType::U32 | DType::I64 | DType::U64);
}

impl DTypes {
    /// Whether the dtype is one of them.
    pub fn holds(&self, dtype: DType) -> bool {
        (self.holds)(dtype)
    }
}

/// The dtype of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// That of this operand.
    Operand(usize),
    /// This one.
    Is(DType),
}

/// When something holds of every element of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Whatever the operands are.
    Always,
    /// If it holds of all operands, and of the op's own literals.
    OfAll,
    /// If it holds of operand 0, and of the op's own literals; other operands say where, not what.
    OfFirst,
    /// If it holds of all operands but operand 0.
    OfRest,
    /// Nothing is known.
    Unknown,
}

impl Fact {
    /// Whether it holds, where `operand` answers for an operand and `literal` for a literal of the op.
    pub fn holds(
        self,
        op: &Op,
        operands: usize,
        operand: impl Fn(usize) -> bool,
        literal: impl Fn(crate::literal::Literal) -> bool,
    ) -> bool {
        let literals = || {
            op.attributes().into_iter().all(|(_, value)| match value {
                AttributeValue::Literal(l) | AttributeValue::Fill(l) => literal(l),
                AttributeValue::Integer(_) | AttributeValue::Word(_) | AttributeValue::Shape(_) => true,
            })
        };
        match self {
            Fact::Always => true,
            Fact::OfAll => (0..operands).all(operand) && literals(),
            Fact::OfFirst => operand(0) && literals(),
            Fact::OfRest => (1..operands).all(operand),
            Fact::Unknown => false,
        }
    }
}

/// What an op costs an element of its result: a rough count of machine instructions, in which schedules and fusion reckon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// So many.
    Each(u64),
    /// As many of integers, and as many of floats.
    EachOf {
        /// Where the result is an integer.
        integers: u64,
        /// Where it is a float.
        floats: u64,
    },
    /// One for each operand.
    EachOperand,
    /// One for each element of this axis of operand 0.
    EachOfAxis(usize),
}
