//! Machine code: what every variant of every kernel becomes, with its lines marked and linked to the graph's values.

mod aarch64;
mod counts;
mod flow;
mod instruction;
mod live;
mod located;
mod marks;
mod trips;
mod x86;

use crate::difference::difference;
use crate::document::Request;
use crate::lines;
use crate::model::{CompileTime, Document, Group, KeyOf, LeftOut, Loop, Stage};
use crate::origin::Origin;
use flow::{Flow, NaturalLoop};
use instruction::{Dialect, Line};
use located::Places;
use routefuse::diag::visible;
use routefuse::inspect::{self, CodeStages};
use routefuse::ir::{Scheduled, TargetKind, Variant};
use routefuse::{Engine, Error, Graph, Target, Verified};

impl Document {
    /// Adds the code of every kernel and variant, the times of their compiles, and their keys. `progress` is told before each of
    /// so many compiles how many are done, and the kernel's name.
    ///
    /// # Errors
    /// The compiler's (`RF0802` to `RF0804`); `RF0816` if it was cancelled.
    pub fn add_code(
        &mut self,
        engine: &Engine,
        graph: &Verified<Graph>,
        request: &Request,
        progress: &dyn Fn(usize, usize, &str),
    ) -> Result<(), Error> {
        let lowering = engine.lowering(graph, &request.target, &request.options)?;
        let origin = Origin::of(graph);
        let variants = |kernel: &Scheduled| {
            let all = kernel.variants();
            if request.all_variants { all } else { &all[..1] }
        };
        let total = lowering.kernels().iter().map(|k| variants(k).len()).sum();
        let mut done = 0;
        for (number, (kernel, named)) in lowering.kernels().iter().zip(lowering.values()).enumerate() {
            let behind = lines::behind(&kernel.kernel, &named, &origin);
            for &variant in variants(kernel) {
                progress(done, total, &kernel.kernel.name);
                done += 1;
                let code = inspect::code_until(kernel, variant, &request.cancel)?;
                let located = inspect::located_code_until(kernel, variant, &request.cancel)?;
                self.add_compile_time(number, variant, &code);
                self.add_texts(number, (kernel, variant), (&code, &located), &behind);
            }
        }
        let kernels = lowering.kernels().iter().enumerate().flat_map(|(n, k)| k.variants().iter().map(move |_| n));
        for (kernel, key) in kernels.zip(lowering.keys(engine)?) {
            // The text has no names of the user's: nothing in it is hidden.
            let (text, variant) = (key.key.text().to_owned(), key.variant.to_string());
            self.numbers.keys.push(KeyOf { kernel, variant, key: key.key.key().to_string(), text });
        }
        Ok(())
    }

    fn add_compile_time(&mut self, kernel: usize, variant: Variant, code: &CodeStages) {
        let phases = code.timings.iter().map(|(name, time)| ((*name).to_owned(), microseconds(*time)));
        self.numbers.compile.push(CompileTime {
            kernel,
            variant: variant.to_string(),
            phases: phases.collect(),
            code_bytes: code.artifact.code.len(),
        });
    }

    fn add_texts(
        &mut self,
        number: usize,
        (kernel, variant): (&Scheduled, Variant),
        (code, located): (&CodeStages, &CodeStages),
        behind: &[Vec<usize>],
    ) {
        let texts = [
            ("mlir", "MLIR", &code.mlir, located::mlir(&code.mlir, &located.mlir)),
            ("llvm", "LLVM IR", &code.llvm, located::llvm(&code.llvm, &located.llvm)),
            ("asm", assembly_name(kernel.target), &code.asm, located::assembly(&code.asm, &located.asm)),
        ];
        for (form, title, text, places) in texts {
            let id = |variant: Variant| format!("kernel{number}.{variant}.{form}");
            let mut stage = Stage {
                id: id(variant),
                title: format!("{title} of {}, {variant}", visible(&kernel.kernel.name)),
                group: Group::Code,
                kernel: Some(number),
                variant: Some(variant.to_string()),
                text: text.clone(),
                lines: values(text, places.as_ref(), behind),
                diff: None,
                marks: vec![],
                live: None,
                counts: vec![],
                loops: vec![],
            };
            if places.is_none() {
                let why = "the compiler chose otherwise with places than without, so no line says which values it was made for";
                self.left_out.push(LeftOut { what: format!("{}: {why}", stage.title), command: None });
            }
            let first = id(kernel.variants()[0]);
            if let Some(older) = self.stages.iter().find(|s| s.id == first) {
                stage.diff = difference(&first, &older.text, text);
            }
            if form == "asm" {
                examine(&mut stage, kernel, variant);
            }
            self.stages.push(stage);
        }
    }
}

/// Marks, live registers, loops and counts of assembly.
fn examine(stage: &mut Stage, kernel: &Scheduled, variant: Variant) {
    let dialect = dialect(kernel.target);
    let text = stage.text.clone();
    let code = instruction::lines(&text, dialect);
    let instructions = || {
        code.iter().filter_map(|line| match line {
            Line::Instruction(i) => Some(i),
            Line::Label(_) => None,
        })
    };
    stage.marks = instructions().filter_map(|i| marks::mark(i, dialect)).collect();
    let flow = Flow::of(&code, dialect);
    let held = flow.as_ref().map(|flow| live::live(flow, dialect)).unwrap_or_default();
    if !held.is_empty() {
        let mut of_line = vec![None; stage.lines.len()];
        held.iter().for_each(|(line, held)| of_line[*line] = Some(held.all()));
        stage.live = Some(of_line);
    }
    let natural = flow.as_ref().map(Flow::loops).unwrap_or_default();
    let trips = |of: &NaturalLoop| trips::trips(flow.as_ref()?, of, &natural, dialect);
    let loops: Vec<(NaturalLoop, Option<u64>)> = natural.iter().map(|of| (of.clone(), trips(of))).collect();
    let lines: Vec<usize> = instructions().map(|i| i.line).collect();
    for (of, trips) in &loops {
        let body = || of.body.iter().map(|at| lines[*at]);
        stage.loops.push(Loop {
            first: body().min().unwrap_or_default(),
            last: body().max().unwrap_or_default(),
            header: lines[of.header],
            instructions: of.body.len(),
            trips: *trips,
        });
    }
    let counted = counts::Counted { marks: &stage.marks, held: &held, instructions: lines.len(), loops: &loops };
    stage.counts = counts::counts(&counted, (kernel, variant));
}

fn dialect(target: Target) -> Dialect {
    match target.kind() {
        TargetKind::Nvptx => Dialect::Ptx,
        TargetKind::Amdgpu => Dialect::Amdgpu,
        TargetKind::Host if is_aarch64(target) => Dialect::Aarch64,
        TargetKind::Host => Dialect::X86,
    }
}

/// Whether a host's code is for aarch64: `host` is what this process runs on.
fn is_aarch64(target: Target) -> bool {
    let architecture = target.info().triple.split('-').next().filter(|name| !name.is_empty());
    architecture.unwrap_or(std::env::consts::ARCH) == "aarch64"
}

fn assembly_name(target: Target) -> &'static str {
    match target.kind() {
        TargetKind::Nvptx => "PTX",
        TargetKind::Amdgpu | TargetKind::Host => "assembly",
    }
}

/// For each line, the values of the graph behind the kernel's value that it was made for.
fn values(text: &str, places: Option<&Places>, behind: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let Some(places) = places else { return lines::none(text) };
    places.iter().map(|p| p.and_then(|p| behind.get(p as usize)).cloned().unwrap_or_default()).collect()
}

fn microseconds(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e7).round() / 10.0
}
