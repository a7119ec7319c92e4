//! `routefuse fmt`.

use crate::args::Fmt;
use crate::atomic_file::{self, Over};
use crate::failure::Failure;
use crate::output;
use crate::source::Source;
use routefuse::diag::{Code, Diagnostic};
use routefuse::text;
use std::io::{IsTerminal, Write};

pub fn run(a: &Fmt) -> Result<(), Failure> {
    let source = Source::read(&a.file)?;
    if source.is_json() {
        let message = format!("`{}` is the JSON form, which has no formatter", source.name);
        return Err(Diagnostic::new(Code::BadHeader, message).help("`fmt` takes .route text").into());
    }
    let formatted = text::format(source.utf8()?).map_err(|d| source.failure(d))?;
    if a.check {
        return if formatted == source.text {
            Ok(())
        } else {
            Err(Failure::Unformatted(format!("{} is not formatted; run `routefuse fmt {0}`", source.name)))
        };
    }
    if a.stdout || a.file.as_os_str() == "-" {
        // Into a file it goes as it is; on a terminal it is only looked at.
        if std::io::stdout().is_terminal() {
            output::stdout(false).write_all(formatted.as_bytes())?;
        } else {
            std::io::stdout().write_all(formatted.as_bytes())?;
        }
    } else if formatted != source.text {
        atomic_file::write(&a.file, formatted.as_bytes(), Over::Anything)?;
    }
    Ok(())
}
