//! The routers of all models against an implementation that shares nothing with the interpreter, and against the real
//! routing trace.

mod combined_options;
mod naive;
mod oracle;
mod presets;
mod trace;
