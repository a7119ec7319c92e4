//! Structured control flow: `scf.if` and `scf.for`.

use super::{Builder, IntPredicate, Val};
use melior::ir::attribute::StringAttribute;
use melior::ir::{Attribute, Type};

impl<'m> Builder<'m> {
    /// Runs one of two bodies; each returns values of the types in `results`.
    pub fn if_then_else(
        &self,
        condition: Val<'m>,
        results: &[Type<'m>],
        then: impl FnOnce(&Self) -> Vec<Val<'m>>,
        otherwise: impl FnOnce(&Self) -> Vec<Val<'m>>,
    ) -> Vec<Val<'m>> {
        let then = self.region(&[], |_| {
            let values = then(self);
            self.yield_values(&values);
        });
        let otherwise = self.region(&[], |_| {
            let values = otherwise(self);
            self.yield_values(&values);
        });
        self.append("scf.if", &[condition], &[], results, vec![then, otherwise])
    }

    /// Runs `body` only where `condition` holds.
    pub fn if_then(&self, condition: Val<'m>, body: impl FnOnce(&Self)) {
        let then = self.region(&[], |_| {
            body(self);
            self.yield_values(&[]);
        });
        let nothing = melior::ir::Region::new();
        self.append("scf.if", &[condition], &[], &[], vec![then, nothing]);
    }

    /// Runs `body` for `from`, `from + step`, … while less than `to` (signed), all of one integer type.
    pub fn for_loop(&self, from: Val<'m>, to: Val<'m>, step: Val<'m>, body: impl FnOnce(&Self, Val<'m>)) {
        if self.in_loops.get().is_some() {
            let body = |b: &Self, at: Val<'m>, _: &[Val<'m>]| {
                body(b, at);
                vec![]
            };
            self.directed_loop((from, to, step), &[], body);
            return;
        }
        let region = self.region(&[self.type_of(from)], |arguments| {
            body(self, arguments[0]);
            self.yield_values(&[]);
        });
        self.append("scf.for", &[from, to, step], &[], &[], vec![region]);
    }

    /// As [`Self::for_loop`] over `(from, to, step)`, with values that each run takes from the one before, and the results
    /// of the last.
    pub fn for_loop_carrying(
        &self,
        (from, to, step): (Val<'m>, Val<'m>, Val<'m>),
        first: &[Val<'m>],
        body: impl FnOnce(&Self, Val<'m>, &[Val<'m>]) -> Vec<Val<'m>>,
    ) -> Vec<Val<'m>> {
        if self.in_loops.get().is_some() {
            return self.directed_loop((from, to, step), first, body);
        }
        let types: Vec<Type<'m>> = first.iter().map(|v| self.type_of(*v)).collect();
        let arguments = [&[self.type_of(from)], &types[..]].concat();
        let region = self.region(&arguments, |arguments| {
            let next = body(self, arguments[0], &arguments[1..]);
            self.yield_values(&next);
        });
        let operands = [&[from, to, step], first].concat();
        self.append("scf.for", &operands, &[], &types, vec![region])
    }

    /// Runs `body` on `first`, and as long as it says so `next` on what it gives, and `body` again on what `next` gives. What
    /// `body` gives has the types of its values but the first, and its last values are returned.
    pub fn repeat_while(
        &self,
        first: &[Val<'m>],
        body: impl FnOnce(&Self, &[Val<'m>]) -> (Val<'m>, Vec<Val<'m>>),
        next: impl FnOnce(&Self, &[Val<'m>]) -> Vec<Val<'m>>,
    ) -> Vec<Val<'m>> {
        let types: Vec<Type<'m>> = first.iter().map(|v| self.type_of(*v)).collect();
        let mut between = vec![];
        let before = self.region(&types, |arguments| {
            let (again, values) = body(self, arguments);
            between = values.iter().map(|v| self.type_of(*v)).collect();
            self.append("scf.condition", &[&[again], &values[..]].concat(), &[], &[], vec![]);
        });
        let after = self.region(&between.clone(), |arguments| {
            let values = next(self, arguments);
            self.yield_values(&values);
        });
        self.append("scf.while", first, &[], &between, vec![before, after])
    }

    /// From here on each loop begins with this directive to the assembler, where it asks whether to go on.
    pub fn direct_loops(&self, directive: Option<&'static str>) {
        self.in_loops.set(directive);
    }

    /// Runs `body`, whose loops begin with this directive, if there is one.
    pub fn with_directed_loops<R>(&self, directive: Option<&'static str>, body: impl FnOnce() -> R) -> R {
        let outer = self.in_loops.get();
        self.in_loops.set(directive.or(outer));
        let result = body();
        self.in_loops.set(outer);
        result
    }

    fn directed_loop(
        &self,
        (from, to, step): (Val<'m>, Val<'m>, Val<'m>),
        first: &[Val<'m>],
        body: impl FnOnce(&Self, Val<'m>, &[Val<'m>]) -> Vec<Val<'m>>,
    ) -> Vec<Val<'m>> {
        let all = [&[from], first].concat();
        let goes_on = |b: &Self, values: &[Val<'m>]| {
            let attributes = [
                ("asm_string", StringAttribute::new(b.context, b.in_loops.get().unwrap_or_default()).into()),
                ("constraints", StringAttribute::new(b.context, "").into()),
                ("has_side_effects", Attribute::unit(b.context)),
            ];
            b.append("llvm.inline_asm", &[], &attributes, &[], vec![]);
            (b.cmpi(IntPredicate::Slt, values[0], to), values.to_vec())
        };
        let last = self.repeat_while(&all, goes_on, |b, values| {
            let next = body(b, values[0], &values[1..]);
            [&[b.addi(values[0], step)], &next[..]].concat()
        });
        last[1..].to_vec()
    }

    fn yield_values(&self, values: &[Val<'m>]) {
        self.append("scf.yield", values, &[], &[], vec![]);
    }
}
