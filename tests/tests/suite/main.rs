//! Everything that needs the compiler, in one binary: it links LLVM.

mod aarch64;
mod amd;
mod amd_counts;
mod amd_everything;
mod bins;
mod blocks;
mod chains;
mod chosen_amd;
mod combinations;
mod corpus;
mod differential;
mod error_pages;
mod gpu;
mod groups_amd;
mod hip;
mod hsaco;
mod manifest;
mod models;
mod models_amd;
mod models_ptx;
mod one_compile;
mod ptx;
mod roots;
mod snapshot;
mod traps;
mod x86_64_levels;
