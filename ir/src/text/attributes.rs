//! Written attributes to an op, with every mistake reported.

use super::ast::{Attribute, Line, Name, Statement, ValueExpr};
use super::findings::{Findings, in_statement};
use super::write;
use crate::diag::{Code, Diagnostic, Span};
use crate::dim::Dim;
use crate::dtype::DType;
use crate::literal::Literal;
use crate::literal::LiteralError;
use crate::op::Op;
use crate::op::attribute::{AttributeError, AttributeKind, AttributeValue};
use crate::op::elsewhere;
use crate::op::info::OpInfo;
use crate::op::table::{OPS, lookup};
use crate::suggest::{did_you_mean, dtype_help, excerpt};
use std::collections::HashSet;

/// The op, or nothing if something was reported or hangs on what was reported before.
///
/// `first` is the dtype of operand 0: `None` if there is none, `Some(None)` if it is not known because of another error.
/// `shape` gives the dims of attribute number i.
pub fn op(
    name: &Name,
    attributes: &[Attribute],
    first: Option<Option<DType>>,
    shape: impl FnMut(usize) -> Option<Vec<Dim>>,
    line: &Line<Statement>,
    findings: &mut Findings,
) -> Option<Op> {
    let Some(row) = lookup(&name.value) else {
        let message = format!("unknown op `{}`", excerpt(&name.value));
        let names: Vec<&str> = OPS.iter().map(|o| o.mnemonic).collect();
        let near = || did_you_mean(&name.value, names.iter().copied(), || format!("the ops are {}", names.join(", ")));
        let help = elsewhere::help(&name.value).unwrap_or_else(near);
        let d = Diagnostic::new(Code::UnknownOp, message).at(name.span).help(help);
        findings.push(in_statement(d, line));
        return None;
    };
    let mut reading = Reading { op: name, unknown: false, row, first, shape, line, findings };
    let before = reading.findings.count();
    let (values, poisoned) = reading.values(attributes);
    // Also where a value hangs on an error elsewhere: an attribute that is missing may be that error.
    let op = reading.op(attributes, values);
    if poisoned || reading.findings.count() > before { None } else { op }
}

struct Reading<'a, 'r, F> {
    op: &'a Name,
    /// An unknown attribute was given, perhaps in the place of one that is missing.
    unknown: bool,
    /// What the op table says of the op.
    row: &'static OpInfo,
    first: Option<Option<DType>>,
    shape: F,
    line: &'a Line<Statement>,
    findings: &'r mut Findings,
}

impl<F: FnMut(usize) -> Option<Vec<Dim>>> Reading<'_, '_, F> {
    fn error(&mut self, code: Code, message: String, span: Option<Span>, help: String) {
        let d = Diagnostic::new(code, message).at(span).help(help);
        self.findings.push(in_statement(d, self.line));
    }

    /// The known attributes with their values, and whether a value hangs on an error elsewhere. Those that are unknown or
    /// given before are left out, and so are values with a mistake, but for numbers: 0 stands in, so that the rest can be
    /// looked at.
    fn values(&mut self, attributes: &[Attribute]) -> (Vec<(String, AttributeValue)>, bool) {
        let known: Vec<&str> = self.row.attributes.iter().map(|a| a.name).collect();
        let mut seen = HashSet::new();
        let mut values = vec![];
        let mut poisoned = false;
        for (i, a) in attributes.iter().enumerate() {
            let name = a.name.value.as_str();
            if !known.contains(&name) {
                let message = format!("`{}` has no attribute `{}`", self.op.value, excerpt(name));
                let help = did_you_mean(name, known.iter().copied(), || match known[..] {
                    [] => "it takes none".to_owned(),
                    _ => format!("it takes {}", known.join(", ")),
                });
                self.error(Code::UnknownAttribute, message, a.name.span, help);
                self.unknown = true;
            } else if !seen.insert(name) {
                let message = format!("the attribute `{name}` is given twice");
                self.error(Code::DuplicateAttribute, message, a.name.span, "leave one of them out".to_owned());
            } else {
                let before = self.findings.count();
                match self.value(i, a, attributes) {
                    Some(v) => values.push((a.name.value.clone(), v)),
                    None => poisoned |= self.findings.count() == before,
                }
            }
        }
        (values, poisoned)
    }

    fn value(&mut self, i: usize, a: &Attribute, all: &[Attribute]) -> Option<AttributeValue> {
        let kind = self.row.attribute(&a.name.value).map(|a| a.kind);
        let takes_literal = kind == Some(AttributeKind::Literal);
        match &a.value.value {
            ValueExpr::Shape(_) => (self.shape)(i).map(AttributeValue::Shape),
            ValueExpr::Word(text) | ValueExpr::Number(text) if takes_literal => {
                let dtype = self.literal_dtype(a, all)?;
                self.literal(a, text, dtype).map(AttributeValue::Literal)
            }
            ValueExpr::Fill(text) => {
                let dtype = self.literal_dtype(a, all)?;
                self.literal(a, text, dtype).map(AttributeValue::Fill)
            }
            ValueExpr::Word(w) => {
                if kind == Some(AttributeKind::DType) && DType::from_name(w).is_none() {
                    let message = format!("unknown dtype `{}`", excerpt(w));
                    self.error(Code::UnknownDType, message, a.value.span, dtype_help(w));
                    return None;
                }
                Some(AttributeValue::Word(w.clone()))
            }
            ValueExpr::Number(n) => Some(AttributeValue::Integer(self.integer(a, n))),
        }
    }

    /// The dtype of a literal: that of the attribute beside it that names one if the op has such, else operand 0's.
    fn literal_dtype(&mut self, a: &Attribute, all: &[Attribute]) -> Option<DType> {
        if let Some(names_it) = self.row.attributes.iter().find(|a| a.kind == AttributeKind::DType) {
            return match all.iter().find(|a| a.name.value == names_it.name).map(|a| &a.value.value) {
                Some(ValueExpr::Word(w)) => DType::from_name(w),
                // It is missing or no dtype, which is reported when the op is made.
                _ => None,
            };
        }
        match self.first {
            Some(dtype) => dtype,
            None => {
                let message =
                    format!("`{}` has no operand that says of which dtype `{}` is", self.op.value, a.name.value);
                let help = format!("its operands are: {}", self.row.operands_text());
                self.error(Code::WrongOperandCount, message, self.op.span, help);
                None
            }
        }
    }

    fn literal(&mut self, a: &Attribute, text: &str, dtype: DType) -> Option<Literal> {
        let what = format!("attribute `{}` of `{}`", a.name.value, self.op.value);
        match literal(&what, text, dtype) {
            Ok(literal) => Some(literal),
            Err((code, message, help)) => {
                self.error(code, message, a.value.span, help);
                Some(Literal::zero(dtype))
            }
        }
    }

    fn integer(&mut self, a: &Attribute, text: &str) -> u64 {
        let given = excerpt(text);
        let (code, message, help) = match Literal::from_text(DType::U64, text) {
            Ok(l) => return l.bits(),
            Err(LiteralError::Malformed) => {
                (Code::BadNumber, format!("`{given}` is not a number"), INTEGERS.to_owned())
            }
            Err(LiteralError::OutOfRange) if !text.starts_with('-') => {
                (Code::LiteralOutOfRange, format!("`{given}` does not fit 64 bits"), range_help(DType::U64))
            }
            Err(_) => {
                let message = format!("attribute `{}` of `{}` cannot be `{given}`", a.name.value, self.op.value);
                (Code::BadAttributeValue, message, INTEGERS.to_owned())
            }
        };
        self.error(code, message, a.value.span, help);
        0
    }

    fn op(&mut self, attributes: &[Attribute], values: Vec<(String, AttributeValue)>) -> Option<Op> {
        let given = |name: &str| attributes.iter().any(|a| a.name.value == name);
        match Op::from_attributes(&self.op.value, &values) {
            Ok(op) => Some(op),
            // It is there or may be meant, and was reported.
            Err(AttributeError::Missing { attribute, .. }) if self.unknown || given(attribute) => None,
            Err(AttributeError::Missing { op, attribute }) => {
                let message = format!("`{op}` needs the attribute `{attribute}`");
                let help = format!("its attributes are {}", self.row.attributes_text());
                self.error(Code::MissingAttribute, message, self.op.span, help);
                None
            }
            Err(AttributeError::BadValue { op, attribute, expected }) => {
                let value = attributes.iter().find(|a| a.name.value == attribute).map(|a| &a.value);
                let text = value.map_or(String::new(), |v| excerpt(&write::attribute_value(&v.value)));
                let message = format!("attribute `{attribute}` of `{op}` cannot be `{text}`");
                self.error(
                    Code::BadAttributeValue,
                    message,
                    value.and_then(|v| v.span),
                    format!("it takes {expected}"),
                );
                None
            }
            // Both are reported before; the table and the bridge agree.
            Err(e @ (AttributeError::UnknownOp(_) | AttributeError::Unknown { .. })) => {
                self.error(
                    Code::Internal,
                    format!("the op table and the op disagree: {e}"),
                    self.op.span,
                    String::new(),
                );
                None
            }
        }
    }
}

fn kind(dtype: DType) -> String {
    match dtype {
        DType::Bool => "`true` or `false`".to_owned(),
        d if d.is_float() => format!("a number of {d}"),
        d => format!("an integer of {d}"),
    }
}

const INTEGERS: &str = "integers here are not negative and have no fraction";

/// The literal of a text that stands for `what`; or what is wrong with it, as a code, a message and a help.
pub fn literal(what: &str, text: &str, dtype: DType) -> Result<Literal, (Code, String, String)> {
    let error = match Literal::from_text(dtype, text) {
        Ok(literal) => return Ok(literal),
        Err(error) => error,
    };
    let given = excerpt(text);
    let is_word = !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let (code, message) = match error {
        LiteralError::OutOfRange => (Code::LiteralOutOfRange, format!("`{given}` does not fit {dtype}")),
        LiteralError::Malformed if !is_word => (Code::BadNumber, format!("`{given}` is not a number")),
        _ => (Code::BadAttributeValue, format!("{what} takes {} here, not `{given}`", kind(dtype))),
    };
    let help = if code == Code::LiteralOutOfRange { range_help(dtype) } else { literal_help(dtype) };
    Err((code, message, help))
}

fn literal_help(dtype: DType) -> String {
    match dtype {
        DType::Bool => "a bool is `true` or `false`".to_owned(),
        d if d.is_float() => {
            "a float is as in `2.5`, `1e-20`, `inf`, `-inf`, `nan`, or its bits as in `0x7fc00001`".to_owned()
        }
        d => range_help(d),
    }
}

fn range_help(dtype: DType) -> String {
    let bits = dtype.bits();
    let (low, high) = match dtype {
        DType::F16 | DType::Bf16 | DType::F32 => {
            let infinity = Literal::from_f64(dtype, f64::INFINITY).map_or(0, Literal::bits);
            let largest = Literal::from_bits(dtype, infinity - 1);
            return format!("the largest {dtype} is {largest}, infinity is `inf`, and bits have {} digits", bits / 4);
        }
        d if d.is_signed() => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
        _ => (0, (1i128 << bits) - 1),
    };
    format!("{dtype} is {low} to {high}")
}
