//! What an [`Error`](crate::Error) is made of: diagnostics, each with its stable code, a message that names the thing, where it
//! is, and what would be right; and how names that anyone may have written are [printed](visible).

pub use routefuse_ir::diag::{Code, Diagnostic, Diagnostics, Example, ExampleKind, Group, Location, Page, Span};
pub use routefuse_ir::visible::{is_hidden, visible, visible_lines};
