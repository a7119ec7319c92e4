//! The verifier of graphs.

use super::{Graph, Layout, NodeId, TensorType, alias};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::dim::{Dim, SymbolId};
use crate::infer;
use crate::op::Op;
use crate::verify::{MAX_RANK, Verified};
use crate::visible::visible;
use std::collections::{HashMap, HashSet};

impl Graph {
    /// Checks every rule of the graph level.
    ///
    /// # Errors
    /// All that is wrong, in order of place.
    pub fn verify(self) -> Result<Verified<Graph>, Diagnostics> {
        self.check().into_result(()).map(|()| Verified::new_unchecked(self))
    }

    /// What [`Graph::verify`] reports, without consuming the graph.
    pub fn check(&self) -> Diagnostics {
        let mut d = Diagnostics::default();
        self.check_names(&mut d);
        match self.topological() {
            Err(cycle) => {
                let names: Vec<String> = cycle.iter().map(|n| format!("%{}", self.node(*n).name)).collect();
                let first = self.node(cycle[0]);
                d.push(
                    Diagnostic::new(Code::Cycle, format!("these values depend on themselves: {}", names.join(", ")))
                        .at(first.span)
                        .help("an operation may only use values that are defined before it"),
                );
            }
            Ok(order) => {
                for id in order {
                    self.check_node(id, &mut d);
                }
            }
        }
        self.check_bounds(&mut d);
        self.check_outputs(&mut d);
        if d.is_empty() {
            self.check_extents(&mut d);
            alias::check(self, &mut d);
            alias::check_atomics(self, &mut d);
            self.check_starts(&mut d);
        }
        d
    }

    /// Every dim that an output depends on is one of an argument, which gives its extent.
    fn check_extents(&self, d: &mut Diagnostics) {
        let arguments = self.inputs.iter().map(|i| i.node).chain(self.outputs.iter().map(|o| o.node));
        let mut given: HashSet<Dim> = arguments.filter_map(|id| self.node(id).ty.shape.first().copied()).collect();
        let mut seen = HashSet::new();
        let mut left: Vec<NodeId> = self.outputs.iter().rev().map(|o| o.node).collect();
        while let Some(id) = left.pop() {
            if !seen.insert(id) {
                continue;
            }
            left.extend(self.operands(id));
            let node = self.node(id);
            let shape = match &node.op {
                Op::Rows { shape, .. } => shape,
                _ => &node.ty.shape,
            };
            let Some(symbol) = shape.first().and_then(|dim| dim.as_sym()) else { continue };
            // Each is reported once.
            if given.insert(Dim::Sym(symbol)) {
                let dim = visible(&self.symbols[symbol.0 as usize]);
                let message = format!("no input and no output has the dim `{dim}`, so no argument gives its extent");
                let help = format!("give an input of shape `[{dim}]` or `[{dim}, …]`, or take the rows of one");
                d.push(Diagnostic::new(Code::NoExtent, message).at(node.span).within(self.node_text(id)).help(help));
            }
        }
    }

    /// What lays out bins has its starts from `bin_starts`: such never fall, so that no two items have one place.
    fn check_starts(&self, d: &mut Diagnostics) {
        for id in self.node_ids() {
            let starts = match self.node(id).op {
                Op::BinScatter { .. } => self.operands(id)[2],
                Op::BinOf { .. } => self.operands(id)[0],
                _ => continue,
            };
            if matches!(self.node(starts).op, Op::BinStarts { .. }) {
                continue;
            }
            let (node, name) = (self.node(id), visible(&self.node(starts).name));
            let message = format!("`%{}` lays out bins by `%{name}`, which is no `bin_starts`", visible(&node.name));
            let help =
                "give it the result of `bin_starts`: other starts could fall, and two items would have one place";
            d.push(Diagnostic::new(Code::StartsOfNoBins, message).at(node.span).within(self.node_text(id)).help(help));
        }
    }

    fn check_names(&self, d: &mut Diagnostics) {
        let mut values: HashMap<&str, ()> = HashMap::new();
        for id in self.nodes.node_indices() {
            let node = &self.nodes[id];
            if values.insert(&node.name, ()).is_some() {
                d.push(
                    Diagnostic::new(Code::DuplicateName, format!("two values have the name `%{}`", node.name))
                        .at(node.span)
                        .help("every value has a name of its own"),
                );
            }
        }
        let mut symbols: HashMap<&str, ()> = HashMap::new();
        for s in &self.symbols {
            if symbols.insert(s, ()).is_some() {
                d.push(Diagnostic::new(Code::DuplicateName, format!("the dim `{s}` is declared twice")));
            }
        }
        let inputs: HashSet<&str> = self.inputs.iter().map(|i| i.name.as_str()).collect();
        let mut outputs: HashMap<&str, ()> = HashMap::new();
        for o in &self.outputs {
            if outputs.insert(&o.name, ()).is_some() {
                let message = format!("two outputs have the name `{}`", o.name);
                d.push(Diagnostic::new(Code::DuplicateName, message).at(o.span));
            }
            if inputs.contains(o.name.as_str()) {
                let message = format!("`{}` is the name of an input and of an output", o.name);
                let help =
                    "arguments are bound by name; an output in the input's memory has an alias, as in `in_place(x)`";
                d.push(Diagnostic::new(Code::DuplicateName, message).at(o.span).help(help));
            }
        }
    }

    /// A bound is of a dim of its own, by another whose extent an argument gives, and which has none itself.
    fn check_bounds(&self, d: &mut Diagnostics) {
        let arguments = || self.inputs.iter().map(|i| i.node).chain(self.outputs.iter().map(|o| o.node));
        let is_given = |s| arguments().any(|id| self.node(id).ty.shape.first() == Some(&Dim::Sym(s)));
        let name = |s: SymbolId| {
            self.symbols.get(s.0 as usize).map_or_else(|| format!("s{}", s.0), |n| visible(n).into_owned())
        };
        for (i, bound) in self.bounds.iter().enumerate() {
            let symbol = bound.symbol();
            let mut refuse = |code, message: String, help: String| d.push(Diagnostic::new(code, message).help(help));
            let of = bound.of();
            if let Some(s) = of.into_iter().chain([symbol]).find(|s| s.0 as usize >= self.symbols.len()) {
                let help = "declare it before it is bounded".to_owned();
                refuse(Code::UndefinedDim, format!("a bound names the dim `{}`, which is not declared", name(s)), help);
                continue;
            }
            if self.bounds[..i].iter().any(|other| other.symbol() == symbol) {
                refuse(
                    Code::BadBound,
                    format!("the dim `{}` is bounded twice", name(symbol)),
                    "take a minimum".to_owned(),
                );
            }
            let Some(of) = of else { continue };
            if of.0 >= symbol.0 {
                let message =
                    format!("the dim `{}` is bounded by `{}`, which is not declared before it", name(symbol), name(of));
                refuse(Code::BadBound, message, "declare the dim of the rows first".to_owned());
            } else if self.bounds.iter().any(|other| other.symbol() == of) {
                let message =
                    format!("the dim `{}` is bounded by `{}`, which has a bound itself", name(symbol), name(of));
                refuse(Code::BadBound, message, "bound both by the dim of the rows".to_owned());
            } else if is_given(symbol) && !is_given(of) {
                let message = format!(
                    "the dim `{}` is bounded by `{}`, of which no argument gives the extent",
                    name(symbol),
                    name(of)
                );
                refuse(
                    Code::NoExtent,
                    message,
                    format!("give an input or an output of shape `[{0}]` or `[{0}, …]`", name(of)),
                );
            }
        }
    }

    fn check_node(&self, id: NodeId, d: &mut Diagnostics) {
        let node = self.node(id);
        let report = |p: infer::Problem| {
            let mut diagnostic = Diagnostic::new(p.code, p.message).at(node.span).within(self.node_text(id));
            diagnostic.help = p.help;
            diagnostic
        };
        if let Err(p) = check_type(&node.ty, self.symbols.len()) {
            d.push(report(p));
            return;
        }
        if let Op::Input(_) = node.op {
            return;
        }
        let operands: Vec<TensorType> = self.operands(id).iter().map(|o| self.node(*o).ty.clone()).collect();
        match infer::infer(&node.op, &operands, &self.symbols) {
            Err(p) => d.push(report(p)),
            Ok(ty) if ty != node.ty => d.push(report(infer::Problem {
                code: Code::DeclaredTypeMismatch,
                message: format!(
                    "`%{}` is declared as {} but `{}` gives {}",
                    node.name,
                    node.ty.text(&self.symbols),
                    node.op.mnemonic(),
                    ty.text(&self.symbols)
                ),
                help: Some(format!("write `: {}`, or leave the type out", ty.text(&self.symbols))),
            })),
            Ok(ty) => {
                // The shape of `rows` is that of no value.
                let counted = match &node.op {
                    Op::Rows { dtype, shape } => TensorType::new(*dtype, shape.clone()),
                    _ => ty,
                };
                if let Err(p) = check_type(&counted, self.symbols.len()) {
                    d.push(report(p));
                }
            }
        }
    }

    fn check_outputs(&self, d: &mut Diagnostics) {
        if self.outputs.is_empty() {
            d.push(
                Diagnostic::new(Code::NoOutputs, format!("the graph `@{}` has no output", self.name))
                    .help("end it with at least one `output name = %value`"),
            );
        }
        for i in &self.inputs {
            let node = self.node(i.node);
            if i.layout == Layout::Rows && node.ty.shape.is_empty() {
                let message = format!("the input `{}` is a scalar and has no rows to stride over", i.name);
                d.push(Diagnostic::new(Code::RankMismatch, message).at(node.span).help("leave out `rows`"));
            }
        }
        for o in &self.outputs {
            if o.layout == Layout::Rows && self.node(o.node).ty.shape.is_empty() {
                let message = format!("the output `{}` is a scalar and has no rows to stride over", o.name);
                d.push(Diagnostic::new(Code::RankMismatch, message).at(o.span).help("leave out `rows`"));
            }
        }
    }

    /// One operation as text, for messages: `%y = gather %map, %ids`.
    pub fn node_text(&self, id: NodeId) -> String {
        let node = self.node(id);
        let operands: Vec<String> =
            self.operands(id).iter().map(|o| format!("%{}", visible(&self.node(*o).name))).collect();
        let text = format!("%{} = {} {}", visible(&node.name), node.op.mnemonic(), operands.join(", "));
        text.trim_end().to_owned()
    }
}

/// The rules for a type alone: rank, symbols that exist and lead, a size that fits.
pub(crate) fn check_type(ty: &TensorType, symbols: usize) -> Result<(), infer::Problem> {
    let problem =
        |code, message: String, help: &str| Err(infer::Problem { code, message, help: Some(help.to_owned()) });
    if ty.shape.len() > MAX_RANK {
        let message = format!("a tensor of rank {} (the highest is {MAX_RANK})", ty.shape.len());
        return problem(Code::RankMismatch, message, "merge dims by `reshape`");
    }
    if ty.shape.iter().skip(1).any(|d| matches!(d, Dim::Sym(_))) {
        let message = "only the leading dim may be symbolic".to_owned();
        return problem(
            Code::SymbolNotLeading,
            message,
            "make the inner dims constants, or move the rows to the front",
        );
    }
    if ty.shape.iter().any(|d| d.as_sym().is_some_and(|s| s.0 as usize >= symbols)) {
        return problem(
            Code::UndefinedDim,
            "the shape names a dim that is not declared".to_owned(),
            "declare it by `dim`",
        );
    }
    match ty.row_elements().and_then(|n| n.checked_mul(ty.dtype.size())) {
        Some(n) if n <= i64::MAX as u64 => Ok(()),
        _ => problem(
            Code::ExtentOverflow,
            "the bytes of one row do not fit 63 bits".to_owned(),
            "the constant dims are too large",
        ),
    }
}
