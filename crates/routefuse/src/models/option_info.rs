//! One option: its name and values, which model has it, and how it is set.

use super::options::ModelOptions;
use super::preset::Preset;
use routefuse_ir::DType;

/// One option, as the program has it.
#[derive(Clone, Copy)]
pub struct OptionInfo {
    /// Its name.
    pub name: &'static str,
    /// The values that it takes; the first is the default, unless the model says.
    pub values: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Why a model has it not, or nothing.
    pub(super) lacks: fn(&Preset) -> Option<&'static str>,
    /// Sets it; false if the value is none of its.
    pub(super) set: fn(&mut ModelOptions, &str) -> bool,
    /// It is not what the router alone has.
    pub(super) is_set: fn(&ModelOptions, &ModelOptions) -> bool,
}

impl std::fmt::Debug for OptionInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.name, self.values)
    }
}

pub(super) fn any(_: &Preset) -> Option<&'static str> {
    None
}

pub(super) fn store<T>(to: &mut T, value: Option<T>) -> bool {
    let known = value.is_some();
    if let Some(value) = value {
        *to = value;
    }
    known
}

pub(super) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Option<T> {
    choices.iter().find(|c| c.0 == text).map(|c| c.1)
}

pub(super) fn dtype(text: &str, of: &[DType]) -> Option<DType> {
    DType::from_name(text).filter(|d| of.contains(d))
}

pub(super) fn float(text: &str) -> Option<f32> {
    text.parse().ok().filter(|x: &f32| x.is_finite())
}

pub(super) fn number(to: &mut Option<u64>, text: &str) -> bool {
    store(to, text.parse().ok().map(Some))
}

macro_rules! option {
    ($name:literal, $values:literal, $summary:literal, $lacks:expr, $field:ident, |$o:ident, $v:ident| $set:expr) => {
        OptionInfo {
            name: $name,
            values: $values,
            summary: $summary,
            lacks: $lacks,
            set: |$o, $v| $set,
            is_set: |o, plain| o.$field != plain.$field,
        }
    };
}

pub(super) use option;
