//! Cuts of kernels that would be too large to compile.
//!
//! What is too large by one store alone gets memory on the way: of a value that is too large and whose operands are not, the
//! operands that weigh most. What is too large by many stores becomes several kernels, each of as many stores as fit. Before all
//! that, values that were at hand for others of their kernel are loaded by these, in kernels of their own.

use super::cluster::Clusters;
use super::cut::{Cut, Reason};
use super::materialise::{moved, source};
use super::size::{self, MOST, size};
use super::{Item, Plan, intermediate, own_output, stores};
use crate::lower::cone::{cone, pulled};
use crate::lower::job::{Job, Lowered};
use crate::lower::lower;
use routefuse_ir::Diagnostics;
use routefuse_ir::graph::NodeId;
use routefuse_ir::kernel::Kernel;
use routefuse_ir::kernel::schedule::code_size::MOST_INSTRUCTIONS;
use routefuse_ir::program::Buffer;
use std::collections::HashMap;

impl Plan<'_> {
    /// Cuts the kernels that are too large; false if there is nothing to cut.
    ///
    /// # Errors
    /// Only by a defect of this crate.
    pub(super) fn relieve_all(
        &mut self,
        items: &[Item],
        clusters: &Clusters,
        kernels: &[Lowered],
    ) -> Result<bool, Diagnostics> {
        let mut any = false;
        for (kernel, members) in kernels.iter().zip(&clusters.kernels) {
            let kernel = &kernel.step.kernel;
            any |= size(kernel) > MOST && self.relieve(kernel, items, members)?;
        }
        Ok(any)
    }

    /// Cuts a kernel that is too large; false if there is nothing to cut.
    ///
    /// # Errors
    /// Only by a defect of this crate.
    fn relieve(&mut self, kernel: &Kernel, items: &[Item], members: &[usize]) -> Result<bool, Diagnostics> {
        // An input that is an output too is but copied.
        let computed = |item: &&Item| item.copies.is_none() && self.rowwise.is_op(item.node);
        let roots: Vec<NodeId> = members.iter().map(|m| &items[*m]).filter(computed).map(|item| item.node).collect();
        let at_hand: Vec<NodeId> = roots.iter().copied().filter(|id| self.for_others[id.index()]).collect();
        if roots.len() > 1 && !at_hand.is_empty() {
            at_hand.iter().for_each(|id| self.for_others[id.index()] = false);
            return Ok(true);
        }
        let mut cut = false;
        for root in &roots {
            cut |= self.relieve_value(*root, false)?;
        }
        // Memory on the way may be relief enough.
        if cut {
            return Ok(true);
        }
        let groups = size::groups(kernel);
        if let [_] = groups[..] {
            // Each value by itself just fits, but not with all of its stores.
            for root in &roots {
                if self.relieve_value(*root, true)? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let stores = stores(items, members);
        // What the first one keeps needs no new number.
        for group in &groups[1..] {
            self.groups += 1;
            group.iter().for_each(|s| self.group[stores[*s].0.index()] = self.groups);
        }
        Ok(true)
    }

    /// Gives memory to what makes one stored value too large, or to what weighs most in it where it is too large `anyway`.
    fn relieve_value(&mut self, root: NodeId, mut anyway: bool) -> Result<bool, Diagnostics> {
        let mut sizes = Sizes::default();
        let mut cut = false;
        while std::mem::take(&mut anyway) || sizes.of(self, root)? > MOST {
            let on_the_way = self.on_the_way(root);
            // Not the first of all that are too large, but one whose operands are not.
            let (mut from, mut to) = (0, on_the_way.len());
            while to - from > 1 {
                let middle = from + (to - from) / 2;
                if sizes.of(self, on_the_way[middle - 1])? > MOST { to = middle } else { from = middle }
            }
            let mut user = on_the_way.get(to.wrapping_sub(1)).copied().unwrap_or(root);
            if sizes.of(self, user)? <= MOST {
                user = root;
            }
            while let Some(larger) = self.too_large_operand(&mut sizes, user)? {
                user = larger;
            }
            if !self.store_operands(&mut sizes, user)? {
                break;
            }
            sizes.forget();
            cut = true;
        }
        Ok(cut)
    }

    /// What is computed for a value, itself included, operands first.
    fn on_the_way(&self, root: NodeId) -> Vec<NodeId> {
        let all = self.without(root, |memory| cone(&self.rowwise, memory, std::iter::once(root)));
        all.into_iter()
            .filter(|id| *id == root || (self.memory[id.index()].is_none() && self.rowwise.is_op(*id)))
            .collect()
    }

    /// With the value itself in no memory.
    fn without<R>(&self, id: NodeId, then: impl FnOnce(&[Option<Buffer>]) -> R) -> R {
        let mut memory = self.memory.clone();
        memory[id.index()] = None;
        then(&memory)
    }

    /// The values behind an operand's movements.
    fn operands(&self, user: NodeId) -> Vec<NodeId> {
        let mut found: Vec<NodeId> = self.without(user, |memory| pulled(&self.rowwise, memory, user).collect());
        let has_none = |id: &NodeId| self.memory[id.index()].is_none() && self.rowwise.is_op(*id);
        for id in &mut found {
            let source = source(&self.rowwise, &self.memory, *id);
            // Of what is gathered from memory, the columns may be what is large.
            *id = if has_none(&source) { source } else { moved(&self.rowwise, &self.memory, *id) };
        }
        found.retain(has_none);
        found.sort_unstable();
        found.dedup();
        found
    }

    fn too_large_operand(&mut self, sizes: &mut Sizes, user: NodeId) -> Result<Option<NodeId>, Diagnostics> {
        for id in self.operands(user) {
            if sizes.of(self, id)? > MOST {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Gives memory to the largest operands, until the rest may fit.
    fn store_operands(&mut self, sizes: &mut Sizes, user: NodeId) -> Result<bool, Diagnostics> {
        let mut operands = Vec::new();
        for id in self.operands(user) {
            operands.push((std::cmp::Reverse(sizes.of(self, id)?), self.rowwise.at(id).position, id));
        }
        operands.sort_unstable();
        let too_much = sizes.of(self, user)?.saturating_sub(MOST);
        let mut less = 0;
        let mut any = false;
        for (std::cmp::Reverse(size), _, id) in operands {
            if any && less > too_much {
                break;
            }
            less += size;
            any = true;
            let place = own_output(&self.rowwise, &self.program, id)
                .unwrap_or_else(|| intermediate(&mut self.program, &self.rowwise, id));
            self.memory[id.index()] = Some(place);
            let name = |id: NodeId| self.rowwise.node(id).name.clone();
            let reason = Reason::CodeSize { value: name(id), user: name(user), most: MOST_INSTRUCTIONS };
            self.cuts.push(Cut { kernels: None, reason });
        }
        Ok(any)
    }

    /// The kernel of one value alone.
    fn alone(&mut self, id: NodeId) -> Result<Kernel, Diagnostics> {
        // What is added lies in an output.
        let adds =
            self.rowwise.graph.outputs.iter().position(|o| o.node == id).filter(|_| self.rowwise.is_addition(id));
        let place = adds.map(Buffer::Output);
        let buffer = place.unwrap_or_else(|| intermediate(&mut self.program, &self.rowwise, id));
        let proved = std::mem::take(&mut self.proved);
        let lowered = self.without(id, |memory| {
            let stores = [(id, buffer)];
            lower(&Job {
                rowwise: &self.rowwise,
                program: &self.program,
                memory,
                stores: &stores,
                proved: &proved,
                name: "",
            })
        });
        self.proved = proved;
        if adds.is_none() {
            self.program.intermediates.pop();
        }
        Ok(lowered?.step.kernel.into_inner())
    }
}

/// Sizes of kernels of one value each, as far as they were asked for.
#[derive(Default)]
struct Sizes {
    known: HashMap<NodeId, u64>,
}

impl Sizes {
    fn of(&mut self, plan: &mut Plan<'_>, id: NodeId) -> Result<u64, Diagnostics> {
        if let Some(known) = self.known.get(&id) {
            return Ok(*known);
        }
        plan.cancel.check()?;
        let size = size(&plan.alone(id)?);
        self.known.insert(id, size);
        Ok(size)
    }

    /// What lies in memory has changed.
    fn forget(&mut self) {
        self.known.clear();
    }
}
