//! The cache on disk: what is kept, what is found, what is refused, and what happens when anything goes wrong.

#[path = "../fixture/mod.rs"]
mod fixture;

mod bounds;
mod bundle;
mod fake;
mod hits;
mod hostile;
mod processes;
#[cfg(feature = "remote")]
mod remote;
mod signed;
mod spoilt;
mod trouble;
mod tunings;
