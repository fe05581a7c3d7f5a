//! Reading a path.

use std::sync::Arc;

use regex::RegexBuilder;
use serde_json::Value as Json;

use super::filter::{Comparison, Filter, Operand};
use super::{Error, FILTER_DEPTH_MAX, Function, PATH_BYTES_MAX, Path, Selector, Step};

/// A compiled pattern's size.
const PATTERN_BYTES_MAX: usize = 1 << 18;

/// Comparisons as they are written. What begins with another stands before it.
const COMPARISONS: [(&str, Comparison); 16] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("=~", Comparison::Matches),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
    ("in", Comparison::In),
    ("nin", Comparison::NotIn),
    ("contains", Comparison::Contains),
    ("sizeof", Comparison::Size),
    ("size", Comparison::Size),
    ("empty", Comparison::Empty),
    ("anyof", Comparison::AnyOf),
    ("noneof", Comparison::NoneOf),
    ("subsetof", Comparison::SubsetOf),
];

pub(super) fn path(text: &str) -> Result<Path, Error> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error("a path must not be empty".to_owned()));
    }
    if text.len() > PATH_BYTES_MAX {
        return Err(Error(format!("the path is longer than {PATH_BYTES_MAX} bytes")));
    }
    // Jayway takes `a.b` for `$.a.b`.
    let whole = if text.starts_with(['$', '@']) { text.to_owned() } else { format!("$.{text}") };
    let mut reader = Reader { text: &whole, at: 1, depth: 0 };
    let path = reader.steps()?;
    match reader.rest() {
        "" => Ok(path),
        _ => reader.wrong("unexpected text in the path"),
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn wrong<T>(&self, what: &str) -> Result<T, Error> {
        Err(Error(format!("{what}, at position {}", self.at)))
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn take(&mut self, wanted: &str) -> bool {
        let there = self.rest().starts_with(wanted);
        self.at += if there { wanted.len() } else { 0 };
        there
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Steps as far as they go.
    fn steps(&mut self) -> Result<Path, Error> {
        let mut steps: Vec<Step> = Vec::new();
        loop {
            let everywhere = self.take("..");
            if !everywhere && !self.rest().starts_with(['.', '[']) {
                break;
            }
            let selector = if self.take("[") {
                self.bracket()?
            } else {
                if !everywhere {
                    self.at += 1;
                }
                self.dotted()?
            };
            steps.push(Step { everywhere, selector });
        }
        let mut definite = true;
        for (at, step) in steps.iter().enumerate() {
            definite &= !step.everywhere
                && match &step.selector {
                    Selector::Name(_) | Selector::Function(_) => true,
                    Selector::Names(_) => at + 1 == steps.len(),
                    Selector::Indices(indices) => indices.len() == 1,
                    Selector::Slice(..) | Selector::All | Selector::Filter(_) => false,
                };
        }
        Ok(Path { steps, definite })
    }

    /// `name`, `*` or `function()`, after a dot.
    fn dotted(&mut self) -> Result<Selector, Error> {
        if self.take("*") {
            return Ok(Selector::All);
        }
        let inside = self.depth > 0;
        let ends = |letter: char| {
            matches!(letter, '.' | '[' | '(' | ' ')
                || (inside && matches!(letter, ')' | '=' | '<' | '>' | '!' | '&' | '|' | ',' | ']'))
        };
        let rest = self.rest();
        let name = &rest[..rest.find(ends).unwrap_or(rest.len())];
        if name.is_empty() {
            return self.wrong("expected a name");
        }
        self.at += name.len();
        if !self.take("(") {
            return Ok(Selector::Name(name.into()));
        }
        self.space();
        if !self.take(")") {
            return self.wrong("a function takes no arguments here");
        }
        Ok(Selector::Function(match name {
            "length" | "size" => Function::Length,
            "min" => Function::Minimum,
            "max" => Function::Maximum,
            "avg" => Function::Average,
            "sum" => Function::Sum,
            _ => return self.wrong("unknown function"),
        }))
    }

    /// What stands in brackets.
    fn bracket(&mut self) -> Result<Selector, Error> {
        self.space();
        let selector = if self.take("*") {
            Selector::All
        } else if self.take("?") {
            self.depth += 1;
            let filter = self.filter_in_parentheses()?;
            self.depth -= 1;
            Selector::Filter(Arc::new(filter))
        } else if self.rest().starts_with(['\'', '"']) {
            self.names()?
        } else {
            self.numbers()?
        };
        self.space();
        if self.take("]") { Ok(selector) } else { self.wrong("expected ']'") }
    }

    fn names(&mut self) -> Result<Selector, Error> {
        let mut names: Vec<Arc<str>> = Vec::new();
        loop {
            self.space();
            names.push(self.quoted()?.into());
            self.space();
            if !self.take(",") {
                break;
            }
        }
        Ok(match names.pop() {
            Some(only) if names.is_empty() => Selector::Name(only),
            last => {
                names.extend(last);
                Selector::Names(names)
            }
        })
    }

    fn numbers(&mut self) -> Result<Selector, Error> {
        let from = self.number()?;
        self.space();
        if self.take(":") {
            self.space();
            let to = self.number()?;
            return Ok(Selector::Slice(from, to));
        }
        let Some(first) = from else { return self.wrong("expected a name, a number, '*' or '?'") };
        let mut indices = vec![first];
        while self.take(",") {
            self.space();
            match self.number()? {
                Some(index) => indices.push(index),
                None => return self.wrong("expected a number"),
            }
            self.space();
        }
        Ok(Selector::Indices(indices))
    }

    fn number(&mut self) -> Result<Option<i64>, Error> {
        let rest = self.rest();
        let sign = usize::from(rest.starts_with('-'));
        let length = sign + rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return Ok(None);
        }
        match rest[..length].parse() {
            Ok(number) => {
                self.at += length;
                Ok(Some(number))
            }
            Err(_) => self.wrong("no number"),
        }
    }

    fn quoted(&mut self) -> Result<String, Error> {
        let Some(quote) = self.rest().chars().next().filter(|letter| matches!(letter, '\'' | '"')) else {
            return self.wrong("expected a string");
        };
        self.at += 1;
        let mut out = String::new();
        while let Some(letter) = self.rest().chars().next() {
            self.at += letter.len_utf8();
            match letter {
                '\\' => {
                    let Some(next) = self.rest().chars().next() else { break };
                    self.at += next.len_utf8();
                    match next {
                        'n' => out.push('\n'),
                        't' => out.push('\t'),
                        'r' => out.push('\r'),
                        other => out.push(other),
                    }
                }
                letter if letter == quote => return Ok(out),
                other => out.push(other),
            }
        }
        self.wrong("a string does not end")
    }

    fn filter_in_parentheses(&mut self) -> Result<Filter, Error> {
        self.space();
        if !self.take("(") {
            return self.wrong("expected '('");
        }
        let filter = self.any()?;
        self.space();
        if self.take(")") { Ok(filter) } else { self.wrong("expected ')'") }
    }

    fn any(&mut self) -> Result<Filter, Error> {
        self.depth += 1;
        if self.depth > FILTER_DEPTH_MAX {
            return self.wrong("the filter is nested too deeply");
        }
        let mut filters = vec![self.all()?];
        self.space();
        while self.take("||") {
            filters.push(self.all()?);
            self.space();
        }
        self.depth -= 1;
        Ok(only_or(filters, Filter::Any))
    }

    fn all(&mut self) -> Result<Filter, Error> {
        let mut filters = vec![self.one()?];
        self.space();
        while self.take("&&") {
            filters.push(self.one()?);
            self.space();
        }
        Ok(only_or(filters, Filter::All))
    }

    fn one(&mut self) -> Result<Filter, Error> {
        self.space();
        if self.take("!") {
            self.depth += 1;
            if self.depth > FILTER_DEPTH_MAX {
                return self.wrong("the filter is nested too deeply");
            }
            let inner = self.one()?;
            self.depth -= 1;
            return Ok(Filter::Not(Box::new(inner)));
        }
        if self.rest().starts_with('(') {
            return self.filter_in_parentheses();
        }
        let left = self.operand()?;
        self.space();
        let Some((symbol, comparison)) = COMPARISONS.iter().find(|(symbol, _)| self.is_comparison(symbol)) else {
            return match left {
                Operand::Here(_) | Operand::Root(_) => Ok(Filter::Exists(left)),
                _ => self.wrong("expected a comparison"),
            };
        };
        self.at += symbol.len();
        self.space();
        Ok(Filter::Compare(left, *comparison, self.operand()?))
    }

    fn is_comparison(&self, symbol: &str) -> bool {
        match self.rest().get(..symbol.len()) {
            Some(there) if symbol.starts_with(|first: char| first.is_ascii_alphabetic()) => {
                let after = &self.rest()[symbol.len()..];
                there.eq_ignore_ascii_case(symbol) && !after.starts_with(|next: char| next.is_ascii_alphanumeric())
            }
            Some(there) => there == symbol,
            None => false,
        }
    }

    fn operand(&mut self) -> Result<Operand, Error> {
        self.depth += 1;
        if self.depth > FILTER_DEPTH_MAX {
            return self.wrong("the filter is nested too deeply");
        }
        let operand = match self.rest().chars().next() {
            Some('@') => {
                self.at += 1;
                Operand::Here(self.steps()?)
            }
            Some('$') => {
                self.at += 1;
                Operand::Root(self.steps()?)
            }
            Some('\'' | '"') => Operand::Literal(Json::String(self.quoted()?)),
            Some('/') => self.pattern()?,
            Some('[') => Operand::Literal(Json::Array(self.list()?)),
            _ => Operand::Literal(self.literal()?),
        };
        self.depth -= 1;
        Ok(operand)
    }

    fn list(&mut self) -> Result<Vec<Json>, Error> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.space();
            if self.take("]") {
                return Ok(items);
            }
            if !items.is_empty() {
                if !self.take(",") {
                    return self.wrong("expected ',' or ']'");
                }
                self.space();
            }
            items.push(if self.rest().starts_with(['\'', '"']) {
                Json::String(self.quoted()?)
            } else {
                self.literal()?
            });
        }
    }

    fn literal(&mut self) -> Result<Json, Error> {
        let rest = self.rest();
        let ends = |letter: char| {
            letter.is_whitespace() || matches!(letter, ')' | ']' | ',' | '&' | '|' | '=' | '<' | '>' | '!')
        };
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        match serde_json::from_str::<Json>(word) {
            Ok(value @ (Json::Null | Json::Bool(_) | Json::Number(_))) => {
                self.at += word.len();
                Ok(value)
            }
            _ => self.wrong("expected a value"),
        }
    }

    /// `/pattern/flags`
    fn pattern(&mut self) -> Result<Operand, Error> {
        self.at += 1;
        let mut pattern = String::new();
        loop {
            let Some(letter) = self.rest().chars().next() else { return self.wrong("a pattern does not end") };
            self.at += letter.len_utf8();
            match letter {
                '/' => break,
                '\\' if self.take("/") => pattern.push('/'),
                other => pattern.push(other),
            }
        }
        let ignore_case = self.take("i");
        // Jayway wants the whole text to match.
        let whole = RegexBuilder::new(&format!(r"\A(?:{pattern})\z"))
            .case_insensitive(ignore_case)
            .size_limit(PATTERN_BYTES_MAX)
            .build();
        match whole {
            Ok(pattern) => Ok(Operand::Pattern(pattern)),
            Err(_) => self.wrong("no regular expression"),
        }
    }
}

fn only_or(mut filters: Vec<Filter>, many: impl FnOnce(Vec<Filter>) -> Filter) -> Filter {
    match filters.pop() {
        Some(only) if filters.is_empty() => only,
        last => {
            filters.extend(last);
            many(filters)
        }
    }
}
