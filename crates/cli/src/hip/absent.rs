//! In the place of `hip`, in a build without the feature `hip`.

use crate::args::{Bench, CacheOptions};
use crate::failure::Failure;
use routefuse::diag::{Code, Diagnostic};
use routefuse::{Graph, Verified};

pub fn bench(_: &Bench, _: &CacheOptions, _: &Verified<Graph>, _: &[u64], ordinal: u32) -> Result<(), Failure> {
    let message = format!("this build of routefuse does not run on hip:{ordinal}");
    Err(Diagnostic::new(Code::NoDevice, message).help("build it with the feature `hip`").into())
}

/// Nothing is known of GPUs.
pub fn describe() -> Result<Vec<(String, serde_json::Value)>, Diagnostic> {
    Ok(vec![])
}
