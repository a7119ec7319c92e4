//! What becomes one kernel, what does not and why, and that every form of a graph gives the same bits.

mod agreement;
mod alias;
mod bins;
mod chains;
mod cuts;
mod joined;
mod lanes;
mod large;
mod limits;
mod random;
mod report;
mod rows;
