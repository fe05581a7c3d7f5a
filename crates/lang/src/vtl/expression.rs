//! References, and what stands between the parentheses of directives.
//!
//! Velocity 1.7 is narrow here, and so are we: a minus before a digit belongs to the number (`$x -1` is no subtraction),
//! a method's arguments are values and no arithmetic, quotes are doubled within quotes and nothing else is an escape.

use std::sync::Arc;

use super::parse::{Parser, Wrong};
use super::tree::{Expression, Node, Operator, Part, Reference};

/// Operators by how tightly they bind, loosest first. What begins with another stands before it.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or), ("or", Operator::Or)],
    &[("&&", Operator::And), ("and", Operator::And)],
    &[("==", Operator::Equal), ("eq", Operator::Equal), ("!=", Operator::NotEqual), ("ne", Operator::NotEqual)],
    &[
        ("<=", Operator::LessOrEqual),
        ("le", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("ge", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        ("lt", Operator::Less),
        (">", Operator::Greater),
        ("gt", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Remainder)],
];

fn is_identifier(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_')
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '@')
}

impl Parser<'_> {
    /// A reference after so many backslashes, or none, and then nothing is taken.
    pub(super) fn reference(&mut self, escapes: usize) -> Result<Option<Reference>, Wrong> {
        let start = self.at;
        let at = self.here();
        self.at += escapes;
        let from = self.at;
        if !self.take("$") {
            self.at = start;
            return Ok(None);
        }
        let quiet = self.take("!");
        let formal = self.take("{");
        let Some(name) = self.identifier() else {
            self.at = start;
            return Ok(None);
        };
        let path = self.deeper(Self::path)?;
        if formal && !self.take("}") {
            return self.unexpected("'}'");
        }
        let literal = self.source[from..self.at].into();
        let escapes = u32::try_from(escapes).unwrap_or(u32::MAX);
        Ok(Some(Reference { name, path, quiet, literal, escapes, at }))
    }

    fn identifier(&mut self) -> Option<Arc<str>> {
        let rest = self.rest();
        if !rest.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            return None;
        }
        let name = &rest[..rest.find(|letter| !is_identifier(letter)).unwrap_or(rest.len())];
        if matches!(name, "true" | "false") {
            return None;
        }
        self.at += name.len();
        Some(name.into())
    }

    fn path(&mut self) -> Result<Vec<Part>, Wrong> {
        let mut path = Vec::new();
        loop {
            match self.peek() {
                Some(b'[') => {
                    self.at += 1;
                    path.push(Part::Index(self.index()?));
                }
                Some(b'.') if self.peek_at(1).is_some_and(|next| next.is_ascii_alphabetic()) => {
                    self.at += 1;
                    let Some(name) = self.identifier() else {
                        self.at -= 1;
                        return Ok(path);
                    };
                    path.push(if self.peek() == Some(b'(') {
                        Part::Method(name, self.method_arguments()?)
                    } else {
                        Part::Property(name)
                    });
                }
                _ => return Ok(path),
            }
        }
    }

    fn method_arguments(&mut self) -> Result<Vec<Expression>, Wrong> {
        self.at += 1;
        if self.take(")") { Ok(Vec::new()) } else { self.items(")", Self::operand) }
    }

    fn index(&mut self) -> Result<Expression, Wrong> {
        self.space();
        if matches!(self.peek(), Some(b'[' | b'{')) {
            return self.unexpected("a number, a string or a reference");
        }
        let index = self.operand()?;
        self.space();
        if matches!(index, Expression::Float(_)) || !self.take("]") {
            return self.unexpected("']'");
        }
        Ok(index)
    }

    /// Things separated by commas, up to what closes them.
    fn items<T>(&mut self, close: &str, mut item: impl FnMut(&mut Self) -> Result<T, Wrong>) -> Result<Vec<T>, Wrong> {
        let mut items = Vec::new();
        loop {
            self.space();
            items.push(item(self)?);
            self.space();
            if self.take(close) {
                return Ok(items);
            }
            if !self.take(",") {
                return self.unexpected(&format!("',' or '{close}'"));
            }
        }
    }

    pub(super) fn expression(&mut self) -> Result<Expression, Wrong> {
        self.deeper(|parser| parser.level(0))
    }

    fn level(&mut self, level: usize) -> Result<Expression, Wrong> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let first = self.level(level + 1)?;
        let mut rest = Vec::new();
        while let Some(operator) = self.operator(operators) {
            rest.push((operator, self.level(level + 1)?));
        }
        Ok(if rest.is_empty() { first } else { Expression::Chain { first: Box::new(first), rest } })
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        self.space();
        let (_, operator) = *operators.iter().find(|(symbol, _)| self.symbol(symbol))?;
        Some(operator)
    }

    /// Takes an operator; a word must end where it ends.
    fn symbol(&mut self, symbol: &str) -> bool {
        let Some(after) = self.rest().strip_prefix(symbol) else { return false };
        // A minus before a digit is the number's.
        let ends = match symbol {
            "-" => !after.trim_start_matches('.').starts_with(|next: char| next.is_ascii_digit()),
            symbol => !symbol.ends_with(is_word) || !after.starts_with(is_word),
        };
        if ends {
            self.at += symbol.len();
        }
        ends
    }

    fn unary(&mut self) -> Result<Expression, Wrong> {
        self.space();
        if !self.rest().starts_with("!=") && (self.symbol("!") || self.symbol("not")) {
            return self.deeper(|parser| Ok(Expression::Not(Box::new(parser.unary()?))));
        }
        if self.take("(") {
            let inner = self.expression()?;
            self.space();
            return if self.take(")") { Ok(inner) } else { self.unexpected("')'") };
        }
        self.operand()
    }

    /// A value without operators.
    pub(super) fn operand(&mut self) -> Result<Expression, Wrong> {
        match self.peek() {
            Some(b'"' | b'\'') => self.string(),
            Some(b'0'..=b'9' | b'-' | b'.') => self.number(),
            Some(b'[') => self.deeper(Self::list),
            Some(b'{') => self.deeper(Self::map),
            Some(b'$') => match self.reference(0)? {
                Some(reference) => Ok(Expression::Reference(Box::new(reference))),
                None => self.unexpected("a reference"),
            },
            _ if self.symbol("true") => Ok(Expression::Bool(true)),
            _ if self.symbol("false") => Ok(Expression::Bool(false)),
            _ => self.unexpected("a value"),
        }
    }

    fn list(&mut self) -> Result<Expression, Wrong> {
        self.at += 1;
        self.space();
        if self.take("]") {
            return Ok(Expression::List(Vec::new()));
        }
        let first = self.operand()?;
        self.space();
        if matches!(first, Expression::Integer(_) | Expression::Reference(_)) && self.take("..") {
            self.space();
            let last = self.operand()?;
            self.space();
            if !matches!(last, Expression::Integer(_) | Expression::Reference(_)) || !self.take("]") {
                return self.unexpected("a range's end");
            }
            return Ok(Expression::Range(Box::new((first, last))));
        }
        let mut items = vec![first];
        if self.take(",") {
            items.extend(self.items("]", Self::operand)?);
        } else if !self.take("]") {
            return self.unexpected("',' or ']'");
        }
        Ok(Expression::List(items))
    }

    fn map(&mut self) -> Result<Expression, Wrong> {
        self.at += 1;
        self.space();
        if self.take("}") {
            return Ok(Expression::Map(Vec::new()));
        }
        let entries = self.items("}", |parser| {
            let key = parser.operand()?;
            parser.space();
            if !parser.take(":") {
                return parser.unexpected("':'");
            }
            parser.space();
            Ok((key, parser.operand()?))
        })?;
        Ok(Expression::Map(entries))
    }

    fn number(&mut self) -> Result<Expression, Wrong> {
        let rest = self.rest();
        let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
        let sign = usize::from(rest.starts_with('-'));
        let whole = digits(sign);
        let mut end = sign + whole;
        // The two dots of a range are no decimal point.
        let point = rest[end..].starts_with('.') && !rest[end..].starts_with("..");
        let fraction = if point { digits(end + 1) } else { 0 };
        if whole + fraction == 0 {
            return self.unexpected("a number");
        }
        end += usize::from(point) + fraction;
        let mut exponent = false;
        if rest[end..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
            let length = digits(end + 1 + sign);
            exponent = length > 0;
            end += if exponent { 1 + sign + length } else { 0 };
        }
        let text = &rest[..end];
        self.at += end;
        Ok(match text.parse::<i64>() {
            Ok(value) if !point && !exponent => Expression::Integer(value),
            _ if !point && !exponent => Expression::Large(text.into()),
            _ => Expression::Float(text.parse().unwrap_or(f64::NAN)),
        })
    }

    fn string(&mut self) -> Result<Expression, Wrong> {
        let start = self.at;
        let quote = if self.peek() == Some(b'"') { '"' } else { '\'' };
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(length) = self.rest().find(quote) else {
                self.at = start;
                return self.wrong("encountered a string that does not end");
            };
            text.push_str(&self.rest()[..length]);
            self.at += length + 1;
            if self.peek() != Some(u8::try_from(quote).unwrap_or_default()) {
                break;
            }
            self.at += 1;
            text.push(quote);
        }
        if quote == '\'' {
            return Ok(Expression::Text(text.into()));
        }
        let text = unicode(text);
        if !text.contains(['$', '#']) {
            return Ok(Expression::Text(text.into()));
        }
        let mut inner = Parser {
            source: &text,
            at: 0,
            base: self.base + start,
            depth: self.depth,
            macros: std::mem::take(&mut self.macros),
        };
        let block = inner.whole();
        self.macros = inner.macros;
        let mut block = block?;
        Ok(match (block.len(), block.pop()) {
            (0, _) => Expression::Text("".into()),
            (1, Some(Node::Text(text))) => Expression::Text(text.into()),
            (_, last) => {
                block.extend(last);
                Expression::Interpolated(block)
            }
        })
    }
}

/// `\u0041` in double quotes is the letter.
fn unicode(text: String) -> String {
    if !text.contains("\\u") {
        return text;
    }
    let mut pieces = text.split("\\u");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let letter = piece.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        match letter {
            Some(letter) => {
                out.push(letter);
                out.push_str(&piece[4..]);
            }
            None => {
                out.push_str("\\u");
                out.push_str(piece);
            }
        }
    }
    out
}
