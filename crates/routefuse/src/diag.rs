//! What an [`Error`](crate::Error) is made of: diagnostics, each with its stable code, a message that names the thing, where it
//! is, and what would be right.

pub use routefuse_ir::diag::{Code, Diagnostic, Diagnostics, Location, Span};
