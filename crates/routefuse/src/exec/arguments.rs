//! What a launch is given, and what each argument is at first.

use routefuse_ir::program::Program;
use routefuse_ir::{Alias, DType, Diagnostics, Tensor, interp};
use std::borrow::Cow;

/// The name of the error word's argument.
const ERROR_WORD: &str = "error_word";

/// One argument.
pub(super) struct Argument<'a> {
    /// The port's name.
    pub(super) name: &'a str,
    /// What it is before the first launch.
    pub(super) initial: Cow<'a, Tensor>,
}

/// The arguments of a launch, in the order in which a launch takes them by position.
pub(super) struct Arguments<'a> {
    /// One a symbol of the program.
    pub(super) extents: Vec<u64>,
    /// The inputs that are bound by themselves: all but those in whose memory an output lies.
    pub(super) inputs: Vec<Argument<'a>>,
    /// The outputs. One in an input's memory begins as that input, any other one as zeros.
    pub(super) outputs: Vec<Argument<'a>>,
    /// The error word, if a gather can trap: 0.
    pub(super) error_word: Option<Argument<'a>>,
    /// The bytes of all inputs, and of all outputs: an output in an input's memory counts in both.
    pub(super) bytes: (u64, u64),
}

impl<'a> Arguments<'a> {
    /// Of a program, from its inputs in their order. `given` names extents of dims that no input has.
    ///
    /// # Errors
    /// Inputs that do not fit, as the interpreter reports them.
    pub(super) fn of(
        program: &'a Program,
        inputs: &'a [Tensor],
        given: &[(&str, u64)],
    ) -> Result<Arguments<'a>, Diagnostics> {
        let extents = interp::program_extents(program, inputs, given)?;
        let mut replaced = vec![false; inputs.len()];
        let outputs = program.outputs.iter().map(|port| {
            let initial = match port.alias {
                Alias::InPlace(i) | Alias::Donates(i) => {
                    replaced[i] = true;
                    Cow::Borrowed(&inputs[i])
                }
                Alias::None | Alias::Guarded(_) => {
                    let shape: Vec<u64> = port.ty.shape.iter().map(|d| d.resolve(&extents)).collect();
                    Cow::Owned(Tensor::zeros(port.ty.dtype, &shape))
                }
            };
            Argument { name: &port.name, initial }
        });
        let outputs: Vec<Argument<'a>> = outputs.collect();
        let read = inputs.iter().map(|t| t.bytes().len() as u64).sum();
        let written = outputs.iter().map(|a| a.initial.bytes().len() as u64).sum();
        let bound = program.inputs.iter().zip(inputs).zip(replaced).filter(|(_, replaced)| !replaced);
        let inputs = bound.map(|((port, tensor), _)| Argument { name: &port.name, initial: Cow::Borrowed(tensor) });
        let inputs = inputs.collect();
        let error_word = || Argument { name: ERROR_WORD, initial: Cow::Owned(Tensor::zeros(DType::U32, &[])) };
        let error_word = program.has_trap.then(error_word);
        Ok(Arguments { inputs, outputs, error_word, extents, bytes: (read, written) })
    }
}
