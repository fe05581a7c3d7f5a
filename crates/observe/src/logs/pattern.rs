//! CloudWatch Logs' filter pattern language: terms, JSON conditions, space-delimited fields.
//!
//! Source: AWS's "Filter pattern syntax for metric filters, subscription filters, filter log events, and Live Tail".
//!
//! - *terms*: `ERROR "exact phrase" -excluded`, `?one ?or ?another`, `%regular expression%`; case matters;
//! - *JSON*: `{ ($.status >= 500 || $.level = "E*") && $.user.id EXISTS && $.items[0] NOT EXISTS && $.ok IS TRUE }`;
//! - *fields*: `[ip, user, ..., status = 5*, bytes > 1000]`.

mod fields;
mod json;
mod scanner;
mod test;

use std::collections::BTreeMap;

use regex::Regex;

use scanner::Scanner;

/// A parsed pattern.
#[derive(Debug)]
pub struct Pattern(Form);

#[derive(Debug)]
enum Form {
    All,
    Terms(Terms),
    Json(json::Condition),
    Fields(fields::Fields),
}

/// Unstructured terms.
#[derive(Debug, Default)]
struct Terms {
    required: Vec<Term>,
    excluded: Vec<Term>,
    any: Vec<Term>,
}

#[derive(Debug)]
enum Term {
    Text(String),
    Regex(Regex),
}

impl Term {
    fn is_in(&self, message: &str) -> bool {
        match self {
            Term::Text(text) => message.contains(text.as_str()),
            Term::Regex(regex) => regex.is_match(message),
        }
    }
}

impl Pattern {
    /// Reads a pattern; the error is AWS's sentence.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let text = text.trim();
        let form = match text.chars().next() {
            None => Form::All,
            Some('{') => Form::Json(json::parse(text)?),
            Some('[') => Form::Fields(fields::parse(text)?),
            Some(_) => Form::Terms(terms(text)?),
        };
        Ok(Pattern(form))
    }

    /// Whether a message matches.
    pub fn matches(&self, message: &str) -> bool {
        match &self.0 {
            Form::All => true,
            Form::Terms(terms) => terms.match_in(message),
            Form::Json(condition) => serde_json::from_str(message).is_ok_and(|document| condition.holds(&document)),
            Form::Fields(fields) => fields.extract(message).is_some(),
        }
    }

    /// The values that the pattern names, if the message matches: `$.selector` for JSON, `$name` for fields.
    pub fn extract(&self, message: &str) -> Option<BTreeMap<String, String>> {
        match &self.0 {
            Form::Json(condition) => {
                let document = serde_json::from_str(message).ok()?;
                condition.holds(&document).then(|| condition.values(&document))
            }
            Form::Fields(fields) => fields.extract(message),
            _ => self.matches(message).then(BTreeMap::new),
        }
    }
}

impl Terms {
    /// `?` terms count only when there are no others (AWS: "the question mark is ignored").
    fn match_in(&self, message: &str) -> bool {
        if self.excluded.iter().any(|t| t.is_in(message)) {
            return false;
        }
        if self.required.is_empty() && !self.any.is_empty() {
            return self.any.iter().any(|t| t.is_in(message));
        }
        self.required.iter().all(|t| t.is_in(message))
    }
}

fn terms(text: &str) -> Result<Terms, String> {
    let mut scanner = Scanner::new(text);
    let mut terms = Terms::default();
    while !scanner.at_end() {
        let group = match () {
            () if scanner.take("?") => &mut terms.any,
            () if scanner.take("-") => &mut terms.excluded,
            () => &mut terms.required,
        };
        group.push(term(&mut scanner)?);
        scanner.skip_spaces();
    }
    Ok(terms)
}

fn term(scanner: &mut Scanner<'_>) -> Result<Term, String> {
    if let Some(quoted) = scanner.quoted()? {
        return Ok(Term::Text(quoted));
    }
    if let Some(regex) = scanner.regex()? {
        return Ok(Term::Regex(regex));
    }
    let word = scanner.word_until(char::is_whitespace);
    let plain = |c: char| c.is_alphanumeric() || c == '_';
    if word.is_empty() || !word.chars().all(plain) {
        return Err(format!("Invalid character(s) in term '{word}'"));
    }
    Ok(Term::Text(word.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    fn matches(pattern: &str, message: &str) -> bool {
        Pattern::parse(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}")).matches(message)
    }

    #[test]
    fn terms_as_aws_documents_them() {
        assert!(matches("", "anything"));
        assert!(matches("ERROR ARGUMENTS", "[ERROR 419] INVALID ARGUMENTS"));
        assert!(!matches("ERROR ARGUMENTS", "[ERROR 420] MISSING"));
        assert!(!matches("error", "[ERROR 419]"));
        assert!(matches("?ERROR ?WARN", "a WARN b") && !matches("?ERROR ?WARN", "fine"));
        assert!(matches("ERROR -EXITING", "ERROR 1") && !matches("ERROR -EXITING", "ERROR EXITING"));
        assert!(matches(r#""INTERNAL SERVER ERROR""#, "x INTERNAL SERVER ERROR y"));
        assert!(matches(r#""say \"hi\"""#, r#"say "hi" now"#));
        assert!(matches("%AUTHORIZED%", "UNAUTHORIZED") && matches(r"%\d{3}%", "a 404 b") && !matches(r"%^\d%", "a1"));
        for bad in ["ERROR:", "\"open", "%open", "%(%", "a|b"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn json_as_aws_documents_it() {
        let event = r#"{"eventType":"UpdateTrail","sourceIPAddress":"111.111.111.111","arrayKey":["value","another"],
            "objectList":[{"name":"a","id":1},{"name":"b","id":2}],"SomeObject":null,"cluster.name":"c","ok":true}"#;
        for yes in [
            r#"{ $.eventType = "UpdateTrail" }"#,
            "{ $.eventType = UpdateTrail }",
            "{ $.sourceIPAddress != 123.123.* }",
            "{ $.sourceIPAddress = 111.111.* }",
            r#"{ $.arrayKey[0] = "value" }"#,
            r#"{ $.arrayKey[*] = "another" }"#,
            "{ $.objectList[1].id = 2 }",
            "{ $.objectList[1].id >= 2 && $.objectList[0].id < 2 }",
            "{ $.SomeObject IS NULL }",
            "{ $.SomeOtherObject NOT EXISTS }",
            "{ $.ok IS TRUE }",
            r#"{ $.['cluster.name'] = "c" }"#,
            "{ ($.ok IS FALSE || $.eventType = %^Update.*%) && ($.objectList[0].id = 1) }",
            "{ $.* = \"UpdateTrail\" }",
        ] {
            assert!(matches(yes, event), "{yes}");
        }
        for no in
            ["{ $.eventType = \"updatetrail\" }", "{ $.missing != 4 }", "{ $.ok IS FALSE }", "{ $.eventType > 3 }"]
        {
            assert!(!matches(no, event), "{no}");
        }
        assert!(!matches("{ $.a = 1 }", "no json"));
        for bad in ["{", "{ }", "{ $.a }", "{ $.a = }", "{ a = 1 }", "{ $.a = 1 && }", "{ ($.a = 1 }", "{ $.a = 1 } x"]
        {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        let nested = format!("{{ {}$.a = 1{} }}", "(".repeat(400), ")".repeat(400));
        assert!(Pattern::parse(&nested).is_err(), "depth is bounded");
    }

    #[test]
    fn fields_as_aws_documents_them() {
        let line = r#"127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534"#;
        for yes in [
            "[ip, server, username, timestamp, request, status_code, bytes > 1000]",
            "[ip, server, username, timestamp, request =*html*, status_code = 4*, bytes]",
            "[..., status_code = 404, bytes]",
            "[ip=%127\\.0\\.0\\.[1-9]%, ...]",
            "[ip, ..., status=404 || status=410, bytes]",
            "[w1, server != Test && server = Prod, ...]",
        ] {
            assert!(matches(yes, line), "{yes}");
        }
        for no in ["[a, b]", "[..., status = 500, bytes]", "[ip, server, user, time, request, status, bytes < 1000]"] {
            assert!(!matches(no, line), "{no}");
        }
        let values = Pattern::parse("[ip, ..., bytes]").ok().and_then(|p| p.extract(line)).unwrap_or_default();
        assert_eq!(values.get("$bytes").map(String::as_str), Some("1534"));
        assert_eq!(values.get("$4").map(String::as_str), Some("10/Oct/2000:13:25:15 -0700"));
        for bad in ["[", "[a, ..., b, ...]", "[a = ]", "[a] x"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }
}
