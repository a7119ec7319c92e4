//! In the place of `gpu`, in a build without the feature `cuda`.

use crate::args::{Bench, CacheOptions};
use crate::failure::Failure;
use routefuse::cache::BundleWriter;
use routefuse::diag::{Code, Diagnostic};
use routefuse::{Engine, Graph, Options, Verified};

fn none() -> Failure {
    Diagnostic::new(Code::NoDevice, "this build of routefuse does not run on NVIDIA GPUs")
        .help("build it with the feature `cuda`")
        .into()
}

pub fn bench(_: &Bench, _: &CacheOptions, _: &Verified<Graph>, _: &[u64], _: u32) -> Result<(), Failure> {
    Err(none())
}

pub fn machine_code(
    _: &Engine,
    _: &[(String, Verified<Graph>)],
    _: &Options,
    _: u32,
    _: &rayon::ThreadPool,
    _: &mut BundleWriter,
) -> Result<(), Failure> {
    Err(none())
}

/// Nothing is known of GPUs.
pub fn describe() -> Result<Vec<(String, serde_json::Value)>, Diagnostic> {
    Ok(vec![])
}
