//! No more than a page can hold: what is too much is left out, and the document says so, with the command that shows it.

use crate::model::{Document, Group, LeftOut, Stage};
use crate::{drawing, page};
use serde::Serialize;
use std::collections::BTreeMap;

/// The largest page, in bytes.
pub const MOST_BYTES: usize = 2 << 20;

/// What can be left out, in the order in which it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Code of variants but the first of each kernel: this form of this variant.
    OfVariant(Form, String),
    /// Code of the first variants, but machine code.
    Code(Form),
    /// What passes made.
    Passes,
    /// Machine code of the first variants.
    MachineCode,
    /// What keys are made of.
    Keys,
    /// The program, which is the kernels' texts again.
    Program,
    /// The kernels.
    Kernels,
    /// How kernels meet lanes.
    Schedules,
    /// The graph as it was read, which is the source again.
    Graph,
    /// The drawing.
    Drawing,
}

/// A form of code, as `dump` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Llvm,
    Mlir,
    Asm,
}

impl Form {
    fn of(stage: &Stage) -> Form {
        match stage.id.rsplit('.').next() {
            Some("llvm") => Form::Llvm,
            Some("mlir") => Form::Mlir,
            _ => Form::Asm,
        }
    }

    fn stage(self) -> &'static str {
        match self {
            Form::Llvm => "llvm",
            Form::Mlir => "mlir",
            Form::Asm => "asm",
        }
    }
}

/// What of a part was left out.
#[derive(Default)]
struct Gone {
    titles: Vec<String>,
    lines: usize,
}

impl Document {
    /// The document without as much as makes its JSON longer than this, in this order: the code of variants but the first of each
    /// kernel; of the first the LLVM IR, then the MLIR; what passes made; machine code; what keys are made of; the program, the
    /// kernels and their schedules; the graph as it was read; the drawing. Of several of a kind, the last go first. Each is said
    /// in [`Document::left_out`], with the command that shows it.
    #[must_use]
    pub fn fitted(&self, most: usize) -> Document {
        let mut document = self.clone();
        // What is said of what is gone takes some, too.
        let most = most.saturating_sub(4096);
        let mut length = length_of(&document);
        let mut gone: BTreeMap<Part, Gone> = BTreeMap::new();
        let mut ranks: Vec<(Part, usize)> = document
            .stages
            .iter()
            .enumerate()
            .filter_map(|(at, s)| Some((document.part(s)?, usize::MAX - at)))
            .collect();
        ranks.extend([(Part::Keys, 0), (Part::Schedules, 0), (Part::Drawing, 0)]);
        ranks.sort();
        let mut without = vec![false; document.stages.len()];
        for (part, at) in ranks {
            if length <= most {
                break;
            }
            let (shorter, title, lines) = match part {
                Part::Keys => (document.without_keys(), "what keys are made of", 0),
                Part::Schedules => (document.without_schedules(), "how kernels meet lanes", 0),
                Part::Drawing => (document.without_drawing(), "the drawing of the graph", 0),
                _ => {
                    let at = usize::MAX - at;
                    without[at] = true;
                    let stage = &document.stages[at];
                    (length_of(stage) + 1, &*stage.title, stage.text.lines().count())
                }
            };
            if shorter == 0 {
                continue;
            }
            length = length.saturating_sub(shorter);
            let gone = gone.entry(part).or_default();
            gone.titles.push(title.to_owned());
            gone.lines += lines;
        }
        let ids: Vec<String> =
            document.stages.iter().zip(&without).filter(|(_, gone)| **gone).map(|(s, _)| s.id.clone()).collect();
        let mut kept = without.into_iter().map(|gone| !gone);
        document.stages.retain(|_| kept.next().unwrap_or(true));
        for stage in &mut document.stages {
            stage.diff = stage.diff.take().filter(|d| !ids.contains(&d.from));
        }
        let said: Vec<LeftOut> = gone.into_iter().map(|(part, gone)| document.said(&part, gone)).collect();
        document.left_out.extend(said);
        document
    }

    /// The part that a stage is of; `None` if it always stays.
    fn part(&self, stage: &Stage) -> Option<Part> {
        let form = Form::of(stage);
        match stage.group {
            Group::Code => {
                let first = self.stages.iter().find(|s| s.group == Group::Code && s.kernel == stage.kernel);
                let variant = stage.variant.clone().unwrap_or_default();
                let is_first = first.is_some_and(|s| s.variant == stage.variant);
                Some(match (is_first, form) {
                    (false, form) => Part::OfVariant(form, variant),
                    (true, Form::Asm) => Part::MachineCode,
                    (true, form) => Part::Code(form),
                })
            }
            Group::Passes => Some(Part::Passes),
            Group::Kernel if stage.kernel.is_none() => Some(Part::Program),
            Group::Kernel => Some(Part::Kernels),
            Group::Graph => Some(Part::Graph),
        }
    }

    /// Without what keys are made of; the bytes that this is shorter.
    fn without_keys(&mut self) -> usize {
        let texts = self.numbers.keys.iter_mut().map(|key| std::mem::take(&mut key.text));
        texts.map(|text| length_of(&text) - 2).sum()
    }

    fn without_schedules(&mut self) -> usize {
        let schedules = std::mem::take(&mut self.schedules);
        if schedules.is_empty() { 0 } else { length_of(&schedules) - 2 }
    }

    fn without_drawing(&mut self) -> usize {
        let Some(drawings) = self.graph.as_ref().filter(|g| !g.after.boxes.is_empty()) else { return 0 };
        let (before, none) = (length_of(drawings), drawing::none("The drawing would make the page too large."));
        let after = length_of(&none);
        self.graph = Some(none);
        before.saturating_sub(after)
    }

    /// The sentence of what is gone of a part, and the command.
    fn said(&self, part: &Part, gone: Gone) -> LeftOut {
        let Gone { titles, lines } = gone;
        let what = match (&titles[..], part) {
            ([one], _) if lines > 0 => format!("{one}: {lines} lines"),
            ([one], _) => one.clone(),
            (many, part) => format!("{}: {} texts, {lines} lines", part.plural(&self.target), many.len()),
        };
        let what = format!("{what}, with which the page would be too large");
        let (graph, target) = (&self.graph_words, &self.target);
        let stage = |stage: &str| format!("routefuse dump {graph} --target {target} --stage {stage}");
        let command = match part {
            Part::OfVariant(form, variant) => format!("{} --variant {variant}", stage(form.stage())),
            Part::Code(form) => stage(form.stage()),
            Part::MachineCode => stage("asm"),
            Part::Passes => format!("routefuse dump {graph} --diff graph,canonical"),
            Part::Keys => format!("routefuse explain {graph} --target {target} --key"),
            Part::Program => stage("fused"),
            Part::Kernels => stage("kernel"),
            Part::Schedules => format!("routefuse explain {graph} --target {target}"),
            Part::Graph => stage("graph"),
            Part::Drawing => format!("routefuse dump {graph} --stage svg"),
        };
        LeftOut { what, command: Some(command) }
    }
}

impl Part {
    /// What several of it are called.
    fn plural(&self, target: &str) -> String {
        let form = |form: &Form| match form {
            Form::Llvm => "LLVM IR".to_owned(),
            Form::Mlir => "MLIR".to_owned(),
            Form::Asm => format!("machine code for {target}"),
        };
        match self {
            Part::OfVariant(of, variant) => format!("{} of the variant {variant}", form(of)),
            Part::Code(of) => form(of),
            Part::Passes => "the graph after passes".to_owned(),
            Part::MachineCode => form(&Form::Asm),
            Part::Kernels => "kernels".to_owned(),
            Part::Keys | Part::Program | Part::Schedules | Part::Graph | Part::Drawing => String::new(),
        }
    }
}

/// The bytes of a part in the page.
fn length_of(part: &impl Serialize) -> usize {
    page::inert_json(part).len()
}
