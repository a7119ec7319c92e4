//! The syntax tree to a graph: names become edges, attributes become ops, types that are left out are inferred.
//!
//! What has an error is left out of the graph and its name remembered as *poisoned*: what uses it is left out too, without
//! an error of its own. So the verifier can still look at the rest.

use super::ast::{
    AliasExpr, AliasKind, Attribute, BoundExpr, Broken, DimExpr, File, Line, Name, Operand, Statement, TypeExpr,
};
use super::attributes;
use super::cycle::{self, Forward};
use super::findings::{Findings, excerpt_of, in_statement};
use crate::diag::{Code, Diagnostic, Span};
use crate::dim::{Dim, SymbolId};
use crate::dtype::DType;
use crate::graph::{Alias, Graph, Input, Layout, Node, NodeId, Output, TensorType, check_type};
use crate::infer::{self, Problem};
use crate::op::Op;
use crate::suggest::{MAX_CANDIDATES, did_you_mean, dtype_help, excerpt};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The graph of a file; what was reported is not in it.
pub fn lower(file: &File, source: Option<&str>, findings: &mut Findings) -> Graph {
    let mut lowering = Lowering {
        graph: Graph::new(&file.graph.item.value.value),
        source,
        findings,
        dims: BTreeMap::new(),
        values: BTreeMap::new(),
        inputs: BTreeMap::new(),
        definitions: HashMap::new(),
        constants: HashSet::new(),
        forward: vec![],
        line: 0,
    };
    for (i, line) in file.body.iter().enumerate() {
        if let Some(name) = line.item.value.defined() {
            lowering.definitions.entry(name).or_insert(i);
        }
    }
    for (i, line) in file.body.iter().enumerate() {
        lowering.line = i;
        lowering.statement(line);
    }
    let Lowering { graph, forward, definitions, findings, .. } = lowering;
    cycle::find(file, &definitions, &forward, findings);
    graph
}

/// A name and where it was first declared.
#[derive(Clone, Copy)]
pub(super) struct Declared<T> {
    /// `None` if the declaration has an error.
    item: Option<T>,
    span: Option<Span>,
}

pub(super) struct Lowering<'a, 'r> {
    pub(super) graph: Graph,
    source: Option<&'a str>,
    findings: &'r mut Findings,
    dims: BTreeMap<&'a str, Declared<SymbolId>>,
    pub(super) values: BTreeMap<&'a str, Declared<NodeId>>,
    inputs: BTreeMap<&'a str, Option<usize>>,
    pub(super) definitions: HashMap<&'a str, usize>,
    /// Names of constants that stand as operands.
    pub(super) constants: HashSet<String>,
    forward: Vec<Forward<'a>>,
    line: usize,
}

impl<'a> Lowering<'a, '_> {
    fn statement(&mut self, line: &'a Line<Statement>) {
        let span = line.item.span;
        match &line.item.value {
            Statement::Dim { name, at_least } => self.dim(name, at_least.as_ref(), line),
            Statement::Input { name, ty, layout } => {
                let ty = self.ty(ty, line);
                let fresh = self.is_fresh(name, line);
                let node = ty.filter(|_| fresh).map(|ty| {
                    let position = self.graph.inputs.len();
                    let node = Node { op: Op::Input(position), ty, name: name.value.clone(), span };
                    let node = self.graph.add_node(node, &[]);
                    self.graph.inputs.push(Input { name: name.value.clone(), node, layout: *layout });
                    (node, position)
                });
                self.values.entry(&name.value).or_insert(Declared { item: node.map(|n| n.0), span });
                self.inputs.entry(&name.value).or_insert(node.map(|n| n.1));
            }
            Statement::Node { name, op, operands, attributes, ty } => {
                let node = self.node(name, op, operands, attributes, ty.as_ref(), line);
                self.values.entry(&name.value).or_insert(Declared { item: node, span });
            }
            Statement::Output { name, value, ty, layout, alias } => {
                self.output(name, value, ty.as_ref(), *layout, alias.as_ref(), line);
            }
            Statement::Broken(broken) => match broken {
                Broken::Dim(n) => {
                    self.dims.entry(n).or_insert(Declared { item: None, span });
                }
                Broken::Input(n) => {
                    self.values.entry(n).or_insert(Declared { item: None, span });
                    self.inputs.entry(n).or_insert(None);
                }
                Broken::Node(n) => {
                    self.values.entry(n).or_insert(Declared { item: None, span });
                }
                Broken::Other => {}
            },
        }
    }

    pub(super) fn error(
        &mut self,
        code: Code,
        message: String,
        span: Option<Span>,
        line: &Line<Statement>,
        help: String,
    ) {
        let d = Diagnostic::new(code, message).at(span).help(help);
        self.findings.push(in_statement(d, line));
    }

    /// `on line 3`, where there are lines.
    fn place(&self, span: Option<Span>) -> String {
        match (self.source, span) {
            (Some(source), Some(span)) => {
                let line = source.as_bytes()[..span.start.min(source.len())].iter().filter(|b| **b == b'\n').count();
                format!(" on line {}", line + 1)
            }
            _ => String::new(),
        }
    }

    fn dim(&mut self, name: &'a Name, at_least: Option<&'a BoundExpr>, line: &Line<Statement>) {
        if let Some(first) = self.dims.get(name.value.as_str()) {
            let place = self.place(first.span);
            let message = format!("the dim `{}` is declared twice", excerpt(&name.value));
            self.error(Code::DuplicateName, message, name.span, line, format!("it is first declared{place}"));
            return;
        }
        let id = SymbolId(self.graph.symbols.len() as u32);
        self.graph.symbols.push(name.value.clone());
        self.dims.insert(&name.value, Declared { item: Some(id), span: line.item.span });
        if let Some(bound) = at_least {
            self.bound(name, id, bound, line);
        }
    }

    /// The dim of this name, where it is declared; within, `None` if its declaration has an error.
    pub(super) fn dim_of(&self, name: &str) -> Option<Option<SymbolId>> {
        self.dims.get(name).map(|declared| declared.item)
    }

    pub(super) fn known_dims(&self) -> Vec<&'a str> {
        self.dims.keys().copied().collect()
    }

    /// Reports a value's name that is taken.
    fn is_fresh(&mut self, name: &'a Name, line: &Line<Statement>) -> bool {
        let Some(first) = self.values.get(name.value.as_str()) else { return true };
        let place = self.place(first.span);
        let message = format!("two values have the name `%{}`", excerpt(&name.value));
        self.error(Code::DuplicateName, message, name.span, line, format!("the first is defined{place}"));
        false
    }

    fn ty(&mut self, ty: &'a TypeExpr, line: &Line<Statement>) -> Option<TensorType> {
        let dtype = DType::from_name(&ty.dtype.value);
        if dtype.is_none() {
            let message = format!("unknown dtype `{}`", excerpt(&ty.dtype.value));
            self.error(Code::UnknownDType, message, ty.dtype.span, line, dtype_help(&ty.dtype.value));
        }
        let shape = self.shape(&ty.shape, line);
        let ty = TensorType { dtype: dtype?, shape: shape? };
        match check_type(&ty, self.graph.symbols.len()) {
            Ok(()) => Some(ty),
            Err(problem) => {
                self.problem(problem, line);
                None
            }
        }
    }

    fn shape(&mut self, dims: &'a [DimExpr], line: &Line<Statement>) -> Option<Vec<Dim>> {
        let mut shape = vec![];
        for dim in dims {
            match dim {
                DimExpr::Extent(n) => shape.push(Dim::Const(*n)),
                DimExpr::Symbol(name) => match self.dims.get(name.value.as_str()) {
                    Some(declared) => shape.extend(declared.item.map(Dim::Sym)),
                    None => {
                        let message = format!("the dim `{}` is not declared", excerpt(&name.value));
                        let known: Vec<&str> = self.dims.keys().copied().collect();
                        let help = did_you_mean(&name.value, known, || {
                            format!("declare it by `dim {}` above", excerpt(&name.value))
                        });
                        self.error(Code::UndefinedDim, message, name.span, line, help);
                    }
                },
            }
        }
        (shape.len() == dims.len()).then_some(shape)
    }

    fn problem(&mut self, problem: Problem, line: &Line<Statement>) {
        let mut d = Diagnostic::new(problem.code, problem.message).at(line.item.span);
        d.help = problem.help;
        d.context = Some(excerpt_of(line));
        self.findings.push(d);
    }

    /// The value of a name; `None` if it has none, which is reported here or was reported at its definition.
    pub(super) fn value(&mut self, name: &'a Name, line: &Line<Statement>) -> Option<NodeId> {
        if let Some(declared) = self.values.get(name.value.as_str()) {
            return declared.item;
        }
        if let Some(&definition) = self.definitions.get(name.value.as_str()) {
            self.forward.push(Forward { user: self.line, definition, name });
            return None;
        }
        let message = format!("the value `%{}` is not defined", excerpt(&name.value));
        let known: Vec<String> = self.values.keys().take(MAX_CANDIDATES).map(|n| format!("%{n}")).collect();
        let help = did_you_mean(&format!("%{}", name.value), known.iter().map(String::as_str), || {
            "define it above, as an `input` or by an operation".to_owned()
        });
        self.error(Code::UndefinedValue, message, name.span, line, help);
        None
    }

    fn node(
        &mut self,
        name: &'a Name,
        op: &'a Name,
        operands: &'a [Operand],
        attributes: &'a [Attribute],
        ty: Option<&'a TypeExpr>,
        line: &'a Line<Statement>,
    ) -> Option<NodeId> {
        let values = self.operands(name, op, operands, line);
        let declared = ty.map(|ty| self.ty(ty, line));
        let first = values.first().map(|v| v.map(|v| self.graph.node(v).ty.dtype));
        let values: Option<Vec<NodeId>> = values.into_iter().collect();
        let before = self.findings.count();
        let mut shapes = HashMap::new();
        for (i, a) in attributes.iter().enumerate() {
            if let super::ast::ValueExpr::Shape(dims) = &a.value.value {
                shapes.insert(i, self.shape(dims, line));
            }
        }
        let poisoned_shape = shapes.values().any(Option::is_none);
        let op = attributes::op(op, attributes, first, |i| shapes.remove(&i).flatten(), line, self.findings);
        let fresh = self.is_fresh(name, line);
        if poisoned_shape || self.findings.count() > before || !fresh {
            return None;
        }
        let (op, values) = (op?, values?);
        let ty = match declared {
            Some(ty) => ty?,
            None => {
                let types: Vec<TensorType> = values.iter().map(|v| self.graph.node(*v).ty.clone()).collect();
                let inferred = infer::infer(&op, &types, &self.graph.symbols);
                let checked = inferred.and_then(|ty| check_type(&ty, self.graph.symbols.len()).map(|()| ty));
                match checked {
                    Ok(ty) => ty,
                    Err(problem) => {
                        self.problem(problem, line);
                        return None;
                    }
                }
            }
        };
        Some(self.graph.add_node(Node { op, ty, name: name.value.clone(), span: line.item.span }, &values))
    }

    fn output(
        &mut self,
        name: &'a Name,
        value: &'a Name,
        ty: Option<&'a TypeExpr>,
        layout: Layout,
        alias: Option<&'a AliasExpr>,
        line: &'a Line<Statement>,
    ) {
        let node = self.value(value, line);
        let declared = ty.map(|ty| self.ty(ty, line));
        let alias = match alias {
            None => Some(Alias::None),
            Some(alias) => self.alias(alias, line),
        };
        let (Some(node), Some(alias)) = (node, alias) else { return };
        match declared {
            Some(None) => return,
            Some(Some(ty)) if ty != self.graph.node(node).ty => {
                let symbols = &self.graph.symbols;
                let (is, value) = (self.graph.node(node).ty.text(symbols), excerpt(&value.value));
                let name = excerpt(&name.value);
                let message = format!("output `{name}` is declared as {} but `%{value}` is {is}", ty.text(symbols));
                let help = format!("write `: {is}`, or leave the type out");
                self.error(Code::DeclaredTypeMismatch, message, line.item.span, line, help);
                return;
            }
            _ => {}
        }
        self.graph.outputs.push(Output { name: name.value.clone(), node, layout, alias, span: line.item.span });
    }

    fn alias(&mut self, alias: &'a AliasExpr, line: &Line<Statement>) -> Option<Alias> {
        let Some(input) = self.inputs.get(alias.input.value.as_str()) else {
            let name = excerpt(&alias.input.value);
            let message = format!("`{}` names `{name}`, which is no input", alias.kind.word());
            let known: Vec<&str> = self.inputs.keys().copied().collect();
            let help =
                did_you_mean(&alias.input.value, known, || "only a declared input has memory to share".to_owned());
            self.error(Code::UndefinedInput, message, alias.input.span, line, help);
            return None;
        };
        input.map(match alias.kind {
            AliasKind::InPlace => Alias::InPlace,
            AliasKind::Donates => Alias::Donates,
            AliasKind::Guarded => Alias::Guarded,
        })
    }
}
