//! placeholder

pub mod chains;
pub use routefuse_ir::op::PackForm;
pub use routefuse_ir::target::{Target, TargetKind};
pub use routefuse_ir::{
    Code, DType, Diagnostic, Diagnostics, Graph, GraphBuilder, Span, Tensor, Verified, interp, json, text,
};

#[cfg(test)]
mod tests {
    #[test]
    fn chains_verify() {
        for (name, g) in crate::chains::examples() {
            if let Err(e) = g {
                panic!("{name}: {e}");
            }
        }
    }
}
