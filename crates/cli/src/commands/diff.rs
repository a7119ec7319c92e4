//! `routefuse diff`.

use crate::args::Diff;
use crate::difference::{Difference, Equality, index, with_bits};
use crate::failure::Failure;
use crate::router_rows::{Chosen, Rows};
use crate::tensor_place::Place;
use crate::{output, tensor_file, tensor_set};
use routefuse::Tensor;
use routefuse::diag::{Code, Diagnostic, visible};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

pub fn run(a: &Diff) -> Result<(), Failure> {
    let equality = a.tolerance_ulp.map_or(Equality::Bits, Equality::Within);
    let read = |place: &Place| tensor_file::read_any(place, a.bf16);
    let scores = a.scores.as_ref().map(|spec| read(&Place::written(spec))).transpose()?;
    let mut found = Found::default();
    match (tensor_set::named(&a.a)?, tensor_set::named(&a.b)?) {
        (None, None) => {
            if let Some(option) = [("ids", &a.ids), ("weights", &a.weights)].iter().find(|(_, given)| given.is_some()) {
                let message = format!("`--{}` names one of many tensors, and `{}` is one tensor", option.0, a.a);
                return Err(Diagnostic::new(Code::NoSuchTensor, message)
                    .help(
                        "compare folders or .safetensors files; of two tensors of ids, --scores alone tells which tie",
                    )
                    .into());
            }
            let (one, other) = (read(&Place::written(&a.a))?, read(&Place::written(&a.b))?);
            if scores.is_some() {
                let chosen = |ids| Chosen { ids, weights: None };
                found.rows = rows(&(&a.a, &a.b), chosen(&one), chosen(&other), scores.as_ref(), equality)?;
            }
            found.compare(a.a.clone(), one, other, equality);
        }
        (Some(ours), Some(theirs)) => {
            let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
            let pair = Pair::of(a, &ours, &theirs)?;
            let mut kept: BTreeMap<&str, [Tensor; 2]> = BTreeMap::new();
            for name in names {
                match (ours.get(name), theirs.get(name)) {
                    (Some(one), Some(other)) => {
                        let (one, other) = (read(one)?, read(other)?);
                        if pair.as_ref().is_some_and(|p| p.names().any(|n| n == name)) {
                            kept.insert(name, [one.clone(), other.clone()]);
                        }
                        found.compare(name.clone(), one, other, equality);
                    }
                    (Some(_), None) => found.only[0].push(name.clone()),
                    _ => found.only[1].push(name.clone()),
                }
            }
            if let Some(Pair { ids, weights }) = &pair {
                let side = |i: usize| Chosen {
                    ids: &kept[ids.as_str()][i],
                    weights: weights.as_ref().map(|w| &kept[w.as_str()][i]),
                };
                found.rows = rows(&(ids, ids), side(0), side(1), scores.as_ref(), equality)?;
                found.pair = pair;
            }
        }
        (one, _) => {
            let (single, many) = if one.is_none() { (&a.a, &a.b) } else { (&a.b, &a.a) };
            let message = format!("`{single}` is one tensor, and `{many}` has several");
            return Err(Diagnostic::new(Code::NoSuchTensor, message)
                .help("compare one with one, or many with many")
                .into());
        }
    }
    // Tensors of other shapes or dtypes differ, whatever ties.
    if a.allow_ties && scores.is_none() && found.pair.is_none() {
        let help = "give --scores, or compare ids and weights, named by --ids and --weights";
        return Err(Diagnostic::new(Code::NoSuchTensor, "nothing tells which rows tie").help(help).into());
    }
    let mut out = output::stdout(a.json);
    if a.json {
        writeln!(out, "{:#}", found.machine(a.allow_ties))?;
    } else {
        found.print(&mut out)?;
    }
    match found.differing(a.allow_ties) {
        0 => Ok(()),
        n => Err(Failure::Mismatch(format!("{n} of {} tensors differ", found.count()))),
    }
}

/// The rows of a router, where ids and what belongs to them are of one shape.
fn rows(
    names: &(&String, &String),
    a: Chosen<'_>,
    b: Chosen<'_>,
    scores: Option<&Tensor>,
    equality: Equality,
) -> Result<Option<Rows>, Diagnostic> {
    // That they are not is a difference, which is told of the tensors themselves.
    if a.ids.shape() != b.ids.shape() || a.ids.dtype() != b.ids.dtype() {
        return Ok(None);
    }
    if let (Some(x), Some(y)) = (a.weights, b.weights)
        && (x.shape() != y.shape() || x.dtype() != y.dtype())
    {
        return Ok(None);
    }
    Rows::of(a, b, scores, equality)
        .map(Some)
        .map_err(|d| d.help(format!("ids are those of `{}`; --ids and --weights name others", names.0)))
}

/// Which tensors are what a router chose.
struct Pair {
    ids: String,
    weights: Option<String>,
}

impl Pair {
    /// Those that the options name, or else those of the names that presets give them.
    fn of(
        a: &Diff,
        ours: &BTreeMap<String, Place>,
        theirs: &BTreeMap<String, Place>,
    ) -> Result<Option<Pair>, Diagnostic> {
        let both = |name: &str| ours.contains_key(name) && theirs.contains_key(name);
        let find = |given: &Option<String>, what: &str| match given {
            Some(name) if both(name) => Ok(Some(name.clone())),
            Some(name) => {
                let names: Vec<&str> = ours.keys().filter(|n| both(n)).map(String::as_str).collect();
                Err(Diagnostic::new(Code::NoSuchTensor, format!("not both have a tensor `{name}`"))
                    .help(format!("both have {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") })))
            }
            None => Ok([format!("{what}_out"), what.to_owned()].into_iter().find(|name| both(name))),
        };
        let (ids, weights) = (find(&a.ids, "ids")?, find(&a.weights, "weights")?);
        match ids {
            // Ids alone say nothing of ties.
            Some(ids) if weights.is_some() || a.scores.is_some() => Ok(Some(Pair { ids, weights })),
            None if a.scores.is_some() => Err(Diagnostic::new(Code::NoSuchTensor, "the scores are of no ids")
                .help("--ids names the tensor that has them")),
            None if a.weights.is_some() => Err(Diagnostic::new(Code::NoSuchTensor, "the weights are of no ids")
                .help("--ids names the tensor that has them")),
            Some(ids) if a.ids.is_some() => {
                let message = format!("nothing tells which rows of the ids `{ids}` tie");
                Err(Diagnostic::new(Code::NoSuchTensor, message)
                    .help("name their weights by --weights, or give --scores"))
            }
            _ => Ok(None),
        }
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        [&self.ids].into_iter().chain(&self.weights)
    }
}

/// Two tensors of one name.
struct Compared {
    name: String,
    tensors: [Tensor; 2],
    /// `None` if dtype or shape differ.
    difference: Option<Difference>,
}

impl Compared {
    fn differs(&self) -> bool {
        self.difference.as_ref().is_none_or(|d| d.differing > 0)
    }
}

/// Everything that was compared.
#[derive(Default)]
struct Found {
    tensors: Vec<Compared>,
    /// Names that only the one has, and only the other.
    only: [Vec<String>; 2],
    pair: Option<Pair>,
    rows: Option<Rows>,
}

impl Found {
    fn compare(&mut self, name: String, one: Tensor, other: Tensor, equality: Equality) {
        let alike = one.dtype() == other.dtype() && one.shape() == other.shape();
        let difference = alike.then(|| Difference::of(&one, &other, equality));
        self.tensors.push(Compared { name, tensors: [one, other], difference });
    }

    fn count(&self) -> usize {
        self.tensors.len() + self.only.iter().map(Vec::len).sum::<usize>()
    }

    /// How many tensors differ. Those of a router whose rows are the same or tie do not, if ties are allowed.
    fn differing(&self, allow_ties: bool) -> usize {
        let ties = allow_ties && self.rows.as_ref().is_some_and(Rows::are_ties);
        let chosen = |name: &String| self.pair.as_ref().is_none_or(|pair| pair.names().any(|n| n == name));
        let tensors = self.tensors.iter().filter(|c| c.differs() && !(ties && chosen(&c.name))).count();
        tensors + self.only.iter().map(Vec::len).sum::<usize>()
    }

    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let width = self.tensors.iter().map(|c| c.name.chars().count()).max().unwrap_or(0);
        for Compared { name, tensors: [one, other], difference } in &self.tensors {
            let Some(d) = difference else {
                writeln!(out, "{:<width$}  {} and {}", visible(name), shape(one), shape(other))?;
                continue;
            };
            let (name, shape, elements) = (visible(name), shape(one), d.elements);
            match (d.differing, d.excused) {
                (0, 0) => writeln!(out, "{name:<width$}  {shape}: equal, every bit")?,
                (0, n) => writeln!(out, "{name:<width$}  {shape}: equal, {n} of {elements} within the tolerance")?,
                (n, 0) => writeln!(out, "{name:<width$}  {shape}: {n} of {elements} differ")?,
                (n, m) => {
                    writeln!(out, "{name:<width$}  {shape}: {n} of {elements} differ, {m} more within the tolerance")?;
                }
            }
            if let Some(i) = d.first {
                let at = index(i as u64, one.shape());
                writeln!(out, "  first     {at:?}: {} and {}", with_bits(one.get(i)), with_bits(other.get(i)))?;
            }
            if let Some(most) = d.greatest_absolute {
                let ulp = d.greatest_ulp.map_or(String::new(), |ulp| format!(", {ulp} ulp at most"));
                writeln!(out, "  greatest  {most}{ulp}")?;
            }
            let kinds =
                [(d.nan, "NaN in one alone"), (d.nan_bits, "NaN of other bits"), (d.zero_sign, "zero of other sign")];
            for (n, what) in kinds.iter().filter(|k| k.0 > 0) {
                writeln!(out, "  {n} {what}")?;
            }
        }
        for (names, which) in self.only.iter().zip(["first", "second"]) {
            for name in names {
                writeln!(out, "{:<width$}  only in the {which}", visible(name))?;
            }
        }
        if let Some(r) = &self.rows {
            let (ties, s) = (r.ties, if r.ties == 1 { "" } else { "s" });
            write!(out, "rows: {} of {} the same, {ties} tie{s}, ", r.same, r.rows)?;
            write!(out, "{} in another order, {} different", r.reordered, r.different)?;
            writeln!(out, "{}", r.first.map_or(String::new(), |row| format!("; first row {row}")))?;
        }
        Ok(())
    }

    fn machine(&self, allow_ties: bool) -> Value {
        let tensors = self.tensors.iter().map(|Compared { name, tensors: [one, other], difference }| {
            let side = |t: &Tensor| json!({ "dtype": t.dtype().to_string(), "shape": t.shape() });
            let first = difference.as_ref().and_then(|d| d.first).map(|i| {
                let (a, b) = (one.get(i), other.get(i));
                json!({
                    "index": index(i as u64, one.shape()), "a": a.to_string(), "b": b.to_string(),
                    "a_bits": a.bits(), "b_bits": b.bits(),
                })
            });
            let numbers = difference.as_ref().map(|d| {
                json!({
                    "elements": d.elements, "differing": d.differing, "within_tolerance": d.excused, "nan_in_one": d.nan,
                    "nan_bits": d.nan_bits, "zero_sign": d.zero_sign, "greatest_ulp": d.greatest_ulp,
                    // JSON has no infinity.
                    "greatest_absolute": d.greatest_absolute.map(|most| if most.is_finite() { json!(most) } else { json!("inf") }),
                    "first": first,
                })
            });
            json!({ "name": name, "a": side(one), "b": side(other), "difference": numbers })
        });
        let rows = self.rows.as_ref().map(|r| {
            json!({
                "rows": r.rows, "same": r.same, "ties": r.ties, "reordered": r.reordered, "different": r.different,
                "first": r.first,
            })
        });
        json!({
            "equal": self.differing(allow_ties) == 0, "tensors": tensors.collect::<Vec<_>>(), "only_a": self.only[0],
            "only_b": self.only[1], "rows": rows,
        })
    }
}

/// `f32[64, 8]`.
fn shape(tensor: &Tensor) -> String {
    let extents: Vec<String> = tensor.shape().iter().map(u64::to_string).collect();
    format!("{}[{}]", tensor.dtype(), extents.join(", "))
}
