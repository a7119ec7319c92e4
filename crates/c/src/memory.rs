//! Where memory is, as the drivers know it.

use crate::launch::routefuse_launch;
use crate::plan::Placed;
use crate::tensor::{called, routefuse_argument};
use routefuse::diag::{Code, Diagnostic};
use routefuse::exec::Device;
use routefuse::{Error, cuda, cuda::Whose, hip};
use std::ffi::{CStr, c_void};

/// Whose the drivers say that an address is; none where they know nothing of it, as of most of the host's memory.
fn known(address: *const c_void) -> Option<Whose> {
    cuda::whose(address.addr() as u64).or_else(|| hip::whose(address.addr() as u64))
}

/// Refuses arguments, and a workspace, whose memory is elsewhere than they say.
///
/// # Errors
/// `RF0611`, with both places.
#[cold]
pub(crate) fn check(arguments: &[routefuse_argument], launch: &routefuse_launch, plan: &Placed) -> Result<(), Error> {
    let refuse = |what: &str, said: Device, is: Option<Whose>| -> Result<(), Error> {
        let is = match (said, is) {
            (_, Some(Whose::Shared)) | (Device::Host, None) => return Ok(()),
            (said, Some(Whose::Device(device))) if said == device => return Ok(()),
            (_, Some(Whose::Device(device))) => format!("its address is in the memory of {device}"),
            (_, None) => "no driver knows its address".to_owned(),
        };
        let message = format!("{what} is said to be in the memory of {said}, and {is}");
        Err(Diagnostic::new(Code::WrongDevice, message).help("say where it is, or give memory that is there").into())
    };
    for (index, argument) in arguments.iter().enumerate() {
        let (data, said) = (argument.tensor.data, argument.tensor.device.checked()?);
        if data.is_null() {
            continue;
        }
        let name = match argument.name.is_null() {
            true => None,
            // SAFETY: the arguments were read before: a name that is not null is a text.
            false => unsafe { CStr::from_ptr(argument.name) }.to_str().ok(),
        };
        refuse(&called(index, name), said, known(data))?;
    }
    if !launch.workspace.is_null() {
        refuse("the workspace", plan.description.device(), known(launch.workspace))?;
    }
    Ok(())
}
