//! Lesson 1: a graph from its text, a plan, a launch.
//!
//! # The graph
//! A router chose two experts for each token. Before the expert GEMMs run, an engine renames the experts (the load balancer
//! put expert 0 on place 10, and so on) and hides the rows behind the last real token. That is a graph of two operations. It is
//! written as text, one statement a line:
//!
//! ```
//! use routefuse::text;
//!
//! let source = "route 1
//! graph @remap {
//!   dim T
//!   input %ids : i32[T, 2]
//!   input %map : i32[4]
//!   input %n : i32[]
//!   %physical = gather %map, %ids {out_of_range = pass} : i32[T, 2]
//!   %masked = mask_rows %physical, %n {fill = -1} : i32[T, 2]
//!   output out = %masked : i32[T, 2]
//! }
//! ";
//! let graph = text::parse_verified(source)?;
//! assert_eq!((graph.name.as_str(), graph.op_count()), ("remap", 2));
//! # Ok::<(), routefuse::Error>(())
//! ```
//!
//! `T` is a *dim*: an extent that each launch gives anew. Only the first dim of a shape may be one; it counts the rows. What
//! [`text::parse_verified`](crate::text::parse_verified) returns is a [`Verified`](crate::Verified) graph, and only a verified
//! graph can be compiled. A mistake is an error that names what is wrong, where, and what would be right; all mistakes are
//! reported at once:
//!
//! ```
//! let error = routefuse::text::parse_verified(
//!     "route 1\ngraph @g {\n  dim T\n  input %x : f32[T, 8]\n  %y = sofmax %x\n  output y = %y\n}\n",
//! )
//! .unwrap_err();
//! assert!(error.to_string().contains("did you mean `softmax`?"));
//! ```
//!
//! # What it means
//! The interpreter is the definition of every operation. It needs no compiler, and is what compiled code is compared with, bit
//! for bit:
//!
//! ```
//! # let source = "route 1\ngraph @remap {\n  dim T\n  input %ids : i32[T, 2]\n  input %map : i32[4]\n  input %n : i32[]\n  %physical = gather %map, %ids {out_of_range = pass} : i32[T, 2]\n  %masked = mask_rows %physical, %n {fill = -1} : i32[T, 2]\n  output out = %masked : i32[T, 2]\n}\n";
//! # let graph = routefuse::text::parse_verified(source)?;
//! use routefuse::{Tensor, ir::interp};
//!
//! let inputs = [
//!     Tensor::from_i32(&[2, 2], &[3, 0, 1, 2]),
//!     Tensor::from_i32(&[4], &[10, 11, 12, 13]),
//!     Tensor::from_i32(&[], &[1]), // one real row
//! ];
//! let outcome = interp::run(&graph, &inputs, &[])?;
//! assert_eq!(outcome.outputs[0], Tensor::from_i32(&[2, 2], &[13, 10, -1, -1]));
//! # Ok::<(), routefuse::Error>(())
//! ```
//!
//! # The plan
//! An [`Engine`](crate::Engine) makes a [`Plan`](crate::Plan): the two operations become one loop, compiled once for every
//! number of rows. [`HostPlan`](crate::HostPlan) is a plan that the host launches, on memory of the caller's:
//!
//! ```
//! # #[cfg(feature = "compiler")]
//! # fn main() -> Result<(), routefuse::Error> {
//! # let source = "route 1\ngraph @remap {\n  dim T\n  input %ids : i32[T, 2]\n  input %map : i32[4]\n  input %n : i32[]\n  %physical = gather %map, %ids {out_of_range = pass} : i32[T, 2]\n  %masked = mask_rows %physical, %n {fill = -1} : i32[T, 2]\n  output out = %masked : i32[T, 2]\n}\n";
//! # let graph = routefuse::text::parse_verified(source)?;
//! use routefuse::{Args, Engine, HostPlan, Options, Target, TensorMut, TensorRef};
//!
//! // At model load: one engine, one plan, compiled and loaded before the first request.
//! let engine = Engine::builder().build()?;
//! let plan = HostPlan::new(engine.compile(&graph, &Target::host(), &Options::default())?)?;
//! plan.prepare()?;
//!
//! // While serving: any number of rows, and no allocation.
//! let (ids, map, n) = ([3, 0, 1, 2], [10, 11, 12, 13], 1);
//! let mut out = [0; 4];
//! let mut args = Args::new();
//! args.named_input("ids", TensorRef::new(&ids, &[2, 2]))
//!     .named_input("map", TensorRef::new(&map, &[4]))
//!     .named_input("n", TensorRef::scalar(&n))
//!     .named_output("out", TensorMut::new(&mut out, &[2, 2]));
//! plan.launch(&args)?;
//! assert_eq!(out, [13, 10, -1, -1]);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "compiler"))]
//! # fn main() {}
//! ```
//!
//! A launch checks every argument before anything is written. An engine with buffers of its own stops here;
//! [`exec`](crate::exec) is for programs that want the buffers made for them.
