//! Functions of the host, kernels of a GPU, and where a thread is.

use super::{Builder, Val};
use melior::ir::{
    Attribute, Type,
    attribute::{ArrayAttribute, StringAttribute, TypeAttribute},
    r#type::FunctionType,
};

/// A parameter of a function and what is promised about it.
#[derive(Clone, Debug)]
pub struct Parameter<'m> {
    /// Its type.
    pub ty: Type<'m>,
    /// A pointer whose object no other parameter reaches.
    pub noalias: bool,
    /// A pointer that is only read through.
    pub readonly: bool,
    /// Known alignment in bytes of a pointer; 1 says nothing.
    pub align: u32,
}

impl<'m> Parameter<'m> {
    /// A parameter about which nothing is known.
    pub fn plain(ty: Type<'m>) -> Parameter<'m> {
        Parameter { ty, noalias: false, readonly: false, align: 1 }
    }

    fn attributes(&self) -> String {
        let Parameter { ty: _, noalias, readonly, align } = *self;
        let mut parts = Vec::new();
        if noalias {
            parts.push("llvm.noalias".to_owned());
        }
        if readonly {
            parts.push("llvm.readonly".to_owned());
        }
        if align > 1 {
            parts.push(format!("llvm.align = {align} : i64"));
        }
        format!("{{{}}}", parts.join(", "))
    }
}

/// Where a thread is in the launch, along x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinate {
    /// The block in the grid.
    Block,
    /// The thread in the block.
    Thread,
}

impl<'m> Builder<'m> {
    /// A host function without result. A private one is inlined into its callers.
    pub fn function(
        &self,
        name: &str,
        private: bool,
        parameters: &[Parameter<'m>],
        body: impl FnOnce(&Self, &[Val<'m>]),
    ) {
        let mut attributes = self.signature(name, parameters);
        if private {
            attributes.push(("llvm.linkage", self.attribute("#llvm.linkage<internal>")));
            attributes.push(("passthrough", self.attribute("[\"alwaysinline\"]")));
        }
        let types: Vec<Type<'m>> = parameters.iter().map(|p| p.ty).collect();
        let region = self.region(&types, |arguments| {
            body(self, arguments);
            self.append("func.return", &[], &[], &[], vec![]);
        });
        self.as_function(name, || self.append("func.func", &[], &attributes, &[], vec![region]));
    }

    /// Calls a host function of this module.
    pub fn call(&self, name: &str, arguments: &[Val<'m>]) {
        let callee = self.attribute(&format!("@{name}"));
        self.append("func.call", arguments, &[("callee", callee)], &[], vec![]);
    }

    /// A `gpu.module` with one kernel, run by blocks of `threads` threads that share so many words of 32 bits: see
    /// [`Self::shared_words`].
    pub fn gpu_kernel(
        &self,
        name: &str,
        (threads, shared_words): (u32, u32),
        enough_blocks: Option<(&'static str, u32)>,
        parameters: &[Parameter<'m>],
        body: impl FnOnce(&Self, &[Val<'m>]),
    ) {
        let module = self.region(&[], |_| {
            if shared_words > 0 {
                self.declare_shared_words(shared_words);
            }
            let mut attributes = self.signature(name, parameters);
            attributes.push(("gpu.kernel", Attribute::unit(self.context)));
            attributes.push(("known_block_size", self.attribute(&format!("array<i32: {threads}, 1, 1>"))));
            if let Some((name, blocks)) = enough_blocks {
                attributes.push((name, self.attribute(&format!("{blocks} : i32"))));
            }
            let types: Vec<Type<'m>> = parameters.iter().map(|p| p.ty).collect();
            let region = self.region(&types, |arguments| {
                body(self, arguments);
                self.append("gpu.return", &[], &[], &[], vec![]);
            });
            self.as_function(name, || self.append("gpu.func", &[], &attributes, &[], vec![region]));
        });
        let name = StringAttribute::new(self.context, "device").into();
        self.append("gpu.module", &[], &[("sym_name", name)], &[], vec![module]);
    }

    /// Where the thread is, as `i64`; never negative.
    pub fn coordinate(&self, coordinate: Coordinate) -> Val<'m> {
        let name = match coordinate {
            Coordinate::Block => "gpu.block_id",
            Coordinate::Thread => "gpu.thread_id",
        };
        let dimension = self.attribute("#gpu<dim x>");
        let index = self.op(name, &[], &[("dimension", dimension)], Type::index(self.context));
        self.op("arith.index_castui", &[index], &[], self.int(64))
    }

    fn signature(&self, name: &str, parameters: &[Parameter<'m>]) -> Vec<(&'static str, Attribute<'m>)> {
        let types: Vec<Type<'m>> = parameters.iter().map(|p| p.ty).collect();
        let promises: Vec<Attribute<'m>> = parameters.iter().map(|p| self.attribute(&p.attributes())).collect();
        let function = FunctionType::new(self.context, &types, &[]);
        vec![
            ("sym_name", StringAttribute::new(self.context, name).into()),
            ("function_type", TypeAttribute::new(function.into()).into()),
            ("arg_attrs", ArrayAttribute::new(self.context, &promises).into()),
        ]
    }
}
