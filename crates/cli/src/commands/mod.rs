//! One module a command.

pub mod bench;
pub mod bundle;
pub mod cache;
pub mod check;
pub mod code;
pub mod compile;
pub mod completions;
pub mod demo;
pub mod diff;
pub mod doctor;
pub mod dump;
pub mod explain;
pub mod explore;
pub mod fmt;
pub mod man;
pub mod models;
pub mod new;
pub mod report;
pub mod run;
pub mod targets;
pub mod tune;
