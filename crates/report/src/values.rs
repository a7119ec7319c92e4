//! The values of the graph as it was written, and what became of each.

use crate::lines::insert;
use crate::model::{Gone, Launches, Place, Value};
use crate::origin::Origin;
use routefuse::diag::visible;
use routefuse::inspect::{Became, Fate, History, Lowering, Report};
use routefuse::ir::Schedule;
use routefuse::ir::ValueKind;
use routefuse::ir::op::Op;
use routefuse::{Graph, text};

pub(crate) fn values(
    lowering: &Lowering,
    report: &Report,
    history: &History,
    launches: &Launches,
    origin: &Origin<'_>,
) -> Vec<Value> {
    let graph = lowering.graph();
    let places = places(lowering, origin);
    let statements = statements(graph);
    let ranges = lowering.ranges();
    let value = |(id, node): (usize, &routefuse::ir::Node)| {
        let bytes = node.ty.row_elements().unwrap_or(0).saturating_mul(node.ty.dtype.size());
        let rows = node.ty.row_symbol().map(|s| visible(&graph.symbols[s.0 as usize]).into_owned());
        let (row_bytes, once_bytes) = if rows.is_some() { (bytes, 0) } else { (0, bytes) };
        let fate = history.fates[id]
            .as_ref()
            .filter(|fate| places[id] == Place::Nowhere || matches!(fate.became, Became::Constant(_)));
        Value {
            id,
            name: format!("%{}", visible(&node.name)),
            r#type: visible(&node.ty.text(&graph.symbols)).into_owned(),
            op: node.op.mnemonic().to_owned(),
            text: statements[id].clone(),
            range: ranges[id].map(|[low, high]| format!("[{low}, {high}]")),
            place: places[id],
            kernel: launches.after.iter().position(|l| l.values.contains(&id)),
            rows,
            row_bytes,
            once_bytes,
            gone: fate.map(|fate| gone(fate, id, origin)),
            note: note(&node.name, places[id], fate, report),
        }
    };
    graph.nodes().enumerate().map(value).collect()
}

/// The line of each value in the graph's text, without what stands around it.
fn statements(graph: &Graph) -> Vec<String> {
    let printed = text::print(graph);
    let mut statements = vec![String::new(); graph.node_count()];
    let names = Origin::of(graph);
    // What was printed parses.
    if let Ok(parsed) = text::parse(&printed) {
        for node in parsed.nodes() {
            if let (Some(span), Some(id)) = (node.span, names.find(&node.name)) {
                statements[id] = printed.get(span.start..span.end).unwrap_or_default().trim().to_owned();
            }
        }
    }
    statements
}

/// Where each value is: memory wins over registers, and what is kept over what is not.
fn places(lowering: &Lowering, origin: &Origin<'_>) -> Vec<Place> {
    let graph = lowering.graph();
    let names: Vec<&str> = graph.nodes().map(|node| node.name.as_str()).collect();
    let mut places: Vec<Place> = vec![Place::Nowhere; names.len()];
    for (scheduled, named) in lowering.kernels().iter().zip(lowering.values()) {
        let kernel = &scheduled.kernel;
        let flat = matches!(scheduled.schedule, Schedule::Flat { .. });
        let held = scheduled.schedule.held();
        let place: Vec<Place> = kernel
            .values()
            .map(|(id, value)| match value.kind {
                ValueKind::Const(_) => Place::Code,
                _ if flat || value.kind.is_row_value() || held.contains(&id) => Place::Registers,
                _ => Place::Recomputed,
            })
            .collect();
        // A value of the graph is where the kernel's value is that it is; others of its name are steps on the way to it.
        for (name, value) in named {
            if let Some(id) = origin.find(name).filter(|id| names[*id] == name) {
                places[id] = place[value as usize];
            }
        }
    }
    // What only has parts in kernels is computed there, too.
    for (scheduled, operations) in lowering.kernels().iter().zip(lowering.operations()) {
        let flat = matches!(scheduled.schedule, Schedule::Flat { .. });
        for id in operations.iter().filter_map(|name| origin.find(name)) {
            if places[id] == Place::Nowhere {
                places[id] = if flat { Place::Registers } else { Place::Recomputed };
            }
        }
    }
    for (place, node) in places.iter_mut().zip(graph.nodes()) {
        if matches!(node.op, Op::Const(_)) {
            *place = Place::Code;
        }
    }
    for intermediate in &lowering.program().intermediates {
        if let Some(id) = origin.find(&intermediate.name) {
            places[id] = Place::Memory;
        }
    }
    for output in &graph.outputs {
        if let Some(id) = origin.find(&graph.node(output.node).name) {
            places[id] = Place::Output;
        }
    }
    for input in &graph.inputs {
        if let Some(id) = origin.find(&graph.node(input.node).name) {
            places[id] = Place::Input;
        }
    }
    places
}

/// What became of a value, as values of the graph as it was written and in words.
fn gone(Fate { pass, became, .. }: &Fate, id: usize, origin: &Origin<'_>) -> Gone {
    let (constant, names): (_, &[String]) = match became {
        Became::Constant(literal) => (Some(visible(literal).into_owned()), &[]),
        Became::Value(name) => (None, std::slice::from_ref(name)),
        Became::Part(names) => (None, names),
        _ => (None, &[]),
    };
    let mut into = Vec::new();
    names.iter().filter_map(|name| origin.find(name)).filter(|to| *to != id).for_each(|to| insert(&mut into, to));
    let shown = names.iter().map(|name| format!("%{}", visible(name))).collect::<Vec<_>>().join(", ");
    let why = match (became, &constant) {
        (_, Some(literal)) => format!("`{pass}` found that it is {literal}, whatever the inputs are"),
        (Became::Value(_), _) => format!("since `{pass}`, what used it uses {shown}"),
        (Became::Part(_), _) => format!("`{pass}` made it a part of {shown}"),
        _ => format!("`{pass}` dropped it: nothing uses it"),
    };
    Gone { pass: (*pass).to_owned(), constant, into, why }
}

fn note(name: &str, place: Place, fate: Option<&Fate>, report: &Report) -> String {
    let mut notes = Vec::new();
    if let Some(gather) = report.gathers.iter().find(|g| g.gather == name) {
        let (is, why) = (if gather.proved { "proved in range" } else { "checked at run time" }, gather.why.join("; "));
        notes.push(format!("indices {is}: {why}"));
    }
    if place == Place::Nowhere && fate.is_none() {
        notes.push("no operation of the kernels computes it".to_owned());
    }
    visible(&notes.join("; ")).into_owned()
}
