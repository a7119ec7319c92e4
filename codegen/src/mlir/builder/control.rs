//! Structured control flow: `scf.if` and `scf.for`.

use super::{Builder, Val};
use melior::ir::Type;

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
        let types: Vec<Type<'m>> = first.iter().map(|v| self.type_of(*v)).collect();
        let arguments = [&[self.type_of(from)], &types[..]].concat();
        let region = self.region(&arguments, |arguments| {
            let next = body(self, arguments[0], &arguments[1..]);
            self.yield_values(&next);
        });
        self.append("scf.for", &[&[from, to, step], first].concat(), &[], &types, vec![region])
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

    fn yield_values(&self, values: &[Val<'m>]) {
        self.append("scf.yield", values, &[], &[], vec![]);
    }
}
