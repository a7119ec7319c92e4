//! The routers of all models against an implementation that shares nothing with the interpreter, and against the real
//! routing trace.

mod aligned;
mod combined_options;
mod load;
mod naive;
mod oracle;
mod presets;
mod trace;
