//! Declared dims in the JSON form: a name, or an object with a bound.

use crate::bound::BoundTerm;
use crate::graph::Graph;
use crate::text::ast::{Spanned, Statement};
use crate::text::bound_expr;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use std::fmt;

/// `"T"`, or `{"name": "C", "at_least": {"of": "T", "terms": [{"times": 8, "plus": 48}]}}`.
pub(crate) struct DeclaredForm(BoundedForm);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BoundedForm {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_least: Option<AtLeastForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AtLeastForm {
    #[serde(default = "one", skip_serializing_if = "is_one")]
    times: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    terms: Vec<TermForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TermForm {
    #[serde(default)]
    times: u64,
    #[serde(default)]
    plus: i64,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    over: u64,
}

fn one() -> u64 {
    1
}

// `serde` calls it with a reference.
#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_one(n: &u64) -> bool {
    *n == 1
}

impl DeclaredForm {
    /// The dim with this number.
    pub(crate) fn of(graph: &Graph, symbol: usize) -> DeclaredForm {
        let bound = graph.bounds.iter().find(|b| b.symbol().0 as usize == symbol);
        let at_least = bound.map(|b| AtLeastForm {
            times: b.times(),
            of: b.of().and_then(|s| graph.symbols.get(s.0 as usize).cloned()),
            terms: b.terms().iter().map(|&BoundTerm { over, times, plus }| TermForm { times, plus, over }).collect(),
        });
        DeclaredForm(BoundedForm { name: graph.symbols[symbol].clone(), at_least })
    }

    pub(crate) fn into_statement(self) -> Statement {
        let BoundedForm { name, at_least } = self.0;
        let at_least = at_least.map(|AtLeastForm { times, of, terms }| {
            let term = |TermForm { times, plus, over }: TermForm| BoundTerm { over, times, plus };
            bound_expr(times, of, terms.into_iter().map(term))
        });
        Statement::Dim { name: Spanned::nowhere(name), at_least }
    }
}

impl Serialize for DeclaredForm {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if self.0.at_least.is_none() { s.serialize_str(&self.0.name) } else { self.0.serialize(s) }
    }
}

impl<'de> Deserialize<'de> for DeclaredForm {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<DeclaredForm, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = DeclaredForm;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a dim, or an object of `name` and `at_least`")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<DeclaredForm, E> {
                Ok(DeclaredForm(BoundedForm { name: name.to_owned(), at_least: None }))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DeclaredForm, A::Error> {
                BoundedForm::deserialize(MapAccessDeserializer::new(map)).map(DeclaredForm)
            }
        }
        d.deserialize_any(V)
    }
}
