//! How callers name functions: by name, partial ARN or full ARN, each with or without a qualifier.
//!
//! The shapes refuse what AWS's regular expressions refuse, in its words; [`Target`] is the parsed proof that the rest of
//! the module works with.

use base::{AccountId, Arn, Cx, Error, Region};
use cloud::Authz;
use shape::Shape;
use store::Key;

use super::error::{invalid, not_found};

/// AWS's limit of a function's own name, in characters; the shapes' limits are those of whole ARNs.
const NAME_CHARACTERS_MAX: usize = 64;

/// What every operation but the reading ones takes.
#[derive(Shape, Clone, Debug, Default)]
#[shape(
    length(1..=140),
    pattern = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?"
)]
pub struct FunctionName(pub String);

/// What the reading operations and Invoke take. (Namespaces, the dots in it, are not offered to anybody yet.)
#[derive(Shape, Clone, Debug, Default)]
#[shape(
    length(1..=256),
    pattern = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)]
pub struct NamespacedFunctionName(pub String);

/// What operations take that concern a function as a whole.
#[derive(Shape, Clone, Debug, Default)]
#[shape(
    length(1..=140),
    pattern = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)"
)]
pub struct UnqualifiedFunctionName(pub String);

/// A version or alias as callers write it.
#[derive(Shape, Clone, Debug, Default)]
#[shape(
    name = "NumericLatestPublishedOrAliasQualifier",
    length(1..=128),
    pattern = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
)]
pub struct QualifierText(pub String);

/// A version or alias in the operations on provisioned concurrency.
#[derive(Shape, Clone, Debug, Default)]
#[shape(name = "Qualifier", length(1..=128), pattern = r"(|[a-zA-Z0-9$_-]+)")]
pub struct ProvisionedQualifier(pub String);

impl ProvisionedQualifier {
    /// The version or alias of a function that is meant.
    pub(crate) fn target(&self, cx: &Cx, function: &FunctionName) -> Result<Target, Error> {
        Target::own(cx, function, Some(&QualifierText(self.0.clone())))
    }
}

/// An alias's own name. Numbers are versions, so no alias may look like one.
#[derive(Shape, Clone, Debug, Default)]
#[shape(name = "Alias", length(1..=128), pattern = r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)")]
pub struct AliasName(pub String);

/// A version that an alias may point at.
#[derive(Shape, Clone, Debug, Default)]
#[shape(name = "VersionWithLatestPublished", length(1..=1024), pattern = r"(\$LATEST(\.PUBLISHED)?|[0-9]+)")]
pub struct VersionText(pub String);

/// The ARN of something that bears tags.
#[derive(Shape, Clone, Debug, Default)]
#[shape(
    length(1..=256),
    pattern = r"arn:(aws[a-zA-Z-]*):lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)"
)]
pub struct TaggableResource(pub String);

macro_rules! texts {
    ($($name:ident),*) => { $(
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    )* };
}
pub(crate) use texts;

texts!(
    FunctionName,
    NamespacedFunctionName,
    UnqualifiedFunctionName,
    QualifierText,
    ProvisionedQualifier,
    AliasName,
    VersionText,
    TaggableResource
);

/// Which version of a function is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Qualifier {
    /// `$LATEST`.
    Latest,
    /// A published version.
    Version(u64),
    /// An alias.
    Alias(String),
}

impl Qualifier {
    /// Reads a qualifier; any text is one.
    pub fn parse(text: &str) -> Qualifier {
        if text == "$LATEST" {
            return Qualifier::Latest;
        }
        let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        number.map_or_else(|| Qualifier::Alias(text.to_owned()), Qualifier::Version)
    }
}

impl std::fmt::Display for Qualifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Qualifier::Latest => f.write_str("$LATEST"),
            Qualifier::Version(number) => write!(f, "{number}"),
            Qualifier::Alias(name) => f.write_str(name),
        }
    }
}

/// A function, and perhaps one of its versions, fully named. It need not exist.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The account it is in.
    pub account: AccountId,
    /// The region it is in.
    pub region: Region,
    /// The function's own name.
    pub name: String,
    /// The version or alias, if one was named.
    pub qualifier: Option<Qualifier>,
}

impl Target {
    /// Reads a name that passed its shape's pattern. Accounts other than the caller's are allowed: what of it is
    /// permitted says the policy. Control-plane operations take [`Target::own`].
    pub fn of(cx: &Cx, function: impl AsRef<str>, qualifier: Option<&QualifierText>) -> Result<Target, Error> {
        let function = function.as_ref();
        let Parts { account, region, name, qualifier: named } = split(function).ok_or_else(|| malformed(function))?;
        if let Some(region) = region
            && region != cx.region.as_str()
        {
            let here = &cx.region;
            return Err(not_found(format!("Functions from '{region}' are not reachable in this region ('{here}')")));
        }
        let asked = qualifier.map(|q| q.0.as_str());
        if let (Some(named), Some(asked)) = (named, asked)
            && named != asked
        {
            return Err(invalid(
                "The derived qualifier from the function name does not match the specified qualifier.",
            ));
        }
        Ok(Target {
            account: account.and_then(AccountId::parse).unwrap_or(cx.account),
            region: cx.region.clone(),
            name: name.to_owned(),
            qualifier: asked.or(named).map(Qualifier::parse),
        })
    }

    /// As [`Target::of`], in the caller's own account.
    pub fn own(cx: &Cx, function: impl AsRef<str>, qualifier: Option<&QualifierText>) -> Result<Target, Error> {
        let target = Target::of(cx, function, qualifier)?;
        if target.account == cx.account {
            return Ok(target);
        }
        let (who, what) = (&cx.caller.arn, target.arn());
        Err(Error::access_denied(format!("User: {who} is not authorized to access the resource {what}")))
    }

    /// As [`Target::own`], for a function that is about to be made: its name alone is limited too, and it has no
    /// qualifier yet.
    pub fn new_function(cx: &Cx, function: impl AsRef<str>) -> Result<Target, Error> {
        let function = function.as_ref();
        let target = Target::own(cx, function, None)?;
        if target.qualifier.is_some() {
            return Err(malformed(function));
        }
        if target.name.len() > NAME_CHARACTERS_MAX {
            let constraint = format!("Member must have length less than or equal to {NAME_CHARACTERS_MAX}");
            let violation = shape::validate::violation(&target.name, "functionName", &constraint);
            return Err(invalid(shape::validate::sentence(&[violation])));
        }
        Ok(target)
    }

    /// States that the caller needs the operation's permission on this function. A name that cannot be read states
    /// nothing: running the operation says what is wrong with it.
    pub(crate) fn need(cx: &Cx, need: &mut Authz, function: impl AsRef<str>) {
        if let Ok(target) = Target::of(cx, function, None) {
            need.on(target.function_arn());
        }
    }

    /// The function's ARN, without qualifier.
    pub fn function_arn(&self) -> Arn {
        Arn::new("lambda", &self.region, self.account, format!("function:{}", self.name))
    }

    /// The ARN with the qualifier, if there is one.
    pub fn arn(&self) -> Arn {
        match &self.qualifier {
            None => self.function_arn(),
            Some(qualifier) => self.qualified_arn(qualifier),
        }
    }

    /// The ARN of one version or alias.
    pub fn qualified_arn(&self, qualifier: &Qualifier) -> Arn {
        Arn::new("lambda", &self.region, self.account, format!("function:{}:{qualifier}", self.name))
    }

    /// The same function, by another of its qualifiers.
    pub(crate) fn qualified(&self, qualifier: Qualifier) -> Target {
        Target { qualifier: Some(qualifier), ..self.clone() }
    }

    /// The same function, no version named.
    pub(crate) fn function(&self) -> Target {
        Target { qualifier: None, ..self.clone() }
    }

    /// What the keys of all that belongs to the function begin with.
    pub(crate) fn parts(&self) -> (&str, &str, &str) {
        (self.account.as_str(), self.region.as_str(), self.name.as_str())
    }

    /// The function's key in the store.
    pub(crate) fn key(&self) -> Key {
        Key::of(self.parts())
    }

    /// An alias's key in the store.
    pub(crate) fn alias_key(&self, alias: &str) -> Key {
        Key::of((self.account.as_str(), self.region.as_str(), self.name.as_str(), alias))
    }

    /// The key of how a version or alias is invoked asynchronously.
    pub(crate) fn event_invoke_config_key(&self) -> Key {
        let qualifier = self.qualifier.as_ref().unwrap_or(&Qualifier::Latest).to_string();
        Key::of((self.account.as_str(), self.region.as_str(), self.name.as_str(), qualifier.as_str()))
    }

    /// A published version's key in the store.
    pub(crate) fn version_key(&self, number: u64) -> Key {
        Key::of((self.account.as_str(), self.region.as_str(), self.name.as_str(), number))
    }
}

struct Parts<'a> {
    account: Option<&'a str>,
    region: Option<&'a str>,
    name: &'a str,
    qualifier: Option<&'a str>,
}

/// `[arn:aws:lambda:][region:][account:][function:]name[:qualifier]`; a full ARN has all of them.
fn split(function: &str) -> Option<Parts<'_>> {
    let mut words = function.split(':').peekable();
    let full = words.next_if_eq(&"arn").is_some();
    if full {
        let (_partition, service) = (words.next()?, words.next()?);
        if service != "lambda" {
            return None;
        }
    }
    let more = function.contains(':');
    let region = words.next_if(|word| more && is_region(word));
    let account = words.next_if(|word| more && AccountId::parse(word).is_some());
    let literal = words.next_if(|word| more && *word == "function");
    if full && (region.is_none() || account.is_none() || literal.is_none()) {
        return None;
    }
    let name = words.next().filter(|name| !name.is_empty())?;
    let qualifier = words.next();
    words.next().is_none().then_some(Parts { account, region, name, qualifier })
}

fn is_region(word: &str) -> bool {
    let mut parts = word.split('-');
    let area = parts.next().is_some_and(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_lowercase()));
    let number = parts.next_back().is_some_and(|part| part.len() == 1 && part.as_bytes()[0].is_ascii_digit());
    let between = parts.clone().count();
    area && number && (1..=2).contains(&between) && parts.all(|part| part.bytes().all(|b| b.is_ascii_lowercase()))
}

/// What the shape's pattern lets pass and AWS still refuses.
fn malformed(function: &str) -> Error {
    let pattern = FunctionName::SCHEMA.rules.pattern.unwrap_or_default();
    let constraint = format!("Member must satisfy regular expression pattern: {pattern}");
    let violation = shape::validate::violation(function, "functionName", &constraint);
    Error::validation(shape::validate::sentence(&[violation]))
}

#[cfg(test)]
mod tests {
    use super::{Qualifier, split};

    #[test]
    fn every_form_names_the_same_function() {
        for (text, account, region, qualifier) in [
            ("f", None, None, None),
            ("f:1", None, None, Some("1")),
            ("function:f", None, None, None),
            ("123456789012:function:f", Some("123456789012"), None, None),
            ("123456789012:function:f:live", Some("123456789012"), None, Some("live")),
            ("arn:aws:lambda:eu-west-1:123456789012:function:f", Some("123456789012"), Some("eu-west-1"), None),
            (
                "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:f:$LATEST",
                Some("123456789012"),
                Some("us-gov-west-1"),
                Some("$LATEST"),
            ),
        ] {
            let parts = split(text).expect(text);
            assert_eq!((parts.name, parts.account, parts.region, parts.qualifier), ("f", account, region, qualifier));
        }
        for name in ["us-east-1", "123456789012", "function"] {
            assert_eq!(split(name).map(|parts| parts.name), Some(name), "a name may look like another part");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in
            ["", ":", "a:b:c", "arn:aws:lambda:f", "arn:aws:s3:::bucket", "arn:aws:lambda:us-east-1:1:function:f"]
        {
            assert!(split(text).is_none(), "{text}");
        }
    }

    #[test]
    fn qualifiers_are_latest_numbers_or_aliases() {
        assert_eq!(Qualifier::parse("$LATEST"), Qualifier::Latest);
        assert_eq!(Qualifier::parse("12"), Qualifier::Version(12));
        for alias in ["live", "1a", "$LATEST.PUBLISHED", "99999999999999999999999"] {
            assert_eq!(Qualifier::parse(alias), Qualifier::Alias(alias.to_owned()));
        }
    }
}
