//! `routefuse code`.

use crate::failure::Failure;
use routefuse::diag::Code;
use std::io::Write;

pub fn run(code: Option<Code>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for c in code.as_ref().map_or(Code::ALL, std::slice::from_ref) {
        writeln!(out, "{c}  {}", c.summary())?;
    }
    Ok(())
}
