//! Attributes that are one of a list of words.

use super::attribute::{Attribute, AttributeKind, AttributeValue};
use super::row::Rule;
use super::{Candidates, GroupFill, GroupScore, NanOrder, NanRule, PackForm, TopKOrder};

/// The words of a choice, as text, JSON and dumps have them.
macro_rules! choices {
    ($($choice:ident: $($variant:ident = $name:literal),+;)+) => {$(
        impl $choice {
            /// Every one, with its name.
            pub const ALL: &[($choice, &str)] = &[$(($choice::$variant, $name)),+];

            /// The name in text, JSON and dumps.
            pub fn name(self) -> &'static str {
                match self {
                    $($choice::$variant => $name),+
                }
            }
        }

        impl Attribute for $choice {
            const KIND: AttributeKind = AttributeKind::Word(&[$($name),+]);

            fn value(&self) -> Option<AttributeValue> {
                Some(AttributeValue::Word(self.name().to_owned()))
            }

            fn of(value: &AttributeValue) -> Option<$choice> {
                let AttributeValue::Word(word) = value else { return None };
                $choice::ALL.iter().find(|(_, name)| name == word).map(|(choice, _)| *choice)
            }
        }
    )+};
}

/// The usual order stands for no attribute: it is not written.
impl Attribute for NanOrder {
    const KIND: AttributeKind = AttributeKind::Word(&["last", "first"]);

    fn value(&self) -> Option<AttributeValue> {
        (*self == NanOrder::First).then(|| AttributeValue::Word("first".to_owned()))
    }

    fn of(value: &AttributeValue) -> Option<NanOrder> {
        match value {
            AttributeValue::Word(word) if word == "first" => Some(NanOrder::First),
            AttributeValue::Word(word) if word == "last" => Some(NanOrder::Last),
            _ => None,
        }
    }
}

choices! {
    NanRule: Number = "number", Propagate = "propagate";
    PackForm: Masked = "masked", SignExtended = "sign_extended";
    Candidates: All = "all", AboveNegInf = "above_neg_inf";
    TopKOrder: Value = "value", Column = "column";
    GroupScore: Max = "max", TopTwoSum = "top2_sum";
    GroupFill: NegInf = "neg_inf", Zero = "zero", Multiply = "multiply";
    Rule: Sum = "sum", PlusEpsilon = "plus_epsilon", Clamp = "clamp", Positive = "positive";
}
