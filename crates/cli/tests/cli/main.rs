//! The `routefuse` program, driven as a user drives it.

mod about;
mod bad_input;
mod cache;
mod check;
mod compile;
mod demo;
mod diff;
mod dump;
mod explain;
mod fmt;
mod guides;
mod help;
mod hip;
mod hostile;
mod install;
mod measure;
mod models;
mod new;
mod output;
mod program;
mod reference;
mod report;
mod run;
mod tensors;
mod tune;
