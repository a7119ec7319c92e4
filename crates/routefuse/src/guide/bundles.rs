//! Lesson 2: compile on one machine, serve on another that has no compiler.
//!
//! A *bundle* is one file with finished plans and the machine code of their kernels, for as many targets as are wanted. The
//! machine that makes it has the feature `compiler`; the one that serves from it needs neither LLVM nor the graph.
//!
//! ```
//! # #[cfg(feature = "compiler")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use routefuse::cache::Trust;
//! use routefuse::{Args, Engine, Options, Target, TensorMut, TensorRef, chains};
//!
//! # let folder = std::env::temp_dir().join(format!("routefuse-guide-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! let path = folder.join("model.rfb");
//!
//! // On the machine with a compiler. `routefuse bundle build` does the same.
//! let graphs = [("unpack".to_owned(), chains::Unpack { top_k: 2 }.graph()?)];
//! let maker = Engine::builder().build()?;
//! let targets = [Target::host(), Target::named("sm_90")?];
//! let bundle = maker.bundle(&graphs, &targets, &Options::default(), None, &|_| ())?;
//! std::fs::write(&path, bundle.finish())?;
//!
//! // On the machine that serves: plans by name. We made the bundle ourselves, so that we trust whoever made it.
//! let engine = Engine::from_bundle(&path, &Trust::anyone())?;
//! let plan = engine.plan("unpack")?;
//! plan.prepare()?;
//! let sealed = engine.sealed(); // from here on nothing is compiled or loaded
//!
//! let packed = [7 << 16 | 0x3f80, 9 << 16 | 0x4000];
//! let (mut ids, mut weights) = ([0; 2], [half::bf16::ZERO; 2]);
//! let mut args = Args::new();
//! args.named_input("packed", TensorRef::new(&packed, &[1, 2]))
//!     .named_output("ids", TensorMut::new(&mut ids, &[1, 2]))
//!     .named_output("weights", TensorMut::new(&mut weights, &[1, 2]));
//! plan.launch(&args)?;
//! assert_eq!((ids, weights.map(f32::from)), ([7, 9], [1.0, 2.0]));
//! assert_eq!(engine.counters().compiles, 0);
//! sealed.check()?;
//!
//! // A name that is not there says which ones are.
//! let error = engine.plan("unpak").unwrap_err();
//! assert!(error.to_string().contains("it has unpack"));
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "compiler"))]
//! # fn main() {}
//! ```
//!
//! # Whose code it is
//! A bundle is machine code, and `prepare` runs it as the user of the process. Its hashes say that no bit was changed on the way;
//! they do not say who made it, because anyone can compute them. So the loader says whose code may be run:
//!
//! - `Trust::anyone()`, where the file was made here, or lies where nobody else can put one;
//! - `Trust::signed_by(keys)`, everywhere else. `BundleWriter::finish_signed` signs, and the feature `signatures` has both.
//!
//! In either case the file must belong to this user or to the administrator, and no others may write to it.
