//! Lesson 3: what became of a graph, and why.
//!
//! [`Engine::explain`](crate::Engine::explain) compares the graph as it was written, one kernel an operation, with the kernels
//! that were made of it. No compiler is needed:
//!
//! ```
//! use routefuse::{Engine, Options, chains};
//!
//! let graph = chains::PostChain::default().graph()?;
//! let engine = Engine::builder().build()?;
//! let report = engine.explain(&graph, &Options::default())?;
//! assert_eq!(report.after.launches, 1);
//! assert!(report.before.launches > 5);
//! // Less is read and written for each row, because values between operations stay in registers.
//! assert!(report.after.traffic.read_per_row < report.before.traffic.read_per_row);
//! // As text, with every kernel, every cut and every proof: what `routefuse explain` prints.
//! println!("{report}");
//! # Ok::<(), routefuse::Error>(())
//! ```
//!
//! [`Engine::stages`](crate::Engine::stages) shows the way there, each stage as text:
//!
//! ```
//! # use routefuse::{Engine, Options, chains};
//! # let graph = chains::PostChain::default().graph()?;
//! # let engine = Engine::builder().build()?;
//! use routefuse::Target;
//!
//! let stages = engine.stages(&graph, &Target::named("sm_90")?, &Options::default())?;
//! assert!(stages.graph.contains("gather %map, %ids")); // as it was written
//! assert!(stages.fused.starts_with("program @post_chain")); // kernels, and what they share
//! assert!(stages.kernel().contains("schedule sm_90: flat")); // how rows and columns meet threads
//! # Ok::<(), routefuse::Error>(())
//! ```
//!
//! With the feature `compiler`, `inspect::code` goes on from there to MLIR, LLVM IR and assembly; `routefuse dump` prints all
//! of it.
