//! Attributes of an op as names and values: the one bridge between [`Op`] and its text and JSON forms.

use super::{
    BinaryOp, Candidates, CompareOp, Denominator, GroupFill, GroupScore, Op, OutOfRange, PackForm, ReduceOp, ScalarOp,
    TopKOrder, UnaryOp,
};
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
            Op::Reduce { axis, .. } => vec![("axis", Integer(*axis as u64))],
            Op::TopK { k, candidates, order } => {
                vec![("k", Integer(*k)), ("candidates", word(candidates.name())), ("order", word(order.name()))]
            }
            Op::TopKMask { k, candidates } => vec![("k", Integer(*k)), ("candidates", word(candidates.name()))],
            Op::GroupScore { groups, score } => vec![("groups", Integer(*groups)), ("score", word(score.name()))],
            Op::GroupMask { keep, fill } => vec![("keep", Integer(*keep)), ("masked", word(fill.name()))],
            Op::Renorm { denominator } => {
                let rule = ("denominator", word(denominator.name()));
                match denominator {
                    Denominator::Sum | Denominator::Positive => vec![rule],
                    Denominator::PlusEpsilon(e) | Denominator::Clamp(e) => vec![rule, ("epsilon", Literal(*e))],
                }
            }
            Op::Input(_)
            | Op::Scalar(_)
            | Op::Concat
            | Op::UnpackId
            | Op::UnpackWeight
            | Op::Copy
            | Op::ArgMax
            | Op::CumSum
            | Op::Softmax
            | Op::LogSoftmax
            | Op::Dot
            | Op::AtomicAdd => vec![],
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
            "reduce_sum" | "reduce_max" | "reduce_min" | "top2_sum" => &["axis"],
            "topk" => &["k", "candidates", "order"],
            "topk_mask" => &["k", "candidates"],
            "group_score" => &["groups", "score"],
            "group_mask" => &["keep", "masked"],
            "renorm" => &["denominator", "epsilon"],
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
            "argmax" => Op::ArgMax,
            "cumsum" => Op::CumSum,
            "softmax" => Op::Softmax,
            "log_softmax" => Op::LogSoftmax,
            "dot" => Op::Dot,
            "topk" => Op::TopK { k: a.integer("k")?, candidates: a.candidates()?, order: a.order()? },
            "topk_mask" => Op::TopKMask { k: a.integer("k")?, candidates: a.candidates()? },
            "group_score" => Op::GroupScore { groups: a.integer("groups")?, score: a.score()? },
            "group_mask" => Op::GroupMask { keep: a.integer("keep")?, fill: a.masked()? },
            "renorm" => Op::Renorm { denominator: a.denominator()? },
            "atomic_add" => Op::AtomicAdd,
            "fma" => Op::Scalar(ScalarOp::Fma),
            "select" => Op::Scalar(ScalarOp::Select),
            "philox" => Op::Scalar(ScalarOp::Philox),
            name => {
                let unary = UnaryOp::ALL.iter().find(|x| x.1 == name).map(|x| ScalarOp::Unary(x.0));
                let binary = || BinaryOp::ALL.iter().find(|x| x.1 == name).map(|x| ScalarOp::Binary(x.0));
                let compare = || CompareOp::ALL.iter().find(|x| x.1 == name).map(|x| ScalarOp::Compare(x.0));
                let op = unary.or_else(binary).or_else(compare);
                if let Some((op, _)) = ReduceOp::ALL.iter().find(|x| x.1 == name) {
                    return Ok(Op::Reduce { op: *op, axis: a.integer("axis")? as usize });
                }
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

    /// One of a list of words; the default where it is not given, if there is one.
    fn choice<T: Copy>(
        &self,
        name: &'static str,
        all: &[(T, &str)],
        default: Option<T>,
        expected: &'static str,
    ) -> Result<T, AttributeError> {
        match (self.list.iter().find(|(n, _)| n == name).map(|(_, v)| v), default) {
            (None, Some(default)) => Ok(default),
            (None, None) => Err(AttributeError::Missing { op: self.op.to_owned(), attribute: name }),
            (Some(AttributeValue::Word(w)), _) => {
                all.iter().find(|(_, n)| n == w).map(|(c, _)| *c).ok_or_else(|| self.bad(name, expected))
            }
            (Some(_), _) => Err(self.bad(name, expected)),
        }
    }

    fn form(&self) -> Result<PackForm, AttributeError> {
        self.choice("form", &FORMS, Some(PackForm::Masked), "`masked` or `sign_extended`")
    }

    fn candidates(&self) -> Result<Candidates, AttributeError> {
        self.choice("candidates", Candidates::ALL, Some(Candidates::All), "`all` or `above_neg_inf`")
    }

    fn order(&self) -> Result<TopKOrder, AttributeError> {
        self.choice("order", TopKOrder::ALL, Some(TopKOrder::Value), "`value` or `column`")
    }

    fn score(&self) -> Result<GroupScore, AttributeError> {
        self.choice("score", GroupScore::ALL, None, "`max` or `top2_sum`")
    }

    fn masked(&self) -> Result<GroupFill, AttributeError> {
        self.choice("masked", GroupFill::ALL, None, "`neg_inf`, `zero` or `multiply`")
    }

    /// The rule, with ε where it has one: 1e-20 unless it is given.
    fn denominator(&self) -> Result<Denominator, AttributeError> {
        const RULES: [(u8, &str); 4] = [(0, "sum"), (1, "plus_epsilon"), (2, "clamp"), (3, "positive")];
        let rule = self.choice("denominator", &RULES, None, "`sum`, `plus_epsilon`, `clamp` or `positive`")?;
        let given = self.list.iter().any(|(n, _)| n == "epsilon");
        let epsilon = if given { self.literal("epsilon")? } else { Literal::f32(1e-20) };
        match rule {
            1 => Ok(Denominator::PlusEpsilon(epsilon)),
            2 => Ok(Denominator::Clamp(epsilon)),
            _ if given => Err(self.bad("epsilon", "a number only with `plus_epsilon` or `clamp`")),
            0 => Ok(Denominator::Sum),
            _ => Ok(Denominator::Positive),
        }
    }
}

const DTYPES: &str = "a dtype: bool, i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16 or f32";
