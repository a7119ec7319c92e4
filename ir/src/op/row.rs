//! What happens to a whole row, and the choices in which engines disagree.

use super::attribute::AttributeError;
use crate::literal::Literal;

/// How columns become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReduceOp {
    /// By the canonical tree: padded to the next power of two n with the identity (−0.0 for `f32`, which changes no sum),
    /// then `x[i] + x[i + n/2]`, halving. Integers (wraps) and `f32`.
    Sum,
    /// By binary `max`: a number before a NaN, −0 before +0; in any order. Integers and `f32`.
    Max,
    /// By binary `min`. Integers and `f32`.
    Min,
    /// The sum of the two best in the order of `topk`, the better one first, each as its rank key says: −0.0 is 0.0 and a
    /// NaN canonical. The only one itself if the width is 1. `f32`.
    TopTwoSum,
}

/// Which keys a top-k may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Candidates {
    /// Every one.
    All,
    /// Floats above −∞, and NaN; every integer.
    AboveNegInf,
}

/// Where a top-k ranks a NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NanOrder {
    /// Below every number: a score that is no number is chosen where nothing else is left.
    Last,
    /// Above every number, +∞ too (torch's `topk`, `max` and `sort`).
    First,
}

/// How a top-k arranges what it chose. Slots that are left over are −1 and come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TopKOrder {
    /// The best first.
    Value,
    /// By ascending column.
    Column,
}

/// How a group of columns is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupScore {
    /// [`ReduceOp::Max`].
    Max,
    /// [`ReduceOp::TopTwoSum`].
    TopTwoSum,
}

/// What columns of groups that are not kept become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupFill {
    /// −∞.
    NegInf,
    /// 0.0.
    Zero,
    /// All columns are multiplied, kept ones by 1.0 and others by 0.0: NaN and infinities become NaN.
    Multiply,
}

/// What weights are divided by; s is their sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denominator {
    /// s.
    Sum,
    /// s + ε.
    PlusEpsilon(Literal),
    /// max(s, ε).
    Clamp(Literal),
    /// s where s > 0, else 1.
    Positive,
}

/// A [`Denominator`] without its ε, as the attribute `denominator` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Sum,
    PlusEpsilon,
    Clamp,
    Positive,
}

impl ReduceOp {
    /// Every one, with its mnemonic.
    pub const ALL: [(ReduceOp, &str); 4] = [
        (ReduceOp::Sum, "reduce_sum"),
        (ReduceOp::Max, "reduce_max"),
        (ReduceOp::Min, "reduce_min"),
        (ReduceOp::TopTwoSum, "top2_sum"),
    ];

    /// The name in text, JSON and dumps.
    pub fn mnemonic(self) -> &'static str {
        super::Op::Reduce { op: self, axis: 0 }.mnemonic()
    }
}

impl Denominator {
    /// The name of the rule.
    pub fn name(self) -> &'static str {
        self.rule().name()
    }

    /// The rule.
    pub(super) fn rule(self) -> Rule {
        match self {
            Denominator::Sum => Rule::Sum,
            Denominator::PlusEpsilon(_) => Rule::PlusEpsilon,
            Denominator::Clamp(_) => Rule::Clamp,
            Denominator::Positive => Rule::Positive,
        }
    }

    /// ε, where the rule has one.
    pub(super) fn epsilon(self) -> Option<Literal> {
        match self {
            Denominator::PlusEpsilon(e) | Denominator::Clamp(e) => Some(e),
            Denominator::Sum | Denominator::Positive => None,
        }
    }

    /// The rule with ε where it has one: 1e-20 unless it is given.
    ///
    /// # Errors
    /// [`AttributeError::BadValue`] where ε is given to a rule without one.
    pub(super) fn of(rule: Rule, epsilon: Option<Literal>) -> Result<Denominator, AttributeError> {
        let value = epsilon.unwrap_or(Literal::f32(1e-20));
        match (rule, epsilon) {
            (Rule::PlusEpsilon, _) => Ok(Denominator::PlusEpsilon(value)),
            (Rule::Clamp, _) => Ok(Denominator::Clamp(value)),
            (Rule::Sum, None) => Ok(Denominator::Sum),
            (Rule::Positive, None) => Ok(Denominator::Positive),
            (Rule::Sum | Rule::Positive, Some(_)) => Err(AttributeError::BadValue {
                op: "renorm".to_owned(),
                attribute: "epsilon".to_owned(),
                expected: "a number only with `plus_epsilon` or `clamp`".to_owned(),
            }),
        }
    }
}
