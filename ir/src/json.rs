//! The JSON form of a graph, for programs: what the [textual form](crate::text) says, without comments.
//!
//! ```json
//! {
//!   "format": "routefuse-graph", "version": 1, "name": "remap", "dims": ["T", {"name": "C", "at_least": {"of": "T", "terms": [{"times": 8, "plus": 48}]}}],
//!   "inputs": [{"name": "ids", "dtype": "i32", "shape": ["T", 8], "layout": "contiguous"}, …],
//!   "nodes": [{"name": "y", "op": "gather", "operands": ["map", "ids"],
//!              "attributes": {"out_of_range": {"fill": -1}}, "type": {"dtype": "i32", "shape": ["T", 8]}}],
//!   "outputs": [{"name": "out", "value": "y", "type": {"dtype": "i32", "shape": ["T", 8]},
//!                "layout": "contiguous", "alias": {"in_place": "ids"}}]
//! }
//! ```
//!
//! Literals are JSON numbers and booleans where JSON has them, else strings as in text (`"inf"`, `"nan"`, `"0x7fc00001"`).
//! A string in the place of a number is read as text reads it, rounded once; a JSON number is an `f64` first, which makes
//! no difference up to 15 digits. `layout`, `alias`, `type`, `operands` and `attributes` may be left out. Fields that are
//! not listed here are errors.

use crate::diag::{Code, Diagnostic, Diagnostics, Span};
use crate::dim::Dim;
use crate::dtype::DType;
use crate::graph::{Graph, Layout, TensorType};
use crate::json_dim::DeclaredForm;
use crate::literal::Literal;
use crate::op::attribute::AttributeValue;
use crate::text::ast::{
    AliasExpr, AliasKind, Attribute, DimExpr, File, Line, Name, Operand, Spanned, Statement, TypeExpr, ValueExpr,
};
use crate::text::{self, MAX_LINES, MAX_LIST, alias_expr};
use crate::verify::Verified;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the field `format` says.
pub const FORMAT: &str = "routefuse-graph";
/// The version of the JSON form that this build reads and writes.
pub const VERSION: u64 = 1;
/// The largest text, in bytes.
pub const MAX_BYTES: usize = 16 << 20;

/// The JSON form of a graph, indented. For a valid graph, [`from_str`] gives it back ([`Graph::same_as`]).
pub fn to_string(graph: &Graph) -> String {
    // Writing to memory fails only where a map's key is no string, and every key here is one.
    serde_json::to_string_pretty(&GraphForm::of(graph)).unwrap_or_default()
}

/// The graph of a JSON text, not yet verified.
///
/// # Errors
/// `RF0106` where the text is not JSON of this form and version, with its line and column; else all that is wrong with
/// its names and attributes, as [`text::parse`] reports it.
pub fn from_str(source: &str) -> Result<Graph, Diagnostics> {
    let (graph, _, findings) = lower(source)?;
    findings.into_result(graph).map_err(|d| d.located(source))
}

/// The verified graph of a JSON text.
///
/// # Errors
/// Those of [`from_str`], and the verifier's findings.
pub fn from_str_verified(source: &str) -> Result<Verified<Graph>, Diagnostics> {
    let (graph, file, findings) = lower(source)?;
    text::verified(Some((graph, file)), findings).map_err(|d| d.located(source))
}

fn lower(source: &str) -> Result<(Graph, File, text::Findings), Diagnostics> {
    let too_large = |message: String, help: String| Diagnostic::new(Code::TooLarge, message).help(help);
    if source.len() > MAX_BYTES {
        let message = format!("the JSON text has {} bytes", source.len());
        return Err(too_large(message, format!("a graph has at most {MAX_BYTES} bytes")).into());
    }
    // The version first: a later one may have other fields.
    let header: Header = serde_json::from_str(source).map_err(|e| bad_json(source, &e))?;
    if header.format != FORMAT || header.version != VERSION {
        let message = format!("the JSON text is of format {:?}, version {}", header.format, header.version);
        let help = format!("this build reads format {FORMAT:?}, version {VERSION}");
        return Err(Diagnostic::new(Code::BadJson, message).help(help).into());
    }
    let form: GraphForm = serde_json::from_str(source).map_err(|e| bad_json(source, &e))?;
    let statements = form.dims.len() + form.inputs.len() + form.nodes.len() + form.outputs.len();
    let longest = form.nodes.iter().map(|n| n.operands.len().max(n.attributes.0.len())).max();
    if statements > MAX_LINES || longest.is_some_and(|n| n > MAX_LIST) {
        let message = format!("the graph has {statements} declarations and operations");
        let help = format!("it may have {MAX_LINES}, and {MAX_LIST} operands or attributes each");
        return Err(too_large(message, help).into());
    }
    let file = form.into_file();
    let mut findings = text::Findings::default();
    let graph = text::lower(&file, None, &mut findings);
    Ok((graph, file, findings))
}

fn bad_json(source: &str, e: &serde_json::Error) -> Diagnostics {
    let line_start: usize = source.split_inclusive('\n').take(e.line().saturating_sub(1)).map(str::len).sum();
    let at = (line_start + e.column().saturating_sub(1)).min(source.len());
    let help = format!("the fields are those of format {FORMAT:?}, version {VERSION}");
    let d =
        Diagnostic::new(Code::BadJson, e.to_string()).at(Some(Span::new(at, (at + 1).min(source.len())))).help(help);
    Diagnostics::from(d).located(source)
}

#[derive(Deserialize)]
struct Header {
    format: String,
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphForm {
    format: String,
    version: u64,
    name: String,
    dims: Vec<DeclaredForm>,
    inputs: Vec<InputForm>,
    nodes: Vec<NodeForm>,
    outputs: Vec<OutputForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputForm {
    name: String,
    dtype: String,
    shape: Vec<DimForm>,
    #[serde(default)]
    layout: Layout,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeForm {
    name: String,
    op: String,
    #[serde(default)]
    operands: Vec<String>,
    #[serde(default)]
    attributes: AttributesForm,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    ty: Option<TypeForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputForm {
    name: String,
    value: String,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    ty: Option<TypeForm>,
    #[serde(default)]
    layout: Layout,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alias: Option<AliasForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AliasForm {
    InPlace(String),
    Donates(String),
    Guarded(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypeForm {
    dtype: String,
    shape: Vec<DimForm>,
}

enum DimForm {
    Extent(u64),
    Symbol(String),
}

/// In the order in which they are written; a name may come twice, which is reported later.
#[derive(Default)]
struct AttributesForm(Vec<(String, AttributeForm)>);

enum AttributeForm {
    Value(Scalar),
    Fill(Scalar),
    Shape(Vec<DimForm>),
}

enum Scalar {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    /// Written with as few digits as tell `f32`s apart.
    Single(f32),
    Double(f64),
    Text(String),
}

impl GraphForm {
    fn of(graph: &Graph) -> GraphForm {
        let dims = |shape: &[Dim]| -> Vec<DimForm> {
            let dim = |d: &Dim| match d {
                Dim::Const(n) => DimForm::Extent(*n),
                Dim::Sym(s) => {
                    let name = graph.symbols.get(s.0 as usize).cloned();
                    DimForm::Symbol(name.unwrap_or_else(|| format!("s{}", s.0)))
                }
            };
            shape.iter().map(dim).collect()
        };
        let ty = |t: &TensorType| TypeForm { dtype: t.dtype.name().to_owned(), shape: dims(&t.shape) };
        let name = |id| graph.node(id).name.clone();
        let attribute = |value| match value {
            AttributeValue::Integer(n) => AttributeForm::Value(Scalar::Unsigned(n)),
            AttributeValue::Word(w) => AttributeForm::Value(Scalar::Text(w)),
            AttributeValue::Literal(l) => AttributeForm::Value(Scalar::of(l)),
            AttributeValue::Fill(l) => AttributeForm::Fill(Scalar::of(l)),
            AttributeValue::Shape(s) => AttributeForm::Shape(dims(&s)),
        };
        let inputs = graph.inputs.iter().map(|i| {
            let TypeForm { dtype, shape } = ty(&graph.node(i.node).ty);
            InputForm { name: i.name.clone(), dtype, shape, layout: i.layout }
        });
        let nodes = graph.canonical_order().into_iter().skip(graph.inputs.len()).map(|id| {
            let node = graph.node(id);
            let attributes = node.op.attributes().into_iter().map(|(n, v)| (n.to_owned(), attribute(v)));
            NodeForm {
                name: node.name.clone(),
                op: node.op.mnemonic().to_owned(),
                operands: graph.operands(id).into_iter().map(name).collect(),
                attributes: AttributesForm(attributes.collect()),
                ty: Some(ty(&node.ty)),
            }
        });
        let outputs = graph.outputs.iter().map(|o| OutputForm {
            name: o.name.clone(),
            value: name(o.node),
            ty: Some(ty(&graph.node(o.node).ty)),
            layout: o.layout,
            alias: alias_expr(o.alias, graph).map(|a| match a.kind {
                AliasKind::InPlace => AliasForm::InPlace(a.input.value),
                AliasKind::Donates => AliasForm::Donates(a.input.value),
                AliasKind::Guarded => AliasForm::Guarded(a.input.value),
            }),
        });
        GraphForm {
            format: FORMAT.to_owned(),
            version: VERSION,
            name: graph.name.clone(),
            dims: (0..graph.symbols.len()).map(|s| DeclaredForm::of(graph, s)).collect(),
            inputs: inputs.collect(),
            nodes: nodes.collect(),
            outputs: outputs.collect(),
        }
    }

    fn into_file(self) -> File {
        let GraphForm { format: _, version: _, name, dims, inputs, nodes, outputs } = self;
        let mut body: Vec<Statement> = dims.into_iter().map(DeclaredForm::into_statement).collect();
        body.extend(inputs.into_iter().map(|InputForm { name, dtype, shape, layout }| Statement::Input {
            name: named(name),
            ty: TypeForm { dtype, shape }.into_expr(),
            layout,
        }));
        body.extend(nodes.into_iter().map(|NodeForm { name, op, operands, attributes, ty }| Statement::Node {
            name: named(name),
            op: named(op),
            operands: operands.into_iter().map(|o| Operand::Value(named(o))).collect(),
            attributes: attributes.0.into_iter().map(|(n, v)| v.into_attribute(n)).collect(),
            ty: ty.map(TypeForm::into_expr),
        }));
        body.extend(outputs.into_iter().map(|OutputForm { name, value, ty, layout, alias }| Statement::Output {
            name: named(name),
            value: named(value),
            ty: ty.map(TypeForm::into_expr),
            layout,
            alias: alias.map(|a| {
                let (kind, input) = match a {
                    AliasForm::InPlace(i) => (AliasKind::InPlace, i),
                    AliasForm::Donates(i) => (AliasKind::Donates, i),
                    AliasForm::Guarded(i) => (AliasKind::Guarded, i),
                };
                AliasExpr { kind, input: named(input) }
            }),
        }));
        File {
            header: Line::bare(()),
            graph: Line::bare(named(name)),
            body: body.into_iter().map(Line::bare).collect(),
            close: Line::bare(()),
            below: vec![],
        }
    }
}

fn named(name: String) -> Name {
    Spanned::nowhere(name)
}

fn shape_expr(shape: Vec<DimForm>) -> Vec<DimExpr> {
    let dim = |d| match d {
        DimForm::Extent(n) => DimExpr::Extent(n),
        DimForm::Symbol(s) => DimExpr::Symbol(named(s)),
    };
    shape.into_iter().map(dim).collect()
}

impl TypeForm {
    fn into_expr(self) -> TypeExpr {
        TypeExpr { dtype: named(self.dtype), shape: shape_expr(self.shape) }
    }
}

impl AttributeForm {
    fn into_attribute(self, name: String) -> Attribute {
        let value = match self {
            AttributeForm::Value(Scalar::Text(w)) => ValueExpr::Word(w),
            AttributeForm::Value(Scalar::Bool(b)) => ValueExpr::Word(b.to_string()),
            AttributeForm::Value(scalar) => ValueExpr::Number(scalar.text()),
            AttributeForm::Fill(scalar) => ValueExpr::Fill(scalar.text()),
            AttributeForm::Shape(shape) => ValueExpr::Shape(shape_expr(shape)),
        };
        Attribute { name: named(name), value: Spanned::nowhere(value) }
    }
}

impl Scalar {
    fn of(l: Literal) -> Scalar {
        match l.dtype() {
            DType::Bool => Scalar::Bool(l.bits() == 1),
            DType::F32 if l.as_f64().is_some_and(f64::is_finite) => Scalar::Single(f32::from_bits(l.bits() as u32)),
            d if d.is_float() => match l.as_f64() {
                Some(v) if v.is_finite() => Scalar::Double(v),
                _ => Scalar::Text(l.to_string()),
            },
            d if d.is_signed() => l.as_int().map_or(Scalar::Unsigned(l.bits()), |i| Scalar::Signed(i as i64)),
            _ => Scalar::Unsigned(l.bits()),
        }
    }

    fn text(self) -> String {
        match self {
            Scalar::Bool(b) => b.to_string(),
            Scalar::Unsigned(n) => n.to_string(),
            Scalar::Signed(n) => n.to_string(),
            Scalar::Single(v) => format!("{v:?}"),
            Scalar::Double(v) => format!("{v:?}"),
            Scalar::Text(t) => t,
        }
    }
}

impl Serialize for DimForm {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            DimForm::Extent(n) => s.serialize_u64(*n),
            DimForm::Symbol(name) => s.serialize_str(name),
        }
    }
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Scalar::Bool(b) => s.serialize_bool(*b),
            Scalar::Unsigned(n) => s.serialize_u64(*n),
            Scalar::Signed(n) => s.serialize_i64(*n),
            Scalar::Single(v) => s.serialize_f32(*v),
            Scalar::Double(v) => s.serialize_f64(*v),
            Scalar::Text(t) => s.serialize_str(t),
        }
    }
}

impl Serialize for AttributeForm {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            AttributeForm::Value(scalar) => scalar.serialize(s),
            AttributeForm::Fill(scalar) => {
                let mut map = s.serialize_map(Some(1))?;
                map.serialize_entry("fill", scalar)?;
                map.end()
            }
            AttributeForm::Shape(shape) => shape.serialize(s),
        }
    }
}

impl Serialize for AttributesForm {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for DimForm {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<DimForm, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = DimForm;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a dim: a non-negative integer or the name of a declared dim")
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<DimForm, E> {
                Ok(DimForm::Extent(n))
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<DimForm, E> {
                Ok(DimForm::Symbol(name.to_owned()))
            }
        }
        d.deserialize_any(V)
    }
}

impl<'de> Deserialize<'de> for AttributesForm {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<AttributesForm, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = AttributesForm;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of attributes")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AttributesForm, A::Error> {
                let mut list = vec![];
                while let Some(entry) = map.next_entry()? {
                    list.push(entry);
                }
                Ok(AttributesForm(list))
            }
        }
        d.deserialize_map(V)
    }
}

impl<'de> Deserialize<'de> for AttributeForm {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<AttributeForm, D::Error> {
        d.deserialize_any(AttributeVisitor)
    }
}

struct AttributeVisitor;

impl<'de> Visitor<'de> for AttributeVisitor {
    type Value = AttributeForm;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a boolean, a string, a shape, or an object with the one field `fill`")
    }

    fn visit_bool<E: de::Error>(self, v: bool) -> Result<AttributeForm, E> {
        Ok(AttributeForm::Value(Scalar::Bool(v)))
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<AttributeForm, E> {
        Ok(AttributeForm::Value(Scalar::Unsigned(v)))
    }

    fn visit_i64<E: de::Error>(self, v: i64) -> Result<AttributeForm, E> {
        Ok(AttributeForm::Value(Scalar::Signed(v)))
    }

    fn visit_f64<E: de::Error>(self, v: f64) -> Result<AttributeForm, E> {
        Ok(AttributeForm::Value(Scalar::Double(v)))
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<AttributeForm, E> {
        Ok(AttributeForm::Value(Scalar::Text(v.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<AttributeForm, A::Error> {
        let mut shape = vec![];
        while let Some(dim) = seq.next_element()? {
            if shape.len() == MAX_LIST {
                return Err(de::Error::custom("a shape of too many dims"));
            }
            shape.push(dim);
        }
        Ok(AttributeForm::Shape(shape))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AttributeForm, A::Error> {
        let unexpected = |key: &str| de::Error::unknown_field(key, &["fill"]);
        match map.next_key::<String>()? {
            Some(key) if key == "fill" => {}
            Some(key) => return Err(unexpected(&key)),
            None => return Err(de::Error::missing_field("fill")),
        }
        let AttributeForm::Value(scalar) = map.next_value()? else {
            return Err(de::Error::custom("`fill` takes a number, a boolean or a string"));
        };
        match map.next_key::<String>()? {
            Some(key) => Err(unexpected(&key)),
            None => Ok(AttributeForm::Fill(scalar)),
        }
    }
}
