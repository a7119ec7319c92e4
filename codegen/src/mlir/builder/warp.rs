//! What the lanes of a warp or wavefront, and the threads of a block, say to one another.
//!
//! Everything here must be reached by all lanes of the warp, or all threads of the block, together.

use super::{Builder, Val};
use melior::ir::{
    Attribute, Type,
    attribute::{DenseI32ArrayAttribute, IntegerAttribute, StringAttribute, TypeAttribute},
};

/// The symbol of a block's shared words.
const SHARED: &str = "shared_words";

/// The address space of a block's shared memory, on NVIDIA and on AMD.
const SHARED_SPACE: u32 = 3;

/// AMD's address space of constants.
const CONSTANT_SPACE: u32 = 4;

/// All 32 lanes of a warp.
const ALL_LANES: i64 = 0xffff_ffff;

impl<'m> Builder<'m> {
    fn word(&self, value: u32) -> Val<'m> {
        self.const_int(self.int(32), i64::from(value))
    }

    // NVIDIA.

    /// NVIDIA: the word of the lane whose number differs in the bits of `mask`, below 32.
    pub fn shuffle_xor(&self, word: Val<'m>, mask: u32) -> Val<'m> {
        let all = self.const_int(self.int(32), ALL_LANES);
        let operands = [all, word, self.word(mask), self.word(31)];
        self.call_intrinsic("llvm.nvvm.shfl.sync.bfly.i32", &operands, self.int(32))
    }

    /// NVIDIA: the word of lane `lane` of the own group of `group` lanes, a power of two; of `lane` the low bits count.
    pub fn shuffle_from(&self, word: Val<'m>, lane: Val<'m>, group: u32) -> Val<'m> {
        let all = self.const_int(self.int(32), ALL_LANES);
        let operands = [all, word, lane, self.word((32 - group) << 8 | 31)];
        self.call_intrinsic("llvm.nvvm.shfl.sync.idx.i32", &operands, self.int(32))
    }

    /// NVIDIA, from sm_80 on: the largest word of the warp, unsigned.
    pub fn warp_max(&self, word: Val<'m>) -> Val<'m> {
        let all = self.const_int(self.int(32), ALL_LANES);
        self.call_intrinsic("llvm.nvvm.redux.sync.umax", &[word, all], self.int(32))
    }

    /// NVIDIA: a bit for each lane.
    pub fn warp_ballot(&self, bit: Val<'m>) -> Val<'m> {
        let all = self.const_int(self.int(32), ALL_LANES);
        self.call_intrinsic("llvm.nvvm.vote.ballot.sync", &[all, bit], self.int(32))
    }

    /// NVIDIA: stores a word to shared memory where the condition holds, by one predicated instruction. Of a store in a branch
    /// the assembler makes the same, but drags what hangs on the condition along.
    pub fn store_shared_where(&self, condition: Val<'m>, word: Val<'m>, address: Val<'m>) {
        let attributes = [
            ("asm_string", StringAttribute::new(self.context, "@$0 st.shared.b32 [$1], $2;").into()),
            ("constraints", StringAttribute::new(self.context, "b,l,r,~{memory}").into()),
            ("has_side_effects", Attribute::unit(self.context)),
        ];
        let space = melior::dialect::llvm::r#type::pointer(self.context, SHARED_SPACE);
        let shared = self.op("llvm.addrspacecast", &[address], &[], space);
        let address = self.op("llvm.ptrtoint", &[shared], &[], self.int(64));
        self.append("llvm.inline_asm", &[condition, address, word], &attributes, &[], vec![]);
    }

    /// NVIDIA: all lanes of the warp are here, and see what the others wrote before.
    pub fn warp_barrier(&self) {
        let all = self.const_int(self.int(32), ALL_LANES);
        self.append("nvvm.bar.warp.sync", &[all], &[], &[], vec![]);
    }

    // AMD.

    /// AMD: the word of the lane whose number differs in the bits of `mask`, below 32.
    pub fn swizzle_xor(&self, word: Val<'m>, mask: u32) -> Val<'m> {
        // Bit mode: lanes of 32 are and-ed with the low five bits, or-ed with the next, xor-ed with the next.
        let pattern = self.word(mask << 10 | 31);
        self.call_intrinsic("llvm.amdgcn.ds.swizzle", &[word, pattern], self.int(32))
    }

    /// AMD: the word of lane `lane` of the wavefront.
    pub fn permute_from(&self, word: Val<'m>, lane: Val<'m>) -> Val<'m> {
        let address = self.shli(lane, self.word(2));
        self.call_intrinsic("llvm.amdgcn.ds.bpermute", &[address, word], self.int(32))
    }

    /// AMD: a bit for each lane of a wavefront of this many, as an integer of as many bits.
    pub fn wave_ballot(&self, bit: Val<'m>, wave: u32) -> Val<'m> {
        self.call_intrinsic(&format!("llvm.amdgcn.ballot.i{wave}"), &[bit], self.int(wave))
    }

    /// AMD: what the lanes of the wavefront wrote before comes before what they read behind.
    pub fn wave_barrier(&self) {
        let attributes = [
            ("intrin", StringAttribute::new(self.context, "llvm.amdgcn.wave.barrier").into()),
            ("op_bundle_sizes", DenseI32ArrayAttribute::new(self.context, &[]).into()),
            ("operandSegmentSizes", DenseI32ArrayAttribute::new(self.context, &[0, 0]).into()),
        ];
        self.append("llvm.call_intrinsic", &[], &attributes, &[], vec![]);
    }

    // Blocks.

    /// All threads of the block are here, and see what the others wrote before.
    pub fn block_barrier(&self) {
        self.append("gpu.barrier", &[], &[], &[], vec![]);
    }

    /// NVIDIA: blocks of the grid, as `i64`.
    pub fn blocks(&self) -> Val<'m> {
        let dimension = self.attribute("#gpu<dim x>");
        let index = self.op("gpu.grid_dim", &[], &[("dimension", dimension)], Type::index(self.context));
        self.op("arith.index_castui", &[index], &[], self.int(64))
    }

    /// AMD: blocks of the grid, as `i64`: the first implicit argument of code object version 5.
    pub fn hidden_blocks(&self) -> Val<'m> {
        let space = melior::dialect::llvm::r#type::pointer(self.context, CONSTANT_SPACE);
        let arguments = self.call_intrinsic("llvm.amdgcn.implicitarg.ptr", &[], space);
        self.extui(self.load(arguments, self.int(32), 4, true), self.int(64))
    }

    pub(super) fn declare_shared_words(&self, count: u32) {
        let array = melior::dialect::llvm::r#type::array(self.int(32), count);
        let space = IntegerAttribute::new(self.int(32), i64::from(SHARED_SPACE)).into();
        let attributes: Vec<(&str, Attribute<'m>)> = vec![
            ("sym_name", StringAttribute::new(self.context, SHARED).into()),
            ("global_type", TypeAttribute::new(array).into()),
            ("linkage", self.attribute("#llvm.linkage<internal>")),
            ("addr_space", space),
            ("alignment", IntegerAttribute::new(self.int(64), 16).into()),
        ];
        self.append("llvm.mlir.global", &[], &attributes, &[], vec![melior::ir::Region::new()]);
    }

    /// The address of the shared words of the kernel, which [`Self::gpu_kernel_with_shared`] was told of.
    pub fn shared_words(&self) -> Val<'m> {
        let space = melior::dialect::llvm::r#type::pointer(self.context, SHARED_SPACE);
        let name = self.attribute(&format!("@{SHARED}"));
        let pointer = self.op("llvm.mlir.addressof", &[], &[("global_name", name)], space);
        self.op("llvm.addrspacecast", &[pointer], &[], self.pointer())
    }
}
