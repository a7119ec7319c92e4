//! Attributes of an op as names and values: the one bridge between [`Op`](super::Op) and its text and JSON forms.

use super::OutOfRange;
use crate::dim::Dim;
use crate::dtype::DType;
use crate::literal::Literal;
use std::fmt;

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

/// As text has it, but for the names of symbolic dims.
impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttributeValue::Integer(n) => write!(f, "{n}"),
            AttributeValue::Word(w) => f.write_str(w),
            AttributeValue::Literal(l) => write!(f, "{l}"),
            AttributeValue::Fill(l) => write!(f, "fill({l})"),
            AttributeValue::Shape(shape) => write!(f, "[{}]", crate::dim::shape_text(shape, &[])),
        }
    }
}

/// What the values of an attribute look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeKind {
    /// A non-negative integer.
    Integer,
    /// A dtype's name.
    DType,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A literal.
    Literal,
    /// One of these words, or `fill` with a literal.
    Policy(&'static [&'static str]),
    /// A shape.
    Shape,
}

impl AttributeKind {
    /// What the attribute takes, as a message says it.
    pub fn expected(self) -> String {
        let words = |words: &[&str], last: Option<&str>| {
            let words: Vec<String> = words.iter().copied().chain(last).map(|w| format!("`{w}`")).collect();
            match &words[..] {
                [init @ .., last] if !init.is_empty() => format!("{} or {last}", init.join(", ")),
                _ => words.concat(),
            }
        };
        match self {
            AttributeKind::Integer => "a non-negative integer".to_owned(),
            AttributeKind::DType => format!("a dtype: {}", DType::ALL.map(DType::name).join(", ")),
            AttributeKind::Word(all) => words(all, None),
            AttributeKind::Literal => "a number, `true` or `false`".to_owned(),
            AttributeKind::Policy(all) => words(all, Some("fill(value)")),
            AttributeKind::Shape => "a shape such as `[T, 8]`".to_owned(),
        }
    }
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
        expected: String,
    },
}

/// What a field of an op is as an attribute.
pub(super) trait Attribute: Sized {
    /// What its values look like.
    const KIND: AttributeKind;

    /// The value; `None` if the attribute is not there at all.
    fn value(&self) -> Option<AttributeValue>;

    /// What the value stands for; `None` if it is of another kind.
    fn of(value: &AttributeValue) -> Option<Self>;
}

impl Attribute for u64 {
    const KIND: AttributeKind = AttributeKind::Integer;

    fn value(&self) -> Option<AttributeValue> {
        Some(AttributeValue::Integer(*self))
    }

    fn of(value: &AttributeValue) -> Option<u64> {
        if let AttributeValue::Integer(n) = value { Some(*n) } else { None }
    }
}

impl Attribute for usize {
    const KIND: AttributeKind = AttributeKind::Integer;

    fn value(&self) -> Option<AttributeValue> {
        Some(AttributeValue::Integer(*self as u64))
    }

    fn of(value: &AttributeValue) -> Option<usize> {
        // An axis that does not fit is out of every rank.
        u64::of(value).map(|n| usize::try_from(n).unwrap_or(usize::MAX))
    }
}

impl Attribute for DType {
    const KIND: AttributeKind = AttributeKind::DType;

    fn value(&self) -> Option<AttributeValue> {
        Some(AttributeValue::Word(self.name().to_owned()))
    }

    fn of(value: &AttributeValue) -> Option<DType> {
        if let AttributeValue::Word(w) = value { DType::from_name(w) } else { None }
    }
}

impl Attribute for Literal {
    const KIND: AttributeKind = AttributeKind::Literal;

    fn value(&self) -> Option<AttributeValue> {
        Some(AttributeValue::Literal(*self))
    }

    fn of(value: &AttributeValue) -> Option<Literal> {
        if let AttributeValue::Literal(l) = value { Some(*l) } else { None }
    }
}

impl Attribute for Vec<Dim> {
    const KIND: AttributeKind = AttributeKind::Shape;

    fn value(&self) -> Option<AttributeValue> {
        Some(AttributeValue::Shape(self.clone()))
    }

    fn of(value: &AttributeValue) -> Option<Vec<Dim>> {
        if let AttributeValue::Shape(s) = value { Some(s.clone()) } else { None }
    }
}

/// An attribute that is there with some choices of another and not with the rest.
impl<A: Attribute> Attribute for Option<A> {
    const KIND: AttributeKind = A::KIND;

    fn value(&self) -> Option<AttributeValue> {
        self.as_ref().and_then(A::value)
    }

    fn of(value: &AttributeValue) -> Option<Option<A>> {
        A::of(value).map(Some)
    }
}

impl Attribute for OutOfRange {
    const KIND: AttributeKind = AttributeKind::Policy(&["pass", "clamp", "wrap", "trap"]);

    fn value(&self) -> Option<AttributeValue> {
        Some(match self {
            OutOfRange::Fill(l) => AttributeValue::Fill(*l),
            OutOfRange::Pass => AttributeValue::Word("pass".to_owned()),
            OutOfRange::Clamp => AttributeValue::Word("clamp".to_owned()),
            OutOfRange::Wrap => AttributeValue::Word("wrap".to_owned()),
            OutOfRange::Trap => AttributeValue::Word("trap".to_owned()),
        })
    }

    fn of(value: &AttributeValue) -> Option<OutOfRange> {
        match value {
            AttributeValue::Fill(l) => Some(OutOfRange::Fill(*l)),
            AttributeValue::Word(w) => match w.as_str() {
                "pass" => Some(OutOfRange::Pass),
                "clamp" => Some(OutOfRange::Clamp),
                "wrap" => Some(OutOfRange::Wrap),
                "trap" => Some(OutOfRange::Trap),
                _ => None,
            },
            AttributeValue::Integer(_) | AttributeValue::Literal(_) | AttributeValue::Shape(_) => None,
        }
    }
}

/// The attributes that were given to an op.
pub(super) struct Given<'a> {
    /// The op's mnemonic.
    pub op: &'a str,
    /// The attributes, by name.
    pub list: &'a [(String, AttributeValue)],
}

impl Given<'_> {
    /// The attribute of this name, else its default.
    ///
    /// # Errors
    /// [`AttributeError::Missing`] where it is not given and has no default, [`AttributeError::BadValue`] where it is of
    /// another kind.
    pub fn read<A: Attribute>(&self, name: &'static str, default: Option<A>) -> Result<A, AttributeError> {
        match self.list.iter().find(|(n, _)| n == name) {
            None => default.ok_or_else(|| AttributeError::Missing { op: self.op.to_owned(), attribute: name }),
            Some((_, value)) => A::of(value).ok_or_else(|| AttributeError::BadValue {
                op: self.op.to_owned(),
                attribute: name.to_owned(),
                expected: A::KIND.expected(),
            }),
        }
    }
}
