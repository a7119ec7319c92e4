//! placeholder

pub mod chains;
pub use routefuse_ir::op::PackForm;

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
