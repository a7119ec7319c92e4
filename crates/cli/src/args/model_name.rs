//! The names of model presets, as values of arguments.

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};
use routefuse::models;
use std::ffi::OsStr;

/// Takes the name of a preset. Any other is refused with the model's nearest relatives.
#[derive(Clone, Copy)]
pub struct ModelName {
    /// `all` is a name too.
    pub all: bool,
}

impl TypedValueParser for ModelName {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        let name = value.to_string_lossy().into_owned();
        let unknown = match models::named(&name) {
            Ok(_) => return Ok(name),
            Err(_) if self.all && name == "all" => return Ok(name),
            Err(unknown) => unknown,
        };
        let mut error = Error::new(ErrorKind::InvalidValue).with_cmd(command);
        if let Some(arg) = arg {
            error.insert(ContextKind::InvalidArg, ContextValue::String(arg.to_string()));
        }
        error.insert(ContextKind::InvalidValue, ContextValue::String(name));
        let help = unknown.help.unwrap_or_default();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![help.into()]));
        Err(error)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let all = self.all.then_some("all");
        Some(Box::new(models::names().chain(all).map(PossibleValue::new)))
    }
}
