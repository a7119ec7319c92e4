//! `routefuse dump`.

use crate::args::{Colour, Dump, Stage};
use crate::failure::Failure;
use crate::output::Output;
use crate::{output, progress, render, source};
use clap::ValueEnum;
use routefuse::diag::{Code, Diagnostic, visible};
use routefuse::inspect::{self, CodeStages, Stages};
use routefuse::ir::{Scheduled, Variant, json};
use routefuse::{Engine, Error, Graph, Options, Target, Verified, text};
use similar::{ChangeTag, TextDiff};
use std::cell::OnceCell;
use std::io::{IsTerminal, Write};

/// The stages that `all` prints, in order.
const STAGES: [Stage; 7] =
    [Stage::Graph, Stage::Canonical, Stage::Fused, Stage::Kernel, Stage::Mlir, Stage::Llvm, Stage::Asm];

pub fn run(a: &Dump, colour: Colour) -> Result<(), Failure> {
    let graph = source::graph(&a.graph)?;
    let target = Target::named(&a.target)?;
    let options = Options::default().fuse(!a.unfused).shape(a.forced.shape);
    let engine = Engine::builder().build()?;
    let stages = engine.stages(&graph, &target, &options)?;
    let variant = a.variant.as_deref();
    check_variant(&stages, variant)?;
    let texts = Texts { engine, graph, options, stages, variant, code: OnceCell::new() };
    let mut out = output::stdout(a.stage == Stage::Json && a.diff.is_none());
    if let Some((from, to)) = a.diff {
        let coloured = render::coloured(colour, std::io::stdout().is_terminal());
        let (old, new) = (texts.of(from)?, texts.of(to)?);
        writeln!(out, "--- {}\n+++ {}", name(from), name(to))?;
        diff(&mut out, &old, &new, coloured)?;
    } else {
        out.write_all(texts.of(a.stage)?.as_bytes())?;
    }
    Ok(())
}

/// The variant of a kernel by its name.
fn variant(kernel: &Scheduled, name: &str) -> Option<Variant> {
    kernel.variants().iter().copied().find(|v| v.to_string() == name)
}

/// A name that is given is that of a variant of some kernel.
fn check_variant(stages: &Stages, given: Option<&str>) -> Result<(), Diagnostic> {
    let Some(given) = given.filter(|name| !stages.kernels.iter().any(|k| variant(k, name).is_some())) else {
        return Ok(());
    };
    let mut known: Vec<String> = stages.kernels.iter().flat_map(|k| k.variants()).map(|v| v.to_string()).collect();
    known.sort();
    known.dedup();
    let message = format!("no kernel has a variant `{}`", visible(given));
    Err(Diagnostic::new(Code::UnknownOption, message).help(format!("there are {}", known.join(", "))))
}

fn name(stage: Stage) -> String {
    stage.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned())
}

/// Every stage of one graph; machine code is made when it is first asked for.
struct Texts<'a> {
    engine: Engine,
    graph: Verified<Graph>,
    options: Options,
    stages: Stages,
    variant: Option<&'a str>,
    code: OnceCell<Vec<CodeStages>>,
}

impl Texts<'_> {
    /// One stage as text.
    fn of(&self, stage: Stage) -> Result<String, Failure> {
        Ok(match stage {
            Stage::Graph => text::print(&self.graph),
            Stage::Json => format!("{}\n", json::to_string(&self.graph).trim_end()),
            Stage::Svg => self.engine.picture(&self.graph, &self.options)?.svg()?,
            Stage::Dot => self.engine.picture(&self.graph, &self.options)?.dot(),
            Stage::Canonical => self.stages.canonical.clone(),
            Stage::Fused => self.stages.fused.clone(),
            Stage::Kernel => self.stages.kernel(),
            Stage::Mlir => self.of_code(|c| &c.mlir)?,
            Stage::Llvm => self.of_code(|c| &c.llvm)?,
            Stage::Asm => self.of_code(|c| &c.asm)?,
            Stage::All => {
                let part = |s| Ok(format!("# ---- {} ----\n{}", name(s), self.of(s)?));
                STAGES.into_iter().map(part).collect::<Result<Vec<_>, Failure>>()?.join("\n")
            }
        })
    }

    /// One text of every kernel: of the variant that was asked for, if the kernel has it; otherwise of its first, the one that assumes
    /// most.
    fn of_code(&self, text: impl Fn(&CodeStages) -> &str) -> Result<String, Error> {
        let code = match self.code.get() {
            Some(code) => code,
            None => {
                let kernels = &self.stages.kernels;
                let code = progress::showing(|bar| {
                    let each = kernels.iter().enumerate().map(|(i, k)| {
                        bar.show(i, kernels.len(), &k.kernel.name);
                        let asked = self.variant.and_then(|name| variant(k, name));
                        inspect::code(k, asked.unwrap_or(k.variants()[0]))
                    });
                    each.collect::<Result<_, _>>()
                })?;
                self.code.get_or_init(|| code)
            }
        };
        let mut all = String::new();
        for kernel in code {
            all.push_str(text(kernel));
            if !all.ends_with('\n') {
                all.push('\n');
            }
        }
        Ok(all)
    }
}

/// Both texts in one, `-` before what only the old one has, and `+` before what only the new one has.
fn diff<W: Write>(out: &mut Output<W>, old: &str, new: &str, coloured: bool) -> std::io::Result<()> {
    for change in TextDiff::from_lines(old, new).iter_all_changes() {
        let (sign, colour) = match change.tag() {
            ChangeTag::Delete => ("-", "\x1b[31m"),
            ChangeTag::Insert => ("+", "\x1b[32m"),
            ChangeTag::Equal => (" ", ""),
        };
        let line = change.value().trim_end_matches('\n');
        if coloured && !colour.is_empty() {
            out.raw(colour)?;
            write!(out, "{sign}{line}")?;
            out.raw("\x1b[0m\n")?;
        } else {
            writeln!(out, "{sign}{line}")?;
        }
    }
    Ok(())
}
