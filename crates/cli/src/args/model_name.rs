//! The names of model presets and chains, as values of arguments.

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};
use routefuse::{chains, models};
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
        Err(refused(command, arg, name, unknown.help.unwrap_or_default()))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let all = self.all.then_some("all");
        Some(Box::new(models::names().chain(all).map(PossibleValue::new)))
    }
}

/// Takes the name of a preset or of a chain.
#[derive(Clone, Copy)]
pub struct GraphName;

impl TypedValueParser for GraphName {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        let name = value.to_string_lossy().into_owned();
        if chains::examples().iter().any(|chain| chain.0 == name) {
            return Ok(name);
        }
        models::named(&name).map(|_| name.clone()).map_err(|unknown| {
            let help = format!("{}; chains are named as their files in examples/", unknown.help.unwrap_or_default());
            refused(command, arg, name, help)
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(models::names().chain(chains::examples().into_iter().map(|c| c.0)).map(PossibleValue::new)))
    }
}

/// That an argument takes no such name.
fn refused(command: &Command, arg: Option<&Arg>, name: String, help: String) -> Error {
    let mut error = Error::new(ErrorKind::InvalidValue).with_cmd(command);
    if let Some(arg) = arg {
        error.insert(ContextKind::InvalidArg, ContextValue::String(arg.to_string()));
    }
    error.insert(ContextKind::InvalidValue, ContextValue::String(name));
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![help.into()]));
    error
}
