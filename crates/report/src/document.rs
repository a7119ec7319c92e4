//! A document from a graph, as far as it goes without machine code.

use crate::model::{Dim, Document, Form, Numbers, SCHEMA, Source};
use crate::origin::Origin;
use crate::{drawing, launches, lines, schedules, stages, values};
use routefuse::diag::{visible, visible_lines};
use routefuse::inspect::{GatherReport, Report};
use routefuse::{Engine, Error, Graph, Options, Target, Verified, text};

/// What a document is made for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whose schedules and code it has.
    pub target: Target,
    /// What the engine is asked for.
    pub options: Options,
    /// The extent of a symbol that bytes are first shown for; if it is `None`, 64 of the first symbol.
    pub at: Option<(String, u64)>,
    /// The name of the file, or of the preset.
    pub name: String,
    /// What the user wrote; without it, the graph as it is printed.
    pub text: Option<String>,
    /// The form of that text.
    pub form: Form,
    /// The command that makes the document again.
    pub command: String,
    /// More boxes than this are not laid out: 500 of them take seconds, 100 take a fifth of one.
    pub most_boxes: usize,
    /// Code is made of every variant; otherwise of the first of each kernel alone, the one that assumes most.
    pub all_variants: bool,
}

impl Default for Request {
    fn default() -> Request {
        Request {
            target: Target::host(),
            options: Options::default(),
            at: None,
            name: String::new(),
            text: None,
            form: Form::Route,
            command: String::new(),
            most_boxes: 500,
            all_variants: true,
        }
    }
}

/// The rows that bytes are first shown for.
const ROWS: u64 = 64;

impl Document {
    /// Everything but machine code, its numbers and measured times. No compiler is needed.
    ///
    /// # Errors
    /// Those of [`Engine::lowering`].
    pub fn of(engine: &Engine, graph: &Verified<Graph>, request: &Request) -> Result<Document, Error> {
        let after = engine.lowering(graph, &request.target, &request.options)?;
        let before = engine.lowering(graph, &request.target, &Options::unfused())?;
        let report = after.report()?;
        let origin = Origin::of(graph);
        let launches = launches::launches(&before, &after, &origin);
        Ok(Document {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            title: format!("{} for {}", visible(&graph.name), request.target.name()),
            command: visible(&request.command).into_owned(),
            source: source(graph, request, &origin),
            target: request.target.name().to_owned(),
            dim: dim(graph, request),
            values: values::values(&after, &report, &launches, &origin),
            graph: drawing::drawings((&after.picture()?, request.most_boxes), &origin, &launches),
            launches,
            stages: stages::stages(&after, &origin)?,
            schedules: schedules::schedules(&after),
            numbers: numbers(&report),
            measured: vec![],
            bandwidth: None,
            left_out: vec![],
        })
    }
}

fn source(graph: &Verified<Graph>, request: &Request, origin: &Origin<'_>) -> Source {
    let printed = || text::print(graph);
    let text = request.text.clone().unwrap_or_else(printed);
    let lines = match request.form {
        Form::Json => lines::of_json(&text, graph),
        Form::Route | Form::Preset => lines::of_graph(&text, origin),
    };
    let text = visible_lines(&text).into_owned();
    Source { name: visible(&request.name).into_owned(), text, form: request.form, lines }
}

fn dim(graph: &Graph, request: &Request) -> Option<Dim> {
    let (name, at) = match &request.at {
        Some((name, at)) => (name, *at),
        None => (graph.symbols.first()?, ROWS),
    };
    Some(Dim { name: visible(name).into_owned(), at })
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
