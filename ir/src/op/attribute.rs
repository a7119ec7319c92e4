//! Attributes of an op as names and values: the one bridge between [`Op`] and its text and JSON forms.

use super::{BinaryOp, CompareOp, Op, OutOfRange, PackForm, ScalarOp, UnaryOp};
use crate::dim::Dim;
use crate::dtype::DType;
use crate::literal::Literal;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeValue {
    /// A non-negative integer.
    Integer(u64),
    /// A word: a dtype, a policy, a form.
    Word(String),
    /// A literal. Its dtype comes from elsewhere (the op's dtype or first operand), so in text it is a bare number.
    Literal(Literal),
    /// A policy with a literal: `fill(-1)`.
    Fill(Literal),
    /// A shape.
    Shape(Vec<Dim>),
}

/// What can be wrong with the attributes of an op.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeError {
    /// No row of the op table has this mnemonic.
    #[error("unknown op `{0}`")]
    UnknownOp(String),
    /// The op has no such attribute.
    #[error("`{op}` has no attribute `{attribute}`")]
    Unknown {
        /// The op.
        op: String,
        /// What was given.
        attribute: String,
    },
    /// An attribute that the op needs is not there.
    #[error("`{op}` needs the attribute `{attribute}`")]
    Missing {
        /// The op.
        op: String,
        /// What is missing.
        attribute: &'static str,
    },
    /// The value is not of the kind that the attribute takes.
    #[error("attribute `{attribute}` of `{op}` takes {expected}")]
    BadValue {
        /// The op.
        op: String,
        /// The attribute.
        attribute: String,
        /// What would be right.
        expected: &'static str,
    },
}

/// Words for the policies without a literal.
const POLICIES: [(OutOfRange, &str); 4] =
    [(OutOfRange::Pass, "pass"), (OutOfRange::Clamp, "clamp"), (OutOfRange::Wrap, "wrap"), (OutOfRange::Trap, "trap")];

const FORMS: [(PackForm, &str); 2] = [(PackForm::Masked, "masked"), (PackForm::SignExtended, "sign_extended")];

fn word(w: &str) -> AttributeValue {
    AttributeValue::Word(w.to_owned())
}

impl OutOfRange {
    fn attribute(self) -> AttributeValue {
        match self {
            OutOfRange::Fill(l) => AttributeValue::Fill(l),
            other => word(POLICIES.iter().find(|(p, _)| *p == other).map_or("pass", |(_, w)| w)),
        }
    }
}

impl Op {
    /// The attributes, in the order in which they are printed. Defaults are printed too, so that text shows every choice.
    pub fn attributes(&self) -> Vec<(&'static str, AttributeValue)> {
        use AttributeValue::{Integer, Literal, Shape};
        match self {
            Op::Const(l) => vec![("dtype", word(l.dtype().name())), ("value", Literal(*l))],
            Op::Scalar(ScalarOp::Cast(d) | ScalarOp::Bitcast(d)) => vec![("dtype", word(d.name()))],
            Op::Iota { dtype, shape, axis } => {
                vec![("dtype", word(dtype.name())), ("shape", Shape(shape.clone())), ("axis", Integer(*axis as u64))]
            }
            Op::Broadcast { shape } | Op::Reshape { shape } => {
                vec![("shape", Shape(shape.clone()))]
            }
            Op::Slice { start, stop } => vec![("start", Integer(*start)), ("stop", Integer(*stop))],
            Op::Gather { out_of_range } | Op::GatherRow { out_of_range } => {
                vec![("out_of_range", out_of_range.attribute())]
            }
            Op::MaskRows { fill } => vec![("fill", Literal(*fill))],
            Op::Pack { form } => {
                vec![("form", word(FORMS.iter().find(|(f, _)| f == form).map_or("masked", |(_, w)| w)))]
            }
            Op::Input(_) | Op::Scalar(_) | Op::Concat | Op::UnpackId | Op::UnpackWeight | Op::Copy => vec![],
        }
    }

    /// The op of this mnemonic with these attributes.
    ///
    /// # Errors
    /// An unknown mnemonic, and the first attribute that is unknown, missing or of the wrong kind.
    pub fn from_attributes(mnemonic: &str, attributes: &[(String, AttributeValue)]) -> Result<Op, AttributeError> {
        let known: &[&str] = match mnemonic {
            "const" => &["dtype", "value"],
            "iota" => &["dtype", "shape", "axis"],
            "cast" | "bitcast" => &["dtype"],
            "broadcast" | "reshape" => &["shape"],
            "slice" => &["start", "stop"],
            "gather" | "gather_row" => &["out_of_range"],
            "mask_rows" => &["fill"],
            "pack" => &["form"],
            _ => &[],
        };
        if super::table::lookup(mnemonic).is_none() {
            return Err(AttributeError::UnknownOp(mnemonic.to_owned()));
        }
        if let Some((name, _)) = attributes.iter().find(|(n, _)| !known.contains(&n.as_str())) {
            return Err(AttributeError::Unknown { op: mnemonic.to_owned(), attribute: name.clone() });
        }
        let a = Attributes { op: mnemonic, list: attributes };
        Ok(match mnemonic {
            "const" => Op::Const(a.literal("value")?),
            "iota" => Op::Iota { dtype: a.dtype()?, shape: a.shape()?, axis: a.integer("axis")? as usize },
            "cast" => Op::Scalar(ScalarOp::Cast(a.dtype()?)),
            "bitcast" => Op::Scalar(ScalarOp::Bitcast(a.dtype()?)),
            "broadcast" => Op::Broadcast { shape: a.shape()? },
            "reshape" => Op::Reshape { shape: a.shape()? },
            "slice" => Op::Slice { start: a.integer("start")?, stop: a.integer("stop")? },
            "concat" => Op::Concat,
            "gather" => Op::Gather { out_of_range: a.out_of_range()? },
            "gather_row" => Op::GatherRow { out_of_range: a.out_of_range()? },
            "mask_rows" => Op::MaskRows { fill: a.literal("fill")? },
            "pack" => Op::Pack { form: a.form()? },
            "unpack_id" => Op::UnpackId,
            "unpack_weight" => Op::UnpackWeight,
            "copy" => Op::Copy,
            "fma" => Op::Scalar(ScalarOp::Fma),
            "select" => Op::Scalar(ScalarOp::Select),
            "philox" => Op::Scalar(ScalarOp::Philox),
            name => {
                let unary = UnaryOp::ALL.iter().find(|x| x.1 == name).map(|x| ScalarOp::Unary(x.0));
                let binary = || BinaryOp::ALL.iter().find(|x| x.1 == name).map(|x| ScalarOp::Binary(x.0));
                let compare = || CompareOp::ALL.iter().find(|x| x.1 == name).map(|x| ScalarOp::Compare(x.0));
                let op = unary.or_else(binary).or_else(compare);
                Op::Scalar(op.ok_or_else(|| AttributeError::UnknownOp(name.to_owned()))?)
            }
        })
    }
}

struct Attributes<'a> {
    op: &'a str,
    list: &'a [(String, AttributeValue)],
}

impl Attributes<'_> {
    fn get(&self, name: &'static str) -> Result<&AttributeValue, AttributeError> {
        let found = self.list.iter().find(|(n, _)| n == name).map(|(_, v)| v);
        found.ok_or_else(|| AttributeError::Missing { op: self.op.to_owned(), attribute: name })
    }

    fn bad(&self, attribute: &str, expected: &'static str) -> AttributeError {
        AttributeError::BadValue { op: self.op.to_owned(), attribute: attribute.to_owned(), expected }
    }

    fn integer(&self, name: &'static str) -> Result<u64, AttributeError> {
        match self.get(name)? {
            AttributeValue::Integer(n) => Ok(*n),
            _ => Err(self.bad(name, "a non-negative integer")),
        }
    }

    fn literal(&self, name: &'static str) -> Result<Literal, AttributeError> {
        match self.get(name)? {
            AttributeValue::Literal(l) => Ok(*l),
            _ => Err(self.bad(name, "a number, `true` or `false`")),
        }
    }

    fn dtype(&self) -> Result<DType, AttributeError> {
        match self.get("dtype")? {
            AttributeValue::Word(w) => DType::from_name(w).ok_or_else(|| self.bad("dtype", DTYPES)),
            _ => Err(self.bad("dtype", DTYPES)),
        }
    }

    fn shape(&self) -> Result<Vec<Dim>, AttributeError> {
        match self.get("shape")? {
            AttributeValue::Shape(s) => Ok(s.clone()),
            _ => Err(self.bad("shape", "a shape such as `[T, 8]`")),
        }
    }

    fn out_of_range(&self) -> Result<OutOfRange, AttributeError> {
        const EXPECTED: &str = "`pass`, `clamp`, `wrap`, `trap` or `fill(value)`";
        match self.list.iter().find(|(n, _)| n == "out_of_range").map(|(_, v)| v) {
            None => Ok(OutOfRange::Pass),
            Some(AttributeValue::Fill(l)) => Ok(OutOfRange::Fill(*l)),
            Some(AttributeValue::Word(w)) => {
                let policy = POLICIES.iter().find(|(_, name)| name == w).map(|(p, _)| *p);
                policy.ok_or_else(|| self.bad("out_of_range", EXPECTED))
            }
            Some(_) => Err(self.bad("out_of_range", EXPECTED)),
        }
    }

    fn form(&self) -> Result<PackForm, AttributeError> {
        const EXPECTED: &str = "`masked` or `sign_extended`";
        match self.list.iter().find(|(n, _)| n == "form").map(|(_, v)| v) {
            None => Ok(PackForm::Masked),
            Some(AttributeValue::Word(w)) => {
                let form = FORMS.iter().find(|(_, name)| name == w).map(|(f, _)| *f);
                form.ok_or_else(|| self.bad("form", EXPECTED))
            }
            Some(_) => Err(self.bad("form", EXPECTED)),
        }
    }
}

const DTYPES: &str = "a dtype: bool, i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16 or f32";
