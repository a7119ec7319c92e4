//! A document for a text, or what is wrong with the text.

use crate::shell_word::{file_word, shell_word};
use routefuse::diag::{Code, Diagnostic, Diagnostics, visible};
use routefuse::engine::Cancel;
use routefuse::exec::{check_size, random_inputs};
use routefuse::inspect::Layouts;
use routefuse::ir::json;
use routefuse::{Engine, Error, Graph, Options, Target, Verified, text};
use routefuse_report::{Document, Draw, Drawings, Form, LeftOut, Request};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The rows of the check, and its seed.
const ROWS: u64 = 64;
const SEED: u64 = 0;

/// The most boxes that are laid out at every key: some hundred milliseconds of a processor.
const MOST_BOXES: usize = 200;

/// A text that somebody wants the page of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// A .route text, or its JSON form.
    pub text: String,
    /// What it is called.
    pub name: String,
    /// The target's name.
    pub target: String,
}

impl Asked {
    fn is_json(&self) -> bool {
        self.text.trim_start().starts_with('{')
    }

    fn graph(&self) -> Result<Verified<Graph>, Diagnostics> {
        if self.is_json() { json::from_str_verified(&self.text) } else { text::parse_verified(&self.text) }
    }

    /// For a look: no more boxes than are laid out at once, and of each kernel the variant that launches mostly take.
    fn request(&self, draw: Draw, cancel: &Cancel) -> Result<Request, Error> {
        let file = file_word(&self.name);
        Ok(Request {
            most_boxes: MOST_BOXES,
            all_variants: false,
            target: Target::named(&self.target)?,
            options: Options::default(),
            dims: vec![],
            name: self.name.clone(),
            text: Some(self.text.clone()),
            form: if self.is_json() { Form::Json } else { Form::Route },
            command: format!("routefuse report {file} --target {}", shell_word(&self.target)),
            graph: file,
            draw,
            cancel: cancel.clone(),
        })
    }

    /// All but machine code: what the passes say. The drawing is in it if its layout is one that was made before.
    ///
    /// # Errors
    /// What is wrong with the text, or a limit that it exceeds.
    pub fn document(&self, layouts: &Arc<Layouts>, cancel: &Cancel) -> Result<Document, Error> {
        let graph = self.graph()?;
        // An engine of its own: it is cancelled with the question, and keeps nothing of a text that nobody writes any more.
        Document::of(&engine(cancel)?, &graph, &self.request(Draw::Before(layouts.clone()), cancel)?)
    }

    /// The drawing, laid out.
    ///
    /// # Errors
    /// As [`Asked::document`].
    pub fn drawing(&self, layouts: &Arc<Layouts>, cancel: &Cancel) -> Result<Option<Drawings>, Error> {
        let graph = self.graph()?;
        Document::drawings(&engine(cancel)?, &graph, &self.request(Draw::With(layouts.clone()), cancel)?)
    }

    /// With machine code, and the check on the host with random inputs.
    ///
    /// # Errors
    /// As [`Asked::document`]; and those of the compiler.
    pub fn with_code(&self, layouts: &Arc<Layouts>, cancel: &Cancel) -> Result<Document, Error> {
        self.made(self.request(Draw::With(layouts.clone()), cancel)?)
    }

    /// As [`Asked::with_code`], with every variant and as large a drawing as there may be: what `report` writes.
    ///
    /// # Errors
    /// As [`Asked::with_code`].
    pub fn report(&self, cancel: &Cancel) -> Result<Document, Error> {
        let Request { most_boxes, all_variants, .. } = Request::default();
        self.made(Request { most_boxes, all_variants, ..self.request(Draw::Anew, cancel)? })
    }

    fn made(&self, request: Request) -> Result<Document, Error> {
        let (graph, cancel) = (self.graph()?, &request.cancel);
        let engine = engine(cancel)?;
        let mut document = Document::of(&engine, &graph, &request)?;
        document.add_code(&engine, &graph, &request, &|_, _, _| {})?;
        cancel.check()?;
        let dims = graph.dims_of_rows(ROWS);
        let extents = graph.extents_of_rows(ROWS);
        check_size(&graph, &extents)?;
        if is_large(&graph, &extents) {
            let what = format!("the check against the interpreter: {ROWS} rows are too much at every edit");
            document.left_out.push(LeftOut { what, command: Some(request.command) });
            return Ok(document);
        }
        let inputs = random_inputs(&graph, &extents, SEED);
        document.add_check(&engine, &graph, &inputs, &dims, &format!("random values from seed {SEED}"), cancel)?;
        Ok(document)
    }
}

/// The most bytes of inputs and outputs that are checked at every edit.
const MOST_CHECKED: u64 = 16 << 20;

fn is_large(graph: &Verified<Graph>, extents: &[u64]) -> bool {
    let inputs = (0..graph.inputs.len()).map(|i| graph.input_type(i));
    let types = inputs.chain((0..graph.outputs.len()).map(|o| graph.output_type(o)));
    let bytes = types.map(|ty| ty.shape.iter().fold(ty.dtype.size(), |n, d| n.saturating_mul(d.resolve(extents))));
    bytes.fold(0, u64::saturating_add) > MOST_CHECKED
}

fn engine(cancel: &Cancel) -> Result<Engine, Error> {
    Engine::builder().cancel(cancel).build()
}

/// What is wrong, for the editor: places are bytes of the text, and lines count from 1; line 0 is nowhere.
pub fn wrong(diagnostics: &[Diagnostic]) -> Value {
    let one = |d: &Diagnostic| {
        let (line, column) = d.location.map_or((0, 0), |l| (l.line, l.column));
        let (start, end) = d.span.map_or((0, 0), |s| (s.start, s.end));
        json!({
            "code": d.code.as_str(), "message": d.visible_message(), "help": d.help.as_deref().map(visible),
            "context": d.context.as_deref().map(visible), "line": line, "column": column, "start": start, "end": end,
        })
    };
    json!({ "diagnostics": diagnostics.iter().map(one).collect::<Vec<_>>() })
}

/// Whether the question was given up, and nobody waits for its answer.
pub fn is_cancelled(error: &Error) -> bool {
    error.code() == Code::Cancelled
}
