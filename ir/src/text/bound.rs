//! Least extents of dims: `dim C >= 64 * min(8 * T, floor((8 * T + 16065) / 64))`, from tokens to the syntax tree, and to a graph.

use super::ast::{BoundExpr, Line, Name, Spanned, Statement, TermExpr};
use super::lex::Token;
use super::lower::Lowering;
use super::syntax::{Cursor, Parsed};
use crate::bound::{BoundTerm, DimBound, MAX_BOUND_CONSTANT};
use crate::diag::{Code, Span};
use crate::dim::SymbolId;
use crate::suggest::{did_you_mean, excerpt};

const HELP: &str = "a bound is as in `dim C >= 64 * min(8 * T, floor((8 * T + 16065) / 64))`: of constants and one dim, with \
                    spaces around `+` and `-`";

impl Cursor<'_> {
    /// What follows `dim`.
    pub(super) fn declared_dim(&mut self) -> Parsed<Statement> {
        let name = self.bare("the dim's name", "as in `dim T`")?;
        if !self.take('>') {
            return Ok(Statement::Dim { name, at_least: None });
        }
        self.expect('=', HELP)?;
        Ok(Statement::Dim { name, at_least: Some(self.bound()?) })
    }

    fn bound(&mut self) -> Parsed<BoundExpr> {
        let mut times = 1;
        let multiplies = matches!(self.ahead(0), Some(Token::Number(_)))
            && self.ahead(1) == Some(&Token::Punctuation('*'))
            && (self.ahead(2) == Some(&Token::Punctuation('(')) || self.calls(2, "min") || self.calls(2, "floor"));
        if multiplies {
            times = self.unsigned()?;
            self.expect('*', HELP)?;
        }
        let terms = if self.calls(0, "min") {
            self.skip(2);
            let terms = self.list("terms of a minimum", Self::term)?;
            self.expect(')', HELP)?;
            terms
        } else {
            vec![self.term()?]
        };
        Ok(BoundExpr { times, terms })
    }

    /// Whether a word and an opening bracket stand here.
    fn calls(&self, at: usize, word: &str) -> bool {
        matches!(self.ahead(at), Some(Token::Word(w)) if w == word)
            && self.ahead(at + 1) == Some(&Token::Punctuation('('))
    }

    fn term(&mut self) -> Parsed<TermExpr> {
        if !self.calls(0, "floor") {
            return self.bracketed();
        }
        self.skip(2);
        let term = self.bracketed()?;
        self.expect('/', HELP)?;
        let over = self.unsigned()?;
        self.expect(')', HELP)?;
        Ok(TermExpr { over, ..term })
    }

    /// A sum, which may stand in brackets.
    fn bracketed(&mut self) -> Parsed<TermExpr> {
        if !self.take('(') {
            return self.sum();
        }
        let sum = self.sum()?;
        self.expect(')', HELP)?;
        Ok(sum)
    }

    fn sum(&mut self) -> Parsed<TermExpr> {
        let mut sum = TermExpr { times: 0, of: None, plus: 0, over: 1 };
        let mut first = true;
        loop {
            let mut sign = 1;
            let mut signed = first;
            match self.ahead(0) {
                Some(Token::Number(n)) if n == "+" || n == "-" => {
                    sign = if n == "-" { -1 } else { 1 };
                    self.skip(1);
                    signed = true;
                }
                Some(Token::Number(n)) => signed |= n.starts_with(['+', '-']),
                _ => {}
            }
            if !signed {
                return Ok(sum);
            }
            first = false;
            self.summand(sign, &mut sum)?;
        }
    }

    /// `8 * T`, `T` or `8`, taken `sign` times.
    fn summand(&mut self, sign: i128, sum: &mut TermExpr) -> Parsed<()> {
        let start = self.span();
        let mut factor = sign;
        if matches!(self.ahead(0), Some(Token::Number(_))) {
            factor = sign * self.integer()?;
            if !self.take('*') {
                return self.added(&mut sum.plus, factor, start);
            }
        }
        let name = self.bare("a constant or a dim", HELP)?;
        if let Some(other) = sum.of.as_ref().filter(|other| other.value != name.value) {
            let message = format!(
                "a bound takes one dim, and here are `{}` and `{}`",
                excerpt(&other.value),
                excerpt(&name.value)
            );
            let span = name.span.unwrap_or_else(|| self.span());
            return self.fail(Code::BadBound, message, span, HELP);
        }
        sum.of.get_or_insert(name);
        self.added(&mut sum.times, factor, start)
    }

    /// Adds to a constant of a sum. What [`Cursor::integer`] cannot read again must not be printed.
    fn added(&mut self, constant: &mut i128, more: i128, at: Span) -> Parsed<()> {
        *constant += more;
        let size = constant.unsigned_abs();
        if i64::try_from(size).is_ok() {
            return Ok(());
        }
        let message = format!("{size} is more than {MAX_BOUND_CONSTANT}, the largest constant of a bound");
        self.fail(Code::BadBound, message, at, HELP)
    }

    fn integer(&mut self) -> Parsed<i128> {
        let text = self.name("a number", HELP, |t| if let Token::Number(n) = t { Some(n) } else { None })?;
        // No bound has more digits, and so many fit whatever they are.
        match text.value.parse::<i64>() {
            Ok(n) => Ok(n.into()),
            Err(_) => {
                let message = format!("`{}` is no number of a bound", excerpt(&text.value));
                let span = text.span.unwrap_or_else(|| self.span());
                self.fail(Code::BadNumber, message, span, HELP)
            }
        }
    }

    fn unsigned(&mut self) -> Parsed<u64> {
        let span = self.span();
        let n = self.integer()?;
        u64::try_from(n).or_else(|_| self.fail(Code::BadNumber, format!("`{n}` is below 0"), span, HELP))
    }
}

impl<'a> Lowering<'a, '_> {
    /// The bound of a dim that was just declared.
    pub(super) fn bound(&mut self, name: &'a Name, symbol: SymbolId, bound: &'a BoundExpr, line: &Line<Statement>) {
        let mut of: Option<(&Name, SymbolId)> = None;
        for named in bound.terms.iter().filter_map(|t| t.of.as_ref()) {
            if let Some((first, _)) = of.filter(|(first, _)| first.value != named.value) {
                let (first, other) = (excerpt(&first.value), excerpt(&named.value));
                let message = format!("a bound takes one dim, and here are `{first}` and `{other}`");
                return self.error(Code::BadBound, message, named.span, line, HELP.to_owned());
            }
            let message = match self.dim_of(&named.value) {
                Some(None) => return,
                Some(Some(other)) if other != symbol => {
                    of = Some((named, other));
                    continue;
                }
                Some(Some(_)) => format!("the dim `{}` is bounded by itself", excerpt(&name.value)),
                None => {
                    let message = format!("the dim `{}` is not declared", excerpt(&named.value));
                    let known: Vec<&str> = self.known_dims();
                    let help = did_you_mean(&named.value, known, || {
                        format!("declare it by `dim {}` above", excerpt(&named.value))
                    });
                    return self.error(Code::UndefinedDim, message, named.span, line, help);
                }
            };
            return self.error(Code::BadBound, message, named.span, line, "bound it by another dim".to_owned());
        }
        let term = |t: &TermExpr| {
            let times = u64::try_from(t.times).map_err(|_| "a bound does not fall where rows are more".to_owned())?;
            let plus = i64::try_from(t.plus).map_err(|_| format!("{} is no constant of a bound", t.plus))?;
            Ok(BoundTerm { over: t.over, times, plus })
        };
        let terms: Result<Vec<BoundTerm>, String> = bound.terms.iter().map(term).collect();
        match terms.and_then(|terms| DimBound::new(symbol, of.map(|o| o.1), bound.times, terms)) {
            Ok(bound) => self.graph.bounds.push(bound),
            Err(why) => self.error(Code::BadBound, why, line.item.span, line, HELP.to_owned()),
        }
    }
}

/// A bound of the JSON form.
pub(crate) fn bound_expr(times: u64, of: Option<String>, terms: impl Iterator<Item = BoundTerm>) -> BoundExpr {
    let of = of.map(Spanned::nowhere);
    let term = |t: BoundTerm| TermExpr {
        times: t.times.into(),
        of: of.clone().filter(|_| t.times > 0),
        plus: t.plus.into(),
        over: t.over,
    };
    BoundExpr { times, terms: terms.map(term).collect() }
}
