//! Filter expressions of GetTraceSummaries, as far as they look at a trace as a whole, its annotations and its services.
//! What looks at edges between services or within one is refused by name.

use base::Error;
use serde_json::Value;

use super::document::Document;
use super::invalid;
use super::trace::Trace;

/// How deep expressions may nest, and how long they may be.
const DEPTH_MAX: usize = 32;
const TEXT_BYTES_MAX: usize = 2_000;

/// A condition on a trace.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    All,
    Not(Box<Filter>),
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Flag(Flag),
    Compare(Subject, Comparison, Operand),
    /// A service of this name, and of this type if that is given.
    Service(Option<String>, Option<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    Ok,
    Error,
    Fault,
    Throttle,
    Partial,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Duration,
    ResponseTime,
    Status,
    Url,
    Method,
    UserAgent,
    ClientIp,
    User,
    Annotation(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    BeginsWith,
    EndsWith,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Number(f64),
    Text(String),
    Flag(bool),
}

impl Filter {
    /// Reads an expression; an empty one lets all pass.
    pub(super) fn parse(text: &str) -> Result<Filter, Error> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(invalid("The filter expression is too long."));
        }
        let mut parser = Parser { rest: text, depth: 0 };
        if parser.peek().is_none() {
            return Ok(Filter::All);
        }
        let filter = parser.any()?;
        match parser.peek() {
            None => Ok(filter),
            Some(_) => Err(parser.unexpected()),
        }
    }

    pub(super) fn passes(&self, trace: &Trace) -> bool {
        match self {
            Filter::All => true,
            Filter::Not(inner) => !inner.passes(trace),
            Filter::And(left, right) => left.passes(trace) && right.passes(trace),
            Filter::Or(left, right) => left.passes(trace) || right.passes(trace),
            Filter::Flag(flag) => has(trace, *flag),
            Filter::Service(name, kind) => trace.segments.iter().any(|part| {
                let fits = |wanted: &Option<String>, found: Option<&str>| {
                    wanted.as_ref().is_none_or(|wanted| Some(wanted.as_str()) == found)
                };
                fits(name, Some(&part.document.name)) && fits(kind, part.document.origin.as_deref())
            }),
            Filter::Compare(subject, comparison, operand) => {
                values(trace, subject).iter().any(|value| compare(value, *comparison, operand))
            }
        }
    }
}

fn has(trace: &Trace, flag: Flag) -> bool {
    let any = |test: fn(&Document) -> bool| trace.documents().into_iter().any(test);
    match flag {
        Flag::Error => any(|d| d.error),
        Flag::Fault => any(|d| d.fault),
        Flag::Throttle => any(|d| d.throttle),
        Flag::Partial => any(|d| d.in_progress),
        Flag::Ok => !any(|d| d.error || d.fault || d.throttle),
    }
}

fn values(trace: &Trace, subject: &Subject) -> Vec<Operand> {
    let http = || trace.segments.iter().filter_map(|part| part.document.http.as_ref());
    let texts = |texts: Vec<Option<String>>| texts.into_iter().flatten().map(Operand::Text).collect();
    match subject {
        Subject::Duration => vec![Operand::Number(trace.duration())],
        Subject::ResponseTime => trace.root().and_then(Document::duration).map(Operand::Number).into_iter().collect(),
        Subject::Status => http().filter_map(|h| h.response.status).map(|s| Operand::Number(f64::from(s))).collect(),
        Subject::Url => texts(http().map(|h| h.request.url.clone()).collect()),
        Subject::Method => texts(http().map(|h| h.request.method.clone()).collect()),
        Subject::UserAgent => texts(http().map(|h| h.request.user_agent.clone()).collect()),
        Subject::ClientIp => texts(http().map(|h| h.request.client_ip.clone()).collect()),
        Subject::User => texts(trace.segments.iter().map(|part| part.document.user.clone()).collect()),
        Subject::Annotation(key) => trace
            .documents()
            .into_iter()
            .filter_map(|document| match document.annotations.get(key)? {
                Value::Number(number) => number.as_f64().map(Operand::Number),
                Value::String(text) => Some(Operand::Text(text.clone())),
                Value::Bool(flag) => Some(Operand::Flag(*flag)),
                _ => None,
            })
            .collect(),
    }
}

fn compare(value: &Operand, comparison: Comparison, wanted: &Operand) -> bool {
    match (value, wanted) {
        (Operand::Number(a), Operand::Number(b)) => match comparison {
            Comparison::Equal => a == b,
            Comparison::NotEqual => a != b,
            Comparison::Less => a < b,
            Comparison::LessOrEqual => a <= b,
            Comparison::Greater => a > b,
            Comparison::GreaterOrEqual => a >= b,
            _ => false,
        },
        (Operand::Text(a), Operand::Text(b)) => match comparison {
            Comparison::Equal => a == b,
            Comparison::NotEqual => a != b,
            Comparison::Contains => a.contains(b.as_str()),
            Comparison::BeginsWith => a.starts_with(b.as_str()),
            Comparison::EndsWith => a.ends_with(b.as_str()),
            _ => false,
        },
        (Operand::Flag(a), Operand::Flag(b)) => match comparison {
            Comparison::Equal => a == b,
            Comparison::NotEqual => a != b,
            _ => false,
        },
        _ => comparison == Comparison::NotEqual,
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Result<Filter, Error> {
        let mut left = self.all()?;
        while self.word_is("OR") || self.takes("||") {
            left = Filter::Or(Box::new(left), Box::new(self.all()?));
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<Filter, Error> {
        let mut left = self.one()?;
        while self.word_is("AND") || self.takes("&&") {
            left = Filter::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Filter, Error> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(invalid("The filter expression nests too deep."));
        }
        let filter = match self.peek() {
            Some('!') => {
                self.takes("!");
                Filter::Not(Box::new(self.one()?))
            }
            Some('(') => {
                self.takes("(");
                let inner = self.any()?;
                self.expect(")")?;
                inner
            }
            _ => self.term()?,
        };
        self.depth -= 1;
        Ok(filter)
    }

    fn term(&mut self) -> Result<Filter, Error> {
        let name = self.word().to_ascii_lowercase();
        let flag = match name.as_str() {
            "ok" => Flag::Ok,
            "error" => Flag::Error,
            "fault" => Flag::Fault,
            "throttle" => Flag::Throttle,
            "partial" => Flag::Partial,
            "service" => return self.service(),
            "edge" | "rootcause" | "responsetimerootcause" | "group" | "edgetype" | "availabilityzone" | "instance" => {
                return Err(Error::not_implemented(format!("the filter expression {name} of GetTraceSummaries")));
            }
            _ => return self.comparison(&name),
        };
        if self.takes("=") {
            let wanted = self.operand()?;
            let filter = Filter::Flag(flag);
            return match wanted {
                Operand::Flag(true) => Ok(filter),
                Operand::Flag(false) => Ok(Filter::Not(Box::new(filter))),
                _ => Err(self.unexpected()),
            };
        }
        Ok(Filter::Flag(flag))
    }

    /// `service("shop")`, `service(id(name: "shop", type: "AWS::Lambda"))`.
    fn service(&mut self) -> Result<Filter, Error> {
        self.expect("(")?;
        let (mut name, mut kind) = (None, None);
        if self.word_is("id") {
            self.expect("(")?;
            loop {
                let key = self.word().to_ascii_lowercase();
                self.expect(":")?;
                match (key.as_str(), self.operand()?) {
                    ("name", Operand::Text(text)) => name = Some(text),
                    ("type", Operand::Text(text)) => kind = Some(text),
                    _ => return Err(Error::not_implemented("this id in a filter expression of GetTraceSummaries")),
                }
                if !self.takes(",") {
                    break;
                }
            }
            self.expect(")")?;
        } else if self.peek() != Some(')') {
            match self.operand()? {
                Operand::Text(text) => name = Some(text),
                _ => return Err(self.unexpected()),
            }
        }
        self.expect(")")?;
        if self.peek() == Some('{') {
            return Err(Error::not_implemented(
                "a condition within a service in a filter expression of GetTraceSummaries",
            ));
        }
        Ok(Filter::Service(name, kind))
    }

    fn comparison(&mut self, name: &str) -> Result<Filter, Error> {
        let subject = match name {
            "duration" => Subject::Duration,
            "responsetime" => Subject::ResponseTime,
            "user" => Subject::User,
            "http" => {
                self.expect(".")?;
                match self.word().to_ascii_lowercase().as_str() {
                    "status" => Subject::Status,
                    "url" => Subject::Url,
                    "method" => Subject::Method,
                    "useragent" => Subject::UserAgent,
                    "clientip" => Subject::ClientIp,
                    _ => return Err(self.unexpected()),
                }
            }
            "annotation" => Subject::Annotation(self.annotation()?),
            _ => return Err(self.unexpected()),
        };
        let Some(comparison) = self.sign() else {
            // An annotation alone asks whether it is there.
            return match subject {
                Subject::Annotation(_) => {
                    Ok(Filter::Compare(subject, Comparison::NotEqual, Operand::Text("\0".into())))
                }
                _ => Err(self.unexpected()),
            };
        };
        Ok(Filter::Compare(subject, comparison, self.operand()?))
    }

    /// `annotation.key` or `annotation[key]`.
    fn annotation(&mut self) -> Result<String, Error> {
        if self.takes("[") {
            let end = self.rest.find(']').ok_or_else(|| self.unexpected())?;
            let key = self.rest[..end].trim().trim_matches(['"', '\'']).to_owned();
            self.rest = &self.rest[end + 1..];
            return Ok(key);
        }
        self.expect(".")?;
        match self.word() {
            "" => Err(self.unexpected()),
            key => Ok(key.to_owned()),
        }
    }

    fn sign(&mut self) -> Option<Comparison> {
        const SIGNS: &[(&str, Comparison)] = &[
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("=", Comparison::Equal),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        const WORDS: &[(&str, Comparison)] = &[
            ("CONTAINS", Comparison::Contains),
            ("BEGINSWITH", Comparison::BeginsWith),
            ("ENDSWITH", Comparison::EndsWith),
        ];
        let sign = SIGNS.iter().find(|(sign, _)| self.takes(sign));
        sign.or_else(|| WORDS.iter().find(|(word, _)| self.word_is(word))).map(|(_, comparison)| *comparison)
    }

    fn operand(&mut self) -> Result<Operand, Error> {
        match self.peek() {
            Some(quote @ ('"' | '\'')) => {
                let inner = &self.rest[1..];
                let end = inner.find(quote).ok_or_else(|| self.unexpected())?;
                self.rest = &inner[end + 1..];
                Ok(Operand::Text(inner[..end].to_owned()))
            }
            Some(c) if c.is_ascii_digit() || c == '-' || c == '.' => {
                let end = self.rest.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.')).count();
                let (number, rest) = self.rest.split_at(end);
                let number = number.parse().map_err(|_| self.unexpected())?;
                self.rest = rest;
                Ok(Operand::Number(number))
            }
            _ => match self.word().to_ascii_lowercase().as_str() {
                "true" => Ok(Operand::Flag(true)),
                "false" => Ok(Operand::Flag(false)),
                _ => Err(self.unexpected()),
            },
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn takes(&mut self, sign: &str) -> bool {
        self.peek();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, sign: &str) -> Result<(), Error> {
        if self.takes(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn word(&mut self) -> &'a str {
        self.peek();
        let end = self.rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn word_is(&mut self, wanted: &str) -> bool {
        let before = self.rest;
        if self.word().eq_ignore_ascii_case(wanted) {
            return true;
        }
        self.rest = before;
        false
    }

    fn unexpected(&self) -> Error {
        invalid(format!("Invalid filter expression near '{}'.", self.rest.chars().take(40).collect::<String>()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::trace::Part;
    use super::*;

    fn trace() -> Trace {
        let text = r#"{"id":"a","name":"shop","origin":"AWS::Lambda","start_time":1,"end_time":3.5,"fault":true,
            "http":{"request":{"method":"GET","url":"https://shop/cart"},"response":{"status":502}},"user":"kim",
            "annotations":{"tier":"gold","age":7},"subsegments":[{"id":"b","name":"db","annotations":{"hit":true}}]}"#;
        let part = Part { document: serde_json::from_str(text).unwrap(), text: text.into() };
        Trace { id: "t".into(), segments: vec![part], limit_exceeded: false }
    }

    #[test]
    fn expressions_let_pass_what_they_say() {
        for (text, wanted) in [
            ("", true),
            ("fault", true),
            ("ok", false),
            ("!error AND fault = true", true),
            ("responsetime > 2 && duration <= 2.5", true),
            ("http.status = 502 OR nothing_here(", true),
            ("service(\"shop\")", true),
            ("service(\"db\")", false),
            ("service(id(name: \"shop\", type: \"AWS::Lambda\"))", true),
            ("service(id(type: \"AWS::EC2\"))", false),
            ("annotation.tier = \"gold\" AND annotation[age] >= 7", true),
            ("annotation.hit = true", true),
            ("annotation.tier", true),
            ("annotation.nobody", false),
            ("annotation.tier BEGINSWITH \"sil\"", false),
            ("http.url CONTAINS \"cart\" and (user = \"lee\" or http.method = \"GET\")", true),
        ] {
            if text.ends_with('(') {
                assert!(Filter::parse(text).is_err(), "{text}");
            } else {
                assert_eq!(Filter::parse(text).unwrap().passes(&trace()), wanted, "{text}");
            }
        }
    }

    #[test]
    fn nonsense_and_what_is_not_built_are_refused() {
        for bad in
            ["nonsense", "fault AND", "(fault", "responsetime", "http.nothing = 1", "user = ", "é", "fault fault"]
        {
            assert_eq!(Filter::parse(bad).map_err(|e| e.status), Err(400), "{bad}");
        }
        for missing in ["edge(\"a\", \"b\")", "service(\"a\") { fault }", "group.name = \"g\""] {
            assert_eq!(Filter::parse(missing).map_err(|e| e.status), Err(501), "{missing}");
        }
    }
}
