//! What becomes of a routing graph, as one page to look at.
//!
//! [`Document`] is everything that the page shows, as data: the source, the graph before and after fusion laid out, the bytes
//! of every launch, the text of every stage with what changed and which values of the graph stand on which line, machine code
//! with its loads, stores and waits marked, and numbers. It is plain data with [`serde::Serialize`], a function of the graph
//! and the request alone (but for the times of compiles).
//!
//! [`html`] writes the one file: the page's template, style and script with the document inside. It asks nothing of a network.
//!
//! | function | what it takes | what it needs |
//! |---|---|---|
//! | [`Document::of`] | the passes' time, some milliseconds | no compiler |
//! | `Document::add_code` | a compile of every kernel and variant | LLVM (feature `compiler`) |
//! | [`html`] | | nothing |
//!
//! ```
//! use routefuse::{Engine, chains};
//! use routefuse_report::{Document, Request, html};
//!
//! let graph = chains::Pack::default().graph()?;
//! let document = Document::of(&Engine::builder().build()?, &graph, &Request::default())?;
//! assert_eq!(document.launches.after.len(), 1);
//! assert!(html(&document)?.starts_with("<!doctype html>"));
//! # Ok::<(), routefuse::Error>(())
//! ```
#![forbid(unsafe_code)]

#[cfg(feature = "compiler")]
mod check;
#[cfg(feature = "compiler")]
mod code;
mod difference;
mod document;
mod drawing;
mod fit;
mod json_lines;
mod launches;
mod lines;
mod measured;
mod model;
mod origin;
mod page;
mod schedules;
mod stages;
mod values;

pub use document::{Draw, Request};
pub use fit::MOST_BYTES;
pub use model::*;
pub use page::{drawing_json, explore_html, explore_policy, html, json};
