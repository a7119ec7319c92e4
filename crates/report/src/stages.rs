//! The texts before machine code.

use crate::difference::difference;
use crate::lines;
use crate::model::{Group, Stage};
use crate::origin::Origin;
use routefuse::diag::visible;
use routefuse::inspect::{History, Lowering, kernel_text};

/// A stage of a text alone.
pub(crate) fn plain(id: &str, title: String, group: Group, text: String, lines: Vec<Vec<usize>>) -> Stage {
    Stage {
        id: id.to_owned(),
        title,
        group,
        kernel: None,
        variant: None,
        text,
        lines,
        diff: None,
        marks: vec![],
        live: None,
        counts: vec![],
        loops: vec![],
    }
}

/// The graph, what the passes made of it, the program and its kernels.
pub(crate) fn stages(lowering: &Lowering, history: &History, origin: &Origin<'_>) -> Vec<Stage> {
    let texts = lowering.stages();
    let graph =
        plain("graph", "graph".to_owned(), Group::Graph, texts.graph.clone(), lines::of_graph(&texts.graph, origin));
    let mut all = vec![graph];
    for (number, after) in history.passes.iter().enumerate() {
        let (id, title) = (format!("pass{number}"), format!("after {}", after.pass));
        let lines = lines::of_graph(&after.text, origin);
        follow(&mut all, plain(&id, title, Group::Passes, after.text.clone(), lines));
    }
    let lines = lines::of_graph(&texts.canonical, origin);
    let mut canonical = plain("canonical", "canonical".to_owned(), Group::Passes, texts.canonical.clone(), lines);
    canonical.diff = difference("graph", &texts.graph, &texts.canonical);
    let mut fused = plain("fused", "program".to_owned(), Group::Kernel, texts.fused.clone(), lines::none(&texts.fused));
    program_lines(lowering, origin, &mut fused.lines);
    all.extend([canonical, fused]);
    for (i, (kernel, named)) in lowering.kernels().iter().zip(lowering.values()).enumerate() {
        let text = kernel_text(kernel);
        let lines = lines::of_kernel(&kernel.kernel, &named, &text, origin);
        let title = format!("kernel {}", visible(&kernel.kernel.name));
        all.push(Stage { kernel: Some(i), ..plain(&format!("kernel{i}"), title, Group::Kernel, text, lines) });
    }
    all
}

/// Adds a stage that was made from the last one.
fn follow(all: &mut Vec<Stage>, mut stage: Stage) {
    if let Some(last) = all.last() {
        stage.diff = difference(&last.id, &last.text, &stage.text);
    }
    all.push(stage);
}

/// The program's text: a head, ports, workspace and runs, and behind it each kernel after an empty line.
fn program_lines(lowering: &Lowering, origin: &Origin<'_>, lines: &mut [Vec<usize>]) {
    let (program, graph) = (lowering.program(), lowering.graph());
    let find = |name: &str| origin.find(name).into_iter().collect::<Vec<_>>();
    let outputs = graph.outputs.iter().map(|o| find(&graph.node(o.node).name));
    let ports = program.inputs.iter().map(|p| find(&p.name)).chain(outputs);
    let workspace = program.intermediates.iter().map(|i| find(&i.name));
    let error_word = program.has_trap.then(Vec::new);
    let mut at = 1;
    for values in ports.chain(error_word).chain(workspace) {
        if let Some(line) = lines.get_mut(at) {
            *line = values;
        }
        at += 1;
    }
    at += program.steps.len() + 1;
    for (step, named) in program.steps.iter().zip(lowering.values()) {
        let text = step.kernel.to_string();
        let of_kernel = lines::of_kernel(&step.kernel, &named, &text, origin);
        for (line, values) in lines.iter_mut().skip(at + 1).zip(&of_kernel) {
            line.clone_from(values);
        }
        at += 1 + of_kernel.len();
    }
}
