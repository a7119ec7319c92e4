//! Plans on GPUs on a machine without one: stand-ins for the drivers of both vendors note every call. A test that is generic
//! over the vendor runs for each.

mod cuda;
mod formulas;
mod hip;
mod hip_only;
mod launch;
mod plans;
mod prepare;
mod several;
mod vendor;

/// Runs tests for both vendors.
macro_rules! for_both {
    ($($module:ident::$test:ident;)*) => {
        mod on_cuda {$(
            #[test]
            fn $test() {
                crate::$module::$test::<routefuse_runtime::cuda::Cuda>();
            }
        )*}
        mod on_hip {$(
            #[test]
            fn $test() {
                crate::$module::$test::<routefuse_runtime::hip::Hip>();
            }
        )*}
    };
}

for_both! {
    formulas::formulas_have_the_values_of_launches;
    launch::every_launch_is_one_call_with_the_right_parameters;
    launch::the_usual_launch_is_quick;
    several::launches_of_several_kernels_are_quick;
    several::what_several_refuse_calls_nothing;
    launch::refusals_call_nothing;
    launch::nothing_is_launched_for_no_rows;
    launch::small_launches_may_be_dependents;
    launch::kernels_behind_the_first_are_dependents;
    launch::what_the_driver_refuses;
    launch::two_gpus;
    launch::drivers_know_whose_memory_it_is;
    prepare::machine_code_is_kept;
    prepare::bundles;
    prepare::sealed;
    prepare::on_a_pool;
}
