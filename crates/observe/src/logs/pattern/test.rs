//! One comparison of one value: what JSON conditions and fields have in common.

use regex::Regex;

use super::scanner::Scanner;

/// A comparison with a constant.
#[derive(Debug)]
pub(super) struct Test {
    operator: Operator,
    operand: Operand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug)]
enum Operand {
    Number(f64),
    /// Text between its `*`s.
    Text(Vec<String>),
    Regex(Regex),
}

impl Test {
    /// Reads `= 5*`, `> 1000`, `!= "x"`, `= %re%`; `ends` are the characters that end a bare operand.
    pub(super) fn parse(scanner: &mut Scanner<'_>, ends: &[char]) -> Result<Test, String> {
        let operator = operator(scanner)?;
        scanner.skip_spaces();
        if let Some(regex) = scanner.regex()? {
            return Ok(Test { operator, operand: Operand::Regex(regex) });
        }
        let quoted = scanner.quoted()?;
        let is_quoted = quoted.is_some();
        let text = match quoted {
            Some(text) => text,
            None => scanner.word_until(|c| c.is_whitespace() || ends.contains(&c)).to_owned(),
        };
        if text.is_empty() && !is_quoted {
            return Err("Invalid filter pattern: a value is missing after an operator".to_owned());
        }
        let operand = match text.parse::<f64>() {
            Ok(number) if !is_quoted && number.is_finite() => Operand::Number(number),
            _ => Operand::Text(text.split('*').map(str::to_owned).collect()),
        };
        let orders = !matches!(operator, Operator::Equal | Operator::NotEqual);
        if orders && !matches!(operand, Operand::Number(_)) {
            return Err(format!("Invalid filter pattern: '{text}' is not a number"));
        }
        Ok(Test { operator, operand })
    }

    /// Whether this text passes.
    pub(super) fn passes(&self, text: &str) -> bool {
        let number = || text.parse::<f64>().ok().filter(|n| n.is_finite());
        match (&self.operand, self.operator) {
            (Operand::Number(wanted), Operator::Equal) => number() == Some(*wanted),
            (Operand::Number(wanted), Operator::NotEqual) => number() != Some(*wanted),
            (Operand::Number(wanted), Operator::Less) => number().is_some_and(|n| n < *wanted),
            (Operand::Number(wanted), Operator::LessOrEqual) => number().is_some_and(|n| n <= *wanted),
            (Operand::Number(wanted), Operator::Greater) => number().is_some_and(|n| n > *wanted),
            (Operand::Number(wanted), Operator::GreaterOrEqual) => number().is_some_and(|n| n >= *wanted),
            (Operand::Text(parts), operator) => wildcard(parts, text) == (operator == Operator::Equal),
            (Operand::Regex(regex), operator) => regex.is_match(text) == (operator == Operator::Equal),
        }
    }
}

/// Whether the next thing is an operator.
pub(super) fn starts(scanner: &Scanner<'_>) -> bool {
    matches!(scanner.peek(), Some('=' | '!' | '<' | '>'))
}

fn operator(scanner: &mut Scanner<'_>) -> Result<Operator, String> {
    let known = [
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("=", Operator::Equal),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
    let found = known.iter().find(|(sign, _)| scanner.take(sign));
    found.map(|(_, operator)| *operator).ok_or_else(|| "Invalid filter pattern: an operator is missing".to_owned())
}

/// Whether the text is these parts with anything between them.
fn wildcard(parts: &[String], text: &str) -> bool {
    let [first, middle @ .., last] = parts else { return parts.first().is_some_and(|only| only == text) };
    let Some(mut rest) = text.strip_prefix(first.as_str()).and_then(|t| t.strip_suffix(last.as_str())) else {
        return false;
    };
    for part in middle {
        let Some(at) = rest.find(part.as_str()) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}
