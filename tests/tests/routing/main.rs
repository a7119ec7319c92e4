//! The routers of all models against an implementation that shares nothing with the interpreter, and against the real
//! routing trace.

mod naive;
mod presets;
mod trace;
