//! Plans on a GPU, whatever its driver. The driver here is one that the test's own process plays, beside CUDA's: nothing
//! outside of this folder knows of it, and yet whatever plans bind, check, choose and load, they do for it.

#[path = "../fixture/mod.rs"]
mod fixture;
mod launches;
mod loads;
mod phases;
mod played;
