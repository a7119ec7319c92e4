//! The CUDA runtime on a machine without a GPU: a stand-in for the driver notes every call.

mod launch;
mod plans;
mod prepare;
mod stand_in;
