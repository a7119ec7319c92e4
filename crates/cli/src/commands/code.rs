//! `routefuse code`.

use crate::failure::Failure;
use crate::output;
use routefuse::diag::Code;
use std::io::Write;

pub fn run(code: Option<Code>) -> Result<(), Failure> {
    let mut out = output::stdout(false);
    for c in code.as_ref().map_or(Code::ALL, std::slice::from_ref) {
        writeln!(out, "{c}  {}", c.summary())?;
    }
    Ok(())
}
