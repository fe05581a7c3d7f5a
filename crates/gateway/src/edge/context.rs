//! `$context`: what templates, parameter mappings, access logs, gateway responses and authorizers see of a request.
//!
//! One thing for all kinds of API: facts by AWS's names (`identity.sourceIp`), put by whoever learns them, looked up by whoever asks.
//! What can be worked out of another fact (`requestTime`, `error.messageString`) is not kept.

use std::borrow::Cow;
use std::sync::Arc;

use base::Timestamp;
use serde_json::{Map, Value};

/// Facts that a request has, usually.
const FACTS_EXPECTED: usize = 32;

/// What is known of a request.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    at: Timestamp,
    facts: Vec<(&'static str, Fact)>,
    /// What an authorizer said: `principalId`, what it put into its context, a token's `claims`.
    authorizer: Option<Arc<Map<String, Value>>>,
}

/// A fact's value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fact {
    /// A text of the program.
    Name(&'static str),
    /// A text that others hold, too.
    Shared(Arc<str>),
    /// A text of this request.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<&'static str> for Fact {
    fn from(name: &'static str) -> Fact {
        Fact::Name(name)
    }
}

impl From<Arc<str>> for Fact {
    fn from(text: Arc<str>) -> Fact {
        Fact::Shared(text)
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Fact {
        Fact::Text(text)
    }
}

impl From<i64> for Fact {
    fn from(number: i64) -> Fact {
        Fact::Number(number)
    }
}

impl From<u16> for Fact {
    fn from(number: u16) -> Fact {
        Fact::Number(number.into())
    }
}

impl Fact {
    fn text(&self) -> Cow<'_, str> {
        match self {
            Fact::Name(text) => Cow::Borrowed(text),
            Fact::Shared(text) => Cow::Borrowed(text),
            Fact::Text(text) => Cow::Borrowed(text),
            Fact::Number(number) => Cow::Owned(number.to_string()),
        }
    }
}

impl Context {
    /// The context of a request that came in at this time.
    pub(crate) fn new(at: Timestamp) -> Context {
        Context { at, facts: Vec::with_capacity(FACTS_EXPECTED), authorizer: None }
    }

    /// When the request came in.
    pub(crate) fn at(&self) -> Timestamp {
        self.at
    }

    /// Puts a fact, in the place of an earlier one of that name.
    pub(crate) fn set(&mut self, name: &'static str, fact: impl Into<Fact>) {
        let fact = fact.into();
        match self.facts.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = fact,
            None => self.facts.push((name, fact)),
        }
    }

    /// Puts a fact if there is one.
    pub(crate) fn set_some(&mut self, name: &'static str, fact: Option<impl Into<Fact>>) {
        if let Some(fact) = fact {
            self.set(name, fact);
        }
    }

    /// Puts what an authorizer said.
    pub(crate) fn set_authorizer(&mut self, said: Arc<Map<String, Value>>) {
        self.authorizer = Some(said);
    }

    /// What an authorizer said.
    pub(crate) fn authorizer(&self) -> Option<&Arc<Map<String, Value>>> {
        self.authorizer.as_ref()
    }

    /// The value of `$context.{name}`; none if there is no such fact. Objects are written as JSON.
    pub(crate) fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some((_, fact)) = self.facts.iter().find(|(known, _)| *known == name) {
            return Some(fact.text());
        }
        match name {
            "requestTime" => Some(self.request_time().into()),
            "requestTimeEpoch" => Some(self.at.millis().to_string().into()),
            "error.messageString" => Some(Value::from(self.get("error.message")?).to_string().into()),
            _ => self.said(name.strip_prefix("authorizer.")?).map(text_of),
        }
    }

    /// `09/Apr/2015:12:34:56 +0000`, as Common Log Format has times.
    pub(crate) fn request_time(&self) -> String {
        self.at.to_common_log()
    }

    /// A member of what the authorizer said, perhaps below others (`claims.sub`). Names may have full stops themselves.
    fn said(&self, path: &str) -> Option<&Value> {
        let mut at = self.authorizer.as_deref()?;
        let mut path = path;
        loop {
            if let Some(value) = at.get(path) {
                return Some(value);
            }
            let (first, rest) = path.split_once('.')?;
            (at, path) = (at.get(first)?.as_object()?, rest);
        }
    }

    /// All of it as one object, for templates that take `$context` apart.
    pub(crate) fn tree(&self) -> Map<String, Value> {
        let mut tree = Map::new();
        for (name, fact) in &self.facts {
            let value = match fact {
                Fact::Number(number) => Value::from(*number),
                text => Value::from(text.text()),
            };
            put(&mut tree, name, value);
        }
        put(&mut tree, "requestTime", self.request_time().into());
        put(&mut tree, "requestTimeEpoch", self.at.millis().into());
        if let Some(quoted) = self.get("error.messageString") {
            put(&mut tree, "error.messageString", quoted.into());
        }
        for (name, value) in self.authorizer.iter().flat_map(|said| said.iter()) {
            let members = tree.entry("authorizer").or_insert_with(|| Map::new().into());
            members.as_object_mut().map(|members| members.insert(name.clone(), value.clone()));
        }
        tree
    }
}

/// Puts a value below the objects that its name goes through.
fn put(tree: &mut Map<String, Value>, name: &str, value: Value) {
    let Some((group, rest)) = name.split_once('.') else {
        tree.insert(name.to_owned(), value);
        return;
    };
    if let Value::Object(group) = tree.entry(group).or_insert_with(|| Map::new().into()) {
        put(group, rest, value);
    }
}

/// A value as text: texts for themselves, all else as JSON.
fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn context() -> Context {
        let mut context = Context::new(Timestamp::from_millis(1_583_348_638_390));
        context.set("identity.sourceIp", "10.0.0.1".to_owned());
        context.set("stage", Arc::<str>::from("prod"));
        context.set("status", 404_u16);
        context.set_some("identity.user", None::<String>);
        context.set("error.message", "no \"such\" thing");
        let said = json!({"principalId": "me", "n": 1, "claims": {"sub": "s", "cognito:groups": ["a"], "a.b": "dots"}});
        context.set_authorizer(Arc::new(said.as_object().unwrap().clone()));
        context
    }

    #[test]
    fn facts_have_awss_names() {
        let context = context();
        for (name, value) in [
            ("identity.sourceIp", Some("10.0.0.1")),
            ("stage", Some("prod")),
            ("status", Some("404")),
            ("identity.user", None),
            ("requestTime", Some("04/Mar/2020:19:03:58 +0000")),
            ("requestTimeEpoch", Some("1583348638390")),
            ("error.message", Some("no \"such\" thing")),
            ("error.messageString", Some(r#""no \"such\" thing""#)),
            ("authorizer.principalId", Some("me")),
            ("authorizer.n", Some("1")),
            ("authorizer.claims.sub", Some("s")),
            ("authorizer.claims.a.b", Some("dots")),
            ("authorizer.claims.cognito:groups", Some(r#"["a"]"#)),
            ("authorizer.claims.none", None),
            ("authorizer.n.m", None),
            ("nothing", None),
        ] {
            assert_eq!(context.get(name).as_deref(), value, "{name}");
        }
        assert_eq!(Context::new(context.at()).get("error.messageString"), None);
    }

    #[test]
    fn a_later_fact_takes_the_place_of_an_earlier_one() {
        let mut context = context();
        context.set("status", 200_u16);
        assert_eq!(context.get("status").as_deref(), Some("200"));
        let tree = Value::from(context.tree());
        assert_eq!(tree["status"], 200);
        assert_eq!(tree["identity"], json!({"sourceIp": "10.0.0.1"}));
        assert_eq!(tree["requestTimeEpoch"], 1_583_348_638_390_i64);
        assert_eq!(
            (&tree["authorizer"]["claims"]["sub"], &tree["error"]["messageString"]),
            (&json!("s"), &json!("\"no \\\"such\\\" thing\""))
        );
    }
}
