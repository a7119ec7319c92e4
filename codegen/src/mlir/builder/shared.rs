//! Memory that the threads of a block share, and their barrier.

use super::{Builder, Val};
use melior::ir::{
    Attribute,
    attribute::{IntegerAttribute, StringAttribute, TypeAttribute},
};
use routefuse_ir::kernel::abi::STATIC_SHARED_BYTES;

/// The symbol of a block's shared words.
const SHARED: &str = "shared_words";

/// The address space of a block's shared memory, on NVIDIA and on AMD.
const SHARED_SPACE: u32 = 3;

impl<'m> Builder<'m> {
    /// All threads of the block are here, and see what the others wrote before. All of them have to come by here together.
    pub fn block_barrier(&self) {
        self.append("gpu.barrier", &[], &[], &[], vec![]);
    }

    /// What code says itself has a number of words; of more than that, all are asked for by the launch.
    pub(super) fn declare_shared_words(&self, count: u32) {
        let (count, linkage) = match 4 * count > STATIC_SHARED_BYTES {
            true => (0, "#llvm.linkage<external>"),
            false => (count, "#llvm.linkage<internal>"),
        };
        let array = melior::dialect::llvm::r#type::array(self.int(32), count);
        let space = IntegerAttribute::new(self.int(32), i64::from(SHARED_SPACE)).into();
        let attributes: Vec<(&str, Attribute<'m>)> = vec![
            ("sym_name", StringAttribute::new(self.context, SHARED).into()),
            ("global_type", TypeAttribute::new(array).into()),
            ("linkage", self.attribute(linkage)),
            ("addr_space", space),
            ("alignment", IntegerAttribute::new(self.int(64), 16).into()),
        ];
        self.append("llvm.mlir.global", &[], &attributes, &[], vec![melior::ir::Region::new()]);
    }

    /// The address of the shared words of the kernel, which [`Self::gpu_kernel`] was told of.
    pub fn shared_words(&self) -> Val<'m> {
        let space = melior::dialect::llvm::r#type::pointer(self.context, SHARED_SPACE);
        let name = self.attribute(&format!("@{SHARED}"));
        let pointer = self.op("llvm.mlir.addressof", &[], &[("global_name", name)], space);
        self.op("llvm.addrspacecast", &[pointer], &[], self.pointer())
    }
}
