//! Texts of a policy with wildcards (`*`, `?`) and variables (`${aws:username, 'nobody'}`), and how they match.

use crate::Context;

/// A parsed text. What a variable stands for is taken literally: a `*` in a user's name is no wildcard.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Char(char),
    Any,
    One,
    Variable { key: String, default: Option<String> },
}

/// What stands for what in a [`Pattern`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// `*` and `?` are wildcards.
    pub(crate) wildcards: bool,
    /// `${…}` is a variable: since version 2012-10-17.
    pub(crate) variables: bool,
}

impl Pattern {
    /// `None` if a variable has no end or no name.
    pub(crate) fn parse(text: &str, reading: Reading) -> Option<Pattern> {
        let mut parts = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if reading.variables && rest.starts_with("${") {
                let end = rest.find('}')?;
                parts.push(variable(&rest[2..end])?);
                rest = &rest[end + 1..];
                continue;
            }
            parts.push(match first {
                '*' if reading.wildcards => Part::Any,
                '?' if reading.wildcards => Part::One,
                other => Part::Char(other),
            });
            rest = &rest[first.len_utf8()..];
        }
        Some(Pattern(parts))
    }

    /// Puts values in the place of variables; `None` if one has neither value nor default, which fails the statement.
    pub(crate) fn resolve(&self, context: &Context) -> Option<Resolved> {
        let mut tokens = Vec::with_capacity(self.0.len());
        for part in &self.0 {
            match part {
                Part::Char(c) => tokens.push(Token::Char(*c)),
                Part::Any => tokens.push(Token::Any),
                Part::One => tokens.push(Token::One),
                Part::Variable { key, default } => {
                    let value = context.single(key).or(default.as_deref())?;
                    tokens.extend(value.chars().map(Token::Char));
                }
            }
        }
        Some(Resolved(tokens))
    }
}

/// `aws:username`, `aws:username, 'default'`, or one of the three escapes `*`, `?`, `$`.
fn variable(inside: &str) -> Option<Part> {
    if let "*" | "?" | "$" = inside {
        return inside.chars().next().map(Part::Char);
    }
    let (key, default) = match inside.split_once(',') {
        None => (inside.trim(), None),
        Some((key, default)) => (key.trim(), Some(default.trim().strip_prefix('\'')?.strip_suffix('\'')?.to_owned())),
    };
    (!key.is_empty()).then(|| Part::Variable { key: key.to_owned(), default })
}

/// A pattern without variables, ready to match.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resolved(Vec<Token>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    Char(char),
    Any,
    One,
}

impl Resolved {
    /// Letters count whatever their case.
    pub(crate) fn ignoring_case(self) -> Resolved {
        let lower = |token| match token {
            Token::Char(c) => c.to_lowercase().map(Token::Char).collect::<Vec<_>>(),
            other => vec![other],
        };
        Resolved(self.0.into_iter().flat_map(lower).collect())
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        matches(&self.0, &text)
    }

    /// Compares two ARNs part by part: a wildcard does not reach across the first five colons.
    pub(crate) fn matches_arn(&self, arn: &str) -> bool {
        // `*` alone is short for any ARN.
        if self.0 == [Token::Any] {
            return true;
        }
        let mut ours = self.0.splitn(6, |t| *t == Token::Char(':'));
        let mut theirs = arn.splitn(6, ':');
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return true,
                (Some(pattern), Some(text)) if matches(pattern, &text.chars().collect::<Vec<_>>()) => {}
                _ => return false,
            }
        }
    }
}

/// Greedy matching that goes back to the latest `*` only: at most pattern × text steps, whatever the pattern.
fn matches(pattern: &[Token], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Token::Any) => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(Token::One) => (p, t) = (p + 1, t + 1),
            Some(Token::Char(c)) if *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((after_star, from)) = retry else { return false };
                retry = Some((after_star, from + 1));
                (p, t) = (after_star, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|token| *token == Token::Any)
}

#[cfg(test)]
mod tests {
    use super::{Pattern, Reading};
    use crate::Context;
    use proptest::prelude::*;

    const FULL: Reading = Reading { wildcards: true, variables: true };

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern, FULL).unwrap().resolve(&Context::new()).is_some_and(|p| p.matches(text))
    }

    #[test]
    fn wildcards_match_as_shells_do_not_stopping_at_slashes() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "a/b:c"),
            ("a*c", "abbc"),
            ("a?c", "aéc"),
            ("*a*b*", "xaybz"),
            ("a**", "a"),
            ("${*}", "*"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("", "a"), ("a", ""), ("a?c", "ac"), ("a*c", "abcd"), ("A", "a"), ("${*}", "x"), ("${?}", "x")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn variables_are_literal_have_defaults_and_fail_without_value() {
        let mut context = Context::new();
        context.set("aws:username", "b*b");
        let resolve = |text: &str| Pattern::parse(text, FULL).unwrap().resolve(&context);
        assert!(resolve("home/${AWS:UserName}/*").unwrap().matches("home/b*b/x"));
        assert!(!resolve("home/${aws:username}").unwrap().matches("home/bxb"));
        assert!(resolve("${aws:none, 'a b'}").unwrap().matches("a b"));
        assert!(resolve("${aws:none}").is_none());
        for bad in ["${", "${}", "${a, b}", "${ , 'b'}"] {
            assert!(Pattern::parse(bad, FULL).is_none(), "{bad}");
        }
        let old = Reading { wildcards: true, variables: false };
        assert!(Pattern::parse("${a}", old).unwrap().resolve(&context).unwrap().matches("${a}"));
    }

    #[test]
    fn arns_are_compared_part_by_part() {
        let arn = |pattern: &str, text: &str| {
            Pattern::parse(pattern, FULL).unwrap().resolve(&Context::new()).unwrap().matches_arn(text)
        };
        assert!(arn("arn:aws:sns:*:123456789012:a*", "arn:aws:sns:us-east-1:123456789012:abc:d"));
        assert!(!arn("arn:aws:sns:*:topic", "arn:aws:sns:us-east-1:123456789012:topic"));
        assert!(arn("*", "arn:aws:sns:us-east-1:123456789012:topic"));
    }

    /// The definition, slow and plain.
    fn reference(pattern: &[char], text: &[char]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some('*'), _) => reference(&pattern[1..], text) || (!text.is_empty() && reference(pattern, &text[1..])),
            (Some('?'), Some(_)) => reference(&pattern[1..], &text[1..]),
            (Some(a), Some(b)) if a == b => reference(&pattern[1..], &text[1..]),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn matching_agrees_with_its_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(matches(&pattern, &text), reference(&p, &t));
        }

        #[test]
        fn parsing_never_panics(text in "[${}*?,' a-z]{0,20}") {
            if let Some(pattern) = Pattern::parse(&text, FULL) {
                pattern.resolve(&Context::new());
            }
        }
    }
}
