//! From the text of an expression to a tree.

use base::Error;

use super::in_expression;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::metrics) enum Expression {
    Number(f64),
    Text(String),
    /// Another query's result, by its id.
    Id(String),
    Array(Vec<Expression>),
    Call(String, Vec<Expression>),
    Negative(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
}

/// What stands between two terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::metrics) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

impl Operator {
    /// The greater, the closer it binds.
    fn binding(self) -> u8 {
        match self {
            Operator::Or => 1,
            Operator::And => 2,
            Operator::Equal | Operator::NotEqual => 3,
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => 4,
            Operator::Add | Operator::Subtract => 5,
            Operator::Multiply | Operator::Divide => 6,
            Operator::Power => 8,
        }
    }
}

/// How closely a minus before a term binds: `-a ^ 2` is `-(a ^ 2)`.
const NEGATION: u8 = 7;

/// How deep expressions may nest.
const DEPTH_MAX: usize = 64;

impl Expression {
    /// All ids it names.
    pub(in crate::metrics) fn ids(&self) -> Vec<&str> {
        match self {
            Expression::Number(_) | Expression::Text(_) => Vec::new(),
            Expression::Id(id) if matches!(id.as_str(), "REPEAT" | "LINEAR") => Vec::new(),
            Expression::Id(id) => vec![id],
            Expression::Array(items) | Expression::Call(_, items) => items.iter().flat_map(Expression::ids).collect(),
            Expression::Negative(inner) => inner.ids(),
            Expression::Binary(_, left, right) => [left.ids(), right.ids()].concat(),
        }
    }

    /// Whether a function is called anywhere in it.
    pub(in crate::metrics) fn calls(&self, name: &str) -> bool {
        match self {
            Expression::Number(_) | Expression::Text(_) | Expression::Id(_) => false,
            Expression::Call(called, _) if called == name => true,
            Expression::Array(items) | Expression::Call(_, items) => items.iter().any(|item| item.calls(name)),
            Expression::Negative(inner) => inner.calls(name),
            Expression::Binary(_, left, right) => left.calls(name) || right.calls(name),
        }
    }
}

/// Reads an expression.
pub(in crate::metrics) fn parse(text: &str) -> Result<Expression, Error> {
    let opening = text.trim_start().get(..6).unwrap_or_default();
    if opening.eq_ignore_ascii_case("select") {
        return Err(Error::not_implemented("Metrics Insights (SELECT) in GetMetricData"));
    }
    let mut parser = Parser { rest: text, depth: 0 };
    let expression = parser.expression(0)?;
    match parser.peek() {
        None => Ok(expression),
        Some(_) => Err(in_expression(format!("unexpected '{}'", parser.rest.trim_start()))),
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn expression(&mut self, floor: u8) -> Result<Expression, Error> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(in_expression("it nests too deep"));
        }
        let mut left = self.term()?;
        while let Some((operator, rest)) = self.operator().filter(|(o, _)| o.binding() > floor) {
            self.rest = rest;
            let right = self.expression(operator.binding())?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn term(&mut self) -> Result<Expression, Error> {
        match self.peek() {
            Some('(') => {
                self.skip();
                let inner = self.expression(0)?;
                self.expect(')')?;
                Ok(inner)
            }
            Some('[') => {
                self.skip();
                Ok(Expression::Array(self.list(']')?))
            }
            Some('-') => {
                self.skip();
                Ok(Expression::Negative(Box::new(self.expression(NEGATION)?)))
            }
            Some(quote @ ('"' | '\'')) => {
                self.skip();
                let end = self.rest.find(quote).ok_or_else(|| in_expression("a quotation does not end"))?;
                let text = self.rest[..end].to_owned();
                self.rest = &self.rest[end + 1..];
                Ok(Expression::Text(text))
            }
            Some(digit) if digit.is_ascii_digit() || digit == '.' => self.number(),
            Some(letter) if letter.is_ascii_alphabetic() || letter == '_' => self.name(),
            Some(other) => Err(in_expression(format!("unexpected '{other}'"))),
            None => Err(in_expression("it ends too early")),
        }
    }

    fn number(&mut self) -> Result<Expression, Error> {
        let text = self.rest;
        let mut end = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        if let Some(exponent) = text[end..].strip_prefix(['e', 'E']) {
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            let count = digits.bytes().take_while(u8::is_ascii_digit).count();
            if count > 0 {
                end += 1 + (exponent.len() - digits.len()) + count;
            }
        }
        self.rest = &text[end..];
        let number = text[..end].parse().map_err(|_| in_expression(format!("'{}' is no number", &text[..end])))?;
        Ok(Expression::Number(number))
    }

    fn name(&mut self) -> Result<Expression, Error> {
        let name = self.word();
        self.rest = &self.rest[name.len()..];
        if self.peek() != Some('(') {
            return Ok(Expression::Id(name.to_owned()));
        }
        self.skip();
        Ok(Expression::Call(name.to_ascii_uppercase(), self.list(')')?))
    }

    fn list(&mut self, end: char) -> Result<Vec<Expression>, Error> {
        let mut items = Vec::new();
        if self.peek() == Some(end) {
            self.skip();
            return Ok(items);
        }
        loop {
            items.push(self.expression(0)?);
            match self.peek() {
                Some(',') => self.skip(),
                _ => return self.expect(end).map(|()| items),
            }
        }
    }

    /// The operator that follows, and what comes after it.
    fn operator(&mut self) -> Option<(Operator, &'a str)> {
        self.peek()?;
        const SIGNS: &[(&str, Operator)] = &[
            ("||", Operator::Or),
            ("&&", Operator::And),
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
            ("+", Operator::Add),
            ("-", Operator::Subtract),
            ("*", Operator::Multiply),
            ("/", Operator::Divide),
            ("^", Operator::Power),
        ];
        if let Some((sign, operator)) = SIGNS.iter().find(|(sign, _)| self.rest.starts_with(sign)) {
            return Some((*operator, &self.rest[sign.len()..]));
        }
        let word = self.word();
        let operator = match word {
            "AND" => Operator::And,
            "OR" => Operator::Or,
            _ => return None,
        };
        Some((operator, &self.rest[word.len()..]))
    }

    fn word(&self) -> &'a str {
        let end = self.rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        &self.rest[..end]
    }

    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    /// Passes over the character that was peeked at.
    fn skip(&mut self) {
        let mut rest = self.rest.chars();
        rest.next();
        self.rest = rest.as_str();
    }

    fn expect(&mut self, wanted: char) -> Result<(), Error> {
        match self.peek() {
            Some(found) if found == wanted => {
                self.skip();
                Ok(())
            }
            Some(found) => Err(in_expression(format!("'{wanted}' expected instead of '{found}'"))),
            None => Err(in_expression(format!("'{wanted}' is missing at the end"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree with all its brackets.
    fn shown(expression: &Expression) -> String {
        match expression {
            Expression::Number(number) => number.to_string(),
            Expression::Text(text) => format!("'{text}'"),
            Expression::Id(id) => id.clone(),
            Expression::Negative(inner) => format!("(-{})", shown(inner)),
            Expression::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(",")),
            Expression::Call(name, items) => {
                format!("{name}({})", items.iter().map(shown).collect::<Vec<_>>().join(","))
            }
            Expression::Binary(operator, left, right) => format!("({} {operator:?} {})", shown(left), shown(right)),
        }
    }

    #[test]
    fn operators_bind_as_in_school() {
        for (text, wanted) in [
            ("a+b*c", "(a Add (b Multiply c))"),
            ("a - b - c", "((a Subtract b) Subtract c)"),
            ("-a^2", "(-(a Power 2))"),
            ("100*(e/i)", "(100 Multiply (e Divide i))"),
            ("a>1 && b<=2 || c", "(((a Greater 1) And (b LessOrEqual 2)) Or c)"),
            ("a AND b OR c", "((a And b) Or c)"),
            ("SUM(METRICS())/avg([m1, m2])", "(SUM(METRICS()) Divide AVG([m1,m2]))"),
            ("FILL(m, 1.5e3)", "FILL(m,1500)"),
            ("METRICS('err')", "METRICS('err')"),
        ] {
            assert_eq!(parse(text).map(|e| shown(&e)), Ok(wanted.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for bad in ["", "a+", "(a", "a)", "[a", "f(a,", "1..2", "\"x", "a b", "é", "a $ b", &"(".repeat(100)] {
            assert_eq!(parse(bad).map_err(|e| e.code.into_owned()), Err("ValidationError".to_owned()), "{bad}");
        }
        assert_eq!(parse("SELECT AVG(x) FROM y").map_err(|e| e.status), Err(501));
    }
}
