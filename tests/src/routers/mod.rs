//! Routers of models, written down apart from the presets, and random combinations of their options.

mod draw;
mod model;

pub use draw::{Options, options};
pub use model::{Divisor, MODELS, Model, Score, Weight};
