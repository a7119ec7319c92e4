//! Tests that share out one long run.

/// Tests of these names, each of which calls a function with its number: `shards! { run: first 0 second 1 }`.
#[macro_export]
macro_rules! shards {
    ($run:ident: $($name:ident $number:literal)+) => { $(
        #[test]
        fn $name() {
            $run($number);
        }
    )+ };
}
