//! A document from a graph, as far as it goes without machine code.

use crate::model::{Dim, Document, Drawings, Form, Launches, LeftOut, Numbers, SCHEMA, Source};
use crate::origin::Origin;
use crate::{drawing, json_lines, launches, lines, schedules, stages, values};
use routefuse::diag::{visible, visible_lines};
use routefuse::engine::Cancel;
use routefuse::inspect::{GatherReport, Layouts, Lowering, Report};
use routefuse::ir::shapes_text;
use routefuse::{Engine, Error, Graph, Options, Target, Verified, text};
use std::ops::Range;
use std::sync::Arc;

/// What a document is made for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whose schedules and code it has.
    pub target: Target,
    /// What the engine is asked for.
    pub options: Options,
    /// The extents that bytes are first shown for, of symbols by name. The slider moves the first of them that rows are counted in;
    /// a symbol that is not here begins at 64.
    pub dims: Vec<(String, u64)>,
    /// The name of the file, or of the preset.
    pub name: String,
    /// What the user wrote; without it, the graph as it is printed.
    pub text: Option<String>,
    /// The form of that text.
    pub form: Form,
    /// The command that makes the document again.
    pub command: String,
    /// How other commands are told of the graph, as words of a shell: `my.route`, or `--model mixtral`.
    pub graph: String,
    /// More boxes than this are not laid out: 500 of them take seconds, 100 take a fifth of one.
    pub most_boxes: usize,
    /// Code is made of every variant; otherwise of the first of each kernel alone, the one that assumes most.
    pub all_variants: bool,
    /// From where its drawing is.
    pub draw: Draw,
    /// Ends the work between its steps.
    pub cancel: Cancel,
}

/// From where the layout of a drawing is.
#[derive(Clone, Debug, Default)]
pub enum Draw {
    /// It is made.
    #[default]
    Anew,
    /// From these, if one of them fits; otherwise it is made, and kept there.
    With(Arc<Layouts>),
    /// From these, if one of them fits; otherwise the document has no drawing.
    Before(Arc<Layouts>),
}

impl Default for Request {
    fn default() -> Request {
        Request {
            target: Target::host(),
            options: Options::default(),
            dims: vec![],
            name: String::new(),
            text: None,
            form: Form::Route,
            command: String::new(),
            graph: String::new(),
            most_boxes: 500,
            all_variants: true,
            draw: Draw::Anew,
            cancel: Cancel::default(),
        }
    }
}

/// The rows that bytes are first shown for.
const ROWS: u64 = 64;

impl Document {
    /// Everything but machine code, its numbers and measured times. No compiler is needed.
    ///
    /// # Errors
    /// Those of [`Engine::lowering`]; `RF0816` if it was cancelled.
    pub fn of(engine: &Engine, graph: &Verified<Graph>, request: &Request) -> Result<Document, Error> {
        let after = engine.lowering(graph, &request.target, &request.options)?;
        let before = engine.lowering(graph, &request.target, &Options::unfused())?;
        let report = after.report()?;
        let origin = Origin::of(graph);
        let launches = launches::launches(&before, &after, &origin);
        request.cancel.check()?;
        let dims = dims(graph, request);
        let history = after.history()?;
        request.cancel.check()?;
        let mut left_out = joined(&after, request)?;
        Ok(Document {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            title: format!("{} for {}", visible(&graph.name), request.target.name()),
            command: visible(&request.command).into_owned(),
            source: source(graph, request, &origin),
            target: request.target.name().to_owned(),
            dim: moved(&dims, &launches, request),
            dims,
            values: values::values(&after, &report, &history, &launches, &origin),
            graph: drawn(&after, (&origin, &launches), request, &mut left_out)?,
            launches,
            stages: stages::stages(&after, &history, &origin),
            schedules: schedules::schedules(&after),
            numbers: numbers(&report),
            measured: vec![],
            bandwidth: None,
            graph_words: request.graph.clone(),
            left_out,
        })
    }

    /// Adds which kernels have the shapes of a record of a tuning, where the engine has a cache with one.
    ///
    /// # Errors
    /// Those of [`Engine::tuned_kernels`].
    pub fn add_tunings(&mut self, engine: &Engine, graph: &Verified<Graph>, request: &Request) -> Result<(), Error> {
        for kernel in engine.tuned_kernels(graph, &request.target, &request.options)? {
            let Some(tuning) = kernel.tuning else { continue };
            let (name, shapes) = (visible(&kernel.kernel), shapes_text(&tuning.shapes));
            let (card, driver) = (visible(&tuning.card), visible(&tuning.driver));
            self.numbers.tuned.push(format!("{name}: {shapes}, measured on {card}, {driver}"));
        }
        Ok(())
    }

    /// The drawing alone, for a document that has none yet.
    ///
    /// # Errors
    /// Those of [`Document::of`].
    pub fn drawings(engine: &Engine, graph: &Verified<Graph>, request: &Request) -> Result<Option<Drawings>, Error> {
        let after = engine.lowering(graph, &request.target, &request.options)?;
        let before = engine.lowering(graph, &request.target, &Options::unfused())?;
        let origin = Origin::of(graph);
        let launches = launches::launches(&before, &after, &origin);
        drawn(&after, (&origin, &launches), request, &mut vec![])
    }
}

/// Which kernels the target runs as one launch: the page has them as they were before.
fn joined(lowering: &Lowering, request: &Request) -> Result<Vec<LeftOut>, Error> {
    let launched = lowering.launched()?;
    // A kernel for some numbers of rows stands beside those that do the same for others.
    let is_of_some = |kernels: &Range<usize>| {
        let within = |other: &Range<usize>| other.start >= kernels.start && other.end <= kernels.end;
        launched.iter().any(|other| other != kernels && within(other))
    };
    let of = |kernels: &Range<usize>| {
        let (first, last) = (&lowering.kernels()[kernels.start], &lowering.kernels()[kernels.end - 1]);
        let target = request.target.name();
        let names = format!("{} to {}", visible(&first.kernel.name), visible(&last.kernel.name));
        let rows = if is_of_some(kernels) { " and some numbers of rows" } else { "" };
        let what = format!(
            "{names}: for {target}{rows} they are phases of one kernel, whose code is not on this page; what is here is of each alone"
        );
        let command = format!("routefuse dump {} --stage kernel --target {target}", request.graph);
        LeftOut { what, command: Some(command) }
    };
    // Few rows have a kernel, and so may some thousand; the same are said once.
    let is_first = |at: usize| !launched[..at].contains(&launched[at]);
    let parts = launched.iter().enumerate().filter(|(at, kernels)| kernels.len() > 1 && is_first(*at));
    Ok(parts.map(|(_, kernels)| of(kernels)).collect())
}

/// The drawing, from where the request wants it; of one that is too large it is said how to see it.
fn drawn(
    lowering: &Lowering,
    (origin, launches): (&Origin<'_>, &Launches),
    request: &Request,
    left_out: &mut Vec<LeftOut>,
) -> Result<Option<Drawings>, Error> {
    request.cancel.check()?;
    let picture = lowering.picture()?;
    let both = match &request.draw {
        Draw::Anew => picture.drawn(request.most_boxes).map(Some),
        Draw::With(layouts) => picture.drawn_with(request.most_boxes, layouts).map(Some),
        Draw::Before(layouts) => picture.drawn_before(request.most_boxes, layouts),
    };
    Ok(match both {
        Ok(both) => both.map(|both| drawing::drawings(both, origin, launches)),
        Err(refused) => {
            let command = format!("routefuse dump {} --stage dot", request.graph);
            left_out.push(LeftOut { what: refused.to_string(), command: Some(command) });
            Some(drawing::none(&refused.to_string()))
        }
    })
}

fn source(graph: &Verified<Graph>, request: &Request, origin: &Origin<'_>) -> Source {
    let printed = || text::print(graph);
    let text = request.text.clone().unwrap_or_else(printed);
    let lines = match request.form {
        Form::Json => json_lines::of_json(&text, origin),
        Form::Route | Form::Preset => lines::of_graph(&text, origin),
    };
    let text = visible_lines(&text).into_owned();
    Source { name: visible(&request.name).into_owned(), text, form: request.form, lines }
}

/// Every symbol, with the extent that is shown at first.
fn dims(graph: &Graph, request: &Request) -> Vec<Dim> {
    let at = |name: &str| request.dims.iter().find(|(given, _)| given == name).map_or(ROWS, |(_, at)| *at);
    graph.symbols.iter().map(|name| Dim { name: visible(name).into_owned(), at: at(name) }).collect()
}

/// The symbol that the slider moves: the first that rows are counted in, those that are given before those that are not.
fn moved(dims: &[Dim], launches: &Launches, request: &Request) -> Option<Dim> {
    let counts = |dim: &&Dim| launches.after.iter().any(|l| l.rows.as_ref() == Some(&dim.name));
    let given = request.dims.iter().filter_map(|(name, _)| dims.iter().find(|dim| dim.name == visible(name)));
    given.chain(dims).find(counts).or(dims.first()).cloned()
}

fn numbers(report: &Report) -> Numbers {
    let sentence = |g: &GatherReport| {
        let (gather, table) = (visible(&g.gather), visible(&g.table));
        format!("%{gather} reads %{table} (out of range: {}): {}", g.out_of_range, visible(&g.why.join("; ")))
    };
    let gathers = |proved: bool| report.gathers.iter().filter(move |g| g.proved == proved).map(sentence).collect();
    let cuts = report.cuts.iter().map(|cut| visible(&cut.to_string()).into_owned());
    Numbers { proved: gathers(true), checked: gathers(false), why_not_fewer: cuts.collect(), ..Numbers::default() }
}
