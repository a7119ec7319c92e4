//! Where to run.

use clap::Args;
use routefuse::exec::Device;

/// Where to run.
#[derive(Debug, Args)]
pub struct On {
    /// `host`, an NVIDIA GPU (cuda:0) or an AMD GPU (hip:0).
    #[arg(long, default_value = "host", value_parser = device)]
    pub device: DeviceChoice,
}

/// `host`, `cuda:N` or `hip:N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// This process.
    Host,
    /// The NVIDIA GPU of this number.
    Cuda(u32),
    /// The AMD GPU of this number.
    Hip(u32),
}

impl From<DeviceChoice> for Device {
    fn from(choice: DeviceChoice) -> Device {
        match choice {
            DeviceChoice::Host => Device::Host,
            DeviceChoice::Cuda(ordinal) => Device::Cuda(ordinal),
            DeviceChoice::Hip(ordinal) => Device::Hip(ordinal),
        }
    }
}

/// `host`, `cuda:0`, `hip:0`.
fn device(text: &str) -> Result<DeviceChoice, String> {
    let gpu = |vendor: &str| match text.strip_prefix(vendor) {
        Some("") => Some(0),
        Some(number) => number.strip_prefix(':')?.parse().ok(),
        None => None,
    };
    if text == "host" {
        return Ok(DeviceChoice::Host);
    }
    gpu("cuda")
        .map(DeviceChoice::Cuda)
        .or_else(|| gpu("hip").map(DeviceChoice::Hip))
        .ok_or_else(|| "write host, cuda:N as in cuda:0, or hip:N as in hip:0".to_owned())
}

/// `cuda:0`.
pub fn gpu_number(text: &str) -> Result<u32, String> {
    match device(text) {
        Ok(DeviceChoice::Cuda(ordinal)) => Ok(ordinal),
        _ => Err("write cuda:N as in cuda:0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read() {
        assert_eq!(device("host"), Ok(DeviceChoice::Host));
        assert_eq!(gpu_number("cuda:1"), Ok(1));
        assert!(gpu_number("host").is_err() && gpu_number("1").is_err());
        assert_eq!((device("cuda"), device("cuda:3")), (Ok(DeviceChoice::Cuda(0)), Ok(DeviceChoice::Cuda(3))));
        assert_eq!((device("hip"), device("hip:1")), (Ok(DeviceChoice::Hip(0)), Ok(DeviceChoice::Hip(1))));
        assert!(gpu_number("hip:0").is_err() && device("hip1").is_err());
        assert!(device("cuda3").is_err() && device("gpu").is_err() && device("cuda:-1").is_err());
    }
}
